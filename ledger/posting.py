"""Posting journals: one call of the SQL function `ledger_post` per `post()` or `post_batch()`.

The database refuses what breaks a rule (ledger/sql/guards.sql); this module asks, and explains the refusals.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection

from config.core.errors import NotFound
from config.core.money import Money
from ledger.accounts import open_accounts, ref_of
from ledger.errors import AlreadyReversed, Unbalanced
from ledger.lines import Entry, Line
from ledger.models import JournalEntry
from ledger.refusals import BY_STATUS, explained

BUSINESS_ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")

POST_ONE: Final = """SELECT * FROM ledger_post(
    ARRAY[%s], ARRAY[%s::bytea], ARRAY[%s], ARRAY[%s], ARRAY[%s], ARRAY[%s], ARRAY[%s], ARRAY[%s::jsonb], ARRAY[%s::date],
    ARRAY[%s], ARRAY[%s::bigint], ARRAY[%s::smallint], %s::integer[], %s::smallint[], %s::text[], %s::text[], %s::bigint[])"""
POST_MANY: Final = """SELECT * FROM ledger_post(
    %s::text[], %s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::date[],
    %s::boolean[], %s::bigint[], %s::smallint[], %s::integer[], %s::smallint[], %s::text[], %s::text[], %s::bigint[])"""


@dataclass(frozen=True, slots=True)
class Posted:
    """What posting did. `balances` are the strict accounts of this call after it, by (code, currency), on the account's
    normal side: what a shop may be paid is above zero. A replay posts nothing and knows no balances.
    """

    journal_id: int
    is_new: bool
    balances: Mapping[tuple[str, str], Money]


def post(
    *,
    reference: str,
    event: str,
    lines: Sequence[Line],
    occurred_at: datetime,
    subject: str = "",
    order_ref: str = "",
    actor: str = "system",
    reason: str = "",
    meta: Mapping[str, object] | None = None,
    effective_on: date | None = None,
    reverses: int | None = None,
) -> Posted:
    """Post one journal inside the caller's transaction, once per reference (docs/decisions/0002).

    The same reference with the same lines answers the first journal. Lines of nothing are dropped. Without
    `effective_on` the journal counts for the business day of `occurred_at`, or for the next open day when that period is
    closed. Locks strict accounts until the transaction ends: lock your own rows before.

    Raises Unbalanced, ReferenceReused, InsufficientFunds, AccountClosed, PeriodClosed (only for a given `effective_on`):
    after these nothing is written and the transaction is usable. Raises AlreadyReversed, which ends the transaction.
    """
    booked = tuple(line for line in lines if line.money.minor)
    _assert_whole(reference, booked)
    codes = '{"' + '","'.join([line.account.code for line in booked]) + '"}'
    row = _call(
        POST_ONE,
        (
            reference, _hash(booked, reverses), event, subject, order_ref, actor, reason, _json(meta),
            effective_on or business_day(occurred_at), effective_on is None, reverses, len(booked),
            "{" + ",".join(["1"] * len(booked)) + "}",
            "{" + ",".join([str(number) for number in range(1, len(booked) + 1)]) + "}",
            codes,
            "{" + ",".join([line.money.currency for line in booked]) + "}",
            "{" + ",".join([str(line.money.minor) for line in booked]) + "}",
        ),
        booked,
    )  # fmt: skip
    return Posted(row[2][0], row[3][0], _balances(row, booked) if row[3][0] else {})


def post_batch(entries: Sequence[Entry]) -> list[Posted]:
    """Post several journals at once, all or none; each as `post()` would. References differ within a batch.

    Balances are those after the whole batch; limits are checked after the whole batch too. Raises as `post()`, and
    ReferenceReused ends the transaction.
    """
    if not entries:
        return []
    assert len({entry.reference for entry in entries}) == len(entries), "a reference occurs twice in the batch"
    booked = [tuple(line for line in entry.lines if line.money.minor) for entry in entries]
    for entry, lines in zip(entries, booked, strict=True):
        _assert_whole(entry.reference, lines)
    flat = [line for lines in booked for line in lines]
    row = _call(
        POST_MANY,
        (
            [entry.reference for entry in entries],
            [_hash(lines, None) for lines in booked],
            [entry.event for entry in entries],
            [entry.subject for entry in entries],
            [entry.order_ref for entry in entries],
            [entry.actor for entry in entries],
            [entry.reason for entry in entries],
            [_json(entry.meta) for entry in entries],
            [entry.effective_on or business_day(entry.occurred_at) for entry in entries],
            [entry.effective_on is None for entry in entries],
            [None] * len(entries),
            [len(lines) for lines in booked],
            [place for place, lines in enumerate(booked, 1) for _ in lines],
            [number for lines in booked for number in range(1, len(lines) + 1)],
            [line.account.code for line in flat],
            [line.money.currency for line in flat],
            [line.money.minor for line in flat],
        ),
        flat,
    )
    balances = _balances(row, flat)
    return [
        Posted(journal_id, is_new, balances if is_new else {})
        for journal_id, is_new in zip(row[2], row[3], strict=True)
    ]


def reverse(*, reference: str, journal_id: int, occurred_at: datetime, actor: str, reason: str) -> Posted:
    """Post the exact negation of a journal, once. Keeps its subject and order; effective on the day of `occurred_at`.

    The same reference answers the first reversal. Raises NotFound, AlreadyReversed, and as `post()` does.
    """
    journal = JournalEntry.objects.filter(pk=journal_id).first()
    if journal is None:
        raise NotFound(f"There is no journal {journal_id}.")
    reversal = JournalEntry.objects.filter(reverses_id=journal_id).first()
    if reversal is not None and reversal.reference != reference:
        raise AlreadyReversed(f"Journal {journal_id} was reversed before.", facts={"reversed_by": reversal.pk})
    return post(
        reference=reference,
        event=f"{journal.event}.reversed",
        lines=[Line(ref_of(line.account), Money(-line.amount_minor, line.currency)) for line in journal.lines],
        occurred_at=occurred_at,
        subject=journal.subject,
        order_ref=journal.order_ref,
        actor=actor,
        reason=reason,
        reverses=journal_id,
    )


def business_day(moment: datetime) -> date:
    """The day a moment belongs to in Viet Nam, where the marketplace does business."""
    return moment.astimezone(BUSINESS_ZONE).date()


def _call(sql: str, parameters: tuple[Any, ...], lines: Sequence[Line]) -> tuple[Any, ...]:
    assert connection.in_atomic_block, "ledger.post joins the transaction of a service"
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql, parameters)
            row: tuple[Any, ...] = cursor.fetchone()
            if row[0] == "unknown_account":
                open_accounts((line.account, line.money.currency) for line in lines)
                cursor.execute(sql, parameters)
                row = cursor.fetchone()
        except IntegrityError as error:
            if (refusal := explained(error)) is None:
                raise
            raise refusal from error
    if row[0] != "ok":
        raise BY_STATUS[row[0]](row[1])
    return row


def _assert_whole(reference: str, lines: Sequence[Line]) -> None:
    assert reference, "a journal has a reference"
    totals: defaultdict[str, int] = defaultdict(int)
    for line in lines:
        totals[line.money.currency] += line.money.minor
    if len(lines) < 2 or any(totals.values()):
        differences = {currency: total for currency, total in totals.items() if total}
        raise Unbalanced(f"The journal {reference} does not balance.", facts={"differences": differences})


def _hash(lines: Sequence[Line], reverses: int | None) -> str:
    """What makes two requests the same: the lines in any order, and the journal they reverse."""
    parts = sorted([f"{line.account.code}|{line.money.currency}|{line.money.minor}" for line in lines])
    return "\\x" + hashlib.sha256("\n".join([*parts, str(reverses or "")]).encode()).hexdigest()


def _json(meta: Mapping[str, object] | None) -> str | None:
    return None if meta is None else json.dumps(meta)


def _balances(row: tuple[Any, ...], lines: Sequence[Line]) -> dict[tuple[str, str], Money]:
    if not row[5]:
        return {}
    signs = {line.account.code: 1 if line.account.is_debit_normal else -1 for line in lines}
    return {
        (code, currency): Money(signs[code] * minor, currency)
        for code, currency, minor in zip(row[5], row[6], row[7], strict=True)
    }
