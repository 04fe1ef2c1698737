"""Calling Xendit: its headers, its JSON, its lists that go on over pages.

Source: Xendit's API reference (authentication, versions, pagination).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from gateways.errors import GatewayUnavailable
from gateways.http import JSON_TYPE, HttpClient, Reply, Timeouts
from gateways.xendit import answers, values

MAX_PAGES: Final = 100
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """One account's way to the API."""

    secret_key: str = field(repr=False)
    endpoint: str
    api_version: str
    for_user_id: str
    timeout_seconds: float
    plain_http_hosts: tuple[str, ...]

    def post(
        self, path: str, body: Mapping[str, object], *, operation: str, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send once. Raises GatewayUnavailable; what the answer says is the caller's matter."""
        return self._client.post_bytes(
            self._address(path),
            values.to_json(body).encode(),
            content_type=JSON_TYPE,
            operation=operation,
            headers={**self._headers(path), **(headers or {})},
            read=answers.read,
        )

    def get(self, path: str, query: Query = (), *, operation: str) -> Reply | None:
        """An answer below 400; None where Xendit has no such thing. Raises GatewayUnavailable for any other."""
        reply = self._client.get(
            self._address(path), query, operation=operation, headers=self._headers(path), read=answers.read
        )
        if reply.status == 404 and answers.error_code(reply).endswith(("NOT_FOUND", "NOT_FOUND_ERROR")):
            return None
        if reply.status >= 400:
            raise answers.unanswered(operation, reply)
        return reply

    def listed(self, path: str, query: Query, *, operation: str) -> Iterator[dict[str, Any]]:
        """Every object of a list, page by page. Raises GatewayUnavailable, also for a list without an end."""
        after: list[tuple[str, str]] = []
        for _ in range(MAX_PAGES):
            reply = self.get(path, [*query, *after], operation=operation)
            if reply is None:
                raise GatewayUnavailable(f"xendit {operation}: there is no such list", code="no_list")
            page = answers.items(reply.data)
            yield from page
            last = values.id_in(page[-1].get("id")) if page else ""
            if reply.data.get("has_more") is not True or not last:
                return
            after = [("after_id", last)]
        raise GatewayUnavailable(f"xendit {operation}: the list has no end", code="no_list")

    @property
    def host(self) -> str:
        """Where the API is."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def _client(self) -> HttpClient:
        return HttpClient(
            gateway="xendit",
            hosts=frozenset({self.host}),
            plain_http_hosts=frozenset(self.plain_http_hosts),
            timeouts=Timeouts(read=self.timeout_seconds, total=self.timeout_seconds),
        )

    def _headers(self, path: str) -> dict[str, str]:
        headers = {"Authorization": basic(self.secret_key)}
        if path.startswith("/v3/"):
            headers["api-version"] = self.api_version
        if self.for_user_id:
            headers["for-user-id"] = self.for_user_id
        return headers

    def _address(self, path: str) -> str:
        return self.endpoint.rstrip("/") + path


def basic(secret_key: str) -> str:
    """The Authorization header: the key as user name, no password."""
    return "Basic " + base64.b64encode(f"{secret_key}:".encode()).decode()
