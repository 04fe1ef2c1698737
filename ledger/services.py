"""The ledger's only way in, in one place: `from ledger import services as ledger`, then `ledger.post(...)`.

Posting and holds join the caller's transaction; folding and closing own theirs.
"""

from __future__ import annotations

from ledger.accounts import close_account, open_accounts, reopen_account
from ledger.folding import fold, horizon_age_seconds, rebase
from ledger.holds import Held, consume_hold, lock_balances, place_hold, release_hold
from ledger.lines import Entry, Line, credit, debit
from ledger.periods import abandon_close, begin_close, close_period, finish_close, open_period
from ledger.posting import Posted, business_day, post, post_batch, reverse
from ledger.retry import retry_conflicts

__all__ = [
    "Entry",
    "Held",
    "Line",
    "Posted",
    "abandon_close",
    "begin_close",
    "business_day",
    "close_account",
    "close_period",
    "consume_hold",
    "credit",
    "debit",
    "finish_close",
    "fold",
    "horizon_age_seconds",
    "lock_balances",
    "open_accounts",
    "open_period",
    "place_hold",
    "post",
    "post_batch",
    "rebase",
    "release_hold",
    "reopen_account",
    "retry_conflicts",
    "reverse",
]
