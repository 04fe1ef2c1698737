"""Payments that nobody shall pay any more are closed at the gateways that can do so, after the commit that said so.

The wish is in the attempt's row (`close_at`). Each try is committed before the gateway is called, so that a crash leaves
it due; what the gateway says of the payment is believed like any other report. Where it does not close one, that ends
after some days with a line in the log and no case: money that comes late all the same has its own way.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction

from config.core import faultpoints, metrics
from config.core.errors import DomainError
from gateways.abilities import Closes
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import CloseOutcome, CloseReport
from gateways.requests import CloseRequest
from payments.models import Attempt, AttemptEvent, Payment
from payments.services import accounts, attempts, breakers, locks, reports
from payments.services.hearing import Heard
from payments.states import PAYABLE, UNDECIDED, AttemptStatus, PaymentStatus

log = structlog.get_logger(__name__)

AGAIN_AFTER: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 480, 1440)
)  # fmt: skip
"""When the gateway is called again, each counted from the last time."""
UNSENT_AGAIN: Final = timedelta(seconds=60)
"""When a call that did not leave us is made again; it uses up no try."""
PATIENCE_SECONDS: Final = 20.0
"""So long a sweep waits for its turns at gateways that want a distance between calls."""
OTHER_WAYS: Final = (AttemptStatus.REQUIRES_ACTION, AttemptStatus.PENDING)
"""A later attempt in one of these is what the customer pays by now."""
NOTES: Final = {CloseOutcome.CLOSED: "closed at the gateway", CloseOutcome.OVER: "over at the gateway"}


def close_due(*, at: datetime, limit: int = 200) -> int:
    """Close what is due, row by row; returns how many were tried. What a gateway that is down has stays due."""
    rows = Attempt.objects.due_to_close(at=at)
    down = breakers.down()
    due = list(rows.exclude(account__gateway__in=down).values_list("id", flat=True)[:limit])
    with breakers.patient(PATIENCE_SECONDS):
        for attempt_id in due:
            try:
                close(attempt_id, at=at)
            except DomainError:
                log.exception("close_failed", attempt=attempt_id)
    return len(due)


def close_overdue(payment_id: str, *, at: datetime) -> bool:
    """Close what a payment over its time has open, before it expires; False where one may still be paid.

    So that, at gateways that close, no money comes after a payment has ended. Outside any transaction.
    """
    rows = Attempt.objects.open().filter(payment_id=payment_id, account__gateway__in=attempts.CLOSING)
    if not rows.exclude(status__in=(AttemptStatus.QUEUED, *UNDECIDED)).exists():
        return True
    for attempt_id in _mark_overdue(payment_id, at=at):
        close(attempt_id, at=at)
    return not Attempt.objects.open().filter(payment_id=payment_id, close_at__isnull=False).exists()


@transaction.atomic(durable=True)
def _mark_overdue(payment_id: str, *, at: datetime) -> list[str]:
    """Commit that they are to be closed; those that were tried a moment ago wait for their turn."""
    payment = locks.payment(payment_id)
    if payment.status not in PAYABLE or payment.expires_at > at:
        return []
    attempts.close_all(payment.attempts.filter(close_at=None), at=at)
    return list(Attempt.objects.due_to_close(at=at).filter(payment=payment).values_list("id", flat=True))


def close(attempt_id: str, *, at: datetime) -> CloseOutcome | None:
    """Have one attempt's gateway close it, if that is due and still wanted, and believe what it answers.

    None where it was not called or gave no usable answer. Outside any transaction.
    """
    attempt = _intend(attempt_id, at=at)
    if attempt is None:
        return None
    told = _call(attempt, at=at)
    if told is None:
        return None
    heard = Heard(account=attempt.account, source=AttemptEvent.Source.BEAT, at=at)
    for report in (told.report, *told.report.others):
        reports.apply_report(report=report, heard=heard)
    faultpoints.reach("closing.believed")
    _note(attempt_id, told.outcome, at=at)
    return told.outcome


@transaction.atomic(durable=True)
def _intend(attempt_id: str, *, at: datetime) -> Attempt | None:
    """Commit that the gateway is called now, and when again should no answer come; None where it is not wanted."""
    payment, attempt = _locked(attempt_id)
    if attempt.close_at is None or attempt.close_at > at or attempt.status in UNDECIDED:
        return None
    if _may_be_paid(payment, attempt, at=at):
        attempt.close_at = None
        attempt.save(update_fields=["close_at"])
        return None
    attempt.close_at = at + AGAIN_AFTER[min(attempt.close_tries, len(AGAIN_AFTER) - 1)]
    attempt.close_tries += 1
    attempt.save(update_fields=["close_at", "close_tries"])
    return attempt


def _may_be_paid(payment: Payment, attempt: Attempt, *, at: datetime) -> bool:
    """Whether the customer may still pay by it, or has: then it is never closed."""
    if attempt.status == AttemptStatus.SUCCEEDED:
        return True
    if payment.status not in PAYABLE or payment.expires_at <= at:
        return False
    if payment.status == PaymentStatus.PROCESSING and attempt.status == AttemptStatus.PENDING:
        return True  # a bank decides about this one
    return not payment.attempts.filter(number__gt=attempt.number, status__in=OTHER_WAYS).exists()


def _call(attempt: Attempt, *, at: datetime) -> CloseReport | None:
    gateway = accounts.of(attempt.account)
    assert isinstance(gateway, Closes), "only such attempts are marked"
    faultpoints.reach("closing.intent_committed")
    request = CloseRequest(
        reference=attempt.gateway_reference,
        operation_id=f"{attempt.gateway_reference}-x{attempt.close_tries}",
        money=attempt.amount,
        created_at=attempt.created_at,
        gateway_transaction_id=attempt.gateway_transaction_id,
    )
    try:
        told = gateway.close(request)
    except (GatewayUnavailable, GatewayRejected) as error:
        log.warning(
            "close_unanswered", gateway=attempt.account.gateway, gateway_ref=attempt.gateway_reference, error=str(error)
        )
        is_refusal = isinstance(error, GatewayRejected)
        metrics.gateway_closed(gateway=attempt.account.gateway, outcome="refused" if is_refusal else "unknown")
        is_unsent = isinstance(error, GatewayUnavailable) and error.never_sent
        _note_none(attempt, is_unsent=is_unsent, at=at)
        return None
    faultpoints.reach("closing.gateway_answered")
    metrics.gateway_closed(gateway=attempt.account.gateway, outcome=told.outcome.value)
    return told


@transaction.atomic(durable=True)
def _note(attempt_id: str, outcome: CloseOutcome, *, at: datetime) -> None:
    """Done, unless a bank still decides."""
    _, attempt = _locked(attempt_id)
    if outcome is CloseOutcome.STAYS:
        _give_up_if_spent(attempt)
        return
    attempt.close_at = None
    attempt.save(update_fields=["close_at"])
    if outcome in NOTES:
        attempts.note(
            attempt, attempt.status, source=AttemptEvent.Source.BEAT, at=at, actor="system", reason=NOTES[outcome]
        )


@transaction.atomic(durable=True)
def _note_none(tried: Attempt, *, is_unsent: bool, at: datetime) -> None:
    """It stays due; a call that the gateway may have heard uses up a try."""
    _, attempt = _locked(tried.id)
    if is_unsent and attempt.close_at is not None and attempt.created_at > at - breakers.NO_TRY_FOR:
        attempt.close_at, attempt.close_tries = at + UNSENT_AGAIN, max(attempt.close_tries - 1, 0)
        attempt.save(update_fields=["close_at", "close_tries"])
        return
    _give_up_if_spent(attempt)


def _give_up_if_spent(attempt: Attempt) -> None:
    if attempt.close_at is None or attempt.close_tries <= len(AGAIN_AFTER):
        return
    attempt.close_at = None
    attempt.save(update_fields=["close_at"])
    log.warning("close_given_up", gateway=attempt.account.gateway, gateway_ref=attempt.gateway_reference)
    metrics.gateway_closed(gateway=attempt.account.gateway, outcome="given_up")


def _locked(attempt_id: str) -> tuple[Payment, Attempt]:
    payment = locks.payment(Attempt.objects.values_list("payment_id", flat=True).get(id=attempt_id))
    return payment, Attempt.objects.select_related("account").get(id=attempt_id)
