"""Idempotency keys: which request they came with, so that a repeated one finds the thing it made.

What makes a thing once is a unique constraint on that thing (client, key); here are only the key, the fingerprint and
the words for what can go wrong. Rules after the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from rest_framework.request import Request

from config.core import metrics
from config.core.errors import DomainError

MAX_LENGTH: Final = 255
REPLAYED: Final = {"Idempotent-Replayed": "true"}
"""Headers of an answer that shows what an earlier request made."""


class MissingKey(DomainError):
    """This path moves money, and a lost answer would tempt the caller to send it twice."""

    code, status = "idempotency_key_required", 400


class MalformedKey(DomainError):
    """The key is not 1 to 255 printable ASCII characters."""

    code, status = "idempotency_key_invalid", 400


class IdempotencyMismatch(DomainError):
    """The key was used for another request."""

    code, status = "idempotency_mismatch", 422


class IdempotencyInFlight(DomainError):
    """The first request with this key is still being worked on."""

    code, status, retryable = "idempotency_in_flight", 409, True


def read_key(request: Request, *, required: bool) -> str:
    """The request's Idempotency-Key, empty if there is none and none is required. Raises MissingKey, MalformedKey."""
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        if required:
            metrics.idempotency_conflict(reason="missing")
            raise MissingKey("Send an Idempotency-Key header: a new value for each thing you want made.")
        return ""
    if not 0 < len(key) <= MAX_LENGTH or not key.isascii() or not key.isprintable():
        metrics.idempotency_conflict(reason="malformed")
        raise MalformedKey(f"An Idempotency-Key is 1 to {MAX_LENGTH} printable ASCII characters.")
    return key


def fingerprint(data: Mapping[str, Any]) -> str:
    """SHA-256 of a request's meaning: the same values in another order or notation (1.0, 1.00) are the same."""
    text = json.dumps(_plain(data), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def mismatch() -> IdempotencyMismatch:
    """The error for a key that came back with another request."""
    metrics.idempotency_conflict(reason="mismatch")
    return IdempotencyMismatch("This Idempotency-Key was used for another request. Use a new one.")


def in_flight() -> IdempotencyInFlight:
    """The error for a key whose first request has not ended."""
    metrics.idempotency_conflict(reason="in_flight")
    return IdempotencyInFlight("The first request with this Idempotency-Key is still being worked on.")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if isinstance(value, (Decimal, float)):
        number = Decimal(str(value)).normalize()
        return f"{number:f}"
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)
