"""How the contract suite speaks Fiuu."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode

import requests

from gateways.notifications import Acknowledgement, HttpMessage
from gateways.reports import Checkout, ReportStatus
from gateways.requests import CheckoutRequest
from gateways.sandbox.fiuu.simulator import INVENTED
from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Driver, Inbox


class FiuuDriver(Driver):
    code = "fiuu"
    signed = ("tranID", "orderid", "status", "domain", "amount", "currency", "appcode", "paydate")
    signature = "skey"
    unsigned = {
        "nbcb": "1", "channel": "brand-new", "error_code": "CC_05", "error_desc": "Tài khoản", "extraP": '{"token": 1}',
        "newer": "field",
    }  # fmt: skip
    price = "VND 960,000.00"
    refund_status = ReportStatus.PENDING
    lists_refunds = False

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        super().__init__(sandbox, inbox)
        inbox.reply = lambda message: self.gateway.acknowledge(Acknowledgement.ACCEPTED)

    def settings(self) -> dict[str, object]:
        return self.account(*INVENTED[0])

    def somebody_else(self) -> dict[str, object]:
        return self.account(*INVENTED[1])

    def account(self, merchant: str, verify_key: str, secret_key: str) -> dict[str, object]:
        return {
            "merchant_id": merchant, "verify_key": verify_key, "secret_key": secret_key,
            "pay_endpoint": self.sandbox.url, "api_endpoint": self.sandbox.url,
        }  # fmt: skip

    def create(self, request: CheckoutRequest) -> Checkout:
        """Fiuu learns of an order when the customer's browser opens its page."""
        checkout = super().create(request)
        page = requests.get(checkout.pay_url, timeout=5)
        assert page.status_code == 200, page.text
        return checkout

    def fields(self, message: HttpMessage) -> dict[str, Any]:
        return dict(parse_qsl(message.body.decode(), keep_blank_values=True))

    def with_fields(self, message: HttpMessage, fields: Mapping[str, Any]) -> HttpMessage:
        return dataclasses.replace(message, body=urlencode(fields).encode())

    def returned(self, checkout_pay_url: str, action: str) -> HttpMessage:
        """The page answers with a form that the browser posts to the shop at once."""
        page = requests.get(checkout_pay_url, timeout=5).text
        form = {**_inputs(page), "action": action, "channel": "credit"}
        left = requests.post(f"{self.sandbox.url}/RMS/sandbox/pay", data=form, timeout=5).text
        assert 'action="https://shop.example.vn/return?lang=vi"' in left
        return HttpMessage(
            method="POST", path="/return", query="lang=vi", body=urlencode(_inputs(left)).encode(),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip


def _inputs(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return {unescape(name): unescape(value) for name, value in found}
