"""Who is asking, and under which ids: carried beside the call, so that logs, audit rows and events agree."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Context:
    """The request, task or command at hand. Empty strings where there is nothing to say."""

    request_id: str = ""
    trace_id: str = ""  # 32 hex digits, from traceparent (W3C Trace Context)
    traceparent: str = ""  # what we send on: the same trace, a span of ours
    actor: str = ""  # user:<email>, key:<name>, customer:<hash>, system:<sub>
    ip: str | None = None


_current: ContextVar[Context] = ContextVar("reckoner_context", default=Context())  # noqa: B039  # frozen


def get() -> Context:
    """What is known about the call at hand; an empty Context outside of any."""
    return _current.get()


@contextmanager
def bind(**values: str | None) -> Iterator[Context]:
    """The same context with some values changed, until the block ends. Raises TypeError for unknown names."""
    changed = replace(_current.get(), **values)  # type: ignore[arg-type]  # replace() itself checks the names
    token = _current.set(changed)
    try:
        yield changed
    finally:
        _current.reset(token)


def amend(**values: str | None) -> None:
    """Change some values for the rest of the surrounding `bind`: who asks is known only after authentication."""
    _current.set(replace(_current.get(), **values))  # type: ignore[arg-type]  # replace() itself checks the names


def client_ip(*, remote: str, forwarded: str, trusted_proxies: int) -> str | None:
    """The address of the one who called: what the outermost proxy of ours wrote, else the socket's.

    `forwarded` is X-Forwarded-For, of which only the last `trusted_proxies` entries were written by us; anything
    before them is the client's own invention. None for what is no address.
    """
    entries = [entry.strip() for entry in forwarded.split(",") if entry.strip()]
    text = entries[-trusted_proxies] if 0 < trusted_proxies <= len(entries) else remote
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
