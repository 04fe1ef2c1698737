"""VNPay (Vietnam), PAY API 2.1.0.

Source of every rule here: VNPay's manual of PAY 2.1.0, its page on querydr and refund, and its technical specification
where marked PDF. docs/gateways/vnpay.md tells the rest, and what of it is not confirmed.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from config.core import ids
from gateways import addresses
from gateways.base import Gateway
from gateways.errors import ReportInvalid
from gateways.http import HttpClient, Reply, Timeouts
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, Report, ReportAbout, ReportStatus
from gateways.requests import CheckoutRequest, QueryRequest, RefundRequest
from gateways.settlement.lines import SettlementFile
from gateways.vnpay import answers, codes, messages
from gateways.vnpay import settlement as vnpay_settlement

PAY_PATH: Final = "/paymentv2/vpcpay.html"
API_PATH: Final = "/merchant_webapi/api/transaction"
SANDBOX_HOST: Final = "sandbox.vnpayment.vn"
INVENTED_TERMINALS: Final = frozenset({"SHOPTST1", "SHOPTST2"})  # in our tests and sandbox; their secrets are public
_TERMINAL: Final = re.compile(r"[0-9A-Za-z]{8}")
_ORDER_TYPE: Final = re.compile(r"other|[0-9]{6}")

REPLIES: Final[Mapping[Acknowledgement, tuple[str, str]]] = {
    Acknowledgement.ACCEPTED: ("00", "Confirm Success"),
    Acknowledgement.DUPLICATE: ("02", "Order already confirmed"),
    Acknowledgement.UNKNOWN_ORDER: ("01", "Order not found"),
    Acknowledgement.WRONG_AMOUNT: ("04", "Invalid amount"),
    Acknowledgement.BAD_SIGNATURE: ("97", "Invalid signature"),
    Acknowledgement.ERROR: ("99", "Unknown error"),
}
"""What VNPay reads (manual: IPN). It comes again after all but 00 and 02; a recorded failure is 00 as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VNPay(Gateway):
    """One VNPay terminal.

    `pay_url` and `api_url` are whole addresses as VNPay hands them over; a base without a path gets the sandbox's path.
    `server_ip` is our own address, told with every call. `plain_http_hosts` may be called without TLS, which only a
    sandbox needs. The address of the IPN is no setting of ours: it is registered in VNPay's portal. `settlement_columns` is
    a ColumnMap as JSON; empty is vnpay_settlement.DEFAULT_COLUMNS.
    """

    code: ClassVar[str] = "vnpay"
    calls_to_open: ClassVar[bool] = False
    refund_reference_lasts: ClassVar[timedelta | None] = timedelta(minutes=5)  # 94: then it is another refund
    secret_fields: ClassVar[frozenset[str]] = frozenset({"hash_secret", "previous_hash_secret"})

    tmn_code: str
    hash_secret: str = field(repr=False)
    previous_hash_secret: str = field(default="", repr=False)
    pay_url: str = f"https://{SANDBOX_HOST}{PAY_PATH}"
    api_url: str = f"https://{SANDBOX_HOST}{API_PATH}"
    server_ip: str = "127.0.0.1"
    order_type: str = "other"
    timeout_seconds: float = 30.0
    plain_http_hosts: tuple[str, ...] = ()
    settlement_columns: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse settings that can only fail later. Raises ValueError naming the field."""
        if not _TERMINAL.fullmatch(self.tmn_code):
            raise ValueError("tmn_code must be 8 letters and digits")
        if not self.hash_secret:
            raise ValueError("hash_secret is empty")
        for name in ("pay_url", "api_url"):
            self._check_address(name, str(getattr(self, name)))
        hosts = {urlsplit(self.pay_url).hostname, urlsplit(self.api_url).hostname}
        if SANDBOX_HOST in hosts and len(hosts) > 1:
            raise ValueError("pay_url and api_url belong together: only one of them is VNPay's sandbox")
        if self.tmn_code in INVENTED_TERMINALS and any("vnpay" in (host or "") for host in hosts):
            raise ValueError("tmn_code is one of our sandbox's, pay_url and api_url are VNPay's")
        try:
            ipaddress.ip_address(self.server_ip)
        except ValueError:
            raise ValueError("server_ip is no address") from None
        if not _ORDER_TYPE.fullmatch(self.order_type):
            raise ValueError("order_type must be other or six digits")
        if not self.timeout_seconds > 0:
            raise ValueError("timeout_seconds must be above zero")
        vnpay_settlement.columns_of(self.settlement_columns)

    def _check_address(self, name: str, url: str) -> None:
        addresses.checked(name, url, plain_http_hosts=self.plain_http_hosts)
        parts = urlsplit(url)
        if parts.query or parts.fragment:
            raise ValueError(f"{name} must end with its path")

    def reference(self, number: int, at: datetime) -> str:
        """26 characters: unique for ever where VNPay wants it per day (vnp_TxnRef 100, vnp_RequestId 32)."""
        return ids.crockford(number)

    # --- paying ------------------------------------------------------------------------------------------------------

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Sign the address of the pay page (manual: "PAY"). No call is made: VNPay learns of it when a browser comes.

        Raises GatewayRejected for what VNPay's page would refuse. `created_at` becomes vnp_CreateDate, by which VNPay
        knows the payment in later queries and refunds.
        """
        fields = {
            "vnp_Version": messages.VERSION,
            "vnp_Command": "pay",
            "vnp_TmnCode": self.tmn_code,
            "vnp_Amount": messages.wire_amount(request.money),
            "vnp_BankCode": messages.bank_code(request.channel),
            "vnp_CreateDate": messages.stamp(request.created_at),
            "vnp_ExpireDate": messages.stamp(request.expires_at),
            "vnp_CurrCode": "VND",
            "vnp_IpAddr": messages.ip_address(request.buyer_ip, otherwise=self._own_ip),
            "vnp_Locale": messages.language(request.locale),
            "vnp_OrderInfo": messages.plain_text(request.description, otherwise=request.reference),
            "vnp_OrderType": self.order_type,
            "vnp_ReturnUrl": messages.return_url(request.return_url),
            "vnp_TxnRef": request.reference,
        }
        text = messages.query_text(fields)
        address = _with_path(self.pay_url, PAY_PATH)
        return Checkout(
            pay_url=f"{address}?{text}&vnp_SecureHash={messages.sign(self.hash_secret, text)}",
            request=messages.masked({name: value for name, value in fields.items() if value}),
        )

    # --- hearing -----------------------------------------------------------------------------------------------------

    def read_notification(self, message: HttpMessage) -> tuple[Report, ...]:
        """Read an IPN: a GET whose query is signed (manual: "IPN")."""
        return (self._verified(message),)

    def read_return(self, message: HttpMessage) -> Report:
        """Read what the browser brought back: the IPN's fields and hash; what others added is ignored."""
        return self._verified(message)

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """Always HTTP 200; RspCode tells VNPay whether to come again."""
        code, text = REPLIES[outcome]
        return HttpReply(200, json.dumps({"RspCode": code, "Message": text}).encode())

    def _verified(self, message: HttpMessage) -> Report:
        try:
            pairs = parse_qsl(message.query, keep_blank_values=True, errors="strict", max_num_fields=64)
        except ValueError as error:
            raise ReportInvalid("vnpay: the query cannot be read") from error
        values = messages.notification_fields(pairs)
        texts = (messages.query_text(values), messages.query_text_as_it_came(message.query))
        if not messages.is_signed(values.get("vnp_SecureHash"), self._secrets, texts):
            raise ReportInvalid("vnpay: the hash does not hold")
        if values.get("vnp_TmnCode") != self.tmn_code:
            raise ReportInvalid("vnpay: the message is about another vnp_TmnCode")
        messages.check_notification(values)
        code, state = values.get("vnp_ResponseCode", ""), values.get("vnp_TransactionStatus", "")
        return answers.told_payment(values, code=code, state=state)

    # --- asking ------------------------------------------------------------------------------------------------------

    def query(self, request: QueryRequest) -> Report:
        """Ask about a payment (querydr). UNKNOWN when VNPay's answer is that the question failed or shows a refund.

        91 is what VNPay says of a payment whose page nobody has opened: pending as long as the link can be used.
        """
        reply, code = self._ask(request.reference, request.created_at, operation="query")
        if code == "91":
            is_open = request.expires_at is not None and datetime.now(UTC) < request.expires_at
            status = ReportStatus.PENDING if is_open else ReportStatus.NOT_FOUND
            return answers.unanswered(request.reference, reply, code, about=ReportAbout.PAYMENT, status=status)
        if code != codes.SUCCESS:
            return answers.unanswered(request.reference, reply, code, about=ReportAbout.PAYMENT)
        return answers.queried_payment(request.reference, reply)

    def _ask(self, reference: str, created_at: datetime, *, operation: str) -> tuple[Reply, str]:
        """The verified answer to a querydr about a payment, and its response code. Raises GatewayUnavailable."""

        def question() -> dict[str, str]:
            return {
                "vnp_RequestId": ids.crockford(ids.uuid7_int()),  # VNPay wants a new one for every question
                "vnp_Version": messages.VERSION,
                "vnp_Command": "querydr",
                "vnp_TmnCode": self.tmn_code,
                "vnp_TxnRef": reference,
                "vnp_OrderInfo": f"Query {reference}",
                "vnp_TransactionDate": messages.stamp(created_at),
                "vnp_CreateDate": messages.stamp(datetime.now(UTC)),
                "vnp_IpAddr": self._own_ip,
            }

        reply = self._post(messages.QUERY_REQUEST, question, operation=operation, safe=True)
        code = answers.verified_code(reply, messages.QUERY_RESPONSE, self._secrets, operation=operation)
        if code == codes.SUCCESS:
            expected = {"vnp_TmnCode": self.tmn_code, "vnp_TxnRef": reference}
            answers.check_echo(reply, operation=operation, expected=expected)
        return reply, code

    # --- refunds -----------------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund; accepted is PENDING (05), as the money returns later. Send it once.

        VNPay knows no refund id of ours: vnp_RequestId only keeps the same request from counting twice within five
        minutes (94, which is no "no": GatewayUnavailable). Raises GatewayRejected for a definite no.
        """
        body = {
            "vnp_RequestId": request.reference,
            "vnp_Version": messages.VERSION,
            "vnp_Command": "refund",
            "vnp_TmnCode": self.tmn_code,
            "vnp_TransactionType": answers.FULL_REFUND if request.is_full else answers.PARTIAL_REFUND,
            "vnp_TxnRef": request.payment_reference,
            "vnp_Amount": messages.wire_amount(request.money),
            "vnp_TransactionNo": request.gateway_transaction_id,
            "vnp_TransactionDate": messages.stamp(request.paid_at),
            "vnp_CreateBy": messages.user_name(request.requested_by),
            "vnp_CreateDate": messages.stamp(request.at or datetime.now(UTC)),
            "vnp_IpAddr": self._own_ip,
            "vnp_OrderInfo": messages.plain_text(request.description, otherwise=f"Refund {request.reference}"),
        }
        reply = self._post(messages.REFUND_REQUEST, lambda: body, operation="refund")
        code = answers.verified_code(reply, messages.REFUND_RESPONSE, self._secrets, operation="refund")
        if code != codes.SUCCESS:
            raise answers.refusal(reply, code)
        echoed = ("vnp_Command", "vnp_TmnCode", "vnp_TxnRef", "vnp_Amount", "vnp_TransactionType")
        answers.check_echo(reply, operation="refund", expected={name: body[name] for name in echoed})
        return answers.refund_report(request, reply)

    def query_refund(self, request: RefundRequest) -> Report:
        """Look for a refund in the answer to a querydr of its purchase; there is no query of refunds.

        Never NOT_FOUND: that VNPay shows something else does not prove that it has no such refund.
        """
        reply, code = self._ask(request.payment_reference, request.paid_at, operation="refund_query")
        if code != codes.SUCCESS:
            return answers.unanswered(request.reference, reply, code, about=ReportAbout.REFUND)
        return answers.queried_refund(request, reply)

    # --- settlement --------------------------------------------------------------------------------------------------

    def read_settlement(self, content: bytes, *, name: str) -> SettlementFile:
        """The lines of a file of VNPay's, by this account's columns. Raises SettlementUnreadable."""
        return vnpay_settlement.read(content, name=name, settings=self.settlement_columns)

    # --- the wire ----------------------------------------------------------------------------------------------------

    def _post(
        self,
        names: Sequence[str],
        make_body: Callable[[], Mapping[str, str]],
        *,
        operation: str,
        safe: bool = False,
    ) -> Reply:
        def signed() -> dict[str, object]:
            body: dict[str, object] = dict(make_body())
            body["vnp_SecureHash"] = messages.sign(self.hash_secret, messages.pipe_text(names, body))
            return body

        address = _with_path(self.api_url, API_PATH)
        client = HttpClient(
            gateway=self.code,
            hosts=frozenset({urlsplit(address).hostname or ""}),
            plain_http_hosts=frozenset(self.plain_http_hosts),
            timeouts=Timeouts(read=self.timeout_seconds, total=self.timeout_seconds),
        )
        return client.post_json(address, signed, operation=operation, safe=safe)

    @property
    def _secrets(self) -> tuple[str, ...]:
        """The present secret, and during a rotation the one before it."""
        return (self.hash_secret, self.previous_hash_secret) if self.previous_hash_secret else (self.hash_secret,)

    @property
    def _own_ip(self) -> str:
        return messages.ip_address(self.server_ip, otherwise="127.0.0.1")


def _with_path(url: str, path: str) -> str:
    """The address with VNPay's usual path where it has none."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + path
