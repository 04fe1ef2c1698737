"""Which merchant account a payment goes to: rules are data, this is all of the logic, and it says why.

Pure: what is true of the payment, of the accounts and of the moment comes in as values (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from itertools import groupby
from typing import Final

from config.core.money import Money
from payments.models import GatewayAccount, PaymentMethod, RoutingRule

ENOUGH: Final = 20
"""Fewer ended attempts than that say nothing about a success rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true of a payment. `draw` in [0, 1) decides between weighted rules; one order always draws the same."""

    method: PaymentMethod
    money: Money
    at: datetime
    mode: str  # of the accounts that may be used: GatewayAccount.Mode
    shops: frozenset[str] = frozenset()
    draw: float = 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """How an account does: whether calls to its gateway are refused now, and how many of its last attempts were paid."""

    is_down: bool = False
    ended: int = 0
    paid: int = 0

    @property
    def percent(self) -> float | None:
        """Paid of those that ended; None while they are too few."""
        return 100 * self.paid / self.ended if self.ended >= ENOUGH else None


WELL: Final = Health()


class Why(StrEnum):
    """Why a rule was taken or left out."""

    TAKEN = "taken"
    NEXT = "next"  # taken when those before it say no
    DEFAULT = "default"  # no rule fits: the method's own account
    INACTIVE = "inactive"
    TIME = "time"
    METHOD = "method"
    GATEWAY = "gateway"
    CURRENCY = "currency"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    SHOP = "shop"
    DISABLED = "disabled"
    MODE = "mode"
    AGAIN = "again"
    SUCCESS = "success"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Way:
    """An account to pay through, by which of its channels, and the rule that says so (None: the method itself)."""

    account: GatewayAccount
    channel: str
    rule: RoutingRule | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one rule, or of the method's own account where `rule` is None."""

    account: GatewayAccount
    why: Why
    rule: RoutingRule | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Accounts in the order in which they are tried, and what became of every rule."""

    ways: tuple[Way, ...]
    steps: tuple[Step, ...] = field(default=())


def draw_of(order_id: str) -> float:
    """A number in [0, 1) that is an order's own: repeating a request does not throw the dice again."""
    return int.from_bytes(sha256(order_id.encode()).digest()[:6], "big") / 2**48


def choose(rules: Iterable[RoutingRule], facts: Facts, health: Mapping[str, Health]) -> Choice:
    """The accounts to try, best first. `health` by account code; one that is missing is well.

    The method's own account comes where no rule fits. Accounts whose gateway is down are left out; if all are down, the
    first of them stands alone, so that the refusal is told in its name. Nothing usable at all: no ways.
    """
    ways: list[Way] = []
    steps: list[Step] = []
    down: list[Way] = []
    for rule in _in_order(rules, facts):
        why = _why(rule, facts, health)
        way = Way(rule.account, rule.channel or facts.method.channel, rule)
        if why in (Why.TAKEN, Why.DOWN) and any(way.account.pk == one.account.pk for one in ways + down):
            why = Why.AGAIN
        if why is Why.DOWN:
            down.append(way)
        elif why is Why.TAKEN:
            why = Why.NEXT if ways else Why.TAKEN
            ways.append(way)
        steps.append(Step(way.account, why, rule))
    if not ways:
        own = Way(facts.method.account, facts.method.channel)
        why = _account_why(own.account, facts, health)
        steps.append(Step(own.account, Why.DEFAULT if why is Why.TAKEN else why))
        if why is Why.TAKEN:
            ways.append(own)
        elif why is Why.DOWN:
            down.append(own)
    return Choice(tuple(ways or down[:1]), tuple(steps))


def _in_order(rules: Iterable[RoutingRule], facts: Facts) -> list[RoutingRule]:
    """By position; within one position by a weighted draw, or by cost where nothing is weighted."""
    found: list[RoutingRule] = []
    for _position, group in groupby(sorted(rules, key=lambda rule: (rule.position, rule.pk or 0)), _position_of):
        found += _of_one_position(list(group), facts)
    return found


def _position_of(rule: RoutingRule) -> int:
    return rule.position


def _of_one_position(group: list[RoutingRule], facts: Facts) -> Sequence[RoutingRule]:
    fitting = [rule for rule in group if _own_why(rule, facts) is Why.TAKEN]
    total = sum(rule.weight for rule in fitting)
    if not total:
        return sorted(group, key=lambda rule: rule.cost_of(facts.money).minor)
    point, drawn = facts.draw * total, fitting[-1]
    for rule in fitting:
        if point < rule.weight:
            drawn = rule
            break
        point -= rule.weight
    return sorted(group, key=lambda rule: (rule is not drawn, -rule.weight))


def _why(rule: RoutingRule, facts: Facts, health: Mapping[str, Health]) -> Why:
    why = _own_why(rule, facts)
    if why is not Why.TAKEN:
        return why
    percent = health.get(rule.account.code, WELL).percent
    if rule.min_success_percent is not None and percent is not None and percent < rule.min_success_percent:
        return Why.SUCCESS
    return _account_why(rule.account, facts, health)


def _own_why(rule: RoutingRule, facts: Facts) -> Why:
    """The rule's own conditions."""
    money = facts.money
    checks = (
        (rule.is_active, Why.INACTIVE),
        (rule.is_valid(facts.at), Why.TIME),
        (rule.method_id in (None, facts.method.pk), Why.METHOD),
        (rule.method_id is not None or rule.account.gateway == facts.method.account.gateway, Why.GATEWAY),
        (rule.currency in ("", money.currency), Why.CURRENCY),
        (rule.min_minor is None or money.minor >= rule.min_minor, Why.TOO_SMALL),
        (rule.max_minor is None or money.minor <= rule.max_minor, Why.TOO_LARGE),
        (rule.shop_id is None or facts.shops == {rule.shop_id}, Why.SHOP),
    )
    return next((why for holds, why in checks if not holds), Why.TAKEN)


def _account_why(account: GatewayAccount, facts: Facts, health: Mapping[str, Health]) -> Why:
    if not account.is_enabled:
        return Why.DISABLED
    if account.mode != facts.mode:
        return Why.MODE
    return Why.DOWN if health.get(account.code, WELL).is_down else Why.TAKEN
