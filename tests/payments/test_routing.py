"""Rules choose the account: what fits, in which order, and why the others were left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.core.money import Money
from payments import routing
from payments.models import GatewayAccount, PaymentMethod, RoutingRule
from payments.routing import Choice, Facts, Health, Why

NOW = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)


def account(code: str, *, gateway: str = "momo", **fields: Any) -> GatewayAccount:
    return GatewayAccount(id=f"gwa_{code}", code=code, gateway=gateway, **fields)


OWN, TWO, THREE, VNPAY = account("own"), account("two"), account("three"), account("vnpay", gateway="vnpay")
WALLET = PaymentMethod(id=1, code="wallet", account=OWN, channel="captureWallet")
CARD = PaymentMethod(id=2, code="card", account=OWN)


def rule(number: int, target: GatewayAccount, *, position: int | None = None, **fields: Any) -> RoutingRule:
    return RoutingRule(id=number, position=number if position is None else position, account=target, **fields)


def facts(**changed: Any) -> Facts:
    return Facts(**{"method": WALLET, "money": Money(100_000, "VND"), "at": NOW, "mode": "test", **changed})


def choose(*rules: RoutingRule, health: dict[str, Health] | None = None, **changed: Any) -> Choice:
    return routing.choose(rules, facts(**changed), health or {})


def codes(choice: Choice) -> list[str]:
    return [way.account.code for way in choice.ways]


def whys(choice: Choice) -> list[tuple[int | None, str]]:
    return [(step.rule and step.rule.pk, step.why.value) for step in choice.steps]


def test_without_rules_it_is_the_methods_own_account_and_channel() -> None:
    choice = choose()

    assert (codes(choice), choice.ways[0].channel, choice.ways[0].rule) == (["own"], "captureWallet", None)
    assert whys(choice) == [(None, "default")]


def test_the_first_that_fits_wins_and_the_following_stand_by() -> None:
    choice = choose(rule(2, THREE), rule(1, TWO), rule(3, OWN))

    assert codes(choice) == ["two", "three", "own"]
    assert whys(choice) == [(1, "taken"), (2, "next"), (3, "next")]


def test_a_rule_may_name_another_channel_of_its_account() -> None:
    assert [way.channel for way in choose(rule(1, TWO, channel="payWithATM"), rule(2, THREE)).ways] == [
        "payWithATM",
        "captureWallet",
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"is_active": False}, Why.INACTIVE),
        ({"valid_from": NOW + timedelta(seconds=1)}, Why.TIME),
        ({"valid_to": NOW}, Why.TIME),
        ({"method": CARD}, Why.METHOD),
        ({"currency": "USD"}, Why.CURRENCY),
        ({"currency": "VND", "min_minor": 100_001}, Why.TOO_SMALL),
        ({"currency": "VND", "max_minor": 99_999}, Why.TOO_LARGE),
        ({"shop_id": "shop-2"}, Why.SHOP),
    ],
)
def test_a_rule_that_does_not_fit_says_why_and_leaves_the_default(fields: dict[str, Any], why: Why) -> None:
    choice = choose(rule(1, TWO, **fields), shops=frozenset({"shop-1"}))

    assert (codes(choice), whys(choice)) == (["own"], [(1, why.value), (None, "default")])


@pytest.mark.parametrize(
    "fields",
    [
        {"valid_from": NOW, "valid_to": NOW + timedelta(seconds=1)},
        {"method": WALLET},
        {"currency": "VND", "min_minor": 100_000, "max_minor": 100_000},
        {"shop_id": "shop-1"},
    ],
)
def test_both_ends_of_a_condition_belong_to_it(fields: dict[str, Any]) -> None:
    assert codes(choose(rule(1, TWO, **fields), shops=frozenset({"shop-1"}))) == ["two"]


def test_a_shops_rule_does_not_take_an_order_of_two_shops() -> None:
    choice = choose(rule(1, TWO, shop_id="shop-1"), shops=frozenset({"shop-1", "shop-2"}))

    assert whys(choice)[0] == (1, "shop")


def test_a_rule_for_any_method_stays_with_its_gateway() -> None:
    assert whys(choose(rule(1, VNPAY)))[0] == (1, "gateway")
    assert codes(choose(rule(1, VNPAY, method=WALLET))) == ["vnpay"]


def test_accounts_that_are_off_or_of_the_other_mode_are_never_used() -> None:
    off, live = account("off", is_enabled=False), account("live", mode="live")

    assert whys(choose(rule(1, off), rule(2, live))) == [(1, "disabled"), (2, "mode"), (None, "default")]
    assert codes(choose(rule(1, off), rule(2, live), mode="live")) == ["live"]
    assert (codes(choose(mode="live")), whys(choose(mode="live"))) == ([], [(None, "mode")])


def test_an_account_comes_once() -> None:
    choice = choose(rule(1, TWO), rule(2, TWO, channel="payWithATM"), rule(3, THREE))

    assert (codes(choice), whys(choice)[1]) == (["two", "three"], (2, "again"))


def test_a_gateway_that_is_down_is_passed_over() -> None:
    down = {"two": Health(is_down=True)}

    assert codes(choose(rule(1, TWO), rule(2, THREE), health=down)) == ["three"]
    assert codes(choose(rule(1, TWO), health=down)) == ["own"]


def test_if_all_are_down_the_first_stands_alone() -> None:
    down = {code: Health(is_down=True) for code in ("own", "two", "three")}
    choice = choose(rule(1, TWO), rule(2, THREE), health=down)

    assert (codes(choice), whys(choice)) == (["two"], [(1, "down"), (2, "down"), (None, "down")])


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (Health(ended=20, paid=15), "own"),
        (Health(ended=20, paid=16), "two"),
        (Health(ended=19, paid=0), "two"),  # too few to tell
        (Health(), "two"),
    ],
)
def test_an_account_that_succeeds_too_rarely_is_left_out(health: Health, expected: str) -> None:
    choice = choose(rule(1, TWO, min_success_percent=80), health={"two": health})

    assert codes(choice) == [expected]


def test_in_one_position_the_cheapest_goes_first() -> None:
    dear = rule(1, TWO, position=5, cost_basis_points=150)
    cheap = rule(2, THREE, position=5, cost_basis_points=100, cost_fixed_minor=400)

    assert codes(choose(dear, cheap)) == ["three", "two"]  # 1,400 against 1,500
    assert codes(choose(dear, cheap, money=Money(50_000, "VND"))) == ["two", "three"]  # 750 against 900


def test_weights_share_the_orders_and_the_other_stands_by() -> None:
    rules = [rule(1, TWO, position=5, weight=3), rule(2, THREE, position=5, weight=1)]
    drawn = [codes(choose(*rules, draw=routing.draw_of(f"ORD-{number}"))) for number in range(2000)]

    share = sum(one == ["two", "three"] for one in drawn) / len(drawn)
    assert 0.70 < share < 0.80
    assert {tuple(one) for one in drawn} == {("two", "three"), ("three", "two")}


def test_a_weight_counts_only_among_those_that_fit() -> None:
    rules = [rule(1, TWO, position=5, weight=99, currency="USD"), rule(2, THREE, position=5, weight=1)]

    assert codes(choose(*rules, draw=0.0)) == codes(choose(*rules, draw=0.999)) == ["three"]


def test_one_order_always_draws_the_same() -> None:
    assert routing.draw_of("ORD-1") == routing.draw_of("ORD-1") != routing.draw_of("ORD-2")
    assert all(0 <= routing.draw_of(str(number)) < 1 for number in range(100))
