"""Fiuu (formerly Razer Merchant Services, MOLPay): cards, online banking, wallets and cash in South-East Asia.

Source of every rule here: Fiuu's API specification 13.39 (section numbers in the functions), its public samples and
plugins. docs/gateways/fiuu.md tells what of it is not confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import urlsplit

from config.core import ids
from gateways import addresses, channels
from gateways.base import Gateway
from gateways.errors import GatewayRejected
from gateways.fiuu import captures, messages, queries, settlement_calls, signing
from gateways.fiuu import channel_status as fiuu_channel_status
from gateways.fiuu import hearing as fiuu_hearing
from gateways.fiuu import page as fiuu_page
from gateways.fiuu import refunds as fiuu_refunds
from gateways.fiuu import settlement as fiuu_settlement
from gateways.fiuu.calls import Calls
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, DisputeReport, Report
from gateways.requests import CaptureRequest, CheckoutRequest, QueryRequest, RefundRequest
from gateways.settlement.lines import SettlementFile

PRODUCTION: Final = ("https://pay.fiuu.com", "https://api.fiuu.com")
SANDBOX: Final = ("https://sandbox-payment.fiuu.com", "https://sandbox-api.fiuu.com")
PRODUCTION_HOSTS: Final = frozenset({"pay.fiuu.com", "api.fiuu.com"})
SANDBOX_HOSTS: Final = frozenset({"sandbox-payment.fiuu.com", "sandbox-api.fiuu.com"})
ECHO: Final = "/RMS/API/chkstat/returnipn.php"
TOKEN: Final = b"CBTOKEN:MPSTATOK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fiuu(Gateway):
    """One Fiuu merchant account.

    `sandbox` picks the standard hosts; `pay_endpoint` and `api_endpoint` overrule them. `settlement_token_key` is "secret" or
    "verify": the sources disagree about which key signs the settlement report.
    """

    code: ClassVar[str] = "fiuu"
    calls_to_open: ClassVar[bool] = False
    secret_fields: ClassVar[frozenset[str]] = frozenset({"verify_key", "secret_key", "previous_secret_key"})
    proof_headers: ClassVar[tuple[str, ...]] = ("x-fiuu-signature",)

    merchant_id: str
    verify_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    previous_secret_key: str = field(default="", repr=False)
    sandbox: bool = True
    pay_endpoint: str = ""
    api_endpoint: str = ""
    vcode_extended: bool = True
    authorize_first: bool = False
    ipn_enabled: bool = False
    query_all_payments: bool = True
    refund_notify_url: str = ""
    settlement_token_key: str = "secret"  # noqa: S105 - names a key, is none
    timeout_seconds: float = 30.0
    plain_http_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse settings that can only fail later. Raises ValueError naming the field."""
        for name in ("merchant_id", "verify_key", "secret_key"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty")
        if self.verify_key == self.secret_key:
            raise ValueError("verify_key and secret_key are the same: they sign different messages")
        for name, address in (("pay_endpoint", self._pay), ("api_endpoint", self._api)):
            addresses.checked(name, address, plain_http_hosts=self.plain_http_hosts)
        self._check_mode()
        if self.settlement_token_key not in ("secret", "verify"):
            raise ValueError("settlement_token_key must be secret or verify")

    def _check_mode(self) -> None:
        """A sandbox account begins with SB_, a developer's ends with _Dev; real money and play never mix."""
        hosts = {urlsplit(self._pay).hostname, urlsplit(self._api).hostname}
        if hosts & PRODUCTION_HOSTS and hosts & SANDBOX_HOSTS:
            raise ValueError("pay_endpoint and api_endpoint are one of production and one of the sandbox")
        if self.merchant_id.startswith("SB_") and hosts & PRODUCTION_HOSTS:
            raise ValueError("merchant_id is a sandbox account, the endpoints are production")
        if not self.merchant_id.startswith("SB_") and not self.merchant_id.endswith("_Dev") and hosts & SANDBOX_HOSTS:
            raise ValueError("merchant_id is a live account, the endpoints are the sandbox")

    def reference(self, number: int, at: datetime) -> str:
        """26 characters: within orderid's 32, and always as many, which a signature without separators needs."""
        return ids.crockford(number)

    def can_refund(self, channel: str) -> bool:
        """Not for online banking and cash: Fiuu then wants the customer's bank details, which we send it from no form.

        A channel nobody listed, or one chosen on the hosted page, is tried: Fiuu says no where it cannot (PR014).
        """
        known = channels.find(self.code, channel)
        return known is None or known.refundable is not False

    # --- paying ------------------------------------------------------------------------------------------------------

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """The address of the hosted page (2a). Nothing is sent: Fiuu learns of the order when the customer opens it."""
        amount = messages.amount_text(request.money)
        if not request.capture and not self.authorize_first:
            raise GatewayRejected("this account is not set up to authorise first", code="capture")
        signed = {
            "amount": amount,
            "orderid": request.reference,
            "currency": request.money.currency,
            "vcode": self._vcode(amount, request),
        }
        url = fiuu_page.address(self._pay, self.merchant_id, request, signed=signed, authorize=self.authorize_first)
        if len(url) > fiuu_page.MAX_ADDRESS:
            raise GatewayRejected("the pay address would be too long", code="address")
        return Checkout(pay_url=url, request=messages.masked({**signed, "channel": request.channel}))

    def embedded_checkout(self, request: CheckoutRequest) -> Mapping[str, str]:
        """The fields of Fiuu's script for a page of the shop's own (2b), and where the script is."""
        amount = messages.amount_text(request.money)
        fields = fiuu_page.seamless_fields(self.merchant_id, request, amount=amount, vcode=self._vcode(amount, request))
        version = "latest" if self.sandbox else "3.28"
        return {**fields, "script_url": self._pay + fiuu_page.SCRIPT.format(version=version)}

    def has_channel(self, code: str) -> bool:
        """Whether the catalogue lists this code."""
        return channels.find(self.code, code) is not None

    def _vcode(self, amount: str, request: CheckoutRequest) -> str:
        currency = request.money.currency if self.vcode_extended else ""
        return signing.vcode(amount, self.merchant_id, request.reference, self.verify_key, currency)

    # --- hearing -----------------------------------------------------------------------------------------------------

    def read_notification(self, message: HttpMessage) -> tuple[Report, ...]:
        """Read a notification or callback (4), the result of a refund (6.1), or a reference system's JSON."""
        return fiuu_hearing.read(self._calls, message)

    def read_return(self, message: HttpMessage) -> Report:
        """Read what the browser posted: the notification's fields and hash (3). It is shown, never believed."""
        return fiuu_hearing.read_return(self._calls, message)

    def confirm(self, report: Report) -> Report | DisputeReport:
        """Ask about what a message alone does not prove: a refusal, a refund's end, an order that is none of ours."""
        return fiuu_hearing.confirm(self._calls, report, authorize_first=self.authorize_first)

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """The token in plain text for whatever was authentic (4.3); 400 for a forgery, 503 asks Fiuu to come again."""
        if outcome is Acknowledgement.BAD_SIGNATURE:
            return HttpReply(400)
        if outcome is Acknowledgement.ERROR:
            return HttpReply(503)
        if message is not None and "json" in message.headers.get("content-type", ""):
            return HttpReply(200, b'{"received": true}')
        return HttpReply(200, TOKEN, "text/plain")

    def echo(self, message: HttpMessage) -> None:
        """Where "IPN" is switched on in Fiuu's portal, it wants a notification's fields back with treq=1 (4.3)."""
        if not self.ipn_enabled or "json" in message.headers.get("content-type", ""):
            return
        fields = messages.form_fields(message.body)
        if fields.get("nbcb") == "1" or "RefID" in fields:  # a callback is content with the token
            return
        self._calls.client.post_form(
            self._pay + ECHO, lambda: {**fields, "treq": "1"}, operation="echo", safe=True, read=lambda body: {}
        )

    # --- asking ------------------------------------------------------------------------------------------------------

    def query(self, request: QueryRequest) -> Report:
        """Ask about an order (5), and about every payment of it: a customer can pay one order by two channels."""
        return queries.query(self._calls, request, with_others=self.query_all_payments)

    # --- refunds -----------------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund (6.1). Its RefID is used once and for all, so a repeated try is answered by its state."""
        return fiuu_refunds.refund(self._calls, request, notify_url=self.refund_notify_url)

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund by its RefID. The answer names no amount: a RefID stands for one."""
        return fiuu_refunds.query(self._calls, request)

    # --- authorise first ---------------------------------------------------------------------------------------------

    def capture(self, request: CaptureRequest) -> Report:
        """Take authorised money (6.3). What an earlier try may have done is asked about."""
        return captures.capture(self._calls, request)

    def cancel_authorization(self, request: CaptureRequest) -> Report:
        """Give authorised money free: the whole of it (6.2). The report's status is CANCELLED."""
        return captures.cancel(self._calls, request)

    # --- settlement --------------------------------------------------------------------------------------------------

    def read_settlement(self, content: bytes, *, name: str) -> SettlementFile:
        """The lines of a settlement report (9.2), JSON or CSV. Raises SettlementUnreadable."""
        return fiuu_settlement.read(content, name=name, merchant=self.merchant_id)

    def settlements(self, *, since: datetime, until: datetime) -> Iterator[SettlementFile]:
        """The report of each Malaysian day that the span touches, oldest first. Raises GatewayUnavailable."""
        key = self.secret_key if self.settlement_token_key == "secret" else self.verify_key  # noqa: S105 - a name
        return settlement_calls.files(self._calls, key=key, since=since, until=until)

    # --- channels ----------------------------------------------------------------------------------------------------

    def channel_status(self, *, at: datetime) -> tuple[channels.ChannelState, ...]:
        """What this account has switched on and whether it is up, asked once. Raises GatewayUnavailable."""
        fields = fiuu_channel_status.question(self.merchant_id, self.verify_key, at)
        url = self._pay + fiuu_channel_status.PATH
        reply = self._calls.client.post_form(url, lambda: fields, operation=fiuu_channel_status.OPERATION)
        return fiuu_channel_status.read(reply.data)

    # --- the wire ----------------------------------------------------------------------------------------------------

    @property
    def _calls(self) -> Calls:
        return Calls(
            merchant=self.merchant_id,
            verify_key=self.verify_key,
            secret_keys=self._secret_keys,
            pay=self._pay,
            api=self._api,
            timeout_seconds=self.timeout_seconds,
            plain_http_hosts=self.plain_http_hosts,
        )

    @property
    def _pay(self) -> str:
        return (self.pay_endpoint or (SANDBOX if self.sandbox else PRODUCTION)[0]).rstrip("/")

    @property
    def _api(self) -> str:
        return (self.api_endpoint or (SANDBOX if self.sandbox else PRODUCTION)[1]).rstrip("/")

    @property
    def _secret_keys(self) -> tuple[str, ...]:
        return tuple(key for key in (self.secret_key, self.previous_secret_key) if key)
