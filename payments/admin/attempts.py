"""Attempts: each try at a gateway, what was sent and what came back, masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import audit
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, clipped, identifier, money, to, when
from config.core.admin.deeds import Deed, Doing, Done, NoQuestionForm
from config.core.admin.filters import ChoiceFilter
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from payments.admin import words
from payments.models import Attempt, AttemptEvent, GatewayAccount
from payments.services import accounts, expiry
from payments.states import AttemptStatus


def _ask(doing: Doing) -> Done:
    outcome = expiry.ask(doing.obj, source=AttemptEvent.Source.STAFF, at=doing.at, actor=doing.actor)
    with transaction.atomic():
        audit.record(actor=doing.actor, action="attempt.asked", object_type="attempt", object_id=doing.obj.pk)
    return (
        _t("The gateway gave no answer.")
        if outcome is None
        else _t("The gateway answered: %(what)s.") % {"what": outcome.value}
    )


def _can_be_asked(attempt: Attempt) -> bool:
    """Whether its gateway may know of it."""
    return bool(attempt.status != AttemptStatus.QUEUED and accounts.of(attempt.account).notifies)


class AccountFilter(ChoiceFilter):
    """A merchant account, by its code."""

    title, parameter_name = _("account"), "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All accounts."""
        return [(code, code) for code in GatewayAccount.objects.order_by("code").values_list("code", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By key, so that no join is needed."""
        if not self.value():
            return queryset
        return queryset.filter(account__in=list(GatewayAccount.objects.filter(code=self.value())))


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """The attempt list and one attempt."""

    list_display = (
        "reference",
        "of_payment",
        "account_code",
        "number",
        "amount_money",
        "state",
        "gateway_number",
        "why",
        "made",
        "asked_next",
        "sent_next",
    )
    list_filter = (
        filters.choice(_("state"), "status", "status", AttemptStatus.choices),
        AccountFilter,
        filters.recent(_("last"), "created_at"),
        filters.days(_("made"), "created_at"),
    )
    list_select_related = ("account",)
    search_fields = ("id",)
    search_help_text = _("attempt, transaction code or gateway number")
    empty_list = _("No customer has tried to pay yet.")
    deeds = (
        Deed(name="ask", label=_("Ask the gateway"), permission="payments.act_on_payment", run=_ask, form=NoQuestionForm, icon="sync", is_offered=_can_be_asked),
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By id, payment, transaction code or gateway number."""
        rows = Attempt.objects
        keys = {term}
        keys |= set(rows.filter(payment_id=term).values_list("pk", flat=True))
        keys |= set(rows.filter(gateway_reference=term).values_list("pk", flat=True))
        accounts = list(GatewayAccount.objects.values_list("pk", flat=True))
        named = rows.filter(account__in=accounts, gateway_transaction_id=term)
        return list(keys | set(named.values_list("pk", flat=True)[:200]))

    @admin.display(description=_("transaction code"))
    def reference(self, obj: Attempt) -> Cell:
        return clipped(obj.gateway_reference, 40)

    @admin.display(description=_("payment"))
    def of_payment(self, obj: Attempt) -> Cell:
        return to("payments_payment", obj.payment_id)

    @admin.display(description=_("account"))
    def account_code(self, obj: Attempt) -> Cell:
        return obj.account.code

    @admin.display(description=_("amount"))
    def amount_money(self, obj: Attempt) -> Cell:
        return money(obj.amount)

    @admin.display(description=_("state"))
    def state(self, obj: Attempt) -> Cell:
        return words.state(obj, words.ATTEMPT)

    @admin.display(description=_("gateway number"))
    def gateway_number(self, obj: Attempt) -> Cell:
        return clipped(obj.gateway_transaction_id, 24)

    @admin.display(description=_("why"))
    def why(self, obj: Attempt) -> Cell:
        return clipped(obj.failure_message or obj.failure_code, 40)

    @admin.display(description=_("made"))
    def made(self, obj: Attempt) -> Cell:
        return when(obj.created_at)

    @admin.display(description=_("asked next"))
    def asked_next(self, obj: Attempt) -> Cell:
        return when(obj.next_query_at)

    @admin.display(description=_("sent next"))
    def sent_next(self, obj: Attempt) -> Cell:
        return when(obj.next_send_at)

    def name_of(self, obj: Attempt) -> Cell:
        """What the gateway calls it."""
        return identifier(obj.gateway_reference)

    def status_of(self, obj: Attempt) -> Cell:
        """Its state in words."""
        return words.state(obj, words.ATTEMPT)

    def headline(self, request: HttpRequest, obj: Attempt) -> Sequence[Figure]:
        """How much, where, how often asked; of one that the background opens how often it was sent, and when again."""
        in_background = (
            Figure(_("Times sent"), str(obj.sends)),
            Figure(_("Sent next"), when(obj.next_send_at)),
        )
        return (
            Figure(_("Amount"), money(obj.amount)),
            Figure(_("Account"), obj.account.code),
            Figure(_("Times asked"), str(obj.queries)),
            Figure(_("Asked next"), when(obj.next_query_at)),
            *(in_background if obj.sends or obj.is_to_be_sent else ()),
        )

    def panels(self, request: HttpRequest, obj: Attempt) -> Sequence[Panel]:
        """Facts, history, and both sides of the conversation."""
        history = [
            (
                when(e.at, seconds=True),
                words.word(e.from_status, words.ATTEMPT, AttemptStatus) if e.from_status else NOTHING,
                words.word(e.to_status, words.ATTEMPT, AttemptStatus),
                e.get_source_display(),
                e.actor or NOTHING,
                e.reason or NOTHING,
            )
            for e in obj.history.order_by("id")
        ]
        return (
            Facts(
                _("Attempt"),
                (
                    (_("Id"), identifier(obj.pk)),
                    (_("Payment"), to("payments_payment", obj.payment_id)),
                    (_("Number"), str(obj.number)),
                    (_("Gateway number"), identifier(obj.gateway_transaction_id)),
                    (_("Why it failed"), f"{obj.failure_code} {obj.failure_message}".strip() or NOTHING),
                ),
            ),
            Facts(
                _("Times"),
                (
                    (_("Made"), when(obj.created_at, seconds=True)),
                    (_("Changed"), when(obj.updated_at, seconds=True)),
                    (_("Pay until"), when(obj.expires_at, seconds=True)),
                    (_("Ended"), when(obj.ended_at, seconds=True)),
                    (_("Emptied by retention"), when(obj.purged_at)),
                ),
            ),
            Facts(_("What we sent"), ((_("Fields"), fields_of(obj.request)),)),
            Facts(_("What came back"), ((_("Fields"), fields_of(obj.response)),)),
            Table(_("History"), columns(_("When"), _("From"), _("To"), _("By way of"), _("Who"), _("Why")), history, _("Nothing has happened yet.")),
        )  # fmt: skip


links.register("attempt", "payments_attempt")
