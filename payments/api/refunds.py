"""Refunds: asked for, listed, shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import AmountIn, StrictSerializer
from config.core.idempotency import REPLAYED, fingerprint, read_key
from config.core.money import Money
from config.core.pagination import CursorList
from payments.api import access, docs
from payments.api.shapes import TextOrNull
from payments.models import Refund, RefundLine
from payments.refund_split import Wanted
from payments.services import refunds
from payments.states import RefundStatus

TAG = "Refunds"


class RefundLineIn(StrictSerializer):
    """What comes back: part of one shop order's goods or shipping, in its list value."""

    shop_order_id = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(choices=RefundLine.Kind.choices, default=RefundLine.Kind.GOODS)
    amount = AmountIn()


class NewRefundIn(StrictSerializer):
    """A refund to ask for. Without an amount and lines it is all that is left."""

    amount = AmountIn(required=False)
    reason = serializers.CharField(max_length=250, required=False, allow_blank=True)
    refund_reason = serializers.CharField(max_length=250, required=False, allow_blank=True, help_text="As `reason`.")
    lines = serializers.ListField(child=RefundLineIn(), required=False, min_length=1, max_length=100)
    shipping_bearer = serializers.ChoiceField(
        choices=Refund.ShippingBearer.choices,
        default=Refund.ShippingBearer.PLATFORM,
        help_text="Who bears refunded shipping.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One reason, under either name."""
        if attrs.get("reason") and attrs.get("refund_reason") and attrs["reason"] != attrs["refund_reason"]:
            raise exceptions.ValidationError({"refund_reason": ["Send one reason, not two."]})
        return attrs


class RefundOut(serializers.Serializer[Any]):
    """Money on its way back."""

    refund_id = serializers.CharField(source="id")
    payment_id = TextOrNull()
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=RefundStatus.choices)
    route = serializers.ChoiceField(choices=Refund.Route.choices)
    reason = TextOrNull()
    failure_code = TextOrNull()
    failure_message = TextOrNull()
    gateway_refund_id = TextOrNull()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class RefundFilters(docs.Filters):
    """What a list of refunds can be narrowed by."""

    payment_id = serializers.CharField(max_length=40, required=False)
    status = serializers.ChoiceField(choices=RefundStatus.choices, required=False)


EXAMPLE = {
    "refund_id": "re_06dq0r1x8k3hcw3gk4b3ad3vzw",
    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
    "amount": "200000",
    "amount_minor": 200000,
    "currency": "VND",
    "status": "succeeded",
    "route": "gateway",
    "reason": "came broken",
    "failure_code": None,
    "failure_message": None,
    "gateway_refund_id": "4088878653",
    "created_at": "2026-11-21T06:00:00Z",
    "updated_at": "2026-11-21T06:00:01Z",
    "ended_at": "2026-11-21T06:00:01Z",
}


class RefundPayment(APIView):
    """The door by which refunds come to be."""

    permission_classes = [auth.scopes("refunds:write")]

    @docs.operation(
        tag=TAG,
        summary="Refund a payment",
        about=(
            "Promises money back and, below the limit that needs a second person, sends it. What the gateway says is "
            "in the refund's status. Each call makes a new refund unless it repeats an Idempotency-Key."
        ),
        body=NewRefundIn,
        answer=RefundOut,
        status=201,
        examples=[
            docs.sent("Part of it", {"amount": "200000", "reason": "came broken"}),
            docs.sent("All that is left", {"refund_reason": "Customer requested refund"}),
            docs.sent(
                "What was returned",
                {"lines": [{"shop_order_id": "ORD-1001-1", "kind": "goods", "amount": "80000"}], "reason": "returned"},
            ),
            docs.answered("Sent back", EXAMPLE, status=201),
        ],
        is_keyed=True,
        name="payments_refund",
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Ask for it."""
        key = read_key(request, required=False)
        body = NewRefundIn(data=request.data)
        body.is_valid(raise_exception=True)
        wish = wish_of(auth.caller_of(request), payment_id, body.validated_data, key)
        requested = refunds.request_refund(wish=wish, at=clock.now())
        answer = RefundOut(requested.refund).data
        return Response(answer, status=201, headers=REPLAYED if requested.is_replay else None)


def wish_of(caller: auth.Caller, payment_id: str, body: Mapping[str, Any], key: str) -> refunds.NewRefund:
    """The refund that a body asks for. Raises PaymentNotFound, MoneyError."""
    currency = access.payment_of(caller, payment_id).currency
    return refunds.NewRefund(
        payment_id=payment_id,
        amount=Money.parse(body["amount"], currency) if "amount" in body else None,
        lines=[
            Wanted(
                shop_order_id=line["shop_order_id"],
                kind=RefundLine.Kind(line["kind"]),
                list_minor=Money.parse(line["amount"], currency).minor,
            )
            for line in body.get("lines", ())
        ],
        reason=body.get("reason") or body.get("refund_reason") or "",
        actor=caller.actor,
        client=caller.client,
        idempotency_key=key or None,
        fingerprint=fingerprint({"do": "refund", "payment": payment_id, **body}) if key else "",
        shipping_bearer=Refund.ShippingBearer(body["shipping_bearer"]),
    )


class RefundList(APIView):
    """All refunds a caller may see."""

    permission_classes = [access.own_or("refunds:read")]

    @docs.operation(
        tag=TAG,
        summary="List refunds",
        about="Newest first. A customer sees those of their payments, a service with `refunds:read` all.",
        answer=docs.page_of(RefundOut),
        query=[RefundFilters, *docs.PAGE],
        name="refunds_list",
    )
    def get(self, request: Request) -> Response:
        """A page of refunds."""
        rows = access.refunds_of(auth.caller_of(request)).filter(**RefundFilters.read(request.GET))
        return CursorList().answer(rows, request, lambda page: RefundOut(page, many=True).data)


class RefundDetail(APIView):
    """One refund."""

    permission_classes = [access.own_or("refunds:read")]

    @docs.operation(
        tag=TAG,
        summary="Show a refund",
        answer=RefundOut,
        examples=[docs.answered("Sent back", EXAMPLE)],
        name="refunds_show",
    )
    def get(self, request: Request, refund_id: str) -> Response:
        """The refund."""
        return Response(RefundOut(access.refund_of(auth.caller_of(request), refund_id)).data)
