"""Reads whose shape never changes, compiled once: the ORM works out the SQL anew for every call, which on the hot path
costs more than asking does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db import connection, models
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=models.Model)
STAND_IN: Final = 1_900_000_000
"""While a query is compiled its keys are this number and those after it, or such a number as text."""


class Read(Generic[Row]):
    """A queryset of some keys (texts or whole numbers), built and compiled at its first use, and not evaluated before.

    What `build` returns has the same SQL for all keys. It may join, lock, order and cut, and compare with constants;
    annotations, prefetches and deferred fields are not for it.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Row, Row]]) -> None:
        self._build = build
        self._plan: _Plan[Row] | None = None

    def all(self, *keys: str | int) -> list[Row]:
        """Every row, as the queryset would bring it."""
        return self._planned(keys).rows(keys)

    def first(self, *keys: str | int) -> Row | None:
        """The first row; None when there is none."""
        return next(iter(self.all(*keys)), None)

    def one(self, *keys: str | int) -> Row:
        """The one row that there must be. Raises ObjectDoesNotExist, MultipleObjectsReturned."""
        plan = self._planned(keys)
        rows = plan.rows(keys)
        if not rows:
            raise ObjectDoesNotExist(f"No {plan.model.__name__} of {keys}.")
        if len(rows) > 1:
            raise MultipleObjectsReturned(f"{len(rows)} of {plan.model.__name__} for {keys}.")
        return rows[0]

    def _planned(self, keys: tuple[str | int, ...]) -> _Plan[Row]:
        if self._plan is None:
            stand_ins = [STAND_IN + n if isinstance(key, int) else str(STAND_IN + n) for n, key in enumerate(keys)]
            self._plan = _compiled(self._build(*stand_ins), stand_ins)
        return self._plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan(Generic[Row]):
    """A compiled query, and how its rows become objects."""

    model: type[Row]
    sql: str
    locks: bool
    params: tuple[Any, ...]
    places: tuple[tuple[int, int], ...]  # which of `params` is which key
    names: tuple[str, ...]
    columns: slice  # of the model itself; those of joined models follow
    joined: tuple[Any, ...]
    converters: tuple[tuple[int, Sequence[Any], Any], ...]

    def rows(self, keys: tuple[str | int, ...]) -> list[Row]:
        assert connection.in_atomic_block or not self.locks, "a lock is held to the end of a transaction"
        params = list(self.params)
        for place, number in self.places:
            params[place] = keys[number]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, params)
            return [self._object(list(row)) for row in cursor.fetchall()]

    def _object(self, values: list[Any]) -> Row:
        for at, functions, expression in self.converters:
            for function in functions:
                values[at] = function(values[at], expression, connection)
        found = self.model.from_db(connection.alias, self.names, values[self.columns])
        for one in self.joined:
            one.populate(values, found)
        return found


def _compiled(rows: models.QuerySet[Row, Row], stand_ins: list[int | str]) -> _Plan[Row]:
    compiler = rows.query.get_compiler(using=connection.alias)
    sql, params = compiler.as_sql()
    places = tuple((at, stand_ins.index(value)) for at, value in enumerate(params) if value in stand_ins)
    assert {number for _, number in places} == set(range(len(stand_ins))), f"every key has its place in {sql}"
    assert not compiler.annotation_col_map, "annotations are not for a compiled read"
    info, select = compiler.klass_info, compiler.select
    assert info is not None, "a compiled read brings objects"
    columns = slice(info["select_fields"][0], info["select_fields"][-1] + 1)
    converters = compiler.get_converters([one for one, *_ in select])
    return _Plan(
        model=rows.model,
        sql=sql,
        locks=rows.query.select_for_update,
        params=tuple(params),
        places=places,
        names=tuple(one.target.attname for one, *_ in select[columns]),
        columns=columns,
        joined=tuple(get_related_populators(info, select, connection.alias)),  # type: ignore[call-arg]  # of Django 6
        converters=tuple((at, functions, expression) for at, (functions, expression) in converters.items()),
    )
