"""The refund form: an amount or lines per shop order, who bears shipping, and the journal it will book."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import Cell, money, money_text, page, read_money
from config.core.admin.deeds import Deed, Doing, Done, ReasonForm
from config.core.admin.panels import Panel, Table, columns, num
from config.core.money import Money, MoneyError
from ledger.admin import t_accounts
from payments import postings, refund_split
from payments.models import Capture, Payment, Refund, RefundLine
from payments.refund_split import Unit, Wanted
from payments.services import accounts, refundable, refunds
from payments.services.refunds import NewRefund
from payments.states import RefundStatus

ALL: Final = "all"
AMOUNT: Final = "amount"
LINES: Final = "lines"


def site() -> Any:
    """The admin site that pages of ours belong to."""
    return admin.site


def _only_by_bank() -> forms.TextInput:
    return forms.TextInput(attrs={"data-when": "route=bank", "autocomplete": "off"})


class RefundForm(ReasonForm):
    """How much, of what, by which way, and why."""

    field_order = ("how", "amount", "shipping_bearer", "route", "reason")

    how = forms.ChoiceField(
        label=_("How much"),
        widget=forms.RadioSelect,
        initial=ALL,
        choices=((ALL, _("All that is left")), (AMOUNT, _("An amount")), (LINES, _("Lines of shop orders"))),
    )
    amount = forms.CharField(
        label=_("Amount to the customer"),
        required=False,
        max_length=30,
        widget=forms.TextInput(attrs={"data-when": "how=amount", "inputmode": "numeric"}),
        help_text=_("Split over the shop orders by what is left of their goods, then over shipping."),
    )
    shipping_bearer = forms.ChoiceField(
        label=_("Who bears shipping"), choices=Refund.ShippingBearer.choices,
        help_text=_("Counts for shipping that the carrier has invoiced already."),
    )  # fmt: skip
    route = forms.ChoiceField(
        label=_("Way"),
        required=False,
        choices=(("", _("by the gateway where it can")), *Refund.Route.choices),
        help_text=_("A refund by bank always waits for a second person."),
    )
    bank = forms.CharField(label=_("Customer's bank"), required=False, max_length=60, widget=_only_by_bank())
    account_number = forms.CharField(label=_("Account number"), required=False, max_length=40, widget=_only_by_bank())
    account_name = forms.CharField(label=_("Account holder"), required=False, max_length=100, widget=_only_by_bank())
    nonce = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def prepare(self) -> None:
        """One field per unit of the order that has something left; amounts in list value."""
        self.units = units_left(self.obj)
        self.initial = {
            "nonce": secrets.token_urlsafe(16),
            "how": ALL,
            "shipping_bearer": Refund.ShippingBearer.PLATFORM,
        }
        self.fields["amount"].help_text = _t("Up to %(left)s. Split over the shop orders by what is left of their goods, then over shipping.") % {"left": money_text(self.obj.refundable)}  # fmt: skip
        if not can_gateway_refund(self.obj):
            route: Any = self.fields["route"]
            route.choices, route.required = [(Refund.Route.BANK.value, Refund.Route.BANK.label)], True
            route.help_text = _t(
                "The gateway cannot send back what was paid this way. A refund by bank always waits for a second person."
            )
        for number, unit in enumerate(self.units):
            self.fields[f"line_{number}"] = forms.CharField(
                label=_t("%(order)s, %(shop)s: %(kind)s")
                % {
                    "kind": RefundLine.Kind(unit.kind).label,
                    "order": unit.shop_order.shop_order_id,
                    "shop": unit.shop_order.shop.name,
                },
                required=False,
                max_length=30,
                widget=forms.TextInput(attrs={"data-when": "how=lines", "inputmode": "numeric"}),
                help_text=_t("Up to %(left)s in list value.")
                % {"left": money_text(Money(unit.list_left, self.obj.currency))},
            )
        rest = ("shipping_bearer", "route", "bank", "account_number", "account_name", "reason", "nonce")
        self.order_fields(["how", "amount", *(f"line_{n}" for n in range(len(self.units))), *rest])

    def clean(self) -> dict[str, Any]:
        """Amounts as Money; only what the chosen way of asking needs."""
        data: dict[str, Any] = super().clean() or {}
        how = data.get("how")
        data["money"] = self._money("amount") if how == AMOUNT else None
        data["wanted"] = self._wanted() if how == LINES else ()
        if how == AMOUNT and data["money"] is None and "amount" not in self.errors:
            self.add_error("amount", _("Say how much."))
        if how == LINES and not data["wanted"] and not self.errors:
            self.add_error("how", _("Fill in at least one line."))
        if data.get("route") == Refund.Route.BANK:
            for name in ("bank", "account_number", "account_name"):
                if not data.get(name):
                    self.add_error(name, _("A transfer needs this."))
        return data

    def _wanted(self) -> tuple[Wanted, ...]:
        found = []
        for number, unit in enumerate(self.units):
            amount = self._money(f"line_{number}")
            if amount is not None and amount.minor:
                kind = RefundLine.Kind(unit.kind)
                found.append(Wanted(shop_order_id=unit.shop_order.shop_order_id, kind=kind, list_minor=amount.minor))
        return tuple(found)

    def _money(self, name: str) -> Money | None:
        text = str(self.cleaned_data.get(name) or "").strip()
        if not text:
            return None
        try:
            return read_money(text, self.obj.currency)
        except MoneyError as error:
            self.add_error(name, ValidationError(error.message))
            return None


def can_gateway_refund(payment: Payment) -> bool:
    """Whether the gateway that took the money can send it back."""
    capture = payment.captures.filter(disposition=Capture.Disposition.APPLIED).select_related("account").first()
    return capture is not None and accounts.can_refund(capture)


def units_left(payment: Payment) -> list[Unit]:
    """What may still be refunded, per shop order and kind."""
    shop_orders = list(payment.order.shop_orders.select_related("shop").order_by("id"))
    if not shop_orders:
        return []
    found = refund_split.units(shop_orders=shop_orders, paid=payment.amount, refunded=refundable.refunded_of(payment))
    return [unit for unit in found if unit.list_left > 0]


def _wish(payment: Payment, data: Mapping[str, Any], **who: Any) -> NewRefund:
    details = {name: data[name] for name in ("bank", "account_number", "account_name") if data.get(name)}
    return NewRefund(
        payment_id=payment.pk,
        amount=data["money"],
        lines=data["wanted"],
        reason=data["reason"],
        shipping_bearer=Refund.ShippingBearer(data["shipping_bearer"]),
        route=Refund.Route(data["route"]) if data["route"] else None,
        bank_details=details,
        **who,
    )


def _preview(payment: Payment, data: Mapping[str, Any]) -> Sequence[Panel]:
    lines = refunds.draft_lines(_wish(payment, data))
    by_shop = data["shipping_bearer"] == Refund.ShippingBearer.SHOP
    booked = postings.refund_booked(lines, shipping_by_shop=by_shop, currency=payment.currency)
    return (
        lines_table(lines, payment.currency, _("What will be refunded")),
        t_accounts.of_lines(booked, _("What will be booked")),
    )


def lines_table(lines: Sequence[RefundLine], currency: str, title: Any) -> Table:
    """The lines of a refund: list value, and how cash and the site's share add up to it."""
    rows = [
        (
            line.shop_order.shop_order_id,
            line.shop_order.shop.name,
            line.get_kind_display(),
            money(Money(line.list_minor, currency)),
            money(Money(line.cash_minor, currency)),
            money(Money(line.site_minor, currency), dash_zero=True),
        )
        for line in lines
    ]
    heads = columns(
        _("Shop order"),
        _("Shop"),
        _("Of"),
        num(_("List value")),
        num(_("To the customer")),
        num(_("Platform's share back")),
    )
    sums = [
        Money(sum(getattr(line, name) for line in lines), currency)
        for name in ("list_minor", "cash_minor", "site_minor")
    ]
    foot: Sequence[Cell] = (_("Total"), "", "", *(money(total) for total in sums)) if rows else ()
    return Table(title, heads, rows, _("This refund has no lines: it is of money held in suspense."), foot=foot)


def _refund(doing: Doing) -> Done:
    data = doing.data
    wish = _wish(
        doing.obj,
        data,
        actor=doing.actor,
        maker=doing.user,
        client=f"staff:{doing.user.pk}",
        idempotency_key=f"{doing.obj.pk}:{data['nonce']}",
        fingerprint=_fingerprint(data),
    )
    refund = refunds.request_refund(wish=wish, at=doing.at).refund
    texts = {
        RefundStatus.PENDING_APPROVAL: _t("The refund waits for a second person."),
        RefundStatus.SUCCEEDED: _t("The refund is sent."),
    }
    messages.success(doing.request, texts.get(RefundStatus(refund.status), _t("The refund is on its way.")))
    return HttpResponseRedirect(page("payments_refund", refund.pk))


def _fingerprint(data: Mapping[str, Any]) -> str:
    """What makes two sendings of one form the same request."""
    plain = {name: str(value) for name, value in sorted(data.items()) if name != "nonce"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


DEED: Final = Deed(
    name="refund", label=_("Refund"), permission="payments.request_refund", run=_refund, form=RefundForm, icon="undo",
    preview=_preview, is_offered=lambda payment: bool(payment.refundable) and payment.captured_minor > 0,
    explain=_("Promises money back to the customer. What exceeds the limit, and every refund by bank, waits for a second person."),
)  # fmt: skip
