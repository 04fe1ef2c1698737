"""Who is asking, and under which ids: carried beside the call, so that logs, audit rows and events agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Context:
    """The request, task or command at hand. Empty strings where there is nothing to say."""

    request_id: str = ""
    trace_id: str = ""  # 32 hex digits, from traceparent (W3C Trace Context)
    traceparent: str = ""
    actor: str = ""  # user:<email>, key:<name>, customer:<hash>, system:<sub>
    ip: str | None = None


_current: ContextVar[Context] = ContextVar("reckoner_context", default=Context())


def get() -> Context:
    """What is known about the call at hand; an empty Context outside of any."""
    return _current.get()


@contextmanager
def bind(**values: str | None) -> Iterator[Context]:
    """The same context with some values changed, until the block ends. Raises TypeError for unknown names."""
    changed = replace(_current.get(), **values)  # type: ignore[arg-type]  # names are checked by replace() itself
    token = _current.set(changed)
    try:
        yield changed
    finally:
        _current.reset(token)
