"""Rows written without the ORM's price, and several writes of one commit in one trip to the database.

A capture writes eight rows in seven tables. One by one that is eight answers to wait for; inside `together()` they
become one statement of as many parts. The parts do not see each other and their order is PostgreSQL's, so whoever reads
what was just written does so after the block; a second write of one table sends the first ones on their way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from django.db import connection, models

UNCOUNTED: Final = -1
"""For writes that may find their row there already."""


@dataclass(slots=True)
class _Pending:
    """What a block has written so far."""

    tables: set[str] = field(default_factory=set)
    statements: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


_pending: ContextVar[_Pending | None] = ContextVar("reckoner_pending_writes", default=None)


def write(table: str, sql: str, values: Sequence[Any], *, rows: int = 1) -> None:
    """Change `rows` rows of one table by one statement (no RETURNING); UNCOUNTED leaves the number open.

    Joins the caller's transaction. Asserts that as many rows were there, at the end of the block inside `together()`.
    """
    assert connection.in_atomic_block, "a write joins the transaction of a service"
    pending = _pending.get()
    if pending is None:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            assert rows in (UNCOUNTED, cursor.rowcount), f"{cursor.rowcount} rows of {table} instead of {rows}"
        return
    if table in pending.tables:
        _send(pending)
    pending.tables.add(table)
    pending.statements.append(sql)
    pending.values += values
    pending.rows.append(rows)


def insert(row: models.Model, *, once: bool = False) -> None:
    """Write a new row of a model whose key is made in Python. Joins the caller's transaction.

    `once`: where a unique constraint says that it is there already, it stays as it is.
    """
    table, fields, sql = _insert_of(type(row))
    values = [_stored(one, row, add=True) for one in fields]
    if once:
        write(table, f"{sql} ON CONFLICT DO NOTHING", values, rows=UNCOUNTED)
    else:
        write(table, sql, values)
    row._state.adding, row._state.db = False, connection.alias


def update(row: models.Model, *names: str) -> None:
    """Write these fields of a row that is there. Joins the caller's transaction."""
    table, fields, sql = _update_of(type(row), names)
    write(table, sql, [*(_stored(one, row, add=False) for one in fields), row.pk])


@contextmanager
def together() -> Iterator[None]:
    """Send the writes of this block as one statement at its end; nothing is sent when it raises."""
    if _pending.get() is not None:
        yield
        return
    pending = _Pending()
    token = _pending.set(pending)
    try:
        yield
    finally:
        _pending.reset(token)
    _send(pending)


def _send(pending: _Pending) -> None:
    if not pending.statements:
        return
    with connection.cursor() as cursor:
        cursor.execute(_one_statement(tuple(pending.statements)), pending.values)
        found = cursor.fetchone()
    for table, wanted, count in zip(pending.statements, pending.rows, found, strict=True):
        assert wanted in (UNCOUNTED, count), f"{count} rows instead of {wanted}: {table}"
    for kept in (pending.tables, pending.statements, pending.values, pending.rows):
        kept.clear()


@lru_cache(maxsize=256)
def _one_statement(statements: tuple[str, ...]) -> str:
    parts = ", ".join(f"w{number} AS ({sql} RETURNING 1)" for number, sql in enumerate(statements))
    counts = ", ".join(f"(SELECT count(*) FROM w{number})" for number in range(len(statements)))  # noqa: S608  # constants
    return f"WITH {parts} SELECT {counts}"


def _stored(one: models.Field[Any, Any], row: models.Model, *, add: bool) -> Any:
    """A field's value as the database takes it."""
    value = one.get_db_prep_save(one.pre_save(row, add), connection)
    return value.value if isinstance(value, Enum) else value


@lru_cache(maxsize=64)
def _insert_of(model: type[models.Model]) -> tuple[str, tuple[models.Field[Any, Any], ...], str]:
    meta = model._meta
    fields = tuple(meta.concrete_fields)
    assert not isinstance(meta.pk, models.AutoField), f"the key of {meta.label} is made by the database"
    columns = ", ".join(connection.ops.quote_name(str(one.column)) for one in fields)
    marks = ", ".join(["%s"] * len(fields))
    return meta.db_table, fields, f"INSERT INTO {meta.db_table} ({columns}) VALUES ({marks})"  # noqa: S608  # names of a model


@lru_cache(maxsize=64)
def _update_of(
    model: type[models.Model], names: tuple[str, ...]
) -> tuple[str, tuple[models.Field[Any, Any], ...], str]:
    meta = model._meta
    fields = tuple(one for one in (meta.get_field(name) for name in names) if isinstance(one, models.Field))
    assert meta.pk is not None, "a model has a key"
    columns = ", ".join(f"{connection.ops.quote_name(str(one.column))} = %s" for one in fields)
    return meta.db_table, fields, f"UPDATE {meta.db_table} SET {columns} WHERE {meta.pk.column} = %s"  # noqa: S608  # names of a model
