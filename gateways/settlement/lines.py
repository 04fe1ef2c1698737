"""What a gateway's settlement file says, line by line, in one shape for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from config.core.money import Money


class SettlementUnreadable(Exception):
    """A file that is not what it claims to be. `row` counts from 1 as a spreadsheet shows it; 0 is the whole file."""

    def __init__(self, message: str, *, row: int = 0, column: str = "") -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class LineKind(StrEnum):
    """What a settlement line is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    FEE = "fee"
    ADJUSTMENT = "adjustment"
    RESERVE = "reserve"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementLine:
    """One movement of our balance at the gateway. Signs as our balance feels them: a payment is positive, a refund
    negative; `gross - fee = net`, where `fee` (its VAT included) is positive when it was taken from us.

    `reference` is ours (attempt or refund), `gateway_transaction_id` the gateway's; a line has at least one of them,
    except fees, adjustments and payouts. `dispute_id` is the gateway's own number of a dispute, where its lines have
    one; the other two then name the disputed payment. `raw` is the row as it was read.
    """

    row: int
    kind: LineKind
    gross: Money
    fee: Money
    net: Money
    reference: str = ""
    gateway_transaction_id: str = ""
    dispute_id: str = ""
    occurred_at: datetime | None = None
    settled_on: date | None = None
    description: str = ""
    raw: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementFile:
    """One file or payout. `number` is the gateway's own (its payout or batch), unique per account where it has one.

    `total` is what the gateway says it pays out, None where the file does not tell.
    """

    number: str
    lines: tuple[SettlementLine, ...]
    settled_on: date | None = None
    total: Money | None = None
