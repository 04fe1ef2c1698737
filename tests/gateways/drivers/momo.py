"""How the contract suite speaks MoMo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateways.notifications import HttpMessage
from tests.gateways.driver import Driver


class MoMoDriver(Driver):
    code = "momo"
    signed = (
        "amount", "extraData", "message", "orderId", "orderInfo", "orderType", "partnerCode", "payType", "requestId",
        "responseTime", "resultCode", "transId",
    )  # fmt: skip
    unsigned = {"storeId": "hn-01", "partnerUserId": "u-1", "paymentOption": "vts", "userFee": 1, "promotionInfo": [1]}

    def settings(self) -> dict[str, object]:
        return {
            "partner_code": "MOMO", "access_key": "F8BBA842ECF85", "secret_key": "K951B6PE1waDMi640xX08PD3vg6EkVlz",
            "endpoint": self.sandbox.url,
        }  # fmt: skip

    def somebody_else(self) -> dict[str, object]:
        return {
            "partner_code": "MOMOBKUN20180529", "access_key": "klm05TvNBzhg7h7j",
            "secret_key": "at67qH6mk8w5Y1nAyMoYKMWACiEi2bsa", "endpoint": self.sandbox.url,
        }  # fmt: skip

    def fields(self, message: HttpMessage) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(message.body)
        return fields

    def with_fields(self, message: HttpMessage, fields: Mapping[str, Any]) -> HttpMessage:
        body = json.dumps(fields, ensure_ascii=False).encode()
        return HttpMessage(method="POST", path=message.path, headers=message.headers, body=body)
