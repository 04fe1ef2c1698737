"""Statements: an account's lines in pages, each with the balance after it, however long the account is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from django.db import connection

from config.core.errors import InvalidInput
from config.core.money import Money
from ledger.chart import AccountRef

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LINES: Final = """
    SELECT l.id, l.journal_id, l.line, l.amount, l.booked_at, l.effective_on, l.bal_after,
        j.event, j.reference, j.subject, j.order_ref, j.reason
    FROM (
        SELECT * FROM ledger_line s
        WHERE s.account_id = %(account)s AND (s.booked_at, s.id) {older} (%(booked_at)s, %(id)s)
            AND s.booked_at {older}= %(booked_at)s
        ORDER BY s.booked_at {direction}, s.id {direction} LIMIT %(limit)s
    ) l
    JOIN ledger_journal j ON j.id = l.journal_id
    ORDER BY l.booked_at {direction}, l.id {direction}"""
# The balance after one line: as it stood at its booking time, less what was booked at the very same moment after it.
AFTER: Final = """
    SELECT ledger_balance_at(%(account)s, %(booked_at)s) - coalesce((
        SELECT sum(l.amount) FROM ledger_line l
        WHERE l.account_id = %(account)s AND l.booked_at = %(booked_at)s AND l.id > %(id)s), 0)"""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line of a statement. `balance` is after the line, on the account's normal side."""

    line_id: int
    journal_id: int
    line: int
    booked_at: datetime
    effective_on: date
    event: str
    reference: str
    subject: str
    order_ref: str
    reason: str
    debit: Money
    credit: Money
    balance: Money


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Some lines of a statement; `next_cursor` leads to the following ones, None at the end."""

    lines: tuple[StatementLine, ...]
    next_cursor: str | None


def statement(
    account: AccountRef, currency: str, *, after: str | None = None, limit: int = 50, newest_first: bool = True
) -> StatementPage:
    """A page of an account's lines in booking order with running balances, in four queries whatever the account's size.

    On insert-only accounts a line of a transaction that is still running may appear later, between lines of its moment.
    Raises InvalidInput for a cursor that is none of ours.
    """
    assert 1 <= limit <= 1000, f"a page has 1 to 1000 lines: {limit}"
    start = _position(after) if after else _beyond(newest_first)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM ledger_account WHERE code = %s AND currency = %s", (account.code, currency))
        row = cursor.fetchone()
        if row is None:
            return StatementPage((), None)
        position = {"account": row[0], "booked_at": start[0], "id": start[1], "limit": limit + 1}
        older, direction = ("<", "DESC") if newest_first else (">", "ASC")
        cursor.execute(LINES.format(older=older, direction=direction), position)
        found = cursor.fetchall()
        if not found:
            return StatementPage((), None)
        cursor.execute(AFTER, {"account": row[0], "booked_at": found[0][4], "id": found[0][0]})
        first = int(cursor.fetchone()[0])
    page = found[:limit]
    lines = tuple(
        _line(row, signed, account, currency)
        for row, signed in zip(page, _running(page, first, newest_first), strict=True)
    )
    return StatementPage(lines, _cursor(page[-1]) if len(found) > limit else None)


def _running(rows: list[tuple[Any, ...]], first: int, newest_first: bool) -> list[int]:
    """Signed balances after each row, given the one after the first row."""
    result = [first]
    for before, row in pairwise(rows):
        result.append(result[-1] - before[3] if newest_first else result[-1] + row[3])
    return result


def _line(row: tuple[Any, ...], signed: int, account: AccountRef, currency: str) -> StatementLine:
    line_id, journal_id, number, amount, booked_at, effective_on, _, event, reference, subject, order_ref, reason = row
    return StatementLine(
        line_id=line_id,
        journal_id=journal_id,
        line=number,
        booked_at=booked_at,
        effective_on=effective_on,
        event=event,
        reference=reference,
        subject=subject,
        order_ref=order_ref,
        reason=reason,
        debit=Money(max(amount, 0), currency),
        credit=Money(max(-amount, 0), currency),
        balance=Money(signed if account.is_debit_normal else -signed, currency),
    )


def _cursor(row: tuple[Any, ...]) -> str:
    return f"{(row[4] - EPOCH) // timedelta(microseconds=1)}-{row[0]}"


def _position(cursor: str) -> tuple[datetime, int]:
    try:
        micros, line_id = (int(part) for part in cursor.split("-"))
        return EPOCH + timedelta(microseconds=micros), line_id
    except (ValueError, OverflowError):
        raise InvalidInput("The cursor is none of ours.", field="cursor") from None


def _beyond(newest_first: bool) -> tuple[datetime, int]:
    return (datetime(9999, 1, 1, tzinfo=UTC), 2**62) if newest_first else (EPOCH, 0)
