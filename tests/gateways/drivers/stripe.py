"""How the contract suite speaks Stripe: one payment is told by several events, and the signature is a header."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from gateways.notifications import HttpMessage
from gateways.reports import ReportStatus
from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Driver, Inbox

CARDS = {"pay": "4242 4242 4242 4242", "decline": "4000 0000 0000 0002", "insufficient": "4000 0000 0000 9995"}
BESIDE = ("charge.", "checkout.session.completed", "refund.", "payment_intent.created")
"""Events that tell once more what a payment_intent event or checkout.session.expired tells."""


class StripeDriver(Driver):
    code = "stripe"
    account = "acct_sandbox_one"
    signed = ("id", "object", "type", "created", "livemode", "data", "api_version")
    unsigned = {}
    declined = ReportStatus.PENDING
    return_tells = False
    can_be_paid_twice = False
    lists_refunds = False

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        super().__init__(sandbox, inbox)
        for account, settings in ((self.account, self.settings()), ("acct_sandbox_two", self.somebody_else())):
            keys = {
                "secretKey": settings["secret_key"], "publishableKey": settings["publishable_key"],
                "webhookSecret": settings["webhook_secret"], "webhookUrl": inbox.url,
            }  # fmt: skip
            self.control("POST", "/merchants", {"provider": "stripe", "code": account, "keys": keys})

    def settings(self) -> dict[str, object]:
        return {
            "secret_key": "sk_test_sandbox_one", "publishable_key": "pk_test_sandbox_one",
            "webhook_secret": "whsec_sandbox_one", "endpoint": self.sandbox.url,
        }  # fmt: skip

    def somebody_else(self) -> dict[str, object]:
        return {
            "secret_key": "sk_test_sandbox_two", "publishable_key": "pk_test_sandbox_two",
            "webhook_secret": "whsec_sandbox_two", "endpoint": self.sandbox.url,
        }  # fmt: skip

    def wrong_secret(self, name: str) -> str:
        return {"secret_key": "sk_test_sandbox_wrong", "webhook_secret": "whsec_sandbox_wrong"}[name]

    def telling(self, messages: list[HttpMessage]) -> list[HttpMessage]:
        return [one for one in messages if not json.loads(one.body)["type"].startswith(BESIDE)]

    def fields(self, message: HttpMessage) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(message.body)
        return fields

    def with_fields(self, message: HttpMessage, fields: Mapping[str, Any]) -> HttpMessage:
        return dataclasses.replace(message, body=json.dumps(fields).encode())

    def signature_of(self, message: HttpMessage) -> str:
        return dict(item.split("=") for item in message.headers["stripe-signature"].split(","))["v1"]

    def with_signature(self, message: HttpMessage, value: object) -> HttpMessage:
        stamp = message.headers["stripe-signature"].split(",")[0]
        header = stamp if value is None else f"{stamp},v1={value}"
        return dataclasses.replace(message, headers={**message.headers, "stripe-signature": header})

    def transaction_id(self, transaction: Mapping[str, Any]) -> str:
        return f"pi_3Sbx{transaction['number']:016d}"

    def returned(self, checkout_pay_url: str, action: str) -> HttpMessage:
        form = {"number": CARDS[action], "expiry": "12 / 40", "cvc": "123", "action": "pay"}
        page = requests.post(checkout_pay_url, data=form, allow_redirects=False, timeout=5)
        assert page.status_code == 303, page.text
        target = urlsplit(page.headers["Location"])
        assert target.hostname == "shop.example.vn"
        query = urlencode([pair for pair in parse_qsl(target.query, keep_blank_values=True) if pair[0] != "lang"])
        return HttpMessage(method="GET", path=target.path, query=query)
