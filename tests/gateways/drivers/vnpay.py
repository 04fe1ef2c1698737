"""How the contract suite speaks VNPay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from gateways.notifications import Acknowledgement, HttpMessage
from gateways.reports import Checkout, ReportStatus
from gateways.requests import CheckoutRequest
from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Driver, Inbox


class VNPayDriver(Driver):
    code = "vnpay"
    signed = (
        "vnp_Amount", "vnp_BankCode", "vnp_BankTranNo", "vnp_CardType", "vnp_OrderInfo", "vnp_PayDate",
        "vnp_ResponseCode", "vnp_TmnCode", "vnp_TransactionNo", "vnp_TransactionStatus", "vnp_TxnRef",
    )  # fmt: skip
    signature = "vnp_SecureHash"
    unsigned = {"utm_source": "mail", "fbclid": "abc", "amount": 1, "vnp_SecureHashType": "HmacSHA512", "vnp_Extra": ""}
    price = "960.000 VND"
    refund_status = ReportStatus.PENDING
    lists_refunds = False

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        super().__init__(sandbox, inbox)
        keys = {"hashSecret": str(self.settings()["hash_secret"]), "ipnUrl": inbox.url}  # registered in VNPay's portal
        self.control("POST", "/merchants", {"provider": "vnpay", "code": self.settings()["tmn_code"], "keys": keys})
        inbox.reply = lambda message: self.gateway.acknowledge(Acknowledgement.ACCEPTED)

    def settings(self) -> dict[str, object]:
        return {
            "tmn_code": "SHOPTST1", "hash_secret": "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", "pay_url": self.sandbox.url,
            "api_url": self.sandbox.url, "server_ip": "203.0.113.10",
        }  # fmt: skip

    def somebody_else(self) -> dict[str, object]:
        return {**self.settings(), "tmn_code": "SHOPTST2", "hash_secret": "QK7ZL0M5VX1N8RT4WB6YC3HD9FJ2GSPA"}

    def fields(self, message: HttpMessage) -> dict[str, Any]:
        return dict(parse_qsl(message.query, keep_blank_values=True))

    def with_fields(self, message: HttpMessage, fields: Mapping[str, Any]) -> HttpMessage:
        return HttpMessage(method="GET", path=message.path, headers=message.headers, query=urlencode(fields))

    def create(self, request: CheckoutRequest) -> Checkout:
        """Open a payment and follow the link: VNPay learns of it only when a browser comes."""
        checkout = super().create(request)
        assert requests.get(checkout.pay_url, timeout=5).status_code == 200
        return checkout

    def returned(self, checkout_pay_url: str, action: str) -> HttpMessage:
        """The payer presses a button on the page that the redirect leads to; what the browser brings back."""
        page = requests.get(checkout_pay_url, timeout=5)
        token = dict(parse_qsl(urlsplit(page.url).query))["token"]
        form = {"token": token, "action": action, "card": "9704198526191432198", "otp": "123456"}
        answer = requests.post(page.url, data=form, allow_redirects=False, timeout=5)
        assert answer.status_code == 303, answer.text
        target = urlsplit(answer.headers["Location"])
        assert target.hostname == "shop.example.vn"
        return HttpMessage(method="GET", path=target.path, query=target.query)
