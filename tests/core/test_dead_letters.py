"""Dead letters: kept for a person, mirrored to Kafka, requeued or discarded once, with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer
from django.db import transaction

from config.core import deadletters, kafka, relay
from config.core.errors import Conflict, InvalidInput, NotFound
from config.core.models import AuditEntry, DeadLetter, OutboxEvent, User
from tests.core.brokers import Brokers, Teller

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db(transaction=True)


def bury(reference: str = "0:17", **changes: Any) -> DeadLetter:
    fields: dict[str, Any] = {
        "source": "consumer",
        "topic": "order.created",
        "key": "order-1",
        "reference": reference,
        "payload": {"order_id": "order-1", "total": "abc"},
        "headers": {"event_id": "evt_1"},
        "error": "amount_invalid: The amount is not a number.",
        "attempts": 3,
    }
    return deadletters.bury(**{**fields, **changes})


def test_a_letter_keeps_payload_error_and_tries():
    letter = DeadLetter.objects.get(pk=bury().pk)

    assert (letter.source, letter.topic, letter.key, letter.reference, letter.attempts, letter.status) == (
        "consumer", "order.created", "order-1", "0:17", 3, "open",
    )  # fmt: skip
    assert (letter.payload, letter.headers) == ({"order_id": "order-1", "total": "abc"}, {"event_id": "evt_1"})
    assert letter.error == "amount_invalid: The amount is not a number."


def test_one_row_has_one_open_letter_that_learns_the_newest_error():
    first = bury()
    again = bury(error="worse", attempts=6)
    other = bury("0:18")

    assert (first.pk, DeadLetter.objects.count()) == (again.pk, 2)
    first.refresh_from_db()
    assert (first.error, first.attempts) == ("worse", 6)
    assert other.error != "worse"


def test_a_letter_buried_in_a_transaction_that_is_rolled_back_is_not_there():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        bury()
        raise ZeroDivisionError

    assert DeadLetter.objects.count() == 0


def test_a_discarded_letter_says_who_and_why(checker: User):
    letter = bury()

    deadletters.discard(dead_letter_id=letter.pk, actor=checker, reason="test order", at=AT)

    letter.refresh_from_db()
    assert (letter.status, letter.reason, letter.decided_by, letter.decided_at) == (
        "discarded", "test order", checker, AT,
    )  # fmt: skip
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object_id, entry.reason) == (
        "user:minh@example.com", "dead_letter.discarded", letter.pk, "test order",
    )  # fmt: skip


def test_deciding_needs_a_reason_and_happens_once(checker: User, monkeypatch: pytest.MonkeyPatch):
    taken_up: list[str] = []
    monkeypatch.setattr(deadletters, "_requeue", {"consumer": lambda letter, at: taken_up.append(letter.reference)})
    letter = bury()
    for decide in (deadletters.requeue, deadletters.discard):
        with pytest.raises(InvalidInput):
            decide(dead_letter_id=letter.pk, actor=checker, reason=" ", at=AT)
    assert (DeadLetter.objects.get().status, taken_up) == ("open", [])

    deadletters.requeue(dead_letter_id=letter.pk, actor=checker, reason="mended", at=AT)
    for decide in (deadletters.requeue, deadletters.discard):
        with pytest.raises(deadletters.DeadLetterDecided):
            decide(dead_letter_id=letter.pk, actor=checker, reason="again", at=AT)

    assert (DeadLetter.objects.get().status, taken_up) == ("requeued", ["0:17"])
    assert AuditEntry.objects.count() == 1


def test_a_requeue_that_its_owner_refuses_leaves_the_letter_open(checker: User, monkeypatch: pytest.MonkeyPatch):
    def refuse(letter: DeadLetter, at: datetime) -> None:
        raise Conflict("The row is gone.")

    monkeypatch.setattr(deadletters, "_requeue", {"consumer": refuse})
    letter = bury()

    with pytest.raises(Conflict, match="gone"):
        deadletters.requeue(dead_letter_id=letter.pk, actor=checker, reason="mended", at=AT)

    assert (DeadLetter.objects.get().status, AuditEntry.objects.count()) == ("open", 0)


def test_a_source_nobody_takes_up_can_only_be_discarded(checker: User):
    letter = bury(source="unheard-of")

    with pytest.raises(deadletters.CannotRequeue):
        deadletters.requeue(dead_letter_id=letter.pk, actor=checker, reason="mended", at=AT)

    assert DeadLetter.objects.get().status == "open"


def test_an_unknown_letter_is_not_found(checker: User):
    with pytest.raises(NotFound):
        deadletters.discard(dead_letter_id="dl_x", actor=checker, reason="x", at=AT)


def test_a_requeued_event_is_told(brokers: Brokers, producer: Producer, tell: Teller, checker: User, settings: Any):
    settings.EVENT_MAX_TRIES = 1
    brokers.create_topic("payout.paid")
    brokers.topic_fails("payout.paid", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    event_id = tell("payout-1", type="payout.paid")
    assert relay.relay(producer=producer, at=AT).parked == 1
    assert relay.relay(producer=producer, at=AT + timedelta(days=1)).published == 0
    brokers.topic_fails("payout.paid", KafkaError.NO_ERROR)

    deadletters.requeue(dead_letter_id=DeadLetter.objects.get().pk, actor=checker, reason="rights given", at=AT)

    assert relay.relay(producer=kafka.producer(), at=AT).published == 1
    assert brokers.event_ids("payout.paid") == [event_id]
    row = OutboxEvent.objects.get()
    assert (row.attempts, row.parked_at, row.offset) == (0, None, 0)


def test_every_letter_is_mirrored_once_to_its_dlq_topic(brokers: Brokers, producer: Producer):
    letter, strange = bury(), bury("e:1", topic="e-mail to Lan")

    assert (deadletters.mirror(producer=producer, at=AT), deadletters.mirror(producer=producer, at=AT)) == (2, 0)

    (message,) = brokers.read("dlq.order.created")
    body = json.loads(message.value())
    assert (body["dead_letter_id"], body["source"], body["error"], body["attempts"], body["payload"]) == (
        letter.pk, "consumer", letter.error, 3, {"order_id": "order-1", "total": "abc"},
    )  # fmt: skip
    assert dict(message.headers())["event_id"] == b"evt_1"
    assert [json.loads(m.value())["dead_letter_id"] for m in brokers.read("dlq.e-mail_to_Lan")] == [strange.pk]
    assert list(DeadLetter.objects.values_list("mirrored_at", flat=True)) == [AT, AT]


def test_a_payload_too_large_for_the_brokers_is_left_out_of_the_copy(brokers: Brokers, producer: Producer):
    bury(payload={"blob": "x" * 1_100_000})

    assert deadletters.mirror(producer=producer, at=AT) == 1

    (message,) = brokers.read("dlq.order.created")
    assert json.loads(message.value())["payload"] is None
    assert len(DeadLetter.objects.get().payload["blob"]) == 1_100_000


def test_without_brokers_a_letter_waits_for_its_copy(
    brokers: Brokers, producer: Producer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kafka, "PROBE_SECONDS", 0.5)
    bury()
    brokers.down()
    from_here = kafka.producer(**{"delivery.timeout.ms": 500})

    assert deadletters.mirror(producer=from_here, at=AT) == 0

    assert DeadLetter.objects.get().mirrored_at is None
    brokers.up()
    assert deadletters.mirror(producer=producer, at=AT) == 1
