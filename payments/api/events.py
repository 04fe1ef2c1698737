"""Events: what we announced, for those who would rather read than listen."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth
from config.core.models import OutboxEvent
from config.core.pagination import KeyList
from payments.api import docs


class EventOut(serializers.Serializer[Any]):
    """One event: the envelope that Kafka and webhooks carry."""

    event_id = serializers.CharField()
    type = serializers.CharField()
    version = serializers.IntegerField()
    occurred_at = serializers.DateTimeField()
    sequence = serializers.IntegerField(help_text="Counts within its object.")
    key = serializers.CharField(help_text="Order is kept among events of one key: the order's id.")
    object_type = serializers.CharField(source="aggregate_type")
    object_id = serializers.CharField(source="aggregate_id")
    trace_id = serializers.CharField()
    data = serializers.JSONField()  # type: ignore[assignment]  # a field; the metaclass takes it away
    published_at = serializers.DateTimeField(allow_null=True, help_text="When Kafka had it.")


class EventFilters(docs.Filters):
    """What a list of events can be narrowed by."""

    type = serializers.CharField(max_length=80, required=False)
    key = serializers.CharField(max_length=120, required=False)
    object_id = serializers.CharField(max_length=120, required=False)


LOOKUPS = {"type": "type", "key": "key", "object_id": "aggregate_id"}


class EventList(APIView):
    """All events."""

    permission_classes = [auth.scopes("events:read")]

    @docs.operation(
        tag="Events",
        summary="List events",
        about="Newest first. The same event ids as in Kafka and in webhooks.",
        answer=docs.page_of(EventOut),
        query=[EventFilters, *docs.PAGE],
        name="events_list",
    )
    def get(self, request: Request) -> Response:
        """A page of events."""
        wanted = EventFilters.read(request.GET)
        rows = OutboxEvent.objects.filter(**{LOOKUPS[name]: wanted[name] for name in wanted})
        return KeyList().answer(rows, request, lambda page: EventOut(page, many=True).data)
