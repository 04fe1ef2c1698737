"""The one place a payment succeeds. IPN, return page, poll, file and staff all end in apply_report()."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Final

from django.db import transaction

from config.core import audit, faultpoints, ids, metrics, outbox, writes
from config.core.reads import Read
from gateways.reports import Report, ReportStatus
from ledger import services as ledger
from payments import events, postings
from payments.models import Attempt, Capture, EmailMessageLog, MoneyCase, Payment
from payments.services import attempts, captures, cases, emails, hearing, orders, unpaid
from payments.services.hearing import Heard, Outcome
from payments.states import OPEN_ATTEMPTS, AttemptStatus, PaymentStatus

PAID_FIELDS: Final = (
    "status", "updated_at", "succeeded_at", "ended_at", "captured_minor", "is_late", "events_count",
)  # fmt: skip
"""What a payment's success changes in its row."""
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
            hearing.settle_notification(heard, outcome, payment, attempt)
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
        return unpaid.authorize(report, heard, payment, attempt)
    return unpaid.note(report, heard, payment, attempt)


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
        channel=report.channel[:60] if report.channel.isprintable() else "",
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
    hearing.end_attempt(attempt, AttemptStatus.SUCCEEDED, capture.gateway_transaction_id, heard)
    attempts.close_others(payment, attempt, at=at)
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


def _hold(capture: Capture, problem: MoneyCase.Kind, heard: Heard) -> Outcome:
    """Book money that no payment can take, and ask a person. The attempt it came by has still succeeded."""
    if capture.attempt:
        hearing.end_attempt(capture.attempt, AttemptStatus.SUCCEEDED, capture.gateway_transaction_id, heard)
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
