"""Routing rules: which account payments go to, and what they would do with a payment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import links
from config.core.admin.cells import NOTHING, Cell, Tone, chip, clipped, identifier, money_text, read_money, to, when
from config.core.admin.deeds import Deed, Doing, Done, ReasonForm
from config.core.admin.panels import Facts, Panel
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.money import Money, MoneyError
from payments.admin import routing_trial
from payments.admin.routing_trial import CURRENCIES
from payments.models import GatewayAccount, PaymentMethod, RoutingRule, Shop
from payments.services import routing_rules

AMOUNTS: Final = (("smallest", "min_minor"), ("largest", "max_minor"), ("fixed_cost", "cost_fixed_minor"))


class RuleForm(ReasonForm):
    """All of a rule; what is empty fits everything."""

    position = forms.IntegerField(
        label=_("Position"), min_value=0, max_value=9999,
        help_text=_("Tried from small to large. Rules of one position share by weight, or the cheapest goes first."),
    )  # fmt: skip
    account = forms.ModelChoiceField(label=_("Goes to"), queryset=GatewayAccount.objects.order_by("code"))
    channel = forms.CharField(
        label=_("Channel"), max_length=60, required=False, help_text=_("Of that account; empty: the method's.")
    )
    method = forms.ModelChoiceField(
        label=_("Payment method"), queryset=PaymentMethod.objects.order_by("position", "id"), required=False,
        help_text=_("Empty: every method of the account's gateway."),
    )  # fmt: skip
    currency = forms.ChoiceField(label=_("Currency"), choices=CURRENCIES, required=False)
    smallest = forms.CharField(label=_("Smallest amount"), required=False)
    largest = forms.CharField(label=_("Largest amount"), required=False)
    shop = forms.CharField(label=_("Shop"), required=False, help_text=_("Its id; only orders of this shop alone."))
    weight = forms.IntegerField(label=_("Weight"), min_value=0, max_value=1000, initial=0)
    min_success_percent = forms.IntegerField(
        label=_("Least success rate, %"), min_value=1, max_value=100, required=False,
        help_text=_("Passed over while fewer of the last 15 minutes' attempts there were paid."),
    )  # fmt: skip
    cost_basis_points = forms.IntegerField(
        label=_("Cost, basis points"), min_value=0, max_value=10_000, initial=0, help_text=_("150 is 1.5 %.")
    )
    fixed_cost = forms.CharField(label=_("Fixed cost"), required=False)
    valid_from = forms.DateTimeField(label=_("Valid from"), required=False, help_text="2026-12-24 08:00")
    valid_to = forms.DateTimeField(label=_("Valid to"), required=False)
    is_active = forms.BooleanField(label=_("Active"), required=False, initial=True)
    note = forms.CharField(label=_("Note"), max_length=250, required=False)
    field_order = (
        "position", "account", "channel", "method", "currency", "smallest", "largest", "shop", "weight",
        "min_success_percent", "cost_basis_points", "fixed_cost", "valid_from", "valid_to", "is_active", "note", "reason",
    )  # fmt: skip

    def prepare(self) -> None:
        """Begin with what is there."""
        rule: RoutingRule | None = self.obj
        if rule is None:
            return
        names = ("position", "channel", "currency", "weight", "min_success_percent", "cost_basis_points", "valid_from")
        self.initial = {name: getattr(rule, name) for name in (*names, "valid_to", "is_active", "note")}
        self.initial |= {"account": rule.account_id, "method": rule.method_id, "shop": rule.shop_id}
        for name, field in AMOUNTS:
            minor = getattr(rule, field)
            self.initial[name] = str(Money(minor, rule.currency or "VND").decimal) if minor else ""

    def clean_shop(self) -> Shop | None:
        """A shop that is there."""
        key = self.cleaned_data["shop"].strip()
        found = Shop.objects.filter(pk=key).first() if key else None
        if key and found is None:
            raise forms.ValidationError(_("There is no such shop."))
        return found

    def clean(self) -> dict[str, Any]:
        """Amounts in the rule's currency."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name, _field in AMOUNTS:
            text = data.get(name) or ""
            try:
                data[name] = read_money(text, data.get("currency") or "VND").minor if text else None
            except MoneyError as error:
                self.add_error(name, error.message)
        return data


def _values(data: Any) -> dict[str, Any]:
    same = (
        "position",
        "channel",
        "currency",
        "weight",
        "min_success_percent",
        "cost_basis_points",
        "is_active",
        "note",
    )
    return {
        **{name: data[name] for name in same},
        "account_id": data["account"].pk,
        "method_id": data["method"].pk if data["method"] else None,
        "shop_id": data["shop"].pk if data["shop"] else None,
        "min_minor": data["smallest"],
        "max_minor": data["largest"],
        "cost_fixed_minor": data["fixed_cost"] or 0,
        "valid_from": data["valid_from"],
        "valid_to": data["valid_to"],
    }


def _save(doing: Doing) -> Done:
    rule = RoutingRule.objects.get(pk=doing.obj.pk) if doing.obj else RoutingRule()
    routing_rules.save(rule=rule, values=_values(doing.data), actor=doing.actor, reason=doing.reason)
    return _t("Saved. Other processes use it within seconds.")


def _remove(doing: Doing) -> Done:
    routing_rules.remove(rule=doing.obj, actor=doing.actor, reason=doing.reason)
    return HttpResponseRedirect(reverse("admin:payments_routingrule_changelist"))


@admin.register(RoutingRule)
class RoutingRuleAdmin(ReadOnlyAdmin):
    """The rules in the order in which they are tried, and a trial of them."""

    keyset = ("position", "id")
    list_display = ("position", "state", "fits", "target", "weight", "least", "cost", "note_shown")
    list_select_related = ("account", "method", "shop")
    empty_list = _("No rule yet: every payment goes to the account of its method.")
    intro = _("Tried from the top. The first that fits takes the payment; those below it stand by for a definite no, and no rule is followed after silence. Where none fits, the method's own account is used.")  # fmt: skip
    deeds = (
        Deed(name="new", label=_("New rule"), permission="payments.add_routingrule", run=_save, form=RuleForm, icon="add", is_main=True, is_of_list=True),
        Deed(name="edit", label=_("Change"), permission="payments.change_routingrule", run=_save, form=RuleForm, icon="edit", is_main=True),
        Deed(name="remove", label=_("Remove"), permission="payments.change_routingrule", run=_remove, icon="delete", is_grave=True, explain=_("The audit trail keeps what it said. To stop it for a while, change it to not active.")),
    )  # fmt: skip

    @admin.display(description=_("state"))
    def state(self, obj: RoutingRule) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("fits"))
    def fits(self, obj: RoutingRule) -> Cell:
        return routing_trial.conditions(obj)

    @admin.display(description=_("goes to"))
    def target(self, obj: RoutingRule) -> Cell:
        name = f"{obj.account.code} · {obj.channel}" if obj.channel else obj.account.code
        return to("payments_gatewayaccount", obj.account_id, name)

    @admin.display(description=_("least success"))
    def least(self, obj: RoutingRule) -> Cell:
        return NOTHING if obj.min_success_percent is None else f"{obj.min_success_percent} %"

    @admin.display(description=_("cost"))
    def cost(self, obj: RoutingRule) -> Cell:
        parts = [f"{obj.cost_basis_points / 100:g} %"] if obj.cost_basis_points else []
        if obj.cost_fixed_minor:
            parts.append(money_text(Money(obj.cost_fixed_minor, obj.currency or "VND")))
        return " + ".join(parts) or NOTHING

    @admin.display(description=_("note"))
    def note_shown(self, obj: RoutingRule) -> Cell:
        return clipped(obj.note)

    def name_of(self, obj: RoutingRule) -> Cell:
        """Its place and target."""
        return f"{obj.position} → {obj.account.code}"

    def status_of(self, obj: RoutingRule) -> Cell:
        """Whether it is followed now."""
        if not obj.is_active:
            return chip(_("not active"))
        return chip(_("active"), Tone.GOOD) if obj.is_valid(clock.now()) else chip(_("not now"), Tone.WARN)

    def panels(self, request: HttpRequest, obj: RoutingRule) -> Sequence[Panel]:
        """All of it."""
        return (
            Facts(
                _("Rule"),
                (
                    (_("Fits"), routing_trial.conditions(obj)),
                    (_("Goes to"), self.target(obj)),
                    (_("Weight"), str(obj.weight)),
                    (_("Least success rate"), self.least(obj)),
                    (_("Cost"), self.cost(obj)),
                    (_("Valid from"), when(obj.valid_from)),
                    (_("Valid to"), when(obj.valid_to)),
                    (_("Note"), obj.note or NOTHING),
                    (_("Id"), identifier(str(obj.pk))),
                ),
            ),
        )

    # --- A trial -----------------------------------------------------------------------------------------------------
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, with a way to the trial."""
        files = [(_t("Simulate"), reverse("admin:payments_routing_simulate"))]
        return super().changelist_view(request, {"trials": files, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        """With the trial."""
        ours = path("simulate/", self._wrapped(self.simulate_view), name="payments_routing_simulate")
        return [ours, *super().get_urls()]

    def simulate_view(self, request: HttpRequest) -> HttpResponseBase:
        """Which account a payment would go to just now, and why not to the others."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = routing_trial.SimulateForm(request.GET or None)
        drawn = [routing_trial.result(form.cleaned_data)] if form.is_bound and form.is_valid() else []
        context = {**self.context(request, None), "title": _t("Simulate"), "form": form, "panels": drawn}
        return TemplateResponse(request, "admin/simulate.html", context, status=422 if form.errors else 200)


links.register("routing_rule", "payments_routingrule")
