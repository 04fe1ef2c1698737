"""Scheduled work: every run leaves a trace, and one run at a time holds the lock."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.core import clock, jobs
from config.core.models import JobRun

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_run_leaves_when_how_and_how_much():
    before = timezone.now()

    with jobs.running("expire_payments") as run:
        during = JobRun.objects.get()
        run.handled = 7

    assert (during.outcome, during.finished_at) == ("running", None)
    row = JobRun.objects.get()
    assert (row.name, row.outcome, row.handled, row.error) == ("expire_payments", "ok", 7, "")
    assert before <= row.started_at <= row.finished_at == row.last_success_at
    assert row.duration_ms >= 0


def test_a_failure_is_recorded_and_raised_and_the_last_success_is_kept():
    with jobs.running("expire_payments"):
        pass
    success = JobRun.objects.get().last_success_at

    with pytest.raises(ZeroDivisionError), jobs.running("expire_payments") as run:
        run.handled = 3
        _ = 1 // 0

    row = JobRun.objects.get()
    assert (row.outcome, row.handled, row.error) == (
        "failed", 3, "ZeroDivisionError: integer division or modulo by zero",
    )  # fmt: skip
    assert row.last_success_at == success


def test_a_decorated_function_records_what_it_returns():
    @jobs.job("fan_out")
    def fan_out(count: int) -> int:
        return count

    @jobs.job("idle")
    def idle() -> None:
        return None

    assert (fan_out(5), idle()) == (5, 0)
    assert list(JobRun.objects.order_by("name").values_list("name", "outcome", "handled")) == [
        ("fan_out", "ok", 5), ("idle", "ok", 0),
    ]  # fmt: skip


def test_the_record_of_a_failure_survives_the_transaction_the_work_rolled_back():
    with pytest.raises(ZeroDivisionError), jobs.running("settle"), transaction.atomic():
        _ = 1 // 0

    assert JobRun.objects.get().outcome == "failed"


def test_one_connection_at_a_time_holds_a_lock_and_another_name_is_another_lock():
    answers: dict[str, bool] = {}

    def other() -> None:
        for name in ("settle", "reconcile"):
            with jobs.only_one(name) as is_ours:
                answers[name] = is_ours
        connection.close()

    with jobs.only_one("settle") as is_ours:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
        assert is_ours
    assert answers == {"settle": False, "reconcile": True}

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(10)
    assert answers == {"settle": True, "reconcile": True}


# --- Time ------------------------------------------------------------------------------------------------------------
def test_the_business_day_turns_at_midnight_in_ho_chi_minh_city():
    assert clock.business_day(datetime(2026, 11, 21, 16, 59, 59, tzinfo=UTC)) == date(2026, 11, 21)
    assert clock.business_day(datetime(2026, 11, 21, 17, 0, tzinfo=UTC)) == date(2026, 11, 22)
    assert clock.day_bounds(date(2026, 11, 21)) == (
        datetime(2026, 11, 20, 17, 0, tzinfo=UTC), datetime(2026, 11, 21, 17, 0, tzinfo=UTC),
    )  # fmt: skip


def test_a_moment_without_a_time_zone_has_no_business_day():
    with pytest.raises(AssertionError):
        clock.business_day(datetime(2026, 11, 21))  # noqa: DTZ001 - the point


def test_the_database_clock_moves_within_a_transaction():
    with transaction.atomic():
        first, second = clock.database_now(), clock.database_now()

    assert first < second
    assert abs(second - timezone.now()) < timedelta(seconds=5)


def test_waits_double_up_to_the_cap_with_full_jitter():
    backoff = clock.Backoff(max_tries=3, cap=timedelta(seconds=300))

    assert [backoff.ceiling(tries).total_seconds() for tries in (0, 1, 2, 8, 9, 1000)] == [1, 2, 4, 256, 300, 300]
    waits = [backoff.delay(2) for _ in range(200)]
    assert timedelta(0) <= min(waits) < timedelta(seconds=1)
    assert timedelta(seconds=3) < max(waits) <= timedelta(seconds=4)
    assert [backoff.is_spent(tries) for tries in (2, 3, 4)] == [False, True, True]
