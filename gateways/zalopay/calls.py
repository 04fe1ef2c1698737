"""Calling ZaloPay: where each call goes, and how it is signed.

Source: ZaloPay's manual of the v2 API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from gateways.http import HttpClient, Timeouts
from gateways.zalopay import messages
from gateways.zalopay.codes import Call

PATHS: Final = {
    Call.CREATE: "/v2/create", Call.QUERY: "/v2/query", Call.REFUND: "/v2/refund", Call.REFUND_QUERY: "/v2/query_refund",
}  # fmt: skip
Signer = Callable[[Mapping[str, object], str], str]
"""The text that is signed, from a call's body and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """One app's way to the API. `key1` signs what we send."""

    app_id: str
    key1: str = field(repr=False)
    previous_key1: str = field(repr=False)
    endpoint: str
    timeout_seconds: float
    plain_http_hosts: tuple[str, ...]

    def post(
        self, call: Call, text: Signer, make_body: Callable[[], Mapping[str, object]], *, safe: bool = False
    ) -> Mapping[str, object]:
        """Send a signed call. A signature that ZaloPay refuses did nothing, so the previous key may be tried then."""
        data = self._send(call, text, make_body, self.key1, safe=safe)
        if self.previous_key1 and messages.verdict(call, data).is_bad_signature:
            data = self._send(call, text, make_body, self.previous_key1, safe=safe)
        return data

    def _send(
        self, call: Call, text: Signer, make_body: Callable[[], Mapping[str, object]], key: str, *, safe: bool
    ) -> Mapping[str, object]:
        def signed() -> dict[str, object]:
            body = make_body()
            return {**body, "mac": messages.sign(key, text(body, key))}

        client = HttpClient(
            gateway="zalopay",
            hosts=frozenset({self._host}),
            plain_http_hosts=frozenset(self.plain_http_hosts),
            timeouts=Timeouts(read=self.timeout_seconds, total=self.timeout_seconds),
        )
        address = self.endpoint.rstrip("/").removesuffix(PATHS[Call.CREATE]) + PATHS[call]
        return client.post_json(address, signed, operation=call.value, safe=safe).data

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).hostname or ""
