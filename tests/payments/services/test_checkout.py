"""A customer wants to pay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from config.core.idempotency import IdempotencyInFlight, IdempotencyMismatch
from config.core.models import AuditEntry, OutboxEvent
from config.core.money import Money
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from payments.errors import (
    AlreadyPaid,
    AmountMismatch,
    AttemptUndecided,
    GatewayTimeout,
    MethodUnusable,
    NotPayable,
    OrderNotFound,
    PaymentExpired,
    ReturnUrlRefused,
)
from payments.models import Attempt, EmailMessageLog, Order, Payment
from payments.services import cancellations, cod, expiry
from payments.states import AttemptStatus, PaymentStatus

pytestmark = pytest.mark.django_db


def test_an_online_payment_gets_a_url_a_qr_and_ninety_minutes(pay: Any, order: Any, at: Any) -> None:
    opened = pay(order(), at=at)

    assert opened.payment.status == PaymentStatus.AWAITING_PAYMENT
    assert opened.attempt.status == AttemptStatus.REQUIRES_ACTION
    assert opened.attempt.pay_url.startswith("http") and opened.attempt.qr_text and opened.attempt.deeplink
    assert opened.payment.expires_at == at + timedelta(minutes=90)
    assert [event.type for event in OutboxEvent.objects.order_by("position")] == ["transaction.created"]
    assert AuditEntry.objects.filter(action="payment.created", object_id=opened.payment.id).count() == 1


def test_cash_on_delivery_waits_without_a_url_and_writes_to_the_customer(pay: Any, order: Any, cod_method: Any) -> None:
    opened = pay(order(), method=cod_method)

    assert (opened.payment.status, opened.attempt.status) == (PaymentStatus.AWAITING_PAYMENT, AttemptStatus.PENDING)
    assert opened.attempt.pay_url == ""
    assert EmailMessageLog.objects.get().kind == EmailMessageLog.Kind.ORDER_CREATED


def test_the_same_wish_again_answers_the_open_payment(pay: Any, order: Any) -> None:
    bought = order()
    first, again = pay(bought), pay(bought)

    assert (again.is_replay, again.payment.id, again.attempt.id) == (True, first.payment.id, first.attempt.id)
    assert Attempt.objects.count() == 1


def test_an_idempotency_key_finds_its_payment_and_refuses_another_request(pay: Any, order: Any) -> None:
    bought = order()
    first = pay(bought, idempotency_key="k1", fingerprint="a")
    again = pay(bought, idempotency_key="k1", fingerprint="a")
    with pytest.raises(IdempotencyMismatch):
        pay(order(), idempotency_key="k1", fingerprint="b")

    assert again.payment.id == first.payment.id
    assert Payment.objects.count() == 1


def test_a_customer_cannot_pay_an_order_of_somebody_else(pay: Any, order: Any) -> None:
    with pytest.raises(OrderNotFound):
        pay(order(customer="customer-2"), customer="customer-1")
    assert not Payment.objects.exists()


def test_an_amount_that_is_not_the_orders_is_refused(pay: Any, order: Any) -> None:
    with pytest.raises(AmountMismatch):
        pay(order(amount_minor=100_000), amount=Money(99_999, "VND"))
    assert not Payment.objects.exists()


def test_a_method_refuses_what_is_outside_its_limits(pay: Any, order: Any) -> None:
    with pytest.raises(MethodUnusable):
        pay(order(amount_minor=999))
    assert not Payment.objects.exists()


def test_a_return_address_of_a_foreign_host_is_refused(pay: Any, order: Any) -> None:
    for url in ("https://evil.example/x", "javascript:alert(1)", "//evil.example"):
        with pytest.raises(ReturnUrlRefused):
            pay(order(), return_url=url)
    assert not Payment.objects.exists()


def test_a_cancelled_order_cannot_be_paid(pay: Any, order: Any, at: Any) -> None:
    bought = order()
    cancellations.cancel_order(order_id=bought.order_id, cause="e1", reason="gone", actor="system:orders", at=at)
    with pytest.raises(NotPayable):
        pay(bought)
    assert Order.objects.get().status == Order.Status.CANCELLED


def test_a_paid_order_is_not_charged_again(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    bought = order()
    hear(momo.paid_ipn(pay(bought).attempt))
    with pytest.raises(AlreadyPaid):
        pay(bought)
    assert Attempt.objects.count() == 1


def test_after_its_time_an_open_payment_cannot_be_started_again(pay: Any, order: Any, at: Any) -> None:
    bought = order()
    pay(bought, at=at)
    with pytest.raises(PaymentExpired):
        pay(bought, at=at + timedelta(minutes=90))


def test_a_gateway_that_took_the_request_and_fell_silent_leaves_an_unknown_attempt_that_blocks_another(
    pay: Any, order: Any, faults: Any, at: Any
) -> None:
    bought = order()
    faults(Fault.ERROR_500_AFTER_ACCEPT, operation="create", scope="operation", count=1)
    with pytest.raises(GatewayTimeout):
        pay(bought, at=at)
    with pytest.raises(AttemptUndecided):
        pay(bought, at=at)

    attempt = Attempt.objects.get()
    assert attempt.status == AttemptStatus.UNKNOWN
    assert attempt.next_query_at == at + timedelta(seconds=30)


def test_an_unknown_attempt_that_the_gateway_does_not_know_is_over_and_another_may_follow(
    pay: Any, order: Any, faults: Any, at: Any
) -> None:
    bought = order()
    faults(Fault.ERROR_500, operation="create", scope="operation", count=1)
    with pytest.raises(GatewayTimeout):
        pay(bought, at=at)
    assert expiry.ask_due(at=at + timedelta(seconds=31)) == 1
    opened = pay(bought, at=at + timedelta(seconds=32))

    assert [a.status for a in Attempt.objects.order_by("number")] == [
        AttemptStatus.FAILED,
        AttemptStatus.REQUIRES_ACTION,
    ]
    assert opened.attempt.number == 2


def test_a_call_that_is_under_way_is_not_started_twice(pay: Any, order: Any, at: Any) -> None:
    bought = order()
    opened = pay(bought, at=at)
    Attempt.objects.filter(id=opened.attempt.id).update(status=AttemptStatus.SENT)
    with pytest.raises(IdempotencyInFlight):
        pay(bought, at=at + timedelta(seconds=5))
    with pytest.raises(AttemptUndecided):
        pay(bought, at=at + timedelta(seconds=31))


def test_a_declined_attempt_leaves_the_payment_payable_until_its_attempts_run_out(
    pay: Any, order: Any, momo: Any, hear: Any, settings: Any
) -> None:
    settings.MAX_ATTEMPTS_PER_PAYMENT = 2
    bought = order()
    for number in (1, 2):
        opened = pay(bought)
        assert opened.attempt.number == number
        momo.settle(opened.attempt, Outcome.DECLINE)
        assert hear(momo.ipn(opened.attempt)).status == 204

    payment = Payment.objects.get()
    assert payment.status == PaymentStatus.FAILED
    assert [event.type for event in OutboxEvent.objects.order_by("position")] == [
        "transaction.created", "transaction.failed", "transaction.created", "transaction.failed", "payment.failed",
    ]  # fmt: skip
    assert pay(bought).payment.id != payment.id  # a new payment of the same order


def test_switching_the_method_makes_the_next_attempt_of_the_same_payment(pay: Any, order: Any, cod_method: Any) -> None:
    bought = order()
    first, second = pay(bought), pay(bought, method=cod_method)

    assert second.payment.id == first.payment.id
    assert (second.attempt.number, second.attempt.account.code) == (2, "cod")


def test_cash_that_the_customer_turned_away_from_is_not_waited_for_any_more(
    pay: Any, order: Any, cod_method: Any, at: Any
) -> None:
    bought = order()
    first = pay(bought, method=cod_method)
    second = pay(bought)
    with pytest.raises(NotPayable):
        cod.collected(
            payment_id=first.payment.id, carrier="ghn", carrier_reference="G1", money=first.payment.amount,
            actor="system:ghn", at=at,
        )  # fmt: skip

    assert Attempt.objects.get(id=first.attempt.id).status == AttemptStatus.CANCELLED
    assert second.attempt.status == AttemptStatus.REQUIRES_ACTION


def test_switching_to_cash_writes_to_the_customer_once(pay: Any, order: Any, cod_method: Any) -> None:
    bought = order()
    pay(bought)
    for _ in range(2):
        pay(bought, method=cod_method)
    assert EmailMessageLog.objects.get().kind == EmailMessageLog.Kind.ORDER_CREATED
