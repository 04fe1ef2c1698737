"""Holds: short reservations on strict accounts, such as a payout that waits for approval.

What waits for days is an account of its own, not a hold (docs/accounts.md). All join the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import IntegrityError, connection

from config.core.errors import NotFound
from config.core.money import Money
from ledger.accounts import open_accounts
from ledger.chart import AccountRef
from ledger.errors import HoldExhausted, InsufficientFunds, ReferenceReused
from ledger.lines import Entry
from ledger.posting import Posted, post_batch
from ledger.refusals import explained


@dataclass(frozen=True, slots=True)
class Held:
    """What placing a hold did."""

    hold_id: int
    is_new: bool


def lock_balances(accounts: Sequence[tuple[AccountRef, str]]) -> dict[tuple[str, str], Money]:
    """Lock strict accounts until the transaction ends; what can still be taken from each, by (code, currency).

    Taken means debited where we owe (what a shop may be paid) and credited where we own, reservations left aside. An
    account that does not exist yet has nothing. For a service that must decide how much to take from where.
    """
    wanted = {(ref.code, currency): ref for ref, currency in accounts}
    assert all(ref.mode == "S" for ref in wanted.values()), "only strict accounts have a balance to lock"
    rows = _call(
        "SELECT * FROM ledger_lock_balances(%s::text[], %s::text[])",
        ([code for code, _ in wanted], [currency for _, currency in wanted]),
    )
    free = {(code, currency): (to_debit, to_credit) for code, currency, to_debit, to_credit in rows}
    return {key: Money(free.get(key, (0, 0))[1 if ref.is_debit_normal else 0], key[1]) for key, ref in wanted.items()}


def place_hold(
    *,
    reference: str,
    account: AccountRef,
    money: Money,
    at: datetime,
    actor: str = "system",
    reason: str = "",
    side: Literal["D", "C"] = "D",
) -> Held:
    """Reserve an amount of a strict account, once per reference, against a later debit (or credit, `side="C"`).

    Raises InsufficientFunds and ReferenceReused; the transaction stays usable after either.
    """
    assert money.minor > 0, f"a hold is above zero: {money.minor}"
    assert account.mode == "S", f"{account.code} is insert-only and cannot be reserved"
    parameters = (reference, account.code, money.currency, side, money.minor, actor, reason, at)
    sql = "SELECT * FROM ledger_place_hold(%s, %s, %s, %s, %s, %s, %s, %s)"
    status, hold_id = _call(sql, parameters)[0]
    if status == "unknown_account":
        open_accounts([(account, money.currency)])
        status, hold_id = _call(sql, parameters)[0]
    if status == "insufficient_funds":
        raise InsufficientFunds(f"There is not enough on {account.code} to reserve.", facts={"account": account.code})
    if status == "reference_reused":
        raise ReferenceReused(f"The hold {reference} reserves something else.", facts={"reference": reference})
    return Held(hold_id, is_new=status == "placed")


def release_hold(
    *, reference: str, at: datetime, actor: str = "system", reason: str = "", amount_minor: int | None = None
) -> int:
    """Give back a hold, all that remains or a part; the minor units given back, 0 when nothing remained.

    Raises NotFound and HoldExhausted.
    """
    return _end(reference, "released", amount_minor, "", actor, reason, at)


def consume_hold(*, reference: str, entry: Entry, at: datetime) -> Posted:
    """Post the journal a hold was placed for: what the journal takes from the held account leaves the hold with it.

    The same entry again answers the first journal. Raises NotFound, HoldExhausted, and as `post()` does; whoever catches
    one of these rolls back, since the hold may have been given up already.
    """
    held = _held_account(reference)
    strict = [(line.account, line.money.currency) for line in entry.lines if line.account.mode == "S"]
    if strict:
        lock_balances(strict)
    taken = sum(
        line.money.minor if held[2] == "D" else -line.money.minor
        for line in entry.lines
        if (line.account.code, line.money.currency) == held[:2]
    )
    assert taken > 0, f"the journal {entry.reference} takes nothing from the held account"
    _end(reference, "consumed", taken, entry.reference, entry.actor, entry.reason, at)
    return post_batch([entry])[0]


def _held_account(reference: str) -> tuple[str, str, str]:
    rows = _call(
        "SELECT a.code, a.currency, h.side FROM ledger_hold h JOIN ledger_account a ON a.id = h.account_id"
        " WHERE h.reference = %s",
        (reference,),
    )
    if not rows:
        raise NotFound(f"There is no hold {reference}.")
    code, currency, side = rows[0]
    return code, currency, side


def _end(
    reference: str, kind: str, amount: int | None, journal_reference: str, actor: str, reason: str, at: datetime
) -> int:
    assert amount is None or amount > 0, f"a part of a hold is above zero: {amount}"
    status, ended = _call(
        "SELECT * FROM ledger_end_hold(%s, %s, %s, %s, %s, %s, %s)",
        (reference, kind, amount, journal_reference, actor, reason, at),
    )[0]
    if status == "unknown_hold":
        raise NotFound(f"There is no hold {reference}.")
    if status == "exhausted":
        raise HoldExhausted(
            f"The hold {reference} does not reserve that much any more.", facts={"reference": reference}
        )
    return int(ended)


def _call(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    assert connection.in_atomic_block, "holds join the transaction of a service"
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql, parameters)
        except IntegrityError as error:
            if (refusal := explained(error)) is None:
                raise
            raise refusal from error
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
