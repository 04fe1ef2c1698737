"""The floor's own rules, and what it keeps for ever."""

from __future__ import annotations

from typing import Final

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core.models import DeadLetter, InboxClaim, OutboxEvent
from config.core.retention import registry
from config.core.retention.models import RetentionRun
from config.core.retention.registry import Rule


def register() -> None:
    """Called by CoreConfig.ready, once per process."""
    registry.register(*RULES)
    registry.keep("the audit trail is never changed", "core.AuditEntry")
    registry.keep("what two people agreed on is evidence", "core.Approval")
    registry.keep(
        "people and keys are named by what they did", "core.User", "core.ApiKey", "auth.Group", "auth.Permission"
    )
    registry.keep("a row for each policy or job: it does not grow", "core.RetentionPolicy", "core.JobRun")
    registry.keep("the frame of the installation", "contenttypes.ContentType")
    registry.keep("nobody writes it: what staff do is in the audit trail", "admin.LogEntry")
    registry.keep(
        "made and kept by the scheduler",
        "django_celery_beat.ClockedSchedule",
        "django_celery_beat.CrontabSchedule",
        "django_celery_beat.IntervalSchedule",
        "django_celery_beat.PeriodicTask",
        "django_celery_beat.PeriodicTasks",
        "django_celery_beat.SolarSchedule",
    )


RULES: Final = (
    Rule(
        name="sessions",
        title=_("Sessions of staff"),
        takes=_("Sessions that ended: the rows are deleted."),
        why=_("An ended session opens nothing; what was done in it is in the audit trail."),
        rows=Session.objects.all,
        age="expire_date",
        days=7,
        least_days=1,
    ),
    Rule(
        name="dead_letters",
        title=_("Dead letters that were decided"),
        takes=_("Letters that somebody requeued or discarded: the rows, with their payload, are deleted."),
        why=_("A payload may hold personal data. Who decided what, and why, stays in the audit trail."),
        rows=lambda: DeadLetter.objects.filter(~Q(status=DeadLetter.Status.OPEN), decided_at__isnull=False),
        age="decided_at",
        days=180,
        least_days=30,  # payments.services.consuming.TAKE_UP_WITHIN is shorter
    ),
    Rule(
        name="consumed_events",
        title=_("Marks of consumed events"),
        takes=_("The marks by which an event of others counts once: the rows are deleted."),
        why=_(
            "A topic may be read again from its beginning: keep marks for longer than Kafka keeps messages. What an "
            "older event would do, the state of its order refuses. Marks of approvals are kept for ever."
        ),
        rows=lambda: InboxClaim.objects.filter(Q(cause__startswith="kafka:") | Q(cause__startswith="requeued:")),
        age="claimed_at",
        days=400,
        least_days=90,
    ),
    Rule(
        name="published_events",
        title=_("Published events"),
        takes=_("Events that Kafka has and webhooks were made of: the rows are deleted."),
        why=_(
            "They are the history that customers and services read of a payment, so they are kept unless you decide "
            "otherwise; a deleted event cannot be replayed."
        ),
        rows=lambda: OutboxEvent.objects.filter(
            published_at__isnull=False, fanned_out_at__isnull=False, offset__isnull=False, parked_at=None
        ),
        age="published_at",
        days=None,
        least_days=400,
    ),
    Rule(
        name="retention_runs",
        title=_("Runs of retention"),
        takes=_("The list of runs: the rows are deleted."),
        why=_("What a run took away stays in the audit trail."),
        rows=lambda: RetentionRun.objects.filter(~Q(outcome=RetentionRun.Outcome.RUNNING)),
        age="started_at",
        days=730,
        least_days=30,
    ),
)
