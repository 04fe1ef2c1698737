"""Standard Webhooks: how a receiver knows that we sent it, and that nobody sends it again a day later.

https://www.standardwebhooks.com, specification 1.0: `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over
`id.timestamp.body`, once for each secret that counts, split by spaces. A secret is `whsec_` and base64 of 24 to 64 bytes.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A secret that nobody can guess."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(keys: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What is sent beside a body; `timestamp` is the try's, in seconds since 1970."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            signature(key, message_id=message_id, timestamp=timestamp, body=body) for key in keys
        ),
    }


def signature(key: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature of one message."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(base64.b64decode(key.removeprefix(PREFIX)), signed, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
