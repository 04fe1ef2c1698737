"""Payment methods: what customers choose from."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core.admin import filters, links
from config.core.admin.cells import (
    NOTHING,
    Cell,
    Tone,
    chip,
    identifier,
    money,
    page,
    read_money,
    to,
)
from config.core.admin.deeds import Deed, DeedForm, Doing, Done, ReasonForm
from config.core.admin.panels import Facts, Panel
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.money import EXPONENTS, Money, MoneyError
from payments.admin import channels
from payments.models import GatewayAccount, PaymentMethod
from payments.services import catalogue


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


def _plain(amount: Money) -> str:
    """An amount as it may be typed again."""
    return f"{amount.decimal:,f}".replace(",", "_").replace(".", ",").replace("_", ".")


class NewMethodForm(DeedForm):
    """A further method on an account."""

    code = forms.SlugField(label=_("Code"), max_length=40, help_text=_("Callers of the API name it; it never changes."))
    account = forms.ModelChoiceField(label=_("Gateway account"), queryset=GatewayAccount.objects.order_by("code"))
    kind = forms.ChoiceField(label=_("Kind"), choices=PaymentMethod.Kind.choices)
    channel = forms.CharField(
        label=_("Channel"),
        max_length=60,
        required=False,
        help_text=_("What the gateway calls it, where it has several."),
    )


def _new_method(doing: Doing) -> Done:
    method = catalogue.begin_method(
        code=doing.data["code"],
        account=doing.data["account"],
        kind=doing.data["kind"],
        channel=doing.data["channel"],
        actor=doing.actor,
    )
    return HttpResponseRedirect(f"{page('payments_paymentmethod', method.pk).removesuffix('change/')}do/edit/")


def _save_method(doing: Doing) -> Done:
    method = PaymentMethod.objects.get(pk=doing.obj.pk)
    catalogue.save_method(method=method, values=doing.data, actor=doing.actor, reason=doing.reason)
    return _t("Saved.")


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnlyAdmin):
    """The method list and one method."""

    keyset = ("position", "id")
    list_display = ("code", "name_shown", "kind", "account_code", "limits_shown", "position", "state")
    list_filter = (filters.choice(_("kind"), "kind", "kind", PaymentMethod.Kind.choices),)
    list_select_related = ("account",)
    empty_list = _("Customers cannot pay yet: there is no method.")
    deeds = (
        Deed(name="new", label=_("New method"), permission="payments.add_paymentmethod", run=_new_method, form=NewMethodForm, icon="add", is_main=True, is_of_list=True, explain=_("It begins hidden from customers; its names and limits are asked for on the next page.")),
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


links.register("payment_method", "payments_paymentmethod")
