"""A payment that was not paid: cancelled, or captured where its money is only reserved."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import StrictSerializer
from config.core.idempotency import read_key
from payments.api import access, docs
from payments.api.payments import TAG, PaymentOut
from payments.services import authorizations


class CancellationIn(StrictSerializer):
    """Why a payment or an order is cancelled."""

    reason = serializers.CharField(max_length=250, required=False, allow_blank=True, default="")


class CancelPayment(APIView):
    """Ends a payment that was not paid."""

    permission_classes = [access.own_or("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Cancel a payment",
        about=(
            "The gateway is asked first: what was paid meanwhile stays paid (409). Authorised money is given free. "
            "A cancelled payment stays cancelled however often this is called."
        ),
        body=CancellationIn,
        answer=PaymentOut,
        problems=docs.GATEWAY_PROBLEMS[1:],
        examples=[docs.sent("Changed their mind", {"reason": "customer changed their mind"})],
        is_keyed=True,
        name="payments_cancel",
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Cancel it."""
        caller = auth.caller_of(request)
        read_key(request, required=False)
        body = CancellationIn(data=request.data)
        body.is_valid(raise_exception=True)
        access.check_payment(caller, payment_id)
        reason = body.validated_data["reason"]
        authorizations.cancel(payment_id=payment_id, actor=caller.actor, reason=reason, at=clock.now())
        return Response(PaymentOut(access.payment_of(caller, payment_id)).data)


class EmptyIn(StrictSerializer):
    """No fields."""


class CapturePayment(APIView):
    """Takes authorised money."""

    permission_classes = [auth.scopes("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Capture an authorised payment",
        about="Takes all that was authorised. A captured payment stays captured however often this is called.",
        body=EmptyIn,
        answer=PaymentOut,
        problems=docs.GATEWAY_PROBLEMS[1:],
        examples=[docs.sent("Nothing to say", {})],
        is_keyed=True,
        name="payments_capture",
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Capture it."""
        caller = auth.caller_of(request)
        read_key(request, required=False)
        EmptyIn(data=request.data).is_valid(raise_exception=True)
        authorizations.capture(payment_id=payment_id, actor=caller.actor, at=clock.now())
        return Response(PaymentOut(access.payment_of(caller, payment_id)).data)
