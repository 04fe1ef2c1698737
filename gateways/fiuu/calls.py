"""Calling Fiuu: its two hosts, its forms, and the two questions that everything else rests on.

Source: Fiuu's API specification 13.39, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from gateways.fiuu import answers, messages, signing
from gateways.http import HttpClient, Reply, Timeouts

BY_ORDER: Final = "/RMS/query/q_by_oid.php"
BY_TRANSACTION: Final = "/RMS/q_by_tid.php"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """One account's way to the API. `secret_keys` are the present one and, while keys change, the one before."""

    merchant: str
    verify_key: str = field(repr=False)
    secret_keys: tuple[str, ...] = field(repr=False)
    pay: str
    api: str
    timeout_seconds: float
    plain_http_hosts: tuple[str, ...]

    def ask(self, path: str, fields: Mapping[str, str]) -> Reply:
        """A question about payments, in the form that asks for JSON. Fiuu allows one in five seconds (GATEWAY_SPACING)."""
        whole = {**fields, "domain": self.merchant, "type": "2", "format": "1"}
        return self.call(path, whole, operation="query", safe=True)

    def call(self, path: str, fields: Mapping[str, str], *, operation: str, safe: bool = False) -> Reply:
        """Post a form to the API. `safe` may go out twice. Raises GatewayUnavailable."""
        url = self.api + path
        return self.client.post_form(url, lambda: fields, operation=operation, safe=safe, read=messages.read_answer)

    def by_order(self, reference: str, amount: str) -> dict[str, str] | None:
        """The payment of an order, as Fiuu tells it; None where it knows none. Raises GatewayUnavailable."""
        signature = signing.question(reference, self.merchant, self.verify_key, amount)
        fields = {"oID": reference, "amount": amount, "skey": signature}
        return answers.payment_row(self.ask(BY_ORDER, fields), "OrderID", reference, self.trusted)

    def by_transaction(self, transaction: str, amount: str) -> dict[str, str] | None:
        """A payment by Fiuu's own number; None where it knows none. Raises GatewayUnavailable."""
        signature = signing.question(transaction, self.merchant, self.verify_key, amount)
        fields = {"txID": transaction, "amount": amount, "skey": signature}
        return answers.payment_row(self.ask(BY_TRANSACTION, fields), "TranID", transaction, self.trusted)

    @property
    def client(self) -> HttpClient:
        """Both of Fiuu's hosts, and no other."""
        return HttpClient(
            gateway="fiuu",
            hosts=frozenset({urlsplit(self.pay).hostname or "", urlsplit(self.api).hostname or ""}),
            plain_http_hosts=frozenset(self.plain_http_hosts),
            timeouts=Timeouts(read=self.timeout_seconds, total=self.timeout_seconds),
        )

    @property
    def secret_key(self) -> str:
        """The one that signs what we send."""
        return self.secret_keys[0]

    @property
    def trusted(self) -> answers.Trusted:
        """Whose answers count."""
        return answers.Trusted(self.merchant, self.secret_keys)
