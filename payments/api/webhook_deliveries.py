"""Webhook deliveries: what was sent to whom, how it went, and once more."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import StrictSerializer
from config.core.pagination import CursorList
from payments.api import docs
from payments.api.shapes import TextOrNull
from payments.errors import WebhookDeliveryNotFound
from payments.models import WebhookDelivery
from payments.services import webhooks

TAG = "Webhooks out"


class DeliveryOut(serializers.Serializer[Any]):
    """One event for one receiver."""

    delivery_id = serializers.CharField(source="id")
    endpoint_id = serializers.CharField()
    event_id = serializers.CharField(help_text="The `webhook-id` of every try.")
    event_type = serializers.CharField()
    payment_id = TextOrNull()
    url = serializers.CharField()
    status = serializers.ChoiceField(choices=WebhookDelivery.Status.choices)
    tries = serializers.IntegerField()
    next_try_at = serializers.DateTimeField(allow_null=True)
    status_code = serializers.IntegerField(allow_null=True, help_text="Of the last answer; null when there was none.")
    error = TextOrNull()
    duration_ms = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)


class DeliveryWithBodyOut(DeliveryOut):
    """The same with what is sent."""

    body = serializers.SerializerMethodField(help_text="Byte for byte what is signed.")

    def get_body(self, row: WebhookDelivery) -> str:
        """UTF-8."""
        return bytes(row.body).decode()


DELIVERY = {
    "delivery_id": "whd_06dq0qg5wnvbd9w5t2dvhm71m8",
    "endpoint_id": "whe_06dq0qg5wnvbd9w5t2dvhm71m8",
    "event_id": "evt_06dq0qg5wnvbd9w5t2dvhm71m7",
    "event_type": "payment.completed",
    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
    "url": "https://hooks.example.com/reckoner",
    "status": "queued",
    "tries": 0,
    "next_try_at": "2026-11-21T04:05:00Z",
    "status_code": None,
    "error": None,
    "duration_ms": None,
    "created_at": "2026-11-21T04:05:00Z",
    "sent_at": None,
}
GIVEN_UP = {
    **DELIVERY,
    "status": "given_up",
    "tries": 10,
    "next_try_at": None,
    "status_code": 503,
    "error": "HTTP 503",
    "duration_ms": 84,
    "body": '{"event_id": "evt_06dq0qg5wnvbd9w5t2dvhm71m7", "type": "payment.completed", "version": 1, ...}',
}


class DeliveryFilters(docs.Filters):
    """What a list of deliveries can be narrowed by."""

    endpoint_id = serializers.CharField(max_length=40, required=False)
    payment_id = serializers.CharField(max_length=40, required=False)
    event_type = serializers.CharField(max_length=80, required=False)
    event_id = serializers.CharField(max_length=40, required=False)
    status = serializers.ChoiceField(choices=WebhookDelivery.Status.choices, required=False)


class RetryIn(StrictSerializer):
    """Why once more."""

    reason = serializers.CharField(max_length=250)


class DeliveryList(APIView):
    """All deliveries."""

    permission_classes = [auth.scopes("webhooks:read")]

    @docs.operation(
        tag=TAG,
        summary="List webhook deliveries",
        about="Newest first. `status=given_up` is what nobody took in three days.",
        answer=docs.page_of(DeliveryOut),
        query=[DeliveryFilters, *docs.PAGE],
        name="webhook_deliveries_list",
    )
    def get(self, request: Request) -> Response:
        """A page of deliveries."""
        rows = WebhookDelivery.objects.filter(**DeliveryFilters.read(request.GET)).defer("body")
        return CursorList().answer(rows, request, lambda page: DeliveryOut(page, many=True).data)


class DeliveryDetail(APIView):
    """One delivery."""

    permission_classes = [auth.scopes("webhooks:read")]

    @docs.operation(
        tag=TAG,
        summary="Show a webhook delivery",
        answer=DeliveryWithBodyOut,
        examples=[docs.answered("Given up", GIVEN_UP)],
        name="webhook_deliveries_show",
    )
    def get(self, request: Request, delivery_id: str) -> Response:
        """The delivery."""
        row = WebhookDelivery.objects.filter(id=delivery_id).first()
        if row is None:
            raise WebhookDeliveryNotFound("There is no such delivery.")
        return Response(DeliveryWithBodyOut(row).data)


class RetryDelivery(APIView):
    """Once more."""

    permission_classes = [auth.scopes("webhooks:write")]

    @docs.operation(
        tag=TAG,
        summary="Send a webhook again",
        about="The same bytes under the same `webhook-id`, with all its tries; also what has arrived before.",
        body=RetryIn,
        answer=DeliveryOut,
        examples=[docs.sent("They are back", {"reason": "the receiver is back"}), docs.answered("Queued", DELIVERY)],
        name="webhook_deliveries_retry",
    )
    def post(self, request: Request, delivery_id: str) -> Response:
        """Queue it again."""
        body = RetryIn(data=request.data)
        body.is_valid(raise_exception=True)
        row = webhooks.retry(
            delivery_id=delivery_id,
            actor=auth.caller_of(request).actor,
            reason=body.validated_data["reason"],
            at=clock.now(),
        )
        return Response(DeliveryOut(row).data)
