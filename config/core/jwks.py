"""The public keys of token issuers (RFC 7517), fetched from the configured address only and kept in memory.

A token with a key id we do not know may mean that the issuer has a new key, so we look again; but not more often than
once a minute, or anybody could make us call the issuer as often as they call us.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import requests
import structlog

from config.core.errors import Unavailable

FRESH_SECONDS: Final = 600.0
"""Keys older than this are fetched again, so that a withdrawn key stops working."""
USABLE_SECONDS: Final = 86_400.0
"""Keys older than this are not believed, however long the issuer stays away."""
ASK_AGAIN_SECONDS: Final = 60.0
MAX_BYTES: Final = 65_536
TIMEOUT_SECONDS: Final = (2.0, 3.0)  # connect, read

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _KeySet:
    keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    asked_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


_sets: dict[str, _KeySet] = {}


def key(url: str, *, kid: object, algorithm: str) -> Any:
    """The issuer's public key of this id for this algorithm, or None. Raises Unavailable if we have none at all."""
    known = _sets.setdefault(url, _KeySet())
    if kid not in known.keys or time.monotonic() - known.fetched_at > FRESH_SECONDS:
        _refresh(url, known)
    if time.monotonic() - known.fetched_at > USABLE_SECONDS:
        raise Unavailable("The keys of the token's issuer cannot be fetched just now.")
    found = known.keys.get(kid) if isinstance(kid, str) else None
    return found.key if found and found.algorithm_name == algorithm else None


def forget() -> None:
    """Drop all keys: after a change of settings, and between tests."""
    _sets.clear()


def _refresh(url: str, known: _KeySet) -> None:
    with known.lock:
        if time.monotonic() - known.asked_at < ASK_AGAIN_SECONDS:
            return
        known.asked_at = time.monotonic()
        try:
            known.keys = _fetch(url)
        except (requests.RequestException, ValueError, jwt.PyJWTError) as error:
            log.warning("jwks_fetch_failed", url=url, error_type=type(error).__name__)
        else:
            known.fetched_at = time.monotonic()


def _fetch(url: str) -> dict[str, jwt.PyJWK]:
    with requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True) as answer:
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code}")
        body = answer.raw.read(MAX_BYTES + 1, decode_content=True)
    if len(body) > MAX_BYTES:
        raise ValueError("too large")
    return {found.key_id: found for found in jwt.PyJWKSet.from_json(body.decode()).keys if found.key_id}
