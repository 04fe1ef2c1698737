"""ZaloPay (Vietnam), OpenAPI v2.

Source of every rule here: ZaloPay's manual of the v2 API (create, callback, redirect, query, refund, query refund), its
published samples and its own SDK; docs/gateways/zalopay.md tells where they disagree and what is not confirmed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import parse_qsl

from config.core import strict_json
from config.core.money import Money
from gateways import addresses
from gateways.base import Gateway
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, Report, ReportStatus
from gateways.requests import CheckoutRequest, QueryRequest, RefundRequest
from gateways.settlement.lines import SettlementFile
from gateways.zalopay import answers, messages, refunds
from gateways.zalopay import settlement as zalopay_settlement
from gateways.zalopay.calls import Calls
from gateways.zalopay.codes import DONE, Call, Verdict

PRODUCTION_HOST: Final = "openapi.zalopay.vn"
PUBLISHED_APPS: Final = frozenset({"2553", "2554"})  # their keys are in ZaloPay's public samples
CHANNELS: Final = frozenset(
    {"domestic_card", "account", "zalopay_wallet", "vietqr", "international_card", "bnpl", "applepay"}
)
"""What `preferred_payment_method` may name (manual: "embed_data")."""
SHORTEST_SECONDS, LONGEST_SECONDS = 300, 2_592_000
"""The life of an order at ZaloPay: 5 minutes to 30 days."""

_ANSWERS: Final = {
    Acknowledgement.BAD_SIGNATURE: (-1, "mac not equal"),
    Acknowledgement.ERROR: (0, "try again"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ZaloPay(Gateway):
    """One ZaloPay app. `key1` signs what we send, `key2` what ZaloPay sends.

    `app_user` stands for the payer, whom we do not name. `pay_hosts` are the domains a pay page may be on;
    `plain_http_hosts` may be called without TLS, which only a sandbox needs. `settlement_columns` is a ColumnMap as JSON;
    empty is zalopay_settlement.DEFAULT_COLUMNS.
    """

    code: ClassVar[str] = "zalopay"
    secret_fields: ClassVar[frozenset[str]] = frozenset({"key1", "key2", "previous_key1", "previous_key2"})

    app_id: str
    key1: str = field(repr=False)
    key2: str = field(repr=False)
    previous_key1: str = field(default="", repr=False)
    previous_key2: str = field(default="", repr=False)
    endpoint: str = "https://sb-openapi.zalopay.vn"
    app_user: str = "customer"
    timeout_seconds: float = 30.0
    pay_hosts: tuple[str, ...] = ("zalopay.vn",)
    plain_http_hosts: tuple[str, ...] = ()
    settlement_columns: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse settings that can only fail later. Raises ValueError naming the field."""
        for name in ("app_id", "key1", "key2", "app_user"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty")
        if not (self.app_id.isascii() and self.app_id.isdigit() and len(self.app_id) <= 11 and self.app_id[0] != "0"):
            raise ValueError(
                "app_id must be a whole number of at most 11 digits"
            )  # 11: m_refund_id holds 45 characters
        if len(self.app_user) > 50 or "|" in self.app_user:
            raise ValueError("app_user has at most 50 characters and no bar")
        host = addresses.checked("endpoint", self.endpoint, plain_http_hosts=self.plain_http_hosts)
        if host == PRODUCTION_HOST and self.app_id in PUBLISHED_APPS:
            raise ValueError("app_id is one of ZaloPay's published test apps, endpoint is production")
        zalopay_settlement.columns_of(self.settlement_columns)

    def reference(self, number: int, at: datetime) -> str:
        """33 of at most 40 characters, beginning with the Vietnamese date of `at` (manual: "app_trans_id")."""
        return messages.reference(number, at)

    # --- paying ------------------------------------------------------------------------------------------------------

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open an order (manual: "create order"). A duplicate means that an earlier try arrived: unknown, to be queried."""
        if request.channel and request.channel not in CHANNELS:
            raise GatewayRejected(f"ZaloPay has no channel {request.channel!r}", code="channel")
        life = int((request.expires_at - request.created_at).total_seconds())
        embedded: dict[str, object] = {"redirecturl": request.return_url}
        if request.channel:
            embedded["preferred_payment_method"] = [request.channel]
        body: dict[str, object] = {
            "app_id": int(self.app_id),
            "app_user": self.app_user,
            "app_trans_id": request.reference,
            "app_time": messages.milliseconds(request.created_at),
            "expire_duration_seconds": min(max(life, SHORTEST_SECONDS), LONGEST_SECONDS),
            "amount": messages.vnd(request.money),
            "description": messages.free_text(request.description or request.reference, messages.MAX_DESCRIPTION),
            "callback_url": request.notify_url,
            "item": "[]",
            # The text that is signed is the text that is sent: ZaloPay wants JSON inside a string.
            "embed_data": json.dumps(embedded, ensure_ascii=False, separators=(",", ":")),
            "bank_code": "",
        }
        data = self._calls.post(
            Call.CREATE, lambda values, key: messages.text_to_sign(messages.CREATE, values), lambda: body
        )
        verdict = messages.verdict(Call.CREATE, data)
        if verdict.return_code != DONE:
            raise answers.refusal(verdict, data)
        pay_url = messages.text_in(data.get("order_url"))
        if not self._may_send_customers_to(pay_url):
            raise GatewayUnavailable(
                "zalopay create: order_url is not on one of ZaloPay's hosts", code="pay_url", raw=messages.masked(data)
            )
        return Checkout(
            pay_url=pay_url,
            qr_text=messages.text_in(data.get("qr_code")),
            request=messages.masked(body),
            response=messages.masked(data),
        )

    def _may_send_customers_to(self, url: str) -> bool:
        return addresses.may_lead_to(
            url, endpoint=self.endpoint, pay_hosts=self.pay_hosts, plain_http_hosts=self.plain_http_hosts
        )

    # --- hearing -----------------------------------------------------------------------------------------------------

    def read_notification(self, message: HttpMessage) -> tuple[Report, ...]:
        """Read a callback (manual: "callback"): its `data` is signed as the text it is, and only then read.

        ZaloPay calls back for paid orders only. Data about no order (an agreement) does not concern us.
        """
        try:
            outer = strict_json.read_object(message.body)
        except strict_json.InvalidJson as error:
            raise ReportInvalid(f"zalopay: {error}") from error
        signed = outer.get("data")
        if not isinstance(signed, str) or not self._signed(outer.get("mac"), signed):
            raise ReportInvalid("zalopay: the mac does not hold")
        try:
            data = strict_json.read_object(signed.encode())
        except strict_json.InvalidJson as error:
            raise ReportInvalid(f"zalopay: data: {error}") from error
        if str(data.get("app_id")) != self.app_id:
            raise ReportInvalid("zalopay: the message is about another app_id")
        if "app_trans_id" not in data:
            return ()
        reference = data["app_trans_id"]
        if not messages.is_reference(reference):
            raise ReportInvalid("zalopay: app_trans_id is malformed")
        return (messages.payment_report(reference, ReportStatus.PAID, data, code=str(DONE)),)

    def read_return(self, message: HttpMessage) -> Report:
        """Read what the browser brought back (manual: "redirect"). It names neither transaction nor time.

        So a paid order is still PENDING here; the question that follows tells the rest.
        """
        try:
            pairs = parse_qsl(message.query, keep_blank_values=True, errors="strict", max_num_fields=64)
        except ValueError as error:
            raise ReportInvalid("zalopay: the query cannot be read") from error
        values = dict(pairs)
        if len(values) != len(pairs):
            raise ReportInvalid("zalopay: a parameter occurs twice")
        if not messages.is_redirect(values):
            raise ReportInvalid("zalopay: a parameter is missing or malformed")
        if not self._signed(values.get("checksum"), messages.text_to_sign(messages.REDIRECT, values)):
            raise ReportInvalid("zalopay: the checksum does not hold")
        if values["appid"] != self.app_id:
            raise ReportInvalid("zalopay: the message is about another appid")
        status = int(values["status"])
        told = ReportStatus.PENDING if status == DONE else Verdict.of(Call.QUERY, status, 0).status
        return Report(
            reference=values["apptransid"],
            status=told,
            money=Money(int(values["amount"]), "VND"),
            code=values["status"],
            raw=messages.masked(dict(values)),
        )

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """1 for whatever was authentic, also a second time: in one manual 2 is "duplicate", in the other "failure".

        Below zero for a bad mac; 0 asks ZaloPay to call again, which it does up to three times.
        """
        code, text = _ANSWERS.get(outcome, (1, "success"))
        return HttpReply(200, json.dumps({"return_code": code, "return_message": text}).encode())

    def _signed(self, mac: object, text: str) -> bool:
        """Whether the mac fits under the present or the previous key2, in constant time."""
        if not isinstance(mac, str) or not messages.MAC.fullmatch(mac):
            return False
        expected = [messages.sign(key, text) for key in (self.key2, self.previous_key2) if key]
        return any(hmac.compare_digest(mac, one) for one in expected)

    # --- asking ------------------------------------------------------------------------------------------------------

    def query(self, request: QueryRequest) -> Report:
        """Ask about an order (manual: "query order"). UNKNOWN where ZaloPay's answer is that the question failed."""
        asked = {"app_id": int(self.app_id), "app_trans_id": request.reference}
        data = self._calls.post(Call.QUERY, messages.query_text, lambda: asked, safe=True)
        verdict = messages.verdict(Call.QUERY, data)
        return messages.payment_report(request.reference, verdict.status, data, code=verdict.code)

    # --- refunds -----------------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund (manual: "refund"). The usual answer is PENDING. The same refund may be sent again."""
        return refunds.refund(self._calls, request)

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund (manual: "query refund"), under the id of each day on which it may have been sent."""
        return refunds.query(self._calls, request)

    # --- settlement --------------------------------------------------------------------------------------------------

    def read_settlement(self, content: bytes, *, name: str) -> SettlementFile:
        """The lines of a file of ZaloPay's. Raises SettlementUnreadable."""
        return zalopay_settlement.read(content, name=name, settings=self.settlement_columns, app_id=self.app_id)

    # --- the wire ----------------------------------------------------------------------------------------------------

    @property
    def _calls(self) -> Calls:
        return Calls(
            app_id=self.app_id,
            key1=self.key1,
            previous_key1=self.previous_key1,
            endpoint=self.endpoint,
            timeout_seconds=self.timeout_seconds,
            plain_http_hosts=self.plain_http_hosts,
        )
