"""Ids: a prefix that says what it is, and a UUIDv7 as 26 characters of lower-case Crockford base32.

Sortable by the time they were made, so an index on them stays compact and `(created_at, id)` cursors are stable.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Final

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def uuid7_int() -> int:
    """A UUIDv7 as an integer (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    return (
        (milliseconds & (2**48 - 1)) << 80
        | 0x7 << 76
        | (random >> 68 & 0xFFF) << 64
        | 0b10 << 62
        | (random & (2**62 - 1))
    )


def crockford(number: int) -> str:
    """128 bits as 26 characters."""
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def new_id(prefix: str) -> str:
    """A new id such as `pay_01k8...`."""
    return f"{prefix}_{crockford(uuid7_int())}"


def number_of(identifier: str) -> int:
    """The 128-bit number inside an id. Raises ValueError for what is no id of ours."""
    body = identifier.rpartition("_")[2]
    if len(body) != 26:
        raise ValueError(f"not an id: {identifier!r}")
    number = 0
    for character in body:
        number = number << 5 | ALPHABET.index(character)
    return number


payment_id = partial(new_id, "pay")
attempt_id = partial(new_id, "att")
capture_id = partial(new_id, "cap")
refund_id = partial(new_id, "re")
dispute_id = partial(new_id, "dp")
evidence_id = partial(new_id, "dpe")
case_id = partial(new_id, "case")
notification_id = partial(new_id, "ntf")
event_id = partial(new_id, "evt")
dead_letter_id = partial(new_id, "dl")
approval_id = partial(new_id, "apr")
audit_id = partial(new_id, "aud")
api_key_id = partial(new_id, "key")
webhook_endpoint_id = partial(new_id, "whe")
webhook_delivery_id = partial(new_id, "whd")
email_id = partial(new_id, "eml")
otp_id = partial(new_id, "otp")
clawback_id = partial(new_id, "cb")
order_row_id = partial(new_id, "ord")
gateway_account_id = partial(new_id, "gwa")
