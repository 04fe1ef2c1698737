"""What an order is worth, and who may say so (DESIGN.md 3, "the order of trust for amounts")."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from config.core import audit, inbox
from config.core.money import MAX_MINOR, Money
from config.core.reads import Read
from payments import postings
from payments.errors import OrderConflict, OrderInvalid, OrderNotFound
from payments.models import Order, OrderPlatformCost, Shop, ShopOrder
from payments.order_draft import OrderDraft, ShopOrderDraft


def record(draft: OrderDraft) -> Order:
    """Keep an order, or find it as it was kept. Joins the caller's transaction and leaves the row locked.

    Raises OrderInvalid when its parts do not add up, OrderConflict when the id is taken by another amount or customer.
    """
    assert connection.in_atomic_block, "orders.record joins a transaction"
    parts = _parts(draft)
    _check(draft, parts)
    fresh = Order(
        order_id=draft.order_id,
        customer=draft.customer,
        amount_minor=draft.amount.minor,
        currency=draft.amount.currency,
        source=draft.source,
        description=draft.description,
        locale=draft.locale,
        buyer_name=draft.buyer_name,
        buyer_email=draft.buyer_email,
        buyer_phone=draft.buyer_phone,
    )
    Order.objects.bulk_create([fresh], ignore_conflicts=True)
    order = Order.objects.select_for_update().get(order_id=draft.order_id)
    if order.id != fresh.id:
        if order.amount != draft.amount or order.customer != draft.customer:
            raise OrderConflict("This order is known with another amount or customer.", field="order_id")
        return order
    _keep_parts(order, draft, parts)
    return order


@transaction.atomic(durable=True)
def register(draft: OrderDraft) -> Order:
    """Keep an order that a service told us by the API; told again it is found as it is. Raises what record() raises."""
    return record(draft)


@transaction.atomic(durable=True)
def receive_order(*, draft: OrderDraft, cause: str) -> bool:
    """Keep an order that an event announced; False when that event has counted already."""
    if not inbox.claim(cause):
        return False
    record(draft)
    return True


_LOCKED: Final = Read(lambda order_id: Order.objects.select_for_update().filter(order_id=order_id))
_LOCKED_OWN: Final = Read(
    lambda order_id, customer: Order.objects.select_for_update().filter(order_id=order_id, customer=customer)
)


def locked(order_id: str, *, customer: str | None) -> Order:
    """The order, locked; only the customer's own where one is named. Raises OrderNotFound."""
    order = _LOCKED.first(order_id) if customer is None else _LOCKED_OWN.first(order_id, customer)
    if order is None:
        raise OrderNotFound("We do not know this order.", field="order_id")
    return order


def parts_of(order: Order) -> list[ShopOrder]:
    """The shop orders that an order's amount is made of; those cancelled after payment are, those before are not."""
    return _PARTS.all(order.pk)


_PARTS: Final = Read(lambda order: ShopOrder.objects.filter(order=order, is_owed=True).order_by("id"))


def split_of(order: Order) -> postings.Split:
    """How an order's gross divides."""
    costs: OrderPlatformCost | None = getattr(order, "platform_cost", None)
    return postings.split_of(parts_of(order), costs, order.currency)


def cancel(order: Order, *, at: datetime, actor: str, reason: str) -> None:
    """Mark a locked order as cancelled; what follows for its payment is the caller's."""
    order.status = Order.Status.CANCELLED
    order.cancelled_at = at
    order.save(update_fields=["status", "cancelled_at"])
    audit.record(actor=actor, action="order.cancelled", object_type="order", object_id=order.order_id, reason=reason)


def _parts(draft: OrderDraft) -> list[ShopOrderDraft]:
    if draft.shop_orders:
        return list(draft.shop_orders)
    discounts = (
        draft.site_order_voucher_discount_minor
        + draft.site_promotion_discount_minor
        + draft.site_shipping_discount_minor
    )
    return [
        ShopOrderDraft(
            shop_order_id=draft.order_id,
            shop_id=settings.PLATFORM_ID,
            shop_name="Platform",
            order_subtotal_minor=draft.amount.minor + discounts,
        )
    ]


def _check(draft: OrderDraft, parts: Sequence[ShopOrderDraft]) -> None:
    """amount = Σ (subtotal - shop discount - site discount - shop voucher + shipping) - the site's order discounts."""
    if len({part.shop_order_id for part in parts}) != len(parts):
        raise OrderInvalid("Two shop orders have the same id.", field="shop_orders")
    owed = -(
        draft.site_order_voucher_discount_minor
        + draft.site_promotion_discount_minor
        + draft.site_shipping_discount_minor
    )
    for part in parts:
        shops_part = (
            part.order_subtotal_minor - part.shop_funded_product_discount_minor - part.shop_voucher_discount_minor
        )
        if shops_part - part.site_funded_product_discount_minor < 0 or part.order_subtotal_minor >= MAX_MINOR:
            raise OrderInvalid(f"The discounts of {part.shop_order_id!r} exceed its goods.", field="shop_orders")
        owed += shops_part - part.site_funded_product_discount_minor + part.shipping_fee_minor
    if owed != draft.amount.minor or owed <= 0:
        raise OrderInvalid(
            "The amount is not the sum of the order's parts.",
            field="amount",
            facts={"sum_of_parts": str(Money(owed, draft.amount.currency)), "amount": str(draft.amount)},
        )


def _keep_parts(order: Order, draft: OrderDraft, parts: Sequence[ShopOrderDraft]) -> None:
    Shop.objects.bulk_create(
        [Shop(id=part.shop_id, name=part.shop_name or part.shop_id) for part in parts], ignore_conflicts=True
    )
    taken = ShopOrder.objects.filter(shop_order_id__in=[part.shop_order_id for part in parts]).exists()
    if taken:
        raise OrderConflict("A shop order of this id belongs to another order.", field="shop_orders")
    ShopOrder.objects.bulk_create(
        ShopOrder(
            order=order,
            shop_id=part.shop_id,
            shop_order_id=part.shop_order_id,
            order_subtotal_minor=part.order_subtotal_minor,
            shop_funded_product_discount_minor=part.shop_funded_product_discount_minor,
            site_funded_product_discount_minor=part.site_funded_product_discount_minor,
            shop_voucher_discount_minor=part.shop_voucher_discount_minor,
            shipping_fee_minor=part.shipping_fee_minor,
        )
        for part in parts
    )
    OrderPlatformCost.objects.create(
        order=order,
        site_order_voucher_discount_minor=draft.site_order_voucher_discount_minor,
        site_promotion_discount_minor=draft.site_promotion_discount_minor,
        site_shipping_discount_minor=draft.site_shipping_discount_minor,
        total_site_funded_product_discount_minor=sum(part.site_funded_product_discount_minor for part in parts),
    )
