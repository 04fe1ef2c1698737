"""How an order is read from what other services write."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.errors import DomainError, InvalidInput
from config.core.money import AmountPrecision, Money, MoneyError
from payments import order_draft
from payments.models import Order

WHOLE: dict[str, Any] = {
    "order_id": "ORD-1",
    "customer_id": "customer-1",
    "amount": "960000",
    "currency": "VND",
    "buyer": {"name": " Nguyễn Thị Lan ", "email": "lan@example.com", "phone": "0901234567"},
    "shop_orders": [
        {
            "shop_order_id": "SO-1",
            "shop_id": 7,
            "shop_name": "Gốm",
            "order_subtotal": 1_000_000,
            "shop_funded_product_discount": "10000",
            "site_funded_product_discount": Decimal("20000"),
            "shop_voucher_discount": 5000.0,
            "shipping_fee": "35000",
        }
    ],
    "platform_costs": {
        "site_order_voucher_discount": "40000",
        "site_promotion_discount": None,
        "total_site_funded_product_discount": "20000",
    },
    "something_else": {"we": "do not need"},
}


def read(**changes: Any) -> Any:
    return order_draft.draft_from({**WHOLE, **changes}, source=Order.Source.EVENT)


def test_a_whole_order_is_read_to_the_last_field() -> None:
    draft = read()

    assert (draft.order_id, draft.customer, draft.amount) == ("ORD-1", "customer-1", Money(960_000, "VND"))
    assert (draft.buyer_name, draft.buyer_email, draft.buyer_phone) == (
        "Nguyễn Thị Lan",
        "lan@example.com",
        "0901234567",
    )
    (part,) = draft.shop_orders
    assert (part.shop_order_id, part.shop_id, part.shop_name) == ("SO-1", "7", "Gốm")
    assert part.order_subtotal_minor == 1_000_000
    assert part.shop_funded_product_discount_minor == 10_000
    assert part.site_funded_product_discount_minor == 20_000
    assert part.shop_voucher_discount_minor == 5_000
    assert part.shipping_fee_minor == 35_000
    assert (draft.site_order_voucher_discount_minor, draft.site_promotion_discount_minor) == (40_000, 0)
    assert draft.locale == "vi"


def test_cents_are_read_by_the_currency() -> None:
    assert read(currency="USD", amount="12.5", shop_orders=None, platform_costs=None).amount == Money(1250, "USD")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"order_id": None}, "order_id"),
        ({"order_id": "  "}, "order_id"),
        ({"order_id": True}, "order_id"),
        ({"order_id": "x" * 101}, "order_id"),
        ({"order_id": "a\r\nBcc: x@example.com"}, "order_id"),
        ({"order_id": "a\x00"}, "order_id"),
        ({"customer_id": []}, "customer_id"),
        ({"amount": None}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "1e999999"}, "amount"),
        ({"amount": "9" * 41}, "amount"),
        ({"amount": 0.5}, "amount"),
        ({"currency": "XXX"}, "currency"),
        ({"buyer": "Lan"}, "buyer"),
        ({"buyer": {"email": "a@x.vn, b@x.vn"}}, "buyer/email"),
        ({"buyer": {"email": "a@x.vn\nBcc: b@x.vn"}}, "buyer/email"),
        ({"buyer": {"name": "Lan\u2028x"}}, "buyer/name"),
        ({"locale": "fr"}, "locale"),
        ({"shop_orders": {}}, "shop_orders"),
        ({"shop_orders": [1]}, "shop_orders/0"),
        ({"shop_orders": [{"shop_order_id": "1", "shop_id": "1"}]}, "shop_orders/0/order_subtotal"),
        ({"shop_orders": [{}] * 201}, "shop_orders"),
        ({"platform_costs": {"site_promotion_discount": "x"}}, "platform_costs/site_promotion_discount"),
    ],
)
def test_what_is_odd_is_refused_by_the_name_of_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises((InvalidInput, MoneyError)) as refusal:
        read(**changes)

    assert refusal.value.field == field


def test_more_decimals_than_the_currency_has_say_so() -> None:
    with pytest.raises(AmountPrecision):
        read(amount="0.5")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(WHOLE)), inner, max_size=6),
        max_leaves=20,
    )
)
def test_whatever_is_written_is_an_order_or_a_refusal(data: object) -> None:
    try:
        order_draft.draft_from(data if isinstance(data, dict) else {"order_id": data}, source=Order.Source.EVENT)
    except DomainError as refusal:
        assert refusal.status == 422
