"""Calling MoMo: what every request carries, and how it is signed.

Source: MoMo's developer manual v3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from config.core import ids
from gateways.http import HttpClient, Reply, Timeouts
from gateways.momo import messages

CREATE_PATH: Final = "/v2/gateway/api/create"
QUERY_PATH: Final = "/v2/gateway/api/query"
REFUND_PATH: Final = "/v2/gateway/api/refund"
REFUND_QUERY_PATH: Final = "/v2/gateway/api/refund/query"
CONFIRM_PATH: Final = "/v2/gateway/api/confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """One account's way to the API."""

    partner_code: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    endpoint: str
    timeout_seconds: float
    plain_http_hosts: tuple[str, ...]

    def post(
        self,
        path: str,
        names: Sequence[str],
        make_body: Callable[[], Mapping[str, object]],
        *,
        operation: str,
        safe: bool = False,
    ) -> Reply:
        """Send what `make_body` gives, signed over `names`. `safe` may go out twice. Raises GatewayUnavailable."""

        def signed() -> dict[str, object]:
            body = dict(make_body())
            body["signature"] = messages.sign(self.secret_key, messages.text_to_sign(self.access_key, names, body))
            return body

        client = HttpClient(
            gateway="momo",
            hosts=frozenset({self._host}),
            plain_http_hosts=frozenset(self.plain_http_hosts),
            timeouts=Timeouts(read=self.timeout_seconds, total=self.timeout_seconds),
        )
        return client.post_json(
            self.endpoint.rstrip("/").removesuffix(CREATE_PATH) + path, signed, operation=operation, safe=safe
        )

    def ask(self, path: str, order_id: str, *, operation: str) -> Reply:
        """Ask about an order or a refund by its id. Raises GatewayUnavailable."""

        def question() -> dict[str, object]:
            request_id = ids.crockford(ids.uuid7_int())  # MoMo wants a new one for every question
            return {"partnerCode": self.partner_code, "requestId": request_id, "orderId": order_id, "lang": "en"}

        return self.post(path, messages.QUERY_REQUEST, question, operation=operation, safe=True)

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).hostname or ""
