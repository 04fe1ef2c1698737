"""Every event the code announces, built in memory: what docs/events.md shows is this, word for word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from config.core.outbox import Event
from payments import events
from payments.models import Attempt, Dispute, Order, Payment, Refund

AT: Final = datetime(2026, 11, 21, 14, 45, 8, 779138, tzinfo=UTC)


def _payment() -> Payment:
    order = Order(order_id="order-7001", customer="customer-1", currency="VND", amount_minor=150_000)
    return Payment(
        id="pay_01m7z91r1jff6b10fjc99aw0a7", order=order, amount_minor=150_000, currency="VND", captured_minor=150_000,
        refunded_minor=50_000,
    )  # fmt: skip


def _disputed(payment: Payment) -> Payment:
    payment.disputed_minor = 100_000
    return payment


def announced() -> dict[str, Event]:
    """One example a type, of one order of 150,000 VND."""
    payment = _payment()
    attempt = Attempt(
        id="att_01m7z91r1xehmt6vevwraqwkbf", payment=payment, gateway_reference="01m7z91r1xehmt6vevwraqwkbf",
        gateway_transaction_id="179527216804", failure_code="1001",
    )  # fmt: skip
    refund = Refund(
        id="re_01m7z92zqsf4qs05qaf2ak2018", payment=payment, amount_minor=50_000, currency="VND",
    )  # fmt: skip
    dispute = Dispute(
        id="dp_01m7z95p2c1q2hn4a8e2x5k7vd", payment=payment, gateway_dispute_id="du_1QxYzABCDEF", amount_minor=100_000,
        currency="VND", status="needs_response", reason="fraudulent", reason_class="fraud",
        respond_by=datetime(2026, 11, 28, 23, 59, 59, tzinfo=UTC),
    )  # fmt: skip
    unpaid = Attempt(
        id=attempt.id, payment=payment, gateway_reference=attempt.gateway_reference, failure_code="1001",
    )  # fmt: skip
    made = (
        events.transaction_created(payment, unpaid, at=AT),
        events.transaction_failed(payment, unpaid, at=AT),
        events.transaction_timeout(payment, unpaid, at=AT),
        events.payment_completed(payment, attempt, at=AT),
        events.order_payment_received(payment, attempt, at=AT),
        events.payment_failed(payment, unpaid, reason="expired", at=AT),
        events.payment_refunded(payment, refund, at=AT),
        events.payment_disputed(_disputed(payment), dispute, status="OPENED", at=AT),
    )
    return {event.type: event for event in made}
