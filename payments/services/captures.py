"""Money that came: kept once, whether its payment can take it, and the account it sits in."""

from __future__ import annotations

from django.db import connection

from config.core.money import Money
from ledger import chart
from payments.models import Capture, MoneyCase, Order, Payment
from payments.states import LIVE, PaymentStatus


def is_new(capture: Capture) -> bool:
    """Insert a capture; False when this money was captured before. The unique constraint is what decides."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO payments_capture (id, account_id, gateway_transaction_id, attempt_id, payment_id, amount_minor,
                currency, disposition, channel, journal_reference, occurred_at, created_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (account_id, gateway_transaction_id) DO NOTHING
            """,
            [
                capture.id, capture.account_id, capture.gateway_transaction_id, capture.attempt_id, capture.payment_id,
                capture.amount_minor, capture.currency, capture.disposition, capture.channel, capture.journal_reference,
                capture.occurred_at, capture.created_at,
            ],
        )  # fmt: skip
        return bool(cursor.rowcount == 1)


def problem_with(money: Money, payment: Payment | None) -> MoneyCase.Kind | None:
    """Why a payment cannot take this money; None when it can."""
    if payment is None:
        return MoneyCase.Kind.UNKNOWN_ORDER
    if payment.captured_minor:
        return MoneyCase.Kind.DOUBLE_PAYMENT
    if money.currency != payment.currency:
        return MoneyCase.Kind.CURRENCY_MISMATCH
    if money.minor != payment.amount_minor:
        return MoneyCase.Kind.AMOUNT_MISMATCH
    if payment.status == PaymentStatus.CANCELLED or payment.order.status == Order.Status.CANCELLED:
        return MoneyCase.Kind.PAID_CANCELLED
    has_ended = payment.status in (PaymentStatus.FAILED, PaymentStatus.EXPIRED)
    is_another_debt = payment.amount_minor != payment.order.amount_minor  # a part of the order was cancelled since
    if has_ended and (is_another_debt or Payment.objects.filter(order_id=payment.order_id, status__in=LIVE).exists()):
        return MoneyCase.Kind.LATE_PAYMENT
    return None


def money_source(capture: Capture) -> chart.AccountRef:
    """The account that a capture's money sits in: with the gateway, with the carrier that collected it, or in our bank."""
    holder = capture.gateway_transaction_id.partition(":")[0]
    if capture.account.gateway == "cod":
        return chart.cod_receivable(holder)
    if capture.account.gateway == "bank_transfer":
        return chart.bank(holder)
    return chart.gateway_clearing(capture.account.code)
