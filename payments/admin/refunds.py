"""The refunds queue: what waits for a second person, what is on its way, what needs a hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import approvals as approvals_page
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, age, clipped, identifier, money, short, to, when
from config.core.admin.deeds import Deed, DeedForm, Doing, Done, NoQuestionForm, ReasonForm
from config.core.admin.exports import Export
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, num
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import User
from config.core.money import Money
from ledger.admin import t_accounts
from ledger.models import JournalEntry
from payments import postings
from payments.admin import refund_form, words
from payments.models import Payment, Refund
from payments.services import refund_steps
from payments.states import RefundStatus

R = RefundStatus


class SettleForm(DeedForm):
    """The transfer that was made."""

    bank = forms.SlugField(
        label=_("Our bank"), max_length=40, help_text=_("The bank account it left, as in the ledger: vcb, tcb ...")
    )
    bank_reference = forms.CharField(label=_("Bank's reference"), max_length=100)


class RetryForm(ReasonForm):
    """Why; and, where the gateway may pay twice, that somebody looked."""

    is_surely_not_there = forms.BooleanField(
        label=_("I looked in the gateway's portal: this refund is not there."),
        error_messages={"required": _("Confirm that the refund is not at the gateway: this one may pay twice.")},
    )
    field_order = ("is_surely_not_there", "reason")

    def prepare(self) -> None:
        """Asked only where it matters."""
        if not refund_steps.may_pay_twice(self.obj, at=clock.now()):
            del self.fields["is_surely_not_there"]
            return
        warning = _t("This gateway does not know our reference of a refund, or no longer does. If the first one arrived after all, sending it again pays the customer twice. Ask the gateway, and look in its portal, before you send it.")  # fmt: skip
        self.fields["is_surely_not_there"].help_text = format_html('<strong class="o-error">{}</strong>', warning)


def _retry(doing: Doing) -> Done:
    refund_steps.retry(
        refund_id=doing.obj.pk,
        actor=doing.actor,
        reason=doing.reason,
        at=doing.at,
        is_surely_not_there=bool(doing.data.get("is_surely_not_there")),
    )
    return _t("It is sent again, under the same reference.")


def _ask(doing: Doing) -> Done:
    refund = refund_steps.ask(refund_id=doing.obj.pk, at=doing.at)
    return _t("The gateway was asked. The refund is %(status)s.") % {"status": refund.get_status_display()}


def _settle(doing: Doing) -> Done:
    refund_steps.settle_by_bank(
        refund_id=doing.obj.pk,
        bank=doing.data["bank"],
        bank_reference=doing.data["bank_reference"],
        actor=doing.actor,
        at=doing.at,
    )
    return _t("Booked as sent.")


def _waits_for_bank(refund: Refund) -> bool:
    return refund.route == Refund.Route.BANK and refund.status == R.APPROVED


def _can_be_retried(refund: Refund) -> bool:
    return refund.route == Refund.Route.GATEWAY and refund.status in (R.NEEDS_OPERATOR, R.UNKNOWN)


def _can_be_asked(refund: Refund) -> bool:
    return refund.route == Refund.Route.GATEWAY and refund.status in (
        R.SUBMITTED,
        R.PENDING,
        R.UNKNOWN,
        R.NEEDS_OPERATOR,
    )


def _row(refund: Refund) -> tuple[Any, ...]:
    return (
        refund.pk, refund.payment_id, refund.currency, refund.amount.decimal, refund.get_route_display(),
        refund.get_status_display(), refund.reason, refund.requested_by, refund.created_at, refund.ended_at,
    )  # fmt: skip


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """The queue and one refund."""

    list_display = (
        "refund_id",
        "of_payment",
        "amount_money",
        "route_name",
        "why",
        "bearer",
        "asked_by",
        "state",
        "decision",
        "how_old",
    )
    list_filter = (
        filters.choice(_("state"), "status", "status", R.choices),
        filters.choice(_("way"), "route", "route", Refund.Route.choices),
        filters.days(_("asked"), "created_at"),
        filters.amounts(_("amount"), "amount_minor"),
    )
    list_select_related = ("approval",)
    search_fields = ("id",)
    search_help_text = _("refund, payment, order or reference")
    empty_list = _("Nobody has asked for money back.")
    deeds = (
        approvals_page.APPROVE,
        approvals_page.REJECT,
        Deed(name="settle", label=_("Sent by bank"), permission="payments.retry_refund", run=_settle, form=SettleForm, icon="account_balance", is_main=True, is_offered=_waits_for_bank, explain=_("You made the transfer to the account below. It is booked as sent from the bank you name.")),
        Deed(name="retry", label=_("Send again"), permission="payments.retry_refund", run=_retry, form=RetryForm, icon="refresh", is_offered=_can_be_retried, explain=_("Where the gateway knows our reference, the same one is used and it cannot pay twice; where it does not, this page says so.")),
        Deed(name="ask", label=_("Ask the gateway"), permission="payments.retry_refund", run=_ask, form=NoQuestionForm, icon="sync", is_offered=_can_be_asked),
    )  # fmt: skip
    export = Export(
        name="refunds",
        permission="payments.export_payment",
        columns=(
            _("Refund"), _("Payment"), _("Currency"), _("Amount"), _("Way"), _("Status"), _("Reason"), _("Asked by"),
            _("Asked"), _("Ended"),
        ),
        row=_row,
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By id, payment, order or the gateway's reference."""
        rows = Refund.objects
        keys = {term}
        keys |= set(rows.filter(payment_id=term).values_list("pk", flat=True)[:200])
        payments = list(Payment.objects.filter(order__order_id=term).values_list("pk", flat=True)[:200])
        keys |= set(rows.filter(payment_id__in=payments).values_list("pk", flat=True)[:200])
        return list(
            keys | set(rows.filter(gateway_reference=term).exclude(gateway_reference="").values_list("pk", flat=True))
        )

    @admin.display(description=_("refund"))
    def refund_id(self, obj: Refund) -> Cell:
        return short(obj.pk)

    @admin.display(description=_("payment"))
    def of_payment(self, obj: Refund) -> Cell:
        return to("payments_payment", obj.payment_id) if obj.payment_id else _("held money")

    @admin.display(description=_("amount"))
    def amount_money(self, obj: Refund) -> Cell:
        return money(obj.amount)

    @admin.display(description=_("way"))
    def route_name(self, obj: Refund) -> Cell:
        return obj.get_route_display()

    @admin.display(description=_("reason"))
    def why(self, obj: Refund) -> Cell:
        return clipped(obj.reason, 36)

    @admin.display(description=_("shipping borne by"))
    def bearer(self, obj: Refund) -> Cell:
        return obj.get_shipping_bearer_display()

    @admin.display(description=_("asked by"))
    def asked_by(self, obj: Refund) -> Cell:
        return clipped(obj.requested_by, 30)

    @admin.display(description=_("state"))
    def state(self, obj: Refund) -> Cell:
        return words.state(obj, words.REFUND)

    @admin.display(description=_("approval"))
    def decision(self, obj: Refund) -> Cell:
        return to("core_approval", obj.approval_id, obj.approval.get_status_display()) if obj.approval else NOTHING

    @admin.display(description=_("age"))
    def how_old(self, obj: Refund) -> Cell:
        return age(obj.created_at, at=clock.now())

    def name_of(self, obj: Refund) -> Cell:
        """Its id."""
        return identifier(obj.pk)

    def status_of(self, obj: Refund) -> Cell:
        """Its state in words."""
        return words.state(obj, words.REFUND)

    def headline(self, request: HttpRequest, obj: Refund) -> Sequence[Figure]:
        """How much, by which way, asked by whom."""
        paid = Money(obj.payment.captured_minor, obj.currency) if obj.payment else obj.capture.money
        return (
            Figure(_("To the customer"), money(obj.amount)),
            Figure(_("Was paid"), money(paid)),
            Figure(_("Way"), obj.get_route_display()),
            Figure(_("Asked by"), obj.requested_by),
            Figure(_("Age"), age(obj.created_at, at=clock.now())),
        )

    def panels(self, request: HttpRequest, obj: Refund) -> Sequence[Panel]:
        """Facts, lines, what is or would be booked, claims on shops."""
        lines = list(obj.lines.select_related("shop_order__shop").order_by("id"))
        journals = list(JournalEntry.objects.filter(subject=obj.pk).order_by("id"))
        panels: list[Panel] = [_facts(obj), _way(obj, request.user)]
        panels.append(refund_form.lines_table(lines, obj.currency, _("Lines")))
        if request.user.has_perm("ledger.view_journalentry"):
            if journals or not lines:
                panels.append(t_accounts.of_journals(journals))
            elif obj.status in (R.REQUESTED, R.PENDING_APPROVAL):
                by_shop = obj.shipping_bearer == Refund.ShippingBearer.SHOP
                booked = postings.refund_booked(lines, shipping_by_shop=by_shop, currency=obj.currency)
                panels.append(t_accounts.of_lines(booked, _("What will be booked when it is approved")))
        return (*panels, _claims(obj))


def _facts(obj: Refund) -> Facts:
    return Facts(
        _("Refund"),
        (
            (
                _("Payment"),
                to("payments_payment", obj.payment_id) if obj.payment_id else _("of money held in suspense"),
            ),
            (_("Reason"), obj.reason or NOTHING),
            (_("Shipping borne by"), obj.get_shipping_bearer_display()),
            (_("Approval"), to("core_approval", obj.approval_id) if obj.approval_id else _("not needed")),
            (_("Asked"), when(obj.created_at, seconds=True)),
            (_("Ended"), when(obj.ended_at, seconds=True)),
        ),
    )


def _way(obj: Refund, user: Any) -> Facts:
    return Facts(
        _("Its way"),
        (
            (_("Our reference"), identifier(obj.gateway_reference)),
            (_("Gateway's number"), identifier(obj.gateway_refund_id)),
            (_("Customer's account"), bank_details(obj, user)),
            (_("Bank's reference"), obj.bank_reference or NOTHING),
            (_("Times sent or asked"), str(obj.steps)),
            (_("Next step"), when(obj.next_step_at)),
            (_("Why it failed"), f"{obj.failure_code} {obj.failure_message}".strip() or NOTHING),
        ),
    )


def bank_details(obj: Refund, user: User | Any) -> Cell:
    """The customer's account: whole for who pays or decides, its end for others."""
    details = obj.bank_details
    if not details:
        return NOTHING
    account = str(details.get("account_number", ""))
    may_see = user.has_perm("payments.retry_refund") or user.has_perm("core.decide_approval")
    shown = account if may_see else f"…{account[-4:]}"
    return f"{details.get('bank', '')} · {shown} · {details.get('account_name', '')}"


def _claims(obj: Refund) -> Table:
    rows = [
        (
            c.shop.name,
            c.shop_order.shop_order_id,
            money(Money(c.amount_minor, c.currency)),
            c.get_status_display(),
            when(c.created_at),
        )
        for c in obj.clawbacks.select_related("shop", "shop_order").order_by("created_at")
    ]
    heads = columns(_("Shop"), _("Shop order"), num(_("Amount")), _("State"), _("Made"))
    return Table(_("Claims on shops"), heads, rows, _("No shop bears a part of this refund yet."))


links.register("refund", "payments_refund")
