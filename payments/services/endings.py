"""How a payment ends without money: its attempts with it, told exactly once."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from config.core import audit, faultpoints, metrics, outbox
from payments import events
from payments.models import Attempt, AttemptEvent, EmailMessageLog, Payment
from payments.services import accounts, attempts, emails
from payments.states import OPEN_ATTEMPTS, UNDECIDED, AttemptStatus, PaymentStatus


def end(payment: Payment, status: PaymentStatus, *, reason: str, note: str, at: datetime, actor: str) -> None:
    """End a locked payment and its attempts. An attempt that nobody knows about is asked on until it speaks.

    Gateways that can do so close theirs afterwards (closing.py), so that no money comes late.
    """
    last = None
    attempt_status = AttemptStatus.EXPIRED if status == PaymentStatus.EXPIRED else AttemptStatus.CANCELLED
    for attempt in payment.attempts.filter(status__in=OPEN_ATTEMPTS).select_related("account").order_by("number"):
        last = attempt
        is_to_close = attempts.close_from(attempt, at=at)
        if attempt.status in UNDECIDED:
            if is_to_close:
                attempt.save(update_fields=["close_at", "close_tries"])
            continue
        was = attempt.status
        attempt.move_to(attempt_status, at=at)
        may_tell = accounts.of(attempt.account).notifies  # of cash and transfers nobody could
        if may_tell and was != AttemptStatus.QUEUED:  # its gateway never heard of that one
            attempt.queries, attempt.next_query_at = 0, at + attempts.LOOK_AGAIN_AFTER[0]
        attempt.save()
        attempts.note(attempt, was, source=AttemptEvent.Source.BEAT, at=at, actor=actor, reason=note)
    faultpoints.reach("expiry.attempts_ended")
    end_unpaid(payment, status, attempt=last, reason=reason, at=at, actor=actor)
    faultpoints.reach("expiry.told")


def end_unpaid(
    payment: Payment, status: PaymentStatus, *, attempt: Attempt | None, reason: str, at: datetime, actor: str
) -> None:
    """End a locked payment without money, and say so exactly once. Joins the caller's transaction."""
    metrics.payment_moved(
        gateway=payment.method.account.gateway,
        method=payment.method.code,
        from_status=payment.status,
        to_status=status.value,
    )
    payment.move_to(status, at=at)
    payment.failure_code = reason
    if status == PaymentStatus.EXPIRED:
        outbox.publish(events.transaction_timeout(payment, attempt, at=at))
    outbox.publish(events.payment_failed(payment, attempt, reason=reason, at=at))
    payment.save(update_fields=["status", "updated_at", "ended_at", "failure_code", "events_count"])
    audit.record(
        actor=actor, action=f"payment.{status.value}", object_type="payment", object_id=payment.id, reason=reason
    )
    if settings.EMAIL_ON_FAILURE:
        emails.queue(payment, EmailMessageLog.Kind.PAYMENT_FAILED, at=at)
