"""Money came, or did not: what one report changes, and what it must never change."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from config.core.models import AuditEntry, OutboxEvent
from gateways.sandbox.provider import Outcome as PayerDoes
from payments.models import Attempt, Capture, EmailMessageLog, MoneyCase, Notification, Payment
from payments.services import accounts, expiry, notifications
from payments.states import AttemptStatus, NotificationStatus, PaymentStatus

pytestmark = pytest.mark.django_db


def events() -> list[str]:
    return list(OutboxEvent.objects.order_by("position").values_list("type", flat=True))


def test_a_paid_order_is_booked_told_and_receipted_in_one_go(
    pay: Any, order: Any, momo: Any, hear: Any, books: Any
) -> None:
    bought = order(
        {"order_subtotal": 1_000_000, "shop_voucher_discount": 20_000, "shipping_fee": 30_000}, site_voucher=50_000
    )
    opened = pay(bought)
    reply = hear(momo.paid_ipn(opened.attempt))

    payment, capture = Payment.objects.get(), Capture.objects.get()
    shop = bought.shop_orders.get().shop_id
    assert (reply.status, reply.body) == (204, b"")
    assert (payment.status, payment.captured_minor, payment.is_late) == (PaymentStatus.SUCCEEDED, 960_000, False)
    assert books() == {
        f"cap:momo:{capture.gateway_transaction_id}": {
            "gw:momo:clearing": 960_000, "promo:site": 50_000, f"escrow:{shop}": -980_000, "shipping:held": -30_000,
        }
    }  # fmt: skip
    assert events() == ["transaction.created", "payment.completed", "order.payment.received"]
    assert EmailMessageLog.objects.get().kind == EmailMessageLog.Kind.PAYMENT_SUCCEEDED
    assert AuditEntry.objects.filter(action="payment.succeeded").count() == 1
    assert Notification.objects.get().status == NotificationStatus.PROCESSED


def test_the_completed_event_carries_the_reference_systems_keys(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    opened = pay(order(order_id="ORD-77"))
    hear(momo.paid_ipn(opened.attempt))

    event = OutboxEvent.objects.get(type="payment.completed")
    assert event.key == "ORD-77"
    assert event.data["transaction_id"] == opened.attempt.id
    assert (event.data["order_id"], event.data["amount"], event.data["status"]) == ("ORD-77", "100000", "SUCCESS")
    assert (event.data["late"], event.data["payment_id"]) == (False, opened.payment.id)


def test_a_replayed_notification_is_acknowledged_and_changes_nothing(
    pay: Any, order: Any, momo: Any, hear: Any, books: Any
) -> None:
    opened = pay(order())
    body = momo.paid_ipn(opened.attempt)
    replies = [hear(body).status for _ in range(5)]

    assert replies == [204] * 5
    assert len(books()) == 1
    assert Notification.objects.get().deliveries == 5
    assert events().count("payment.completed") == 1


def test_a_changed_or_unsigned_notification_changes_nothing_and_is_kept(
    pay: Any, order: Any, momo: Any, hear: Any, books: Any
) -> None:
    opened = pay(order())
    good = json.loads(momo.paid_ipn(opened.attempt))
    forged = [
        {**good, "amount": good["amount"] + 1},
        {**good, "signature": good["signature"].upper()},
        {**good, "signature": ""},
        {name: value for name, value in good.items() if name != "signature"},
        {**good, "orderId": good["orderId"][:-1] + "0"},
    ]
    replies = [hear(json.dumps(body).encode()).status for body in forged]

    assert replies == [400] * 5
    assert books() == {}
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    assert set(Notification.objects.values_list("status", flat=True)) == {NotificationStatus.REJECTED}
    assert Notification.objects.count() == 5


def test_worse_news_after_success_is_recorded_and_changes_nothing(
    pay: Any, order: Any, momo: Any, hear: Any, books: Any
) -> None:
    opened = pay(order())
    hear(momo.paid_ipn(opened.attempt))
    paid = Payment.objects.get()
    body = momo.custom_ipn(orderId=opened.attempt.gateway_reference, amount=100_000, resultCode=1006)
    reply = hear(body)

    assert reply.status == 204
    assert Payment.objects.get().updated_at == paid.updated_at
    assert Attempt.objects.get().status == AttemptStatus.SUCCEEDED
    assert len(books()) == 1
    assert sorted(Notification.objects.values_list("status", flat=True)) == ["ignored", "processed"]


def test_success_after_a_failure_is_still_money(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    opened = pay(order())
    momo.settle(opened.attempt, PayerDoes.DECLINE)
    hear(momo.ipn(opened.attempt))
    assert Attempt.objects.get().status == AttemptStatus.FAILED
    momo.settle(opened.attempt, again=True)
    hear(momo.ipn(opened.attempt))

    assert Attempt.objects.get().status == AttemptStatus.SUCCEEDED
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_a_second_real_payment_on_one_attempt_goes_to_suspense_with_a_case(
    pay: Any, order: Any, momo: Any, hear: Any, balances: Any
) -> None:
    opened = pay(order())
    hear(momo.paid_ipn(opened.attempt))
    momo.settle(opened.attempt, again=True)
    assert hear(momo.ipn(opened.attempt)).status == 204

    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor, case.suggestion) == ("double_payment", 100_000, "refund")
    assert balances()["gw:momo:clearing"] == 200_000
    assert balances()["suspense:over"] == -100_000
    assert Payment.objects.get().captured_minor == 100_000


def test_a_wrong_amount_goes_to_suspense_and_never_succeeds(
    pay: Any, order: Any, momo: Any, hear: Any, balances: Any
) -> None:
    opened = pay(order())
    assert hear(momo.custom_ipn(orderId=opened.attempt.gateway_reference, amount=99_000)).status == 204

    assert MoneyCase.objects.get().kind == "amount_mismatch"
    assert balances() == {"gw:momo:clearing": 99_000, "suspense:over": -99_000}
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


def test_money_for_an_order_we_do_not_know_is_kept_and_asked_about(
    momo_account: Any, momo: Any, hear: Any, balances: Any
) -> None:
    assert hear(momo.custom_ipn(orderId="who-knows", amount=5_000)).status == 204

    case = MoneyCase.objects.get()
    assert (case.kind, case.payment_id, case.amount_minor) == ("unknown_order", None, 5_000)
    assert balances() == {"gw:momo:clearing": 5_000, "suspense:over": -5_000}
    assert not Payment.objects.exists()


def test_late_money_pays_an_expired_payment_and_says_that_it_is_late(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any
) -> None:
    opened = pay(order(), at=at)
    over = at + timedelta(minutes=91)
    assert expiry.expire_overdue(at=over) == 1
    assert events() == ["transaction.created", "transaction.timeout", "payment.failed"]
    hear(momo.paid_ipn(opened.attempt), at=over + timedelta(hours=2))

    payment = Payment.objects.get()
    assert (payment.status, payment.is_late) == (PaymentStatus.SUCCEEDED, True)
    assert OutboxEvent.objects.get(type="payment.completed").data["late"] is True


def test_late_money_of_an_order_that_has_another_live_payment_is_held(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any, balances: Any
) -> None:
    bought = order()
    first = pay(bought, at=at)
    over = at + timedelta(minutes=91)
    expiry.expire_overdue(at=over)
    second = pay(bought, at=over)
    hear(momo.paid_ipn(first.attempt), at=over)

    assert second.payment.id != first.payment.id
    assert MoneyCase.objects.get().kind == "late_payment"
    assert balances()["suspense:over"] == -100_000


def test_money_after_a_cancellation_is_held(pay: Any, order: Any, momo: Any, hear: Any, at: Any, balances: Any) -> None:
    opened = pay(order(), at=at)
    expiry.cancel(payment_id=opened.payment.id, actor="system:tests", reason="changed mind", at=at)
    hear(momo.paid_ipn(opened.attempt))

    assert Payment.objects.get().status == PaymentStatus.CANCELLED
    assert MoneyCase.objects.get().kind == "paid_cancelled"
    assert balances() == {"gw:momo:clearing": 100_000, "suspense:over": -100_000}


def test_a_message_kept_before_a_crash_is_applied_by_the_sweep(
    pay: Any, order: Any, momo: Any, at: Any, monkeypatch: Any
) -> None:
    opened = pay(order(), at=at)
    body = momo.paid_ipn(opened.attempt)
    kept = notifications._keep(
        accounts.by_code(opened.attempt.account.code),
        notifications.HttpMessage(method="POST", path="/v1/transaction/callback", body=body),
        remote_ip=None,
        at=at,
    )

    assert notifications.process_waiting(at=at + timedelta(seconds=29)) == 0
    assert notifications.process_waiting(at=at + timedelta(seconds=31)) == 1
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
    assert Notification.objects.get(id=kept.id).status == NotificationStatus.PROCESSED


def test_a_replay_by_staff_of_an_applied_message_applies_nothing_twice(
    pay: Any, order: Any, momo: Any, hear: Any, books: Any, at: Any
) -> None:
    opened = pay(order())
    hear(momo.paid_ipn(opened.attempt))
    told = Notification.objects.get()
    notifications.replay(notification_id=told.id, actor="user:ops@example.com", reason="customer asks", at=at)

    assert len(books()) == 1
    assert AuditEntry.objects.filter(action="notification.replayed", reason="customer asks").count() == 1
