"""`/api/v1/payments/seamless/config`: the path of the Fiuu system (ACCEPTANCE E31)."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import AmountIn, CurrencyIn
from config.core.money import Money
from payments import links
from payments.api import access, docs
from payments.api.opening import locale_of, method_of
from payments.errors import MethodNotFound
from payments.models import Order, PaymentMethod
from payments.services import embedding
from payments.services.checkout import NewPayment

TAG: Final = "Reference paths"
HOME_CURRENCY: Final = "MYR"
"""Of an amount without a currency, for an order that we do not know yet."""


class SeamlessFilters(docs.Filters):
    """Which order is to be paid, and how."""

    order_id = serializers.CharField(max_length=100)
    amount = AmountIn(required=False, help_text="If sent, it must be what the order costs.")
    currency = CurrencyIn(required=False, help_text="Of the amount; without it, the order's own.")
    payment_method = serializers.CharField(
        max_length=40, help_text="A payment method's code, or a channel of Fiuu's such as `credit` or `fpx_mb2u`."
    )


class SeamlessOut(serializers.Serializer[Any]):
    """What Fiuu's script wants (its names), where the script is, and our own ids."""

    status = serializers.BooleanField(help_text="True: the script may go on.")
    mpsmerchantid = serializers.CharField()
    mpschannel = serializers.CharField(allow_blank=True)
    mpsamount = serializers.CharField()
    mpsorderid = serializers.CharField()
    mpsbill_name = serializers.CharField()
    mpsbill_email = serializers.CharField(allow_blank=True)
    mpsbill_mobile = serializers.CharField(allow_blank=True)
    mpsbill_desc = serializers.CharField()
    mpscountry = serializers.CharField()
    mpscurrency = serializers.CharField()
    mpslangcode = serializers.CharField()
    mpsvcode = serializers.CharField(help_text="Signs amount, merchant, order and currency.")
    mpsreturnurl = serializers.CharField()
    mpsnotifyurl = serializers.CharField()
    mpscallbackurl = serializers.CharField()
    script_url = serializers.CharField()
    payment_id = serializers.CharField()
    transaction_id = serializers.CharField()
    order_id = serializers.CharField()
    client_secret = serializers.CharField()
    expires_at = serializers.DateTimeField()


EXAMPLE: Final = {
    "status": True,
    "mpsmerchantid": "SB_reckoner",
    "mpschannel": "credit",
    "mpsamount": "100.50",
    "mpsorderid": "06dq0qg5wnvbd9w5t2dvhm71m9",
    "mpsbill_name": "Hoa",
    "mpsbill_email": "hoa@example.vn",
    "mpsbill_mobile": "",
    "mpsbill_desc": "Order ORD-1001",
    "mpscountry": "MY",
    "mpscurrency": "MYR",
    "mpslangcode": "en",
    "mpsvcode": "5bf33e6500a53830d4f80087b67e13de",
    "mpsreturnurl": "https://pay.example.vn/pay/return/fiuu",
    "mpsnotifyurl": "https://pay.example.vn/api/v1/webhooks/fiuu/fiuu",
    "mpscallbackurl": "https://pay.example.vn/api/v1/webhooks/fiuu/fiuu",
    "script_url": "https://sandbox-payment.fiuu.com/RMS/API/seamless/latest/js/MOLPay_seamless.deco.js",
    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
    "transaction_id": "att_06dq0qg5wnvbd9w5t2dvhm71m9",
    "order_id": "ORD-1001",
    "client_secret": "06dq0qg5wnvbd9w5t2dvhm71m85f0c",
    "expires_at": "2026-11-21T05:30:00Z",
}


class SeamlessConfig(APIView):
    """A payment for Fiuu's script on the shop's own page."""

    permission_classes = [access.own_or("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="What Fiuu's script needs to pay an order",
        about=(
            "Opens a payment of the order, or goes on with the one that is open, and answers the script's fields. A "
            "customer's own orders only. The buyer's details are in the answer: it belongs in the buyer's browser."
        ),
        answer=SeamlessOut,
        query=[SeamlessFilters],
        problems=docs.GATEWAY_PROBLEMS,
        examples=[docs.answered("By card", EXAMPLE)],
        name="reference_seamless_config",
    )
    def get(self, request: Request) -> Response:
        """The fields."""
        caller, wanted = auth.caller_of(request), SeamlessFilters.read(request.GET)
        method, channel = _method(wanted["payment_method"])
        opened, fields = embedding.open_embedded(
            wish=NewPayment(
                order_id=wanted["order_id"],
                method=method,
                client=caller.client,
                actor=caller.actor,
                customer=caller.customer if caller.kind == "customer" else None,
                amount=_amount(wanted),
                locale=locale_of(request, None),
            ),
            channel=channel,
            at=clock.now(),
        )
        ids = {
            "payment_id": opened.payment.id,
            "transaction_id": opened.attempt.id,
            "order_id": opened.payment.order.order_id,
            "client_secret": links.client_secret(opened.payment.id),
            "expires_at": opened.payment.expires_at,
        }
        return Response(SeamlessOut({"status": True, **fields, **ids}).data, headers={"Cache-Control": "no-store"})


def _method(code: str) -> tuple[PaymentMethod, str]:
    """A method and the channel of it that is wanted. Raises MethodNotFound."""
    try:
        return method_of(code), ""
    except MethodNotFound:
        method = embedding.method_with_channel(code)
        if method is None:
            raise
        return method, code


def _amount(wanted: dict[str, Any]) -> Money | None:
    if "amount" not in wanted:
        return None
    known = Order.objects.filter(order_id=wanted["order_id"]).values_list("currency", flat=True).first()
    return Money.parse(wanted["amount"], wanted.get("currency") or known or HOME_CURRENCY)
