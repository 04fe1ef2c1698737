"""Payment methods and merchant accounts. Secrets go in and never come out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import filters, links
from config.core.admin.cells import (
    NOTHING,
    Cell,
    Tone,
    age,
    chip,
    identifier,
    link,
    listing,
    money,
    page,
    read_money,
    to,
    when,
    yes_no,
)
from config.core.admin.deeds import Deed, DeedForm, Doing, Done, ReasonForm
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.money import EXPONENTS, Money, MoneyError
from gateways import registry
from payments.admin import channels
from payments.models import GatewayAccount, PaymentMethod
from payments.services import catalogue
from payments.states import NotificationStatus

GENUINE = (NotificationStatus.PROCESSED, NotificationStatus.IGNORED)
"""Messages whose signature held: a forged one says nothing about whether the gateway reaches us."""


class AccountForm(ReasonForm):
    """An account's settings, one field each as its adapter names them; secrets are empty and stay when left so."""

    is_enabled = forms.BooleanField(label=_("Enabled"), required=False)

    def prepare(self) -> None:
        """The fields of the gateway."""
        account: GatewayAccount = self.obj
        self.initial = {"is_enabled": account.is_enabled}
        self.parts = registry.setting_fields(account.gateway)
        for part in self.parts:
            if part.secret:
                has_one = bool(account.secrets.get(part.name))
                self.fields[f"s_{part.name}"] = forms.CharField(
                    label=part.name,
                    required=part.required and not has_one,
                    widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
                    help_text=_t("Secret; leave it empty to keep the present one.")
                    if has_one
                    else _t("Secret; it cannot be read again."),
                )
            elif part.is_mapping:
                self.fields[f"s_{part.name}"] = forms.CharField(
                    label=part.name,
                    required=part.required,
                    widget=forms.Textarea(attrs={"rows": 6}),
                    initial=_as_json(account.settings.get(part.name)),
                    help_text=_t("A JSON object."),
                )
            else:
                self.fields[f"s_{part.name}"] = forms.CharField(
                    label=part.name, required=part.required, initial=account.settings.get(part.name, part.default)
                )
        self.order_fields([*(f"s_{part.name}" for part in self.parts), "is_enabled", "reason"])


class NewAccountForm(DeedForm):
    """A further account at a gateway."""

    code = forms.SlugField(
        label=_("Code"), max_length=40, help_text=_("Names its ledger account and its addresses; it never changes.")
    )
    gateway = forms.ChoiceField(label=_("Gateway"), choices=[(code, code) for code in sorted(registry.GATEWAYS)])
    mode = forms.ChoiceField(label=_("Mode"), choices=GatewayAccount.Mode.choices)


class MethodForm(ReasonForm):
    """A method as customers see it; limits per currency in major units."""

    name_vi = forms.CharField(label=_("Name (Vietnamese)"), max_length=100)
    name_en = forms.CharField(label=_("Name (English)"), max_length=100)
    description_vi = forms.CharField(label=_("Description (Vietnamese)"), max_length=250, required=False)
    description_en = forms.CharField(label=_("Description (English)"), max_length=250, required=False)
    limits = forms.CharField(
        label=_("Limits"),
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One line per currency: VND 1.000 50.000.000 (smallest and largest amount)."),
    )
    is_active = forms.BooleanField(label=_("Offered to customers"), required=False)
    position = forms.IntegerField(label=_("Place in the list"), min_value=0, max_value=9999)
    field_order = (
        "name_vi",
        "name_en",
        "description_vi",
        "description_en",
        "limits",
        "position",
        "is_active",
        "reason",
    )

    def prepare(self) -> None:
        """Begin with what is there."""
        method: PaymentMethod = self.obj
        names = ("name_vi", "name_en", "description_vi", "description_en", "is_active", "position")
        self.initial = {name: getattr(method, name) for name in names}
        self.initial["limits"] = "\n".join(
            f"{currency} {_plain(Money(low, currency))} {_plain(Money(high, currency))}"
            for currency, (low, high) in method.limits.items()
        )

    def clean_limits(self) -> dict[str, list[int]]:
        """Lines of currency, smallest, largest."""
        found: dict[str, list[int]] = {}
        for line in filter(None, map(str.strip, self.cleaned_data["limits"].splitlines())):
            parts = line.split()
            if len(parts) != 3 or parts[0] not in EXPONENTS:
                raise forms.ValidationError(_("Write each line like: VND 1.000 50.000.000"))
            try:
                found[parts[0]] = [read_money(text, parts[0]).minor for text in parts[1:]]
            except MoneyError as error:
                raise forms.ValidationError(error.message) from error
        return found


def _as_json(value: object) -> str:
    """A mapping as it may be edited; it is kept as it was typed, and the registry reads both."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2) if value else ""


def _plain(amount: Money) -> str:
    """An amount as it may be typed again."""
    return f"{amount.decimal:,f}".replace(",", "_").replace(".", ",").replace("_", ".")


def _save_account(doing: Doing) -> Done:
    account = GatewayAccount.objects.get(pk=doing.obj.pk)
    parts = registry.setting_fields(account.gateway)
    given = {part.name: doing.data[f"s_{part.name}"] for part in parts}
    secret_names = {part.name for part in parts if part.secret}
    catalogue.save_account(
        account=account,
        settings={name: value for name, value in given.items() if name not in secret_names and value != ""},
        secrets={name: value for name, value in given.items() if name in secret_names},
        is_enabled=doing.data["is_enabled"],
        actor=doing.actor,
        reason=doing.reason,
    )
    return _t("Saved. Other processes use it within seconds.")


def _new_account(doing: Doing) -> Done:
    account = catalogue.begin_account(
        code=doing.data["code"], gateway=doing.data["gateway"], mode=doing.data["mode"], actor=doing.actor
    )
    return HttpResponseRedirect(f"{page('payments_gatewayaccount', account.pk).removesuffix('change/')}do/edit/")


def _save_method(doing: Doing) -> Done:
    method = PaymentMethod.objects.get(pk=doing.obj.pk)
    catalogue.save_method(method=method, values=doing.data, actor=doing.actor, reason=doing.reason)
    return _t("Saved.")


@admin.register(GatewayAccount)
class GatewayAccountAdmin(ReadOnlyAdmin):
    """The account list and one account."""

    keyset = ("code",)
    list_display = ("code", "gateway", "mode", "state", "heard", "made")
    search_fields = ("code",)
    search_help_text = _("code")
    empty_list = _("No merchant account is configured.")
    deeds = (
        Deed(name="new", label=_("New account"), permission="payments.add_gatewayaccount", run=_new_account, form=NewAccountForm, icon="add", is_main=True, is_of_list=True, explain=_("It begins disabled; its settings are asked for on the next page.")),
        Deed(name="edit", label=_("Change settings"), permission="payments.change_gatewayaccount", run=_save_account, form=AccountForm, icon="edit", explain=_("The adapter is built from these before they are saved, so that odd settings are refused here.")),
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By code or id."""
        return [term, *GatewayAccount.objects.filter(code=term).values_list("pk", flat=True)]

    @admin.display(description=_("state"))
    def state(self, obj: GatewayAccount) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("last message"))
    def heard(self, obj: GatewayAccount) -> Cell:
        genuine = obj.notification_set.filter(status__in=GENUINE).order_by("-received_at")
        return age(genuine.values_list("received_at", flat=True).first(), at=clock.now())

    @admin.display(description=_("made"))
    def made(self, obj: GatewayAccount) -> Cell:
        return when(obj.created_at)

    def name_of(self, obj: GatewayAccount) -> Cell:
        """Its code."""
        return obj.code

    def status_of(self, obj: GatewayAccount) -> Cell:
        """Whether it takes new payments."""
        return (
            chip(_("enabled"), Tone.GOOD)
            if obj.is_enabled
            else chip(_("disabled"), Tone.BAD, _("Money may still come."))
        )

    def headline(self, request: HttpRequest, obj: GatewayAccount) -> Sequence[Figure]:
        """Gateway, mode, last message."""
        return (
            Figure(_("Gateway"), obj.gateway),
            Figure(_("Mode"), obj.get_mode_display()),
            Figure(_("Last message"), self.heard(obj)),
        )

    def panels(self, request: HttpRequest, obj: GatewayAccount) -> Sequence[Panel]:
        """Settings, and which secrets are there."""
        secrets = [
            (part.name, chip(_("set"), Tone.GOOD) if obj.secrets.get(part.name) else chip(_("not set")))
            for part in registry.setting_fields(obj.gateway)
            if part.secret
        ]
        rows = [
            (to("payments_paymentmethod", m.pk, m.code), m.name, yes_no(m.is_active))
            for m in PaymentMethod.objects.filter(account=obj)
        ]
        return (
            Facts(_("Settings"), ((_("Fields"), fields_of(obj.settings)), (_("Id"), identifier(obj.pk)))),
            Facts(_("Secrets"), secrets or [(_("None"), NOTHING)]),
            Table(_("Methods"), columns(_("Method"), _("Name"), _("Offered")), rows, _("No method uses this account.")),
            Facts(
                _("Where"),
                (
                    (_("Messages"), link(listing("payments_notification", gateway=obj.gateway), _("gateway messages"))),
                    (_("Ledger"), link(listing("ledger_account", q=obj.code), _("ledger accounts"))),
                ),
                is_wide=True,
            ),
        )


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnlyAdmin):
    """The method list and one method."""

    keyset = ("position", "id")
    list_display = ("code", "name_shown", "kind", "account_code", "limits_shown", "position", "state")
    list_filter = (filters.choice(_("kind"), "kind", "kind", PaymentMethod.Kind.choices),)
    list_select_related = ("account",)
    empty_list = _("Customers cannot pay yet: there is no method.")
    deeds = (
        Deed(name="edit", label=_("Change"), permission="payments.change_paymentmethod", run=_save_method, form=MethodForm, icon="edit"),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """With the channel catalogue."""
        ours = [path("channels/", self._wrapped(self.channels_view), name="payments_channel_catalogue")]
        return [*ours, *super().get_urls()]

    def channels_view(self, request: HttpRequest) -> HttpResponse:
        """Every channel that the gateways' documents list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return channels.view(request, self.admin_site.each_context(request))

    @admin.display(description=_("name"))
    def name_shown(self, obj: PaymentMethod) -> Cell:
        return obj.name

    @admin.display(description=_("account"))
    def account_code(self, obj: PaymentMethod) -> Cell:
        return to("payments_gatewayaccount", obj.account_id, obj.account.code)

    @admin.display(description=_("limits"))
    def limits_shown(self, obj: PaymentMethod) -> Cell:
        return ", ".join(
            f"{_plain(Money(low, currency))} – {_plain(Money(high, currency))} {currency}"
            for currency, (low, high) in obj.limits.items()
        )

    @admin.display(description=_("state"))
    def state(self, obj: PaymentMethod) -> Cell:
        return self.status_of(obj)

    def name_of(self, obj: PaymentMethod) -> Cell:
        """Its name."""
        return obj.name

    def status_of(self, obj: PaymentMethod) -> Cell:
        """Whether customers see it."""
        return chip(_("offered"), Tone.GOOD) if obj.is_active else chip(_("not offered"))

    def panels(self, request: HttpRequest, obj: PaymentMethod) -> Sequence[Panel]:
        """All of it."""
        limits = [
            (currency, format_html("{} – {}", money(Money(low, currency)), money(Money(high, currency))))
            for currency, (low, high) in obj.limits.items()
        ]
        return (
            Facts(
                _("Method"),
                (
                    (_("Code"), identifier(obj.code)),
                    (_("Vietnamese"), f"{obj.name_vi} {obj.description_vi}".strip()),
                    (_("English"), f"{obj.name_en} {obj.description_en}".strip()),
                    (_("Kind"), obj.get_kind_display()),
                    (_("Account"), self.account_code(obj)),
                    (_("Channel"), obj.channel or NOTHING),
                ),
            ),
            Facts(_("Limits"), limits or [(_("None"), NOTHING)]),
        )


links.register("gateway_account", "payments_gatewayaccount")
links.register("payment_method", "payments_paymentmethod")
