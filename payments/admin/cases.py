"""Money cases: unexpected money and open questions. One person proposes, another decides, then it is booked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import approvals as approvals_page
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, age, chip, identifier, money, short, to, when
from config.core.admin.deeds import Deed, Doing, Done, ReasonForm
from config.core.admin.filters import ChoiceFilter
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, num
from config.core.admin.readonly import ReadOnlyAdmin
from ledger import chart
from ledger.admin import t_accounts
from ledger.models import JournalEntry
from payments import postings
from payments.admin import transfer_deeds, words
from payments.models import MoneyCase
from payments.services import cases, orders, refunds
from payments.states import CaseStatus

D = MoneyCase.Decision
MEANINGS = {
    D.APPLY: _("Apply: the held money pays what it was meant for."),
    D.REFUND: _("Send back: the customer gets the money back."),
    D.HOLD: _("Keep: the money stays in suspense and the case stays in this list."),
    D.DISMISS: _("Nothing to do: the question has answered itself."),
}


class ProposeForm(ReasonForm):
    """One of the decisions that make sense."""

    decision = forms.ChoiceField(label=_("Decision"), widget=forms.RadioSelect)
    field_order = ("decision", "reason")

    def prepare(self) -> None:
        """Only what is allowed, the suggestion first chosen."""
        found = cases.allowed(self.obj)
        decision: Any = self.fields["decision"]
        decision.choices = [(d.value, MEANINGS[d]) for d in found]
        self.initial = {"decision": self.obj.suggestion if self.obj.suggestion in found else found[0]}


class OpenFilter(ChoiceFilter):
    """Unresolved, or a state."""

    title, parameter_name = _("state"), "status"
    options = (("unresolved", _("not closed")), *CaseStatus.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Unresolved ones by their own index."""
        if self.value() == "unresolved":
            return queryset.exclude(status=CaseStatus.CLOSED)
        return queryset.filter(status=self.value()) if self.value() else queryset


def _propose(doing: Doing) -> Done:
    cases.propose(
        case_id=doing.obj.pk,
        decision=D(doing.data["decision"]),
        maker=doing.user,
        reason=doing.reason,
        at=doing.at,
    )
    return _t("Proposed. Somebody else has to approve it.")


def _preview(case: MoneyCase, data: Mapping[str, Any]) -> Sequence[Panel]:
    return (booking(case, D(data["decision"])),)


def booking(case: MoneyCase, decision: MoneyCase.Decision) -> Panel:
    """The journal that a decision would book."""
    if decision == D.APPLY and case.payment is not None:
        lines = postings.captured(chart.suspense_over(), orders.split_of(case.payment.order))
        return t_accounts.of_lines(lines, _("What will be booked"))
    if decision == D.REFUND and case.capture is not None:
        return t_accounts.of_lines(postings.held_money_refunded(case.money), _("What will be booked"))
    if decision == D.REFUND and case.payment is not None:
        wish = refunds.NewRefund(payment_id=case.payment.pk)
        lines = postings.refund_booked(refunds.draft_lines(wish), shipping_by_shop=False, currency=case.currency)
        return t_accounts.of_lines(lines, _("What will be booked"))
    return t_accounts.of_lines((), _("What will be booked"))


@admin.register(MoneyCase)
class CaseAdmin(ReadOnlyAdmin):
    """The queue and one case."""

    keyset = ("-opened_at", "-id")
    list_display = (
        "case_id",
        "kind_chip",
        "amount_money",
        "of_payment",
        "suggested",
        "decided",
        "state",
        "opened",
        "how_old",
    )
    list_filter = (
        OpenFilter,
        filters.choice(_("kind"), "kind", "kind", MoneyCase.Kind.choices),
        filters.days(_("opened"), "opened_at"),
    )
    list_select_related = ("approval",)
    search_fields = ("id",)
    search_help_text = _("case, payment or refund")
    empty_list = _("No money is unexplained and no question is open.")
    deeds = (
        Deed(name="propose", label=_("Propose a decision"), permission="payments.resolve_case", run=_propose, form=ProposeForm, icon="gavel", is_main=True, preview=_preview, is_offered=lambda case: case.status == CaseStatus.OPEN, explain=_("Another person approves what you propose; then it is booked at once.")),
        transfer_deeds.NAME,
        approvals_page.APPROVE,
        approvals_page.REJECT,
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By id, or what it is about."""
        rows = MoneyCase.objects
        keys = {term} | set(rows.filter(payment_id=term).values_list("pk", flat=True)[:200])
        keys |= set(rows.filter(refund_id=term).values_list("pk", flat=True)[:200])
        return list(keys | set(rows.filter(attempt_id=term).values_list("pk", flat=True)[:200]))

    @admin.display(description=_("case"))
    def case_id(self, obj: MoneyCase) -> Cell:
        return short(obj.pk)

    @admin.display(description=_("kind"))
    def kind_chip(self, obj: MoneyCase) -> Cell:
        return chip(obj.get_kind_display(), title=words.KINDS[obj.kind])

    @admin.display(description=_("amount"))
    def amount_money(self, obj: MoneyCase) -> Cell:
        return money(obj.money)

    @admin.display(description=_("payment"))
    def of_payment(self, obj: MoneyCase) -> Cell:
        return to("payments_payment", obj.payment_id) if obj.payment_id else NOTHING

    @admin.display(description=_("suggested"))
    def suggested(self, obj: MoneyCase) -> Cell:
        return obj.get_suggestion_display() or NOTHING

    @admin.display(description=_("decision"))
    def decided(self, obj: MoneyCase) -> Cell:
        return obj.get_decision_display() or NOTHING

    @admin.display(description=_("state"))
    def state(self, obj: MoneyCase) -> Cell:
        return words.state(obj, words.CASE)

    @admin.display(description=_("opened"))
    def opened(self, obj: MoneyCase) -> Cell:
        return when(obj.opened_at)

    @admin.display(description=_("age"))
    def how_old(self, obj: MoneyCase) -> Cell:
        return NOTHING if obj.status == CaseStatus.CLOSED else age(obj.opened_at, at=clock.now())

    def name_of(self, obj: MoneyCase) -> Cell:
        """Its kind."""
        return obj.get_kind_display().capitalize()

    def status_of(self, obj: MoneyCase) -> Cell:
        """Its state in words."""
        return words.state(obj, words.CASE)

    def headline(self, request: HttpRequest, obj: MoneyCase) -> Sequence[Figure]:
        """How much, what is suggested, how old."""
        return (
            Figure(_("Amount"), money(obj.money)),
            Figure(_("Suggested"), self.suggested(obj)),
            Figure(_("Decision"), self.decided(obj)),
            Figure(_("Opened"), when(obj.opened_at)),
        )

    def panels(self, request: HttpRequest, obj: MoneyCase) -> Sequence[Panel]:
        """The question, who decided, what is or would be booked."""
        subjects = [s for s in (obj.refund_id, obj.payment_id, obj.capture_id) if s]
        journals = [
            j for j in JournalEntry.objects.filter(subject__in=subjects).order_by("id")[:100] if _is_about(j, obj)
        ]
        panels: list[Panel] = [_question(obj), _decision(obj), _came(obj)]
        if request.user.has_perm("ledger.view_journalentry"):
            if obj.status == CaseStatus.PROPOSED and obj.decision:
                panels.append(booking(obj, D(obj.decision)))
            panels.append(t_accounts.of_journals(journals, _("Booked so far")))
        return panels


def _is_about(journal: JournalEntry, case: MoneyCase) -> bool:
    """The capture's own journal, the case's, and those of a refund of it."""
    if case.capture and journal.reference == case.capture.journal_reference:
        return True
    return journal.reference.startswith(f"{case.pk}:") or bool(case.refund_id and journal.subject == case.refund_id)


def _question(obj: MoneyCase) -> Facts:
    return Facts(
        _("Question"),
        (
            (_("Id"), identifier(obj.pk)),
            (_("What happened"), words.KINDS[obj.kind]),
            (_("Detail"), obj.detail or NOTHING),
            (_("Payment"), to("payments_payment", obj.payment_id) if obj.payment_id else NOTHING),
            (_("Attempt"), to("payments_attempt", obj.attempt_id) if obj.attempt_id else NOTHING),
            (_("Refund"), to("payments_refund", obj.refund_id) if obj.refund_id else NOTHING),
            (_("Dispute"), to("payments_dispute", obj.dispute_id) if obj.dispute_id else NOTHING),
        ),
    )


def _decision(obj: MoneyCase) -> Facts:
    approval = obj.approval
    return Facts(
        _("Decision"),
        (
            (_("Suggested"), obj.get_suggestion_display() or NOTHING),
            (_("Proposed"), obj.get_decision_display() or NOTHING),
            (_("Reason"), obj.reason or NOTHING),
            (_("By"), approval.maker_name if approval else NOTHING),
            (_("Approval"), to("core_approval", approval.pk, approval.get_status_display()) if approval else NOTHING),
            (_("Closed"), when(obj.closed_at)),
        ),
    )


def _came(obj: MoneyCase) -> Table:
    capture = obj.capture
    rows = []
    if capture is not None:
        state = words.state(capture, words.CAPTURE, field="disposition")
        number = identifier(capture.gateway_transaction_id)
        rows.append(
            (capture.account.code, number, money(capture.money), state, when(capture.occurred_at, seconds=True))
        )
    heads = columns(_("Account"), _("Gateway number"), num(_("Amount")), _("State"), _("Taken"))
    return Table(_("The money"), heads, rows, _("This case holds no money: it is a question."))


links.register("case", "payments_moneycase")
