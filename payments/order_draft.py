"""Reading an order as other services tell it: the same keys in an API body and in an `order.created` event.

Amounts are major units, as decimal text or numbers. What is read here is only well-formed; whether its parts add up is
what `orders.record` checks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from config.core.errors import InvalidInput
from config.core.money import Money, MoneyError
from payments.models import Order

MAX_SHOP_ORDERS: Final = 200
LOCALES: Final = ("vi", "en")
_MAX_NUMBER_TEXT: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopOrderDraft:
    """One shop's part, in minor units of the order's currency."""

    shop_order_id: str
    shop_id: str
    shop_name: str = ""
    order_subtotal_minor: int
    shop_funded_product_discount_minor: int = 0
    site_funded_product_discount_minor: int = 0
    shop_voucher_discount_minor: int = 0
    shipping_fee_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDraft:
    """An order as the order service tells it. Without shop orders it is one of the platform's own shop."""

    order_id: str
    customer: str
    amount: Money
    source: Order.Source
    shop_orders: Sequence[ShopOrderDraft] = field(default_factory=tuple)
    site_order_voucher_discount_minor: int = 0
    site_promotion_discount_minor: int = 0
    site_shipping_discount_minor: int = 0
    description: str = ""
    locale: str = "vi"
    buyer_name: str = ""
    buyer_email: str = ""
    buyer_phone: str = ""


def draft_from(data: Mapping[str, object], *, source: Order.Source) -> OrderDraft:
    """An order from its outward form. Raises InvalidInput or MoneyError, with the field at fault as a pointer.

    Unknown keys are ignored, so that the order service may tell more than we need. Without a currency it is VND.
    """
    currency = text(data, "currency", limit=3) or "VND"
    costs = _mapping(data, "platform_costs")
    buyer = _mapping(data, "buyer")
    return OrderDraft(
        order_id=identifier(data, "order_id", limit=100),
        customer=identifier(data, "customer_id", limit=120),
        amount=money(data, "amount", currency),
        source=source,
        shop_orders=_shop_orders(data, currency),
        site_order_voucher_discount_minor=_discount(costs, "site_order_voucher_discount", currency),
        site_promotion_discount_minor=_discount(costs, "site_promotion_discount", currency),
        site_shipping_discount_minor=_discount(costs, "site_shipping_discount", currency),
        description=text(data, "description", limit=250),
        locale=_locale(data),
        buyer_name=text(buyer, "name", limit=200, at="buyer"),
        buyer_email=_email(buyer),
        buyer_phone=text(buyer, "phone", limit=40, at="buyer"),
    )


def _shop_orders(data: Mapping[str, object], currency: str) -> tuple[ShopOrderDraft, ...]:
    given = data.get("shop_orders")
    if given is None:
        return ()
    if not isinstance(given, list):
        raise InvalidInput("This must be a list.", field="shop_orders")
    if len(given) > MAX_SHOP_ORDERS:
        raise InvalidInput(f"An order has at most {MAX_SHOP_ORDERS} shop orders.", field="shop_orders")
    return tuple(_shop_order(part, f"shop_orders/{number}", currency) for number, part in enumerate(given))


def _shop_order(part: object, at: str, currency: str) -> ShopOrderDraft:
    if not isinstance(part, Mapping):
        raise InvalidInput("This must be an object.", field=at)
    return ShopOrderDraft(
        shop_order_id=identifier(part, "shop_order_id", limit=100, at=at),
        shop_id=identifier(part, "shop_id", limit=64, at=at),
        shop_name=text(part, "shop_name", limit=200, at=at),
        order_subtotal_minor=money(part, "order_subtotal", currency, at=at).minor,
        shop_funded_product_discount_minor=_discount(part, "shop_funded_product_discount", currency, at=at),
        site_funded_product_discount_minor=_discount(part, "site_funded_product_discount", currency, at=at),
        shop_voucher_discount_minor=_discount(part, "shop_voucher_discount", currency, at=at),
        shipping_fee_minor=_discount(part, "shipping_fee", currency, at=at),
    )


def _mapping(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput("This must be an object.", field=name)
    return value


def identifier(data: Mapping[str, object], name: str, *, limit: int, at: str = "") -> str:
    """A name of a thing, required: some services write theirs as numbers. Raises InvalidInput."""
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        raise InvalidInput("This is required.", field=_pointer(at, name))
    found = _clean(value, limit=limit, field=_pointer(at, name))
    if not found:
        raise InvalidInput("This must not be blank.", field=_pointer(at, name))
    return found


def text(data: Mapping[str, object], name: str, *, limit: int, at: str = "") -> str:
    """One line of text; empty where it is left out. Raises InvalidInput."""
    value = data.get(name)
    return "" if value is None else _clean(value, limit=limit, field=_pointer(at, name))


def _clean(value: object, *, limit: int, field: str) -> str:
    """One line of text: control characters would end up in e-mail headers and files."""
    if not isinstance(value, str):
        raise InvalidInput("This must be text.", field=field)
    found = value.strip()
    if len(found) > limit:
        raise InvalidInput(f"This has at most {limit} characters.", field=field)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in found):
        raise InvalidInput("This must be one line without control characters.", field=field)
    return found


def _email(buyer: Mapping[str, object]) -> str:
    address = text(buyer, "email", limit=254, at="buyer")
    if not address:
        return ""
    try:
        validate_email(address)
    except ValidationError:
        raise InvalidInput("This is no e-mail address.", field="buyer/email") from None
    return address


def _locale(data: Mapping[str, object]) -> str:
    locale = text(data, "locale", limit=10) or "vi"
    if locale[:2].lower() not in LOCALES:
        raise InvalidInput("This must be vi or en.", field="locale")
    return locale[:2].lower()


def _discount(data: Mapping[str, object], name: str, currency: str, *, at: str = "platform_costs") -> int:
    """An amount that may be left out and is then nothing."""
    return 0 if data.get(name) is None else money(data, name, currency, at=at).minor


def money(data: Mapping[str, object], name: str, currency: str, *, at: str = "") -> Money:
    """An amount in major units, required and not negative. Raises InvalidInput or MoneyError."""
    field = _pointer(at, name)
    value = data.get(name)
    if value is None:
        raise InvalidInput("This is required.", field=field)
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise InvalidInput("This must be a decimal number.", field=field)
    if isinstance(value, str) and len(value) > _MAX_NUMBER_TEXT:
        raise InvalidInput("This number is too long.", field=field)
    try:
        amount = Money.parse(value, currency)
    except MoneyError as error:
        raise type(error)(error.message, field=error.field if error.field == "currency" else field) from error
    if amount.minor < 0:
        raise InvalidInput("This must not be negative.", field=field)
    return amount


def _pointer(at: str, name: str) -> str:
    return f"{at}/{name}" if at else name
