"""What happens when nobody says anything: attempts are asked about, payments end, always after asking the gateway."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction

from config.core import faultpoints
from config.core.errors import DomainError
from gateways.errors import GatewayError, GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.requests import QueryRequest
from payments.errors import NotPayable, PaymentNotFound
from payments.models import Attempt, AttemptEvent, MoneyCase, Payment
from payments.services import accounts, attempts, breakers, cases, closing, endings, locks, reports, sending
from payments.services.hearing import Heard, Outcome
from payments.states import OPEN_ATTEMPTS, PAYABLE, UNDECIDED, AttemptStatus, PaymentStatus

log = structlog.get_logger(__name__)

SWEEP_PATIENCE_SECONDS: Final = 20.0
"""So long a sweep waits for its turns at gateways that want a distance between questions."""
UNSENT_AGAIN: Final = timedelta(seconds=60)
"""When a question that did not leave us is put again."""


def ask_due(*, at: datetime, limit: int = 200) -> int:
    """Ask the gateways about attempts whose question is due, row by row; returns how many were asked.

    Questions to a gateway that is down stay due, and do not keep those to others waiting.
    """
    rows = Attempt.objects.due_for_query(at=at).select_related("account", "payment")
    due = list(rows.exclude(account__gateway__in=breakers.down(), created_at__gte=at - breakers.NO_TRY_FOR)[:limit])
    with breakers.patient(SWEEP_PATIENCE_SECONDS):
        for attempt in due:
            try:
                ask(attempt, source=AttemptEvent.Source.POLL, at=at)
            except DomainError:
                log.exception("ask_failed", attempt=attempt.id)
    return len(due)


def ask(attempt: Attempt, *, source: AttemptEvent.Source, at: datetime, actor: str = "") -> Outcome | None:
    """Ask the gateway about one attempt and believe its answer; None when it gave none. Outside any transaction.

    Only questions of the schedule (POLL) move it on: however often a browser returns, no question that is due is lost.
    """
    gateway = accounts.of(attempt.account)
    if not gateway.notifies:
        sending.finish(attempt, at=at)
        _ask_no_more(attempt)
        return None
    try:
        report = gateway.query(
            QueryRequest(
                reference=attempt.gateway_reference,
                money=attempt.amount,
                created_at=attempt.sent_at,
                gateway_transaction_id=attempt.gateway_transaction_id,
                expires_at=attempt.expires_at,
            )
        )
    except (GatewayUnavailable, GatewayRejected, ReportInvalid) as error:
        log.warning("query_failed", gateway=gateway.code, gateway_ref=attempt.gateway_reference, error=str(error))
        if source is AttemptEvent.Source.POLL:
            _after_no_answer(attempt, error, at=at)
        return None
    heard = Heard(account=attempt.account, source=source, at=at, actor=actor)
    faultpoints.reach("query.answered")
    outcome = reports.apply_report(report=report, heard=heard)
    for other in report.others:
        reports.apply_report(report=other, heard=heard)
    faultpoints.reach("query.applied")
    if source is AttemptEvent.Source.POLL:
        _schedule(attempt.id, at=at)
    return outcome


def _ask_no_more(attempt: Attempt) -> None:
    """Nobody can be asked about it: left due, it would stand before all others in every sweep."""
    known = Attempt.objects.filter(id=attempt.id, next_query_at__isnull=False).exclude(status__in=UNDECIDED)
    known.update(next_query_at=None)


def refresh(*, payment_id: str, actor: str, at: datetime) -> Payment:
    """Ask about every attempt of a payment that may have news, as staff or a customer's page wants it."""
    for attempt in Attempt.objects.filter(payment_id=payment_id).select_related("account"):
        if attempt.status not in (AttemptStatus.SUCCEEDED, AttemptStatus.QUEUED):
            ask(attempt, source=AttemptEvent.Source.STAFF, at=at, actor=actor)
    payment: Payment = Payment.objects.select_related("order", "method").get(id=payment_id)
    return payment


def expire_overdue(*, at: datetime, limit: int = 200) -> int:
    """End payments whose time is over, one by one; returns how many ended. Each after its gateway was asked and, where it
    can, has closed what was open.
    """
    due = list(Payment.objects.overdue(at=at).order_by("expires_at").values_list("id", flat=True)[:limit])
    return sum(_expire(payment_id, at=at) for payment_id in due)


def cancel(*, payment_id: str, actor: str, reason: str, at: datetime) -> Payment:
    """Cancel a payment that was not paid, after asking its gateway. Raises PaymentNotFound, NotPayable.

    A cancelled payment stays cancelled when called again. Money that comes afterwards is held with a case.
    """
    if not Payment.objects.filter(id=payment_id).exists():
        raise PaymentNotFound("There is no such payment.")
    _ask_open_attempts(payment_id, source=AttemptEvent.Source.API, at=at)
    return _cancel(payment_id, actor=actor, reason=reason, at=at)


@transaction.atomic(durable=True)
def _cancel(payment_id: str, *, actor: str, reason: str, at: datetime) -> Payment:
    payment = locks.payment(payment_id)
    if payment.status == PaymentStatus.CANCELLED:
        return payment
    if payment.status not in PAYABLE:
        raise NotPayable("Only an unpaid payment can be cancelled.", facts={"status": str(payment.status)})
    endings.end(payment, PaymentStatus.CANCELLED, reason="cancelled", note=reason, at=at, actor=actor)
    return payment


def _expire(payment_id: str, *, at: datetime) -> bool:
    try:
        is_answered = _ask_open_attempts(payment_id, source=AttemptEvent.Source.BEAT, at=at)
        is_closed = closing.close_overdue(payment_id, at=at)
        return _end_overdue(payment_id, is_answered=is_answered and is_closed, at=at)
    except (DomainError, GatewayError):
        log.exception("expiry_failed", payment_id=payment_id)
        return False


def _ask_open_attempts(payment_id: str, *, source: AttemptEvent.Source, at: datetime) -> bool:
    """Ask about each open attempt; False when a gateway that could know gave no answer. None knows of a queued one."""
    is_answered = True
    rows = Attempt.objects.open().exclude(status=AttemptStatus.QUEUED)
    for attempt in rows.filter(payment_id=payment_id).select_related("account"):
        if accounts.of(attempt.account).notifies:
            is_answered &= ask(attempt, source=source, at=at) is not None
    return is_answered


@transaction.atomic(durable=True)
def _end_overdue(payment_id: str, *, is_answered: bool, at: datetime) -> bool:
    """Expire under the lock, if it is still due: an IPN may have paid it while we asked."""
    payment = locks.payment(payment_id)
    if payment.status not in PAYABLE or payment.expires_at > at:
        return False
    faultpoints.reach("expiry.locked")
    if not is_answered and at < payment.expires_at + settings.EXPIRY_GRACE:
        return False
    endings.end(payment, PaymentStatus.EXPIRED, reason="expired", note="time is over", at=at, actor="system")
    return True


def _after_no_answer(attempt: Attempt, error: GatewayError, *, at: datetime) -> None:
    """A question that the gateway may have heard uses up one of the schedule; one that never left us does not."""
    is_unsent = isinstance(error, GatewayUnavailable) and error.never_sent
    if not is_unsent or attempt.created_at < at - breakers.NO_TRY_FOR:
        _schedule(attempt.id, at=at)
    elif error.code not in breakers.HELD_BACK:  # those stay due
        Attempt.objects.filter(id=attempt.id, next_query_at=attempt.next_query_at).update(
            next_query_at=at + UNSENT_AGAIN
        )


@transaction.atomic(durable=True)
def _schedule(attempt_id: str, *, at: datetime) -> None:
    """Plan the next question, or hand the last one to a person."""
    payment_id = Attempt.objects.values_list("payment_id", flat=True).get(id=attempt_id)
    payment = locks.payment(payment_id)
    attempt = Attempt.objects.get(id=attempt_id)
    attempt.queries += 1
    if attempt.status in OPEN_ATTEMPTS:
        attempt.next_query_at = attempts.next_ask(attempt.queries, at=at)
        if attempt.next_query_at is None and attempt.status in UNDECIDED:
            cases.open_question(
                kind=MoneyCase.Kind.UNKNOWN_OUTCOME,
                money=attempt.amount,
                payment=payment,
                attempt=attempt,
                detail="The gateway never told what became of this attempt.",
                at=at,
                actor="system",
            )
    elif attempt.next_query_at is not None:
        looks = attempts.LOOK_AGAIN_AFTER
        attempt.next_query_at = at + looks[attempt.queries] if attempt.queries < len(looks) else None
    attempt.save(update_fields=["queries", "next_query_at"])
