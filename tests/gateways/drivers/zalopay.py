"""How the contract suite speaks ZaloPay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateways.notifications import Acknowledgement, HttpMessage
from gateways.reports import ReportStatus
from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Driver, Inbox

DATA = (
    "app_id", "app_trans_id", "app_time", "app_user", "amount", "embed_data", "item", "zp_trans_id", "server_time",
    "channel", "merchant_user_id", "zp_user_id", "user_fee_amount", "discount_amount",
)  # fmt: skip


class ZaloPayDriver(Driver):
    code = "zalopay"
    signed = DATA
    signature = "mac"
    unsigned = {"type": 2, "return_code": -1, "sub_return_code": [1]}
    tells_failures = False
    refund_status = ReportStatus.PENDING
    lists_refunds = False

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        super().__init__(sandbox, inbox)
        # ZaloPay calls again unless it reads its own words.
        inbox.reply = lambda message: self.gateway.acknowledge(Acknowledgement.ACCEPTED)

    def settings(self) -> dict[str, object]:
        return {
            "app_id": "2553", "key1": "PcY4iZIKFCIdgZvA6ueMcMHHUbRLYjPL", "key2": "kLtgPl8HHhfvMuDHPwKfgfsY4Ydm9eIz",
            "endpoint": self.sandbox.url,
        }  # fmt: skip

    def somebody_else(self) -> dict[str, object]:
        return {
            "app_id": "2554", "key1": "sdngKKJmqEMzvh5QQcdD2A9XBSKUNaYn", "key2": "trMrHtvjo6myautxDUiAcYsVtaeQ8nhf",
            "endpoint": self.sandbox.url,
        }  # fmt: skip

    def fields(self, message: HttpMessage) -> dict[str, Any]:
        """What is signed, a text of JSON in the message, laid beside what is not."""
        outer: dict[str, Any] = json.loads(message.body)
        return {**json.loads(outer.pop("data")), **outer}

    def with_fields(self, message: HttpMessage, fields: Mapping[str, Any]) -> HttpMessage:
        data = {name: value for name, value in fields.items() if name in DATA}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        body = {"data": text, **{name: value for name, value in fields.items() if name not in DATA}}
        return HttpMessage(
            method="POST",
            path=message.path,
            headers=message.headers,
            body=json.dumps(body, ensure_ascii=False).encode(),
        )
