"""Money that a gateway has reserved and not taken: take it, or give it free.

The wish is committed first, then the gateway is called under a reference of its own, then its answer is believed like
any other report. Without an answer the attempt is due for a question; what came of it arrives by that way.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction

from config.core import audit, faultpoints
from config.core.errors import DomainError
from gateways.abilities import Captures
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import Report, ReportStatus
from gateways.requests import CaptureRequest
from payments.errors import GatewayRefused, GatewayTimeout, GatewayTrouble, NotPayable
from payments.models import Attempt, AttemptEvent, Payment
from payments.services import accounts, attempts, endings, expiry, locks, reports
from payments.services.hearing import Heard
from payments.states import AttemptStatus, PaymentStatus

log = structlog.get_logger(__name__)
ASK_AFTER: Final = timedelta(seconds=30)


def capture(*, payment_id: str, actor: str, at: datetime) -> Payment:
    """Take all of an authorised payment. One that has been taken stays as it is.

    Raises PaymentNotFound, NotPayable for a payment that is not authorised, GatewayRefused, and GatewayTrouble or
    GatewayTimeout when the gateway gave no answer: then the same call may be made again.
    """
    attempt = _intend(payment_id, wish="capture", done=PaymentStatus.SUCCEEDED, actor=actor, at=at)
    if attempt is not None:
        report = _call(
            attempt,
            lambda gateway: gateway.capture(
                _request(attempt, operation_id=f"{attempt.gateway_reference}-k", description=f"Capture of {payment_id}")
            ),
        )
        reports.apply_report(report=report, heard=_heard(attempt, actor, at))
    return _fresh(payment_id)


def cancel(*, payment_id: str, actor: str, reason: str, at: datetime) -> Payment:
    """Cancel a payment that was not paid: authorised money is given free, an open attempt is asked about first.

    Raises PaymentNotFound, NotPayable and, for authorised money, what capture() raises.
    """
    status = Payment.objects.filter(id=payment_id).values_list("status", flat=True).first()
    if status != PaymentStatus.AUTHORIZED:
        expiry.cancel(payment_id=payment_id, actor=actor, reason=reason, at=at)
        return _fresh(payment_id)
    attempt = _intend(payment_id, wish="cancel", done=PaymentStatus.CANCELLED, actor=actor, at=at)
    if attempt is not None:
        report = _call(
            attempt,
            lambda gateway: gateway.cancel_authorization(
                _request(
                    attempt,
                    operation_id=f"{attempt.gateway_reference}-v",
                    description=reason or f"Cancellation of {payment_id}",
                )
            ),
        )
        reports.apply_report(report=report, heard=_heard(attempt, actor, at))
        faultpoints.reach("authorization.believed")
        if report.status is ReportStatus.CANCELLED:
            _end(payment_id, reason=reason, actor=actor, at=at)
    return _fresh(payment_id)


def release_overdue(*, at: datetime, limit: int = 200) -> int:
    """Give free what was reserved and not captured in time, row by row; returns how many were tried."""
    due = list(Payment.objects.uncaptured(at=at).order_by("expires_at").values_list("id", flat=True)[:limit])
    for payment_id in due:
        try:
            cancel(payment_id=payment_id, actor="system", reason="not captured in time", at=at)
        except DomainError as error:
            log.warning("release_failed", payment_id=payment_id, error_code=error.code)
    return len(due)


@transaction.atomic(durable=True)
def _intend(payment_id: str, *, wish: str, done: PaymentStatus, actor: str, at: datetime) -> Attempt | None:
    """Commit what is going to be asked of the gateway; None when it has been done already."""
    payment = locks.payment(payment_id)
    if payment.status == done:
        return None
    attempt: Attempt | None = (
        payment.attempts.filter(status=AttemptStatus.PENDING).select_related("account").order_by("-number").first()
    )
    if payment.status != PaymentStatus.AUTHORIZED or attempt is None:
        raise NotPayable("Nothing is authorised here.", facts={"status": str(payment.status)})
    if not isinstance(accounts.of(attempt.account), Captures):
        raise NotPayable("This payment provider does not authorise first.", facts={"status": str(payment.status)})
    # A wish that is repeated does not put off the question about the first.
    attempt.queries, attempt.next_query_at = 0, min(attempt.next_query_at or at + ASK_AFTER, at + ASK_AFTER)
    attempt.save(update_fields=["queries", "next_query_at"])
    attempts.note(attempt, attempt.status, source=AttemptEvent.Source.API, at=at, actor=actor, reason=wish)
    audit.record(actor=actor, action=f"payment.{wish}_requested", object_type="payment", object_id=payment.id)
    return attempt


def _request(attempt: Attempt, *, operation_id: str, description: str) -> CaptureRequest:
    return CaptureRequest(
        reference=attempt.gateway_reference,
        operation_id=operation_id,
        money=attempt.amount,
        created_at=attempt.created_at,
        description=description,
        gateway_transaction_id=attempt.gateway_transaction_id,
    )


def _call(attempt: Attempt, request: Callable[[Captures], Report]) -> Report:
    gateway = accounts.of(attempt.account)
    faultpoints.reach("authorization.wish_committed")
    assert isinstance(gateway, Captures), "checked when the wish was committed"
    facts = {"payment_id": attempt.payment_id}
    try:
        report = request(gateway)
    except GatewayRejected as error:
        raise GatewayRefused("The payment provider refused.", facts=facts) from error
    except GatewayUnavailable as error:
        if error.never_sent:
            raise GatewayTrouble("The payment provider cannot be reached; try again.", facts=facts) from error
        raise GatewayTimeout("The payment provider did not answer; we are asking it.", facts=facts) from error
    faultpoints.reach("authorization.gateway_answered")
    return report


@transaction.atomic(durable=True)
def _end(payment_id: str, *, reason: str, actor: str, at: datetime) -> None:
    payment = locks.payment(payment_id)
    if payment.status == PaymentStatus.AUTHORIZED:
        endings.end(payment, PaymentStatus.CANCELLED, reason="cancelled", note=reason, at=at, actor=actor)


def _fresh(payment_id: str) -> Payment:
    payment: Payment = Payment.objects.select_related("order", "method").get(id=payment_id)
    return payment


def _heard(attempt: Attempt, actor: str, at: datetime) -> Heard:
    return Heard(account=attempt.account, source=AttemptEvent.Source.API, at=at, actor=actor)
