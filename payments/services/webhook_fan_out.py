"""From events to deliveries: each event becomes one row for each receiver, in the commit that marks it as taken.

The fact's own commit writes nothing for webhooks. An event is read from the outbox afterwards, so a capture costs the
same whether nobody listens or twenty do; a crash before the commit takes it again, one after it finds the rows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db import connection, transaction

from config.core import faultpoints, outbox
from config.core.outbox import Taken
from payments.models import Payment, WebhookDelivery, WebhookEndpoint
from payments.services import webhook_endpoints
from payments.services.webhook_endpoints import TOLD_TO_NOTIFY_URLS

BATCH: Final = 500
WORK_SECONDS: Final = 20.0
"""One run takes no new batch after so long."""

K = WebhookEndpoint.Kind


def fan_out(*, at: datetime, limit: int = BATCH) -> int:
    """Make the deliveries of all events that have none yet, batch by batch; returns how many. Coordinates."""
    made, until = 0, time.monotonic() + WORK_SECONDS
    while True:
        taken, count = _batch(at=at, limit=limit)
        made += count
        if taken < limit or time.monotonic() > until:
            return made


def client_of(payment: Payment) -> str:
    """Whose secret signs what a payment's notify_url is told: the client's; for a customer's token, its issuer's."""
    issuers = [issuer for issuer in settings.JWT_ISSUERS if payment.client.startswith(f"{issuer}:")]
    return max(issuers, key=len) if issuers else payment.client


@transaction.atomic(durable=True)
def _batch(*, at: datetime, limit: int) -> tuple[int, int]:
    events = outbox.take(at=at, limit=limit)
    if not events:
        return 0, 0
    endpoints = list(
        WebhookEndpoint.objects.filter(kind=K.SUBSCRIPTION, is_enabled=True, deleted_at=None).defer(
            "secret", "previous_secret"
        )
    )
    if settings.URL_ORDER_SERVICE:
        endpoints.append(webhook_endpoints.of_the_house(K.ORDER_SERVICE, at=at))
    payments = _payments(events, all_of_them=bool(endpoints))
    rows = [
        *_to_endpoints(events, endpoints, payments, at=at),
        *_to_notify_urls(events, payments, at=at),
    ]
    if rows:
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        faultpoints.reach("webhook.fanned_out")
    return len(events), len(rows)


def _payments(events: Sequence[Taken], *, all_of_them: bool) -> Mapping[str, Payment]:
    keys = {
        event.aggregate_id
        for event in events
        if event.aggregate_type == "payment" and (all_of_them or event.type in TOLD_TO_NOTIFY_URLS)
    }
    found = Payment.objects.only("id", "client", "notify_url").in_bulk(keys) if keys else {}
    return found if all_of_them else {key: payment for key, payment in found.items() if payment.notify_url}


def _to_endpoints(
    events: Sequence[Taken],
    endpoints: Sequence[WebhookEndpoint],
    payments: Mapping[str, Payment],
    *,
    at: datetime,
) -> Iterator[WebhookDelivery]:
    for event in events:
        for endpoint in endpoints:
            if not endpoint.is_enabled or not endpoint.wants(event.type):
                continue
            if endpoint.kind == K.SUBSCRIPTION and event.created_at < endpoint.created_at:
                continue  # it happened before anybody asked
            url = endpoint.url if endpoint.kind == K.SUBSCRIPTION else _order_url(event)
            if url:
                yield _delivery(endpoint, event, payments, url=url, receiver=endpoint.id, at=at)


def _to_notify_urls(
    events: Sequence[Taken], payments: Mapping[str, Payment], *, at: datetime
) -> Iterator[WebhookDelivery]:
    of_clients: dict[str, WebhookEndpoint] = {}
    for event in events:
        payment = payments.get(event.aggregate_id) if event.aggregate_type == "payment" else None
        if payment is None or not payment.notify_url or event.type not in TOLD_TO_NOTIFY_URLS:
            continue
        client = client_of(payment)
        if client not in of_clients:
            of_clients[client] = webhook_endpoints.of_the_house(K.NOTIFY_URL, client=client, at=at)
        endpoint = of_clients[client]
        if endpoint.is_enabled and endpoint.wants(event.type):
            host = urlsplit(payment.notify_url).hostname or ""
            yield _delivery(endpoint, event, payments, url=payment.notify_url, receiver=f"notify:{host}"[:300], at=at)


def _order_url(event: Taken) -> str:
    """Where the order service hears of an order: its own resource, below the address it is asked at."""
    told = json.loads(event.data)
    order_id = told.get("order_id") if isinstance(told, dict) else None
    return f"{settings.URL_ORDER_SERVICE}/v1/orders/{quote(str(order_id), safe='')}/payment" if order_id else ""


def _delivery(
    endpoint: WebhookEndpoint,
    event: Taken,
    payments: Mapping[str, Payment],
    *,
    url: str,
    receiver: str,
    at: datetime,
) -> WebhookDelivery:
    assert connection.in_atomic_block, "a delivery is promised in the commit that takes its event"
    return WebhookDelivery(
        endpoint=endpoint,
        event_id=event.event_id,
        event_type=event.type,
        payment=payments.get(event.aggregate_id) if event.aggregate_type == "payment" else None,
        receiver=receiver,
        url=url,
        body=event.body,
        next_try_at=at,
        created_at=at,
    )
