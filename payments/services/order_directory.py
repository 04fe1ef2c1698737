"""Orders we have not heard of: asked for at the order service, when a customer comes before the event does."""

from __future__ import annotations

from contextlib import suppress
from typing import Final
from urllib.parse import quote

import requests
import structlog
from django.conf import settings

from config.core import context, strict_json
from config.core.errors import DomainError
from gateways import http
from payments import order_draft
from payments.models import Order
from payments.services import orders

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS: Final = (2.0, 5.0)
MAX_REPLY_BYTES: Final = 256 * 1024
CANCELLED: Final = ("cancelled", "canceled")


def learn(order_id: str) -> bool:
    """Fetch an order that we do not know and keep it; False when nobody knows it, or nobody answers.

    Asks `GET {URL_ORDER_SERVICE}/v1/orders/{order_id}` with ORDER_SERVICE_TOKEN; the answer has the keys of an
    `order.created` event. What it tells is believed only if it adds up. Outside any transaction.
    """
    if not settings.URL_ORDER_SERVICE or Order.objects.filter(order_id=order_id).exists():
        return False
    told = _ask(order_id)
    if told is None or str(told.get("status", "")).lower() in CANCELLED:
        return False
    try:
        draft = order_draft.draft_from(told, source=Order.Source.FETCHED)
        if draft.order_id != order_id:
            log.warning("order_service_told_another_order", order_id=order_id)
            return False
        orders.receive_order(draft=draft, cause=f"fetched:{order_id}")
    except DomainError as error:
        log.warning("order_service_told_nonsense", order_id=order_id, code=error.code, error=error.message)
        return False
    return True


def _ask(order_id: str) -> dict[str, object] | None:
    if http.before_request is not None:
        http.before_request()
    address = f"{settings.URL_ORDER_SERVICE.rstrip('/')}/v1/orders/{quote(order_id, safe='')}"
    headers = {"Accept": "application/json", "User-Agent": "reckoner", "traceparent": context.get().traceparent}
    if settings.ORDER_SERVICE_TOKEN:
        headers["Authorization"] = f"Bearer {settings.ORDER_SERVICE_TOKEN}"
    with requests.Session() as session:
        session.trust_env = False  # no proxy that somebody's shell happens to name
        try:
            with session.get(
                address, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
            ) as answer:
                if answer.status_code != requests.codes.ok:
                    log.info("order_not_told", order_id=order_id, status_code=answer.status_code)
                    return None
                raw = answer.raw.read(MAX_REPLY_BYTES + 1, decode_content=True)
        except requests.RequestException as error:
            log.warning("order_service_silent", order_id=order_id, error_type=type(error).__name__)
            return None
    if len(raw) > MAX_REPLY_BYTES:
        return None
    with suppress(strict_json.InvalidJson):
        told = strict_json.loads(raw)
        if isinstance(told, dict):
            return told
    return None
