"""Named places where a test may kill or hold a process, to prove that a restart finds everything (RELIABILITY 7).

`reach("ipn.kept")` does nothing unless the setting FAULTPOINT names that point:

    ipn.kept            the process dies there, by the signal that nothing can catch
    ipn.kept:3          ... at its third time
    ipn.kept!pause      it stands still for a moment instead, so that something else may die meanwhile
    @/run/test/web      the same words are in that file, whenever there is one

A file is looked up at each point, so it arms a process that runs. It is a fuse: when it strikes it is renamed to
`<file>.struck`, so that the process which comes next lives; removing that one ends a pause early. Production settings
refuse to start with FAULTPOINT.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Final

from django.conf import settings

PAUSE: Final = "pause"
LONGEST_PAUSE_SECONDS: Final = 15.0
PAUSE_SECONDS: Final = 1.0

_lock = threading.Lock()
_reached: dict[tuple[str, int], int] = {}
"""(what is armed, which writing of the file) -> how often its point was reached by this process."""

if settings.FAULTPOINT:
    assert settings.ENVIRONMENT in ("development", "test"), "fault points are for tests"


def reach(name: str) -> None:
    """Die or stand still here, if a test asked for it."""
    if settings.FAULTPOINT:
        _reach(name, str(settings.FAULTPOINT))


def _reach(name: str, armed: str) -> None:
    fuse, writing = None, 0
    if armed.startswith("@"):
        fuse = Path(armed[1:])
        try:
            writing, armed = fuse.stat().st_mtime_ns, fuse.read_text()
        except FileNotFoundError:
            return
    place, _, action = armed.partition("!")
    point, _, times = place.partition(":")
    if point != name or not _is_time(armed, writing, int(times or 1)):
        return
    struck = None
    if fuse is not None:
        struck = fuse.with_name(f"{fuse.name}.struck")
        try:
            fuse.rename(struck)
        except FileNotFoundError:  # it struck in another process of this kind at the same moment
            return
    if action != PAUSE:
        os.kill(os.getpid(), signal.SIGKILL)
    _pause(struck)


def _is_time(armed: str, writing: int, times: int) -> bool:
    with _lock:
        count = _reached[armed, writing] = _reached.get((armed, writing), 0) + 1
    return count == times


def _pause(struck: Path | None) -> None:
    until = time.monotonic() + (PAUSE_SECONDS if struck is None else LONGEST_PAUSE_SECONDS)
    while time.monotonic() < until and (struck is None or struck.exists()):
        time.sleep(0.02)
