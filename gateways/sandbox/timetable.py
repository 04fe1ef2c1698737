"""When a provider brings a message again that was not taken, and how long it waits for an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """One provider's habit, in its own real seconds.

    `pauses` lie each between the end of one try and the next: with none of them a message comes once. An answer that
    is not there after `answer_seconds` is no answer. `unconfirmed` says what of this no document tells: our choice.
    """

    pauses: tuple[float, ...]
    answer_seconds: float
    unconfirmed: str = ""
