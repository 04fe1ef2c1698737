"""What the ledger refuses, in words a caller can act on."""

from __future__ import annotations

from config.core.errors import DomainError


class LedgerError(DomainError):
    """The ledger refused."""

    code, status = "ledger_refused", 409


class Unbalanced(LedgerError):
    """Debits and credits of a journal differ, or it has fewer than two lines."""

    code, status = "ledger_unbalanced", 422


class ReferenceReused(LedgerError):
    """The reference was used before, for other lines."""

    code, status = "ledger_reference_reused", 409


class InsufficientFunds(LedgerError):
    """A strict account would be overdrawn, reservations included."""

    code, status = "ledger_insufficient_funds", 409


class PeriodClosed(LedgerError):
    """The effective date lies in a period that is closing or closed."""

    code, status = "ledger_period_closed", 409


class AlreadyReversed(LedgerError):
    """A journal is reversed once."""

    code, status = "ledger_already_reversed", 409


class AccountClosed(LedgerError):
    """Nothing is posted to a closed account."""

    code, status = "ledger_account_closed", 409


class AccountNotEmpty(LedgerError):
    """An account with a balance cannot be closed."""

    code, status = "ledger_account_not_empty", 409


class HoldExhausted(LedgerError):
    """A hold cannot give more than it still reserves."""

    code, status = "ledger_hold_exhausted", 409


class PeriodOverlaps(LedgerError):
    """Two periods cannot share a day."""

    code, status = "ledger_period_overlaps", 409


class PeriodNotClosable(LedgerError):
    """The period is not in a state that allows this step."""

    code, status = "ledger_period_not_closable", 409


class PostersStillRunning(LedgerError):
    """A transaction that began before the period was closing has not ended yet; try again."""

    code, status, retryable = "ledger_posters_still_running", 409, True


class ForeignCluster(LedgerError):
    """The database was restored into another cluster and must be re-based before it is folded or posted to."""

    code, status = "ledger_foreign_cluster", 503


class LedgerBroken(LedgerError):
    """The books do not prove: the message names the first journal at fault."""

    code, status = "ledger_broken", 500
