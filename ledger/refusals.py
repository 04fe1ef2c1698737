"""What the database says when it refuses, as errors a caller can act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import DatabaseError

from ledger.errors import (
    AccountClosed,
    AlreadyReversed,
    ForeignCluster,
    HoldExhausted,
    InsufficientFunds,
    LedgerError,
    PeriodClosed,
    PeriodNotClosable,
    PeriodOverlaps,
    ReferenceReused,
    Unbalanced,
)

BY_STATUS: Final[dict[str, Callable[[str], LedgerError]]] = {
    "account_closed": lambda detail: AccountClosed(f"The account {detail} is closed.", facts={"account": detail}),
    "insufficient_funds": lambda detail: InsufficientFunds(
        f"There is not enough on {detail}, reservations included.", facts={"account": detail}
    ),
    "period_closed": lambda detail: PeriodClosed(f"The period of {detail} is closed.", facts={"effective_on": detail}),
    "reference_reused": lambda detail: ReferenceReused(
        f"The reference {detail} was used for other lines.", facts={"reference": detail}
    ),
}
"""Answers of `ledger_post` that are no `ok`: nothing was written and the transaction goes on."""

BY_CONSTRAINT: Final[dict[str, tuple[type[LedgerError], str]]] = {
    "ledger_journal_is_balanced": (Unbalanced, "Debits and credits of the journal differ."),
    "ledger_journal_has_two_lines_or_more": (Unbalanced, "A journal has two lines or more."),
    "ledger_journal_reference_once": (ReferenceReused, "The reference was used for other lines."),
    "ledger_journal_reversed_once": (AlreadyReversed, "The journal was reversed before."),
    "ledger_balance_is_not_overdrawn": (InsufficientFunds, "There is not enough on the account."),
    "ledger_period_is_open": (PeriodClosed, "The period is closed."),
    "ledger_account_is_open": (AccountClosed, "The account is closed."),
    "ledger_hold_remaining_is_part_of_amount": (HoldExhausted, "The hold does not reserve that much any more."),
    "ledger_period_does_not_overlap": (PeriodOverlaps, "Another period has some of these days."),
    "ledger_period_moves_forward": (PeriodNotClosable, "A period goes from open to closing to closed."),
    "ledger_is_based_on_this_cluster": (
        ForeignCluster,
        "The ledger was restored into another cluster; re-base it first.",
    ),
}
"""Constraints that a caller can run into; a broken one that is not here is our mistake and stays a database error."""


def constraint_of(error: DatabaseError) -> str:
    """The name of the constraint a database error is about, or nothing."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) or ""


def explained(error: DatabaseError) -> LedgerError | None:
    """The refusal in our words, or None for what no caller can act on."""
    known = BY_CONSTRAINT.get(constraint_of(error))
    return known[0](known[1]) if known else None
