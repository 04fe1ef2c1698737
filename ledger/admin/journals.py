"""Journals: what was booked when, for what, by whom; never changed, only reversed by another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, Tone, chip, clipped, day, identifier, money, to, when
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, fields_of, num
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.money import Money
from ledger.admin import t_accounts
from ledger.models import JournalEntry

SUBJECTS = {
    "pay": "payment",
    "re": "refund",
    "case": "case",
    "att": "attempt",
    "cap": "capture",
    "set": "settlement",
    "po": "payout",
}


def subject_link(subject: str) -> Cell:
    """A link to what a journal is about, known by the prefix of its id."""
    return links.to_object(SUBJECTS.get(subject.partition("_")[0], ""), subject)


@admin.register(JournalEntry)
class JournalAdmin(ReadOnlyAdmin):
    """The journal list and one journal as a T-account drawing."""

    keyset = ("-id",)
    list_display = ("booked", "what", "reference_short", "about", "order_ref", "who", "state")
    list_display_links = ("booked",)
    list_filter = (filters.days(_("booked"), "booked_at"),)
    list_select_related = ("reversed_by",)
    search_fields = ("reference",)
    search_help_text = _("reference, order, or id of a payment, refund, case")
    empty_list = _("Nothing has been booked yet.")

    def found(self, term: str) -> Sequence[Any] | QuerySet[Any]:
        """By reference, subject, order or number."""
        rows = JournalEntry.objects
        keys = set(rows.filter(reference=term).values_list("pk", flat=True))
        keys |= set(rows.filter(subject=term).values_list("pk", flat=True)[:500])
        keys |= set(rows.filter(order_ref=term).values_list("pk", flat=True)[:500])
        if term.isascii() and term.isdigit() and len(term) < 19:
            keys.add(int(term))
        return list(keys)

    @admin.display(description=_("booked"))
    def booked(self, obj: JournalEntry) -> Cell:
        return when(obj.booked_at, seconds=True)

    @admin.display(description=_("event"))
    def what(self, obj: JournalEntry) -> Cell:
        return t_accounts.title_of(obj)

    @admin.display(description=_("reference"))
    def reference_short(self, obj: JournalEntry) -> Cell:
        return clipped(obj.reference, 44)

    @admin.display(description=_("about"))
    def about(self, obj: JournalEntry) -> Cell:
        return subject_link(obj.subject)

    @admin.display(description=_("by"))
    def who(self, obj: JournalEntry) -> Cell:
        return clipped(obj.actor, 30)

    @admin.display(description=_("state"))
    def state(self, obj: JournalEntry) -> Cell:
        return _state(obj)

    def name_of(self, obj: JournalEntry) -> Cell:
        """What it is about, and its number."""
        return f"{t_accounts.title_of(obj)} #{obj.pk}"

    def status_of(self, obj: JournalEntry) -> Cell:
        """Whether it was reversed."""
        return _state(obj)

    def headline(self, request: HttpRequest, obj: JournalEntry) -> Sequence[Figure]:
        """Turnover per currency, and when it counts."""
        totals: dict[str, int] = {}
        for line in t_accounts.lines_of([obj])[obj.pk]:
            totals[line.currency] = totals.get(line.currency, 0) + max(line.amount_minor, 0)
        figures = [Figure(_("Debit = credit"), money(Money(minor, currency))) for currency, minor in totals.items()]
        return [*figures, Figure(_("Booked"), when(obj.booked_at)), Figure(_("Effective on"), day(obj.effective_on))]

    def panels(self, request: HttpRequest, obj: JournalEntry) -> Sequence[Panel]:
        """Facts, the drawing, the lines."""
        return (
            Facts(
                _("Journal"),
                (
                    (_("Reference"), identifier(obj.reference)),
                    (_("About"), subject_link(obj.subject)),
                    (_("Order"), obj.order_ref or NOTHING),
                    (_("By"), obj.actor),
                    (_("Reason"), obj.reason or NOTHING),
                ),
            ),
            Facts(
                _("Corrections"),
                (
                    (
                        _("Reverses"),
                        to("ledger_journalentry", obj.reverses_id, f"#{obj.reverses_id}")
                        if obj.reverses_id
                        else NOTHING,
                    ),
                    (_("Reversed by"), _reversed_by(obj)),
                    (_("Details"), fields_of(obj.meta)),
                ),
            ),
            t_accounts.of_journals([obj], _("T-accounts")),
            _lines(obj),
        )


def _lines(journal: JournalEntry) -> Table:
    rows = [
        (
            str(line.line),
            to("ledger_account", line.account_id, line.account.code),
            line.account.get_kind_display(),
            money(line.debit, dash_zero=True),
            money(line.credit, dash_zero=True),
        )
        for line in t_accounts.lines_of([journal])[journal.pk]
    ]
    heads = columns(_("No."), _("Account"), _("Kind"), num(_("Debit")), num(_("Credit")))
    return Table(_("Lines"), heads, rows, _("This journal has no lines."))


def _reversed_by(obj: JournalEntry) -> Cell:
    other = getattr(obj, "reversed_by", None)
    return to("ledger_journalentry", other.pk, f"#{other.pk}") if other else NOTHING


def _state(obj: JournalEntry) -> Cell:
    if getattr(obj, "reversed_by", None):
        return chip(_("reversed"), Tone.WARN, _("Another journal took this one back."))
    if obj.reverses_id:
        return chip(_("reversal"), Tone.CALM, _("This journal takes another one back."))
    return ""


links.register("journal", "ledger_journalentry")
