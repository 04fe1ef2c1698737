"""`/v1/payment/*` and `/v1/payment-method`: the paths of the MoMo system (ACCEPTANCE A35-A38)."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import AmountIn, CurrencyIn
from payments import links
from payments.api import access, docs
from payments.api.compat import words
from payments.api.methods import EXAMPLE as METHOD
from payments.api.methods import MethodFilters, MethodOut, offered, shown
from payments.api.opening import DEFAULT_CURRENCY, OrderFieldsIn, method_by_id, method_of, open_payment
from payments.api.shapes import TextOrNull
from payments.errors import OrderNotFound
from payments.services import checkout
from payments.services.sending import Opened

TAG = "Reference paths"
MAX_ID: Final = 2**63 - 1


class InitIn(OrderFieldsIn):
    """A payment to start."""

    order_id = serializers.CharField(max_length=100)
    payment_method_id = serializers.IntegerField(min_value=1, max_value=MAX_ID, required=False)
    payment_method = serializers.CharField(max_length=40, required=False, help_text="Its code, instead of the id.")
    return_url = serializers.URLField(max_length=1000, required=False)
    amount = AmountIn(required=False, help_text="If sent, it must be what the order costs.")
    currency = CurrencyIn(required=False, default=DEFAULT_CURRENCY)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A method, named once."""
        if ("payment_method_id" in attrs) == ("payment_method" in attrs):
            raise serializers.ValidationError({"payment_method": ["Send payment_method or payment_method_id."]})
        return attrs


class InitOut(serializers.Serializer[Any]):
    """Where the customer pays, in the reference system's words."""

    transaction_id = serializers.CharField(source="attempt.id")
    transaction_code = serializers.CharField(source="attempt.gateway_reference")
    payment_id = serializers.CharField(source="payment.id")
    order_id = serializers.CharField(source="payment.order.order_id")
    status = serializers.SerializerMethodField()
    amount = serializers.CharField(source="payment.amount")
    amount_minor = serializers.IntegerField(source="payment.amount_minor")
    currency = serializers.CharField(source="payment.currency")
    payUrl = TextOrNull(source="pay_url")  # noqa: N815 - the reference system's name
    qrCodeUrl = TextOrNull(source="attempt.qr_text")  # noqa: N815 - the reference system's name
    deeplink = TextOrNull(source="attempt.deeplink")
    client_secret = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField(source="payment.expires_at")

    def get_status(self, opened: Opened) -> str:
        """PENDING, AWAITING_PAYMENT, SUCCESS or FAILED."""
        return words.OF_PAYMENT[opened.payment.status]

    def get_client_secret(self, opened: Opened) -> str:
        """Lets a browser follow this one payment."""
        return links.client_secret(opened.payment.id)


EXAMPLE = {
    "transaction_id": "att_06dq0qg5wnvbd9w5t2dvhm71m9",
    "transaction_code": "06dq0qg5wnvbd9w5t2dvhm71m9",
    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
    "order_id": "ORD-1001",
    "status": "AWAITING_PAYMENT",
    "amount": "960000",
    "amount_minor": 960000,
    "currency": "VND",
    "payUrl": "https://test-payment.momo.vn/v2/gateway/pay?t=...",
    "qrCodeUrl": "https://test-payment.momo.vn/v2/gateway/pay?t=...&scan=1",
    "deeplink": "momo://app?action=payWithApp",
    "client_secret": "06dq0qg5wnvbd9w5t2dvhm71m85f0c",
    "expires_at": "2026-11-21T05:30:00Z",
}


class Init(APIView):
    """Starts a payment."""

    permission_classes = [access.own_or("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Start a payment",
        about="Online methods answer a pay URL, cash on delivery none.",
        body=InitIn,
        answer=InitOut,
        status=201,
        problems=docs.GATEWAY_PROBLEMS,
        examples=[
            docs.sent("By the wallet", {"order_id": "ORD-1001", "payment_method": "momo"}),
            docs.sent("By the method's number", {"order_id": "ORD-1001", "payment_method_id": 1}),
            docs.answered("A pay URL", EXAMPLE, status=201),
        ],
        is_keyed=True,
        name="reference_payment_init",
    )
    def post(self, request: Request) -> Response:
        """Start it."""
        return open_payment(request, InitIn, InitOut)


class AgainFilters(docs.Filters):
    """Which order, and how it is to be paid this time."""

    order_id = serializers.CharField(max_length=100)
    payment_method = serializers.CharField(max_length=40, required=False, help_text="Another method than the last.")


class GetUrlAgain(APIView):
    """The pay URL of a payment that was started before."""

    permission_classes = [access.own_or("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Get the pay URL again",
        about="The same URL while it lives, a new try when it has ended.",
        answer=InitOut,
        query=[AgainFilters],
        problems=docs.GATEWAY_PROBLEMS,
        examples=[docs.answered("A pay URL", EXAMPLE)],
        name="reference_payment_get_url_again",
    )
    def get(self, request: Request) -> Response:
        """The URL."""
        caller, wanted = auth.caller_of(request), AgainFilters.read(request.GET)
        rows = access.payments_of(caller).filter(order__order_id=wanted["order_id"])
        payment_id = rows.order_by("-created_at", "-id").values_list("id", flat=True).first()
        if payment_id is None:
            raise OrderNotFound("No payment of this order was started.", field="order_id")
        method = method_of(wanted["payment_method"]) if "payment_method" in wanted else None
        opened = checkout.pay_again(payment_id=payment_id, method=method, actor=caller.actor, at=clock.now())
        return Response(InitOut(opened).data)


class MethodList(APIView):
    """All methods, as a plain list."""

    authentication_classes = []
    permission_classes = [auth.Public]

    @docs.operation(
        tag=TAG,
        summary="List payment methods",
        about="Names and descriptions by `Accept-Language` (vi, en).",
        answer=MethodOut(many=True),
        query=[MethodFilters],
        examples=[docs.answered("One wallet", METHOD)],
        name="reference_payment_method_list",
    )
    def get(self, request: Request) -> Response:
        """The methods."""
        return Response(offered(request))


class MethodDetail(APIView):
    """One method."""

    authentication_classes = []
    permission_classes = [auth.Public]

    @docs.operation(
        tag=TAG,
        summary="Show a payment method",
        about="By its number or its code.",
        answer=MethodOut,
        examples=[docs.answered("A wallet", METHOD)],
        name="reference_payment_method_show",
    )
    def get(self, request: Request, method: str) -> Response:
        """The method."""
        is_number = method.isascii() and method.isdigit() and int(method[:20]) <= MAX_ID
        return Response(shown(method_by_id(int(method[:20])) if is_number else method_of(method)))
