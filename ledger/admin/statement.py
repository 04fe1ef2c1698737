"""An account's statement: its lines, newest first, with the balance after each, over any span of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from django.db import connection
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import keyset
from config.core.admin.cells import Cell, clipped, money, to, when
from config.core.admin.filters import start_of
from config.core.admin.panels import Drawing, Table, columns, num
from config.core.money import Money
from ledger.admin import t_accounts
from ledger.models import Account, JournalEntry, Posting

PAGE = 50
ORDER = ("-booked_at", "-id")


@dataclass(frozen=True, slots=True)
class Statement:
    """What templates/admin/statement.html draws."""

    day_from: str
    day_to: str
    opening: Cell
    closing: Cell
    table: Table
    next_url: str
    previous_url: str


def panel(request: HttpRequest, account: Account) -> Drawing:
    """The statement that the request's days and cursor ask for."""
    first, last = _day(request.GET.get("day_from", "")), _day(request.GET.get("day_to", ""))
    lines: QuerySet[Posting] = Posting.objects.filter(account=account)
    if first:
        lines = lines.filter(booked_at__gte=start_of(first))
    if last:
        lines = lines.filter(booked_at__lt=start_of(last + timedelta(days=1)))
    page = keyset.walk(
        lines, order=ORDER, after=request.GET.get("after", ""), before=request.GET.get("before", ""), size=PAGE
    )
    days = {name: day.isoformat() for name, day in (("day_from", first), ("day_to", last)) if day}
    statement = Statement(
        day_from=days.get("day_from", ""),
        day_to=days.get("day_to", ""),
        opening=money(_shown(account, _balance(account, before=first))) if first else "",
        closing=money(_shown(account, _balance(account, before=last + timedelta(days=1) if last else None))),
        table=Table(
            _("Statement"),
            columns(
                _("Booked"), _("What"), _("Reference"), _("Order"), num(_("Debit")), num(_("Credit")), num(_("Balance"))
            ),
            _rows(account, page.rows),
            _("Nothing was booked on this account in these days."),
        ),
        next_url=f"?{urlencode({**days, 'after': page.next_cursor})}" if page.next_cursor else "",
        previous_url=f"?{urlencode({**days, 'before': page.previous_cursor})}" if page.previous_cursor else "",
    )
    return Drawing(_("Statement"), "admin/statement.html", statement)


def _rows(account: Account, lines: list[Posting]) -> list[list[Cell]]:
    if not lines:
        return []
    journals = JournalEntry.objects.in_bulk({line.journal_id for line in lines})
    left = _balance_after(account, lines[0])
    rows: list[list[Cell]] = []
    for line in lines:
        journal = journals[line.journal_id]
        rows.append(
            [
                when(line.booked_at, seconds=True),
                to("ledger_journalentry", journal.pk, t_accounts.title_of(journal)),
                clipped(journal.reference, 44),
                clipped(journal.order_ref, 24),
                money(line.debit, dash_zero=True),
                money(line.credit, dash_zero=True),
                money(_shown(account, left)),
            ]
        )
        left -= line.amount_minor
    return rows


def _balance_after(account: Account, line: Posting) -> int:
    """Signed, with this line and all before it. Lines of the same moment are told apart by their key."""
    if line.bal_after is not None:
        return line.bal_after
    same_moment = Posting.objects.filter(account=account, booked_at=line.booked_at, pk__gt=line.pk)
    later: int = same_moment.aggregate(total=Sum("amount_minor"))["total"] or 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_balance_at(%s, %s)", [account.pk, line.booked_at])
        return int(cursor.fetchone()[0]) - int(later)


def _balance(account: Account, *, before: date | None) -> int:
    """Signed, at the start of a day by booking time, or now."""
    if before is None or start_of(before) > clock.now():
        return balance_now(account)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_balance_at(%s, %s)", [account.pk, start_of(before) - timedelta(microseconds=1)])
        return int(cursor.fetchone()[0])


def balance_now(account: Account) -> int:
    """Signed: debit above zero."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_balance_now(%s)", [account.pk])
        return int(cursor.fetchone()[0])


def _shown(account: Account, signed: int) -> Money:
    return Money(signed if account.is_debit_normal else -signed, account.currency)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None
