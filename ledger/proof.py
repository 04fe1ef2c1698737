"""Proving the books from their rows alone: what the database refuses to let in is looked for again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.db import connection, transaction

from ledger.models import Period
from ledger.periods import totals_on
from ledger.proof_checks import JOURNAL_CHECKS, REQUIRED_TRIGGERS, WHOLE_CHECKS, Check

PORTION: Final = 20_000
MOST_FINDINGS: Final = 20
"""How many findings of one check are reported; the first is what matters."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not prove. `journal_id` is the journal at fault, where one can be named."""

    check: str
    sentence: str
    journal_id: int | None
    subject: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome: how much was looked at and what was found, first journal first."""

    journals: int
    lines: int
    findings: tuple[Finding, ...]

    @property
    def is_clean(self) -> bool:
        """Whether everything proves."""
        return not self.findings

    @property
    def first_bad_journal(self) -> int | None:
        """The lowest id among the journals at fault."""
        return min((f.journal_id for f in self.findings if f.journal_id is not None), default=None)


def verify(*, on_step: Callable[[str, int, int], None] = lambda name, done, total: None) -> Proof:
    """Prove the whole ledger from its rows, on one snapshot, while others go on posting.

    Inside a transaction of the caller it looks with the caller's eyes instead.
    `on_step` hears the check's name, how far it is and how far it goes. Nothing is changed.
    """
    is_ours = not connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            if is_ours:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT count(*), coalesce(min(id), 0), coalesce(max(id), -1) FROM ledger_journal")
            journals, first, last = cursor.fetchone()
            cursor.execute("SELECT count(*) FROM ledger_line")
            lines = cursor.fetchone()[0]
        findings = [*_guards(), *_by_journal(first, last, on_step), *_whole(on_step), *_closed_periods()]
    findings.sort(key=lambda finding: (finding.journal_id is None, finding.journal_id or 0))
    return Proof(journals, lines, tuple(findings))


def _guards() -> Iterator[Finding]:
    """The guards themselves are there and awake."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal"
        )
        awake = {row[0] for row in cursor.fetchall()}
    for name in sorted(REQUIRED_TRIGGERS - awake):
        yield Finding("guards", f"The trigger {name} is missing or switched off.", None, name)


def _by_journal(first: int, last: int, on_step: Callable[[str, int, int], None]) -> Iterator[Finding]:
    for check in JOURNAL_CHECKS:
        for start in range(first, last + 1, PORTION):
            yield from _findings(check, {"first": start, "last": start + PORTION - 1})
            on_step(check.name, min(start + PORTION, last + 1) - first, last + 1 - first)


def _whole(on_step: Callable[[str, int, int], None]) -> Iterator[Finding]:
    for done, check in enumerate(WHOLE_CHECKS, 1):
        yield from _findings(check, {})
        on_step(check.name, done, len(WHOLE_CHECKS))


def _closed_periods() -> Iterator[Finding]:
    """What was true at the close is still true."""
    for period in Period.objects.filter(state=Period.State.CLOSED).order_by("ends_on"):
        day: date = period.ends_on
        if _plain(period.totals) != _plain(totals_on(day)):
            yield Finding("closed_period", f"The trial balance of {day} is not what was closed.", None, str(day))


def _plain(totals: Any) -> str:
    return json.dumps(totals, sort_keys=True)


def _findings(check: Check, parameters: dict[str, int]) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({check.sql}) f ORDER BY 1 NULLS LAST LIMIT {MOST_FINDINGS}", parameters)  # noqa: S608 - our own text
        for journal_id, subject in cursor.fetchall():
            yield Finding(check.name, check.sentence.format(subject), journal_id, str(subject))
