"""What a gateway tells us.

A `Report` is the one type in which an IPN, a return page, a poll and a settlement file tell us the same truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from config.core.money import Money


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
    channel: str = field(default="", compare=False)  # by what it was paid, in the gateway's own word, where it told
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
class CardAnswer:
    """What came of it. `status` is the gateway's word, `next_action` where the cardholder must prove who they are.

    `client_secret` is for the payer's browser: it is handed on, never stored and never logged.
    """

    report: Report
    status: str = ""
    next_action: Mapping[str, object] | None = None
    client_secret: str = field(default="", repr=False)


class CloseOutcome(StrEnum):
    """What came of the wish that nobody pays a payment any more."""

    CLOSED = "closed"  # by this call: nobody can pay it from now on
    OVER = "over"  # it had ended without money before
    PAID = "paid"  # it was paid meanwhile
    STAYS = "stays"  # the payer has done their part and a bank still decides: it cannot be closed


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseReport:
    """What came of it, and what the gateway says of the payment now: believed like any other report."""

    outcome: CloseOutcome
    report: Report

    @staticmethod
    def instead(report: Report) -> CloseReport | None:
        """What a payment that the gateway did not close turned out to be; None where it can still be paid."""
        outcome = _INSTEAD.get(report.status)
        return CloseReport(outcome=outcome, report=report) if outcome else None


_INSTEAD: Final = {
    ReportStatus.PAID: CloseOutcome.PAID,
    ReportStatus.PROCESSING: CloseOutcome.STAYS,
    ReportStatus.AUTHORIZED: CloseOutcome.STAYS,
    ReportStatus.FAILED: CloseOutcome.OVER,
    ReportStatus.CANCELLED: CloseOutcome.OVER,
    ReportStatus.EXPIRED: CloseOutcome.OVER,
    ReportStatus.NOT_FOUND: CloseOutcome.OVER,
}
