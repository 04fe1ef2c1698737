"""Xendit (South East Asia): invoices, which it also calls payment links, and the messages of its later generations.

Source of every rule here: Xendit's API reference and webhook pages, its official SDKs. Its webhooks prove no more than
that the sender knows a token, so whatever one tells is asked for again: docs/gateways/xendit.md tells the rest.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from config.core import ids, strict_json
from gateways import addresses, channels
from gateways.base import Gateway
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, CloseReport, DisputeReport, Report, ReportStatus
from gateways.requests import CheckoutRequest, CloseRequest, PayoutRequest, QueryRequest, RefundRequest
from gateways.settlement.lines import SettlementFile
from gateways.xendit import answers, closing, codes, messages, queries, returns, values
from gateways.xendit import payouts as xendit_payouts
from gateways.xendit import refunds as xendit_refunds
from gateways.xendit import settlement as xendit_settlement
from gateways.xendit.calls import Calls

PRODUCTION_HOST: Final = "api.xendit.co"
LIVE_KEY: Final = "xnd_production_"
TEST_KEY: Final = "xnd_development_"
PROOF_HEADER: Final = "x-callback-token"
LONGEST_INVOICE: Final = timedelta(days=365)
TRANSACTIONS_PER_PAGE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Xendit(Gateway):
    """One Xendit account. The key decides between test and live; the address is the same for both.

    `for_user_id` names a sub-account (xenPlatform), `country` (ISO 3166) narrows the catalogue of channels to the
    account's own. `pay_hosts` are the domains a pay page may be on; `plain_http_hosts` are for a sandbox only.
    """

    code: ClassVar[str] = "xendit"
    secret_fields: ClassVar[frozenset[str]] = frozenset({"secret_key", "webhook_token", "previous_webhook_token"})
    proof_headers: ClassVar[tuple[str, ...]] = (PROOF_HEADER,)

    secret_key: str = field(repr=False)
    webhook_token: str = field(repr=False)
    previous_webhook_token: str = field(default="", repr=False)
    endpoint: str = f"https://{PRODUCTION_HOST}"
    api_version: str = "2024-11-11"
    for_user_id: str = ""
    country: str = ""
    timeout_seconds: float = 30.0
    pay_hosts: tuple[str, ...] = ("xendit.co",)
    plain_http_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse settings that can only fail later. Raises ValueError naming the field."""
        if not self.secret_key.startswith((LIVE_KEY, TEST_KEY)) or not self.secret_key.isascii():
            raise ValueError(f"secret_key must begin with {LIVE_KEY} or {TEST_KEY}")
        if not self.webhook_token.strip():
            raise ValueError("webhook_token is empty: anybody's message would be as good as Xendit's")
        host = addresses.checked("endpoint", self.endpoint, plain_http_hosts=self.plain_http_hosts)
        if self.secret_key.startswith(LIVE_KEY) and (
            host != PRODUCTION_HOST or not self.endpoint.startswith("https://")
        ):
            raise ValueError(f"secret_key is a live key, endpoint is not https://{PRODUCTION_HOST}")

    def reference(self, number: int, at: datetime) -> str:
        """26 characters. Xendit does not keep `external_id` unique: that ours is, is what we rely on."""
        return ids.crockford(number)

    # --- paying ------------------------------------------------------------------------------------------------------

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open an invoice. Sent once: a second call would make a second live link, as Xendit has no key against it."""
        body = self._invoice(request)
        reply = self._calls.post("/v2/invoices", body, operation="create")
        if reply.status >= 400:
            raise answers.problem("create", reply)
        data = reply.data
        opened = messages.invoice_report(data)
        if (opened.reference, opened.money) != (request.reference, request.money):
            raise answers.odd("create", "the answer is about something else", reply)
        identifier, url = values.id_in(data.get("id")), values.text_in(data.get("invoice_url"))
        if not identifier or not self._may_send_customers_to(url):
            raise answers.odd("create", "no id, or invoice_url is not on one of Xendit's hosts", reply)
        return Checkout(
            pay_url=url,
            gateway_transaction_id=identifier,
            request=values.masked(body),
            response=values.masked(data),
        )

    def _invoice(self, request: CheckoutRequest) -> dict[str, object]:
        if request.money.currency not in messages.INVOICE_CURRENCIES:
            raise GatewayRejected(f"Xendit's invoices do not take {request.money.currency}", code="currency")
        if not request.capture:
            raise GatewayRejected("Xendit's invoices take money at once", code="capture")
        lifetime = min(request.expires_at - request.created_at, LONGEST_INVOICE)
        body: dict[str, object] = {
            "external_id": request.reference,
            "amount": values.major_units(request.money),
            "currency": request.money.currency,
            "description": values.free_text(request.description, limit=250) or request.reference,
            "invoice_duration": max(int(lifetime.total_seconds()), 1),
            "success_redirect_url": self._way_back(request, returns.PAID),
            "failure_redirect_url": self._way_back(request, returns.FAILED),
            "should_send_email": False,
        }
        if channel_codes := _codes(request.channel):
            body["payment_methods"] = channel_codes
        if request.locale.startswith("en"):
            body["locale"] = "en"  # other values are not confirmed; without one Xendit chooses by country
        customer = {
            "given_names": values.free_text(request.buyer_name, limit=200),
            "email": values.free_text(request.buyer_email, limit=200),
            "mobile_number": values.phone_in(request.buyer_phone),
        }
        if any(customer.values()):
            body["customer"] = {name: value for name, value in customer.items() if value}
        return body

    def _may_send_customers_to(self, url: str) -> bool:
        return addresses.may_lead_to(
            url, endpoint=self.endpoint, pay_hosts=self.pay_hosts, plain_http_hosts=self.plain_http_hosts
        )

    # --- coming back -------------------------------------------------------------------------------------------------

    def _way_back(self, request: CheckoutRequest, result: str) -> str:
        return returns.address(request.return_url, request.reference, result, token=self.webhook_token)

    def read_return(self, message: HttpMessage) -> Report:
        """Which payment a browser came back from. PENDING, whatever the address says: Xendit warns against believing
        it. The signature is ours and only shows that this browser was sent by an invoice of ours.
        """
        return returns.read(message.query, tokens=self._tokens)

    # --- hearing -----------------------------------------------------------------------------------------------------

    def read_notification(self, message: HttpMessage) -> tuple[Report | DisputeReport, ...]:
        """Read a webhook of any generation. The token shows who may send; the body is protected by nothing, so what
        is read here is a hint until `confirm` has asked.
        """
        if not any(proves(token, message.headers) for token in self._tokens):
            raise ReportInvalid("xendit: the callback token is not ours")
        try:
            data = strict_json.read_object(message.body)
        except strict_json.InvalidJson as error:
            raise ReportInvalid(f"xendit: {error}") from error
        return messages.told(data)

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """200 for whatever came with our token; 400 without it; 503 makes Xendit come again, up to six times."""
        if outcome is Acknowledgement.BAD_SIGNATURE:
            return HttpReply(400)
        if outcome is Acknowledgement.ERROR:
            return HttpReply(503)
        return HttpReply(200, b'{"received": true}')

    def confirm(self, report: Report) -> Report:
        """The API's own word on the object that a message named. Raises GatewayUnavailable: then it is tried again.

        An object that this account does not have makes the report UNKNOWN, which changes nothing: neither what a
        sample of the dashboard says nor what somebody with a stolen token made up.
        """
        kind, _, rest = report.event_id.partition("/")
        identifier = rest.partition("/")[0]
        if not identifier:
            return _unknown(report)
        if kind == messages.INVOICE:
            return queries.invoice(self._calls, identifier) or _unknown(report)
        if kind == messages.REFUND:
            return xendit_refunds.asked(self._calls, identifier) or _unknown(report)
        if kind == messages.PAYOUT:
            return xendit_payouts.asked(self._calls, identifier) or _unknown(report)
        if not returns.REFERENCE.fullmatch(report.reference):
            # An invoice's payment may be told a second time under a reference that Xendit made: not ours to book.
            return _unknown(report)
        if invoices := queries.invoices_of(self._calls, report.reference):
            return queries.one_answer(report.reference, invoices)
        if kind == messages.SESSION:
            return queries.session(self._calls, identifier) or _unknown(report)
        return queries.payment(self._calls, identifier) or _unknown(report)

    @property
    def _tokens(self) -> tuple[str, ...]:
        return tuple(token for token in (self.webhook_token, self.previous_webhook_token) if token)

    # --- asking ------------------------------------------------------------------------------------------------------

    def query(self, request: QueryRequest) -> Report:
        """Ask about an attempt: by the id that create told, or else for all invoices of its reference.

        Raises GatewayRejected where Xendit does not take our key.
        """
        try:
            return queries.query(self._calls, request)
        except GatewayUnavailable as error:
            if codes.refusal(error.code) is not codes.Refusal.AUTH_ERROR:
                raise
            raise GatewayRejected(str(error), code=error.code, raw=error.raw) from error

    def close(self, request: CloseRequest) -> CloseReport:
        """Expire the attempt's invoice."""
        return closing.close(self._calls, request)

    # --- refunds -----------------------------------------------------------------------------------------------------

    def can_refund(self, channel: str) -> bool:
        """Whether the catalogue lets money of this channel go back by the API. A page that offers many channels is
        tried; a channel that nobody listed is not.
        """
        return all(self._refundable(code) for code in _codes(channel))

    def _refundable(self, code: str) -> bool:
        rows = [one for one in channels.of(self.code) if code in (one.code, *one.spellings)]
        return any(one.refundable for one in rows if self.country in ("", one.country))

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund; the answer is PENDING and the end comes later. Its reference is the idempotency key."""
        return xendit_refunds.refund(self._calls, request)

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund by Xendit's id, or look for ours among those of its payment."""
        return xendit_refunds.query(self._calls, request)

    # --- payouts -----------------------------------------------------------------------------------------------------

    def create_payout(self, request: PayoutRequest) -> Report:
        """Send money to a bank account or wallet; the answer is PENDING and the end comes later. Its reference is the
        idempotency key, so that an unknown one may be sent again.
        """
        return xendit_payouts.create(self._calls, request)

    def query_payout(self, request: PayoutRequest) -> Report:
        """Ask about a payout by Xendit's id, or look for it by our reference."""
        return xendit_payouts.query(self._calls, request)

    # --- settlement --------------------------------------------------------------------------------------------------

    def read_settlement(self, content: bytes, *, name: str) -> SettlementFile:
        """A Transactions report, CSV or XLSX. Raises SettlementUnreadable naming row and column."""
        return xendit_settlement.read(content, name=name)

    def settlements(self, *, since: datetime, until: datetime) -> Iterator[SettlementFile]:
        """What moved the balance in that span, a file per day and currency. Raises GatewayUnavailable."""
        span = [("updated[gte]", _utc(since)), ("updated[lte]", _utc(until)), ("limit", str(TRANSACTIONS_PER_PAGE))]
        rows = list(self._calls.listed("/transactions", span, operation="transactions"))
        yield from xendit_settlement.files(rows)

    # --- the wire ----------------------------------------------------------------------------------------------------

    @property
    def _calls(self) -> Calls:
        return Calls(
            secret_key=self.secret_key,
            endpoint=self.endpoint,
            api_version=self.api_version,
            for_user_id=self.for_user_id,
            timeout_seconds=self.timeout_seconds,
            plain_http_hosts=self.plain_http_hosts,
        )


def proves(token: str, headers: Mapping[str, str]) -> bool:
    """Whether a message's token is the configured one, in constant time. No token proves nothing, an empty one least."""
    sent = headers.get(PROOF_HEADER, "")
    return bool(token) and hmac.compare_digest(sent.encode(errors="backslashreplace"), token.encode())


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _codes(channel: str) -> list[str]:
    """A method's channel: one of Xendit's codes, several by commas, none for all."""
    return [code.strip() for code in channel.split(",") if code.strip()]


def _unknown(report: Report) -> Report:
    return Report(reference=report.reference, status=ReportStatus.UNKNOWN, about=report.about, code="not_found")
