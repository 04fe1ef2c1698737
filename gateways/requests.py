"""What we ask of a gateway: all that an adapter must know for one call, since it knows nothing of our database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from config.core.money import Money


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
class CloseRequest:
    """An opened payment that nobody shall pay any more. `operation_id` is this call's own idempotency key.

    `gateway_transaction_id` is what the gateway called the payment, "" where it never told.
    """

    reference: str
    operation_id: str
    money: Money
    created_at: datetime
    gateway_transaction_id: str = ""


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
