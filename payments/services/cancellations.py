"""The order service cancelled an order, or one shop's part of it: what that means for its money."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog
from django.db import transaction

from config.core import audit, faultpoints, inbox
from config.core.errors import Conflict
from payments import refund_split
from payments.errors import NotPayable, OrderNotFound
from payments.models import MoneyCase, Order, Payment, RefundLine, ShopOrder
from payments.refund_split import Wanted
from payments.services import cases, expiry, orders, refundable, refunds
from payments.states import PAYABLE, PaymentStatus

CLIENT: Final = "orders"
"""Whose idempotency keys make one refund of a cancelled part: ours, so they are kept for ever."""

PAYMENTS_ENDED: Final = 3
"""So many payments of the old sum are ended, should customers open new ones meanwhile, before the caller hears of it."""

log = structlog.get_logger(__name__)


def cancel_order(*, order_id: str, cause: str, reason: str, actor: str, at: datetime) -> None:
    """Cancel an order: an open payment ends, paid money becomes a case that suggests a refund.

    The gateway is asked before an open payment ends. Raises OrderNotFound; counts once per cause.
    """
    _end_open_payment(order_id, reason=reason, actor=actor, at=at)
    faultpoints.reach("cancellation.payment_ended")
    _close_order(order_id, cause=cause, reason=reason, actor=actor, at=at)


def cancel_shop_order(*, shop_order_id: str, cause: str, reason: str, actor: str, at: datetime) -> None:
    """Cancel one shop's part of an order. Paid: exactly that part is refunded. Unpaid: the order gets cheaper.

    An open payment was for the old sum and is cancelled; the customer starts a new one. Raises OrderNotFound, and
    Conflict where payments for the old sum were opened again and again meanwhile.
    """
    part = ShopOrder.objects.select_related("order").filter(shop_order_id=shop_order_id).first()
    if part is None:
        raise OrderNotFound("We do not know this shop order.", field="shop_order_id")
    order_id = part.order.order_id
    for _ in range(PAYMENTS_ENDED):
        if part.status == ShopOrder.Status.OPEN:  # told again: what is open now is for what is left
            _end_open_payment(order_id, reason="a part of the order was cancelled", actor=actor, at=at)
        try:
            paid = _close_shop_order(order_id, shop_order_id, cause=cause, reason=reason, actor=actor, at=at)
            break
        except _OpenedMeanwhile:
            continue
    else:
        raise Conflict("This order is being paid again and again for what it cost before; try again.")
    faultpoints.reach("cancellation.part_committed")
    lines = _all_of(paid, shop_order_id) if paid else []
    if paid and lines:  # a refund without lines would be of everything; with none left there is nothing to send
        refunds.request_refund(
            wish=refunds.NewRefund(
                payment_id=paid,
                lines=lines,
                reason=reason or "shop order cancelled",
                actor=actor,
                client=CLIENT,
                idempotency_key=f"shop_order_cancelled:{shop_order_id}",
            ),
            at=at,
        )


class _OpenedMeanwhile(Exception):
    """A payment for the old sum began after the last one had ended."""


def _end_open_payment(order_id: str, *, reason: str, actor: str, at: datetime) -> None:
    payments = Payment.objects.filter(order__order_id=order_id, status__in=PAYABLE)
    for payment_id in payments.values_list("id", flat=True):
        try:
            expiry.cancel(payment_id=payment_id, actor=actor, reason=reason, at=at)
        except NotPayable:
            log.info("cancelled_after_payment", order_id=order_id)  # it was paid while we asked


@transaction.atomic(durable=True)
def _close_order(order_id: str, *, cause: str, reason: str, actor: str, at: datetime) -> None:
    order = orders.locked(order_id, customer=None)
    if not inbox.claim(cause) or order.status == Order.Status.CANCELLED:
        return
    orders.cancel(order, at=at, actor=actor, reason=reason)
    order.shop_orders.filter(status=ShopOrder.Status.OPEN).update(status=ShopOrder.Status.CANCELLED)
    paid = order.payments.filter(status__in=[PaymentStatus.SUCCEEDED, PaymentStatus.AUTHORIZED]).first()
    if paid and paid.refundable:
        cases.open_question(
            kind=MoneyCase.Kind.CANCELLED_PAID,
            money=paid.refundable,
            payment=paid,
            detail=reason,
            at=at,
            actor=actor,
        )
    faultpoints.reach("cancellation.order_closed")


@transaction.atomic(durable=True)
def _close_shop_order(
    order_id: str, shop_order_id: str, *, cause: str, reason: str, actor: str, at: datetime
) -> str | None:
    """Mark the part as cancelled; returns the paid payment that must give its money back, if any."""
    order = orders.locked(order_id, customer=None)
    part = order.shop_orders.get(shop_order_id=shop_order_id)
    paid: str | None = order.payments.filter(status=PaymentStatus.SUCCEEDED).values_list("id", flat=True).first()
    if not inbox.claim(cause) or part.status == ShopOrder.Status.CANCELLED:
        return paid  # the refund has its own key, so a crash in between is made good by the next delivery
    if order.payments.filter(status__in=PAYABLE).exists():
        raise _OpenedMeanwhile  # rolls the claim back
    part.status = ShopOrder.Status.CANCELLED
    part.is_owed = paid is not None
    part.save(update_fields=["status", "is_owed"])
    audit.record(
        actor=actor, action="shop_order.cancelled", object_type="shop_order", object_id=shop_order_id, reason=reason
    )
    if paid is None:
        _cheapen(order, at=at, actor=actor, reason=reason)
    faultpoints.reach("cancellation.part_closed")
    return paid


def _cheapen(order: Order, *, at: datetime, actor: str, reason: str) -> None:
    """What is left of an unpaid order after one part is gone; nothing left means cancelled."""
    owed = orders.split_of(order).owed
    if not orders.parts_of(order) or owed.minor <= 0:
        orders.cancel(order, at=at, actor=actor, reason=reason)
        return
    order.amount_minor = owed.minor
    order.save(update_fields=["amount_minor"])


def _all_of(payment_id: str, shop_order_id: str) -> list[Wanted]:
    """All that is left of one shop order, in list value."""
    payment = Payment.objects.select_related("order").get(id=payment_id)
    available = refund_split.units(
        shop_orders=orders.parts_of(payment.order),
        paid=payment.amount,
        refunded=refundable.refunded_of(payment),
    )
    return [
        Wanted(shop_order_id=shop_order_id, kind=RefundLine.Kind(unit.kind), list_minor=unit.list_left)
        for unit in available
        if unit.shop_order.shop_order_id == shop_order_id and unit.list_left
    ]
