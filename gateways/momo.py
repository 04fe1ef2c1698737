"""MoMo (Vietnam), payment gateway API v2 ("AIO v2").

Source of every rule here: MoMo's developer manual v3 (create, notification, query, refund, confirm, result codes) and
its published samples; where they disagree, what its sandbox was seen to sign. docs/gateways/momo.md tells the rest.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from config.core import ids, strict_json
from gateways import addresses, momo_codes, momo_settlement
from gateways import momo_answers as answers
from gateways import momo_messages as messages
from gateways.base import Gateway
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.http import HttpClient, Reply, Timeouts
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, Report, ReportAbout, ReportStatus
from gateways.requests import CaptureRequest, CheckoutRequest, QueryRequest, RefundRequest
from gateways.settlement import SettlementFile

log = logging.getLogger(__name__)

CREATE_PATH: Final = "/v2/gateway/api/create"
QUERY_PATH: Final = "/v2/gateway/api/query"
REFUND_PATH: Final = "/v2/gateway/api/refund"
REFUND_QUERY_PATH: Final = "/v2/gateway/api/refund/query"
CONFIRM_PATH: Final = "/v2/gateway/api/confirm"
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
        reply = self._post(CREATE_PATH, messages.CREATE_REQUEST, lambda: body, operation="create")
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
        reply = self._ask(QUERY_PATH, reference, operation="query")
        code = messages.result_code(reply.data)
        if momo_codes.queried_status(code) in (ReportStatus.NOT_FOUND, ReportStatus.UNKNOWN):
            return answers.unanswered(reference, reply, code, about=ReportAbout.PAYMENT)
        answers.check_echo(reply, operation="query", expected={"partnerCode": self.partner_code, "orderId": reference})
        refunds = tuple(answers.listed_refund(item) for item in answers.refund_items(reply))
        return messages.payment_report(answers.queried_fields(reply), momo_codes.queried_status, refunds=refunds)

    def _ask(self, path: str, order_id: str, *, operation: str) -> Reply:
        def question() -> dict[str, object]:
            request_id = ids.crockford(ids.uuid7_int())  # MoMo wants a new one for every question
            return {"partnerCode": self.partner_code, "requestId": request_id, "orderId": order_id, "lang": "en"}

        return self._post(path, messages.QUERY_REQUEST, question, operation=operation, safe=True)

    # --- refunds -----------------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund. The same reference may be sent again: its requestId makes MoMo answer as before.

        40, 41 and 1081 may mean that an earlier try arrived, so MoMo is asked before anybody is told no. 1080 is
        rejected with `retry_after_seconds`: a new refund, with a new reference, may work then.
        """
        body: dict[str, object] = {
            "partnerCode": self.partner_code,
            "orderId": request.reference,
            "requestId": f"{request.reference}-r",
            "amount": messages.vnd(request.money),
            "transId": int(request.gateway_transaction_id),
            "lang": messages.language(request.locale),
            "description": messages.free_text(request.description),
        }
        reply = self._post(REFUND_PATH, messages.REFUND_REQUEST, lambda: body, operation="refund")
        code = messages.result_code(reply.data)
        status = momo_codes.refund_status(code)
        if status in (ReportStatus.PAID, ReportStatus.PENDING):
            answers.check_echo(
                reply,
                operation="refund",
                expected={"partnerCode": self.partner_code, "orderId": request.reference, "amount": body["amount"]},
            )
            return answers.refund_report(request.reference, reply.data)
        if code in (40, 41, 1081):
            return self._refund_after_all(request, reply, code)
        raise answers.refusal("refund", reply, code)

    def _refund_after_all(self, request: RefundRequest, reply: Reply, code: int) -> Report:
        report = self.query_refund(request)
        if report.status in (ReportStatus.PAID, ReportStatus.PENDING):
            return report
        if code == 1081 and report.status in (ReportStatus.NOT_FOUND, ReportStatus.FAILED):
            raise answers.refusal("refund", reply, code)
        raise GatewayUnavailable("momo refund: an earlier try arrived and is not listed yet", code=str(code))

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund by its own id; where that does not tell, look for it in the purchase's list of refunds.

        The manual leaves open which id the refund query takes, so NOT_FOUND needs the purchase's word.
        """
        reply = self._ask(REFUND_QUERY_PATH, request.reference, operation="refund_query")
        found = self._find_refund(reply, request)
        if found is not None:
            return found
        purchase = self._ask(QUERY_PATH, request.payment_reference, operation="query")
        code = messages.result_code(purchase.data)
        for item in answers.refund_items(purchase):
            if item.get("orderId") == request.reference:
                return answers.listed_refund(item)
        if momo_codes.queried_status(code) is not ReportStatus.PAID:
            return answers.unanswered(
                request.reference, purchase, code, about=ReportAbout.REFUND, status=ReportStatus.UNKNOWN
            )
        answers.check_echo(
            purchase,
            operation="query",
            expected={"partnerCode": self.partner_code, "orderId": request.payment_reference},
        )
        status = ReportStatus.NOT_FOUND if messages.result_code(reply.data) in (0, 42) else ReportStatus.UNKNOWN
        return answers.unanswered(
            request.reference, reply, messages.result_code(reply.data), about=ReportAbout.REFUND, status=status
        )

    def _find_refund(self, reply: Reply, request: RefundRequest) -> Report | None:
        items = answers.refund_items(reply)
        for item in items:
            if item.get("orderId") == request.reference:
                return answers.listed_refund(item)
        about_it = reply.data.get("orderId") == request.reference and reply.data.get("partnerCode") == self.partner_code
        if items or not about_it or messages.number_in(reply.data.get("amount")) != request.money.minor:
            return None
        report = answers.refund_report(request.reference, reply.data)
        return None if report.status is ReportStatus.UNKNOWN else report

    # --- authorise first ---------------------------------------------------------------------------------------------

    def capture(self, request: CaptureRequest) -> Report:
        """Take authorised money (manual: "confirm")."""
        return self._confirm("capture", request)

    def cancel_authorization(self, request: CaptureRequest) -> Report:
        """Give authorised money free. The report's status is CANCELLED."""
        return self._confirm("cancel", request)

    def _confirm(self, request_type: str, request: CaptureRequest) -> Report:
        body: dict[str, object] = {
            "partnerCode": self.partner_code,
            "requestId": request.operation_id,
            "orderId": request.reference,
            "requestType": request_type,
            "amount": messages.vnd(request.money),
            "lang": "en",
            "description": messages.free_text(request.description),
        }
        reply = self._post(CONFIRM_PATH, messages.CONFIRM_REQUEST, lambda: body, operation=request_type)
        code = messages.result_code(reply.data)
        if code == 40:
            raise GatewayUnavailable(f"momo {request_type}: an earlier try arrived, ask for its outcome", code="40")
        if momo_codes.payment_status(code) not in (ReportStatus.PAID, ReportStatus.PENDING):
            raise answers.refusal(request_type, reply, code)
        answers.check_echo(
            reply,
            operation=request_type,
            expected={"partnerCode": self.partner_code, "orderId": request.reference, "amount": request.money.minor},
        )
        report = messages.payment_report(answers.queried_fields(reply), momo_codes.payment_status)
        if request_type == "cancel" and code == 0:
            return Report(
                reference=request.reference,
                status=ReportStatus.CANCELLED,
                money=request.money,
                code=report.code,
                raw=report.raw,
            )
        return report

    # --- settlement --------------------------------------------------------------------------------------------------

    def read_settlement(self, content: bytes, *, name: str) -> SettlementFile:
        """The lines of a file from MoMo's merchant portal, by this account's columns. Raises SettlementUnreadable."""
        return momo_settlement.read(content, name=name, settings=self.settlement_columns)

    # --- the wire ----------------------------------------------------------------------------------------------------

    def _post(
        self,
        path: str,
        names: Sequence[str],
        make_body: Callable[[], Mapping[str, object]],
        *,
        operation: str,
        safe: bool = False,
    ) -> Reply:
        def signed() -> dict[str, object]:
            body = dict(make_body())
            body["signature"] = messages.sign(self.secret_key, messages.text_to_sign(self.access_key, names, body))
            return body

        client = HttpClient(
            gateway=self.code,
            hosts=frozenset({self._host}),
            plain_http_hosts=frozenset(self.plain_http_hosts),
            timeouts=Timeouts(read=self.timeout_seconds, total=self.timeout_seconds),
        )
        return client.post_json(
            self.endpoint.rstrip("/").removesuffix(CREATE_PATH) + path, signed, operation=operation, safe=safe
        )

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).hostname or ""

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
