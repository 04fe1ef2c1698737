"""How refunds divide: properties that hold for any order and any sequence of refunds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.core.money import Money
from payments import refund_split
from payments.errors import RefundTooMuch
from payments.models import ShopOrder
from payments.refund_split import Key, Part


@st.composite
def orders(draw: Any) -> tuple[list[ShopOrder], Money]:
    """Shop orders with goods and shipping, and the cash that was paid for them after the site's share."""
    rows = [
        ShopOrder(
            pk=number,
            shop_id=f"shop-{number}",
            shop_order_id=f"SO-{number}",
            order_subtotal_minor=draw(st.integers(1, 5_000_000)),
            shipping_fee_minor=draw(st.integers(0, 60_000)),
        )
        for number in range(1, draw(st.integers(1, 4)) + 1)
    ]
    gross = sum(row.list_minor for row in rows)
    return rows, Money(draw(st.integers(1, gross)), "VND")


def add(gone: dict[Key, tuple[int, int]], parts: list[Part]) -> None:
    for part in parts:
        key = (part.unit.shop_order.pk, part.unit.kind)
        cash, site = gone.get(key, (0, 0))
        gone[key] = (cash + part.cash, site + part.site)


@given(orders(), st.lists(st.integers(1, 2_000_000), max_size=6))
def test_any_refunds_never_exceed_what_was_paid_and_the_rest_takes_exactly_what_is_left(
    order: tuple[list[ShopOrder], Money], amounts: list[int]
) -> None:
    rows, paid = order
    gross = sum(row.list_minor for row in rows)
    gone: dict[Key, tuple[int, int]] = {}
    for amount in amounts:
        available = refund_split.units(shop_orders=rows, paid=paid, refunded=gone)
        left = sum(unit.cash_left for unit in available)
        if amount > left:
            with pytest.raises(RefundTooMuch):
                refund_split.by_amount(Money(amount, "VND"), available)
            continue
        parts = refund_split.by_amount(Money(amount, "VND"), available)
        assert sum(part.cash for part in parts) == amount
        assert all(0 <= part.site <= part.unit.site_left and 0 <= part.cash <= part.unit.cash_left for part in parts)
        add(gone, parts)
    add(gone, refund_split.everything(refund_split.units(shop_orders=rows, paid=paid, refunded=gone)))

    assert sum(cash for cash, _ in gone.values()) == paid.minor
    assert sum(site for _, site in gone.values()) == gross - paid.minor


@given(orders(), st.data())
def test_cash_stands_for_list_value_in_the_ratio_of_what_was_paid(
    order: tuple[list[ShopOrder], Money], data: st.DataObject
) -> None:
    rows, paid = order
    gross = sum(row.list_minor for row in rows)
    available = refund_split.units(shop_orders=rows, paid=paid, refunded={})
    goods = sum(unit.cash_left for unit in available if unit.kind == refund_split.GOODS)
    assume(goods > 0)
    cash = data.draw(st.integers(1, goods))
    parts = refund_split.by_amount(Money(cash, "VND"), available)

    list_value = sum(part.cash + part.site for part in parts)
    # Rounding happens once per unit and never moves more than the ratio of one unit of cash.
    assert abs(list_value - cash * gross / paid.minor) <= len(parts) * (1 + gross / paid.minor)
