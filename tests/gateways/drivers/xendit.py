"""How the contract suite speaks Xendit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from gateways.notifications import HttpMessage
from gateways.reports import ReportStatus
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.xendit.simulator import INVENTED
from tests.gateways.driver import Driver, Inbox

TOKEN = "x-callback-token"


class XenditDriver(Driver):
    code = "xendit"
    signed = ()
    """No field is: the token proves the sender, the API the content."""
    unsigned = {
        "merchant_profile": "x",
        "payment_id": "py-other",
        "payer_email": "a@b.example",
        "items": [{"price": 1}],
    }
    can_be_paid_twice = False  # a paid invoice is closed
    refund_status = ReportStatus.PENDING
    lists_refunds = False

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        super().__init__(sandbox, inbox)
        code, key, token = INVENTED[0]
        keys = {"secretKey": key, "callbackToken": token, "webhookUrl": inbox.url}  # as set in the dashboard
        self.control("POST", "/merchants", {"provider": "xendit", "code": code, "keys": keys})

    def settings(self) -> dict[str, object]:
        _, key, token = INVENTED[0]
        return {"secret_key": key, "webhook_token": token, "endpoint": self.sandbox.url}

    def somebody_else(self) -> dict[str, object]:
        _, key, token = INVENTED[1]
        return {"secret_key": key, "webhook_token": token, "endpoint": self.sandbox.url}

    def wrong_secret(self, name: str) -> str:
        return "xnd_development_wrong" if name == "secret_key" else "wrong"

    def fields(self, message: HttpMessage) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(message.body, parse_float=Decimal)
        return fields

    def with_fields(self, message: HttpMessage, fields: Mapping[str, Any]) -> HttpMessage:
        return dataclasses.replace(message, body=json.dumps(fields, default=str).encode())

    def signature_of(self, message: HttpMessage) -> str:
        return message.headers[TOKEN]

    def with_signature(self, message: HttpMessage, value: object) -> HttpMessage:
        headers = {name: one for name, one in message.headers.items() if name != TOKEN}
        return dataclasses.replace(message, headers=headers if value is None else {**headers, TOKEN: str(value)})

    def invoice_id(self, reference: str) -> str:
        """What the sandbox calls the invoice of a reference."""
        return str(self.truth(reference)["fields"]["id"])

    def webhook(self, **fields: Any) -> HttpMessage:
        """A webhook with these fields and the true token, as it would come."""
        headers = {TOKEN: str(self.settings()["webhook_token"]), "content-type": "application/json"}
        return HttpMessage(method="POST", path="/ipn", headers=headers, body=json.dumps(fields).encode())

    def returned(self, checkout_pay_url: str, action: str) -> HttpMessage:
        page = requests.post(checkout_pay_url, data={"action": action}, allow_redirects=False, timeout=5)
        assert page.status_code == 303, page.text
        target = urlsplit(page.headers["Location"])
        assert target.hostname == "shop.example.vn"
        query = urlencode([pair for pair in parse_qsl(target.query, keep_blank_values=True) if pair[0] != "lang"])
        return HttpMessage(method="GET", path=target.path, query=query)
