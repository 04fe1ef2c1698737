"""News of an attempt without money: it waits, was reserved, failed or ran out, and what that means for its payment."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from config.core import audit, outbox
from gateways.reports import Report, ReportStatus
from payments import events
from payments.models import Attempt, Payment
from payments.services import attempts, cases, endings
from payments.services.hearing import Heard, Outcome, end_attempt
from payments.states import ATTEMPT_TRANSITIONS, PAYABLE, AttemptStatus, PaymentStatus


def authorize(report: Report, heard: Heard, payment: Payment, attempt: Attempt) -> Outcome:
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
    attempts.close_others(payment, attempt, at=heard.at)
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


def note(report: Report, heard: Heard, payment: Payment, attempt: Attempt) -> Outcome:
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
        end_attempt(attempt, status, report.gateway_transaction_id, heard)
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
