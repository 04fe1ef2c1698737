"""The facts we announce (DESIGN.md 6). Each is one outbox event; aliases are the relay's business.

`data` carries the keys of the reference systems (transaction_id, order_id, amount, status) and ours beside them.
"""

from __future__ import annotations

from datetime import datetime

from config.core.money import Money
from config.core.outbox import Event
from payments.models import Attempt, Dispute, Payment, Refund


def transaction_created(payment: Payment, attempt: Attempt, *, at: datetime) -> Event:
    """A try at a gateway began."""
    return _of(payment, "transaction.created", at, {**_transaction(payment, attempt), "status": "PENDING"})


def transaction_failed(payment: Payment, attempt: Attempt, *, at: datetime) -> Event:
    """One try failed; the payment may still be paid."""
    data = {**_transaction(payment, attempt), "status": "FAILED", "reason": attempt.failure_code}
    return _of(payment, "transaction.failed", at, data)


def transaction_timeout(payment: Payment, attempt: Attempt | None, *, at: datetime) -> Event:
    """The time to pay ran out."""
    return _of(payment, "transaction.timeout", at, {**_transaction(payment, attempt), "status": "EXPIRED"})


def payment_completed(payment: Payment, attempt: Attempt, *, at: datetime) -> Event:
    """The order is paid. `late` when a failure had been announced before."""
    data = {**_transaction(payment, attempt), "status": "SUCCESS", "late": payment.is_late}
    return _of(payment, "payment.completed", at, data)


def order_payment_received(payment: Payment, attempt: Attempt, *, at: datetime) -> Event:
    """The same fact, addressed to the order service (ACCEPTANCE A49, K4)."""
    data = {**_transaction(payment, attempt), "status": "SUCCESS", "late": payment.is_late}
    return _of(payment, "order.payment.received", at, data)


def payment_failed(payment: Payment, attempt: Attempt | None, *, reason: str, at: datetime) -> Event:
    """The payment ended unpaid: exactly once."""
    return _of(payment, "payment.failed", at, {**_transaction(payment, attempt), "status": "FAILED", "reason": reason})


def payment_refunded(payment: Payment, refund: Refund, *, at: datetime) -> Event:
    """Money went back to the customer."""
    data = {
        **_transaction(payment, None),
        **_amount(refund.amount),
        "status": "REFUNDED",
        "refund_id": refund.id,
        "refunded_total": str(Money(payment.refunded_minor, payment.currency)),
        "refund_state": payment.refund_state,
    }
    return _of(payment, "payment.refunded", at, data)


def payment_disputed(payment: Payment, dispute: Dispute, *, status: str, at: datetime) -> Event:
    """A dispute of this payment was OPENED, WON or LOST (given up and not answered in time included)."""
    data = {
        **_transaction(payment, None),
        **_amount(dispute.amount),
        "status": status,
        "dispute_id": dispute.id,
        "gateway_dispute_id": dispute.gateway_dispute_id,
        "dispute_status": str(dispute.status),
        "is_inquiry": dispute.is_inquiry,
        "reason": str(dispute.reason_class),
        "respond_by": dispute.respond_by.isoformat() if dispute.respond_by else None,
        "disputed_total": str(Money(payment.disputed_minor, payment.currency)),
    }
    return _of(payment, "payment.disputed", at, data)


def _transaction(payment: Payment, attempt: Attempt | None) -> dict[str, object]:
    return {
        "transaction_id": attempt.id if attempt else None,
        "transaction_code": attempt.gateway_reference if attempt else None,
        "gateway_transaction_id": attempt.gateway_transaction_id if attempt else None,
        "payment_id": payment.id,
        "order_id": payment.order.order_id,
        **_amount(payment.amount),
    }


def _amount(money: Money) -> dict[str, object]:
    return {"amount": str(money), "amount_minor": money.minor, "currency": money.currency}


def _of(payment: Payment, kind: str, at: datetime, data: dict[str, object]) -> Event:
    return Event(
        type=kind,
        key=payment.order.order_id,
        aggregate_type="payment",
        aggregate_id=payment.id,
        sequence=payment.next_sequence(),
        data=data,
        occurred_at=at,
    )
