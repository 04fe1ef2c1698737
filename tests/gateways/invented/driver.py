"""How the contract suite speaks Mekong Pay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateways.notifications import Acknowledgement, HttpMessage
from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Driver, Inbox

HEADER = "x-mekong-signature"


class MekongPayDriver(Driver):
    code = "mekongpay"
    signed = ("merchant", "order", "transaction", "amount", "currency", "result", "time")
    unsigned = {"campaign": "tet", "fee": 12}
    price = "960,000 ₫"
    lists_refunds = False

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        super().__init__(sandbox, inbox)
        inbox.reply = lambda message: self.gateway.acknowledge(Acknowledgement.ACCEPTED)

    def settings(self) -> dict[str, object]:
        return {"merchant": "MK1", "secret_key": "mekong-one-secret", "endpoint": self.sandbox.url}

    def somebody_else(self) -> dict[str, object]:
        return {"merchant": "MK2", "secret_key": "mekong-two-secret", "endpoint": self.sandbox.url}

    def fields(self, message: HttpMessage) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(message.body)
        return fields

    def with_fields(self, message: HttpMessage, fields: Mapping[str, Any]) -> HttpMessage:
        return HttpMessage(method="POST", path="/", headers=message.headers, body=json.dumps(fields).encode())

    def signature_of(self, message: HttpMessage) -> str:
        return message.headers[HEADER]

    def with_signature(self, message: HttpMessage, value: object) -> HttpMessage:
        headers = {name: text for name, text in message.headers.items() if name != HEADER}
        if value is not None:
            headers[HEADER] = str(value)
        return HttpMessage(method="POST", path="/", headers=headers, body=message.body)
