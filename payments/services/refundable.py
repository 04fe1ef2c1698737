"""What refunds and lost disputes have taken of a payment, and whether more may be promised."""

from __future__ import annotations

from typing import Final

from django.db.models import Sum

from payments.errors import PaymentDisputed
from payments.models import DisputeLine, Payment, RefundLine
from payments.refund_split import Key
from payments.states import RefundStatus as R

_GONE: Final = (R.FAILED, R.REJECTED, R.CANCELLED)
"""Refunds in these take nothing of what a payment has left."""


def refuse_while_disputed(payment: Payment) -> None:
    """Raises PaymentDisputed while the outcome of a dispute is open. What was lost is not left to refund anyway."""
    if payment.disputed_minor and payment.disputes.blocking().exists():
        raise PaymentDisputed("This payment is disputed; a refund now could pay twice.")


def refunded_of(payment: Payment) -> dict[Key, tuple[int, int]]:
    """(cash, site) per shop order and kind that refunds of this payment hold or took, and lost disputes took."""
    refunded = RefundLine.objects.filter(refund__payment=payment).exclude(refund__status__in=_GONE)
    lost = DisputeLine.objects.filter(dispute__payment=payment)
    found: dict[Key, tuple[int, int]] = {}
    for rows in (refunded, lost):
        for row in rows.values("shop_order_id", "kind").annotate(cash=Sum("cash_minor"), site=Sum("site_minor")):
            key = (row["shop_order_id"], RefundLine.Kind(row["kind"]))
            cash, site = found.get(key, (0, 0))
            found[key] = (cash + row["cash"], site + row["site"])
    return found
