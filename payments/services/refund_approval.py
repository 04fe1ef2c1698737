"""Refunds that two people must agree on: asked for, released or given up (config.core.approvals calls back here)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction

from config.core import approvals, inbox
from config.core.models import Approval, User
from config.core.money import Money
from payments.models import Refund
from payments.services import locks, refund_booking, refund_steps, refundable
from payments.states import RefundStatus

ACTION: Final = "refund.release"
R = RefundStatus


def is_needed(amount: Money, route: Refund.Route | str) -> bool:
    """Every bank refund, and what exceeds the limit of its currency; a currency without a limit always does."""
    limit = settings.REFUND_APPROVAL_LIMITS.get(amount.currency)
    return route == Refund.Route.BANK or limit is None or amount > Money.parse(limit, amount.currency)


def ask(refund: Refund, *, maker: User | None, at: datetime) -> None:
    """Let a refund wait for a second person. Joins the transaction that makes it; the caller saves it."""
    refund.move_to(R.PENDING_APPROVAL, at=at)
    refund.approval = approvals.request(
        action=ACTION,
        object_type="refund",
        object_id=refund.id,
        payload=_payload(refund),
        maker=maker,
        maker_name=maker.email if maker else refund.requested_by,
        reason=refund.reason or "refund",
        amount=refund.amount,
        at=at,
    )


def release(approval: Approval, at: datetime) -> None:
    """Book and send a refund that two people agreed on: what config.core.approvals calls, perhaps more than once."""
    refund = _release(approval.object_id, approval, at=at)
    if refund.status == R.APPROVED and refund.route == Refund.Route.GATEWAY:
        refund_steps.send(refund_id=refund.id, at=at)


@transaction.atomic(durable=True)
def _release(refund_id: str, approval: Approval, *, at: datetime) -> Refund:
    refund, payment = locks.refund_and_payment(refund_id)
    if payment is not None and refund.status == R.PENDING_APPROVAL:
        refundable.refuse_while_disputed(payment)
    if inbox.claim(approvals.approval_cause(approval)):
        assert approval.checker is not None, "an approval was given by somebody"
        refund.move_to(R.APPROVED, at=at)
        refund_booking.book(refund, actor=f"user:{approval.checker.email}", at=at)
        refund.save()
    return refund


def current_payload(approval: Approval) -> dict[str, object]:
    """What the request would say if it were made now."""
    return _payload(Refund.objects.get(id=approval.object_id))


def give_up(approval: Approval, at: datetime) -> None:
    """Nobody agreed: what was reserved is free again. Joins the decision's transaction."""
    refund, payment = locks.refund_and_payment(approval.object_id)
    if refund.status != R.PENDING_APPROVAL:
        return
    refund.move_to(R.REJECTED, at=at)
    refund.save()
    if payment:
        payment.refunding_minor -= refund.amount_minor
        payment.updated_at = at
        payment.save(update_fields=["refunding_minor", "updated_at"])


def _payload(refund: Refund) -> dict[str, object]:
    return {
        "refund": refund.id,
        "payment": refund.payment_id,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "route": str(refund.route),
        "bank_details": dict(refund.bank_details),
    }
