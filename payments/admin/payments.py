"""Payments: the list finance lives in, and one payment with everything that happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import filters, links
from config.core.admin.cells import Cell, Tone, age, chip, identifier, money, short, when
from config.core.admin.exports import Export
from config.core.admin.panels import Figure, Panel
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.money import Money
from payments.admin import payment_deeds, payment_panels, words
from payments.admin.payment_filters import GatewayFilter, MethodFilter, NoteworthyFilter
from payments.admin.payment_keys import keys_of
from payments.models import MoneyCase, Payment
from payments.states import PaymentStatus


def export_row(payment: Payment) -> tuple[Any, ...]:
    """One payment in a file; no personal data."""
    return (
        payment.id, payment.order.order_id, payment.method.code, payment.method.account.gateway, payment.currency,
        payment.amount.decimal, Money(payment.captured_minor, payment.currency).decimal,
        Money(payment.refunded_minor, payment.currency).decimal, str(PaymentStatus(payment.status).label),
        payment.created_at, payment.succeeded_at, payment.ended_at,
    )  # fmt: skip


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """The payment list and one payment."""

    list_display = ("payment_id", "order_number", "customer_masked", "method_name", "gateway", "amount_money", "captured_money", "refunded_money", "state", "made", "how_old")  # fmt: skip
    list_filter = (
        filters.choice(_("status"), "status", "status", PaymentStatus.choices),
        MethodFilter,
        GatewayFilter,
        filters.days(_("made"), "created_at"),
        filters.amounts(_("amount"), "amount_minor"),
        NoteworthyFilter,
    )
    list_select_related = ("order", "method__account")
    search_fields = ("id",)
    search_help_text = _("payment, order, transaction code or gateway number")
    empty_list = _("No payment was made yet.")
    deeds = payment_deeds.DEEDS
    export = Export(
        name="payments",
        permission="payments.export_payment",
        columns=(
            _("Payment"), _("Order"), _("Method"), _("Gateway"), _("Currency"), _("Amount"), _("Captured"),
            _("Refunded"), _("Status"), _("Made"), _("Paid"), _("Ended"),
        ),
        row=export_row,
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        """With a mark for open cases, looked up for the rows of the page only."""
        rows: QuerySet[Payment] = super().get_queryset(request)
        return rows.annotate(has_case=Exists(MoneyCase.objects.unresolved().filter(payment=OuterRef("pk"))))

    def found(self, term: str) -> Sequence[Any]:
        """By every number a payment is known by, each exact and each by an index."""
        return keys_of(term)

    @admin.display(description=_("payment"))
    def payment_id(self, obj: Payment) -> Cell:
        return short(obj.id)

    @admin.display(description=_("order"))
    def order_number(self, obj: Payment) -> Cell:
        return short(obj.order.order_id)

    @admin.display(description=_("customer"))
    def customer_masked(self, obj: Payment) -> Cell:
        return payment_panels.masked_customer(obj.customer)

    @admin.display(description=_("method"))
    def method_name(self, obj: Payment) -> Cell:
        return obj.method.name

    @admin.display(description=_("gateway"))
    def gateway(self, obj: Payment) -> Cell:
        return obj.method.account.gateway

    @admin.display(description=_("amount"))
    def amount_money(self, obj: Payment) -> Cell:
        return money(obj.amount)

    @admin.display(description=_("captured"))
    def captured_money(self, obj: Payment) -> Cell:
        return money(Money(obj.captured_minor, obj.currency), dash_zero=True)

    @admin.display(description=_("refunded"))
    def refunded_money(self, obj: Payment) -> Cell:
        return money(Money(-obj.refunded_minor, obj.currency), dash_zero=True)

    @admin.display(description=_("status"))
    def state(self, obj: Payment) -> Cell:
        chips = [words.state(obj, words.PAYMENT)]
        if obj.has_case:  # type: ignore[attr-defined]  # annotated
            chips.append(chip(_("case"), Tone.WARN, _("A money case is open.")))
        if obj.is_late:
            chips.append(chip(_("late"), Tone.CALM, _("Paid after its end had been announced.")))
        return format_html_join(" ", "{}", ((one,) for one in chips))

    @admin.display(description=_("made"))
    def made(self, obj: Payment) -> Cell:
        return when(obj.created_at)

    @admin.display(description=_("age"))
    def how_old(self, obj: Payment) -> Cell:
        return age(obj.created_at, at=clock.now())

    def name_of(self, obj: Payment) -> Cell:
        """Its id, to copy."""
        return identifier(obj.id)

    def status_of(self, obj: Payment) -> Cell:
        """Its state in words."""
        return words.state(obj, words.PAYMENT)

    def headline(self, request: HttpRequest, obj: Payment) -> Sequence[Figure]:
        """The amounts beside the status."""
        c = obj.currency
        return (
            Figure(_("Amount"), money(obj.amount)),
            Figure(_("Captured"), money(Money(obj.captured_minor, c), dash_zero=True)),
            Figure(_("Being refunded"), money(Money(obj.refunding_minor, c), dash_zero=True)),
            Figure(_("Refunded"), money(Money(-obj.refunded_minor, c), dash_zero=True)),
            Figure(_("Disputed"), money(Money(-obj.disputed_minor, c), dash_zero=True)),
            Figure(_("Left to refund"), money(obj.refundable, dash_zero=True)),
        )

    def panels(self, request: HttpRequest, obj: Payment) -> Sequence[Panel]:
        """Facts, attempts, money, timeline."""
        return payment_panels.of(obj, can_see_books=request.user.has_perm("ledger.view_journalentry"))


links.register("payment", "payments_payment")
