"""Small drawings in plain SVG and HTML: bars of days, a meter, a count that leads to its list. No script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from config.core.admin.cells import Cell, link, listing, money_text, number
from config.core.money import Money

WIDTH: Final = 900
HEIGHT: Final = 150
LEFT: Final = 70
BOTTOM: Final = 20


class DaySum(Protocol):
    """What a bar is drawn of."""

    @property
    def day(self) -> date: ...
    @property
    def count(self) -> int: ...
    @property
    def minor(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Bar:
    """One day."""

    x: str
    y: str
    width: str
    height: str
    title: str
    label: str
    label_x: str
    url: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the scale."""

    y: str
    text_y: str
    label: str


@dataclass(frozen=True, slots=True)
class Bars:
    """The chart; numbers as text, so that no language puts a comma into SVG."""

    bars: Sequence[Bar]
    lines: Sequence[Line]
    view_box: str
    left: str
    right: str
    label_y: str


def bars(days: Sequence[DaySum], currency: str) -> Bars:
    """A bar a day; the last one is today and not over."""
    top = _round_up(max((day.minor for day in days), default=0))
    step = (WIDTH - LEFT) / max(len(days), 1)
    scale = HEIGHT / top
    found = [
        Bar(
            x=_n(LEFT + number_ * step + step * 0.15),
            y=_n(8 + HEIGHT - day.minor * scale),
            width=_n(step * 0.7),
            height=_n(day.minor * scale),
            title=f"{day.day:%d/%m/%Y}: {money_text(Money(day.minor, currency))} · {number(day.count)}",
            label=f"{day.day:%d/%m}" if number_ % 5 == (len(days) - 1) % 5 else "",
            label_x=_n(LEFT + number_ * step + step * 0.5),
            url=listing("payments_capture", state="applied", day_from=day.day, day_to=day.day),
            is_now=number_ == len(days) - 1,
        )
        for number_, day in enumerate(days)
    ]
    lines = [
        Line(_n(8 + HEIGHT - HEIGHT * part / 4), _n(12 + HEIGHT - HEIGHT * part / 4), _brief(top * part // 4))
        for part in range(0, 5, 2)
    ]
    return Bars(found, lines, f"0 0 {WIDTH} {HEIGHT + BOTTOM + 10}", str(LEFT), str(WIDTH), str(HEIGHT + BOTTOM + 4))


def counted(count: int, url: str) -> Cell:
    """A count that leads to what it counts."""
    return link(url, number(count)) if count else "0"


def _round_up(value: int) -> int:
    """The next round number: a scale that can be read."""
    if value <= 0:
        return 1
    size = int(10 ** max(len(str(value)) - 2, 0))
    return next(step * size for step in (10, 15, 20, 30, 40, 50, 75, 100) if step * size >= value)


def _brief(minor: int) -> str:
    for size, word in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if minor >= size:
            return f"{minor / size:g}{word}".replace(".", ",")
    return str(minor)


def _n(value: float) -> str:
    return f"{value:.1f}"
