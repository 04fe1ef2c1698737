"""Payments: the list finance lives in, and one payment with everything that happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from config.core import clock, masking
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, Tone, age, chip, identifier, link, listing, money, short, to, when
from config.core.admin.exports import Export
from config.core.admin.filters import ChoiceFilter
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, num
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.money import Money
from ledger.admin import t_accounts
from payments.admin import payment_deeds, timeline, words
from payments.models import Attempt, Capture, GatewayAccount, MoneyCase, Order, Payment, PaymentMethod
from payments.states import PaymentStatus

MAX_FOUND: Final = 200
"""So many payments a typed number may name; the rest is for a finer search."""


class MethodFilter(ChoiceFilter):
    """A payment method."""

    title, parameter_name, column = _("method"), "method", "method_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All methods, the inactive too: their payments are still there."""
        return [(str(method.pk), method.name) for method in PaymentMethod.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What is no number names no method."""
        value = self.value()
        return queryset.filter(method_id=int(value)) if value and value.isascii() and value.isdigit() else queryset


class GatewayFilter(ChoiceFilter):
    """A gateway: its methods' payments, by the index of the method."""

    title, parameter_name = _("gateway"), "gateway"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The gateways we have accounts at."""
        return [
            (code, code)
            for code in GatewayAccount.objects.order_by("gateway").values_list("gateway", flat=True).distinct()
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the methods of the gateway's accounts."""
        if not self.value():
            return queryset
        methods = list(PaymentMethod.objects.filter(account__gateway=self.value()).values_list("pk", flat=True))
        return queryset.filter(method_id__in=methods)


class NoteworthyFilter(ChoiceFilter):
    """What needs a look."""

    title, parameter_name = _("noteworthy"), "note"
    options = (
        ("case", _("open case")),
        ("late", _("paid late")),
        ("refunded", _("refunded")),
        ("disputed", _("disputed")),
        ("unknown", _("outcome unknown")),
    )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Each by an index of few rows."""
        if self.value() == "case":
            return queryset.filter(pk__in=MoneyCase.objects.unresolved().exclude(payment=None).values("payment_id"))
        if self.value() == "late":
            return queryset.filter(is_late=True)
        if self.value() == "refunded":
            return queryset.filter(refunded_minor__gt=0)
        if self.value() == "disputed":
            return queryset.filter(disputed_minor__gt=0)
        if self.value() == "unknown":
            return queryset.filter(pk__in=Attempt.objects.filter(status="unknown").values("payment_id"))
        return queryset


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
        return masked_customer(obj.customer)

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
        story = timeline.read(obj)
        can_see_books = request.user.has_perm("ledger.view_journalentry")
        drawn: list[Panel] = [t_accounts.of_journals(story.journals)] if can_see_books else []
        return (
            _facts(obj),
            _times(obj),
            _attempts(story),
            _captures(obj),
            *drawn,
            _refunds(story),
            _disputes(story),
            _cases(story),
            timeline.drawing(story),
            _messages(story),
            _emails(story),
        )


def keys_of(term: str) -> list[Any]:
    """The payments that an id, order, transaction code or gateway number names."""
    # One question of six parts, each with an index of its own. The account comes first in the gateway numbers' indexes,
    # so it is asked for beside them; there are few accounts.
    accounts = GatewayAccount.objects.values("pk")
    by_payment = Payment.objects.filter(pk=term).values_list("pk")
    others = (
        Payment.objects.filter(order__in=Order.objects.filter(order_id=term)).values_list("pk"),
        Attempt.objects.filter(pk=term).values_list("payment_id"),
        Attempt.objects.filter(gateway_reference=term).values_list("payment_id"),
        Attempt.objects.filter(account__in=accounts, gateway_transaction_id=term).values_list("payment_id"),
        Capture.objects.filter(account__in=accounts, gateway_transaction_id=term).values_list("payment_id"),
    )
    return [key for (key,) in by_payment.union(*others)[:MAX_FOUND] if key]


def masked_customer(customer: str) -> Cell:
    """A customer by the ends of their id: enough to tell two apart."""
    return customer if len(customer) <= 8 else f"{customer[:4]}…{customer[-3:]}"


def _facts(obj: Payment) -> Facts:
    return Facts(
        _("Payment"),
        (
            (_("Order"), to("payments_order", obj.order_id, obj.order.order_id)),
            (_("Customer"), masked_customer(obj.customer)),
            (_("Buyer"), masking.text(obj.order.buyer_email) or NOTHING),
            (_("Method"), to("payments_paymentmethod", obj.method_id, obj.method.name)),
            (_("Gateway"), f"{obj.method.account.gateway} · {obj.method.account.code}"),
            (_("Asked for by"), obj.client),
            (_("Why it failed"), obj.failure_code or NOTHING),
        ),
    )


def _times(obj: Payment) -> Facts:
    return Facts(
        _("Times"),
        (
            (_("Made"), when(obj.created_at, seconds=True)),
            (_("Pay until"), when(obj.expires_at, seconds=True)),
            (_("Paid"), when(obj.succeeded_at, seconds=True)),
            (_("Ended"), when(obj.ended_at, seconds=True)),
            (_("Paid late"), chip(_("late"), Tone.WARN) if obj.is_late else NOTHING),
            (_("Events announced"), str(obj.events_count)),
            (_("Audit"), link(listing("core_auditentry", q=obj.pk), _("audit trail"))),
        ),
    )


def _attempts(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_attempt", a.pk, f"#{a.number}"),
            a.account.code,
            identifier(a.gateway_reference),
            identifier(a.gateway_transaction_id),
            money(a.amount),
            words.state(a, words.ATTEMPT),
            a.failure_message or a.failure_code or NOTHING,
            when(a.created_at, seconds=True),
        )
        for a in story.attempts
    ]
    heads = columns(
        _("No."),
        _("Account"),
        _("Transaction code"),
        _("Gateway number"),
        num(_("Amount")),
        _("State"),
        _("Why"),
        _("Made"),
    )
    return Table(_("Attempts"), heads, rows, _("The customer has not tried yet."))


def _captures(obj: Payment) -> Table:
    rows = [
        (
            c.account.code,
            identifier(c.gateway_transaction_id),
            money(c.money),
            words.state(c, words.CAPTURE, field="disposition"),
            when(c.occurred_at, seconds=True),
            link(listing("ledger_journalentry", q=c.journal_reference), _("journal")),
        )
        for c in obj.captures.select_related("account").order_by("created_at")
    ]
    heads = columns(_("Account"), _("Gateway number"), num(_("Amount")), _("What for"), _("Taken"), _("Booked"))
    return Table(_("Money that came"), heads, rows, _("No money has come."))


def _refunds(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_refund", r.pk),
            money(r.amount),
            r.get_route_display(),
            words.state(r, words.REFUND),
            r.reason or NOTHING,
            r.requested_by,
            when(r.created_at),
        )
        for r in story.refunds
    ]
    heads = columns(_("Refund"), num(_("Amount")), _("Way"), _("State"), _("Reason"), _("Asked by"), _("When"))
    return Table(_("Refunds"), heads, rows, _("Nothing was refunded."))


def _disputes(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_dispute", d.pk),
            money(d.amount),
            d.get_reason_class_display(),
            words.state(d, words.DISPUTE),
            when(d.respond_by),
            d.get_liability_display(),
            when(d.opened_at),
        )
        for d in story.disputes
    ]
    heads = columns(
        _("Dispute"), num(_("Amount")), _("Reason"), _("State"), _("Answer until"), _("Borne by"), _("Opened")
    )
    return Table(_("Disputes"), heads, rows, _("Nobody disputes this payment."))


def _cases(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_moneycase", c.pk),
            c.get_kind_display(),
            money(c.money),
            words.state(c, words.CASE),
            c.get_decision_display() or NOTHING,
            when(c.opened_at),
        )
        for c in story.cases
    ]
    heads = columns(_("Case"), _("Kind"), num(_("Amount")), _("State"), _("Decision"), _("Opened"))
    return Table(_("Money cases"), heads, rows, _("No question was open about this payment."))


def _messages(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_notification", n.pk),
            when(n.received_at, seconds=True),
            n.gateway,
            words.state(n, words.NOTIFICATION),
            str(n.deliveries),
            n.error or NOTHING,
        )
        for n in story.notifications
    ]
    heads = columns(_("Message"), _("Received"), _("Gateway"), _("State"), num(_("Deliveries")), _("Error"))
    return Table(_("Gateway messages"), heads, rows, _("The gateway has sent nothing."))


def _emails(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_emailmessagelog", e.pk, e.get_kind_display()),
            words.state(e, words.EMAIL),
            str(e.tries),
            when(e.created_at),
            when(e.sent_at),
        )
        for e in story.emails
    ]
    heads = columns(_("E-mail"), _("State"), num(_("Tries")), _("Promised"), _("Sent"))
    return Table(_("E-mails"), heads, rows, _("No e-mail was promised."))


links.register("payment", "payments_payment")
