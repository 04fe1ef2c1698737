"""A factory per model that tests need in numbers, and tokens for every kind of caller."""

from __future__ import annotations

import time
from typing import Any, Final

import factory
import jwt
from django.conf import settings
from django.test import Client

from config.core import apikeys
from config.core.models import ApiKey, User
from payments.models import GatewayAccount, Order, OrderPlatformCost, PaymentMethod, Shop, ShopOrder

CUSTOMER: Final = "customer-1"
OTHER_CUSTOMER: Final = "customer-2"
ISSUER: Final = "reckoner-demo"


# --- Rows ------------------------------------------------------------------------------------------------------------
class UserFactory(factory.django.DjangoModelFactory[User]):
    """A member of staff without permissions."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"staff-{n}@example.com")
    password = factory.django.Password("a long enough password")
    is_staff = True


class ApiKeyFactory(factory.django.DjangoModelFactory[ApiKey]):
    """An API key of a service; its secret is `sk_test_<name>`."""

    class Meta:
        model = ApiKey

    class Params:
        secret = factory.LazyAttribute(lambda key: f"sk_test_{key.name}")

    name = factory.Sequence(lambda n: f"service-{n}")
    prefix = factory.LazyAttribute(lambda key: key.secret[:12])
    hash = factory.LazyAttribute(lambda key: apikeys.hash_of(key.secret))
    scopes = factory.LazyFunction(lambda: sorted(apikeys.SCOPES))


class GatewayAccountFactory(factory.django.DjangoModelFactory[GatewayAccount]):
    """A merchant account; COD needs no settings."""

    class Meta:
        model = GatewayAccount
        django_get_or_create = ("code",)

    code = "cod"
    gateway = factory.SelfAttribute("code")


class PaymentMethodFactory(factory.django.DjangoModelFactory[PaymentMethod]):
    """A way to pay in VND, from 1,000 to 50,000,000."""

    class Meta:
        model = PaymentMethod
        django_get_or_create = ("code",)

    code = "cod"
    name_vi = factory.LazyAttribute(lambda method: f"Thanh toán {method.code}")
    name_en = factory.LazyAttribute(lambda method: f"Pay by {method.code}")
    kind = PaymentMethod.Kind.ONLINE
    account = factory.SubFactory(GatewayAccountFactory, code=factory.SelfAttribute("..code"))
    limits = factory.LazyFunction(lambda: {"VND": [1_000, 50_000_000]})


class ShopFactory(factory.django.DjangoModelFactory[Shop]):
    """A seller."""

    class Meta:
        model = Shop
        django_get_or_create = ("id",)

    id = factory.Sequence(lambda n: f"shop-{n}")
    name = factory.LazyAttribute(lambda shop: f"Shop {shop.id}")


class ShopOrderFactory(factory.django.DjangoModelFactory[ShopOrder]):
    """One shop's part of an order: goods of 100,000 unless told."""

    class Meta:
        model = ShopOrder

    shop = factory.SubFactory(ShopFactory)
    shop_order_id = factory.Sequence(lambda n: f"SO-{n}")
    order_subtotal_minor = 100_000


class OrderFactory(factory.django.DjangoModelFactory[Order]):
    """An order of the customer, without parts; `make_order` makes one that adds up."""

    class Meta:
        model = Order

    order_id = factory.Sequence(lambda n: f"ORD-{n}")
    customer = CUSTOMER
    amount_minor = 100_000
    currency = "VND"
    source = Order.Source.EVENT
    buyer_name = "Nguyễn Thị Lan"
    buyer_email = "lan@example.com"
    buyer_phone = "0901234567"


PART_NAMES: Final = (
    "order_subtotal", "shop_funded_product_discount", "site_funded_product_discount", "shop_voucher_discount",
    "shipping_fee",
)  # fmt: skip


def make_order(
    *parts: dict[str, int], site_voucher: int = 0, site_promotion: int = 0, site_shipping: int = 0, **fields: Any
) -> Order:
    """An order whose amount is the sum of its parts, one shop each.

    A part names its amounts in minor units: `{"order_subtotal": 80_000, "shipping_fee": 20_000}`. Without parts it is
    one shop order with goods of `amount_minor` (100,000).
    """
    wanted = parts or ({"order_subtotal": fields.get("amount_minor", 100_000)},)
    unknown = {name for part in wanted for name in part} - set(PART_NAMES)
    assert not unknown, f"a shop order has no {unknown}"
    amount = sum(
        part.get("order_subtotal", 0)
        - part.get("shop_funded_product_discount", 0)
        - part.get("site_funded_product_discount", 0)
        - part.get("shop_voucher_discount", 0)
        + part.get("shipping_fee", 0)
        for part in wanted
    )
    order: Order = OrderFactory(**{**fields, "amount_minor": amount - site_voucher - site_promotion - site_shipping})
    for number, part in enumerate(wanted, start=1):
        ShopOrderFactory(
            order=order,
            shop_order_id=f"{order.order_id}-{number}",
            **{f"{name}_minor": part.get(name, 0) for name in PART_NAMES},
        )
    OrderPlatformCost.objects.create(
        order=order,
        site_order_voucher_discount_minor=site_voucher,
        site_promotion_discount_minor=site_promotion,
        site_shipping_discount_minor=site_shipping,
        total_site_funded_product_discount_minor=sum(part.get("site_funded_product_discount", 0) for part in wanted),
    )
    return order


# --- Callers ---------------------------------------------------------------------------------------------------------
def token(**claims: Any) -> str:
    """A JWT of the shared-secret issuer: a customer's unless `typ="system"`."""
    now = int(time.time())
    known = {"iss": ISSUER, "aud": settings.SYSTEM_AUDIENCE, "sub": CUSTOMER, "iat": now, "exp": now + 600}
    return jwt.encode({**known, **claims}, settings.JWT_ISSUERS[ISSUER]["secret"], algorithm="HS256")


class ApiClient(Client):
    """A caller with one bearer token, who speaks JSON."""

    def __init__(self, bearer: str = "", **options: Any) -> None:
        super().__init__(headers={"authorization": f"Bearer {bearer}"} if bearer else None, **options)

    def send(self, path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
        """POST JSON, with an Idempotency-Key if one is named."""
        if key:
            headers["Idempotency-Key"] = key
        return self.post(path, body if body is not None else {}, content_type="application/json", headers=headers)


def customer(sub: str = CUSTOMER) -> ApiClient:
    """A customer's app or browser."""
    return ApiClient(token(sub=sub))


def system(*scopes: str, sub: str = "orders") -> ApiClient:
    """A service of the marketplace by its system token; all scopes unless some are named."""
    return ApiClient(token(sub=sub, typ="system", scope=" ".join(scopes or sorted(apikeys.SCOPES))))


def key(*scopes: str, **fields: Any) -> ApiClient:
    """A service by an API key with these scopes."""
    made = ApiKeyFactory(scopes=list(scopes), **fields)
    return ApiClient(f"sk_test_{made.name}")
