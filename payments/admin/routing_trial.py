"""A trial of the routing rules: where a payment would go just now, and why nowhere else."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin.cells import NOTHING, Cell, Text, Tone, chip, money, money_text, read_money, to
from config.core.admin.panels import Table, columns, num
from config.core.money import EXPONENTS, Money, MoneyError
from payments import routing
from payments.models import PaymentMethod, RoutingRule
from payments.routing import Choice, Facts, Step, Why
from payments.services import routes

CURRENCIES: Final = [("", _("any")), *((code, code) for code in sorted(EXPONENTS))]
WORDS: Final[dict[Why, tuple[Text, Tone, Text]]] = {
    Why.TAKEN: (_("taken"), Tone.GOOD, _("The payment goes there.")),
    Why.NEXT: (_("stands by"), Tone.BUSY, _("Tried after a definite no of those above.")),
    Why.DEFAULT: (_("taken"), Tone.GOOD, _("No rule fits: the method's own account.")),
    Why.INACTIVE: (_("switched off"), Tone.CALM, ""),
    Why.TIME: (_("not now"), Tone.CALM, _("Its time has not come, or is over.")),
    Why.METHOD: (_("another method"), Tone.CALM, ""),
    Why.GATEWAY: (_("another gateway"), Tone.CALM, _("A rule for any method stays with the method's gateway.")),
    Why.CURRENCY: (_("another currency"), Tone.CALM, ""),
    Why.TOO_SMALL: (_("amount too small"), Tone.CALM, ""),
    Why.TOO_LARGE: (_("amount too large"), Tone.CALM, ""),
    Why.SHOP: (_("another shop"), Tone.CALM, _("Only orders of this one shop alone.")),
    Why.DISABLED: (_("account disabled"), Tone.WARN, ""),
    Why.MODE: (_("wrong mode"), Tone.WARN, _("Test accounts take no live money, nor the other way round.")),
    Why.AGAIN: (_("already listed"), Tone.CALM, _("This account is tried once.")),
    Why.SUCCESS: (_("succeeds too rarely"), Tone.WARN, ""),
    Why.DOWN: (_("gateway down"), Tone.BAD, _("Its breaker is open.")),
}


class SimulateForm(forms.Form):
    """A payment that nobody makes."""

    method = forms.ModelChoiceField(
        label=_("Payment method"), queryset=PaymentMethod.objects.order_by("position", "id")
    )
    amount = forms.CharField(label=_("Amount"), initial="100000")
    currency = forms.ChoiceField(label=_("Currency"), choices=CURRENCIES[1:], initial="VND")
    shop = forms.CharField(label=_("Shops"), required=False, help_text=_("Ids, split by commas."))
    order_id = forms.CharField(
        label=_("Order"),
        required=False,
        max_length=100,
        help_text=_("Decides between weights, as it will for this order."),
    )

    def clean(self) -> dict[str, Any]:
        """The amount in its currency."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            data["money"] = read_money(data.get("amount") or "", data.get("currency") or "VND")
        except MoneyError as error:
            self.add_error("amount", error.message)
        return data


def conditions(rule: RoutingRule) -> Cell:
    """What a rule asks for, in words."""
    currency = rule.currency or "VND"
    parts = [str(rule.method) if rule.method else _t("any method of %(gateway)s") % {"gateway": rule.account.gateway}]
    if rule.currency:
        parts.append(rule.currency)
    if rule.min_minor is not None:
        parts.append(f"≥ {money_text(Money(rule.min_minor, currency))}")
    if rule.max_minor is not None:
        parts.append(f"≤ {money_text(Money(rule.max_minor, currency))}")
    if rule.shop_id:
        parts.append(_t("shop %(shop)s") % {"shop": rule.shop_id})
    return " · ".join(parts)


def result(data: Any) -> Table:
    """The trial as a table: every rule in the order in which it was looked at."""
    at, method, wanted = clock.now(), data["method"], data["money"]
    rules = list(RoutingRule.objects.select_related("account", "method", "shop"))
    health = routes.health_of([*(rule.account for rule in rules), method.account], at=at, rules=rules)
    facts = Facts(
        method=PaymentMethod.objects.select_related("account").get(pk=method.pk),
        money=wanted,
        at=at,
        mode=routes.required_mode(),
        shops=frozenset(filter(None, (part.strip() for part in data["shop"].split(",")))),
        draw=routing.draw_of(data["order_id"]),
    )
    choice = routing.choose(rules, facts, health)
    rows = [_step(step, choice, wanted) for step in choice.steps]
    heads = columns(_("Tried"), _("Rule"), _("Account"), _("Outcome"), _("Why"), num(_("Cost")))
    return Table(
        _t("%(method)s, %(amount)s") % {"method": method, "amount": money_text(wanted)}, heads, rows, _("No account.")
    )


def _step(step: Step, choice: Choice, wanted: Money) -> list[Cell]:
    word, tone, title = WORDS[step.why]
    places = {way.account.pk: place for place, way in enumerate(choice.ways, start=1)}
    tried = str(places[step.account.pk]) if step.why in (Why.TAKEN, Why.NEXT, Why.DEFAULT) else NOTHING
    rule = (
        to("payments_routingrule", step.rule.pk, conditions(step.rule)) if step.rule else _t("the method's own account")
    )
    cost = money(step.rule.cost_of(wanted)) if step.rule else NOTHING
    return [tried, rule, step.account.code, chip(word, tone, title), title or NOTHING, cost]
