"""Payments go to the account that rules choose, and to the next one only after a definite no."""

from __future__ import annotations

from typing import Any

import pytest

from config.core import breaker
from config.core.breaker import State
from config.core.models import AuditEntry, OutboxEvent
from gateways.sandbox.faults import Fault
from gateways.sandbox.momo.simulator import PUBLISHED
from gateways.sandbox.provider import Outcome
from payments.errors import GatewayRefused, GatewayTimeout, GatewayTrouble, MethodUnusable
from payments.models import Attempt, AttemptEvent, Capture, GatewayAccount, Payment, PaymentMethod, RoutingRule
from payments.services import accounts, breakers, routes, sending
from payments.states import AttemptStatus, PaymentStatus

pytestmark = pytest.mark.django_db

SECOND, SECOND_ACCESS, SECOND_SECRET = PUBLISHED[1]


@pytest.fixture
def second(momo_account: GatewayAccount) -> GatewayAccount:
    """Our other merchant account at MoMo."""
    account = GatewayAccount(code="momo-2", gateway="momo")
    account.settings = {**momo_account.settings, "partner_code": SECOND}
    account.secrets = {"access_key": SECOND_ACCESS, "secret_key": SECOND_SECRET}
    account.save()
    return account


@pytest.fixture
def routed(momo_account: GatewayAccount, second: GatewayAccount, momo_method: PaymentMethod) -> list[RoutingRule]:
    """First the first account, then the second."""
    made = [
        RoutingRule.objects.create(position=number, method=momo_method, account=account)
        for number, account in enumerate([momo_account, second], start=1)
    ]
    accounts.forget()
    routes.forget()
    return made


def tried() -> list[tuple[int, str, str]]:
    rows = Attempt.objects.order_by("created_at", "number")
    return [(one.number, one.account.code, one.status) for one in rows.select_related("account")]


def at_the_gateway(momo: Any) -> list[str]:
    """The merchants for whom it opened a payment, of the attempts that we know."""
    references = set(Attempt.objects.values_list("gateway_reference", flat=True))
    world = momo.running.app.sandbox.world
    return [payment.merchant for payment in world.payments.values() if payment.order in references]


def test_the_account_of_the_rule_is_paid_and_not_the_methods(pay: Any, order: Any, momo: Any, second: Any) -> None:
    RoutingRule.objects.create(position=1, account=second, currency="VND", min_minor=50_000)
    accounts.forget()

    large, small = pay(order(amount_minor=50_000)), pay(order(amount_minor=49_999))

    assert (large.attempt.account.code, small.attempt.account.code) == ("momo-2", "momo")
    assert large.attempt.pay_url
    assert at_the_gateway(momo) == [SECOND, PUBLISHED[0][0]]
    assert AttemptEvent.objects.filter(attempt=large.attempt, reason__startswith="routing rule").count() == 1


def test_a_rule_of_a_shop_takes_its_orders(pay: Any, order: Any, second: Any) -> None:
    bought = order()
    shop = bought.shop_orders.get().shop
    RoutingRule.objects.create(position=1, account=second, shop=shop)
    accounts.forget()

    assert pay(bought).attempt.account.code == "momo-2"
    assert pay(order()).attempt.account.code == "momo"


def test_a_rules_channel_is_what_the_gateway_is_asked_for_and_what_is_remembered(
    pay: Any, order: Any, second: Any
) -> None:
    RoutingRule.objects.create(position=1, account=second, channel="payWithATM")
    accounts.forget()

    attempt = pay(order()).attempt

    assert (attempt.channel, attempt.used_channel, attempt.request["requestType"]) == ("payWithATM",) * 3


def test_after_a_definite_no_the_second_account_is_paid(
    pay: Any, order: Any, momo: Any, hear: Any, routed: Any, balances: Any
) -> None:
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", count=1, code=11)

    opened = pay(order(), idempotency_key="k", fingerprint="f")

    assert tried() == [(1, "momo", "failed"), (2, "momo-2", "requires_action")]
    assert (opened.attempt.number, opened.attempt.account.code) == (2, "momo-2")
    assert at_the_gateway(momo) == [SECOND]
    first, second = Attempt.objects.order_by("number")
    assert first.gateway_reference != second.gateway_reference
    assert first.failure_code == "11"
    types = [event.type for event in OutboxEvent.objects.order_by("position")]
    assert types == ["transaction.created", "transaction.failed", "transaction.created"]
    assert AuditEntry.objects.get(action="payment.rerouted").after == {"account": "momo-2"}

    payment = momo.running.app.sandbox.world.payments["momo", SECOND, second.gateway_reference]
    momo.fault(Fault.LOST_IPN)
    momo.provider.settle(payment, Outcome.PAY)
    hear(momo.provider.notification(payment, "genuine").body, account="momo-2")
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
    assert Capture.objects.get().account.code == "momo-2"
    assert balances()["gw:momo-2:clearing"] == 100_000


def test_after_silence_nobody_else_is_asked(pay: Any, order: Any, momo: Any, routed: Any) -> None:
    momo.fault(Fault.ERROR_500_AFTER_ACCEPT, scope="operation", operation="create", count=1)

    with pytest.raises(GatewayTimeout) as silent:
        pay(order())

    assert (silent.value.status, tried()) == (504, [(1, "momo", "unknown")])
    assert at_the_gateway(momo) == [PUBLISHED[0][0]]


def test_an_answer_nobody_can_read_is_no_definite_no(pay: Any, order: Any, momo: Any, routed: Any) -> None:
    momo.fault(Fault.HTML_200, scope="operation", operation="create", count=1)

    with pytest.raises(GatewayTimeout):
        pay(order())
    assert tried() == [(1, "momo", "unknown")]


@pytest.mark.parametrize("code", [1001, 1002, 1006, 4001])
def test_what_the_payer_was_refused_is_not_tried_elsewhere(
    pay: Any, order: Any, momo: Any, routed: Any, code: int
) -> None:
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", count=1, code=code)

    with pytest.raises(GatewayRefused):
        pay(order())
    assert tried() == [(1, "momo", "failed")]
    assert at_the_gateway(momo) == []


def test_what_was_never_sent_goes_to_the_next(pay: Any, order: Any, momo: Any, routed: Any, settings: Any) -> None:
    first = GatewayAccount.objects.get(code="momo")
    first.settings = {**first.settings, "endpoint": "http://127.0.0.1:9"}
    first.save()
    accounts.forget()

    assert pay(order()).attempt.account.code == "momo-2"
    assert tried() == [(1, "momo", "failed"), (2, "momo-2", "requires_action")]


def test_no_more_accounts_are_tried_than_the_setting_says(
    pay: Any, order: Any, momo: Any, routed: Any, settings: Any
) -> None:
    settings.ROUTE_TRIES = 1
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", count=1, code=11)

    with pytest.raises(GatewayRefused):
        pay(order())
    assert tried() == [(1, "momo", "failed")]


def test_when_all_refuse_the_last_ones_no_is_told_and_a_further_try_begins_with_neither_twice(
    pay: Any, order: Any, momo: Any, routed: Any
) -> None:
    bought = order()
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", count=2, code=11)
    with pytest.raises(GatewayRefused):
        pay(bought)
    assert [row[1:] for row in tried()] == [("momo", "failed"), ("momo-2", "failed")]
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT

    assert pay(bought).attempt.number == 3


def test_a_further_try_begins_with_the_account_that_has_not_refused(
    pay: Any, order: Any, momo: Any, routed: Any, settings: Any
) -> None:
    bought, settings.ROUTE_TRIES = order(), 1
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", count=1, code=11)
    with pytest.raises(GatewayRefused):
        pay(bought)

    assert pay(bought).attempt.account.code == "momo-2"


def test_a_payment_has_no_more_attempts_than_allowed_whatever_the_route(
    pay: Any, order: Any, momo: Any, routed: Any, settings: Any
) -> None:
    settings.MAX_ATTEMPTS_PER_PAYMENT = 1
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", count=1, code=11)

    with pytest.raises(GatewayRefused):
        pay(order())
    assert tried() == [(1, "momo", "failed")]


def test_an_open_breaker_is_a_definite_no(pay: Any, order: Any, momo: Any, routed: Any) -> None:
    breaker.force("momo", State.OPEN, seconds=60)

    with pytest.raises(GatewayTrouble):
        pay(order())
    assert tried() == [(1, "momo", "failed")]  # both accounts are at the gateway that is down
    assert at_the_gateway(momo) == []


def test_a_method_moves_to_another_gateway_while_its_own_is_down(
    pay: Any, order: Any, momo_method: Any, cod_account: Any, momo: Any
) -> None:
    RoutingRule.objects.create(position=1, method=momo_method, account=momo_method.account)
    RoutingRule.objects.create(position=2, method=momo_method, account=cod_account)
    accounts.forget()
    assert pay(order()).attempt.account.code == "momo"

    breaker.force("momo", State.OPEN, seconds=60)

    assert pay(order()).attempt.account.code == "cod"
    assert breakers.down({"momo", "cod"}) == {"momo"}


def test_an_account_that_succeeds_too_rarely_gives_way(
    pay: Any, order: Any, momo: Any, momo_account: Any, second: Any, settings: Any
) -> None:
    RoutingRule.objects.create(position=1, account=second, min_success_percent=50)
    accounts.forget()
    attempts = [pay(order()).attempt for _ in range(20)]
    assert {one.account.code for one in attempts} == {"momo-2"}
    Attempt.objects.update(status=AttemptStatus.FAILED)
    routes.forget()

    assert pay(order()).attempt.account.code == "momo"


def test_a_live_account_takes_nothing_in_a_test_environment(pay: Any, order: Any, momo_account: Any, momo: Any) -> None:
    momo_account.mode = GatewayAccount.Mode.LIVE
    momo_account.save()
    method = PaymentMethod.objects.select_related("account").get(code="momo")

    with pytest.raises(MethodUnusable):
        pay(order(), method=method)
    assert not Payment.objects.exists()
    assert at_the_gateway(momo) == []


def test_a_rule_that_is_off_costs_no_question(pay: Any, order: Any, second: Any, redis_client: Any) -> None:
    RoutingRule.objects.create(position=1, account=second, is_active=False)
    accounts.forget()

    assert pay(order()).attempt.account.code == "momo"


def test_nobody_else_is_asked_while_a_gateway_still_decides_about_the_payment(
    pay: Any, order: Any, momo: Any, routed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", count=1, code=11)
    refuse = sending._note_refusal

    def and_then_news_of_an_earlier_attempt(*arguments: Any, **named: Any) -> None:
        refuse(*arguments, **named)
        Payment.objects.update(status=PaymentStatus.PROCESSING)

    monkeypatch.setattr(sending, "_note_refusal", and_then_news_of_an_earlier_attempt)

    with pytest.raises(GatewayRefused):
        pay(order())
    assert tried() == [(1, "momo", "failed")]
