"""The card system's path that sends money back, over the same service as everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import AmountIn, StrictSerializer
from config.core.idempotency import REPLAYED, read_key
from payments.api import docs
from payments.api.compat.stripe import intent_of, payment_of
from payments.api.compat.stripe_cards import TAG
from payments.api.refunds import wish_of as refund_wish_of
from payments.api.shapes import TextOrNull
from payments.models import Refund
from payments.services import refunds
from payments.states import RefundStatus

OF_REFUND: Final[Mapping[str, str]] = {
    RefundStatus.SUCCEEDED: "succeeded",
    RefundStatus.FAILED: "failed",
    RefundStatus.REJECTED: "canceled",
    RefundStatus.CANCELLED: "canceled",
}


class CardRefundIn(StrictSerializer):
    """Which payment, and how much of it. Without an amount it is all that is left."""

    payment_id = serializers.CharField(max_length=100, help_text="Our id, or Stripe's (`pi_...`).")
    amount = AmountIn(required=False)
    reason = serializers.CharField(max_length=250, required=False, allow_blank=True)
    refund_reason = serializers.CharField(max_length=250, required=False, allow_blank=True, help_text="As `reason`.")


class CardRefundOut(serializers.Serializer[Any]):
    """Money on its way back to a card, in Stripe's words."""

    refund_id = serializers.CharField(source="id")
    payment_id = serializers.CharField()
    stripe_refund_id = TextOrNull(source="gateway_refund_id")
    stripe_payment_intent_id = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    currency = serializers.SerializerMethodField()
    reason = TextOrNull()

    def get_stripe_payment_intent_id(self, refund: Refund) -> str | None:
        """Stripe's number of the money."""
        return intent_of(refund.capture.gateway_transaction_id)

    def get_status(self, refund: Refund) -> str:
        """succeeded, pending, failed or canceled; pending also while a second person must agree."""
        return OF_REFUND.get(refund.status, "pending")

    def get_currency(self, refund: Refund) -> str:
        """In lower case, as Stripe has it."""
        return str(refund.currency).lower()


class RefundCard(APIView):
    """Sends a card's money back."""

    permission_classes = [auth.scopes("refunds:write")]

    @docs.operation(
        tag=TAG,
        summary="Refund a payment by card",
        about="The same refunds as everywhere: `POST /api/v1/payments/{id}/refund` takes lines too.",
        body=CardRefundIn,
        answer=CardRefundOut,
        status=201,
        examples=[
            docs.sent(
                "A part", {"payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8", "amount": 20, "reason": "came broken"}
            ),
            docs.answered(
                "Sent back",
                {
                    "refund_id": "re_06dq0r1x8k3hcw3gk4b3ad3vzw",
                    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
                    "stripe_refund_id": "re_3Sbx0000000000000002",
                    "stripe_payment_intent_id": "pi_3Sbx0000000000000001",
                    "status": "succeeded",
                    "amount": "20.00",
                    "amount_minor": 2000,
                    "currency": "usd",
                    "reason": "came broken",
                },
                status=201,
            ),
        ],
        is_keyed=True,
        name="stripe_refund",
    )
    def post(self, request: Request) -> Response:
        """Send it."""
        caller, key = auth.caller_of(request), read_key(request, required=False)
        reader = CardRefundIn(data=request.data)
        reader.is_valid(raise_exception=True)
        body = dict(reader.validated_data)
        payment = payment_of(caller, body.pop("payment_id"))
        wish = refund_wish_of(caller, payment.id, {**body, "shipping_bearer": Refund.ShippingBearer.PLATFORM}, key)
        requested = refunds.request_refund(wish=wish, at=clock.now())
        answer = CardRefundOut(requested.refund).data
        return Response(answer, status=201, headers=REPLAYED if requested.is_replay else None)
