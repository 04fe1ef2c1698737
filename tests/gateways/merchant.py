"""The merchant's side in these tests: a server that hears notifications, and drivers that know each gateway's ways."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from config.core import ids
from config.core.money import Money
from gateways import registry
from gateways.base import CheckoutRequest, Gateway, HttpMessage, HttpReply, RefundRequest, Report
from gateways.sandbox.server import RunningSandbox


class Inbox:
    """Hears notifications over real HTTP and answers with `reply`."""

    def __init__(self) -> None:
        self.messages: list[HttpMessage] = []
        self.reply: Callable[[HttpMessage], HttpReply] = lambda message: HttpReply(204)
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                message = HttpMessage(method="POST", path=self.path, headers=headers, body=body)
                inbox.messages.append(message)
                reply = inbox.reply(message)
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/ipn"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Driver(ABC):
    """What the contract suite must know of one gateway to test it. The next gateway is one of these."""

    code: ClassVar[str]
    money: ClassVar[Money] = Money(960_000, "VND")
    signed: ClassVar[tuple[str, ...]]
    """Names of a notification's signed fields."""
    signature: ClassVar[str] = "signature"
    unsigned: ClassVar[Mapping[str, object]]
    """Fields that may be in a notification without being signed."""

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        self.sandbox, self.inbox = sandbox, inbox
        self.gateway = self.build()

    @abstractmethod
    def settings(self) -> dict[str, object]:
        """Settings of an account that the sandbox knows."""

    @abstractmethod
    def somebody_else(self) -> dict[str, object]:
        """Settings of another account that the sandbox knows."""

    @abstractmethod
    def fields(self, message: HttpMessage) -> dict[str, Any]:
        """What is in a notification."""

    @abstractmethod
    def with_fields(self, message: HttpMessage, fields: Mapping[str, Any]) -> HttpMessage:
        """The same notification with other fields."""

    def build(self, **changes: object) -> Gateway:
        return registry.build(self.code, {**self.settings(), **changes})

    def request(self, **changes: Any) -> CheckoutRequest:
        at = datetime.now(UTC)
        values: dict[str, Any] = {
            "reference": self.gateway.reference(ids.uuid7_int(), at), "money": self.money,
            "description": "Đơn hàng #2 & quà tặng", "return_url": "https://shop.example.vn/return?lang=vi",
            "notify_url": self.inbox.url, "locale": "vi", "created_at": at, "expires_at": at + timedelta(minutes=15),
        }  # fmt: skip
        return CheckoutRequest(**{**values, **changes})

    def opened(self, **changes: Any) -> CheckoutRequest:
        """A payment that is open at the gateway."""
        request = self.request(**changes)
        self.gateway.create_checkout(request)
        return request

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = requests.request(method, f"{self.sandbox.url}/control{path}", json=body, timeout=5)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def fault(self, name: str, **spec: object) -> None:
        self.control("POST", "/faults", {"fault": name, **spec})

    def truth(self, reference: str) -> dict[str, Any]:
        """What truly happened at the gateway."""
        found: dict[str, Any] = self.control("GET", f"/payments/{reference}")
        return found

    def end(self, reference: str, outcome: str, query: str = "") -> list[HttpMessage]:
        """Let the payer do this; the notifications that came of it."""
        before = len(self.inbox.messages)
        self.control("POST", f"/payments/{reference}/{outcome}{query}")
        assert self.sandbox.drain()
        return self.inbox.messages[before:]

    def paid(self, **changes: Any) -> tuple[CheckoutRequest, HttpMessage, Report]:
        """A paid payment, the notification that said so, and what the adapter read in it."""
        request = self.opened(**changes)
        (message,) = self.end(request.reference, "pay")
        (report,) = self.gateway.read_notification(message)
        return request, message, report

    def refund_of(self, request: CheckoutRequest, report: Report, minor: int, **changes: Any) -> RefundRequest:
        values: dict[str, Any] = {
            "reference": self.gateway.reference(ids.uuid7_int(), request.created_at),
            "payment_reference": request.reference, "gateway_transaction_id": report.gateway_transaction_id,
            "money": Money(minor, request.money.currency), "captured": request.money, "description": "Hoàn tiền: hàng lỗi",
            "locale": "vi", "requested_at": request.created_at,
        }  # fmt: skip
        return RefundRequest(**{**values, **changes})

    def returned(self, checkout_pay_url: str, action: str) -> HttpMessage:
        """The payer presses a button on the pay page; what the browser brings back."""
        token = dict(parse_qsl(urlsplit(checkout_pay_url).query))["t"]
        form = {"t": token, "action": action, "otp": "123456"}
        page = requests.post(checkout_pay_url, data=form, allow_redirects=False, timeout=5)
        assert page.status_code == 303, page.text
        target = urlsplit(page.headers["Location"])
        assert target.hostname == "shop.example.vn"
        query = urlencode([pair for pair in parse_qsl(target.query, keep_blank_values=True) if pair[0] != "lang"])
        return HttpMessage(method="GET", path=target.path, query=query)


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


DRIVERS: dict[str, type[Driver]] = {driver.code: driver for driver in (MoMoDriver,)}
