"""Where strangers may make us call (RELIABILITY T33): what is refused by its shape, and what by where it leads."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

import pytest

from config.core import destinations
from config.core.destinations import DestinationRefused, NameUnknown, Rules

OPEN: Final = Rules()

REFUSED: Final = [
    # not https, or not an address at all
    "http://hooks.example.com/", "ftp://hooks.example.com/", "file:///etc/passwd", "javascript:alert(1)",
    "gopher://hooks.example.com/_x", "//hooks.example.com/", "hooks.example.com", "https://", "https:///path", "",
    # loopback, in every spelling that some resolver takes
    "https://127.0.0.1/", "https://127.0.0.1:443/x", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
    "https://0177.0.0.1/", "https://017700000001/", "https://0x7f.0.0.1/", "https://127.0.0.1./", "https://0/",
    "https://0.0.0.0/", "https://localhost/", "https://LOCALHOST./", "https://api.localhost/", "https://[::1]/",
    "https://[::]/", "https://[0:0:0:0:0:0:0:1]/",
    # IPv4 inside IPv6
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:7f00:1::]/", "https://[2001:0:1::1]/",
    # private, link-local (cloud metadata), CGNAT, multicast, reserved
    "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/", "https://100.100.100.200/", "https://168.63.129.16/", "https://224.0.0.1/",
    "https://240.0.0.1/", "https://255.255.255.255/", "https://192.0.2.1/", "https://198.18.0.1/",
    "https://192.0.0.192/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fc00::1]/",
    "https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[2001:db8::1]/",
    # names of somebody's own network
    "https://router.local/", "https://metadata.google.internal/", "https://intranet/", "https://nas.home.arpa/",
    # parsers that read one thing and callers that call another
    "https://user:secret@hooks.example.com/", "https://hooks.example.com@127.0.0.1/", "https://127.0.0.1\\@example.com/",
    "https://hooks.example.com#@127.0.0.1/", "https://hooks.example.com/\r\nHost: x", "https://hooks.example.com/ x",
    "https://hooks.example.com\t/", "https://１２７.0.0.1/", "https://ⓛocalhost/", "https://mã-độc.example/",
    "https://[::1/", "https://hooks..example.com/", "https://-hooks.example.com/", "https://%31%32%37.0.0.1/",
    # ports
    "https://hooks.example.com:22/", "https://hooks.example.com:8443/", "https://hooks.example.com:0/",
    "https://hooks.example.com:99999/", "https://hooks.example.com:x/", "https://hooks.example.com/" + "x" * 1000,
]  # fmt: skip

TAKEN: Final = {
    "https://hooks.example.com": ("hooks.example.com", 443, "/", "hooks.example.com"),
    "https://HOOKS.example.com:443/a/b?c=d": ("hooks.example.com", 443, "/a/b?c=d", "hooks.example.com"),
    "https://xn--m-c-0ja.example/": ("xn--m-c-0ja.example", 443, "/", "xn--m-c-0ja.example"),
    "https://93.184.215.14/x": ("93.184.215.14", 443, "/x", "93.184.215.14"),
    "https://[2606:2800:220:1::1]/x": ("2606:2800:220:1::1", 443, "/x", "[2606:2800:220:1::1]"),
    "https://10.example.com/": ("10.example.com", 443, "/", "10.example.com"),
    "https://my_hook.example.com/": ("my_hook.example.com", 443, "/", "my_hook.example.com"),
}


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_is_not_of_the_open_internet_is_refused_by_its_shape(url: str) -> None:
    with pytest.raises(DestinationRefused) as refusal:
        destinations.read(url, rules=OPEN, field="notify_url")

    assert (refusal.value.status, refusal.value.field) == (422, "notify_url")


@pytest.mark.parametrize("url", TAKEN)
def test_an_address_of_the_open_internet_is_taken_apart(url: str) -> None:
    found = destinations.read(url, rules=OPEN)

    assert (found.host, found.port, found.target, found.host_header) == TAKEN[url]
    assert found.is_tls and not found.is_internal


def test_no_look_up_is_made_to_read_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _never)
    destinations.read("https://hooks.example.com/", rules=OPEN)


def test_further_ports_are_a_setting() -> None:
    rules = Rules(ports=frozenset({443, 8443}))

    assert destinations.read("https://hooks.example.com:8443/", rules=rules).host_header == "hooks.example.com:8443"
    with pytest.raises(DestinationRefused):
        destinations.read("https://hooks.example.com:8080/", rules=rules)


def test_a_service_of_the_house_may_be_private_and_plain_and_on_any_port() -> None:
    rules = Rules(internal_hosts=frozenset({"orders", "10.0.0.5"}))

    named = destinations.read("http://orders:9002/hook", rules=rules)
    assert (named.is_tls, named.is_internal, named.host_header) == (False, True, "orders:9002")
    assert destinations.read("http://10.0.0.5/hook", rules=rules).host_header == "10.0.0.5"
    for other in ("http://orders.example.com/", "http://10.0.0.6/", "https://169.254.169.254/"):
        with pytest.raises(DestinationRefused):
            destinations.read(other, rules=rules)


# --- Where names lead ------------------------------------------------------------------------------------------------
def _never(*_: Any, **__: Any) -> Any:
    raise AssertionError("nobody may be asked")


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Make every name lead to these addresses; what is returned fills with the names that were asked for."""

    def to(*addresses: str) -> list[str]:
        asked: list[str] = []

        def answer(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            family = {one: socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses}
            return [(family[one], socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        return asked

    return to


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.1.1", "0.0.0.0", "::1", "::ffff:10.0.0.1", "fe80::1",
        "fd00:ec2::254", "64:ff9b::7f00:1", "224.0.0.251", "168.63.129.16",
    ],
)  # fmt: skip
def test_a_name_that_leads_inside_is_refused_even_beside_a_public_address(
    address: str, resolves: Callable[..., list[str]]
) -> None:
    destination = destinations.read("https://hooks.example.com/", rules=OPEN)
    for answers in ((address,), ("93.184.215.14", address)):
        resolves(*answers)
        with pytest.raises(DestinationRefused):
            destinations.addresses_of(destination, rules=OPEN)


def test_a_name_is_asked_for_once_and_keeps_its_order(resolves: Callable[..., list[str]]) -> None:
    asked = resolves("2606:2800:220:1::1", "93.184.215.14", "93.184.215.14")
    destination = destinations.read("https://hooks.example.com/", rules=OPEN)

    assert destinations.addresses_of(destination, rules=OPEN) == [
        ip_address("2606:2800:220:1::1"),
        ip_address("93.184.215.14"),
    ]
    assert asked == ["hooks.example.com"]


def test_a_service_of_the_house_never_leads_to_the_metadata_of_a_cloud(resolves: Callable[..., list[str]]) -> None:
    rules = Rules(internal_hosts=frozenset({"orders"}))
    destination = destinations.read("http://orders:9002/", rules=rules)

    resolves("10.0.0.9")
    assert destinations.addresses_of(destination, rules=rules) == [ip_address("10.0.0.9")]
    resolves("169.254.169.254")
    with pytest.raises(DestinationRefused):
        destinations.addresses_of(destination, rules=rules)


def test_a_name_that_nobody_knows_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NameUnknown):
        destinations.addresses_of(destinations.read("https://hooks.example.com/", rules=OPEN), rules=OPEN)
