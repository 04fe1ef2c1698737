"""What a customer can choose from just now: methods, and which of them cannot be used while their gateway is down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings

from config.core.money import Money
from payments.models import GatewayAccount, PaymentMethod, RoutingRule
from payments.services import accounts, breakers, routes

GATEWAY_DOWN: Final = "gateway_down"


@dataclass(frozen=True, slots=True)
class Offer:
    """A method, and why it cannot be used now; "" when it can."""

    method: PaymentMethod
    reason: str = ""

    @property
    def is_available(self) -> bool:
        """Whether a payment by it would be sent to somebody."""
        return not self.reason


def offers(*, at: datetime, money: Money | None = None, currency: str | None = None) -> list[Offer]:
    """Active methods that some account takes here, narrowed by what is to be paid, in their order."""
    methods: Iterable[PaymentMethod] = PaymentMethod.objects.select_related("account").filter(is_active=True)
    if money is not None:
        methods = [method for method in methods if method.takes(money)]
    elif currency:
        methods = [method for method in methods if currency in method.limits]
    found = rated(methods, at=at)
    return [offer for offer in found if offer.is_available or not settings.HIDE_UNAVAILABLE_METHODS]


def rated(methods: Iterable[PaymentMethod], *, at: datetime) -> list[Offer]:
    """The same methods, those without any usable account left out, with what their gateways' breakers say."""
    methods = list(methods)
    rules = [rule for rule in accounts.rules() if rule.is_active and rule.is_valid(at)]
    gateways = {method.pk: _gateways(method, rules) for method in methods}
    down = breakers.down(set().union(*gateways.values()))
    return [
        Offer(method, GATEWAY_DOWN if gateways[method.pk] <= down else "") for method in methods if gateways[method.pk]
    ]


def _gateways(method: PaymentMethod, rules: Iterable[RoutingRule]) -> set[str]:
    """Through which gateways a payment by this method may go."""
    found: set[str] = set()
    for account in (method.account, *(rule.account for rule in rules if _may_take(rule, method))):
        if account.is_enabled and account.mode == routes.required_mode():
            found.add(account.gateway)
    return found


def _may_take(rule: RoutingRule, method: PaymentMethod) -> bool:
    account: GatewayAccount = rule.account
    return rule.method_id == method.pk or (rule.method_id is None and account.gateway == method.account.gateway)
