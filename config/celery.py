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


# Times of day are Asia/Ho_Chi_Minh (CELERY_TIMEZONE). One line a task, ordered by how often it runs.
SCHEDULE: Final[tuple[Beat, ...]] = ()

app = Celery("reckoner")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = {line.task: line.entry() for line in SCHEDULE}
app.autodiscover_tasks()
