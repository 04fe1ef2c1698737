"""Captures: each sum of money a gateway or a carrier says it took. What the Today page counts as volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, clipped, identifier, link, listing, money, short, to, when
from config.core.admin.exports import Export
from config.core.admin.panels import Facts, Figure, Panel
from config.core.admin.readonly import ReadOnlyAdmin
from ledger.admin import t_accounts
from ledger.models import JournalEntry
from payments.admin import words
from payments.admin.attempts import AccountFilter
from payments.models import Attempt, Capture, GatewayAccount


def _row(capture: Capture) -> tuple[Any, ...]:
    return (
        capture.pk, capture.account.code, capture.gateway_transaction_id, capture.payment_id, capture.currency,
        capture.money.decimal, capture.get_disposition_display(), capture.occurred_at, capture.created_at,
    )  # fmt: skip


@admin.register(Capture)
class CaptureAdmin(ReadOnlyAdmin):
    """The list of money that came, and one sum."""

    list_display = (
        "capture_id",
        "account_code",
        "gateway_number",
        "of_payment",
        "amount_money",
        "state",
        "taken",
        "heard",
    )
    list_filter = (
        filters.choice(_("state"), "state", "disposition", Capture.Disposition.choices),
        AccountFilter,
        filters.days(_("heard"), "created_at"),
    )
    list_select_related = ("account",)
    search_fields = ("id",)
    search_help_text = _("gateway number, payment or transaction code")
    empty_list = _("No money has come yet.")
    export = Export(
        name="captures",
        permission="payments.export_payment",
        columns=(
            _("Capture"), _("Account"), _("Gateway number"), _("Payment"), _("Currency"), _("Amount"), _("State"),
            _("Taken"), _("Heard"),
        ),
        row=_row,
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By id, payment, or the gateway's number."""
        accounts = list(GatewayAccount.objects.values_list("pk", flat=True))
        attempts = list(Attempt.objects.filter(gateway_reference=term).values_list("pk", flat=True))
        rows = Capture.objects
        keys = {term} | set(rows.filter(payment_id=term).values_list("pk", flat=True)[:200])
        keys |= set(rows.filter(attempt_id__in=attempts).values_list("pk", flat=True)[:200])
        named = rows.filter(account__in=accounts, gateway_transaction_id=term)
        return list(keys | set(named.values_list("pk", flat=True)))

    @admin.display(description=_("capture"))
    def capture_id(self, obj: Capture) -> Cell:
        return short(obj.pk)

    @admin.display(description=_("account"))
    def account_code(self, obj: Capture) -> Cell:
        return obj.account.code

    @admin.display(description=_("gateway number"))
    def gateway_number(self, obj: Capture) -> Cell:
        return clipped(obj.gateway_transaction_id, 30)

    @admin.display(description=_("payment"))
    def of_payment(self, obj: Capture) -> Cell:
        return to("payments_payment", obj.payment_id) if obj.payment_id else NOTHING

    @admin.display(description=_("amount"))
    def amount_money(self, obj: Capture) -> Cell:
        return money(obj.money)

    @admin.display(description=_("state"))
    def state(self, obj: Capture) -> Cell:
        return words.state(obj, words.CAPTURE, field="disposition")

    @admin.display(description=_("taken"))
    def taken(self, obj: Capture) -> Cell:
        return when(obj.occurred_at)

    @admin.display(description=_("heard"))
    def heard(self, obj: Capture) -> Cell:
        return when(obj.created_at)

    def name_of(self, obj: Capture) -> Cell:
        """The gateway's number."""
        return identifier(obj.gateway_transaction_id)

    def status_of(self, obj: Capture) -> Cell:
        """What it is for."""
        return words.state(obj, words.CAPTURE, field="disposition")

    def headline(self, request: HttpRequest, obj: Capture) -> Sequence[Figure]:
        """How much, where, when."""
        return (
            Figure(_("Amount"), money(obj.money)),
            Figure(_("Account"), obj.account.code),
            Figure(_("Taken"), when(obj.occurred_at)),
        )

    def panels(self, request: HttpRequest, obj: Capture) -> Sequence[Panel]:
        """What it is of, and its journal."""
        facts = Facts(
            _("Money"),
            (
                (_("Id"), identifier(obj.pk)),
                (_("Payment"), self.of_payment(obj)),
                (_("Attempt"), to("payments_attempt", obj.attempt_id) if obj.attempt_id else NOTHING),
                (_("Paid by"), obj.channel or NOTHING),
                (_("Heard"), when(obj.created_at, seconds=True)),
                (_("Journal"), link(listing("ledger_journalentry", q=obj.journal_reference), obj.journal_reference)),
            ),
            is_wide=True,
        )
        if not request.user.has_perm("ledger.view_journalentry"):
            return (facts,)
        journals = list(JournalEntry.objects.filter(reference=obj.journal_reference))
        return (facts, t_accounts.of_journals(journals))


links.register("capture", "payments_capture")
