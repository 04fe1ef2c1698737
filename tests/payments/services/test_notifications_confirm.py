"""Messages that prove too little are asked about before they are believed: seen through Xendit's."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import structlog
from django.db import connection

from config.core import crypto
from config.core.models import DeadLetter
from gateways.sandbox.delivery import Parcel
from gateways.sandbox.provider import Outcome
from payments.models import Attempt, MoneyCase, Notification, Payment
from payments.services import expiry, notifications
from payments.states import AttemptStatus, NotificationStatus, PaymentStatus
from tests.payments.xendit import TOKEN

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=1)


@pytest.fixture
def attempt(pay: Any, order: Any, xendit_method: Any) -> Attempt:
    """A payment of 100,000 VND that waits for its payer."""
    opened: Attempt = pay(order(), method=xendit_method).attempt
    return opened


def changed(parcel: Parcel, **fields: object) -> bytes:
    """The webhook's body with other fields."""
    return json.dumps({**json.loads(parcel.body, parse_float=Decimal), **fields}, default=str).encode()


def rows_in_the_clear() -> str:
    """Every message as the database holds it, all columns, nothing deciphered."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(kept)::text FROM payments_notification kept")
        return "\n".join(row[0] for row in cursor.fetchall())


def test_what_the_gateway_confirms_is_booked(attempt: Attempt, xendit: Any, webhook: Any, books: Any) -> None:
    answer = webhook(xendit.paid(attempt))

    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
    assert list(books()) == [f"cap:xendit:{xendit.invoice(attempt).fields['id']}"]
    assert Notification.objects.get().status == NotificationStatus.PROCESSED


def test_a_success_that_the_gateway_does_not_know_of_changes_nothing(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any
) -> None:
    waiting = xendit.told(attempt)
    before = Attempt.objects.values().get()

    for made_up in (
        changed(waiting, status="PAID", paid_amount=100_000),
        changed(waiting, status="SETTLED", paid_amount=100_000, id="f" * 24),
        changed(waiting, status="EXPIRED"),
        changed(waiting, status="EXPIRED", id="f" * 24),
    ):
        assert webhook(made_up).status_code == 200

    assert Attempt.objects.values().get() == before
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    assert books() == {}
    assert Notification.objects.count() == 4
    assert not Notification.objects.exclude(status=NotificationStatus.IGNORED).exists()


def test_another_amount_in_the_body_changes_nothing(attempt: Attempt, xendit: Any, webhook: Any, balances: Any) -> None:
    xendit.settle(attempt)

    answer = webhook(changed(xendit.told(attempt), amount=1, paid_amount=99_000_000, currency="USD"))

    assert answer.status_code == 200
    assert Payment.objects.get().captured_minor == 100_000
    assert balances()["gw:xendit:clearing"] == 100_000
    assert MoneyCase.objects.count() == 0


def test_while_the_gateway_does_not_answer_the_message_waits_and_is_applied_once(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any, at: datetime
) -> None:
    body = xendit.paid(attempt)
    xendit.silent()

    answer = webhook(body)

    assert (answer.status_code, answer.content) == (503, b"")
    kept = Notification.objects.get()
    assert (kept.status, kept.tries) == (NotificationStatus.RECEIVED, 0)
    assert (Payment.objects.get().status, books()) == (PaymentStatus.AWAITING_PAYMENT, {})

    assert notifications.process_waiting(at=at + LATER) == 0  # silent still
    kept = Notification.objects.get()
    assert (kept.status, kept.tries, books()) == (NotificationStatus.RETRYING, 1, {})

    xendit.mend()
    assert notifications.process_waiting(at=at + LATER) == 0  # its next try is not due
    assert notifications.process_waiting(at=at + 10 * LATER) == 1
    assert notifications.process_waiting(at=at + 60 * LATER) == 0

    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
    assert Notification.objects.get().status == NotificationStatus.PROCESSED
    assert len(books()) == 1
    assert webhook(body).status_code == 200  # the gateway comes again, as it was told to
    assert len(books()) == 1


def test_what_the_poll_learned_meanwhile_is_not_booked_twice(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any, at: datetime
) -> None:
    body = xendit.paid(attempt)
    xendit.silent()
    webhook(body)
    xendit.mend()
    expiry.refresh(payment_id=attempt.payment_id, actor="staff:tests", at=at)
    assert len(books()) == 1

    assert notifications.process_waiting(at=at + LATER) == 1

    assert len(books()) == 1
    assert Notification.objects.get().status in (NotificationStatus.PROCESSED, NotificationStatus.IGNORED)
    assert MoneyCase.objects.count() == 0


def test_a_message_that_can_never_be_confirmed_ends_with_a_person(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any, at: datetime
) -> None:
    body = xendit.paid(attempt)
    xendit.silent()
    webhook(body)

    for minutes in (1, 10, 60):
        notifications.process_waiting(at=at + minutes * LATER)

    assert Notification.objects.get().status == NotificationStatus.DEAD
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.reference) == ("notification", Notification.objects.get().id)
    xendit.mend()
    notifications.requeue(letter, at + 61 * LATER)
    assert notifications.process_waiting(at=at + 61 * LATER) == 1
    assert len(books()) == 1


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN.swapcase(), TOKEN + " x", "ế"])
def test_a_wrong_token_is_kept_refused_and_asks_nobody(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any, token: str | None
) -> None:
    body = xendit.paid(attempt)
    asked = len(xendit.running.app.sandbox.world.log)
    xendit.silent()  # a question would end in 503

    answer = webhook(body, token=token)

    assert answer.status_code == 400
    kept = Notification.objects.get()
    assert (kept.status, kept.outcome, kept.body.encode()) == (NotificationStatus.REJECTED, "bad_signature", body)
    assert books() == {}
    assert len(xendit.running.app.sandbox.world.log) == asked


def test_the_true_message_after_a_forger_sent_the_same_bytes_is_believed(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any
) -> None:
    body = xendit.paid(attempt)

    assert [webhook(body, token="wrong").status_code, webhook(body).status_code] == [400, 200]

    kept = Notification.objects.get()
    assert (kept.status, kept.deliveries, len(books())) == (NotificationStatus.PROCESSED, 2, 1)


def test_a_forger_cannot_spoil_a_message_that_waits(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any, at: datetime
) -> None:
    body = xendit.paid(attempt)
    xendit.silent()
    assert webhook(body).status_code == 503
    before = Notification.objects.get()

    assert webhook(body, token="wrong").status_code == 400

    kept = Notification.objects.get()
    assert (kept.status, kept.next_try_at, kept.outcome) == (before.status, before.next_try_at, "")
    assert json.loads(kept.proof) == {"x-callback-token": TOKEN}
    xendit.mend()
    assert notifications.process_waiting(at=at + LATER) == 1
    assert len(books()) == 1


def test_staff_may_replay_a_message_and_it_is_asked_about_again(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any, at: datetime
) -> None:
    body = xendit.paid(attempt)
    xendit.silent()
    webhook(body)
    xendit.mend()

    notifications.replay(notification_id=Notification.objects.get().id, actor="staff:x", reason="asked", at=at)

    assert len(books()) == 1


def test_the_token_is_never_stored_in_the_clear(attempt: Attempt, xendit: Any, webhook: Any, at: datetime) -> None:
    body = xendit.paid(attempt)
    xendit.silent()
    webhook(body)
    webhook(body, token="another-token-that-was-wrong")
    webhook({"id": "x"}, token="another-token-that-was-wrong")
    notifications.process_waiting(at=at + LATER)

    stored = rows_in_the_clear()
    assert [word for word in (TOKEN, "another-token-that-was-wrong") if word in stored] == []
    first = Notification.objects.order_by("received_at")[0]
    assert "x-callback-token" not in first.headers
    assert json.loads(first.proof) == {"x-callback-token": TOKEN}
    with connection.cursor() as cursor:
        cursor.execute("SELECT proof FROM payments_notification WHERE id = %s", [first.id])
        cipher = cursor.fetchone()[0]
    assert crypto.decrypt(cipher, context=f"payments_notification.proof:{first.id}").decode() == first.proof


def test_a_message_with_several_sums_books_each(attempt: Attempt, xendit: Any, webhook: Any, balances: Any) -> None:
    """A create that was repeated somewhere left two live links of one attempt, and both were paid."""
    first = xendit.invoice(attempt)
    twin = dataclasses.replace(
        first, order=f"{first.order}~2", token="a" * 24, transactions=[], fields={**first.fields, "id": "a" * 24}
    )
    xendit.running.app.sandbox.world.keep(twin)
    for invoice in (first, twin):
        xendit.provider.settle(invoice, Outcome.PAY)
    payment = {"payment_id": "py-0", "reference_id": attempt.gateway_reference, "status": "SUCCEEDED"}

    assert webhook({"event": "payment.capture", "data": payment}).status_code == 200

    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor) == ("double_payment", 100_000)
    assert (balances()["gw:xendit:clearing"], balances()["suspense:over"]) == (200_000, -100_000)
    assert Payment.objects.get().captured_minor == 100_000
    assert Attempt.objects.get().status == AttemptStatus.SUCCEEDED


@pytest.mark.parametrize("event", ["payout.succeeded", "payout.failed", "payout.reversed"])
def test_a_payout_is_kept_and_left_alone_and_never_taken_for_a_payment(
    attempt: Attempt, xendit: Any, webhook: Any, books: Any, event: str
) -> None:
    before = Attempt.objects.values().get()
    xendit.silent()  # nobody asks: nothing would come of the answer
    payout = {
        "id": "disb-571f3644d2b4edf0745e9703", "reference_id": attempt.gateway_reference, "status": "SUCCEEDED",
        "amount": 100_000, "currency": "VND", "channel_code": "VN_VCB",
        "channel_properties": {"account_number": "0071000123456", "account_holder_name": "NGUYEN THI HOA"},
    }  # fmt: skip
    body = {"event": event, "business_id": "b", "created": "2026-11-21T01:00:00Z", "data": payout}

    with structlog.testing.capture_logs() as logged:
        answers = [webhook(body), webhook(body)]
    refused = webhook({**body, "created": "2026-11-21T01:00:01Z"}, token="wrong")

    assert [answer.status_code for answer in answers] == [200, 200]
    assert refused.status_code == 400
    kept, forged = Notification.objects.order_by("received_at")
    assert (kept.status, kept.outcome, kept.deliveries) == (NotificationStatus.IGNORED, "payout", 2)
    assert forged.status == NotificationStatus.REJECTED
    assert [line["gateway_ref"] for line in logged if line["event"] == "payout_told"] == [attempt.gateway_reference]
    assert "0071000123456" not in rows_in_the_clear()
    assert Attempt.objects.values().get() == before
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    assert books() == {}
    assert MoneyCase.objects.count() == 0
