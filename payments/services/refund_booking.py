"""Booking a refund as owed to the customer, with its claims on shops (LEDGER.md 6, "Refund booked")."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from config.core import faultpoints
from ledger import services as ledger
from payments import postings
from payments.models import ClawBack, Refund, RefundLine


def book(refund: Refund, *, actor: str, at: datetime) -> None:
    """Book a refund as owed to the customer, with its claims on shops. Joins the commit that approves it."""
    assert connection.in_atomic_block and refund.payment is not None, "a refund is booked in the commit of its approval"
    lines = list(refund.lines.select_related("shop_order"))
    by_shop = refund.shipping_bearer == Refund.ShippingBearer.SHOP
    ledger.post(
        reference=f"{refund.id}:booked",
        event="refund_booked",
        lines=postings.refund_booked(lines, shipping_by_shop=by_shop, currency=refund.currency),
        occurred_at=at,
        subject=refund.id,
        order_ref=refund.payment.order.order_id,
        actor=actor,
        reason=refund.reason,
    )
    faultpoints.reach("refund.booked")
    ClawBack.objects.bulk_create(
        ClawBack(
            refund=refund,
            shop_id=line.shop_order.shop_id,
            shop_order=line.shop_order,
            amount_minor=line.list_minor,
            currency=refund.currency,
            created_at=at,
        )
        for line in lines
        if line.list_minor and _is_claimed_back(line, by_shop=by_shop)
    )
    refund.next_step_at = at if refund.route == Refund.Route.GATEWAY else None


def _is_claimed_back(line: RefundLine, *, by_shop: bool) -> bool:
    bearer = postings.refund_bearer(line, shipping_by_shop=by_shop)
    return bearer.code.startswith("clawback:")
