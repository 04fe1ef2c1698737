"""Webhook endpoints: who is told of events, and the secrets it is proven by."""

from __future__ import annotations

from datetime import timedelta
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
from payments.api.webhook_deliveries import DELIVERY, DeliveryOut
from payments.errors import WebhookEndpointNotFound
from payments.models import WebhookEndpoint
from payments.models.webhook import EVERYTHING
from payments.services import webhook_endpoints, webhooks

TAG = "Webhooks out"
TYPES = [(EVERYTHING, "all of them"), *((one, one) for one in webhook_endpoints.EVENT_TYPES)]


# --- What comes in ---------------------------------------------------------------------------------------------------
class EndpointIn(StrictSerializer):
    """A new endpoint."""

    url = serializers.CharField(
        max_length=1000, help_text="An https address of the open internet; no credentials in it."
    )
    event_types = serializers.ListField(
        child=serializers.ChoiceField(choices=TYPES),
        min_length=1,
        max_length=len(TYPES),
        help_text="`*` is all of them.",
    )
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)


class EndpointChangeIn(StrictSerializer):
    """What changes; the rest stays."""

    url = serializers.CharField(max_length=1000, required=False)
    event_types = serializers.ListField(
        child=serializers.ChoiceField(choices=TYPES), min_length=1, max_length=len(TYPES), required=False
    )
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)


class RotationIn(StrictSerializer):
    """How long the secret before signs too."""

    overlap_hours = serializers.IntegerField(
        min_value=0, max_value=168, required=False, help_text="24 unless told; 0 ends the old secret at once."
    )
    reason = serializers.CharField(max_length=250, required=False, allow_blank=True)


class WhyIn(StrictSerializer):
    """Why."""

    reason = serializers.CharField(max_length=250)


# --- What goes out ---------------------------------------------------------------------------------------------------
class EndpointOut(serializers.Serializer[Any]):
    """Who is told of what."""

    endpoint_id = serializers.CharField(source="id")
    kind = serializers.ChoiceField(
        choices=WebhookEndpoint.Kind.choices,
        help_text="The house makes one by itself for the order service, and one for each client that sends `notify_url`.",
    )
    client = TextOrNull(help_text="Whose payments, where it is for their `notify_url`.")
    url = TextOrNull(help_text="Null where each payment brings its own.")
    description = TextOrNull()
    event_types = serializers.ListField(child=serializers.CharField())
    is_enabled = serializers.BooleanField()
    disabled_reason = TextOrNull()
    previous_secret_until = serializers.DateTimeField(
        source="previous_until", allow_null=True, help_text="Until then every message carries two signatures."
    )
    created_at = serializers.DateTimeField()


class EndpointWithSecretOut(EndpointOut):
    """The same with its secret, which is shown this once."""

    secret = serializers.SerializerMethodField(
        help_text="Verify `webhook-signature` with it. Nobody can read it again."
    )

    def get_secret(self, endpoint: WebhookEndpoint) -> str:
        """The secret that signs."""
        return str(endpoint.secret)


EXAMPLE = {
    "endpoint_id": "whe_06dq0qg5wnvbd9w5t2dvhm71m8",
    "kind": "subscription",
    "client": None,
    "url": "https://hooks.example.com/reckoner",
    "description": "The warehouse",
    "event_types": ["payment.completed", "payment.refunded"],
    "is_enabled": True,
    "disabled_reason": None,
    "previous_secret_until": None,
    "created_at": "2026-11-21T04:05:00Z",
}
WITH_SECRET = {**EXAMPLE, "secret": "whsec_ an invented one; 44 characters of base64"}


class EndpointFilters(docs.Filters):
    """What a list of endpoints can be narrowed by."""

    kind = serializers.ChoiceField(choices=WebhookEndpoint.Kind.choices, required=False)
    client = serializers.CharField(max_length=120, required=False)


# --- The doors -------------------------------------------------------------------------------------------------------
def _found(endpoint_id: str) -> WebhookEndpoint:
    endpoint: WebhookEndpoint | None = WebhookEndpoint.objects.filter(id=endpoint_id, deleted_at=None).first()
    if endpoint is None:
        raise WebhookEndpointNotFound("There is no such endpoint.")
    return endpoint


class _ReadAndWrite(APIView):
    """Reading needs one scope, everything else the other."""

    def get_permissions(self) -> list[Any]:
        """By the method."""
        needed = "webhooks:read" if self.request.method in ("GET", "HEAD", "OPTIONS") else "webhooks:write"
        return [auth.scopes(needed)()]


class EndpointList(_ReadAndWrite):
    """All endpoints, and a new one."""

    @docs.operation(
        tag=TAG,
        summary="List webhook endpoints",
        about="Newest first; deleted ones are left out.",
        answer=docs.page_of(EndpointOut),
        query=[EndpointFilters, *docs.PAGE],
        name="webhook_endpoints_list",
    )
    def get(self, request: Request) -> Response:
        """A page of endpoints."""
        rows = WebhookEndpoint.objects.filter(deleted_at=None, **EndpointFilters.read(request.GET))
        return CursorList().answer(rows, request, lambda page: EndpointOut(page, many=True).data)

    @docs.operation(
        tag=TAG,
        summary="Subscribe",
        about=(
            "Every event of these types that happens from now on is POSTed to the address as the envelope that Kafka carries, "
            "with the headers of Standard Webhooks. The secret is in this answer and nowhere else. An address that is not of "
            "the open internet is 422 `destination_refused`."
        ),
        body=EndpointIn,
        answer=EndpointWithSecretOut,
        status=201,
        examples=[
            docs.sent(
                "Money in and out",
                {
                    "url": "https://hooks.example.com/reckoner",
                    "event_types": ["payment.completed", "payment.refunded"],
                    "description": "The warehouse",
                },
            ),
            docs.answered("With its secret", WITH_SECRET, status=201),
        ],
        name="webhook_endpoints_create",
    )
    def post(self, request: Request) -> Response:
        """A new one."""
        body = EndpointIn(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        endpoint, _secret = webhook_endpoints.create(
            url=told["url"],
            event_types=told["event_types"],
            description=told.get("description", ""),
            actor=auth.caller_of(request).actor,
            at=clock.now(),
        )
        return Response(EndpointWithSecretOut(endpoint).data, status=201, headers={"Cache-Control": "no-store"})


class EndpointDetail(_ReadAndWrite):
    """One endpoint."""

    @docs.operation(
        tag=TAG,
        summary="Show a webhook endpoint",
        answer=EndpointOut,
        examples=[docs.answered("A subscription", EXAMPLE)],
        name="webhook_endpoints_show",
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        """The endpoint."""
        return Response(EndpointOut(_found(endpoint_id)).data)

    @docs.operation(
        tag=TAG,
        summary="Change a webhook endpoint",
        about="What waits already goes to the address it was made for.",
        body=EndpointChangeIn,
        answer=EndpointOut,
        examples=[docs.sent("All events", {"event_types": ["*"]}), docs.answered("Changed", EXAMPLE)],
        name="webhook_endpoints_change",
    )
    def patch(self, request: Request, endpoint_id: str) -> Response:
        """Other settings."""
        body = EndpointChangeIn(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        endpoint = webhook_endpoints.change(
            endpoint_id=endpoint_id,
            url=told.get("url"),
            event_types=told.get("event_types"),
            description=told.get("description"),
            actor=auth.caller_of(request).actor,
        )
        return Response(EndpointOut(endpoint).data)

    @docs.operation(
        tag=TAG,
        summary="Delete a webhook endpoint",
        about="What waits for it is given up; what was sent to it can still be read. The house's own can only be disabled.",
        answer=None,
        status=204,
        name="webhook_endpoints_delete",
    )
    def delete(self, request: Request, endpoint_id: str) -> Response:
        """Take it out."""
        webhook_endpoints.delete(endpoint_id=endpoint_id, actor=auth.caller_of(request).actor, at=clock.now())
        return Response(status=204)


class RotateSecret(APIView):
    """A new secret."""

    permission_classes = [auth.scopes("webhooks:write")]

    @docs.operation(
        tag=TAG,
        summary="Exchange the secret",
        about=(
            "The new secret is in this answer and nowhere else. For `overlap_hours` the one before signs beside it. This is "
            "also how a merchant gets the secret of its `notify_url`: list endpoints with `kind=notify_url`, and exchange it once."
        ),
        body=RotationIn,
        answer=EndpointWithSecretOut,
        examples=[
            docs.sent("Within a day", {"overlap_hours": 24, "reason": "yearly"}),
            docs.answered("The new one", {**WITH_SECRET, "previous_secret_until": "2026-11-22T04:05:00Z"}),
        ],
        name="webhook_endpoints_rotate_secret",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Exchange it."""
        body = RotationIn(data=request.data)
        body.is_valid(raise_exception=True)
        hours = body.validated_data.get("overlap_hours")
        endpoint, _secret = webhook_endpoints.rotate(
            endpoint_id=endpoint_id,
            overlap=webhook_endpoints.OVERLAP if hours is None else timedelta(hours=hours),
            actor=auth.caller_of(request).actor,
            reason=body.validated_data.get("reason", ""),
            at=clock.now(),
        )
        return Response(EndpointWithSecretOut(endpoint).data, headers={"Cache-Control": "no-store"})


class _Switch(APIView):
    """On or off, with a reason."""

    permission_classes = [auth.scopes("webhooks:write")]

    def switch(self, request: Request, endpoint_id: str, *, is_enabled: bool) -> Response:
        """Do it."""
        body = WhyIn(data=request.data)
        body.is_valid(raise_exception=True)
        endpoint = webhook_endpoints.switch(
            endpoint_id=endpoint_id,
            is_enabled=is_enabled,
            actor=auth.caller_of(request).actor,
            reason=body.validated_data["reason"],
        )
        return Response(EndpointOut(endpoint).data)


class DisableEndpoint(_Switch):
    """Off."""

    @docs.operation(
        tag=TAG,
        summary="Switch a webhook endpoint off",
        about="What waits for it is given up, and events in between are not told later; `GET /api/v1/events` has them.",
        body=WhyIn,
        answer=EndpointOut,
        examples=[docs.sent("Moving", {"reason": "the receiver moves house"})],
        name="webhook_endpoints_disable",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Off."""
        return self.switch(request, endpoint_id, is_enabled=False)


class EnableEndpoint(_Switch):
    """On."""

    @docs.operation(
        tag=TAG,
        summary="Switch a webhook endpoint on",
        about="It hears of what happens from now on.",
        body=WhyIn,
        answer=EndpointOut,
        examples=[docs.sent("Moved", {"reason": "the receiver is back"})],
        name="webhook_endpoints_enable",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """On."""
        return self.switch(request, endpoint_id, is_enabled=True)


class TestEndpoint(APIView):
    """A message that means nothing."""

    permission_classes = [auth.scopes("webhooks:write")]

    @docs.operation(
        tag=TAG,
        summary="Send a test event",
        about="Queues an event of the type `webhook.test`, which means nothing; read the delivery to see whether it arrived.",
        answer=DeliveryOut,
        status=201,
        examples=[docs.answered("On its way", {**DELIVERY, "event_type": "webhook.test"}, status=201)],
        name="webhook_endpoints_test",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Queue it."""
        row = webhooks.send_test(endpoint_id=endpoint_id, actor=auth.caller_of(request).actor, at=clock.now())
        return Response(DeliveryOut(row).data, status=201)
