"""The books are kept for ever: nothing of the ledger may go (config.core.retention)."""

from __future__ import annotations

from config.core.retention import registry


def register() -> None:
    """Called by LedgerConfig.ready, once per process."""
    registry.keep(
        "the books are kept for ever",
        "ledger.Account", "ledger.JournalEntry", "ledger.Posting", "ledger.Balance", "ledger.Rollup",
        "ledger.PeriodBalance", "ledger.Horizon", "ledger.Hold", "ledger.HoldEvent", "ledger.Period", "ledger.Seal",
        "ledger.SealLeaf",
    )  # fmt: skip
