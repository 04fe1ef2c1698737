"""Where strangers may make us call: https addresses of the open internet, whatever their names resolve to.

RELIABILITY T33: a webhook's address is chosen by somebody else, and we stand where they do not. A name is resolved once
and the connection goes to the address that was checked (config.core.outbound), so that a name which changes its mind in
between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import urlsplit

from config.core.errors import InvalidInput

Address = IPv4Address | IPv6Address

MAX_LENGTH: Final = 1000
DNS_SECONDS: Final = 5.0
HTTPS_PORT: Final = 443
_PLAIN: Final = re.compile(r"[!-~]+")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")
_HERE: Final = ("localhost", "local", "internal", "localdomain", "home.arpa", "test", "invalid", "onion")
"""Names that mean somebody's own network or nothing at all (RFC 6761, 6762, 7686, 8375; `internal` by ICANN)."""
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's own service inside every virtual machine, on an address that looks public
        "192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "::/96", "2001::/23", "64:ff9b:1::/48", "100::/64",
        "3fff::/20", "5f00::/16",
    )
)  # fmt: skip
_NAT64, _SIX_TO_FOUR = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("2002::/16")


class DestinationRefused(InvalidInput):
    """An address that we do not call for anybody."""

    code, status = "destination_refused", 422


class NameUnknown(Exception):
    """The name resolves to nothing, or not in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What else is allowed. `internal_hosts` are services of the house: plain http, any port, private addresses.

    `is_ours`: the address comes from our own settings, so wherever it leads is meant.
    """

    ports: frozenset[int] = frozenset({HTTPS_PORT})
    internal_hosts: frozenset[str] = frozenset()
    is_ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A checked address in its parts. `target` is path and query as they go into the request line."""

    is_tls: bool
    host: str
    port: int
    target: str
    is_internal: bool

    @property
    def host_header(self) -> str:
        """The name, and the port where it is not the usual one."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (HTTPS_PORT if self.is_tls else 80) else f"{name}:{self.port}"


def read(url: str, *, rules: Rules, field: str = "url") -> Destination:
    """Take an address apart and refuse what can be refused without asking DNS. Raises DestinationRefused."""

    def refuse(why: str) -> DestinationRefused:
        return DestinationRefused(why, field=field)

    if len(url) > MAX_LENGTH or not _PLAIN.fullmatch(url) or "\\" in url:
        raise refuse(f"Write an address of at most {MAX_LENGTH} plain ASCII characters; a name in punycode.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refuse("This is not an address.") from None
    host = (parts.hostname or "").removesuffix(".")
    if not host or parts.scheme not in ("https", "http"):
        raise refuse("Write an https address.")
    if "@" in parts.netloc or parts.fragment:
        raise refuse("An address has no credentials and no fragment; the signature says who calls.")
    is_internal = rules.is_ours or host in rules.internal_hosts
    if parts.scheme != "https" and not is_internal:
        raise refuse("Only https addresses are called.")
    is_tls = parts.scheme == "https"
    number = port if port is not None else HTTPS_PORT if is_tls else 80
    if not number or (not is_internal and number not in rules.ports):
        raise refuse("This port is not called.")
    try:
        literal = _literal(host)
    except ValueError as error:
        raise refuse(str(error)) from None
    if literal is not None:
        if not may_reach(literal, is_internal=is_internal, is_ours=rules.is_ours):
            raise refuse("This address is not on the open internet.")
    elif not is_internal and ("." not in host or any(host == end or host.endswith(f".{end}") for end in _HERE)):
        raise refuse("This name is not on the open internet.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(is_tls=is_tls, host=host, port=number, target=target, is_internal=is_internal)


def addresses_of(destination: Destination, *, rules: Rules, seconds: float = DNS_SECONDS) -> list[Address]:
    """What the name resolves to now, asked once. Raises DestinationRefused when any of it must not be called, NameUnknown."""
    found = _look_up(destination.host, destination.port, seconds)
    if not found:
        raise NameUnknown(f"{destination.host} resolves to nothing")
    if not all(may_reach(one, is_internal=destination.is_internal, is_ours=rules.is_ours) for one in found):
        raise DestinationRefused("The name leads to an address that is not on the open internet.", field="url")
    return found


def may_reach(address: Address, *, is_internal: bool = False, is_ours: bool = False) -> bool:
    """Whether an address may be called: public ones; for hosts named in a setting those of our network too."""
    inner = _inner(address)
    if is_ours:
        return True
    if inner.is_multicast or inner.is_unspecified or inner.is_link_local or any(inner in net for net in _NEVER):
        return False
    return inner.is_global or (is_internal and not inner.is_reserved)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, where it does: mapped, NAT64 (RFC 6052), 6to4 (RFC 3056)."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    return address


def _literal(host: str) -> Address | None:
    """A host that is an address; None for a name. Raises ValueError for what only some programs read as an address."""
    if ":" in host:
        if "%" in host:
            raise ValueError("An address with a zone means something on one machine only.")
        return IPv6Address(host)
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # 2130706433, 0177.0.0.1, 127.1, 0x7f.1: WHATWG URL, "ends in a number"
        return IPv4Address(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("This is not a host name.")
    return None


def _look_up(host: str, port: int, seconds: float) -> list[Address]:
    """Ask the system's resolver, which has no time limit of its own: a look-up that hangs is left behind."""
    found: list[Address] = []

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows))

    asking = threading.Thread(target=ask, name="look-up", daemon=True)
    asking.start()
    asking.join(seconds)
    return list(found) if not asking.is_alive() else []
