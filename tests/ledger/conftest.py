"""What ledger tests lean on: đồng, a way to post, and a fingerprint of all that must not change after a refusal."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from config.core.money import Money
from ledger.lines import Line
from ledger.refusals import constraint_of
from ledger.services import Posted, fold, post

NOON = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
"""Midday in Viet Nam."""
TABLES = (
    "account",
    "journal",
    "line",
    "balance",
    "rollup",
    "period_balance",
    "hold",
    "hold_event",
    "period",
    "seal",
    "seal_leaf",
)


def vnd(amount: int) -> Money:
    """Đồng."""
    return Money(amount, "VND")


def usd(cents: int) -> Money:
    """Dollars, in cents."""
    return Money(cents, "USD")


def rows(sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Raw SQL, as an attacker with the application's own user would send it."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def fingerprint() -> list[tuple[Any, ...]]:
    """Everything the ledger knows, as one value per table."""
    return [
        rows(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM ledger_{table} t")[0]
        for table in TABLES
    ]


@contextmanager
def refused(by: str) -> Iterator[None]:
    """The database refuses what is inside, by the named constraint, and nothing has changed."""
    before = fingerprint()
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        yield
        rows("SET CONSTRAINTS ALL IMMEDIATE")
    assert constraint_of(caught.value) == by
    assert fingerprint() == before


def quiet(seconds: float = 180) -> None:
    """Wait until every transaction of the whole cluster that runs now has ended: other tests hold the horizon back too,
    and in the long run the machine of events keeps one open for a whole sequence."""
    horizon = int(rows("SELECT pg_snapshot_xmax(pg_current_snapshot())")[0][0])
    deadline = time.monotonic() + seconds
    while int(rows("SELECT pg_snapshot_xmin(pg_current_snapshot())")[0][0]) < horizon:
        assert time.monotonic() < deadline, "a transaction somewhere in the cluster does not end"
        time.sleep(0.02)


def fold_all(**more: Any) -> int:
    """Fold all that has been posted."""
    quiet()
    return fold(**more)


@pytest.fixture
def book(transactional_db: None) -> Callable[..., Posted]:
    """Post lines in a transaction of their own, under a reference of their own unless one is given."""
    numbers = itertools.count(1)

    def post_in_a_transaction(
        *lines: Line, reference: str = "", at: datetime = NOON, event: str = "test", **more: Any
    ) -> Posted:
        with transaction.atomic():
            return post(
                reference=reference or f"test:{next(numbers)}", event=event, lines=lines, occurred_at=at, **more
            )

    return post_in_a_transaction
