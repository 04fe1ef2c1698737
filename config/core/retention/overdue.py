"""What is past its age now, and whether the nightly run has been away: for the back office, doctor and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max, Sum

from config.core.models import JobRun
from config.core.retention import policies, registry
from config.core.retention.models import RetentionRun

JOB: Final = "purge_expired"
MISSED_AFTER: Final = timedelta(days=3)
MAX_COUNTED: Final = 10_000
"""Where a page stops counting."""


def counts(*, at: datetime) -> dict[str, int]:
    """How many rows of each rule are past their age, up to one more than MAX_COUNTED; rules that take nothing are left out."""
    found = {}
    for name, days in policies.standing().items():
        if days is not None:
            due = registry.rule(name).due(cutoff=registry.cutoff(days, at=at))
            found[name] = due[: MAX_COUNTED + 1].count()
    return found


def missed(*, at: datetime) -> list[str]:
    """Rules that have waited for three days, while the nightly run did not succeed once."""
    succeeded = JobRun.objects.filter(name=JOB, last_success_at__gt=at - MISSED_AFTER).exists()
    return [] if succeeded else _waiting_since(at - MISSED_AFTER)


def _waiting_since(moment: datetime) -> list[str]:
    return [
        name
        for name, days in policies.standing().items()
        if days is not None and registry.rule(name).due(cutoff=registry.cutoff(days, at=moment)).exists()
    ]


def last_runs() -> Mapping[str, datetime]:
    """When each rule's last run ended."""
    ended = RetentionRun.objects.filter(finished_at__isnull=False).order_by()
    return dict(ended.values_list("policy").annotate(Max("finished_at")))


def removed() -> Mapping[str, int]:
    """How many rows each rule took away, in all runs that are still listed."""
    return dict(RetentionRun.objects.order_by().values_list("policy").annotate(Sum("removed")))
