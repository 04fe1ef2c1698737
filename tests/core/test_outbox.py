"""The outbox: what is promised in a commit is there with it, and only with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Q

from config.core import context, outbox
from config.core.errors import InvalidInput
from config.core.models import AuditEntry, OutboxEvent, User

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db(transaction=True)


def event(sequence: int = 1, **changes: object) -> outbox.Event:
    fields: dict[str, object] = {
        "type": "payment.completed",
        "key": "order-1",
        "aggregate_type": "payment",
        "aggregate_id": "pay_1",
        "sequence": sequence,
        "data": {"amount": "960000", "currency": "VND", "note": "trả đủ"},
        "occurred_at": AT,
    }
    return outbox.Event(**{**fields, **changes})


def test_an_event_is_written_with_the_ids_of_the_call():
    with (
        transaction.atomic(),
        context.bind(request_id="req-1", trace_id="a" * 32, traceparent=f"00-{'a' * 32}-{'b' * 16}-01"),
    ):
        outbox.publish(event(version=2))

    row = OutboxEvent.objects.get()
    assert re.fullmatch(r"evt_[0-9a-z]{26}", row.event_id)
    assert (row.type, row.version, row.key, row.aggregate_id, row.sequence) == (
        "payment.completed", 2, "order-1", "pay_1", 1,
    )  # fmt: skip
    assert row.data == {"amount": "960000", "currency": "VND", "note": "trả đủ"}
    assert (row.request_id, row.trace_id, row.traceparent) == ("req-1", "a" * 32, f"00-{'a' * 32}-{'b' * 16}-01")
    assert (row.occurred_at, row.published_at, row.fanned_out_at, row.attempts) == (AT, None, None, 0)


def test_several_events_keep_their_order():
    with transaction.atomic():
        outbox.publish(event(1), event(2, type="order.payment.received"), event(3, type="invoice.issued"))

    rows = OutboxEvent.objects.order_by("position").values_list("sequence", "type")
    assert list(rows) == [(1, "payment.completed"), (2, "order.payment.received"), (3, "invoice.issued")]


def test_publishing_outside_a_transaction_is_refused():
    with pytest.raises(AssertionError, match="in the transaction that makes it true"):
        outbox.publish(event())

    assert OutboxEvent.objects.count() == 0


def test_a_rolled_back_fact_is_not_told():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        outbox.publish(event())
        raise ZeroDivisionError

    assert OutboxEvent.objects.count() == 0


def test_a_sequence_number_is_used_once():
    with transaction.atomic():
        outbox.publish(event(7))

    with pytest.raises(IntegrityError, match="one_event_per_sequence"), transaction.atomic():
        outbox.publish(event(7))

    assert OutboxEvent.objects.count() == 1


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"), transaction.atomic():
        outbox.publish(event(data={"amount": float("nan")}))

    assert OutboxEvent.objects.count() == 0


def test_replay_tells_published_events_again_under_the_same_ids(maker: User):
    with transaction.atomic():
        outbox.publish(event(1), event(2, type="invoice.issued"), event(3))
    OutboxEvent.objects.filter(sequence__lt=3).update(published_at=AT, partition=0, offset=5)
    ids_before = list(OutboxEvent.objects.order_by("position").values_list("event_id", flat=True))

    count = outbox.replay(which=Q(type="payment.completed"), actor=maker, reason="warehouse lost a day")

    assert count == 1
    assert list(OutboxEvent.objects.order_by("position").values_list("event_id", flat=True)) == ids_before
    published = OutboxEvent.objects.order_by("position").values_list("published_at", "offset")
    assert list(published) == [(None, None), (AT, 5), (None, None)]
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.reason, entry.after) == (
        "user:lan@example.com", "events.replay", "warehouse lost a day", {"count": 1},
    )  # fmt: skip


def test_replay_needs_a_reason(maker: User):
    with pytest.raises(InvalidInput):
        outbox.replay(which=Q(), actor=maker, reason=" ")

    assert AuditEntry.objects.count() == 0
