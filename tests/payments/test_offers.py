"""A method whose gateway is down says so or is hidden; cash on delivery stays; a payment by it is refused at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from config.core import breaker
from config.core.breaker import State
from payments.models import GatewayAccount, Payment, PaymentMethod, RoutingRule
from payments.services import accounts, offers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def momo_is_down(methods: dict[str, PaymentMethod]) -> None:
    breaker.force("momo", State.OPEN, seconds=60)


def offered() -> dict[str, str]:
    return {offer.method.code: offer.reason for offer in offers.offers(at=timezone.now())}


def listed(client: Any, path: str = "/api/v1/payment-methods") -> dict[str, tuple[bool, str | None]]:
    rows = client.get(path).json()
    rows = rows["data"] if isinstance(rows, dict) else rows
    return {row["code"]: (row["is_available"], row["unavailable_reason"]) for row in rows}


def test_all_are_offered_while_all_is_well(methods: Any, anonymous: Any) -> None:
    assert offered() == {"momo": "", "cod": ""}
    assert listed(anonymous) == {"momo": (True, None), "cod": (True, None)}


def test_both_lists_and_the_method_itself_say_what_is_down(momo_is_down: None, anonymous: Any) -> None:
    expected = {"momo": (False, "gateway_down"), "cod": (True, None)}

    assert listed(anonymous) == listed(anonymous, "/v1/payment-method") == expected
    for path in ("/api/v1/payment-methods/momo", "/v1/payment-method/momo"):
        one = anonymous.get(path).json()
        assert (one["is_available"], one["unavailable_reason"], one["is_active"]) == (False, "gateway_down", True)


def test_it_is_hidden_where_the_operator_wants_so(momo_is_down: None, anonymous: Any, settings: Any) -> None:
    settings.HIDE_UNAVAILABLE_METHODS = True

    assert list(listed(anonymous)) == ["cod"]


def test_a_method_that_can_go_another_way_is_available(momo_is_down: None, methods: Any, cod_account: Any) -> None:
    RoutingRule.objects.create(position=1, method=methods["momo"], account=cod_account)
    accounts.forget()

    assert offered() == {"momo": "", "cod": ""}


def test_a_method_without_a_usable_account_is_not_offered(methods: Any) -> None:
    GatewayAccount.objects.filter(code="momo").update(is_enabled=False)
    assert list(offered()) == ["cod"]

    GatewayAccount.objects.filter(code="momo").update(is_enabled=True, mode="live")
    assert list(offered()) == ["cod"]


def test_a_payment_by_it_is_refused_at_once_with_a_time_to_come_back(
    momo_is_down: None, system_client: Any, momo: Any, order: Any
) -> None:
    before = len(momo.running.app.sandbox.world.payments)
    bought = order()

    answer = system_client.send("/api/v1/payments", {"order_id": bought.order_id, "payment_method": "momo"}, key="k-1")

    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "gateway_unavailable", True)
    assert int(answer.headers["Retry-After"]) > 0
    assert len(momo.running.app.sandbox.world.payments) == before
    answer = system_client.send("/api/v1/payments", {"order_id": bought.order_id, "payment_method": "cod"}, key="k-2")
    assert answer.status_code == 201
    assert Payment.objects.count() == 1
