"""A payment's progress: its status, its tries, its events."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth
from config.core.models import OutboxEvent
from payments.api import access, docs
from payments.api.events import EventOut
from payments.api.payments import TAG, AttemptOut
from payments.api.shapes import TextOrNull
from payments.models import AttemptEvent
from payments.states import PaymentStatus


class StatusOut(serializers.Serializer[Any]):
    """A payment's status, as little as a page that waits needs."""

    payment_id = serializers.CharField(source="id")
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    updated_at = serializers.DateTimeField()


class HistoryOut(serializers.Serializer[Any]):
    """One step of a try."""

    from_status = TextOrNull()
    to_status = serializers.CharField()
    source = serializers.ChoiceField(choices=AttemptEvent.Source.choices)  # type: ignore[assignment]  # a field; the metaclass takes it away
    at = serializers.DateTimeField()


class AttemptWithHistoryOut(AttemptOut):
    """One try with its history."""

    history = HistoryOut(many=True, source="steps")


class PaymentStatusView(APIView):
    """One payment's status, also for a browser that holds its secret."""

    authentication_classes = [auth.BearerAuthentication, access.ClientSecret]
    permission_classes = [access.own_or("payments:read")]

    @docs.operation(
        tag=TAG,
        summary="Show a payment's status",
        about="Cheap enough to be asked every few seconds. A browser may ask with `client_secret` alone.",
        answer=StatusOut,
        examples=[
            docs.answered(
                "Paid",
                {
                    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
                    "status": "succeeded",
                    "updated_at": "2026-11-21T04:01:10Z",
                },
            )
        ],
        name="payments_status",
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """The status."""
        rows = access.payments_of(auth.caller_of(request)).only("id", "status", "updated_at")
        return Response(StatusOut(access.found(rows.filter(id=payment_id).first())).data)


class PaymentAttempts(APIView):
    """The tries of one payment."""

    permission_classes = [access.own_or("payments:read")]

    @docs.operation(
        tag=TAG,
        summary="List a payment's tries",
        about="All tries at gateways, first to last, each with its history.",
        answer=docs.page_of(AttemptWithHistoryOut),
        name="payments_attempts",
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """The tries."""
        access.check_payment(auth.caller_of(request), payment_id)
        tries = access.tries_of(payment_id)
        return Response({"data": AttemptWithHistoryOut(tries, many=True).data, "next_cursor": None, "has_more": False})


class PaymentEvents(APIView):
    """The events of one payment."""

    permission_classes = [access.own_or("payments:read")]

    @docs.operation(
        tag=TAG,
        summary="List a payment's events",
        about="What we announced about this payment, first to last.",
        answer=docs.page_of(EventOut),
        name="payments_events",
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """The events."""
        access.check_payment(auth.caller_of(request), payment_id)
        rows = OutboxEvent.objects.filter(aggregate_type="payment", aggregate_id=payment_id).order_by("sequence")
        return Response({"data": EventOut(rows, many=True).data, "next_cursor": None, "has_more": False})
