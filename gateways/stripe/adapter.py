"""Stripe, API version 2026-10-28.endive: hosted pages (Checkout Sessions) and PaymentIntents for a page of one's own.

Source of every rule here: Stripe's API reference and documentation pages of 2026. docs/gateways/stripe.md tells the rest
and what is not confirmed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from config.core import ids, strict_json
from gateways import addresses
from gateways.base import Gateway
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.http import HttpClient, Timeouts
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import CardAnswer, Checkout, CloseReport, DisputeReport, Report, ReportStatus
from gateways.requests import (
    CaptureRequest,
    CardRequest,
    CheckoutRequest,
    CloseRequest,
    Evidence,
    QueryRequest,
    RefundRequest,
)
from gateways.settlement.lines import SettlementFile
from gateways.stripe import closing, disputes, events, messages, payments, refunds, settlements
from gateways.stripe.calls import Calls, segment
from gateways.stripe.codes import TEST_TOKENS

CHECKOUT: Final = "checkout"
PAYMENT_INTENT: Final = "payment_intent"
CHANNELS: Final = ("", CHECKOUT, PAYMENT_INTENT)
"""A hosted page of Stripe's ("" and checkout), or a PaymentIntent whose card form is on a page of the shop's."""
HOST: Final = "api.stripe.com"
FILES_HOST: Final = "files.stripe.com"
SANDBOX_KEY: Final = "sk_test_sandbox"
"""How the secret keys of our payment sandbox begin."""
SESSION_MINUTES: Final = 31
"""A session must live for 30 minutes from when Stripe makes it; one more for the way there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe(Gateway):
    """One Stripe account in one mode: the secret key says whether it is live or test.

    `pay_hosts` are the domains a hosted page may be on; `plain_http_hosts` may be called without TLS, which only a
    sandbox needs.
    """

    code: ClassVar[str] = "stripe"
    refund_reference_lasts: ClassVar[timedelta | None] = timedelta(hours=24)  # an Idempotency-Key is kept no less
    secret_fields: ClassVar[frozenset[str]] = frozenset({"secret_key", "webhook_secret", "previous_webhook_secret"})
    proof_headers: ClassVar[tuple[str, ...]] = ("stripe-signature",)
    card_channel: ClassVar[str] = PAYMENT_INTENT

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    previous_webhook_secret: str = field(default="", repr=False)
    publishable_key: str = ""
    endpoint: str = f"https://{HOST}"
    api_version: str = "2026-10-28.endive"
    timeout_seconds: float = 30.0
    pay_hosts: tuple[str, ...] = ("stripe.com",)
    plain_http_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse settings that can only fail later. Raises ValueError naming the field."""
        if not self.secret_key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
            raise ValueError("secret_key must begin with sk_test_, sk_live_, rk_test_ or rk_live_")
        for name in ("webhook_secret", "previous_webhook_secret"):
            value = getattr(self, name)
            if not value.startswith("whsec_") and (value or name == "webhook_secret"):
                raise ValueError(f"{name} must begin with whsec_")
        if self.publishable_key and not self.publishable_key.startswith("pk_live_" if self.is_live else "pk_test_"):
            raise ValueError("publishable_key is of the other mode than secret_key, or no publishable key")
        host = addresses.checked("endpoint", self.endpoint, plain_http_hosts=self.plain_http_hosts)
        if self.is_live and host != HOST:
            raise ValueError(f"secret_key is a live one, endpoint is not {HOST}")
        if self.secret_key.startswith(SANDBOX_KEY) and host == HOST:
            raise ValueError(f"secret_key is one of the payment sandbox, endpoint is {HOST}")

    @property
    def is_live(self) -> bool:
        """Whether the account moves real money."""
        return "_live_" in self.secret_key[:8]

    def reference(self, number: int, at: datetime) -> str:
        """26 characters, kept in the metadata of whatever is made for it."""
        return ids.crockford(number)

    # --- paying ------------------------------------------------------------------------------------------------------

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open a hosted page, or a PaymentIntent for a page of the shop's. Sent again, it finds what it opened."""
        if request.channel not in CHANNELS:
            raise GatewayRejected(f"Stripe has no channel {request.channel!r}", code="channel")
        if request.channel == PAYMENT_INTENT:
            return payments.open_intent(self._calls, request, livemode=self.is_live)
        # Stripe wants half an hour at least and a day at most; no clock of ours plays a part, as a repeated call must
        # say the same.
        earliest = request.created_at + timedelta(minutes=SESSION_MINUTES)
        latest = request.created_at + timedelta(hours=23, minutes=59)
        checkout = payments.open_session(
            self._calls,
            request,
            return_url=self._return_address(request.return_url, request.reference),
            expires_at=min(max(request.expires_at, earliest), latest),
            livemode=self.is_live,
        )
        if not self._may_send_customers_to(checkout.pay_url):
            raise GatewayUnavailable("stripe create: url is not on one of Stripe's hosts", code="pay_url")
        return checkout

    def confirm_card(self, request: CardRequest) -> CardAnswer:
        """Pay a PaymentIntent with a card's token (`pm_...`), as a server.

        A bank that wants to see the cardholder answers with `next_action`. Raises GatewayRejected for a refused card:
        its code is the decline code, `raw["decline"]` what the customer may know; GatewayUnavailable: unknown.
        """
        return_url = self._return_address(request.return_url, request.reference)
        return payments.confirm_card(self._calls, request, return_url=return_url)

    def look_at_card(self, request: CardRequest) -> CardAnswer:
        """What a PaymentIntent is waiting for. Raises GatewayUnavailable."""
        return payments.look_at_card(self._calls, request)

    def test_token(self, number: str) -> str | None:
        """The token of one of Stripe's test cards, "" for any other number; None where numbers are not taken at all."""
        return None if self.is_live or self._host == HOST else TEST_TOKENS.get(number, "")

    def client_secret_of(self, intent: str) -> str:
        """The secret by which a browser pays a PaymentIntent, asked for anew, as we keep none. Raises GatewayUnavailable
        or GatewayRejected."""
        answer = self._calls.get(f"/v1/payment_intents/{segment(intent)}", operation="query")
        return messages.text_in(answer.get("client_secret"))

    def _return_address(self, url: str, reference: str) -> str:
        tag = messages.return_tag(self.webhook_secret, reference)
        return f"{url}{'&' if '?' in url else '?'}{urlencode({'attempt': reference, 'tag': tag})}"

    def _may_send_customers_to(self, url: str) -> bool:
        return addresses.may_lead_to(
            url, endpoint=self.endpoint, pay_hosts=self.pay_hosts, plain_http_hosts=self.plain_http_hosts
        )

    # --- hearing -----------------------------------------------------------------------------------------------------

    def read_notification(self, message: HttpMessage) -> tuple[Report | DisputeReport, ...]:
        """Read a webhook: the signature is over the raw bytes, and no older than five minutes when it came."""
        header = message.headers.get("stripe-signature", "")
        at = message.received_at or datetime.now(UTC)
        if not messages.is_signed(header, message.body, self._webhook_secrets, at=at):
            raise ReportInvalid("stripe: the signature does not hold")
        try:
            event = events.event_of(strict_json.read_object(message.body), livemode=self.is_live)
            return events.read(event) if event else ()
        except (strict_json.InvalidJson, messages.Unreadable) as error:
            raise ReportInvalid(f"stripe: {error}") from error

    def read_return(self, message: HttpMessage) -> Report:
        """Which attempt a browser comes back from. Stripe signs nothing here: the mark is our own, and says no more."""
        try:
            pairs = parse_qsl(message.query, keep_blank_values=True, errors="strict", max_num_fields=64)
        except ValueError as error:
            raise ReportInvalid("stripe: the query cannot be read") from error
        data = dict(pairs)
        reference, tag = data.get("attempt", ""), data.get("tag", "")
        if len(data) != len(pairs) or not reference:
            raise ReportInvalid("stripe: the return names no attempt, or a parameter occurs twice")
        tags = [messages.return_tag(secret, reference) for secret in self._webhook_secrets]
        if not any(hmac.compare_digest(tag.encode(), good.encode()) for good in tags):
            raise ReportInvalid("stripe: the return is not from an address of ours")
        return Report(reference=reference, status=ReportStatus.PENDING)

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """200 for whatever was authentic; 400 for a forgery; 503 asks Stripe to come again (for up to three days)."""
        if outcome is Acknowledgement.BAD_SIGNATURE:
            return HttpReply(400)
        if outcome is Acknowledgement.ERROR:
            return HttpReply(503)
        return HttpReply(200, b'{"received": true}')

    # --- asking ------------------------------------------------------------------------------------------------------

    def query(self, request: QueryRequest) -> Report:
        """Ask about a payment by what Stripe called it, or look through what was opened around then."""
        return payments.query(self._calls, request)

    def close(self, request: CloseRequest) -> CloseReport:
        """Expire an open session, cancel a PaymentIntent."""
        return closing.close(self._calls, request)

    # --- refunds -----------------------------------------------------------------------------------------------------

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund; its reference is the idempotency key, so it may be sent again."""
        return refunds.refund(self._calls, request)

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund by its id, or look through the payment's refunds."""
        return refunds.query(self._calls, request)

    # --- authorise first ---------------------------------------------------------------------------------------------

    def capture(self, request: CaptureRequest) -> Report:
        """Take authorised money, all or a part; the rest is given free."""
        return payments.capture(self._calls, request)

    def cancel_authorization(self, request: CaptureRequest) -> Report:
        """Give authorised money free. The report's status is CANCELLED."""
        return payments.cancel(self._calls, request)

    # --- disputes ----------------------------------------------------------------------------------------------------

    def query_dispute(self, dispute_id: str) -> DisputeReport:
        """Ask about a dispute."""
        return disputes.query(self._calls, dispute_id)

    def submit_evidence(self, dispute_id: str, evidence: Evidence) -> DisputeReport:
        """Contest a dispute, once and for all: one document of each purpose, PDF, JPEG or PNG."""
        return disputes.submit(self._calls, dispute_id, evidence)

    def accept_dispute(self, dispute_id: str) -> DisputeReport:
        """Give a dispute up."""
        return disputes.accept(self._calls, dispute_id)

    # --- settlements -------------------------------------------------------------------------------------------------

    def settlements(self, *, since: datetime, until: datetime) -> Iterator[SettlementFile]:
        """Each payout created in that span that Stripe has itemised, oldest first. Ask again later for the others."""
        return settlements.payouts(self._calls, since=since, until=until)

    # --- the wire ----------------------------------------------------------------------------------------------------

    @property
    def _calls(self) -> Calls:
        endpoint = self.endpoint.rstrip("/")
        files = f"https://{FILES_HOST}" if self._host == HOST else endpoint
        return Calls(
            client=HttpClient(
                gateway=self.code,
                hosts=frozenset({self._host, urlsplit(files).hostname or ""}),
                plain_http_hosts=frozenset(self.plain_http_hosts),
                timeouts=Timeouts(read=self.timeout_seconds, total=self.timeout_seconds),
                max_reply_bytes=8_000_000,  # a page of a hundred objects, each with what hangs on it
            ),
            endpoint=endpoint,
            files_endpoint=files,
            secret_key=self.secret_key,
            api_version=self.api_version,
        )

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).hostname or ""

    @property
    def _webhook_secrets(self) -> list[str]:
        return [secret for secret in (self.webhook_secret, self.previous_webhook_secret) if secret]
