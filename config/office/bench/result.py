"""What a case found: rounds beside the yardstick, figures against their targets, checks, and the circumstances."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One stretch of work: how much, how long, and the CPU it cost the application and PostgreSQL."""

    operations: int
    seconds: float
    app_cpu: float = 0.0
    server_cpu: float = 0.0
    latencies_ms: tuple[float, ...] = ()
    failed: int = 0
    warm_up: int = 0  # operations before the clock ran: they are in the tables, too

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds if self.seconds else 0.0

    @property
    def app_cpu_ms(self) -> float:
        """Milliseconds of the application's CPU per operation."""
        return 1000 * self.app_cpu / self.operations if self.operations else 0.0

    @property
    def server_cpu_ms(self) -> float:
        """Milliseconds of PostgreSQL's CPU per operation."""
        return 1000 * self.server_cpu / self.operations if self.operations else 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """The yardstick and the case, one after the other."""

    yardstick: Measured
    case: Measured

    @property
    def ratio(self) -> float:
        """The case's rate in units of the yardstick's."""
        return self.case.rate / self.yardstick.rate if self.yardstick.rate else 0.0


class Verdict(StrEnum):
    """A figure against its targets."""

    GOAL = "goal"
    FLOOR = "floor"
    MISSED = "missed"
    NONE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number worth telling. `floor` must be reached and `goal` is aimed at (docs/performance.md)."""

    name: str
    median: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    floor: float | None = None
    goal: float | None = None
    smaller_is_better: bool = False

    @property
    def verdict(self) -> Verdict:
        """Which target the median reaches."""
        if self.floor is None:
            return Verdict.NONE
        if self.goal is not None and self._reaches(self.goal):
            return Verdict.GOAL
        return Verdict.FLOOR if self._reaches(self.floor) else Verdict.MISSED

    def _reaches(self, target: float) -> bool:
        return self.median <= target if self.smaller_is_better else self.median >= target


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must be true of the database afterwards."""

    sentence: str
    holds: bool


@dataclass(slots=True, kw_only=True)
class Result:
    """All of one case."""

    case: str
    about: str
    figures: list[Figure] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether every check holds: else the figures mean nothing."""
        return all(check.holds for check in self.checks)

    @property
    def reaches_floors(self) -> bool:
        """Whether no figure is below its floor."""
        return all(figure.verdict is not Verdict.MISSED for figure in self.figures)

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "case": self.case,
            "about": self.about,
            "sound": self.is_sound,
            "figures": [{**asdict(figure), "verdict": figure.verdict.value} for figure in self.figures],
            "checks": [asdict(check) for check in self.checks],
            "facts": self.facts,
        }


def figure(
    name: str,
    values: Sequence[float],
    *,
    unit: str = "",
    floor: float | None = None,
    goal: float | None = None,
    smaller_is_better: bool = False,
) -> Figure:
    """Median, smallest and largest of one value per round."""
    return Figure(
        name=name,
        median=statistics.median(values),
        low=min(values),
        high=max(values),
        unit=unit,
        floor=floor,
        goal=goal,
        smaller_is_better=smaller_is_better,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed (nearest rank); 0 for none."""
    if not values:
        return 0.0
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def of_rounds(
    rounds: Sequence[Round], *, name: str, floor: float | None = None, goal: float | None = None
) -> list[Figure]:
    """What is told of every case that runs beside the yardstick."""
    return [
        figure(f"{name} / TPC-B", [one.ratio for one in rounds], unit="x", floor=floor, goal=goal),
        figure(f"{name} per second", [one.case.rate for one in rounds], unit="/s"),
        figure("TPC-B per second", [one.yardstick.rate for one in rounds], unit="/s"),
        figure("application CPU per operation", [one.case.app_cpu_ms for one in rounds], unit="ms"),
        figure("PostgreSQL CPU per operation", [one.case.server_cpu_ms for one in rounds], unit="ms"),
        figure("PostgreSQL CPU per TPC-B transaction", [one.yardstick.server_cpu_ms for one in rounds], unit="ms"),
    ]
