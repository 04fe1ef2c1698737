"""What goes of payments when it is old, to the second, and what that changes for gateways, callers and customers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import models
from django.utils import timezone

from config.core import deadletters
from config.core.retention import policies, purge, registry
from ledger.models import JournalEntry, Posting
from payments.errors import NotificationPurged
from payments.models import (
    Attempt,
    Capture,
    EmailMessageLog,
    Notification,
    Order,
    OtpChallenge,
    Payment,
    Refund,
    WebhookDelivery,
)
from payments.services import consuming, emails, notifications, webhook_endpoints, webhooks
from payments.services.consuming import Handled, Message
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
OURS = (
    "idempotency_keys", "refund_idempotency_keys", "gateway_messages", "refused_messages", "emails", "one_time_codes",
    "attempt_details", "webhook_deliveries",
)  # fmt: skip
KEPT = (Payment, Refund, Attempt, Capture, Order, JournalEntry, Posting)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "PAUSE_SECONDS", 0)


@pytest.fixture
def told(pay: Any, order: Any, momo: Any, hear: Any) -> Payment:
    """A payment that MoMo told us of, with a key, a letter sent, a code, and a message that proved nothing."""
    opened = pay(order(), idempotency_key="key-1")
    hear(momo.ipn(momo_paid(opened.attempt, momo), "forged"))
    hear(momo.ipn(opened.attempt))
    EmailMessageLog.objects.update(status="sent", subject="Thank you, Lan", sent_at=timezone.now(), next_try_at=None)
    payment: Payment = Payment.objects.get()
    endpoint, _secret = webhook_endpoints.create(
        url="https://hooks.example.com/", event_types=["*"], description="", actor="tests", at=timezone.now()
    )
    webhooks.send_test(endpoint_id=endpoint.pk, actor="tests", at=timezone.now())
    WebhookDelivery.objects.update(status="sent", next_try_at=None)
    OtpChallenge.objects.create(
        payment=payment, channel="email", amount_minor=1, currency="VND", payee="x", code_hash="x", status="passed",
        created_at=timezone.now(), ended_at=timezone.now(), expires_at=timezone.now(),
    )  # fmt: skip
    Refund.objects.create(
        payment=payment, capture=Capture.objects.get(), amount_minor=1, currency="VND", status="succeeded",
        route="gateway", requested_by="tests", client="tests", idempotency_key="key-2", created_at=timezone.now(),
        updated_at=timezone.now(), ended_at=timezone.now(),
    )  # fmt: skip
    return payment


def momo_paid(attempt: Attempt, momo: Any) -> Attempt:
    """The payer pays; nobody tells us yet."""
    momo.settle(attempt)
    return attempt


def aged(name: str, moment: datetime) -> None:
    """All rows of a rule are of this moment."""
    rule = registry.rule(name)
    rule.model._base_manager.update(**{rule.age: moment})


def content(model: type[models.Model]) -> list[dict[str, Any]]:
    """Every value of every row."""
    return list(model._base_manager.order_by("pk").values())


# --- To the second -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", OURS)
def test_a_dry_run_counts_what_the_run_takes_and_younger_rows_stay(name: str, told: Payment) -> None:
    rule, now = registry.rule(name), timezone.now()
    cutoff = registry.cutoff(policies.standing()[name] or 0, at=now)

    aged(name, cutoff)  # exactly as old as that: they stay
    before = content(rule.model)
    assert [one.rows for one in purge.dry_run(at=now, only=[name])] == [0]
    assert [one.rows for one in purge.purge(at=now, only=[name])] == [0]
    assert content(rule.model) == before

    aged(name, cutoff - SECOND)
    before = content(rule.model)
    (counted,) = purge.dry_run(at=now, only=[name])
    assert (counted.rows, content(rule.model)) == (1, before)
    (done,) = purge.purge(at=now, only=[name])
    assert (done.rows, done.outcome) == (1, "done")
    assert [one.rows for one in purge.purge(at=now, only=[name])] == [0]


def test_the_oldest_run_takes_no_fact_away(told: Payment) -> None:
    def facts() -> dict[str, list[Any]]:
        return {model.__name__: list(model._base_manager.order_by("pk").values_list("pk", flat=True)) for model in KEPT}

    before, books = facts(), content(Posting)

    purge.purge(at=timezone.now() + timedelta(days=4000))

    assert facts() == before
    assert content(Posting) == books
    payment = Payment.objects.get()
    assert (payment.status, payment.captured_minor, payment.idempotency_key) == ("succeeded", 100_000, None)


# --- Messages of gateways --------------------------------------------------------------------------------------------------
def test_an_emptied_message_that_comes_again_is_still_a_duplicate(told: Payment, momo: Any, hear: Any) -> None:
    body = momo.ipn(told.attempts.get())

    purge.purge(at=timezone.now() + timedelta(days=401), only=["gateway_messages"])

    row = Notification.objects.get(status="processed")
    assert (row.body, row.query, row.proof, row.headers, row.remote_ip) == ("", "", "", {}, None)
    assert row.purged_at is not None
    assert len(row.dedupe_key) == 64
    answer = hear(body)
    again = Notification.objects.get(status="processed")
    assert (again.pk, again.deliveries, answer.status) == (row.pk, row.deliveries + 1, 204)
    assert Capture.objects.count() == 1
    assert JournalEntry.objects.filter(reference__startswith="cap:").count() == 1


def test_an_emptied_message_is_not_replayed(told: Payment) -> None:
    row = Notification.objects.get(status="processed")
    purge.purge(at=timezone.now() + timedelta(days=401), only=["gateway_messages"])
    before = content(Notification)

    with pytest.raises(NotificationPurged):
        notifications.replay(notification_id=row.pk, actor="user:a", reason="why not", at=timezone.now())

    assert content(Notification) == before


def test_a_refused_message_that_comes_again_is_refused_again(told: Payment, momo: Any, hear: Any) -> None:
    body = momo.ipn(told.attempts.get(), "forged")
    purge.purge(at=timezone.now() + timedelta(days=91), only=["refused_messages"])
    assert not Notification.objects.filter(status="rejected").exists()

    hear(body)

    assert Notification.objects.get(status="rejected").deliveries == 1
    assert Capture.objects.count() == 1


@pytest.mark.parametrize("status", ["received", "verified", "retrying"])
def test_a_message_that_is_not_finished_keeps_its_bytes(told: Payment, status: str) -> None:
    Notification.objects.filter(status="processed").update(status=status)

    purge.purge(at=timezone.now() + timedelta(days=4000), only=["gateway_messages"])

    assert Notification.objects.get(status=status).body


def test_a_message_that_was_given_up_goes_when_its_dead_letter_is_decided(told: Payment) -> None:
    row = Notification.objects.get(status="processed")
    Notification.objects.filter(pk=row.pk).update(status="dead")
    letter = deadletters.bury(
        source=notifications.SOURCE, topic="ipn.momo", key="", reference=row.pk, payload={}, headers={}, error="e",
        attempts=3,
    )  # fmt: skip
    later = timezone.now() + timedelta(days=401)

    purge.purge(at=later, only=["gateway_messages"])
    assert Notification.objects.get(pk=row.pk).body

    deadletters.discard(dead_letter_id=letter.pk, actor=factories.UserFactory(), reason="old", at=later)
    purge.purge(at=later, only=["gateway_messages"])
    assert Notification.objects.get(pk=row.pk).body == ""


# --- Keys, letters, codes, events ------------------------------------------------------------------------------------------
def test_an_open_payment_keeps_its_key(pay: Any, order: Any) -> None:
    pay(order(), idempotency_key="key-1")

    purge.purge(at=timezone.now() + timedelta(days=4000), only=["idempotency_keys"])

    assert Payment.objects.get().idempotency_key == "key-1"


def test_the_key_that_refunds_a_cancelled_part_once_is_kept(told: Payment) -> None:
    Refund.objects.update(client="orders", idempotency_key="shop_order_cancelled:SO-1")

    purge.purge(at=timezone.now() + timedelta(days=4000), only=["refund_idempotency_keys"])

    assert Refund.objects.get().idempotency_key == "shop_order_cancelled:SO-1"


def test_a_letter_that_was_sent_loses_its_address_and_stays_listed(told: Payment) -> None:
    purge.purge(at=timezone.now() + timedelta(days=181), only=["emails"])

    row = EmailMessageLog.objects.get(kind="payment_succeeded")
    assert (row.recipient, row.subject, row.status) == ("", "", "sent")
    assert row.fact == f"payment_succeeded:{told.pk}"
    emails.resend(
        payment_id=told.pk,
        kind=EmailMessageLog.Kind.PAYMENT_SUCCEEDED,
        actor="user:a",
        reason="asked for",
        at=timezone.now(),
    )
    assert EmailMessageLog.objects.get(status="queued").recipient == "lan@example.com"  # the order still knows it


def test_a_letter_that_is_due_keeps_its_address(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    hear(momo.paid_ipn(pay(order()).attempt))

    purge.purge(at=timezone.now() + timedelta(days=4000), only=["emails"])

    assert EmailMessageLog.objects.get().recipient == "lan@example.com"


def test_a_code_of_a_payment_that_can_be_paid_is_kept(told: Payment) -> None:
    Payment.objects.filter(pk=told.pk).update(status="awaiting_payment")

    purge.purge(at=timezone.now() + timedelta(days=4000), only=["one_time_codes"])

    assert OtpChallenge.objects.count() == 1


def test_an_event_read_again_after_its_mark_is_gone_changes_nothing(db: None, at: datetime) -> None:
    def read(value: bytes, topic: str, offset: int) -> Handled | None:
        message = Message(topic=topic, partition=0, offset=offset, key="ORD-1", value=value)
        return consuming.handle(message, at=at)

    order = b'{"order_id": "ORD-1", "customer_id": "customer-1", "amount": "100000", "currency": "VND"}'
    cancelled = b'{"order_id": "ORD-1", "reason": "sold out"}'
    read(order, "order.created", 1)
    read(cancelled, "order.cancelled", 2)
    before = content(Order)

    (done,) = purge.purge(at=timezone.now() + timedelta(days=401), only=["consumed_events"])
    assert done.rows == 2
    read(order, "order.created", 1)
    read(cancelled, "order.cancelled", 2)

    assert content(Order) == before


def test_the_history_of_a_payment_is_still_there(told: Payment, system_client: Any) -> None:
    def history() -> Any:
        return system_client.get(f"/api/v1/payments/{told.pk}/events").json()

    before = history()
    assert "payment.completed" in str(before)

    purge.purge(at=timezone.now() + timedelta(days=4000))

    assert history() == before
