"""What happens when nobody says anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from config.core import faultpoints
from config.core.models import OutboxEvent
from gateways.sandbox.faults import Fault
from payments.errors import GatewayTimeout, NotPayable
from payments.models import Attempt, EmailMessageLog, MoneyCase, Payment
from payments.services import attempts, cod, expiry
from payments.services.hearing import Outcome
from payments.states import AttemptStatus, PaymentStatus

pytestmark = pytest.mark.django_db


def test_a_silent_attempt_is_asked_after_thirty_seconds_and_found_paid(
    pay: Any, order: Any, momo: Any, at: Any
) -> None:
    opened = pay(order(), at=at)
    momo.settle(opened.attempt)  # its notification is lost

    assert expiry.ask_due(at=at + timedelta(seconds=29)) == 0
    assert expiry.ask_due(at=at + timedelta(seconds=30)) == 1
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_the_questions_grow_further_apart(pay: Any, order: Any, at: Any) -> None:
    pay(order(), at=at)
    expiry.ask_due(at=at + timedelta(seconds=30))
    assert Attempt.objects.get().next_query_at == at + timedelta(seconds=30 + 60)


def test_the_sweep_asks_the_gateway_first_and_finds_the_money(pay: Any, order: Any, momo: Any, at: Any) -> None:
    opened = pay(order(), at=at)
    momo.settle(opened.attempt)

    assert expiry.expire_overdue(at=at + timedelta(minutes=90)) == 0
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_an_unpaid_payment_expires_and_says_so_once(pay: Any, order: Any, at: Any) -> None:
    pay(order(), at=at)
    assert expiry.expire_overdue(at=at + timedelta(minutes=89)) == 0
    assert expiry.expire_overdue(at=at + timedelta(minutes=90)) == 1
    assert expiry.expire_overdue(at=at + timedelta(minutes=91)) == 0

    assert Payment.objects.get().status == PaymentStatus.EXPIRED
    assert Attempt.objects.get().status == AttemptStatus.EXPIRED
    told = list(OutboxEvent.objects.order_by("position").values_list("type", flat=True))
    assert told == ["transaction.created", "transaction.timeout", "payment.failed"]
    assert not EmailMessageLog.objects.exists()


def test_a_failure_is_mailed_when_the_setting_says_so(pay: Any, order: Any, at: Any, settings: Any) -> None:
    settings.EMAIL_ON_FAILURE = True
    pay(order(), at=at)
    expiry.expire_overdue(at=at + timedelta(minutes=90))
    assert EmailMessageLog.objects.get().kind == EmailMessageLog.Kind.PAYMENT_FAILED


def test_while_the_gateway_is_silent_a_payment_waits_out_its_grace(pay: Any, order: Any, faults: Any, at: Any) -> None:
    pay(order(), at=at)
    faults(Fault.ERROR_500, operation="query", scope="operation", count=50)

    assert expiry.expire_overdue(at=at + timedelta(minutes=104)) == 0
    assert expiry.expire_overdue(at=at + timedelta(minutes=105)) == 1


def test_an_expired_attempt_is_looked_at_again_for_a_day(pay: Any, order: Any, momo: Any, at: Any) -> None:
    opened = pay(order(), at=at)
    over = at + timedelta(minutes=90)
    expiry.expire_overdue(at=over)
    momo.settle(opened.attempt)

    assert expiry.ask_due(at=over + timedelta(minutes=15)) == 1
    payment = Payment.objects.get()
    assert (payment.status, payment.is_late) == (PaymentStatus.SUCCEEDED, True)


def test_an_attempt_nobody_can_tell_us_about_ends_as_a_case_never_silently(
    pay: Any, order: Any, faults: Any, at: Any, settings: Any
) -> None:
    settings.GATEWAY_BREAKER = {"consecutive": 999, "min_calls": 999}  # days pass here within its seconds
    faults(Fault.ERROR_500_AFTER_ACCEPT, operation="create", scope="operation", count=1)
    with pytest.raises(GatewayTimeout):
        pay(order(), at=at)
    faults(Fault.ERROR_500, scope="always")
    moment = at
    for wait in attempts.ASK_AFTER:
        moment += wait
        expiry.ask_due(at=moment)

    case = MoneyCase.objects.get()
    assert (case.kind, case.attempt_id) == ("unknown_outcome", Attempt.objects.get().id)
    assert Attempt.objects.get().next_query_at is None
    assert Attempt.objects.get().status == AttemptStatus.UNKNOWN


def test_the_case_of_an_unknown_attempt_closes_itself_when_the_gateway_speaks(
    pay: Any, order: Any, faults: Any, momo: Any, hear: Any, at: Any, settings: Any
) -> None:
    test_an_attempt_nobody_can_tell_us_about_ends_as_a_case_never_silently(pay, order, faults, at, settings)
    momo.running.app.sandbox.faults.clear()
    hear(momo.paid_ipn(Attempt.objects.get()))

    assert MoneyCase.objects.get().status == "closed"
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_cancelling_asks_first_and_does_not_cancel_what_was_paid(pay: Any, order: Any, momo: Any, at: Any) -> None:
    opened = pay(order(), at=at)
    momo.settle(opened.attempt)
    with pytest.raises(NotPayable):
        expiry.cancel(payment_id=opened.payment.id, actor="system:x", reason="changed mind", at=at)
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_cancelling_twice_says_the_same_and_tells_it_once(pay: Any, order: Any, at: Any) -> None:
    opened = pay(order(), at=at)
    for _ in range(2):
        payment = expiry.cancel(payment_id=opened.payment.id, actor="system:x", reason="changed mind", at=at)
        assert payment.status == PaymentStatus.CANCELLED
    assert OutboxEvent.objects.filter(type="payment.failed").count() == 1


def test_collected_cash_is_owed_by_the_carrier(pay: Any, order: Any, cod_method: Any, at: Any, balances: Any) -> None:
    opened = pay(order({"order_subtotal": 470_000, "shipping_fee": 30_000}), method=cod_method, at=at)
    kept = {
        "payment_id": opened.payment.id,
        "carrier": "ghn",
        "carrier_reference": "G1",
        "actor": "system:ghn",
        "at": at,
    }
    first = cod.collected(money=opened.payment.amount, **kept)
    again = cod.collected(money=opened.payment.amount, **kept)

    shop = opened.payment.order.shop_orders.get().shop_id
    assert (first, again) == (Outcome.APPLIED, Outcome.ALREADY_APPLIED)
    assert balances() == {"cod:ghn:receivable": 500_000, f"escrow:{shop}": -470_000, "shipping:held": -30_000}
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_refused_cash_leaves_the_payment_open_for_another_way(pay: Any, order: Any, cod_method: Any, at: Any) -> None:
    opened = pay(order(), method=cod_method, at=at)
    cod.failed(payment_id=opened.payment.id, reason="not at home", actor="system:ghn", at=at)

    assert Attempt.objects.get().status == AttemptStatus.FAILED
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


def test_cash_whose_order_was_cut_off_by_a_crash_is_waited_for_after_all(
    pay: Any, order: Any, cod_method: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process dies."""

    def die(name: str) -> None:
        if name == "checkout.gateway_answered":
            raise Killed

    with monkeypatch.context() as crash, pytest.raises(Killed):
        crash.setattr(faultpoints, "reach", die)
        pay(order(), method=cod_method, at=at)
    assert (Attempt.objects.get().status, Payment.objects.get().status) == (AttemptStatus.SENT, PaymentStatus.PENDING)

    assert expiry.ask_due(at=at + timedelta(seconds=30)) == 1

    assert Attempt.objects.get().status == AttemptStatus.PENDING
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    assert EmailMessageLog.objects.get().kind == EmailMessageLog.Kind.ORDER_CREATED
    assert expiry.ask_due(at=at + timedelta(days=1)) == 0
