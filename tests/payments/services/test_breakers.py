"""A gateway that fails is spared, its payments are told so at once, and what waited for it is taken up when it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.core import breaker, spacing
from config.core.breaker import State
from config.core.errors import InvalidInput
from config.core.models import AuditEntry
from config.core.money import Money
from gateways.errors import GatewayUnavailable
from gateways.sandbox.faults import Fault
from payments import gauges
from payments.errors import GatewayTimeout, GatewayTrouble
from payments.models import Attempt, BreakerOverride, GatewayAccount, Refund
from payments.services import accounts, breakers, expiry, gateway_watch, refund_steps, refunds
from payments.services.gateway_watch import Verdict
from payments.services.refunds import NewRefund
from payments.states import AttemptStatus, PaymentStatus, RefundStatus

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _quick(settings: Any) -> Iterator[None]:
    settings.GATEWAY_BREAKER = {"consecutive": 3, "open_seconds": 0.3, "probe_seconds": 0.3}
    breaker.forget()
    breakers.forget()
    yield
    breaker.forget()
    breakers.forget()


def state() -> State:
    return breakers.look({"momo"})["momo"].effective


def calls(momo: Any) -> int:
    """How many payments the gateway has heard of."""
    return len(momo.running.app.sandbox.world.payments)


def kill(momo: Any, pay: Any, order: Any, times: int = 3) -> None:
    """The gateway's server fails until its breaker opens."""
    momo.fault(Fault.ERROR_500, scope="always")
    for _ in range(times):
        with pytest.raises(GatewayTimeout):
            pay(order())
    assert state() is State.OPEN


def test_a_dead_gateway_is_not_called_and_the_payment_stays_payable(pay: Any, order: Any, momo: Any) -> None:
    kill(momo, pay, order)
    momo.running.app.sandbox.faults.clear()
    before, bought = calls(momo), order()

    with pytest.raises(GatewayTrouble) as refused:
        pay(bought, idempotency_key="k", fingerprint="f")

    assert (refused.value.code, refused.value.status) == ("gateway_unavailable", 503)
    attempt = Attempt.objects.get(payment__order=bought)
    assert (attempt.status, attempt.failure_code) == (AttemptStatus.FAILED, "gateway_unreachable")
    assert attempt.payment.status == PaymentStatus.AWAITING_PAYMENT
    assert calls(momo) == before

    time.sleep(0.35)
    opened = pay(bought, idempotency_key="k", fingerprint="f")
    assert (opened.attempt.number, opened.attempt.status) == (2, AttemptStatus.REQUIRES_ACTION)
    assert state() is State.CLOSED


def test_trying_again_while_it_is_down_uses_up_no_attempt(pay: Any, order: Any, momo: Any) -> None:
    kill(momo, pay, order)
    breaker.force("momo", State.OPEN, seconds=60)
    momo.running.app.sandbox.faults.clear()
    bought = order()
    for _ in range(15):
        with pytest.raises(GatewayTrouble) as refused:
            pay(bought, idempotency_key="k", fingerprint="f")
    payment = bought.payments.get()
    assert refused.value.facts["payment_id"] == payment.id
    assert payment.attempts.count() == 1

    breaker.force("momo", None, seconds=0)
    time.sleep(0.35)
    assert pay(bought, idempotency_key="k", fingerprint="f").attempt.number == 2


def test_a_refusal_says_nothing_about_health(pay: Any, order: Any, momo: Any) -> None:
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", code=21)
    for _ in range(5):
        with pytest.raises(Exception, match="refused"):
            pay(order())

    assert state() is State.CLOSED


def test_without_redis_payments_go_on(pay: Any, order: Any, settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": NOWHERE}}
    breaker.forget()

    assert pay(order()).attempt.status == AttemptStatus.REQUIRES_ACTION
    assert breakers.down({"momo"}) == frozenset()


def test_without_redis_what_staff_forced_open_stays_open(pay: Any, order: Any, settings: Any, at: Any) -> None:
    breakers.force(
        gateway="momo",
        state=State.OPEN,
        until=at + timedelta(hours=1),
        actor="user:ops",
        reason="double charges",
        at=at,
    )
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": NOWHERE}}
    breaker.forget()

    with pytest.raises(GatewayTrouble):
        pay(order())
    assert breakers.down({"momo"}) == frozenset({"momo"})


def test_questions_to_a_dead_gateway_wait_unspent_and_are_put_when_it_is_back(
    pay: Any, order: Any, momo: Any, at: Any
) -> None:
    kill(momo, pay, order)
    later = at + timedelta(minutes=10)
    assert expiry.ask_due(at=later) == 0
    assert set(Attempt.objects.values_list("status", "queries")) == {("unknown", 0)}

    momo.running.app.sandbox.faults.clear()
    Attempt.objects.update(next_query_at=later + timedelta(hours=4))
    time.sleep(0.35)
    assert gateway_watch.watch(at=later) == 1

    assert state() is State.CLOSED
    assert set(Attempt.objects.values_list("next_query_at", flat=True)) == {later}
    assert expiry.ask_due(at=later) == 3
    assert {one.status for one in Attempt.objects.all()} == {"failed"}  # the gateway surely has none of them


def test_what_was_sent_a_moment_ago_is_not_hurried(pay: Any, order: Any, momo: Any, at: Any) -> None:
    kill(momo, pay, order)
    due = set(Attempt.objects.values_list("next_query_at", flat=True))

    assert gateway_watch.take_up("momo", at=at + timedelta(seconds=20)) == 0
    assert set(Attempt.objects.values_list("next_query_at", flat=True)) == due


def test_a_question_that_never_left_us_does_not_count(pay: Any, order: Any, momo: Any, at: Any, settings: Any) -> None:
    settings.GATEWAY_BREAKER = {"consecutive": 99}
    opened = pay(order(), at=at)
    account = GatewayAccount.objects.get()
    account.settings = {**account.settings, "endpoint": "http://127.0.0.1:9"}
    account.save()
    accounts.forget()
    due = at + timedelta(minutes=2)

    expiry.ask_due(at=due)
    opened.attempt.refresh_from_db()
    assert (opened.attempt.queries, opened.attempt.next_query_at) == (0, due + timedelta(seconds=60))

    expiry.ask_due(at=at + timedelta(days=8))
    opened.attempt.refresh_from_db()
    assert opened.attempt.queries == 1


def test_a_refund_that_is_held_back_is_not_lost_and_uses_up_no_try(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any, settings: Any
) -> None:
    opened = pay(order(), at=at)
    hear(momo.paid_ipn(opened.attempt))
    settings.GATEWAY_BREAKER = {"consecutive": 3, "open_seconds": 60}
    kill(momo, pay, order)
    momo.running.app.sandbox.faults.clear()

    wish = NewRefund(payment_id=opened.payment.id, amount=Money(100_000, "VND"), actor="system:tests")
    refunds.request_refund(wish=wish, at=at)
    refund = Refund.objects.get()
    if refund.status == RefundStatus.APPROVED and refund.steps == 0 and refund.next_step_at == at:
        refund_steps.send(refund_id=refund.id, at=at)
        refund.refresh_from_db()
    assert (refund.status, refund.steps) == (RefundStatus.APPROVED, 0)
    assert refund_steps.advance_due(at=at + timedelta(hours=5)) == 0

    settings.GATEWAY_BREAKER = {"open_seconds": 0.1}
    time.sleep(0.15)
    assert gateway_watch.watch(at=at + timedelta(minutes=2)) == 1
    assert refund_steps.advance_due(at=at + timedelta(minutes=2)) == 1
    refund.refresh_from_db()
    assert refund.status == RefundStatus.SUCCEEDED
    assert len([r for r in momo.running.app.sandbox.world.refunds.values() if r.order == refund.gateway_reference]) == 1


def test_forcing_is_audited_and_ends_by_itself(momo_account: Any, at: Any) -> None:
    until = at + timedelta(minutes=5)
    breakers.force(gateway="momo", state=State.OPEN, until=until, actor="user:ops@x", reason="they asked us", at=at)

    assert state() is State.OPEN
    entry = AuditEntry.objects.get(action="gateway_breaker.forced")
    assert (entry.actor, entry.reason, entry.object_id) == ("user:ops@x", "they asked us", "momo")
    assert entry.after["state"] == "open"

    breaker.force("momo", None, seconds=0)  # Redis forgot
    gateway_watch.watch(at=at)
    assert state() is State.OPEN
    breaker.force("momo", None, seconds=0)
    gateway_watch.watch(at=until)
    assert state() is State.CLOSED
    assert not BreakerOverride.objects.exists()
    assert AuditEntry.objects.filter(action="gateway_breaker.released", actor="system").count() == 1


def test_releasing_gives_it_back_to_itself(momo_account: Any, at: Any) -> None:
    with pytest.raises(InvalidInput):
        breakers.release(gateway="momo", actor="user:ops", reason="enough")
    breakers.force(
        gateway="momo", state=State.OPEN, until=at + timedelta(minutes=5), actor="user:ops", reason="x", at=at
    )

    breakers.release(gateway="momo", actor="user:ops", reason="enough")

    assert state() is State.CLOSED


@pytest.mark.parametrize(
    ("ahead", "reason"), [(timedelta(days=8), "long"), (timedelta(0), "none"), (timedelta(hours=1), " ")]
)
def test_forcing_wants_a_reason_and_an_end(momo_account: Any, at: Any, ahead: timedelta, reason: str) -> None:
    with pytest.raises(InvalidInput):
        breakers.force(gateway="momo", state=State.OPEN, until=at + ahead, actor="user:ops", reason=reason, at=at)
    assert not BreakerOverride.objects.exists()
    assert state() is State.CLOSED


def test_a_test_call_says_what_it_heard_and_is_audited(momo_account: Any, momo: Any, at: Any) -> None:
    answer = gateway_watch.test_call(momo_account, actor="user:ops", reason="new keys", at=at)

    assert answer.verdict is Verdict.FINE
    entry = AuditEntry.objects.get(action="gateway_account.tested")
    assert (entry.after["verdict"], entry.reason, entry.object_id) == ("fine", "new keys", momo_account.pk)
    momo.fault(Fault.ERROR_500, scope="always")
    assert gateway_watch.test_call(momo_account, actor="user:ops", reason="r", at=at).verdict is Verdict.SILENT


def test_a_probe_does_not_wait_as_long_as_a_payment(momo_account: Any, momo: Any, at: Any) -> None:
    momo.fault(Fault.ACCEPT_THEN_TIMEOUT, scope="always", seconds=5)
    began = time.monotonic()

    assert gateway_watch.ask(momo_account, at=at, limit_seconds=0.5).verdict is Verdict.SILENT

    assert time.monotonic() - began < 2.0


def test_questions_keep_the_distance_a_gateway_wants(momo_account: Any, at: Any, settings: Any) -> None:
    spacing.forget()
    settings.GATEWAY_SPACING = {"momo.query": 0.4}
    assert gateway_watch.ask(momo_account, at=at).verdict is Verdict.FINE
    with pytest.raises(GatewayUnavailable) as refused:
        breakers.admit("momo", "query")
    assert (refused.value.code, refused.value.never_sent) == (breakers.SPACED, True)
    breakers.admit("momo", "create")

    began = time.monotonic()
    with breakers.patient(5):
        assert gateway_watch.ask(momo_account, at=at).verdict is Verdict.FINE
    assert 0.1 < time.monotonic() - began < 1.0


def test_metrics_tell_the_state_by_both_names(momo_account: Any, pay: Any, order: Any, momo: Any) -> None:
    def read() -> dict[Any, float]:
        return {(gauge.name, *gauge.labels): gauge.value for gauge in gauges.read()}

    before = read()
    assert before["gateway_circuit_breaker_state", "momo", "closed"] == 1
    kill(momo, pay, order)
    found = read()
    assert found["reckoner_gateway_circuit_state", "momo"] == 2
    assert found["gateway_circuit_breaker_state", "momo", "open"] == 1
    assert found["gateway_circuit_breaker_state", "momo", "closed"] == 0
    assert found["reckoner_gateway_answered_ratio", "momo"] == 0.0

    GatewayAccount.objects.create(code="fiuu", gateway="fiuu")
    for _ in range(3):
        call, _say = breaker.admit("fiuu", policy=breakers.policy())
        breaker.note("fiuu", call, ok=False, seconds=0.1, policy=breakers.policy())
    assert read()["fiuu_circuit_breaker_state",] == 1


def test_an_odd_setting_is_named(settings: Any) -> None:
    settings.GATEWAY_BREAKER = {"no_such_word": 1.0}
    with pytest.raises(ImproperlyConfigured, match="no_such_word"):
        breakers.policy()
