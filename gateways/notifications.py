"""What a gateway sends by itself, as it came, and what it hears back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Acknowledgement(StrEnum):
    """How we took a notification; each gateway wants its own words for it."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_ORDER = "unknown_order"
    WRONG_AMOUNT = "wrong_amount"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMessage:
    """A request that came in, as it came: the signature is over the raw bytes."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    received_at: datetime | None = None  # when it came: a signature's age is counted to then, however late it is read


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What the gateway wants to hear back."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
