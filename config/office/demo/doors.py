"""How the demo's story is told: through the real API over HTTP, with the real sandbox on the other side.

The web server of this module runs inside the seeding process, because only that process believes it is last month.
"""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import jwt
import requests
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from config.core import clock

TIMEOUT_SECONDS = 20


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the API logs by itself."""


class _Threaded(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


@dataclass(frozen=True, slots=True)
class Doors:
    """The API and the sandbox, both over HTTP."""

    api_url: str
    sandbox_url: str
    session: requests.Session
    sandbox: requests.Session

    def call(self, path: str, body: Mapping[str, object], *, key: str = "") -> dict[str, Any]:
        """POST to the API as the marketplace's own system. Raises requests.HTTPError for a refusal."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.session.post(self.api_url + path, json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def customer_does(self, order: str, outcome: str, *, again: bool = False) -> None:
        """The customer acts at the gateway; returns when its notification has been delivered."""
        self.control(f"/control/payments/{order}/{outcome}" + ("?again=1" if again else ""), {})
        self.control("/control/drain", {})

    def visit(self, address: str) -> None:
        """The customer's browser opens a gateway's page."""
        if address.startswith(self.sandbox_url):
            self.sandbox.get(address, timeout=TIMEOUT_SECONDS).raise_for_status()

    def control(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """The sandbox's control API."""
        answer = self.sandbox.post(self.sandbox_url + path, json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    @contextmanager
    def moment(self, at: datetime) -> Iterator[datetime]:
        """Everybody believes that it is `at`."""
        self.control("/control/settings", {"at_ms": int(at.timestamp() * 1000)})
        with clock.pretend(at):
            yield at
        self.control("/control/settings", {"at_ms": None})


@contextmanager
def opened(*, hears: bool) -> Iterator[Doors]:
    """Serve the application on a free port of this process; `hears`: as the address that gateways notify, too."""
    server = _Threaded(("127.0.0.1", 0), _Quiet)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    kept = settings.NOTIFY_URL, settings.GATEWAY_ADDRESSES
    if hears:
        settings.NOTIFY_URL, settings.GATEWAY_ADDRESSES = url, {}
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {system_token()}"
    doors = Doors(url, settings.SANDBOX_URL, session, requests.Session())
    doors.control("/control/settings", {"deliver_to": url if hears else ""})
    try:
        yield doors
    finally:
        doors.control("/control/settings", {"deliver_to": ""})
        settings.NOTIFY_URL, settings.GATEWAY_ADDRESSES = kept
        server.shutdown()


def system_token() -> str:
    """A token of the marketplace's own services, valid for an hour of real time."""
    issuer, how = next((name, how) for name, how in settings.JWT_ISSUERS.items() if how["algorithm"] == "HS256")
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": how.get("audience", settings.SYSTEM_AUDIENCE),
        "sub": "marketplace",
        "typ": "system",
        "scope": "payments:read payments:write refunds:write orders:write cod:write",
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode(claims, how["secret"], algorithm="HS256")
