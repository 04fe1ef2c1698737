"""What the tests of the edge share: tokens, and a client of the small API in edge_urls.py."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.test import Client, override_settings

from config.core import health, ratelimit, scrape

ISSUER = "reckoner-demo"


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What a process remembers for seconds, it forgets between tests."""
    for check in (health.postgres, health.redis_server, health.kafka):
        check.forget()
    scrape.forget()
    ratelimit.forget()


@pytest.fixture
def claims() -> dict[str, Any]:
    """The claims of a good customer token."""
    return {"iss": ISSUER, "aud": "reckoner", "sub": "customer-1", "exp": int(time.time()) + 300}


@pytest.fixture
def token(claims: dict[str, Any]) -> Callable[..., str]:
    """A signed token: changed claims by keyword, a claim that is None is left out."""

    def make(*, key: str = settings.JWT_ISSUERS[ISSUER]["secret"], headers: Any = None, **changed: Any) -> str:
        payload = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        # Signed as bytes: PyJWT would not make some of the tokens that we must refuse.
        return jwt.api_jws.encode(json.dumps(payload).encode(), key, algorithm="HS256", headers=headers)

    return make


@pytest.fixture
def edge(client: Client) -> Iterator[Client]:
    """A client of the views in tests/core/edge_urls.py."""
    client.raise_request_exception = False
    with override_settings(ROOT_URLCONF="tests.core.edge_urls"):
        yield client
