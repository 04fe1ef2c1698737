"""What a thing's page is made of: headline figures, facts and tables; templates/admin/detail.html draws them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.core.admin.cells import NOTHING, Cell, Text


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the headline."""

    label: Text
    value: Cell
    note: Text = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, two columns."""

    title: Text
    rows: Sequence[tuple[Text, Cell]]
    is_wide: bool = False
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers stand at the right."""

    label: Text
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; an empty table says so in a sentence."""

    title: Text
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    empty: Text
    more: str = ""  # where the rest is, when only the newest are shown
    foot: Sequence[Cell] = ()
    is_wide: bool = True
    kind: str = field(default="table", init=False)

    @property
    def lines(self) -> list[list[tuple[Column, Cell]]]:
        """Each row with its columns, as the template wants it."""
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]

    @property
    def foot_cells(self) -> list[tuple[Column, Cell]]:
        """The sums below."""
        return list(zip(self.columns, self.foot, strict=True)) if self.foot else []


@dataclass(frozen=True, slots=True)
class Drawing:
    """Markup of its own: T-accounts, a timeline, a chart."""

    title: Text
    template: str
    data: Any
    is_wide: bool = True
    kind: str = field(default="drawing", init=False)


Panel = Facts | Table | Drawing


def columns(*labels: Text | Column) -> list[Column]:
    """Columns by their labels; `num(label)` makes one of numbers."""
    return [label if isinstance(label, Column) else Column(label) for label in labels]


def num(label: Text) -> Column:
    """A column of amounts or counts."""
    return Column(label, is_number=True)


def fields_of(data: Mapping[str, Any] | Sequence[Any] | None, *, level: int = 0) -> Cell:
    """A small JSON object as names and values; never a wall of braces."""
    if not data:
        return NOTHING
    pairs = data.items() if isinstance(data, Mapping) else enumerate(data)
    rows = format_html_join("", "<dt>{}</dt><dd>{}</dd>", ((name, _value(item, level)) for name, item in pairs))
    return format_html('<dl class="o-fields">{}</dl>', rows)


def _value(item: Any, level: int) -> Cell:
    if isinstance(item, (Mapping, list, tuple)):
        return fields_of(item, level=level + 1) if item and level < 3 else _plain(item)
    if item is None or item == "":
        return NOTHING
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item)


def _plain(item: Any) -> str | SafeString:
    return json.dumps(item, ensure_ascii=False, default=str) if item else NOTHING
