"""The gauges of the floor: outbox, dead letters, approvals, jobs and connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, QuerySet
from django.utils import timezone

from config.core.metrics import Gauge
from config.core.models import Approval, DeadLetter, JobRun, OutboxEvent
from config.core.retention import overdue

MAX_COUNTED = 100_000
"""Where a backlog stops being counted: a larger one is as alarming, and counting it would hold up the scrape."""


def read() -> Iterator[Gauge]:
    """What core knows about now; every query on an index."""
    yield Gauge("reckoner_build_info", 1, ("1.0.0", settings.BUILD_ID))
    waiting = OutboxEvent.objects.filter(published_at=None, parked_at=None).order_by("position")
    yield Gauge("reckoner_outbox_unpublished", waiting[:MAX_COUNTED].count())
    oldest = waiting.values_list("created_at", flat=True).first()
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    yield Gauge("reckoner_outbox_oldest_unpublished_age_seconds", age)
    for source, count in _counts(DeadLetter.objects.filter(status=DeadLetter.Status.OPEN), "source"):
        yield Gauge("reckoner_failed_events_open", count, (source,))
    for action, count in _counts(Approval.objects.filter(status=Approval.Status.PENDING), "action"):
        yield Gauge("reckoner_approvals_pending", count, (action,))
    for name, last in JobRun.objects.values_list("name", "last_success_at"):
        if last is not None:
            yield Gauge("reckoner_job_last_success_timestamp_seconds", last.timestamp(), (name,))
    for policy, ended in overdue.last_runs().items():
        yield Gauge("reckoner_retention_last_run_timestamp_seconds", ended.timestamp(), (policy,))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        (connections,) = cursor.fetchone()
    yield Gauge("reckoner_db_connections_in_use", connections)
    yield Gauge("db_connections_active", connections)


def _counts(rows: QuerySet[Any], field: str) -> list[tuple[str, int]]:
    return list(rows.order_by().values_list(field).annotate(Count("pk")))
