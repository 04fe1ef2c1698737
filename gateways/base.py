"""The one interface of all payment providers, and the words it speaks.

Frozen dataclasses go in and come out. An adapter speaks HTTP and Money, knows nothing of our database and changes
nothing of ours. Three errors say all that a caller must know; a `Report` is the one type in which an IPN, a return
page, a poll and a settlement file tell us the same truth.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

from config.core.money import Money
from gateways.channels import ChannelState
from gateways.settlement import SettlementFile


class GatewayError(Exception):
    """The root of what can go wrong between a gateway and us. Never shown to a customer as it is."""

    def __init__(self, message: str, *, code: str = "", raw: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.raw = dict(raw or {})


class GatewayUnavailable(GatewayError):
    """No usable answer: the outcome is unknown and must be asked for later, never guessed.

    `never_sent` is True only where no byte of the request can have reached the gateway (refused connection, DNS):
    then, and only then, the same request may be sent again.
    """

    def __init__(
        self, message: str, *, code: str = "", raw: Mapping[str, object] | None = None, never_sent: bool = False
    ) -> None:
        super().__init__(message, code=code, raw=raw)
        self.never_sent = never_sent


class GatewayRejected(GatewayError):
    """A definite no: nothing happened at the gateway, and nothing will.

    `retry_after_seconds` is above zero where the gateway says that a *new* request may succeed later. `by_payer`: the
    payer, their bank or their card said no, so that asking elsewhere at once would only bother them again.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        raw: Mapping[str, object] | None = None,
        retry_after_seconds: int = 0,
        by_payer: bool = False,
    ) -> None:
        super().__init__(message, code=code, raw=raw)
        self.retry_after_seconds = retry_after_seconds
        self.by_payer = by_payer


class ReportInvalid(GatewayError):
    """A message that proves nothing: bad signature, unreadable, another merchant's. We learned nothing."""


class ReportAbout(StrEnum):
    """What a report is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"


class ReportStatus(StrEnum):
    """What the gateway says of it, in our words."""

    PENDING = "pending"  # waiting, mostly for the payer
    PROCESSING = "processing"  # the payer has done their part: the gateway or a bank still decides
    AUTHORIZED = "authorized"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    NOT_FOUND = "not_found"  # the gateway does not know this reference (yet)
    UNKNOWN = "unknown"  # the question failed or the code is not in the gateway's table


class Acknowledgement(StrEnum):
    """How we took a notification; each gateway wants its own words for it."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_ORDER = "unknown_order"
    WRONG_AMOUNT = "wrong_amount"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMessage:
    """A request that came in, as it came: the signature is over the raw bytes."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    received_at: datetime | None = None  # when it came: a signature's age is counted to then, however late it is read


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What the gateway wants to hear back."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One gateway's word about one attempt, refund, dispute or payout.

    `reference` is ours (the attempt's or refund's gateway_reference). `money` is None where the gateway does not
    name an amount. `gateway_transaction_id` is the gateway's own number of the money movement, unique per merchant
    account; a PAID report always has one. `raw` is masked and safe to store in the clear.
    """

    reference: str
    status: ReportStatus
    about: ReportAbout = ReportAbout.PAYMENT
    money: Money | None = None
    gateway_transaction_id: str = ""
    occurred_at: datetime | None = None
    code: str = ""
    message: str = ""
    event_id: str = ""  # the gateway's own id of this message, where it has one
    raw: Mapping[str, object] = field(default_factory=dict)
    others: tuple[Report, ...] = ()  # more money by the same reference that the same answer told of
    refunds: tuple[Report, ...] = ()  # refunds of this payment that the same answer told of


class DisputeStatus(StrEnum):
    """Where a dispute stands at its gateway, in our words."""

    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeReport:
    """One gateway's word about one dispute.

    `dispute_id` is the gateway's own. The payment is named by `gateway_transaction_id` (the capture's) or by
    `reference` (the attempt's), whichever the gateway tells. `fee` is what it takes besides, in its own currency.
    `is_inquiry`: nobody has taken money yet, the cardholder's bank only asks. `respond_by` is the last moment for
    evidence. `withdrawn`: whether the gateway has taken the money from us; None where it does not say.
    """

    dispute_id: str
    status: DisputeStatus
    money: Money | None = None
    reference: str = ""
    gateway_transaction_id: str = ""
    fee: Money | None = None
    reason: str = ""  # the gateway's word
    is_inquiry: bool = False
    withdrawn: bool | None = None
    respond_by: datetime | None = None
    occurred_at: datetime | None = None
    event_id: str = ""
    raw: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRequest:
    """What an adapter needs to open a payment at its gateway."""

    reference: str
    money: Money
    description: str
    return_url: str
    notify_url: str
    locale: str  # "vi" or "en"
    created_at: datetime
    expires_at: datetime
    channel: str = ""
    buyer_name: str = ""
    buyer_email: str = ""
    buyer_phone: str = ""
    buyer_ip: str = ""
    country: str = ""  # ISO 3166 alpha-2 of the buyer, where it is known
    capture: bool = True  # False: authorise only, where the gateway can


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """Where the customer pays. `request` and `response` are masked and safe to store.

    `gateway_transaction_id` is what the gateway calls this try, if it told us already; a later query carries it.
    `client_secret` is for the payer's browser alone: it is handed on, never stored and never logged.
    """

    pay_url: str = ""
    qr_text: str = ""
    deeplink: str = ""
    gateway_transaction_id: str = ""
    client_secret: str = field(default="", repr=False)
    request: Mapping[str, object] = field(default_factory=dict)
    response: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRequest:
    """A question about an attempt. `gateway_transaction_id` is what the gateway called it, "" where it never told.

    Until `expires_at` a customer may still open the pay page: a gateway that learns of a payment only then has not
    heard of it yet, which is no definite no.
    """

    reference: str
    money: Money
    created_at: datetime
    gateway_transaction_id: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequest:
    """Authorised money to be taken or given free. `operation_id` is this wish's idempotency key at the gateway."""

    reference: str
    operation_id: str
    money: Money
    created_at: datetime
    description: str = ""
    gateway_transaction_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """A refund of a captured payment. `reference` is the refund's own, its idempotency key at the gateway.

    `gateway_refund_id` is what the gateway called it, "" before it told. `requested_by` is a person or client, as our
    audit trail names it. `at` is the moment of this call, for gateways that date their messages; None is now.
    """

    reference: str
    payment_reference: str
    gateway_transaction_id: str
    money: Money
    captured: Money
    description: str
    locale: str
    requested_at: datetime
    paid_at: datetime  # when the attempt that captured was created: some gateways want its date
    gateway_refund_id: str = ""
    requested_by: str = ""
    at: datetime | None = None
    has_twin: bool = False  # another refund of this payment has the same sum: some gateways cannot tell them apart

    @property
    def is_full(self) -> bool:
        """Whether this refund alone returns all that was captured."""
        return self.money == self.captured


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRequest:
    """Money of ours to be sent to somebody's account. `reference` is its idempotency key at the gateway.

    `channel` is the gateway's code of the bank or wallet. `gateway_payout_id` is what the gateway called it, "" before
    it told.
    """

    reference: str
    money: Money
    channel: str
    account_number: str = field(repr=False)
    account_holder: str = field(repr=False)
    description: str
    requested_at: datetime
    gateway_payout_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRequest:
    """An opened payment to be paid with a card's token. `operation_id` is this try's idempotency key at the gateway."""

    reference: str
    gateway_transaction_id: str
    payment_method: str
    operation_id: str
    return_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardAnswer:
    """What came of it. `status` is the gateway's word, `next_action` where the cardholder must prove who they are.

    `client_secret` is for the payer's browser: it is handed on, never stored and never logged.
    """

    report: Report
    status: str = ""
    next_action: Mapping[str, object] | None = None
    client_secret: str = field(default="", repr=False)


class Gateway(ABC):
    """One payment provider. A frozen dataclass of its own settings; its fields are the keys of a GatewayAccount."""

    code: ClassVar[str]
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    """Settings that are stored encrypted and never shown."""
    notifies: ClassVar[bool] = True
    """Whether the provider reports payments by itself; False for money that a person confirms (COD, bank transfer)."""
    asks_payer: ClassVar[bool] = True
    """Whether the customer pays by what we show (a page, a QR, an account); False for cash at the door."""
    has_short_references: ClassVar[bool] = False
    """Whether two references could be alike by chance: then a new one is looked up before it is given out."""
    proof_headers: ClassVar[tuple[str, ...]] = ()
    """Headers (lower case) that prove a notification: kept encrypted beside it, so that it can be verified again."""

    @abstractmethod
    def reference(self, number: int, at: datetime) -> str:
        """What the provider calls our attempt or refund: pure, within its limits, unique while `number` is.

        `number` is the 128-bit number inside our id.
        """

    @abstractmethod
    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open a payment. Raises GatewayUnavailable (unknown) or GatewayRejected (a definite no)."""

    @abstractmethod
    def read_notification(self, message: HttpMessage) -> tuple[Report | DisputeReport, ...]:
        """What an IPN says; nothing (an authentic message that does not concern us) is an empty tuple.

        Raises ReportInvalid unless its signature holds and it is this account's.
        """

    @abstractmethod
    def read_return(self, message: HttpMessage) -> Report:
        """What a browser's return says; shown, never believed. Raises ReportInvalid."""

    @abstractmethod
    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """The provider's own words back; `message` is what we answer, for those who want it back."""

    @abstractmethod
    def query(self, request: QueryRequest) -> Report:
        """Ask about an attempt. Raises GatewayUnavailable; never guesses."""

    def can_refund(self, channel: str) -> bool:
        """Whether money paid by this channel of a method can be sent back through the provider."""
        return isinstance(self, Refunds)


@runtime_checkable
class Refunds(Protocol):
    """A provider that can send money back."""

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund. Report.about is REFUND. Raises GatewayUnavailable (unknown) or GatewayRejected."""
        ...

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund. NOT_FOUND when the gateway surely has none by that reference."""
        ...


@runtime_checkable
class Payouts(Protocol):
    """A provider that sends our money to somebody's bank account or wallet."""

    def create_payout(self, request: PayoutRequest) -> Report:
        """Send it. Report.about is PAYOUT; PAID is when it arrived. Raises GatewayUnavailable (unknown: ask before it
        is sent again, and send it again by the same reference) or GatewayRejected (a definite no).
        """
        ...

    def query_payout(self, request: PayoutRequest) -> Report:
        """Ask about a payout; one that was PAID may still come back as FAILED. NOT_FOUND when the gateway surely has
        none by that reference. Raises GatewayUnavailable.
        """
        ...


@runtime_checkable
class Captures(Protocol):
    """A provider that can authorise first."""

    def capture(self, request: CaptureRequest) -> Report:
        """Take authorised money. Raises GatewayUnavailable or GatewayRejected."""
        ...

    def cancel_authorization(self, request: CaptureRequest) -> Report:
        """Give authorised money free. Raises GatewayUnavailable or GatewayRejected."""
        ...


@runtime_checkable
class Confirms(Protocol):
    """A provider whose notifications prove too little: what they tell is asked for again before it is believed."""

    def confirm(self, report: Report) -> Report | DisputeReport:
        """The provider's own word on what a message told; the report itself where nothing needs asking.

        What looked like a refusal may turn out to be a dispute. Raises GatewayUnavailable: then the message waits and
        is tried again.
        """
        ...


@runtime_checkable
class Echoes(Protocol):
    """A provider that wants its notification sent back to it, besides the answer."""

    def echo(self, message: HttpMessage) -> None:
        """Send it back, after it was committed. Raises GatewayUnavailable."""
        ...


@runtime_checkable
class Cards(Protocol):
    """A provider that charges a card by a token, which its own form made of the number."""

    card_channel: ClassVar[str]
    """The channel by which such a payment is opened."""

    def confirm_card(self, request: CardRequest) -> CardAnswer:
        """Pay with a token. Raises GatewayRejected: `by_payer` is a refused card, and `raw["decline"]` what its holder
        may know; GatewayUnavailable: unknown."""
        ...

    def look_at_card(self, request: CardRequest) -> CardAnswer:
        """What the payment is waiting for; the token plays no part. Raises GatewayUnavailable."""
        ...

    def test_token(self, number: str) -> str | None:
        """The token that stands for a test card's number, "" for any other; None where no number may be taken at all:
        anywhere but at a sandbox of ours."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A provider whose script opens its way to pay on a page of the shop's own."""

    def embedded_checkout(self, request: CheckoutRequest) -> Mapping[str, str]:
        """What the script wants of one attempt; for the customer only. Raises GatewayRejected."""
        ...

    def has_channel(self, code: str) -> bool:
        """Whether this is one of the ways to pay that the script knows."""
        ...


@runtime_checkable
class Disputes(Protocol):
    """A provider at which a dispute is answered by calls. Elsewhere it is answered by e-mail or in its portal."""

    def query_dispute(self, dispute_id: str) -> DisputeReport:
        """Ask about a dispute. Raises GatewayUnavailable or GatewayRejected."""
        ...

    def submit_evidence(self, dispute_id: str, evidence: Evidence) -> DisputeReport:
        """Contest a dispute, once and for all. Raises GatewayUnavailable or GatewayRejected."""
        ...

    def accept_dispute(self, dispute_id: str) -> DisputeReport:
        """Give a dispute up: the loss is ours. Raises GatewayUnavailable or GatewayRejected."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """A document for a dispute. `purpose` is one of our words: receipt, shipping, communication, policy, other."""

    name: str
    content_type: str
    content: bytes
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What we say against a dispute. `reference` is this submission's idempotency key."""

    reference: str
    text: str
    files: tuple[EvidenceFile, ...] = ()


@runtime_checkable
class TellsChannels(Protocol):
    """An adapter whose gateway tells which channels are up."""

    def channel_status(self, *, at: datetime) -> tuple[ChannelState, ...]:
        """Ask once, without trying again. Raises GatewayUnavailable."""
        ...


@runtime_checkable
class SettlementFiles(Protocol):
    """A provider whose settlement files we can read."""

    def read_settlement(self, content: bytes, *, name: str) -> SettlementFile:
        """The lines of a file. Raises SettlementUnreadable naming row and column. Reading it twice gives the same."""
        ...


@runtime_checkable
class SettlementApi(Protocol):
    """A provider that tells settlements by calls."""

    def settlements(self, *, since: datetime, until: datetime) -> Iterator[SettlementFile]:
        """Each payout of that span with its lines, oldest first. Raises GatewayUnavailable."""
        ...
