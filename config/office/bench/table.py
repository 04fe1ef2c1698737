"""A result for people: one table of figures, then what was checked and where it ran."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table

from config.office.bench.result import Figure, Result, Verdict

COLOURS: Final = {Verdict.GOAL: "green", Verdict.FLOOR: "yellow", Verdict.MISSED: "red", Verdict.NONE: ""}


def show(result: Result, console: Console) -> None:
    """Print it."""
    table = Table(title=f"{result.case} - {result.about}", title_justify="left")
    table.add_column(_("figure"))
    for heading in (_("median"), _("min"), _("max"), _("floor"), _("goal")):
        table.add_column(heading, justify="right")
    table.add_column(_("target"))
    for figure in result.figures:
        word = _word(figure.verdict)
        colour = COLOURS[figure.verdict]
        table.add_row(
            figure.name,
            _number(figure.median, figure.unit),
            _number(figure.low, figure.unit),
            _number(figure.high, figure.unit),
            _target(figure, figure.floor),
            _target(figure, figure.goal),
            f"[{colour}]{word}[/]" if colour else word,
        )
    console.print(table)
    for check in result.checks:
        console.print(f"  [green]✓[/] {check.sentence}" if check.holds else f"  [red]✗ {check.sentence}[/]")
    facts = ", ".join(f"{name} {value}" for name, value in result.facts.items())
    console.print(f"  [dim]{facts}[/]")


def _word(verdict: Verdict) -> str:
    words = {
        Verdict.GOAL: _("reaches the goal"),
        Verdict.FLOOR: _("above the floor"),
        Verdict.MISSED: _("below the floor"),
        Verdict.NONE: "",
    }
    return words[verdict]


def _target(figure: Figure, target: float | None) -> str:
    if target is None:
        return ""
    return f"{'<=' if figure.smaller_is_better else '>='} {_number(target, figure.unit)}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip() if unit != "x" else f"{text}x"
