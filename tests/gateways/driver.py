"""The merchant's side in these tests: a server that hears notifications, and drivers that know each gateway's ways."""

from __future__ import annotations

import dataclasses
import importlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from config.core import ids
from config.core.money import Money
from gateways import registry
from gateways.abilities import Confirms
from gateways.base import Gateway
from gateways.notifications import HttpMessage, HttpReply
from gateways.reports import Checkout, Report, ReportStatus
from gateways.requests import CheckoutRequest, QueryRequest, RefundRequest
from gateways.sandbox.server import RunningSandbox


class Inbox:
    """Hears notifications over real HTTP and answers with `reply`."""

    def __init__(self) -> None:
        self.messages: list[HttpMessage] = []
        self.reply: Callable[[HttpMessage], HttpReply] = lambda message: HttpReply(204)
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._take()

            def do_POST(self) -> None:
                self._take()

            def _take(self) -> None:
                parts = urlsplit(self.path)
                message = HttpMessage(
                    method=self.command, path=parts.path, query=parts.query,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(int(self.headers.get("Content-Length", "0"))), received_at=datetime.now(UTC),
                )  # fmt: skip
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
    """The field that holds the signature; overwrite signature_of() and with_signature() where it is a header."""
    unsigned: ClassVar[Mapping[str, object]]
    """Fields that may be in a notification without being signed."""
    price: ClassVar[str] = "960.000 ₫"
    """How the pay page shows `money`."""
    tells_failures: ClassVar[bool] = True
    """Whether this gateway notifies when nothing was paid."""
    can_be_paid_twice: ClassVar[bool] = True
    """Whether a payer can truly pay one reference twice at this gateway."""
    refund_status: ClassVar[ReportStatus] = ReportStatus.PAID
    """What a refund's own answer says where all goes well."""
    lists_refunds: ClassVar[bool] = True
    """Whether a query of the payment tells its refunds."""
    declined: ClassVar[ReportStatus] = ReportStatus.FAILED
    """What a refused payer means for the payment: PENDING where the same page takes another card."""
    closing: ClassVar[str] = "close"
    """The sandbox's operation by which a payment is closed."""
    return_tells: ClassVar[bool] = True
    """Whether what the browser brings back is signed and tells what happened."""

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        self.sandbox, self.inbox = sandbox, inbox
        self.gateway = self.build()
        self.known_ids: dict[str, str] = {}

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

    def telling(self, messages: list[HttpMessage]) -> list[HttpMessage]:
        """Of several messages about one thing, those that tell it first-hand; the others are the adapter's matter."""
        return list(messages)

    def told(self) -> list[HttpMessage]:
        """The telling messages that have arrived."""
        return self.telling(self.inbox.messages)

    def signature_of(self, message: HttpMessage) -> str:
        """The signature as it came."""
        return str(self.fields(message)[self.signature])

    def with_signature(self, message: HttpMessage, value: object) -> HttpMessage:
        """The same notification with another signature; None leaves it out."""
        fields = {name: one for name, one in self.fields(message).items() if name != self.signature}
        return self.with_fields(message, fields if value is None else {**fields, self.signature: value})

    def wrong_secret(self, name: str) -> str:
        """A value for a secret setting that is well formed and wrong."""
        return "wrong"

    def transaction_id(self, transaction: Mapping[str, Any]) -> str:
        """What the adapter reports as gateway_transaction_id for a transaction of the sandbox."""
        return str(transaction["number"])

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

    def query(self, request: CheckoutRequest, gateway: Gateway | None = None) -> Report:
        """Ask about a payment as our services do, with what create told us of it."""
        known = self.known_ids.get(request.reference, "")
        asked = QueryRequest(
            reference=request.reference,
            money=request.money,
            created_at=request.created_at,
            gateway_transaction_id=known,
        )
        return (gateway or self.gateway).query(asked)

    def opened(self, **changes: Any) -> CheckoutRequest:
        """A payment that is open at the gateway."""
        request = self.request(**changes)
        self.create(request)
        return request

    def create(self, request: CheckoutRequest) -> Checkout:
        """Open a payment, and remember what the gateway called it."""
        checkout = self.gateway.create_checkout(request)
        self.known_ids[request.reference] = checkout.gateway_transaction_id
        return checkout

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
        return self.telling(self.inbox.messages[before:])

    def paid(self, **changes: Any) -> tuple[CheckoutRequest, HttpMessage, Report]:
        """A paid payment, the notification that said so, and what the adapter read in it."""
        request = self.opened(**changes)
        (message,) = self.end(request.reference, "pay")
        return request, message, self.heard(message)

    def heard(self, message: HttpMessage, gateway: Gateway | None = None) -> Report:
        """The one report of a message, confirmed where the gateway's messages prove too little."""
        gateway = gateway or self.gateway
        (report,) = gateway.read_notification(message)
        assert isinstance(report, Report)
        told = gateway.confirm(report) if isinstance(gateway, Confirms) else report
        assert isinstance(told, Report)
        return told

    def refund_of(self, request: CheckoutRequest, report: Report, minor: int, **changes: Any) -> RefundRequest:
        values: dict[str, Any] = {
            "reference": self.gateway.reference(ids.uuid7_int(), request.created_at),
            "payment_reference": request.reference, "gateway_transaction_id": report.gateway_transaction_id,
            "money": Money(minor, request.money.currency), "captured": request.money, "description": "Hoàn tiền: hàng lỗi",
            "locale": "vi", "requested_at": request.created_at,
            "paid_at": request.created_at,
        }  # fmt: skip
        return RefundRequest(**{**values, **changes})

    def asked_again(self, refund: RefundRequest, report: Report) -> RefundRequest:
        """The same refund as our services ask for it again: with what the gateway called it."""
        return dataclasses.replace(refund, gateway_refund_id=report.gateway_transaction_id)

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


def bound(code: str) -> set[str]:
    """The subjects of the contract that the test modules of this folder bind a gateway by."""
    found: set[str] = set()
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.gateways.{file.stem}")
        for one in vars(module).values():
            driver_class = getattr(one, "driver_class", None)
            if isinstance(one, type) and driver_class is not None and driver_class.code == code:
                found |= {base.__name__ for base in one.__mro__}
    return found
