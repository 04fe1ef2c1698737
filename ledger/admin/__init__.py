"""The books in the back office: accounts with their statements, journals, and the trial balance. All read-only."""

from ledger.admin import accounts, journals

__all__ = ["accounts", "journals"]
