"""A period closes in two steps, and nobody slips through between them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import pytest
from django.db import connection, transaction

from config.core.errors import NotFound
from ledger import chart
from ledger.errors import PeriodClosed, PeriodNotClosable, PeriodOverlaps, PostersStillRunning
from ledger.models import Period
from ledger.proof import verify
from ledger.services import Posted, abandon_close, begin_close, close_period, credit, debit, finish_close, open_period
from tests.ledger.conftest import NOON, vnd

pytestmark = pytest.mark.django_db(transaction=True)
Book = Callable[..., Posted]
NOVEMBER = {"starts_on": date(2026, 11, 1), "ends_on": date(2026, 11, 30)}


def capture(book: Book, amount: int, on: date | None = None) -> Posted:
    return book(
        debit(chart.gateway_clearing("momo"), vnd(amount)), credit(chart.escrow("shop42"), vnd(amount)), effective_on=on
    )


def test_a_closed_period_keeps_its_trial_balance(book: Book) -> None:
    capture(book, 5, on=date(2026, 10, 1))
    capture(book, 10, on=date(2026, 11, 30))
    capture(book, 100, on=date(2026, 12, 1))

    period = close_period(period_id=open_period(**NOVEMBER).pk, at=NOON, actor="anna")

    assert (period.state, period.closing_by, period.closed_at) == ("closed", "anna", NOON)
    assert Period.objects.get().totals == {"VND": {"gw:momo:clearing": 15, "escrow:shop42": -15}}
    capture(book, 1000, on=date(2026, 12, 1))
    assert verify().findings == ()


def test_a_backdated_journal_that_changes_a_closed_period_does_not_prove(book: Book) -> None:
    close_period(period_id=open_period(**NOVEMBER).pk, at=NOON, actor="anna")
    capture(book, 5, on=date(2026, 10, 1))  # an open day, but before the period that was closed
    assert [finding.check for finding in verify().findings] == ["closed_period"]


def test_periods_move_forward_only(book: Book) -> None:
    period = open_period(**NOVEMBER)
    assert open_period(**NOVEMBER) == period
    with pytest.raises(PeriodOverlaps):
        open_period(starts_on=date(2026, 11, 30), ends_on=date(2026, 12, 31))
    with pytest.raises(PeriodNotClosable):
        finish_close(period_id=period.pk, at=NOON)
    with pytest.raises(PeriodNotClosable):
        abandon_close(period_id=period.pk)
    begin_close(period_id=period.pk, actor="anna")
    assert abandon_close(period_id=period.pk).state == "open"
    close_period(period_id=period.pk, at=NOON, actor="anna")
    with pytest.raises(PeriodNotClosable):
        begin_close(period_id=period.pk, actor="anna")
    with pytest.raises(NotFound):
        begin_close(period_id=period.pk + 1, actor="anna")


@pytest.mark.race
def test_a_poster_who_saw_the_period_open_is_waited_for_and_counted(book: Book) -> None:
    period = open_period(**NOVEMBER)
    capture(book, 1, on=date(2026, 11, 19))
    posted, go_on = threading.Event(), threading.Event()

    def slow_poster() -> None:
        with transaction.atomic():
            capture(book, 7, on=date(2026, 11, 20))
            posted.set()
            go_on.wait(10)
        connection.close()

    thread = threading.Thread(target=slow_poster)
    thread.start()
    posted.wait(10)
    try:
        with pytest.raises(PostersStillRunning):
            close_period(period_id=period.pk, at=NOON, actor="anna", wait_seconds=0.2)
        assert Period.objects.get().state == "closing"
        with pytest.raises(PeriodClosed):
            capture(book, 8, on=date(2026, 11, 20))
    finally:
        go_on.set()
        thread.join()

    assert finish_close(period_id=period.pk, at=NOON).totals == {"VND": {"gw:momo:clearing": 8, "escrow:shop42": -8}}
