"""Named places where a test may kill the process, to prove that a restart finds everything (RELIABILITY 7).

`reach("ipn.kept")` does nothing unless the environment named that point when the process started:
FAULTPOINT=ipn.kept or FAULTPOINT=ipn.kept:3 for its third time. Production settings refuse to start with it.
"""

from __future__ import annotations

import os
import signal
import threading

from django.conf import settings

_lock = threading.Lock()
_left: dict[str, int] = {}


def _armed() -> dict[str, int]:
    name, _, times = settings.FAULTPOINT.partition(":")
    return {name: int(times or 1)} if name else {}


if settings.FAULTPOINT:
    assert settings.ENVIRONMENT in ("development", "test"), "fault points are for tests"
    _left.update(_armed())


def reach(name: str) -> None:
    """Kill this process here, with the signal that nothing can catch, if a test asked for it."""
    if not _left or name not in _left:
        return
    with _lock:
        _left[name] -= 1
        if _left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
