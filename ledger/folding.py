"""Folding lines into sums, so that a balance is a handful of rows however long the account's history is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import connection, transaction

from ledger.errors import ForeignCluster

PORTION: Final = 50_000
"""Journals per transaction of a long fold."""


def fold(*, on_portion: Callable[[int], None] = lambda lines: None, portion: int = PORTION) -> int:
    """Fold every line below the oldest running transaction; the number of lines folded. For beat, every minute or so.

    Harmless to repeat; does nothing while another fold runs. A long transaction anywhere in the database holds the horizon
    back (see `horizon_age_seconds`). Raises ForeignCluster after a restore into another cluster, until `rebase()`.
    """
    total: int = 0
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SELECT status, folded FROM ledger_fold(%s)", (portion,))
            status, folded = cursor.fetchone()
        if status == "foreign_cluster":
            raise ForeignCluster("The ledger was restored into another cluster; re-base it first.")
        total += int(folded)
        on_portion(int(folded))
        if status != "more":
            return total


def rebase() -> int:
    """After a restore into another cluster: give recorded lines the transaction id of long ago; how many. Run it alone."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT ledger_rebase()")
        return int(cursor.fetchone()[0])


def horizon_age_seconds() -> float:
    """How long the oldest running transaction has been running; above 60 the fold falls behind and someone should look."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity"
            " WHERE backend_xid IS NOT NULL OR backend_xmin IS NOT NULL"
        )
        return float(cursor.fetchone()[0])
