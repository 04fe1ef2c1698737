"""Journals drawn as T-accounts: the account's name on top, debits left, credits right, the balance below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import Cell, Text, money, page, short, when
from config.core.admin.panels import Drawing
from config.core.money import Money
from ledger.lines import Line
from ledger.models import JournalEntry, Posting

EVENTS: Final[dict[str, Text]] = {
    "payment_captured": _("Payment captured"),
    "captured": _("Payment captured"),
    "cod_collected": _("Cash collected"),
    "unexpected_money": _("Unexpected money held"),
    "unexpected_money_applied": _("Held money applied"),
    "unexpected_money_refund_booked": _("Refund of held money booked"),
    "refund_booked": _("Refund booked"),
    "refund_executed": _("Refund sent"),
    "reversal": _("Reversal"),
}
"""What journals are about, in words; an event that is not here is shown as its name without underscores."""


@dataclass(frozen=True, slots=True)
class Row:
    """One height of a T: a debit, a credit, or both."""

    debit: Cell
    credit: Cell
    debit_note: str
    credit_note: str


@dataclass(slots=True)
class TAccount:
    """One account with what some journals did to it."""

    code: str
    currency: str
    url: str = ""
    debits: list[tuple[Money, str]] = field(default_factory=list)
    credits: list[tuple[Money, str]] = field(default_factory=list)

    def take(self, signed: int, note: str) -> None:
        """Add a line: debit above zero."""
        side = self.debits if signed > 0 else self.credits
        side.append((Money(abs(signed), self.currency), note))

    @property
    def rows(self) -> list[Row]:
        """Debits and credits side by side."""
        pairs = zip_longest(self.debits, self.credits, fillvalue=(None, ""))
        return [Row(_cell(d[0]), _cell(c[0]), d[1], c[1]) for d, c in pairs]

    @property
    def _left(self) -> int:
        return sum(m.minor for m, _n in self.debits) - sum(m.minor for m, _n in self.credits)

    @property
    def debit_left(self) -> Cell:
        """The balance when it is a debit."""
        return money(Money(self._left, self.currency)) if self._left > 0 else ""

    @property
    def credit_left(self) -> Cell:
        """The balance when it is a credit; a plain zero when nothing is left."""
        if self._left < 0:
            return money(Money(-self._left, self.currency))
        return "0" if self._left == 0 else ""


@dataclass(frozen=True, slots=True)
class Heading:
    """One journal above the drawing."""

    title: Text
    url: str
    booked: Cell
    reference: Cell


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the template draws."""

    journals: Sequence[Heading]
    accounts: Sequence[TAccount]


def of_journals(journals: Sequence[JournalEntry], title: Text = "") -> Drawing:
    """Journals that were booked, with links."""
    by_journal = lines_of(journals)
    accounts: dict[tuple[str, str], TAccount] = {}
    for journal in journals:
        for line in by_journal[journal.pk]:
            key = (line.account.code, line.currency)
            account = accounts.setdefault(key, TAccount(*key, url=page("ledger_account", line.account_id)))
            account.take(line.amount_minor, f"{title_of(journal)}: {journal.reference}")
    headings = [
        Heading(
            title_of(journal),
            page("ledger_journalentry", journal.pk),
            when(journal.booked_at),
            short(journal.reference),
        )
        for journal in journals
    ]
    return Drawing(title or _("Ledger"), "admin/t_accounts.html", Drawn(headings, list(accounts.values())))


def of_lines(lines: Iterable[Line], title: Text) -> Drawing:
    """Lines that would be booked: a preview."""
    accounts: dict[tuple[str, str], TAccount] = {}
    for line in lines:
        if line.money.minor:
            key = (line.account.code, line.money.currency)
            accounts.setdefault(key, TAccount(*key)).take(line.money.minor, "")
    return Drawing(title, "admin/t_accounts.html", Drawn((), list(accounts.values())))


def lines_of(journals: Sequence[JournalEntry]) -> dict[int, list[Posting]]:
    """The lines of some journals, by journal, in one query over the line's own key, which begins with its journal."""
    found: dict[int, list[Posting]] = {journal.pk: [] for journal in journals}
    for line in Posting.objects.of(*found):
        found[line.journal_id].append(line)
    return found


def title_of(journal: JournalEntry) -> str:
    """What a journal is about."""
    return str(EVENTS.get(journal.event) or journal.event.replace("_", " ").capitalize())


def _cell(amount: Money | None) -> Cell:
    return "" if amount is None else money(amount)
