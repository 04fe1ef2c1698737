"""Time: what PostgreSQL says, the business day, and how long to wait before another try."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.utils import timezone

BUSINESS_ZONE: Final = ZoneInfo(settings.BUSINESS_TIME_ZONE)


_offset = timedelta(0)
"""How far this process pretends to be from now; only demo data, made in the past, ever sets it."""


def now() -> datetime:
    """The moment a door hands to a service as `at`."""
    return timezone.now() + _offset


@contextmanager
def pretend(at: datetime) -> Iterator[None]:
    """Let this process's doors believe that it is another moment, to make demo data of the past. Never in production."""
    global _offset
    assert settings.ENVIRONMENT in ("development", "test"), "time is real outside of demos and tests"
    before, _offset = _offset, at - timezone.now()
    try:
        yield
    finally:
        _offset = before


def database_now() -> datetime:
    """PostgreSQL's clock, which all processes share: expiry and periods are decided by it (RELIABILITY 3.1, rule 7)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def business_day(at: datetime) -> date:
    """The calendar day on which the business books this moment."""
    assert at.tzinfo is not None, "a moment has a time zone"
    return at.astimezone(BUSINESS_ZONE).date()


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """First moment of a business day and of the day after, in UTC: `start <= at < end`."""
    start = datetime.combine(day, time.min, tzinfo=BUSINESS_ZONE)
    end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=BUSINESS_ZONE)
    return start.astimezone(UTC), end.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How often to try, and how long to wait between: `min(cap, base * 2^n)` with full jitter (ACCEPTANCE K7, D32)."""

    max_tries: int
    base: timedelta = timedelta(seconds=1)
    cap: timedelta

    def is_spent(self, tries: int) -> bool:
        """Whether that many failed tries were the last."""
        return tries >= self.max_tries

    def ceiling(self, tries: int) -> timedelta:
        """The longest wait after that many failed tries."""
        return min(self.cap, self.base * (1 << min(tries, 30)))

    def delay(self, tries: int) -> timedelta:
        """How long to wait after that many failed tries: anything up to the ceiling, so that retries do not march."""
        return self.ceiling(tries) * random.random()  # noqa: S311  # jitter, not a secret


def event_backoff() -> Backoff:
    """The policy of events and other plumbing: EVENT_MAX_TRIES, no wait longer than EVENT_RETRY_TTL_MS."""
    return Backoff(max_tries=settings.EVENT_MAX_TRIES, cap=timedelta(milliseconds=settings.EVENT_RETRY_TTL_MS))
