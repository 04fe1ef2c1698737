"""Opening and closing accounts. Accounts of the chart are opened by the first posting that needs them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from django.db import connection, transaction

from config.core.errors import NotFound
from ledger.chart import AccountRef, Kind, Mode
from ledger.errors import AccountNotEmpty
from ledger.models import Account

OPEN_MISSING = """
    SELECT count(ledger_open_account(w.code, w.kind, w.currency, w.mode, w.owner_type, w.owner_id))
    FROM (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
              AS u (code, kind, currency, mode, owner_type, owner_id)
          WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.code = u.code AND a.currency = u.currency)
          ORDER BY u.code, u.currency OFFSET 0) w"""


def open_accounts(wanted: Iterable[tuple[AccountRef, str]]) -> None:
    """Make the accounts that are missing, in one order for everybody, so that two openers cannot deadlock."""
    rows = sorted({(ref.code, ref.kind, currency, ref.mode, ref.owner_type, ref.owner_id) for ref, currency in wanted})
    with connection.cursor() as cursor:
        cursor.execute(OPEN_MISSING, [list(column) for column in zip(*rows, strict=True)])


def ref_of(account: Account) -> AccountRef:
    """The reference that names an account row."""
    kind, mode = cast(Kind, account.kind), cast(Mode, account.mode)  # the table has no others: a constraint of it
    return AccountRef(account.code, kind, mode, account.owner_type, account.owner_id)


@transaction.atomic(durable=True)
def close_account(*, code: str, currency: str, at: datetime) -> Account:
    """Close an account for new postings. Raises NotFound, AccountNotEmpty."""
    account = _locked(code, currency)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_balance_now(%s)", (account.pk,))
        if cursor.fetchone()[0]:
            raise AccountNotEmpty(f"The account {code} has a balance.", facts={"account": code})
    account.closed_at = account.closed_at or at
    account.save(update_fields=["closed_at"])
    return account


@transaction.atomic(durable=True)
def reopen_account(*, code: str, currency: str) -> Account:
    """Let a closed account take postings again. Raises NotFound."""
    account = _locked(code, currency)
    account.closed_at = None
    account.save(update_fields=["closed_at"])
    return account


def _locked(code: str, currency: str) -> Account:
    account = Account.objects.select_for_update(no_key=True).filter(code=code, currency=currency).first()
    if account is None:
        raise NotFound(f"There is no account {code} in {currency}.")
    return account
