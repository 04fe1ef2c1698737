"""The way of a payment to an account: rules, and how the accounts do just now, brought to `payments.routing`."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Count, Q

from config.core.money import Money
from payments import routing
from payments.errors import MethodUnusable
from payments.models import Attempt, GatewayAccount, Order, PaymentMethod, RoutingRule
from payments.routing import Choice, Facts, Health, Way
from payments.services import accounts, breakers
from payments.states import AttemptStatus

RATED_OVER: Final = timedelta(minutes=15)
RATE_KEPT_SECONDS: Final = 10.0
ENDED: Final = (AttemptStatus.SUCCEEDED, AttemptStatus.FAILED, AttemptStatus.EXPIRED, AttemptStatus.CANCELLED)

_rates: dict[str, tuple[float, dict[str, tuple[int, int]]]] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed to choose: fetched before a transaction, used within it."""

    rules: Sequence[RoutingRule] = ()
    health: Mapping[str, Health] = field(default_factory=dict)


def plan(method: PaymentMethod, *, at: datetime) -> Plan:
    """The rules that may fit a method, and how their accounts and its own do."""
    rules = [
        rule
        for rule in accounts.rules()
        if rule.is_active and rule.is_valid(at) and rule.method_id in (None, method.pk)
    ]
    return Plan(rules, health_of([*(rule.account for rule in rules), method.account], at=at, rules=rules))


def health_of(
    targets: Iterable[GatewayAccount], *, at: datetime, rules: Iterable[RoutingRule] = ()
) -> dict[str, Health]:
    """How these accounts do; success rates only where a rule asks for them."""
    targets = list(targets)
    down = breakers.down({account.gateway for account in targets})
    rates = success(at=at) if any(rule.min_success_percent is not None for rule in rules) else {}
    return {account.code: Health(account.gateway in down, *rates.get(account.code, (0, 0))) for account in targets}


def choose(found: Plan, *, method: PaymentMethod, order: Order, money: Money, at: datetime) -> Choice:
    """The ways of one order's payment. Raises MethodUnusable where there is none, or the amount is not the method's."""
    choice = routing.choose(found.rules, facts_of(found, method=method, order=order, money=money, at=at), found.health)
    if not choice.ways or not method.takes(money):
        raise MethodUnusable("This payment method does not take this amount.", field="payment_method")
    return choice


def facts_of(found: Plan, *, method: PaymentMethod, order: Order, money: Money, at: datetime) -> Facts:
    """What is true of an order; its shops are read only where a rule asks for one."""
    shops: frozenset[str] = frozenset()
    if any(rule.shop_id for rule in found.rules):
        shops = frozenset(order.shop_orders.filter(is_owed=True).values_list("shop_id", flat=True))
    return Facts(
        method=method, money=money, at=at, mode=required_mode(), shops=shops, draw=routing.draw_of(order.order_id)
    )


def is_down(found: Plan, way: Way) -> bool:
    """Whether the gateway of this way is not called just now."""
    return found.health.get(way.account.code, routing.WELL).is_down


def after_refusals(ways: Sequence[Way], refused: Collection[str]) -> tuple[Way, ...]:
    """The same ways, those whose account has refused this payment already at the end."""
    return tuple(sorted(ways, key=lambda way: way.account.pk in refused))


def required_mode() -> str:
    """The mode of every account that takes payments here: live money and test money never meet."""
    live = settings.ENVIRONMENT == "production"
    return GatewayAccount.Mode.LIVE.value if live else GatewayAccount.Mode.TEST.value


def success(*, at: datetime, over: timedelta = RATED_OVER) -> dict[str, tuple[int, int]]:
    """Account code -> attempts of that span that ended, and were paid; a few seconds old."""
    known = _rates.get(str(over))
    if known is None or known[0] <= time.monotonic():
        rows = (
            Attempt.objects.filter(created_at__gte=at - over, status__in=ENDED)
            .order_by()
            .values_list("account__code")
            .annotate(ended=Count("pk"), paid=Count("pk", filter=Q(status=AttemptStatus.SUCCEEDED)))
        )
        known = _rates[str(over)] = (time.monotonic() + RATE_KEPT_SECONDS, {code: (n, paid) for code, n, paid in rows})
    return known[1]


def forget() -> None:
    """Drop what this process remembers of success rates."""
    _rates.clear()
