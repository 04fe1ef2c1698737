"""Reading the books. Balances are Money on the account's normal side: what a shop may be paid is above zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from config.core.money import Money
from ledger import chart
from ledger.chart import AccountRef
from ledger.models import JournalEntry
from ledger.statements import StatementLine, StatementPage, statement

__all__ = [
    "CashFlowRow",
    "ShopBalances",
    "StatementLine",
    "StatementPage",
    "TrialBalance",
    "TrialBalanceRow",
    "balance",
    "balance_at",
    "balance_on",
    "balances",
    "cash_flow",
    "journals_of",
    "shop_balances",
    "statement",
    "trial_balance",
]


@dataclass(frozen=True, slots=True)
class TrialBalanceRow:
    """One account of a trial balance: its turnover, and what is left on one side."""

    code: str
    kind: str
    currency: str
    debits_minor: int
    credits_minor: int

    @property
    def balance_minor(self) -> int:
        """Signed: debit above zero."""
        return self.debits_minor - self.credits_minor

    @property
    def debit(self) -> Money:
        """The balance when it is a debit, else nothing."""
        return Money(max(self.balance_minor, 0), self.currency)

    @property
    def credit(self) -> Money:
        """The balance when it is a credit, else nothing."""
        return Money(max(-self.balance_minor, 0), self.currency)


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every account that is not zero, by currency and code; `totals` are (debit, credit) per currency and must be equal."""

    rows: tuple[TrialBalanceRow, ...]
    totals: dict[str, tuple[Money, Money]]

    @property
    def is_balanced(self) -> bool:
        """Whether debits equal credits in every currency."""
        return all(debit == credit for debit, credit in self.totals.values())


@dataclass(frozen=True, slots=True)
class ShopBalances:
    """What a shop sees (LEDGER.md 5): `pending` includes escrow, `available` excludes what is held."""

    pending: Money
    available: Money
    in_payout: Money
    reserved: Money
    debt: Money


@dataclass(frozen=True, slots=True)
class CashFlowRow:
    """Money in and out of one gateway, carrier or bank account on one business day."""

    day: date
    code: str
    owner_type: str
    owner_id: str
    cash_in: Money
    cash_out: Money

    @property
    def net(self) -> Money:
        """In less out."""
        return self.cash_in - self.cash_out


def balance(account: AccountRef, currency: str) -> Money:
    """The balance now; nothing for an account that nobody has used."""
    return _balance(account, currency, "ledger_balance_now(a.id)")


def balance_at(account: AccountRef, currency: str, booked_at: datetime) -> Money:
    """The balance as it stood at a moment, by booking time, that moment included."""
    return _balance(account, currency, "ledger_balance_at(a.id, %s)", booked_at)


def balance_on(account: AccountRef, currency: str, effective_on: date) -> Money:
    """The balance at the end of a business day, by effective date, whenever it was booked."""
    return _balance(account, currency, "ledger_balance_on(a.id, %s)", effective_on)


def balances(accounts: Iterable[AccountRef], currency: str) -> dict[str, Money]:
    """The balances now of several accounts of one currency, by code, in one query."""
    wanted = {ref.code: ref for ref in accounts}
    rows = dict(
        _rows(
            "SELECT a.code, ledger_balance_now(a.id) FROM ledger_account a"
            " WHERE a.code = ANY(%s::text[]) AND a.currency = %s",
            (list(wanted), currency),
        )
    )
    return {code: _on_normal_side(ref, rows.get(code, 0), currency) for code, ref in wanted.items()}


def trial_balance(as_of: date | None = None) -> TrialBalance:
    """Every account that is not zero: now, or at the end of a business day by effective date. One query."""
    rows = tuple(
        TrialBalanceRow(code, kind, currency, int(debit), int(credit))
        for code, kind, currency, debit, credit in _rows(
            "SELECT a.code, a.kind, a.currency, t.debit, t.credit FROM ledger_trial_balance(%s::date) t"
            " JOIN ledger_account a ON a.id = t.account_id WHERE t.debit <> t.credit"
            ' ORDER BY a.currency, a.code COLLATE "C"',
            (as_of,),
        )
    )
    totals: dict[str, tuple[Money, Money]] = {}
    for row in rows:
        debit, credit = totals.get(row.currency, (Money.zero(row.currency), Money.zero(row.currency)))
        totals[row.currency] = (debit + row.debit, credit + row.credit)
    return TrialBalance(rows, totals)


def journals_of(*, subject: str | None = None, order_ref: str | None = None) -> QuerySet[JournalEntry]:
    """The journals about one object or one order, oldest first."""
    assert (subject is None) != (order_ref is None), "ask by subject or by order"
    found = JournalEntry.objects.order_by("booked_at", "pk")
    return found.filter(subject=subject) if subject is not None else found.filter(order_ref=order_ref)


def shop_balances(shop_id: str, currency: str) -> ShopBalances:
    """What a shop has, in one query: pending, available less holds, in payout, reserved, debt."""
    escrow, pending = chart.escrow(shop_id), chart.shop_pending(shop_id)
    available, in_payout = chart.shop_available(shop_id), chart.shop_in_payout(shop_id)
    reserve, dispute_hold = chart.shop_reserve(shop_id), chart.shop_dispute_hold(shop_id)
    receivable = chart.shop_receivable(shop_id)
    wanted = (escrow, pending, available, in_payout, reserve, dispute_hold, receivable)
    rows = _rows(
        "SELECT a.code, ledger_balance_now(a.id), coalesce(b.hold_debit, 0) FROM ledger_account a"
        " LEFT JOIN ledger_balance b ON b.account_id = a.id WHERE a.code = ANY(%s::text[]) AND a.currency = %s",
        ([ref.code for ref in wanted], currency),
    )
    signed = {code: int(amount) for code, amount, _ in rows}
    held = {code: int(amount) for code, _, amount in rows}

    def owed(*refs: AccountRef) -> Money:
        return Money(-sum(signed.get(ref.code, 0) for ref in refs), currency)

    return ShopBalances(
        pending=owed(escrow, pending),
        available=owed(available) - Money(held.get(available.code, 0), currency),
        in_payout=owed(in_payout),
        reserved=owed(reserve, dispute_hold),
        debt=-owed(receivable),
    )


def cash_flow(
    first: date, last: date, owner_types: Sequence[str] = ("gateway", "carrier", "bank")
) -> list[CashFlowRow]:
    """Cash in and out per business day and gateway, carrier or bank account, both days included (ACCEPTANCE A14)."""
    return [
        CashFlowRow(day, code, owner_type, owner_id, Money(int(debit), currency), Money(int(credit), currency))
        for day, code, owner_type, owner_id, currency, debit, credit in _rows(
            "SELECT t.day, a.code, a.owner_type, a.owner_id, a.currency, t.debit, t.credit"
            " FROM ledger_daily_turnover(%s::text[], %s, %s) t JOIN ledger_account a ON a.id = t.account_id"
            " WHERE a.kind = 'A' ORDER BY t.day, a.code, a.currency",
            (list(owner_types), first, last),
        )
    ]


def _balance(account: AccountRef, currency: str, call: str, *parameters: object) -> Money:
    rows = _rows(
        f"SELECT {call} FROM ledger_account a WHERE a.code = %s AND a.currency = %s",  # noqa: S608 - a literal of ours
        (*parameters, account.code, currency),
    )
    return _on_normal_side(account, rows[0][0] if rows else 0, currency)


def _on_normal_side(account: AccountRef, signed: Any, currency: str) -> Money:
    return Money(int(signed) if account.is_debit_normal else -int(signed), currency)


def _rows(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
