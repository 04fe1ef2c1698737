"""Endpoints: who is told of events, made, changed, switched off, and their secrets exchanged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from config.core import audit, destinations, kafka, writes
from config.core.destinations import Rules
from config.core.errors import InvalidInput
from payments import webhook_signing
from payments.errors import WebhookEndpointNotFound, WebhookRefused
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.models.webhook import EVERYTHING

OVERLAP: Final = timedelta(hours=24)
"""How long the secret before signs too, unless somebody says otherwise."""
MAX_OVERLAP: Final = timedelta(days=7)
TOLD_TO_NOTIFY_URLS: Final = ("payment.completed", "payment.failed", "payment.refunded")
TOLD_TO_THE_ORDER_SERVICE: Final = ("payment.completed", "payment.failed", "payment.refunded")
EVENT_TYPES: Final = tuple(kafka.PRODUCED)

K, S = WebhookEndpoint.Kind, WebhookDelivery.Status


def rules() -> Rules:
    """Which addresses of others are called."""
    return Rules(ports=settings.WEBHOOK_PORTS, internal_hosts=settings.WEBHOOK_INTERNAL_HOSTS)


def check_url(url: str, *, field: str = "url") -> None:
    """Raises DestinationRefused for an address that can be refused without asking DNS; sending looks again."""
    destinations.read(url, rules=rules(), field=field)


@transaction.atomic(durable=True)
def create(
    *, url: str, event_types: Iterable[str], description: str, actor: str, at: datetime
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint, told of what happens from now on, and its secret, which nobody can read again.

    Raises DestinationRefused, InvalidInput for an unknown type of event.
    """
    check_url(url)
    secret = webhook_signing.new_secret()
    endpoint = WebhookEndpoint(
        url=url,
        description=description,
        event_types=_known(event_types),
        secret=secret,
        created_by=actor,
        created_at=at,
    )
    endpoint.save(force_insert=True)
    _note(endpoint, "created", actor=actor, after=_facts(endpoint))
    return endpoint, secret


@transaction.atomic(durable=True)
def change(
    *,
    endpoint_id: str,
    actor: str,
    url: str | None = None,
    event_types: Iterable[str] | None = None,
    description: str | None = None,
    reason: str = "",
) -> WebhookEndpoint:
    """Other settings for what is told from now on. Raises WebhookEndpointNotFound, WebhookRefused, DestinationRefused, InvalidInput."""
    endpoint = locked(endpoint_id)
    before = _facts(endpoint)
    if url is not None:
        if endpoint.kind != K.SUBSCRIPTION:
            raise WebhookRefused("The address of this endpoint is not its own.", field="url")
        check_url(url)
        endpoint.url = url
    if event_types is not None:
        endpoint.event_types = _known(event_types)
    if description is not None:
        endpoint.description = description
    endpoint.save(update_fields=["url", "event_types", "description"])
    _note(endpoint, "changed", actor=actor, reason=reason, before=before, after=_facts(endpoint))
    return endpoint


@transaction.atomic(durable=True)
def switch(*, endpoint_id: str, is_enabled: bool, actor: str, reason: str) -> WebhookEndpoint:
    """Tell it no more, or again. What waited for it is given up; events in between are not told later.

    Raises InvalidInput without a reason, WebhookEndpointNotFound.
    """
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    endpoint = locked(endpoint_id)
    if endpoint.is_enabled == is_enabled:
        return endpoint
    if is_enabled:
        endpoint.is_enabled, endpoint.disabled_reason = True, ""
        endpoint.save(update_fields=["is_enabled", "disabled_reason"])
    else:
        disable(endpoint, reason)
    _note(endpoint, "enabled" if is_enabled else "disabled", actor=actor, reason=reason)
    return endpoint


@transaction.atomic(durable=True)
def rotate(
    *, endpoint_id: str, actor: str, reason: str, at: datetime, overlap: timedelta = OVERLAP
) -> tuple[WebhookEndpoint, str]:
    """A new secret, shown once. The one before signs beside it for a while, so that no receiver misses a message.

    Raises InvalidInput for an overlap above a week, WebhookEndpointNotFound.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise InvalidInput("The secret before may count for a week at most.", field="overlap_hours")
    endpoint = locked(endpoint_id)
    secret = webhook_signing.new_secret()
    endpoint.previous_secret = endpoint.secret if overlap else ""
    endpoint.previous_until = at + overlap if overlap else None
    endpoint.secret = secret
    endpoint.save(update_fields=["secret", "previous_secret", "previous_until"])
    _note(endpoint, "rotated", actor=actor, reason=reason, after={"overlap_hours": overlap / timedelta(hours=1)})
    return endpoint, secret


@transaction.atomic(durable=True)
def delete(*, endpoint_id: str, actor: str, reason: str = "", at: datetime) -> None:
    """Take an endpoint out; what was sent to it stays to be read. Raises WebhookEndpointNotFound, WebhookRefused."""
    endpoint = locked(endpoint_id)
    if endpoint.kind != K.SUBSCRIPTION:
        raise WebhookRefused("The house needs this endpoint; disable it instead.")
    disable(endpoint, "deleted")
    endpoint.deleted_at = at
    endpoint.previous_secret, endpoint.previous_until = "", None
    endpoint.save(update_fields=["deleted_at", "previous_secret", "previous_until"])
    _note(endpoint, "deleted", actor=actor, reason=reason)


def locked(endpoint_id: str) -> WebhookEndpoint:
    """An endpoint that is there, its row locked in the caller's transaction. Raises WebhookEndpointNotFound."""
    rows = WebhookEndpoint.objects.select_for_update()
    endpoint: WebhookEndpoint | None = rows.filter(id=endpoint_id, deleted_at=None).first()
    if endpoint is None:
        raise WebhookEndpointNotFound("There is no such endpoint.")
    return endpoint


def disable(endpoint: WebhookEndpoint, reason: str) -> None:
    """Switch off a locked endpoint and give up what waits for it. Joins the caller's transaction."""
    assert connection.in_atomic_block, "an endpoint is switched off together with what waits for it"
    endpoint.is_enabled, endpoint.disabled_reason = False, reason[:250]
    endpoint.save(update_fields=["is_enabled", "disabled_reason"])
    WebhookDelivery.objects.filter(endpoint=endpoint, status__in=[S.QUEUED, S.FAILED]).update(
        status=S.GIVEN_UP, next_try_at=None, error="the endpoint was switched off"
    )


def of_the_house(kind: WebhookEndpoint.Kind, *, at: datetime, client: str = "") -> WebhookEndpoint:
    """The endpoint that we keep ourselves, made when it is first needed. Joins the caller's transaction."""
    found: WebhookEndpoint | None = WebhookEndpoint.objects.filter(kind=kind, client=client).first()
    if found is not None:
        return found
    made = WebhookEndpoint(
        kind=kind,
        client=client,
        event_types=list(TOLD_TO_THE_ORDER_SERVICE if kind == K.ORDER_SERVICE else TOLD_TO_NOTIFY_URLS),
        secret=webhook_signing.new_secret(),
        created_by="system",
        created_at=at,
    )
    writes.insert(made, once=True)  # another process may make it at the same moment
    return WebhookEndpoint.objects.get(kind=kind, client=client)


def _known(event_types: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(event_types))
    unknown = [one for one in wanted if one != EVERYTHING and one not in EVENT_TYPES]
    if unknown or not wanted:
        said = f"No such event: {', '.join(unknown)[:200]}." if unknown else "Name at least one type of event."
        raise InvalidInput(said, field="event_types")
    return [EVERYTHING] if EVERYTHING in wanted else wanted


def _facts(endpoint: WebhookEndpoint) -> dict[str, object]:
    return {"url": endpoint.url, "event_types": endpoint.event_types, "description": endpoint.description}


def _note(
    endpoint: WebhookEndpoint,
    what: str,
    *,
    actor: str,
    reason: str = "",
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit.record(
        actor=actor,
        action=f"webhook_endpoint.{what}",
        object_type="webhook_endpoint",
        object_id=endpoint.id,
        reason=reason,
        before=before,
        after=after,
    )
