"""MoMo (Vietnam), payment gateway API v2 ("AIO v2").

Source of every rule here: MoMo's developer manual v3 (create, notification, query, refund, confirm, result codes) and
its published samples; where they disagree, what its sandbox was seen to sign. docs/gateways/momo.md tells the rest.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import parse_qsl

from config.core import ids, strict_json
from gateways import addresses
from gateways.base import Gateway
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.http import Reply
from gateways.momo import answers, captures, messages, refunds
from gateways.momo import codes as momo_codes
from gateways.momo import settlement as momo_settlement
from gateways.momo.calls import CREATE_PATH, QUERY_PATH, Calls
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, Report, ReportAbout, ReportStatus
from gateways.requests import CaptureRequest, CheckoutRequest, QueryRequest, RefundRequest
from gateways.settlement.lines import SettlementFile

log = logging.getLogger(__name__)

REQUEST_TYPES: Final = frozenset({"captureWallet", "payWithMethod", "payWithATM", "payWithCC"})
PRODUCTION_HOST: Final = "payment.momo.vn"
PUBLISHED_PARTNERS: Final = frozenset({"MOMO", "MOMOBKUN20180529"})  # their keys are in MoMo's public samples


@dataclass(frozen=True, slots=True, kw_only=True)
class MoMo(Gateway):
    """One MoMo merchant account.

    `endpoint` is the base address, or the whole address of the create call as older set-ups store it. `pay_hosts` are
    the domains a pay page may be on; `plain_http_hosts` may be called without TLS, which only a sandbox needs.
    `settlement_columns` is a ColumnMap as JSON; empty is momo_settlement.DEFAULT_COLUMNS.
    """

    code: ClassVar[str] = "momo"
    secret_fields: ClassVar[frozenset[str]] = frozenset(
        {"access_key", "secret_key", "previous_access_key", "previous_secret_key"}
    )

    partner_code: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    previous_access_key: str = field(default="", repr=False)
    previous_secret_key: str = field(default="", repr=False)
    endpoint: str = "https://test-payment.momo.vn"
    store_name: str = ""
    request_type: str = "captureWallet"
    timeout_seconds: float = 30.0
    pay_hosts: tuple[str, ...] = ("momo.vn",)
    plain_http_hosts: tuple[str, ...] = ()
    settlement_columns: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse settings that can only fail later. Raises ValueError naming the field."""
        for name in ("partner_code", "access_key", "secret_key"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty")
        host = addresses.checked("endpoint", self.endpoint, plain_http_hosts=self.plain_http_hosts)
        if host == PRODUCTION_HOST and self.partner_code in PUBLISHED_PARTNERS:
            raise ValueError("partner_code is one of MoMo's published test merchants, endpoint is production")
        if self.request_type not in REQUEST_TYPES:
            raise ValueError(f"request_type must be one of {', '.join(sorted(REQUEST_TYPES))}")
        if bool(self.previous_access_key) != bool(self.previous_secret_key):
            raise ValueError("previous_access_key and previous_secret_key belong together")
        momo_settlement.columns_of(self.settlement_columns)

    def reference(self, number: int, at: datetime) -> str:
        """26 characters: within the strictest limit we know for orderId (50) and its pattern."""
        return ids.crockford(number)

    # --- paying ------------------------------------------------------------------------------------------------------

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open a payment (manual: "create"). 40 and 41 mean that an earlier try arrived: unknown, to be queried."""
        request_type = request.channel or self.request_type
        if request_type not in REQUEST_TYPES:
            raise GatewayRejected(f"MoMo has no channel {request_type!r}", code="channel")
        body: dict[str, object] = {
            "partnerCode": self.partner_code,
            "requestId": f"{request.reference}-c",
            "amount": messages.vnd(request.money),
            "orderId": request.reference,
            "orderInfo": messages.free_text(request.description or request.reference),
            "redirectUrl": request.return_url,
            "ipnUrl": request.notify_url,
            "requestType": request_type,
            "extraData": "",
            "lang": messages.language(request.locale),
            "autoCapture": request.capture,
        }
        if self.store_name:
            body["storeName"] = self.store_name
        reply = self._calls.post(CREATE_PATH, messages.CREATE_REQUEST, lambda: body, operation="create")
        code = messages.result_code(reply.data)
        if code != 0:
            raise answers.refusal("create", reply, code)
        self._check_created(reply, body)
        return Checkout(
            pay_url=str(reply.data["payUrl"]),
            qr_text=messages.text_in(reply.data.get("qrCodeUrl")),
            deeplink=messages.text_in(reply.data.get("deeplink")),
            request=messages.masked(body),
            response=messages.masked(reply.data),
        )

    def _check_created(self, reply: Reply, body: Mapping[str, object]) -> None:
        """The answer is about our request and leads to MoMo, whether signed or not. Raises GatewayUnavailable."""
        data = reply.data
        answers.check_echo(
            reply,
            operation="create",
            expected={name: body[name] for name in ("partnerCode", "orderId", "requestId", "amount")},
        )
        if not self._may_send_customers_to(messages.text_in(data.get("payUrl"))):
            raise GatewayUnavailable(
                "momo create: payUrl is not on one of MoMo's hosts", code="pay_url", raw=messages.masked(data)
            )
        signature = data.get("signature")
        if signature and not self._signed(
            signature, (messages.CREATE_RESPONSE, messages.CREATE_RESPONSE_WITHOUT_MESSAGE), data
        ):
            # Public descriptions of this signature disagree and real answers carried none: worth a line, no more.
            log.warning("momo create: the answer for %s has a signature that fits no known variant", body["orderId"])

    def _may_send_customers_to(self, url: str) -> bool:
        return addresses.may_lead_to(
            url, endpoint=self.endpoint, pay_hosts=self.pay_hosts, plain_http_hosts=self.plain_http_hosts
        )

    # --- hearing -----------------------------------------------------------------------------------------------------

    def read_notification(self, message: HttpMessage) -> tuple[Report, ...]:
        """Read an IPN: a JSON body, signed over twelve of its fields (manual: "payment notification")."""
        try:
            data = strict_json.read_object(message.body)
        except strict_json.InvalidJson as error:
            raise ReportInvalid(f"momo: {error}") from error
        return (self._verified(messages.notification_fields(data, messages.json_number), data.get("signature")),)

    def read_return(self, message: HttpMessage) -> Report:
        """Read what the browser brought back: the IPN's fields and formula over the decoded query."""
        try:
            pairs = parse_qsl(message.query, keep_blank_values=True, errors="strict", max_num_fields=64)
        except ValueError as error:
            raise ReportInvalid("momo: the query cannot be read") from error
        data: dict[str, object] = dict(pairs)
        if len(data) != len(pairs):
            raise ReportInvalid("momo: a parameter occurs twice")
        return self._verified(messages.notification_fields(data, messages.query_number), data.get("signature"))

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """204 and nothing else for whatever was authentic (manual); 400 for a forgery; 503 asks MoMo to come again."""
        if outcome is Acknowledgement.BAD_SIGNATURE:
            return HttpReply(400)
        if outcome is Acknowledgement.ERROR:
            return HttpReply(503)
        return HttpReply(204)

    def _verified(self, values: Mapping[str, object], signature: object) -> Report:
        if not self._signed(signature, (messages.NOTIFICATION,), values):
            raise ReportInvalid("momo: the signature does not hold")
        if values["partnerCode"] != self.partner_code:
            raise ReportInvalid("momo: the message is about another partnerCode")
        return messages.payment_report(values, momo_codes.payment_status)

    # --- asking ------------------------------------------------------------------------------------------------------

    def query(self, request: QueryRequest) -> Report:
        """Ask about a payment; known refunds come along. UNKNOWN when MoMo's answer is that the question failed."""
        reference = request.reference
        reply = self._calls.ask(QUERY_PATH, reference, operation="query")
        code = messages.result_code(reply.data)
        if momo_codes.queried_status(code) in (ReportStatus.NOT_FOUND, ReportStatus.UNKNOWN):
            return answers.unanswered(reference, reply, code, about=ReportAbout.PAYMENT)
        answers.check_echo(reply, operation="query", expected={"partnerCode": self.partner_code, "orderId": reference})
        listed = tuple(answers.listed_refund(item) for item in answers.refund_items(reply))
        return messages.payment_report(answers.queried_fields(reply), momo_codes.queried_status, refunds=listed)

    # --- refunds -----------------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund. The same reference may be sent again: its requestId makes MoMo answer as before."""
        return refunds.refund(self._calls, request)

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund by its own id; where that does not tell, look for it in the purchase's list of refunds."""
        return refunds.query(self._calls, request)

    # --- authorise first ---------------------------------------------------------------------------------------------

    def capture(self, request: CaptureRequest) -> Report:
        """Take authorised money (manual: "confirm")."""
        return captures.confirm(self._calls, "capture", request)

    def cancel_authorization(self, request: CaptureRequest) -> Report:
        """Give authorised money free. The report's status is CANCELLED."""
        return captures.confirm(self._calls, "cancel", request)

    # --- settlement --------------------------------------------------------------------------------------------------

    def read_settlement(self, content: bytes, *, name: str) -> SettlementFile:
        """The lines of a file from MoMo's merchant portal, by this account's columns. Raises SettlementUnreadable."""
        return momo_settlement.read(content, name=name, settings=self.settlement_columns)

    # --- the wire ----------------------------------------------------------------------------------------------------

    @property
    def _calls(self) -> Calls:
        return Calls(
            partner_code=self.partner_code,
            access_key=self.access_key,
            secret_key=self.secret_key,
            endpoint=self.endpoint,
            timeout_seconds=self.timeout_seconds,
            plain_http_hosts=self.plain_http_hosts,
        )

    def _signed(self, signature: object, variants: Sequence[Sequence[str]], values: Mapping[str, object]) -> bool:
        """Whether the signature fits one of the variants under the present or the previous keys, in constant time."""
        if not isinstance(signature, str) or not messages.SIGNATURE.fullmatch(signature):
            return False
        keys = [(self.access_key, self.secret_key)]
        if self.previous_secret_key:
            keys.append((self.previous_access_key, self.previous_secret_key))
        expected = [
            messages.sign(secret, messages.text_to_sign(access, names, values))
            for access, secret in keys
            for names in variants
        ]
        return any(hmac.compare_digest(signature.encode(), one.encode()) for one in expected)
