"""How the gateways do: what became of the attempts at each account, for pages, metrics and rules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from payments.services import routes

DAY: Final = timedelta(hours=24)
SHORT: Final = routes.RATED_OVER


def percent(account_code: str, *, at: datetime, over: timedelta = DAY) -> int | None:
    """Paid of the attempts of that span that ended; None where none has."""
    ended, paid = routes.success(at=at, over=over).get(account_code, (0, 0))
    return round(100 * paid / ended) if ended else None
