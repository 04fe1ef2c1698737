"""The one column type that Django does not know."""

from __future__ import annotations

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class TransactionIdField(models.BigIntegerField):  # type: ignore[type-arg]  # not generic at run time
    """A PostgreSQL `xid8`: which transaction wrote the row. Read as an integer, written by the database only."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "xid8"

    def from_db_value(self, value: str | int | None, expression: object, connection: BaseDatabaseWrapper) -> int | None:
        return None if value is None else int(value)

    def get_placeholder(self, value: object, compiler: object, connection: BaseDatabaseWrapper) -> str:
        return "%s::text::xid8"
