"""How many calls of one process may wait for one gateway: a gateway that hangs holds up its own payments, not all threads.

A breaker needs failures to open, and a call that hangs fails only at its time-out. Until then its thread is gone; this
keeps some for everybody else.
"""

from __future__ import annotations

import threading
import time
from typing import Final

WAIT_SECONDS: Final = 0.5
"""So long a call waits for another one to end, while those under way look alive. Longer, and the waiting themselves
take the threads that are to stay free: with 2 s another gateway's 95 % rose from 0.05 to 1.6 s (the soak test)."""
STUCK_SECONDS: Final = 2.0
"""When all calls under way are older than this, nobody waits for them."""

_changed: Final = threading.Condition()
_running: Final[dict[str, dict[int, float]]] = {}
"""Gateway -> thread -> when its call began (a monotonic moment)."""


def enter(gateway: str, *, limit: int) -> bool:
    """Take a place for this thread's call; False when there is none."""
    until = time.monotonic() + WAIT_SECONDS
    with _changed:
        running = _running.setdefault(gateway, {})
        while len(running) >= limit:
            left = until - time.monotonic()
            if left <= 0 or max(running.values()) < time.monotonic() - STUCK_SECONDS:
                return False
            _changed.wait(left)
        running[threading.get_ident()] = time.monotonic()
    return True


def leave(gateway: str) -> None:
    """Give this thread's place back, if it has one."""
    with _changed:
        if _running.get(gateway, {}).pop(threading.get_ident(), None) is not None:
            _changed.notify()
