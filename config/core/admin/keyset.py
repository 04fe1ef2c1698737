"""Lists of millions of rows: pages by the last row seen, and counts that are never paid for in full.

A page starts after (or before) a row's key in an index, so the ten-thousandth page costs what the first does and rows
that are inserted meanwhile neither shift nor repeat the others. The whole table's count is PostgreSQL's estimate; a
filtered count stops at MAX_COUNTED (PERFORMANCE.md, admin).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import connection, models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from config.core.admin.cells import NOTHING, number

AFTER: Final = "after"
BEFORE: Final = "before"
MAX_COUNTED: Final = 10_000
MAX_CURSOR: Final = 400


class KeysetChangeList(ChangeList):
    """Django's ChangeList in a fixed order (`model_admin.keyset`, an index), walked by cursors."""

    next_cursor: str = ""
    previous_cursor: str = ""
    count_text: str = ""

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """What filters see: cursors are not theirs."""
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in (AFTER, BEFORE)}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Always the keyset's order."""
        return list(self.model_admin.keyset)

    def get_ordering_field_columns(self) -> dict[int, str]:
        """No column sorts: another order would have no index."""
        return {}

    def get_results(self, request: HttpRequest) -> None:
        """One page, and whether there is more on either side."""
        is_filtered = bool(self.has_active_filters or self.query)
        with _planned_anew():
            page = walk(
                self.queryset,
                order=self.model_admin.keyset,
                after=request.GET.get(AFTER, ""),
                before=request.GET.get(BEFORE, ""),
                size=self.list_per_page,
            )
            self.result_count, self.count_text = _count(self.queryset, is_filtered=is_filtered)
        self.result_list, self.next_cursor, self.previous_cursor = page.rows, page.next_cursor, page.previous_cursor
        self.full_result_count = self.result_count  # what the title would compare it with
        self.show_full_result_count = False
        self.show_admin_actions = False
        self.can_show_all, self.multi_page = False, bool(page.next_cursor or page.previous_cursor)
        self.paginator = self.model_admin.get_paginator(request, page.rows, self.list_per_page)

    @property
    def next_url(self) -> str:
        """The page of older rows."""
        return self._url({AFTER: self.next_cursor}) if self.next_cursor else ""

    @property
    def previous_url(self) -> str:
        """The page of newer rows."""
        return self._url({BEFORE: self.previous_cursor}) if self.previous_cursor else ""

    @property
    def first_url(self) -> str:
        """Back to the start."""
        return self._url({}) if self.previous_cursor else ""

    @property
    def heads(self) -> list[Head]:
        """The columns; those of amounts stand at the right."""
        return [_head(self, name) for name in self.list_display]

    @property
    def lines(self) -> Iterator[list[tuple[Head, Any]]]:
        """The rows as cells, the first or the named ones leading to their page.

        Drawn here rather than by the library's tags, which cost ten times as much per row.
        """
        heads = self.heads
        linked = set(self.list_display_links or self.list_display[:1])
        for row in self.result_list:
            url = self.url_for_result(row)
            cells = (_cell(self, name, row) for name in self.list_display)
            yield [
                (head, format_html('<a class="o-link" href="{}">{}</a>', url, cell) if head.name in linked else cell)
                for head, cell in zip(heads, cells, strict=True)
            ]

    def _url(self, cursor: dict[str, str]) -> str:
        text: str = self.get_query_string(cursor, remove=[AFTER, BEFORE])
        return text


@contextmanager
def _planned_anew() -> Iterator[None]:
    """Plan each query for its own values, which prepared statements stop doing after a few uses.

    A plan that fits every amount walks the newest rows first; for an amount that nobody paid that is the whole table.
    """
    connection.ensure_connection()
    raw = connection.connection
    kept, raw.prepare_threshold = raw.prepare_threshold, None
    try:
        yield
    finally:
        raw.prepare_threshold = kept


@dataclass(frozen=True, slots=True)
class Head:
    """One column of a list."""

    name: str
    label: Any
    is_number: bool


def _head(page: KeysetChangeList, name: str) -> Head:
    method = getattr(page.model_admin, name, None)
    if method is not None:
        return Head(name, method.short_description, name.endswith("_money"))
    field: Any = page.model._meta.get_field(name)
    return Head(name, field.verbose_name, isinstance(field, models.IntegerField))


def _cell(page: KeysetChangeList, name: str, row: models.Model) -> Any:
    method = getattr(page.model_admin, name, None)
    if method is not None:
        return method(row)
    shown = getattr(row, f"get_{name}_display", None)
    value = shown() if shown is not None else getattr(row, name)
    return NOTHING if value is None or value == "" else value


class Page:
    """Rows, and the cursors of the pages around them."""

    __slots__ = ("next_cursor", "previous_cursor", "rows")

    def __init__(self, rows: list[Any], *, next_cursor: str, previous_cursor: str) -> None:
        self.rows, self.next_cursor, self.previous_cursor = rows, next_cursor, previous_cursor


def walk(queryset: QuerySet[Any], *, order: Sequence[str], after: str, before: str, size: int) -> Page:
    """One page of a queryset in an order of one or two fields; an odd cursor is the first page."""
    fields = [name.removeprefix("-") for name in order]
    start = _read(after, queryset.model, fields)
    end = None if start else _read(before, queryset.model, fields)
    if end:
        backwards = list(queryset.filter(_beyond(order, end, forwards=False)).order_by(*_turned(order))[: size + 1])
        rows, is_more = list(reversed(backwards[:size])), len(backwards) > size
        return Page(
            rows,
            next_cursor=_cursor(rows[-1], fields) if rows else "",
            previous_cursor=_cursor(rows[0], fields) if is_more else "",
        )
    if start:
        queryset = queryset.filter(_beyond(order, start, forwards=True))
    rows = list(queryset.order_by(*order)[: size + 1])
    is_more, rows = len(rows) > size, rows[:size]
    return Page(
        rows,
        next_cursor=_cursor(rows[-1], fields) if is_more else "",
        previous_cursor=_cursor(rows[0], fields) if start and rows else "",
    )


def _turned(order: Sequence[str]) -> list[str]:
    return [name[1:] if name.startswith("-") else f"-{name}" for name in order]


def _beyond(order: Sequence[str], key: Sequence[Any], *, forwards: bool) -> Q:
    """Rows after (or before) a key. The first condition alone lets PostgreSQL start in the index at the right place."""
    names = [name.removeprefix("-") for name in order]
    signs = ["lt" if name.startswith("-") == forwards else "gt" for name in order]
    if len(names) == 1:
        return Q(**{f"{names[0]}__{signs[0]}": key[0]})
    first, second = names
    return Q(**{f"{first}__{signs[0]}e": key[0]}) & (
        Q(**{f"{first}__{signs[0]}": key[0]}) | Q(**{f"{second}__{signs[1]}": key[1]})
    )


def _cursor(row: models.Model, fields: Sequence[str]) -> str:
    key = [_plain(getattr(row, name)) for name in fields]
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (datetime, date)) else value


def _read(cursor: str, model: type[models.Model], fields: Sequence[str]) -> list[Any] | None:
    """The key inside a cursor, each part as its field reads it; None for what is none."""
    if not cursor or len(cursor) > MAX_CURSOR or not cursor.isascii():
        return None
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(fields):
            return None
        key = [_as_field(model, name, part) for name, part in zip(fields, parts, strict=True)]
    except (binascii.Error, ValueError, TypeError, ValidationError, FieldDoesNotExist, RecursionError):
        return None
    if any(part is None or (isinstance(part, datetime) and part.tzinfo is None) for part in key):
        return None
    return key


def _as_field(model: type[models.Model], name: str, part: Any) -> Any:
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field), "a keyset is made of columns"
    return field.to_python(part)


def _count(queryset: QuerySet[Any], *, is_filtered: bool) -> tuple[int, str]:
    """How many rows, as a number and as words."""
    if not is_filtered:
        estimate = estimated(queryset.model)
        if estimate > MAX_COUNTED:
            return estimate, _("about %(count)s") % {"count": number(estimate)}
    count = queryset.order_by().values("pk")[: MAX_COUNTED + 1].count()  # without the page's annotations
    if count > MAX_COUNTED:
        return MAX_COUNTED, _("more than %(count)s") % {"count": number(MAX_COUNTED)}
    return count, number(count)


def estimated(model: type[models.Model]) -> int:
    """What PostgreSQL's statistics believe a table holds; below zero when it was never looked at."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        return int(cursor.fetchone()[0])
