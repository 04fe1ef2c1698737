"""Mekong Pay, merchant API 1: an invented provider. Sections are those of protocol.md beside this file."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from config.core import ids, strict_json
from config.core.money import Money
from gateways import addresses
from gateways.base import Gateway
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.http import HttpClient, Timeouts
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, Report, ReportAbout, ReportStatus
from gateways.requests import CheckoutRequest, QueryRequest, RefundRequest

HEADER: Final = "x-mekong-signature"
CREATED: Final = ("merchant", "order", "amount", "currency", "pay_url")  # section 3
REFUNDED: Final = ("merchant", "refund", "transaction", "amount", "currency", "result", "time")
RESULT: Final = ("merchant", "order", "transaction", "amount", "currency", "result", "time")  # section 4
NUMBERS: Final = frozenset({"amount", "time"})
CURRENCIES: Final = frozenset({"VND", "USD"})
STATUSES: Final = {
    "paid": ReportStatus.PAID,
    "failed": ReportStatus.FAILED,
    "expired": ReportStatus.EXPIRED,
    "waiting": ReportStatus.PENDING,
    "processing": ReportStatus.PROCESSING,
}
NOT_THERE, EXISTS = "2", "3"  # section 3


def text_to_sign(values: Mapping[str, object]) -> str:
    """What is signed: `name=value`, sorted by name, percent-encoded, joined by `&` (section 2)."""
    return urlencode(sorted(values.items()), quote_via=quote, safe="")


def sign(secret: str, values: Mapping[str, object]) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.new(secret.encode(), text_to_sign(values).encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MekongPay(Gateway):
    """One merchant account. `plain_http_hosts` may be called without TLS, which only a sandbox needs."""

    code: ClassVar[str] = "mekongpay"
    secret_fields: ClassVar[frozenset[str]] = frozenset({"secret_key", "previous_secret_key"})
    proof_headers: ClassVar[tuple[str, ...]] = (HEADER,)

    merchant: str
    secret_key: str = field(repr=False)
    previous_secret_key: str = field(default="", repr=False)
    endpoint: str = "https://api.mekongpay.example"
    timeout_seconds: float = 30.0
    plain_http_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse settings that can only fail later. Raises ValueError naming the field, never its value."""
        addresses.checked("endpoint", self.endpoint, plain_http_hosts=self.plain_http_hosts)

    def reference(self, number: int, at: datetime) -> str:
        """26 characters of at most 40."""
        return ids.crockford(number)

    # --- paying ------------------------------------------------------------------------------------------------------

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open a payment. "Exists" means that an earlier try arrived: unknown, to be asked about."""
        if request.money.currency not in CURRENCIES:
            raise GatewayRejected(f"Mekong Pay takes VND and USD, not {request.money.currency}", code="currency")
        asked: dict[str, object] = {
            "order": request.reference,
            "amount": request.money.minor,
            "currency": request.money.currency,
            "description": request.description.encode(errors="replace").decode()[:120],
            "language": "vi" if request.locale.startswith("vi") else "en",
            "expires": int(request.expires_at.timestamp() * 1000),
            "return_url": request.return_url,
            "notify_url": request.notify_url,
        }
        told = self._call("create", "/v1/create", asked, CREATED)
        return Checkout(pay_url=str(told["pay_url"]), request=asked, response=told)

    # --- hearing -----------------------------------------------------------------------------------------------------

    def read_notification(self, message: HttpMessage) -> tuple[Report, ...]:
        """A result as JSON, its signature in a header (section 5)."""
        try:
            data = strict_json.read_object(message.body)
        except strict_json.InvalidJson as error:
            raise ReportInvalid(f"mekongpay: {error}") from error
        return (self._verified(data, message.headers.get(HEADER)),)

    def read_return(self, message: HttpMessage) -> Report:
        """The same fields in the query, where numbers are text."""
        try:
            pairs = parse_qsl(message.query, keep_blank_values=True, errors="strict", max_num_fields=64)
        except ValueError as error:
            raise ReportInvalid("mekongpay: the query cannot be read") from error
        data: dict[str, object] = dict(pairs)
        if len(data) != len(pairs):
            raise ReportInvalid("mekongpay: a parameter occurs twice")
        for name in NUMBERS:
            if not re.fullmatch(r"0|[1-9][0-9]{0,14}", str(data.get(name))):
                raise ReportInvalid(f"mekongpay: {name} is no whole number")
            data[name] = int(str(data[name]))
        return self._verified(data, data.get("signature"))

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """200 and its words for whatever was authentic; anything else makes Mekong Pay come again (section 5)."""
        if outcome is Acknowledgement.BAD_SIGNATURE:
            return HttpReply(400)
        if outcome is Acknowledgement.ERROR:
            return HttpReply(503)
        return HttpReply(200, json.dumps({"received": True}).encode())

    def _verified(self, data: Mapping[str, object], signature: object) -> Report:
        """The signed fields and no others."""
        values = {name: data.get(name) for name in RESULT}
        if not self._is_signed(values, signature):
            raise ReportInvalid("mekongpay: the signature does not hold")
        if values["merchant"] != self.merchant:
            raise ReportInvalid("mekongpay: the message is another merchant's")
        return _report(str(values["order"]), ReportAbout.PAYMENT, values)

    # --- asking ------------------------------------------------------------------------------------------------------

    def query(self, request: QueryRequest) -> Report:
        """Ask about a payment. Mekong Pay knows it from the create call on, so "not there" is a definite no."""
        try:
            told = self._call("query", "/v1/query", {"order": request.reference}, RESULT, safe=True)
        except GatewayRejected as refusal:
            return _unanswered(request.reference, ReportAbout.PAYMENT, refusal)
        return _report(request.reference, ReportAbout.PAYMENT, told)

    # --- refunds -----------------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund. The same reference may be sent again: it is answered as it stands."""
        asked: dict[str, object] = {
            "refund": request.reference,
            "paid_transaction": request.gateway_transaction_id,
            "amount": request.money.minor,
            "currency": request.money.currency,
        }
        return _report(request.reference, ReportAbout.REFUND, self._call("refund", "/v1/refund", asked, REFUNDED))

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund by its own id."""
        asked = {"refund": request.reference}
        try:
            told = self._call("refund_query", "/v1/refund/query", asked, REFUNDED, safe=True)
        except GatewayRejected as refusal:
            return _unanswered(request.reference, ReportAbout.REFUND, refusal)
        return _report(request.reference, ReportAbout.REFUND, told)

    # --- the wire ----------------------------------------------------------------------------------------------------

    def _call(
        self, operation: str, path: str, asked: Mapping[str, object], answer: tuple[str, ...], *, safe: bool = False
    ) -> dict[str, object]:
        """The answer's signed fields, which repeat what was asked. Raises GatewayRejected for a refusal, GatewayUnavailable for all else."""
        body = {"merchant": self.merchant, **asked}
        client = HttpClient(
            gateway=self.code,
            hosts=frozenset({urlsplit(self.endpoint).hostname or ""}),
            plain_http_hosts=frozenset(self.plain_http_hosts),
            timeouts=Timeouts(read=self.timeout_seconds, total=self.timeout_seconds),
        )
        reply = client.post_json(
            self.endpoint.rstrip("/") + path,
            lambda: {**body, "signature": sign(self.secret_key, body)},
            operation=operation,
            safe=safe,
        )
        code = reply.data.get("error")
        if reply.status == 400 and type(code) is int:
            if str(code) == EXISTS:  # an earlier try arrived, whose outcome we do not know
                raise GatewayUnavailable(f"mekongpay {operation}: {code}, it exists", code=EXISTS)
            raise GatewayRejected(f"mekongpay {operation}: {code}", code=str(code))
        told = {name: reply.data.get(name) for name in answer}
        if reply.status != 200 or not self._is_signed(told, reply.data.get("signature")):
            raise GatewayUnavailable(f"mekongpay {operation}: HTTP {reply.status}, not signed", code="signature")
        if any(told[name] != body[name] for name in told.keys() & body.keys()):
            raise GatewayUnavailable(f"mekongpay {operation}: the answer is about something else", code="echo")
        return told

    def _is_signed(self, values: Mapping[str, object], signature: object) -> bool:
        """Whether all are there, of their kinds, and signed with the present or the previous secret."""
        if not isinstance(signature, str) or not re.fullmatch(r"[0-9a-f]{64}", signature):
            return False
        if not all(_is_number(value) if name in NUMBERS else isinstance(value, str) for name, value in values.items()):
            return False
        keys = filter(None, (self.secret_key, self.previous_secret_key))
        return any(hmac.compare_digest(signature, sign(key, values)) for key in keys)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**14


def _report(reference: str, about: ReportAbout, values: Mapping[str, Any]) -> Report:
    """A result in our words. Money without its number or its amount is asked for again rather than booked."""
    status = STATUSES.get(values["result"], ReportStatus.UNKNOWN)
    money = Money(values["amount"], values["currency"]) if values["currency"] in CURRENCIES else None
    if status is ReportStatus.PAID and not (money and values["transaction"]):
        status = ReportStatus.UNKNOWN
    if status is ReportStatus.PROCESSING and about is ReportAbout.REFUND:
        status = ReportStatus.PENDING
    return Report(
        reference=reference,
        status=status,
        about=about,
        money=money,
        gateway_transaction_id=values["transaction"],
        occurred_at=datetime.fromtimestamp(values["time"] / 1000, tz=UTC),
        code=values["result"],
        raw=values,
    )


def _unanswered(reference: str, about: ReportAbout, refusal: GatewayRejected) -> Report:
    status = ReportStatus.NOT_FOUND if refusal.code == NOT_THERE else ReportStatus.UNKNOWN
    return Report(reference=reference, status=status, about=about, code=refusal.code, message=str(refusal))
