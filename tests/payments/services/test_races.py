"""Races on real locks: threads, a barrier, and the same money told in different ways."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from config.core.errors import DomainError
from config.core.models import OutboxEvent
from config.core.money import Money
from gateways.reports import DisputeReport, DisputeStatus
from gateways.sandbox.web import BadRequest
from ledger.models import JournalEntry
from payments.models import AttemptEvent, Capture, Dispute, MoneyCase, Payment, Refund
from payments.services import disputes, expiry, refunds
from payments.services.hearing import Heard
from payments.services.refunds import NewRefund
from payments.states import PaymentStatus

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


def together(deeds: Sequence[Callable[[], object]]) -> list[object]:
    """Run all deeds at the same moment, each in a thread with its own connection; what each answered or raised."""
    barrier, answers = threading.Barrier(len(deeds)), [None] * len(deeds)

    def run(number: int, deed: Callable[[], object]) -> None:
        barrier.wait()
        try:
            answers[number] = deed()
        except DomainError as error:
            answers[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return list(answers)


def eight_ways_to_say_it(momo: Any, reference: str, transactions: Sequence[int]) -> list[bytes]:
    """Different bytes, each truly signed, of the given gateway transactions."""
    return [
        momo.custom_ipn(orderId=reference, amount=100_000, transId=number, message=f"Thành công {index}")
        for index, number in enumerate(transactions)
    ]


def test_eight_different_messages_of_one_transaction_capture_it_once(
    pay: Any, order: Any, momo: Any, hear: Any
) -> None:
    for number in range(15):
        opened = pay(order())
        told = eight_ways_to_say_it(momo, opened.attempt.gateway_reference, [4_000_000 + number] * 8)
        replies = together([lambda body=body: hear(body).status for body in told])
        assert replies == [204] * 8

    assert Capture.objects.count() == 15
    assert JournalEntry.objects.count() == 15
    assert not MoneyCase.objects.exists()
    assert Payment.objects.filter(status=PaymentStatus.SUCCEEDED).count() == 15
    assert OutboxEvent.objects.filter(type="payment.completed").count() == 15


@pytest.mark.soak
def test_two_hundred_payments_with_eight_messages_each(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    for number in range(200):
        opened = pay(order())
        told = eight_ways_to_say_it(momo, opened.attempt.gateway_reference, [5_000_000 + number] * 8)
        together([lambda body=body: hear(body) for body in told])
    assert (Capture.objects.count(), JournalEntry.objects.count()) == (200, 200)


def test_two_transactions_on_one_attempt_are_one_capture_and_one_case(
    pay: Any, order: Any, momo: Any, hear: Any, balances: Any
) -> None:
    opened = pay(order())
    told = eight_ways_to_say_it(momo, opened.attempt.gateway_reference, [7_000_001] * 4 + [7_000_002] * 4)
    together([lambda body=body: hear(body) for body in told])

    assert Counter(Capture.objects.values_list("disposition", flat=True)) == {"applied": 1, "held": 1}
    assert MoneyCase.objects.get().kind == "double_payment"
    assert (balances()["gw:momo:clearing"], balances()["suspense:over"]) == (200_000, -100_000)


def ipn_against_sweep(times: int, pay: Any, order: Any, momo: Any, hear: Any) -> None:
    """The money and the end of time at the same moment, so often."""
    for number in range(times):
        at = timezone.now()
        opened = pay(order(), at=at - timedelta(minutes=90))
        body = momo.custom_ipn(orderId=opened.attempt.gateway_reference, amount=100_000, transId=9_000_000 + number)
        together([lambda body=body: hear(body), lambda at=at: expiry.expire_overdue(at=at)])

    succeeded = Payment.objects.filter(status=PaymentStatus.SUCCEEDED).count()
    assert succeeded == times  # in whichever order: paid, or expired and then paid late
    assert Capture.objects.filter(disposition="applied").count() == times
    assert JournalEntry.objects.filter(event="captured").count() == times


def test_a_notification_against_the_expiry_sweep_never_loses_money(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    ipn_against_sweep(25, pay, order, momo, hear)


@pytest.mark.soak
def test_a_notification_against_the_expiry_sweep_five_hundred_times(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    ipn_against_sweep(500, pay, order, momo, hear)


def test_a_page_is_paid_or_closed_and_never_both(
    pay: Any, order: Any, xendit_method: Any, xendit: Any, webhook: Any
) -> None:
    """The payer, their webhook and the sweep at the same moment: what is paid is ours, what is not is closed."""
    for _ in range(15):
        at = timezone.now()
        opened = pay(order(), method=xendit_method, at=at - timedelta(minutes=90))

        def buy(attempt: Any = opened.attempt) -> object:
            with suppress(BadRequest):  # it was closed first
                return webhook(xendit.paid(attempt)).status_code
            return None

        together([buy, *[lambda at=at: expiry.expire_overdue(at=at) for _ in range(7)]])
        expiry.expire_overdue(at=at)

        payment, stage = Payment.objects.get(id=opened.payment.id), xendit.invoice(opened.attempt).stage
        assert (payment.status, payment.is_late, stage.value) in (
            (PaymentStatus.SUCCEEDED, False, "paid"),
            (PaymentStatus.EXPIRED, False, "expired"),
        )
    assert not MoneyCase.objects.exists()


def test_twenty_full_refunds_at_once_are_one(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    opened = pay(order())
    hear(momo.paid_ipn(opened.attempt))
    wish = NewRefund(payment_id=opened.payment.id, amount=Money(100_000, "VND"), actor="system:tests")
    answers = together([lambda: refunds.request_refund(wish=wish, at=timezone.now()) for _ in range(20)])

    assert sum(isinstance(answer, DomainError) for answer in answers) == 19
    refund = Refund.objects.get()
    assert refund.amount_minor == 100_000
    assert len([r for r in momo.running.app.sandbox.world.refunds.values() if r.order == refund.gateway_reference]) == 1
    assert Payment.objects.get().refunded_minor == 100_000


def test_eight_equal_wishes_make_one_payment(pay: Any, order: Any) -> None:
    bought = order()
    together([lambda: pay(bought, idempotency_key="same", fingerprint="f") for _ in range(8)])

    assert Payment.objects.count() == 1
    assert Payment.objects.get().attempts.count() == 1


def test_first_messages_of_one_dispute_at_once_open_and_book_it_once(
    pay: Any, order: Any, momo: Any, hear: Any, books: Any
) -> None:
    for _ in range(5):
        opened = pay(order())
        hear(momo.paid_ipn(opened.attempt))
        capture = Capture.objects.get(payment=opened.payment)
        now = timezone.now()

        def say(status: DisputeStatus, capture: Capture = capture, now: Any = now) -> Callable[[], object]:
            report = DisputeReport(
                dispute_id=f"du_{capture.pk}", status=status, money=capture.money, withdrawn=True,
                gateway_transaction_id=capture.gateway_transaction_id, occurred_at=now,
            )  # fmt: skip
            heard = Heard(account=capture.account, source=AttemptEvent.Source.WEBHOOK, at=now)
            return lambda: disputes.apply_dispute_report(report=report, heard=heard)

        def give_back(payment_id: str = opened.payment.id) -> object:
            wish = NewRefund(payment_id=payment_id, amount=Money(60_000, "VND"), actor="system:tests", reason="r")
            return refunds.request_refund(wish=wish, at=timezone.now())

        told = [
            DisputeStatus.NEEDS_RESPONSE,
            DisputeStatus.NEEDS_RESPONSE,
            DisputeStatus.UNDER_REVIEW,
            DisputeStatus.LOST,
        ]
        together([*(say(status) for status in told), give_back])

        dispute = Dispute.objects.get(capture=capture)
        booked = [key.partition(":")[2] for key in books() if key.startswith(dispute.id)]
        assert booked == ["opened", "lost"]
        assert (dispute.status, dispute.disputed_minor) == ("lost", 100_000)
        payment = Payment.objects.get(id=opened.payment.id)
        assert payment.disputed_minor == 100_000
        assert payment.refunded_minor in (0, 60_000)
        both = MoneyCase.objects.filter(payment=payment, kind="dispute_refunded").count()
        assert both == (payment.refunded_minor > 0)
