"""Orders: told by services of the marketplace, cancelled by them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import AmountIn, CurrencyIn
from config.core.idempotency import read_key
from payments.api import docs
from payments.api.authorizations import CancellationIn
from payments.api.opening import DEFAULT_CURRENCY, OrderFieldsIn, order_out_of
from payments.api.shapes import AmountText
from payments.models import Order, ShopOrder
from payments.services import cancellations, orders

TAG = "Orders"


class NewOrderIn(OrderFieldsIn):
    """An order as the order service tells it: the keys of an `order.created` event."""

    order_id = serializers.CharField(max_length=100)
    customer_id = serializers.CharField(max_length=120)
    amount = AmountIn(help_text="What the customer pays: the sum of the parts.")
    currency = CurrencyIn(required=False, default=DEFAULT_CURRENCY)
    description = serializers.CharField(max_length=250, required=False, allow_blank=True)
    locale = serializers.ChoiceField(choices=["vi", "en"], required=False)


class ShopOrderOut(serializers.Serializer[Any]):
    """One shop's part."""

    shop_order_id = serializers.CharField()
    shop_id = serializers.CharField()
    status = serializers.ChoiceField(choices=ShopOrder.Status.choices)


class OrderOut(serializers.Serializer[Any]):
    """An order as we know it. Who bought it is not told again."""

    order_id = serializers.CharField()
    customer_id = serializers.CharField(source="customer")
    status = serializers.ChoiceField(choices=Order.Status.choices)
    amount = AmountText("amount_minor")
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    shop_orders = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField(allow_null=True)

    def get_shop_orders(self, order: Order) -> list[dict[str, Any]]:
        """Its parts, in their order."""
        return [dict(ShopOrderOut(part).data) for part in order.shop_orders.order_by("id")]


EXAMPLE = {
    "order_id": "ORD-1001",
    "customer_id": "customer-1",
    "amount": "960000",
    "currency": "VND",
    "buyer": {"name": "Nguyễn Thị Lan", "email": "lan@example.com", "phone": "0901234567"},
    "shop_orders": [
        {
            "shop_order_id": "ORD-1001-1",
            "shop_id": "shop-7",
            "order_subtotal": "1000000",
            "shop_voucher_discount": "50000",
            "site_funded_product_discount": "20000",
            "shipping_fee": "50000",
        }
    ],
    "platform_costs": {"site_order_voucher_discount": "20000"},
}


def _shown(order_id: str) -> Response:
    return Response(OrderOut(Order.objects.get(order_id=order_id)).data)


class OrderList(APIView):
    """The door by which orders become known over HTTP; Kafka is the other."""

    permission_classes = [auth.scopes("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Tell an order",
        about="The same order again is found as it is; the same id with another amount or customer is refused.",
        body=NewOrderIn,
        answer=OrderOut,
        status=201,
        examples=[docs.sent("Two vouchers", EXAMPLE)],
        is_keyed=True,
        name="orders_create",
    )
    def post(self, request: Request) -> Response:
        """Keep it."""
        read_key(request, required=False)
        body = NewOrderIn(data=request.data)
        body.is_valid(raise_exception=True)
        order = orders.register(order_out_of(body.validated_data))
        return Response(OrderOut(order).data, status=201)


class CancelOrder(APIView):
    """An order was cancelled."""

    permission_classes = [auth.scopes("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Cancel an order",
        about="An open payment ends; for a paid one a money case suggests a refund. Counts once.",
        body=CancellationIn,
        answer=OrderOut,
        examples=[docs.sent("Out of stock", {"reason": "out of stock"})],
        is_keyed=True,
        name="orders_cancel",
    )
    def post(self, request: Request, order_id: str) -> Response:
        """Cancel it."""
        caller = auth.caller_of(request)
        read_key(request, required=False)
        body = CancellationIn(data=request.data)
        body.is_valid(raise_exception=True)
        cancellations.cancel_order(
            order_id=order_id,
            cause=f"api:order_cancelled:{order_id}",
            reason=body.validated_data["reason"],
            actor=caller.actor,
            at=clock.now(),
        )
        return _shown(order_id)


class CancelShopOrder(APIView):
    """One shop's part of an order was cancelled."""

    permission_classes = [auth.scopes("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Cancel one shop's part of an order",
        about="Paid: exactly that part is refunded. Unpaid: the order costs less, and an open payment ends.",
        body=CancellationIn,
        answer=OrderOut,
        examples=[docs.sent("Out of stock", {"reason": "out of stock"})],
        is_keyed=True,
        name="shop_orders_cancel",
    )
    def post(self, request: Request, shop_order_id: str) -> Response:
        """Cancel it."""
        caller = auth.caller_of(request)
        read_key(request, required=False)
        body = CancellationIn(data=request.data)
        body.is_valid(raise_exception=True)
        cancellations.cancel_shop_order(
            shop_order_id=shop_order_id,
            cause=f"api:shop_order_cancelled:{shop_order_id}",
            reason=body.validated_data["reason"],
            actor=caller.actor,
            at=clock.now(),
        )
        return _shown(ShopOrder.objects.values_list("order__order_id", flat=True).get(shop_order_id=shop_order_id))
