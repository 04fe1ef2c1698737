"""The one interface of all payment providers, and the words it speaks.

Frozen dataclasses go in and come out. An adapter speaks HTTP and Money, knows nothing of our database and changes
nothing of ours. Three errors say all that a caller must know; a `Report` is the one type in which an IPN, a return
page, a poll and a settlement file tell us the same truth.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

from config.core.money import Money


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

    `retry_after_seconds` is above zero where the gateway says that a *new* request may succeed later.
    """

    def __init__(
        self, message: str, *, code: str = "", raw: Mapping[str, object] | None = None, retry_after_seconds: int = 0
    ) -> None:
        super().__init__(message, code=code, raw=raw)
        self.retry_after_seconds = retry_after_seconds


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

    PENDING = "pending"
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
    refunds: tuple[Report, ...] = ()  # refunds of this payment that the same answer told of


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
    capture: bool = True  # False: authorise only, where the gateway can


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """Where the customer pays. `request` and `response` are masked and safe to store."""

    pay_url: str = ""
    qr_text: str = ""
    deeplink: str = ""
    gateway_transaction_id: str = ""
    request: Mapping[str, object] = field(default_factory=dict)
    response: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """A refund of a captured payment. `reference` is the refund's own, its idempotency key at the gateway."""

    reference: str
    payment_reference: str
    gateway_transaction_id: str
    money: Money
    captured: Money
    description: str
    locale: str
    requested_at: datetime


class Gateway(ABC):
    """One payment provider. A frozen dataclass of its own settings; its fields are the keys of a GatewayAccount."""

    code: ClassVar[str]
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    """Settings that are stored encrypted and never shown."""
    notifies: ClassVar[bool] = True
    """Whether the provider reports payments by itself; False for money that a person confirms (COD)."""

    @abstractmethod
    def reference(self, number: int, at: datetime) -> str:
        """What the provider calls our attempt or refund: pure, within its limits, unique while `number` is.

        `number` is the 128-bit number inside our id.
        """

    @abstractmethod
    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open a payment. Raises GatewayUnavailable (unknown) or GatewayRejected (a definite no)."""

    @abstractmethod
    def read_notification(self, message: HttpMessage) -> tuple[Report, ...]:
        """What an IPN says. Raises ReportInvalid unless its signature holds and it is this account's."""

    @abstractmethod
    def read_return(self, message: HttpMessage) -> Report:
        """What a browser's return says; shown, never believed. Raises ReportInvalid."""

    @abstractmethod
    def acknowledge(self, outcome: Acknowledgement) -> HttpReply:
        """The provider's own words back."""

    @abstractmethod
    def query(self, reference: str, *, created_at: datetime) -> Report:
        """Ask about an attempt. Raises GatewayUnavailable; never guesses."""


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
class Captures(Protocol):
    """A provider that can authorise first."""

    def capture(self, *, reference: str, operation_id: str, money: Money, description: str) -> Report:
        """Take authorised money. Raises GatewayUnavailable or GatewayRejected."""
        ...

    def cancel_authorization(self, *, reference: str, operation_id: str, money: Money, description: str) -> Report:
        """Give authorised money free. Raises GatewayUnavailable or GatewayRejected."""
        ...
