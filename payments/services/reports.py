"""The one place a payment succeeds. IPN, return page, poll, file and staff all end in apply_report()."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db import transaction

from config.core import audit, faultpoints, ids, metrics, outbox, writes
from config.core.reads import Read
from gateways.reports import Report, ReportStatus
from ledger import services as ledger
from payments import events, postings
from payments.models import (
    Attempt,
    AttemptEvent,
    Capture,
    EmailMessageLog,
    GatewayAccount,
    MoneyCase,
    Payment,
)
from payments.services import attempts, captures, cases, emails, endings, orders
from payments.states import (
    ATTEMPT_TRANSITIONS,
    OPEN_ATTEMPTS,
    PAYABLE,
    AttemptStatus,
    NotificationStatus,
    PaymentStatus,
)


class Outcome(StrEnum):
    """What a report changed."""

    APPLIED = "applied"  # money came and paid its payment
    HELD = "held"  # money came and waits in suspense with a case
    WRONG_AMOUNT = "wrong_amount"  # held, as it is another sum or currency than was asked for
    UNKNOWN_ORDER = "unknown_order"  # held, as nothing of ours has that reference
    ALREADY_APPLIED = "already_applied"  # we knew
    NOTED = "noted"  # no money; a state moved
    NOTHING_NEW = "nothing_new"  # worse or older news than what we know
    ORPHAN = "orphan"  # nothing of ours by that reference, and no money


NEWS: Final = frozenset({Outcome.APPLIED, Outcome.HELD, Outcome.WRONG_AMOUNT, Outcome.UNKNOWN_ORDER, Outcome.NOTED})
"""Outcomes by which something changed."""


PAID_FIELDS: Final = (
    "status", "updated_at", "succeeded_at", "ended_at", "captured_minor", "is_late", "events_count",
)  # fmt: skip
"""What a payment's success changes in its row."""
ENDED_FIELDS: Final = (
    "status", "updated_at", "ended_at", "next_query_at", "gateway_transaction_id", "failure_code", "failure_message",
)  # fmt: skip
"""What its end changes in an attempt's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Who told us, and how."""

    account: GatewayAccount
    source: AttemptEvent.Source
    at: datetime
    notification_id: str = ""
    actor: str = ""
    note: str = ""  # what a person should know of it, kept with a case: the text of a transfer

    @property
    def who(self) -> str:
        """For the audit trail."""
        return self.actor or f"gateway:{self.account.code}"


_PAYMENT: Final = Read(
    lambda account, reference: (
        Payment.objects.select_for_update(of=("self",))
        .select_related("order__platform_cost")
        .filter(attempts__account=account, attempts__gateway_reference=reference)
    )
)
_ATTEMPTS: Final = Read(lambda payment: Attempt.objects.filter(payment=payment))


@transaction.atomic(durable=True)
def apply_report(*, report: Report, heard: Heard) -> Outcome:
    """Believe a gateway about one attempt, once; the journal, the event and the state share one commit.

    Never raises for what a gateway may truly say: money that no payment can take goes to suspense with a case.
    """
    told = (heard.account.pk, report.reference)
    payment = _PAYMENT.first(*told)
    attempt = None
    if payment:
        attempt, others = _attempts(payment, told)
        attempt.has_open_others = any(one.status in OPEN_ATTEMPTS for one in others)
        attempt.account, attempt.payment = heard.account, payment
    with writes.together() if report.status is ReportStatus.PAID else nullcontext():
        outcome = _believe(report, heard, payment, attempt)
        faultpoints.reach("report.believed")
        if heard.notification_id:
            settle_notification(heard, outcome, payment, attempt)
    return outcome


def _attempts(payment: Payment, told: tuple[str, str]) -> tuple[Attempt, list[Attempt]]:
    """The one that a report is about, and the others."""
    found = _ATTEMPTS.all(payment.pk)
    attempt = next(one for one in found if (one.account_id, one.gateway_reference) == told)
    return attempt, [one for one in found if one is not attempt]


def _believe(report: Report, heard: Heard, payment: Payment | None, attempt: Attempt | None) -> Outcome:
    if report.status is ReportStatus.PAID:
        return _take_money(report, heard, payment, attempt)
    if payment is None or attempt is None:
        return Outcome.ORPHAN
    if report.status is ReportStatus.AUTHORIZED:
        return _authorize(report, heard, payment, attempt)
    return _note_unpaid(report, heard, payment, attempt)


def _take_money(report: Report, heard: Heard, payment: Payment | None, attempt: Attempt | None) -> Outcome:
    assert report.money is not None and report.gateway_transaction_id, "a PAID report names its money"
    problem = captures.problem_with(report.money, payment)
    capture = Capture(
        id=ids.capture_id(),
        account=heard.account,
        gateway_transaction_id=report.gateway_transaction_id,
        attempt=attempt,
        payment=payment,
        amount_minor=report.money.minor,
        currency=report.money.currency,
        disposition=Capture.Disposition.HELD if problem else Capture.Disposition.APPLIED,
        journal_reference=f"cap:{heard.account.code}:{report.gateway_transaction_id}",
        occurred_at=report.occurred_at or heard.at,
        created_at=heard.at,
    )
    if not captures.is_new(capture):
        return Outcome.ALREADY_APPLIED
    faultpoints.reach("report.capture_written")
    if problem:
        return _hold(capture, problem, heard)
    assert payment is not None and attempt is not None, "only a payment of ours can take money"
    _succeed(payment, attempt, capture, heard)
    return Outcome.APPLIED


def _succeed(payment: Payment, attempt: Attempt, capture: Capture, heard: Heard) -> None:
    at = heard.at
    payment.is_late = payment.status in (PaymentStatus.FAILED, PaymentStatus.EXPIRED)
    payment.move_to(PaymentStatus.SUCCEEDED, at=at)
    payment.captured_minor = capture.amount_minor
    _end_attempt(attempt, AttemptStatus.SUCCEEDED, capture.gateway_transaction_id, heard)
    _close_others(payment, attempt, at=at)
    faultpoints.reach("report.attempt_written")
    outbox.publish(
        events.payment_completed(payment, attempt, at=at), events.order_payment_received(payment, attempt, at=at)
    )
    writes.update(payment, *PAID_FIELDS)
    faultpoints.reach("report.payment_written")
    ledger.post(
        reference=capture.journal_reference,
        event="captured",
        lines=postings.captured(captures.money_source(capture), orders.split_of(payment.order)),
        occurred_at=capture.occurred_at,
        subject=payment.id,
        order_ref=payment.order.order_id,
        actor=heard.who,
    )
    faultpoints.reach("report.journal_posted")
    audit.record(
        actor=heard.who,
        action="payment.succeeded",
        object_type="payment",
        object_id=payment.id,
        after={"capture": capture.id, "amount_minor": capture.amount_minor, "currency": capture.currency},
    )
    emails.queue(payment, EmailMessageLog.Kind.PAYMENT_SUCCEEDED, at=at)
    faultpoints.reach("report.email_queued")
    cases.answer_questions(attempt, at=at, actor=heard.who)
    gateway, waited = heard.account.gateway, (at - payment.created_at).total_seconds()
    metrics.payment_captured(
        gateway=gateway, currency=payment.currency, amount_minor=payment.amount_minor, seconds=waited
    )
    if payment.is_late:
        metrics.late_success(gateway=gateway)


def _close_others(payment: Payment, attempt: Attempt, *, at: datetime) -> None:
    """Nobody shall pay by another attempt what this one has paid."""
    if attempt.has_open_others:
        attempts.close_all(payment.attempts.exclude(id=attempt.id), at=at)


def _end_attempt(attempt: Attempt, status: AttemptStatus, gateway_transaction_id: str, heard: Heard) -> None:
    if status not in ATTEMPT_TRANSITIONS[attempt.status]:
        return
    was = attempt.status
    attempt.move_to(status, at=heard.at)
    attempt.gateway_transaction_id = gateway_transaction_id or attempt.gateway_transaction_id
    writes.update(attempt, *ENDED_FIELDS)
    attempts.note(attempt, was, source=heard.source, at=heard.at, actor=heard.who, reason=attempt.failure_message)


def _hold(capture: Capture, problem: MoneyCase.Kind, heard: Heard) -> Outcome:
    """Book money that no payment can take, and ask a person. The attempt it came by has still succeeded."""
    if capture.attempt:
        _end_attempt(capture.attempt, AttemptStatus.SUCCEEDED, capture.gateway_transaction_id, heard)
    ledger.post(
        reference=capture.journal_reference,
        event="unexpected_money",
        lines=postings.unexpected(captures.money_source(capture), capture.money),
        occurred_at=capture.occurred_at,
        subject=capture.payment_id or capture.id,
        order_ref=capture.payment.order.order_id if capture.payment else "",
        actor=heard.who,
        reason=problem.value,
    )
    cases.open_for_money(capture=capture, kind=problem, at=heard.at, actor=heard.who, detail=heard.note)
    metrics.money_case_opened(gateway=heard.account.gateway, kind=problem.value)
    return _HELD_AS.get(problem, Outcome.HELD)


_HELD_AS = {
    MoneyCase.Kind.AMOUNT_MISMATCH: Outcome.WRONG_AMOUNT,
    MoneyCase.Kind.CURRENCY_MISMATCH: Outcome.WRONG_AMOUNT,
    MoneyCase.Kind.UNKNOWN_ORDER: Outcome.UNKNOWN_ORDER,
}
"""Held money that some gateways want other words for (VNPay: 04, 01); they stop asking at the next "we know"."""


def _authorize(report: Report, heard: Heard, payment: Payment, attempt: Attempt) -> Outcome:
    """Money is reserved, not taken: nothing is booked (LEDGER.md 6, refund rule, last sentence)."""
    if (
        payment.status != PaymentStatus.AWAITING_PAYMENT
        or AttemptStatus.PENDING not in ATTEMPT_TRANSITIONS[attempt.status]
    ):
        return Outcome.NOTHING_NEW
    was = attempt.status
    attempt.move_to(AttemptStatus.PENDING, at=heard.at)
    attempt.gateway_transaction_id = report.gateway_transaction_id or attempt.gateway_transaction_id
    attempt.close_at = None  # what it holds is this payment's money
    attempt.save()
    attempts.note(attempt, was, source=heard.source, at=heard.at, actor=heard.who, reason="authorized")
    _close_others(payment, attempt, at=heard.at)
    payment.move_to(PaymentStatus.AUTHORIZED, at=heard.at)
    payment.expires_at = max(payment.expires_at, heard.at + settings.AUTHORIZATION_LIFETIME)
    payment.save(update_fields=["status", "updated_at", "expires_at"])
    audit.record(actor=heard.who, action="payment.authorized", object_type="payment", object_id=payment.id)
    return Outcome.NOTED


_UNPAID = {
    ReportStatus.PENDING: AttemptStatus.PENDING,
    ReportStatus.PROCESSING: AttemptStatus.PENDING,
    ReportStatus.FAILED: AttemptStatus.FAILED,
    ReportStatus.CANCELLED: AttemptStatus.CANCELLED,
    ReportStatus.EXPIRED: AttemptStatus.EXPIRED,
    ReportStatus.NOT_FOUND: AttemptStatus.FAILED,  # a definite no: the gateway never got our request
}


def _note_unpaid(report: Report, heard: Heard, payment: Payment, attempt: Attempt) -> Outcome:
    """No money. Worse news than what we know is recorded by its row and changes nothing."""
    status = _UNPAID.get(report.status)
    if status is None or status == attempt.status or status not in ATTEMPT_TRANSITIONS[attempt.status]:
        return Outcome.NOTHING_NEW
    if report.status is ReportStatus.PENDING and attempt.status == AttemptStatus.REQUIRES_ACTION:
        return Outcome.NOTHING_NEW  # "waiting for the payer" is what we said already
    was = attempt.status
    if status == AttemptStatus.PENDING:
        attempt.move_to(status, at=heard.at)
        attempt.save(update_fields=["status", "updated_at"])
        attempts.note(attempt, was, source=heard.source, at=heard.at, actor=heard.who, reason=report.message)
    else:
        attempt.failure_code, attempt.failure_message = report.code[:60], report.message[:250]
        _end_attempt(attempt, status, report.gateway_transaction_id, heard)
        outbox.publish(events.transaction_failed(payment, attempt, at=heard.at))
        cases.answer_questions(attempt, at=heard.at, actor=heard.who)
    if report.status is ReportStatus.PROCESSING:
        _wait_for(payment, at=heard.at)
    elif payment.status == PaymentStatus.PROCESSING and was == AttemptStatus.PENDING:  # not one that was left behind
        payment.move_to(PaymentStatus.AWAITING_PAYMENT, at=heard.at)
        payment.expires_at = attempt.expires_at  # the customer's own time goes on, or is over
    _follow(payment, attempt, heard)
    return Outcome.NOTED


def _wait_for(payment: Payment, *, at: datetime) -> None:
    """The customer has done their part: nobody may pay beside it, and its end may take a bank's days."""
    if payment.status == PaymentStatus.AWAITING_PAYMENT:
        payment.move_to(PaymentStatus.PROCESSING, at=at)
        payment.expires_at = max(payment.expires_at, at + settings.PROCESSING_LIFETIME)


def _follow(payment: Payment, attempt: Attempt, heard: Heard) -> None:
    """What an unpaid attempt means for its payment: it stays payable until its attempts run out."""
    if payment.status == PaymentStatus.PENDING:
        payment.move_to(PaymentStatus.AWAITING_PAYMENT, at=heard.at)
    is_out_of_tries = attempt.number >= settings.MAX_ATTEMPTS_PER_PAYMENT and attempt.status != AttemptStatus.PENDING
    if payment.status in PAYABLE and is_out_of_tries:
        endings.end_unpaid(
            payment, PaymentStatus.FAILED, attempt=attempt, reason="attempts_exhausted", at=heard.at, actor=heard.who
        )
        attempts.close_all(payment.attempts.exclude(id=attempt.id), at=heard.at)
        return
    if payment.status == PaymentStatus.AUTHORIZED and attempt.status in _ENDS_AUTHORIZED:
        status = _ENDS_AUTHORIZED[AttemptStatus(attempt.status)]
        endings.end_unpaid(payment, status, attempt=attempt, reason=status.value, at=heard.at, actor=heard.who)
        return
    payment.save(update_fields=["status", "updated_at", "expires_at", "events_count"])


_ENDS_AUTHORIZED = {
    AttemptStatus.FAILED: PaymentStatus.CANCELLED,
    AttemptStatus.CANCELLED: PaymentStatus.CANCELLED,
    AttemptStatus.EXPIRED: PaymentStatus.EXPIRED,
}
"""What reserved money that the gateway gave free means for its payment."""


def settle_notification(
    heard: Heard, outcome: Outcome, payment: Payment | None, attempt: Attempt | None = None
) -> None:
    """Mark the message that told us, in the commit of what it changed."""
    is_news = outcome in NEWS
    writes.write(
        "payments_notification",
        """
        UPDATE payments_notification SET status = %s, outcome = %s, payment_id = %s, attempt_id = %s, processed_at = %s,
            next_try_at = NULL
        WHERE id = %s
        """,
        (
            str(NotificationStatus.PROCESSED if is_news else NotificationStatus.IGNORED), outcome.value,
            payment.id if payment else None, attempt.id if attempt else None, heard.at, heard.notification_id,
        ),
    )  # fmt: skip
