"""Work that should be going on in the background, and what it gave up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count
from django.utils.translation import gettext as _

from config.core import health
from config.core.models import DeadLetter, JobRun
from config.core.retention import overdue, registry
from config.office.doctor.finding import Finding, ok, problem, warning
from payments.models import Attempt

LONG_QUEUED: Final = timedelta(minutes=2)
"""Beat looks every ten seconds; what waits longer than this waits for nobody."""


def beat(at: datetime) -> Iterator[Finding]:
    """The scheduler's heartbeat, and jobs that failed."""
    part, remedy = _("beat"), _("Start celery beat and a worker; see their logs.")
    check = health.beat()
    if check.age_seconds is None:
        yield problem(part, _("No scheduled job has ever run."), remedy)
    elif not check.up:
        words = _("The last scheduled job began %(minutes)d minutes ago.") % {"minutes": check.age_seconds // 60}
        yield problem(part, words, remedy)
    else:
        yield ok(part, _("a job began %(seconds)d seconds ago") % {"seconds": check.age_seconds})
    for run in JobRun.objects.filter(outcome="failed").order_by("name"):
        words = _("The job %(name)s failed: %(error)s") % {"name": run.name, "error": run.error.splitlines()[0][:160]}
        yield warning(_("jobs"), words, _("It is tried again by the schedule; if it fails again, see its log lines."))


def outbox(at: datetime) -> Iterator[Finding]:
    """How long the oldest event has waited."""
    check = health.relay()
    if check.up:
        yield ok(_("outbox"), _("no event waits for long"))
        return
    words = _("The oldest event has waited for %(minutes)d minutes.") % {"minutes": (check.age_seconds or 0) // 60}
    yield problem(_("outbox"), words, _("Is relay_events running, and does Kafka answer? Nothing is lost meanwhile."))


def retention(at: datetime) -> Iterator[Finding]:
    """Whether what is too old goes: the nightly run, where there is something for it to do."""
    waiting = overdue.missed(at=at)
    if not waiting:
        yield ok(_("retention"), _("nothing waits past its age"))
        return
    told = {"names": ", ".join(str(registry.rule(name).title) for name in waiting)}
    words = _("No nightly run has succeeded for three days, and these are past their age: %(names)s.") % told
    yield warning(_("retention"), words, _("See the job purge_expired, or run manage.py purge_expired by hand."))


def queued_payments(at: datetime) -> Iterator[Finding]:
    """How long the oldest payment has waited to be opened in the background."""
    part, due = _("payments in the background"), Attempt.objects.due_for_sending(at=at)
    oldest = due.values_list("next_send_at", flat=True).first()
    if oldest is None or at - oldest < LONG_QUEUED:
        yield ok(part, _("none waits for long"))
        return
    told = {"count": due.count(), "minutes": (at - oldest).total_seconds() // 60}
    words = _("%(count)d payments wait to be opened at their gateway, the oldest for %(minutes)d minutes.") % told
    yield problem(part, words, _("Are a worker and beat running? Customers see a page that says it is being prepared."))


def dead_letters(at: datetime) -> Iterator[Finding]:
    """What waits for a person, by where it came from."""
    rows = DeadLetter.objects.filter(status=DeadLetter.Status.OPEN).values_list("source").annotate(Count("pk"))
    told = ", ".join(f"{source}: {count}" for source, count in sorted(rows))
    if told:
        words = _("Dead letters are open (%(told)s).") % {"told": told}
        yield warning(_("dead letters"), words, _("Requeue or discard them in the admin, or with manage.py events."))
    else:
        yield ok(_("dead letters"), _("none is open"))
