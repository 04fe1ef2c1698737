"""An answer that is good for a while: asked for at most once in so many seconds, however often it is wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Call it for the answer of this process. Threads that come while it is asked for wait for the same one."""

    def __init__(self, ask: Callable[[], T], *, seconds: float) -> None:
        self._ask, self._seconds = ask, seconds
        self._lock = threading.Lock()
        self._kept: tuple[float, T] | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > self._seconds:
                answer = self._ask()
                self._kept = time.monotonic(), answer
            return self._kept[1]

    def forget(self) -> None:
        """The next caller asks."""
        self._kept = None


def remembered(seconds: float) -> Callable[[Callable[[], T]], Remembered[T]]:
    """The same as a decorator of what asks."""
    return lambda ask: Remembered(ask, seconds=seconds)
