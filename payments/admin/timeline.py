"""What happened to a payment, from all its sources, merged by time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.html import format_html
from django.utils.translation import gettext as _

from config.core.admin.cells import Cell, Tone, money, to, when
from config.core.admin.panels import Drawing
from config.core.models import AuditEntry, OutboxEvent
from ledger.admin.t_accounts import title_of
from ledger.models import JournalEntry
from payments.admin import words
from payments.models import (
    Attempt,
    AttemptEvent,
    Dispute,
    EmailMessageLog,
    MoneyCase,
    Notification,
    Payment,
    Refund,
    WebhookDelivery,
)
from payments.states import AttemptStatus


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    moment: datetime
    kind: str
    text: Cell
    tone: Tone = Tone.CALM
    who: str = ""
    note: str = ""

    @property
    def at(self) -> Cell:
        """When, to the second."""
        return when(self.moment, seconds=True)


@dataclass(frozen=True, slots=True)
class Story:
    """The rows a payment's page has read already."""

    payment: Payment
    attempts: Sequence[Attempt]
    history: Sequence[AttemptEvent]
    notifications: Sequence[Notification]
    journals: Sequence[JournalEntry]
    refunds: Sequence[Refund]
    disputes: Sequence[Dispute]
    cases: Sequence[MoneyCase]
    emails: Sequence[EmailMessageLog]
    webhooks: Sequence[WebhookDelivery]
    events: Sequence[OutboxEvent]
    audit: Sequence[AuditEntry]


def drawing(story: Story) -> Drawing:
    """Oldest first: a story is read from its beginning."""
    found = sorted(_all(story), key=lambda event: event.moment)
    return Drawing(_("Timeline"), "admin/timeline.html", found)


def read(payment: Payment) -> Story:
    """Everything about a payment, in a fixed number of queries."""
    attempts = list(payment.attempts.select_related("account", "method").order_by("number"))
    refunds = list(payment.refunds.select_related("approval").order_by("created_at"))
    cases = list(payment.cases.select_related("refund").order_by("opened_at"))
    refunds += [case.refund for case in cases if case.refund and case.refund.payment_id is None]
    disputes = list(payment.disputes.select_related("account").order_by("created_at"))
    subjects = [payment.pk, *(refund.pk for refund in refunds), *(dispute.pk for dispute in disputes)]
    objects = Q(object_type="payment", object_id=payment.pk)
    objects |= Q(object_type="refund", object_id__in=[refund.pk for refund in refunds])
    objects |= Q(object_type="case", object_id__in=[case.pk for case in cases])
    objects |= Q(object_type="dispute", object_id__in=[dispute.pk for dispute in disputes])
    return Story(
        payment=payment,
        attempts=attempts,
        history=list(AttemptEvent.objects.filter(attempt__in=attempts).order_by("id")) if attempts else [],
        notifications=list(payment.notifications.defer("body", "query").order_by("received_at")[:200]),
        journals=list(JournalEntry.objects.filter(subject__in=subjects).order_by("id")),
        refunds=refunds,
        disputes=disputes,
        cases=cases,
        emails=list(payment.emails.order_by("created_at")[:100]),
        webhooks=list(payment.webhooks.defer("body").order_by("created_at", "id")[:100]),
        events=list(OutboxEvent.objects.filter(aggregate_type="payment", aggregate_id=payment.pk).order_by("position")),
        audit=list(AuditEntry.objects.filter(objects).order_by("id")[:200]),
    )


def _all(story: Story) -> Iterator[Event]:
    yield Event(
        story.payment.created_at, _("Payment"), format_html("{} {}", _("opened for"), money(story.payment.amount)), who=story.payment.client
    )  # fmt: skip
    yield from _attempts(story)
    yield from (_notification(n) for n in story.notifications)
    yield from (
        Event(j.booked_at, _("Ledger"), to("ledger_journalentry", j.pk, title_of(j)), Tone.BUSY, note=j.reason)
        for j in story.journals
    )
    yield from _events(story.events)
    yield from _emails(story.emails)
    yield from (
        Event(a.created_at, _("Audit"), a.action.replace("_", " "), who=a.actor, note=a.reason) for a in story.audit
    )


def _attempts(story: Story) -> Iterator[Event]:
    by_id = {attempt.pk: attempt for attempt in story.attempts}
    for change in story.history:
        attempt = by_id[change.attempt_id]
        tone = words.ATTEMPT.get(change.to_status, (Tone.CALM, ""))[0]
        number = to("payments_attempt", attempt.pk, _("Attempt %(n)d") % {"n": attempt.number})
        chip = words.word(change.to_status, words.ATTEMPT, AttemptStatus)
        text = format_html("{} {} <span class='o-quiet'>{}</span>", number, chip, change.get_source_display())
        yield Event(change.at, _("Gateway"), text, tone, change.actor, change.reason)


def _notification(row: Notification) -> Event:
    tone = words.NOTIFICATION[row.status][0]
    text = format_html("{} {}", to("payments_notification", row.pk, row.gateway), words.state(row, words.NOTIFICATION))
    note = _("came %(n)d times") % {"n": row.deliveries} if row.deliveries > 1 else row.error
    return Event(row.received_at, _("Message"), text, tone, note=note)


def _events(rows: Iterable[OutboxEvent]) -> Iterator[Event]:
    for row in rows:
        told = _("told") if row.published_at else _("not told yet")
        yield Event(row.created_at, _("Event"), to("core_outboxevent", row.pk, row.type), note=told)


def _emails(rows: Iterable[EmailMessageLog]) -> Iterator[Event]:
    for row in rows:
        text = format_html(
            "{} {}", to("payments_emailmessagelog", row.pk, row.get_kind_display()), words.state(row, words.EMAIL)
        )
        yield Event(row.sent_at or row.created_at, _("E-mail"), text, words.EMAIL[row.status][0], note=row.error)
