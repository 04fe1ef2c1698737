"""Closing spans of effective days in two steps, without stopping anybody who posts (docs/decisions/0002)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final

from django.db import IntegrityError, connection, transaction

from config.core.errors import NotFound
from ledger.errors import PeriodNotClosable, PostersStillRunning
from ledger.models import Period
from ledger.refusals import explained
from ledger.selectors import trial_balance

WAIT_SECONDS: Final = 60.0


@transaction.atomic(durable=True)
def open_period(*, starts_on: date, ends_on: date) -> Period:
    """Name a span of days that will be closed together, such as a month; the same span again is the same period.

    Days without a period are open. Raises PeriodOverlaps.
    """
    try:
        with transaction.atomic():
            return Period.objects.get_or_create(starts_on=starts_on, ends_on=ends_on)[0]
    except IntegrityError as error:
        if (refusal := explained(error)) is None:
            raise
        raise refusal from error


def close_period(*, period_id: int, at: datetime, actor: str, wait_seconds: float = WAIT_SECONDS) -> Period:
    """Close a period: nothing is posted into it any more, and its trial balance is kept.

    Raises PostersStillRunning when somebody who began before has not ended in time; the period stays closing, and a second
    call goes on. Raises PeriodNotClosable and NotFound.
    """
    begin_close(period_id=period_id, actor=actor)
    return finish_close(period_id=period_id, at=at, wait_seconds=wait_seconds)


@transaction.atomic(durable=True)
def begin_close(*, period_id: int, actor: str) -> Period:
    """First step: from this commit on, new postings are refused. Raises PeriodNotClosable, NotFound."""
    period = _locked(period_id)
    if period.state == Period.State.CLOSED:
        raise PeriodNotClosable(f"The period {period.starts_on} to {period.ends_on} is closed.")
    period.state = Period.State.CLOSING
    period.closing_by = actor
    period.save(update_fields=["state", "closing_by"])
    return period


def finish_close(*, period_id: int, at: datetime, wait_seconds: float = WAIT_SECONDS) -> Period:
    """Second step: wait for everybody who may still have seen the period open, then keep its trial balance.

    Raises PostersStillRunning, PeriodNotClosable, NotFound.
    """
    assert not connection.in_atomic_block, "waiting for others inside a transaction would wait for itself"
    horizon = _wait_for_posters(wait_seconds)
    with transaction.atomic(durable=True):
        period = _locked(period_id)
        if period.state != Period.State.CLOSING:
            raise PeriodNotClosable(f"The period {period.starts_on} to {period.ends_on} is not closing.")
        period.state = Period.State.CLOSED
        period.closed_at = at
        period.horizon = horizon
        period.totals = totals_on(period.ends_on)
        period.save(update_fields=["state", "closed_at", "horizon", "totals"])
    return period


@transaction.atomic(durable=True)
def abandon_close(*, period_id: int) -> Period:
    """Open a period again that is closing. Raises PeriodNotClosable, NotFound."""
    period = _locked(period_id)
    if period.state != Period.State.CLOSING:
        raise PeriodNotClosable(f"The period {period.starts_on} to {period.ends_on} is not closing.")
    period.state = Period.State.OPEN
    period.closing_by = ""
    period.save(update_fields=["state", "closing_by"])
    return period


def totals_on(day: date) -> dict[str, dict[str, int]]:
    """What a closed period keeps: per currency, every account that is not zero, signed."""
    totals: dict[str, dict[str, int]] = {}
    for row in trial_balance(as_of=day).rows:
        totals.setdefault(row.currency, {})[row.code] = row.balance_minor
    return totals


def _locked(period_id: int) -> Period:
    period = Period.objects.select_for_update().filter(pk=period_id).first()
    if period is None:
        raise NotFound(f"There is no period {period_id}.")
    return period


def _wait_for_posters(wait_seconds: float, sleep: Callable[[float], None] = time.sleep) -> int:
    """The transaction id below which everything has ended, taken after `closing` was committed."""
    horizon = int(_one("SELECT pg_snapshot_xmax(pg_current_snapshot())"))
    deadline = time.monotonic() + wait_seconds
    while int(_one("SELECT pg_snapshot_xmin(pg_current_snapshot())")) < horizon:
        if time.monotonic() >= deadline:
            raise PostersStillRunning("A transaction that began before the close has not ended yet; try again.")
        sleep(0.05)
    return horizon


def _one(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]
