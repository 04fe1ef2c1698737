"""The Celery application, and every schedule of the house in one table.

A task carries an id at most; what is lost with the broker is found again by the sweeps below. Each of them is also a
management command, and running one twice is harmless.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.prod")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One line of the schedule: which task, how often, and how long a lost message may still be worth running."""

    task: str
    every: timedelta | crontab
    expires_seconds: int
    why: str

    def entry(self) -> dict[str, object]:
        """Celery's own words for this line."""
        return {"task": self.task, "schedule": self.every, "options": {"expires": self.expires_seconds}}


def _seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


# Times of day are Asia/Ho_Chi_Minh (CELERY_TIMEZONE). One line a task, ordered by how often it runs.
SCHEDULE: Final[tuple[Beat, ...]] = (
    Beat(task="payments.fan_out_events", every=_seconds(5), expires_seconds=10, why="events find their webhooks"),
    Beat(task="payments.send_webhooks", every=_seconds(5), expires_seconds=10, why="webhooks arrive while they matter"),
    Beat(task="payments.send_emails", every=_seconds(10), expires_seconds=30, why="receipts arrive while they matter"),
    Beat(
        task="payments.take_up_requeued", every=_seconds(10), expires_seconds=30, why="what staff requeued is done soon"
    ),
    Beat(
        task="payments.close_due", every=_seconds(10), expires_seconds=30, why="no page stays payable beside a payment"
    ),
    Beat(
        task="payments.open_queued", every=_seconds(10), expires_seconds=30, why="payments are opened that wait for it"
    ),
    Beat(task="payments.watch_gateways", every=_seconds(10), expires_seconds=10, why="a gateway that is back is used"),
    Beat(task="core.relay_events", every=_seconds(10), expires_seconds=30, why="stands in for a relay that is gone"),
    Beat(task="payments.ask_due", every=_seconds(30), expires_seconds=60, why="silent attempts are asked about"),
    Beat(task="payments.expire_overdue", every=_seconds(30), expires_seconds=60, why="unpaid orders free their goods"),
    Beat(task="payments.process_waiting", every=_seconds(30), expires_seconds=60, why="kept messages are finished"),
    Beat(task="payments.advance_refunds", every=_seconds(30), expires_seconds=60, why="refunds reach their end"),
    Beat(task="payments.ask_disputes", every=_seconds(60), expires_seconds=120, why="deadlines of disputes are met"),
    Beat(
        task="core.approvals", every=_seconds(60), expires_seconds=120, why="approved work is carried out, old asks end"
    ),
    Beat(task="ledger.fold", every=_seconds(60), expires_seconds=120, why="balances stay a handful of rows"),
    Beat(
        task="core.purge_expired",
        every=crontab(hour=3, minute=10),
        expires_seconds=3600,
        why="what is older than its policy goes while few people pay",
    ),
)

app = Celery("reckoner")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = {line.task: line.entry() for line in SCHEDULE}
app.autodiscover_tasks()
