"""Lines of a journal before they are posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from config.core.money import Money
from ledger.chart import AccountRef


@dataclass(frozen=True, slots=True)
class Line:
    """A signed amount on an account: debit above zero, credit below."""

    account: AccountRef
    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A journal to be posted. `effective_on` is the business day of `occurred_at` unless given."""

    reference: str
    event: str
    lines: Sequence[Line]
    occurred_at: datetime
    subject: str = ""
    order_ref: str = ""
    actor: str = "system"
    reason: str = ""
    meta: Mapping[str, object] | None = None
    effective_on: date | None = None


def debit(account: AccountRef, money: Money) -> Line:
    """A debit. `money` is not negative; nothing at all is allowed and is dropped when posted."""
    assert money.minor >= 0, f"a debit is not negative: {money.minor}"
    return Line(account, money)


def credit(account: AccountRef, money: Money) -> Line:
    """A credit. `money` is not negative; nothing at all is allowed and is dropped when posted."""
    assert money.minor >= 0, f"a credit is not negative: {money.minor}"
    return Line(account, -money)
