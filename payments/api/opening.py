"""Opening a payment: what callers of all three reference systems send, made one wish, and the answer they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import get_language_from_request
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.core import auth, clock
from config.core.api import AmountIn, CurrencyIn, StrictSerializer
from config.core.errors import InvalidInput
from config.core.idempotency import REPLAYED, fingerprint, read_key
from config.core.money import Money
from payments import links, order_draft, transfer_details
from payments.api.shapes import TextOrNull
from payments.errors import MethodNotFound
from payments.models import Order, PaymentMethod
from payments.order_draft import OrderDraft
from payments.services import accounts, card_payments, checkout
from payments.services.checkout import NewPayment
from payments.services.sending import Opened
from payments.states import PaymentStatus

DEFAULT_CURRENCY: Final = "VND"
ONLY_SERVICES_SAY: Final = ("customer_id", "buyer", "shop_orders", "platform_costs")


# --- What comes in ---------------------------------------------------------------------------------------------------
class BuyerIn(StrictSerializer):
    """Whom receipts go to."""

    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)


class ShopOrderIn(StrictSerializer):
    """One shop's part of an order."""

    shop_order_id = serializers.CharField(max_length=100)
    shop_id = serializers.CharField(max_length=64)
    shop_name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    order_subtotal = AmountIn(allow_zero=True)
    shop_funded_product_discount = AmountIn(allow_zero=True, required=False)
    site_funded_product_discount = AmountIn(allow_zero=True, required=False)
    shop_voucher_discount = AmountIn(allow_zero=True, required=False)
    shipping_fee = AmountIn(allow_zero=True, required=False)


class PlatformCostsIn(StrictSerializer):
    """What the platform pays towards an order."""

    site_order_voucher_discount = AmountIn(allow_zero=True, required=False)
    site_promotion_discount = AmountIn(allow_zero=True, required=False)
    site_shipping_discount = AmountIn(allow_zero=True, required=False)


class OrderFieldsIn(StrictSerializer):
    """How a service of the marketplace tells an order: only with a system token or an API key."""

    customer_id = serializers.CharField(
        max_length=120, required=False, help_text="Services only: whose order this is; makes the order known."
    )
    buyer = BuyerIn(required=False, help_text="Services only.")
    shop_orders = serializers.ListField(
        child=ShopOrderIn(),
        required=False,
        max_length=order_draft.MAX_SHOP_ORDERS,
        help_text="Services only. Without them the order is one of the platform's own shop.",
    )
    platform_costs = PlatformCostsIn(required=False, help_text="Services only.")


class NewPaymentIn(OrderFieldsIn):
    """A payment to open: the fields of both reference systems that share the path, and of ours."""

    order_id = serializers.CharField(max_length=100)
    payment_method = serializers.CharField(max_length=40, help_text="Its code, in either case.")
    amount = AmountIn(required=False, help_text="If sent, it must be what the order costs.")
    currency = CurrencyIn(required=False, default=DEFAULT_CURRENCY)
    description = serializers.CharField(max_length=250, required=False, allow_blank=True)
    card_token = serializers.CharField(
        max_length=200,
        required=False,
        help_text="For methods that charge a card: what the provider's own form made of its number, such as `pm_...`.",
    )
    bill_name = serializers.CharField(max_length=200, required=False, allow_blank=True, help_text="As `buyer.name`.")
    bill_email = serializers.EmailField(max_length=254, required=False, allow_blank=True, help_text="As `buyer.email`.")
    bill_mobile = serializers.CharField(max_length=40, required=False, allow_blank=True, help_text="As `buyer.phone`.")
    bill_description = serializers.CharField(
        max_length=250, required=False, allow_blank=True, help_text="As `description`."
    )
    return_url = serializers.URLField(
        max_length=1000, required=False, help_text="Where the customer ends up; its host must be one of ours."
    )
    notify_url = serializers.URLField(max_length=1000, required=False, help_text="Told about this payment's events.")


def order_out_of(body: Mapping[str, Any]) -> OrderDraft:
    """The order that a service told. Raises InvalidInput and MoneyError."""
    told = {
        name: body[name]
        for name in (*ONLY_SERVICES_SAY, "order_id", "amount", "currency", "locale")
        if body.get(name) is not None
    }
    buyer = body.get("buyer") or {
        "name": body.get("bill_name"),
        "email": body.get("bill_email"),
        "phone": body.get("bill_mobile"),
    }
    description = body.get("description") or body.get("bill_description")
    return order_draft.draft_from({**told, "buyer": buyer, "description": description}, source=Order.Source.SYSTEM)


def method_of(code: str) -> PaymentMethod:
    """An active or inactive method by its code, in either case. Raises MethodNotFound."""
    rows = PaymentMethod.objects.select_related("account")
    method: PaymentMethod | None = accounts.method(code.lower()) or rows.filter(code__iexact=code).first()
    if method is None:
        raise MethodNotFound("There is no such payment method.", field="payment_method")
    return method


def method_by_id(number: int) -> PaymentMethod:
    """A method by its number. Raises MethodNotFound."""
    method: PaymentMethod | None = PaymentMethod.objects.select_related("account").filter(id=number).first()
    if method is None:
        raise MethodNotFound("There is no such payment method.", field="payment_method_id")
    return method


# --- What goes out ---------------------------------------------------------------------------------------------------
class TransferDetailsOut(serializers.Serializer[Any]):
    """Where a bank transfer goes, and the text that it must carry."""

    bank_name = serializers.CharField()
    account_number = serializers.CharField()
    account_name = serializers.CharField()
    amount = serializers.CharField()
    text = serializers.CharField()

    def get_attribute(self, instance: Opened) -> Mapping[str, str] | None:
        """What the attempt was told; nothing for other ways to pay."""
        return transfer_details.told(instance.attempt) or None


class OpenedOut(serializers.Serializer[Any]):
    """Where the customer pays."""

    payment_id = serializers.CharField(source="payment.id")
    transaction_id = serializers.CharField(source="attempt.id")
    transaction_code = serializers.CharField(source="attempt.gateway_reference")
    order_id = serializers.CharField(source="payment.order.order_id")
    payment_method = serializers.CharField(source="attempt.method.code")
    status = serializers.ChoiceField(choices=PaymentStatus.choices, source="payment.status")
    amount = serializers.CharField(source="payment.amount")
    amount_minor = serializers.IntegerField(source="payment.amount_minor")
    currency = serializers.CharField(source="payment.currency")
    payment_url = TextOrNull(
        source="pay_url",
        help_text=(
            "Send the customer there; null for cash on delivery. Our own pay page while the status is `pending`: it is "
            "being prepared, and that page goes on by itself."
        ),
    )
    qr_code = TextOrNull(source="attempt.qr_text", help_text="What a QR code for the customer's phone says.")
    deeplink = TextOrNull(source="attempt.deeplink", help_text="Opens the gateway's app.")
    transfer = TransferDetailsOut(allow_null=True, help_text="What the QR code of a bank transfer says, in words.")
    client_secret = serializers.SerializerMethodField()
    pay_page = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField(source="payment.expires_at")

    def get_client_secret(self, opened: Opened) -> str:
        """Lets a browser follow this one payment."""
        return links.client_secret(opened.payment.id)

    def get_pay_page(self, opened: Opened) -> str:
        """Our own page with the QR code, the countdown and the live state."""
        return links.pay_page(opened.payment)


EXAMPLE: Final = {
    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
    "transaction_id": "att_06dq0qg5wnvbd9w5t2dvhm71m9",
    "transaction_code": "06dq0qg5wnvbd9w5t2dvhm71m9",
    "order_id": "ORD-1001",
    "payment_method": "momo",
    "status": "awaiting_payment",
    "amount": "960000",
    "amount_minor": 960000,
    "currency": "VND",
    "payment_url": "https://test-payment.momo.vn/v2/gateway/pay?t=...",
    "qr_code": "https://test-payment.momo.vn/v2/gateway/pay?t=...&scan=1",
    "deeplink": "momo://app?action=payWithApp",
    "transfer": None,
    "client_secret": "06dq0qg5wnvbd9w5t2dvhm71m85f0c",
    "pay_page": "https://pay.example.vn/pay/06dq0qg5wnvbd9w5t2dvhm71m85f0c",
    "expires_at": "2026-11-21T05:30:00Z",
}


# --- The door --------------------------------------------------------------------------------------------------------
def open_payment(
    request: Request, shape: type[StrictSerializer], answer: type[serializers.BaseSerializer[Any]]
) -> Response:
    """Translate, make the one call, translate back. `shape` reads the body, `answer` shows what was opened."""
    caller = auth.caller_of(request)
    key = read_key(request, required=False)
    reader = shape(data=request.data)
    reader.is_valid(raise_exception=True)
    body = reader.validated_data
    refuse_what_only_services_say(caller, body)
    wish = wish_of(request, caller, body, key)
    if body.get("card_token"):
        opened = _paid_by_card(card_payments.pay(wish=wish, token=body["card_token"], at=clock.now()))
    else:
        opened = checkout.create_payment(wish=wish, at=clock.now())
    return Response(answer(opened).data, status=201, headers=REPLAYED if opened.is_replay else None)


def _paid_by_card(found: card_payments.CardPayment) -> Opened:
    """A charged card as what was opened: where a cardholder must prove who they are, that is where they pay."""
    found.attempt.pay_url = found.redirect_url
    return Opened(found.payment, found.attempt, is_replay=found.is_replay)


def refuse_what_only_services_say(caller: auth.Caller, body: Mapping[str, Any]) -> None:
    """Raises ValidationError where a customer tells what an order costs or whose it is."""
    if caller.kind != "customer":
        return
    said = [name for name in ONLY_SERVICES_SAY if name in body]
    if said:
        raise exceptions.ValidationError(
            {
                name: [exceptions.ErrorDetail("Only a service of the marketplace says this.", code="services_only")]
                for name in said
            }
        )


def wish_of(
    request: Request, caller: auth.Caller, body: Mapping[str, Any], key: str, method: PaymentMethod | None = None
) -> NewPayment:
    """What a body asks for, by the method it names unless one is given. Raises MethodNotFound, InvalidInput, MoneyError.

    All of the body goes into the fingerprint: no card number may be in it.
    """
    if method is None:
        by_number = "payment_method_id" in body
        method = method_by_id(body["payment_method_id"]) if by_number else method_of(body["payment_method"])
    draft = order_out_of(body) if "customer_id" in body else None
    if draft is None and any(name in body for name in ONLY_SERVICES_SAY):
        raise InvalidInput("Say whose order this is.", field="customer_id")
    amount = Money.parse(body["amount"], body["currency"]) if "amount" in body else None
    return NewPayment(
        order_id=body["order_id"],
        method=method,
        client=caller.client,
        actor=caller.actor,
        customer=caller.customer if caller.kind == "customer" else None,
        draft=draft,
        amount=amount,
        idempotency_key=key or None,
        fingerprint=fingerprint({"do": "open", **body}) if key else "",
        return_url=body.get("return_url", ""),
        notify_url=body.get("notify_url", ""),
        locale=locale_of(request, draft),
    )


def locale_of(request: Request, draft: OrderDraft | None) -> str:
    """What the customer reads: what their browser asks for, else what their order says, else Vietnamese."""
    if request.META.get("HTTP_ACCEPT_LANGUAGE"):
        return get_language_from_request(request._request)[:2]
    return draft.locale if draft else "vi"
