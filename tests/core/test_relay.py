"""The relay: every promised event reaches Kafka, in order per key, whatever breaks on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer
from django.db import OperationalError, connection, transaction

from config.core import context, kafka, relay
from config.core.management.commands.relay_events import Relaying
from config.core.models import DeadLetter, OutboxEvent
from tests.core.brokers import AT, Brokers, Teller

pytestmark = pytest.mark.django_db(transaction=True)

TOO_LARGE: dict[str, object] = {"blob": "x" * 1_100_000}  # above librdkafka's and Kafka's default of a million bytes
HOUR = timedelta(hours=1)


def relay_now(producer: Producer, **options: Any) -> relay.RelayResult:
    return relay.relay(producer=producer, **{"at": AT, **options})


@contextmanager
def relaying() -> Iterator[Relaying]:
    """The command's loop in a thread of its own; ends as SIGTERM ends it."""
    stop = threading.Event()
    loop = Relaying(stop)

    def run() -> None:
        loop.run()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield loop
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def wait_until_published(count: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while OutboxEvent.objects.filter(published_at__isnull=False).count() < count:
        assert time.monotonic() < deadline, "not all events were published in time"
        time.sleep(0.05)


def sequences_by_key(brokers: Brokers, topic: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for message in brokers.read(topic):
        found.setdefault(message.key().decode(), []).append(json.loads(message.value())["sequence"])
    return found


# --- What is told ----------------------------------------------------------------------------------------------------
def test_an_event_is_delivered_and_its_partition_and_offset_are_kept(
    brokers: Brokers, producer: Producer, tell: Teller
):
    tell("order-1")
    tell("order-1")
    event_id = tell("order-1")

    result = relay_now(producer)

    assert (result.published, result.refused, result.outage) == (3, 0, "")
    row = OutboxEvent.objects.get(event_id=event_id)
    (message,) = [m for m in brokers.read("invoice.issued") if json.loads(m.value())["event_id"] == event_id]
    assert (row.partition, row.offset) == (message.partition(), message.offset())
    assert row.offset == 2
    assert row.published_at is not None


def test_the_envelope_and_the_headers_carry_the_same_ids(brokers: Brokers, producer: Producer, tell: Teller):
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    with context.bind(trace_id="a" * 32, traceparent=traceparent, request_id="req-1"):
        event_id = tell("đơn-1", data={"amount": "960000", "note": "đủ"})

    relay_now(producer)

    (message,) = brokers.read("invoice.issued")
    assert message.key().decode() == "đơn-1"
    assert json.loads(message.value()) == {
        "event_id": event_id,
        "type": "invoice.issued",
        "version": 1,
        "occurred_at": "2026-11-21T03:00:00.000000Z",
        "sequence": 1,
        "producer": "reckoner",
        "trace_id": "a" * 32,
        "data": {"amount": "960000", "note": "đủ"},
    }
    assert {name: value.decode() for name, value in message.headers()} == {
        "event_id": event_id,
        "type": "invoice.issued",
        "version": "1",
        "occurred_at": "2026-11-21T03:00:00.000000Z",
        "sequence": "1",
        "producer": "reckoner",
        "trace_id": "a" * 32,
        "request_id": "req-1",
        "traceparent": traceparent,
    }


@pytest.mark.parametrize(
    ("event_type", "topics"),
    [
        ("payment.completed", ["payment.completed", "payment.success", "payment-success", "payment-events"]),
        ("payment.failed", ["payment.failed", "payment-failed", "payment-events"]),
        ("payment.refunded", ["payment.refunded", "payment-refunded", "payment-events"]),
        ("payment.disputed", ["payment.disputed", "payment-events"]),
        ("transaction.created", ["transaction.created"]),
    ],
)
def test_aliases_carry_the_same_event_id(
    brokers: Brokers, producer: Producer, tell: Teller, event_type: str, topics: list[str]
):
    event_id = tell("order-1", type=event_type)

    assert relay_now(producer).published == 1

    everywhere = {topic: brokers.event_ids(topic) for topic in kafka.all_topics() if not topic.startswith("dlq.")}
    assert {topic: found for topic, found in everywhere.items() if found} == {topic: [event_id] for topic in topics}


def test_an_alias_can_be_switched_off(brokers: Brokers, producer: Producer, tell: Teller, settings: Any):
    settings.EVENT_TOPIC_ALIASES_OFF = frozenset({"payment-success", "payment-events"})
    event_id = tell("order-1", type="payment.completed")

    relay_now(producer)

    topics = ("payment.completed", "payment.success", "payment-success", "payment-events")
    assert [brokers.event_ids(topic) for topic in topics] == [[event_id], [event_id], [], []]


def test_a_full_batch_says_that_there_is_more(brokers: Brokers, producer: Producer, tell: Teller):
    for number in range(5):
        tell(f"order-{number}")

    first, second, third = (relay_now(producer, limit=2) for _ in range(3))

    assert [(r.published, r.is_full) for r in (first, second, third)] == [(2, True), (2, True), (1, False)]


def test_a_row_that_commits_late_with_a_lower_position_is_not_skipped(
    brokers: Brokers, producer: Producer, tell: Teller
):
    inserted, may_commit = threading.Event(), threading.Event()
    late: list[str] = []

    def slow_commit() -> None:
        with transaction.atomic():
            late.append(tell.inside("order-late"))
            inserted.set()
            may_commit.wait(10)
        connection.close()

    thread = threading.Thread(target=slow_commit)
    thread.start()
    inserted.wait(10)
    early = tell("order-early")
    assert relay_now(producer).published == 1
    may_commit.set()
    thread.join(10)

    assert relay_now(producer).published == 1

    positions = OutboxEvent.objects.in_bulk([*late, early], field_name="event_id")
    assert positions[late[0]].position < positions[early].position
    assert brokers.event_ids("invoice.issued") == [early, late[0]]


# --- What is refused -------------------------------------------------------------------------------------------------
def test_a_poison_row_parks_only_itself(brokers: Brokers, producer: Producer, tell: Teller, settings: Any):
    brokers.create_topic("invoice.issued")
    before = tell("order-1")
    poison = tell("order-1", data=TOO_LARGE)
    after = tell("order-1")
    others = [tell(f"order-{number}") for number in range(2, 12)]

    first = relay_now(producer)
    assert (first.published, first.refused, first.parked) == (11, 1, 0)
    assert brokers.event_ids("invoice.issued") == [before, *others]
    row = OutboxEvent.objects.get(event_id=poison)
    assert (row.attempts, row.error.split(":")[:2]) == (1, ["invoice.issued", " MSG_SIZE_TOO_LARGE"])
    assert AT < row.next_attempt_at <= AT + timedelta(seconds=2)
    assert relay_now(producer) == relay.RelayResult()  # it waits, and the rest of its key with it

    second, third = (relay_now(producer, at=AT + HOUR * hours) for hours in (1, 2))
    assert (second.published, second.refused, second.parked) == (0, 1, 0)
    assert (third.published, third.refused, third.parked) == (0, 0, 1)
    assert relay_now(producer, at=AT + HOUR * 3).published == 1

    assert brokers.event_ids("invoice.issued") == [before, *others, after]
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.topic, letter.key, letter.reference, letter.attempts, letter.status) == (
        "outbox", "invoice.issued", "order-1", poison, 3, "open",
    )  # fmt: skip
    assert (letter.payload["event_id"], letter.payload["data"]) == (poison, TOO_LARGE)
    assert letter.headers["event_id"] == poison
    row.refresh_from_db()
    assert (row.attempts, row.parked_at, row.published_at) == (3, AT + HOUR * 2, None)


def test_a_topic_that_refuses_us_holds_back_its_own_rows_only(brokers: Brokers, producer: Producer, tell: Teller):
    brokers.create_topic("payout.paid")
    brokers.topic_fails("payout.paid", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    refused = tell("payout-1", type="payout.paid")
    told = [tell(f"order-{number}") for number in range(3)]

    result = relay_now(producer)

    assert (result.published, result.refused, result.outage) == (3, 1, "")
    row = OutboxEvent.objects.get(event_id=refused)
    assert (row.attempts, "TOPIC_AUTHORIZATION_FAILED" in row.error) == (1, True)
    assert set(OutboxEvent.objects.filter(published_at__isnull=False).values_list("event_id", flat=True)) == set(told)


def test_one_refused_produce_request_costs_one_try_and_is_told_later(
    brokers: Brokers, producer: Producer, tell: Teller
):
    brokers.create_topic("payout.paid")
    first, second = tell("payout-1", type="payout.paid"), tell("payout-1", type="payout.paid")
    brokers.refuse_produce(KafkaError.TOPIC_AUTHORIZATION_FAILED)

    assert (relay_now(producer).refused, relay_now(producer, at=AT + HOUR).published) == (1, 2)

    assert brokers.event_ids("payout.paid") == [first, second]
    assert list(OutboxEvent.objects.order_by("position").values_list("attempts", "error")) == [(1, ""), (0, "")]


def test_a_waiting_row_does_not_fill_the_batch_with_rows_behind_it(brokers: Brokers, producer: Producer, tell: Teller):
    tell("order-1")
    OutboxEvent.objects.update(next_attempt_at=AT + HOUR)
    for _ in range(20):
        tell("order-1")
    other = tell("order-2")

    assert relay_now(producer, limit=10).published == 1

    assert brokers.event_ids("invoice.issued") == [other]
    assert relay_now(producer, at=AT + HOUR, limit=100).published == 21
    assert sequences_by_key(brokers, "invoice.issued")["order-1"] == list(range(1, 22))


def test_a_topic_without_a_leader_costs_no_try_and_holds_back_nobody_else(brokers: Brokers, tell: Teller):
    impatient = kafka.producer(**{"delivery.timeout.ms": 1000})
    brokers.create_topic("payout.paid")
    brokers.topic_fails("payout.paid", KafkaError.LEADER_NOT_AVAILABLE)
    stuck, told = tell("payout-1", type="payout.paid"), tell("order-1")

    result = relay_now(impatient)

    assert (result.published, result.unheard, result.refused, result.outage) == (1, 1, 0, "")
    row = OutboxEvent.objects.get(event_id=stuck)
    assert (row.attempts, row.parked_at) == (0, None)
    assert AT < row.next_attempt_at <= AT + timedelta(seconds=10)
    assert brokers.event_ids("invoice.issued") == [told]


# --- What breaks -----------------------------------------------------------------------------------------------------
def test_an_outage_costs_no_row_a_try(brokers: Brokers, tell: Teller, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kafka, "PROBE_SECONDS", 0.5)
    impatient = kafka.producer(**{"delivery.timeout.ms": 2000, "reconnect.backoff.max.ms": 200})
    brokers.create_topic("invoice.issued")
    told = [tell("order-1") for _ in range(3)]
    brokers.down()

    result = relay_now(impatient)

    assert (result.published, result.refused, result.unheard) == (0, 0, 0)
    assert result.outage == "_MSG_TIMED_OUT, then _TRANSPORT"
    assert list(OutboxEvent.objects.values_list("attempts", "next_attempt_at", "error")) == [(0, None, "")] * 3
    brokers.up()
    assert relay_now(impatient).published == 3
    assert brokers.event_ids("invoice.issued") == told


def test_brokers_down_for_five_seconds_lose_nothing_and_keep_the_order_per_key(brokers: Brokers, tell: Teller):
    brokers.create_topic("invoice.issued", partitions=4)
    keys = [f"order-{number}" for number in range(10)]
    with relaying():
        for key in keys * 5:
            tell(key)
        wait_until_published(50)
        brokers.down()
        down_at = time.monotonic()
        for key in keys * 5:
            tell(key)
        time.sleep(max(0.0, 5 - (time.monotonic() - down_at)))
        assert OutboxEvent.objects.filter(published_at__isnull=True).count() == 50
        brokers.up()
        for key in keys * 5:
            tell(key)
        wait_until_published(150)

    found = sequences_by_key(brokers, "invoice.issued")
    assert sorted(found) == sorted(keys)
    for number, key in enumerate(keys):
        assert list(dict.fromkeys(found[key])) == list(range(number + 1, 151, 10))
    assert OutboxEvent.objects.filter(attempts__gt=0).count() == 0
    assert DeadLetter.objects.count() == 0


def test_transient_errors_of_the_brokers_are_retried_unseen(brokers: Brokers, producer: Producer, tell: Teller):
    brokers.create_topic("invoice.issued")
    told = [tell(f"order-{number}") for number in range(20)]
    brokers.refuse_produce(
        KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_LEADER_FOR_PARTITION
    )

    assert relay_now(producer).published == 20

    assert sorted(brokers.event_ids("invoice.issued")) == sorted(told)


def test_a_crash_between_delivery_and_mark_tells_it_twice_under_one_id(
    brokers: Brokers, producer: Producer, tell: Teller
):
    event_id = tell("order-1")
    with connection.cursor() as cursor:  # the server goes away in the very statement that marks
        cursor.execute("""
            CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
            CREATE TRIGGER crash BEFORE UPDATE ON core_outboxevent FOR EACH ROW EXECUTE FUNCTION crash();
        """)
    try:
        with pytest.raises(OperationalError):
            relay_now(producer)
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER crash ON core_outboxevent; DROP FUNCTION crash()")
    assert OutboxEvent.objects.get().published_at is None

    assert relay_now(producer).published == 1

    assert brokers.event_ids("invoice.issued") == [event_id, event_id]
    assert OutboxEvent.objects.get().offset == 1


@pytest.mark.race
def test_two_relays_at_once_publish_each_row_once(brokers: Brokers, tell: Teller):
    told = [tell(f"order-{number % 7}") for number in range(200)]

    with relaying() as first, relaying() as second:
        wait_until_published(200)

    assert sorted(brokers.event_ids("invoice.issued")) == sorted(told)
    assert first.total.published + second.total.published == 200


def test_a_second_relay_stands_by_while_one_works(brokers: Brokers, producer: Producer, tell: Teller):
    tell("order-1")
    results = []

    def other() -> None:
        results.append(relay_now(producer))
        connection.close()

    with relay.jobs.only_one(relay.LOCK) as is_ours:
        assert is_ours
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)

    assert [(r.is_running_elsewhere, r.published) for r in results] == [(True, 0)]
    assert relay_now(producer).published == 1


def test_the_loop_comes_back_when_postgresql_drops_its_connection(brokers: Brokers, tell: Teller):
    with relaying():
        tell("order-1")
        wait_until_published(1)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'reckoner'"
            )
            assert cursor.fetchone()[0] >= 1
        tell("order-1")
        wait_until_published(2)

    assert sequences_by_key(brokers, "invoice.issued") == {"order-1": [1, 2]}


def test_relay_refuses_to_talk_to_the_network_inside_a_transaction(producer: Producer):
    with pytest.raises(AssertionError, match="no network inside a transaction"), transaction.atomic():
        relay_now(producer)


# --- The process -----------------------------------------------------------------------------------------------------
@contextmanager
def relay_process(brokers: Brokers) -> Iterator[subprocess.Popen[str]]:
    """`manage.py relay_events` on this test's database and brokers."""
    name = connection.settings_dict
    address = f"postgres://{name['USER']}:{name['PASSWORD']}@{name['HOST']}:{name['PORT']}/{name['NAME']}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "relay_events", "--json"],
        env={**os.environ, "DATABASE_URL": address, "KAFKA_BROKERS": brokers.address},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_killed_relays_lose_nothing_and_sigterm_ends_the_last_one_cleanly(brokers: Brokers, tell: Teller):
    brokers.create_topic("invoice.issued")
    brokers.slow(20)
    with transaction.atomic():
        told = [tell.inside(f"order-{number % 40}") for number in range(400)]
    for _ in range(2):
        there = brokers.count("invoice.issued")
        with relay_process(brokers) as process:
            deadline = time.monotonic() + 20
            while brokers.count("invoice.issued") < there + 10:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
    with relay_process(brokers) as process:
        wait_until_published(400)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)

    brokers.slow(0)
    assert process.returncode == 0
    assert json.loads(output)["refused"] == 0
    assert set(brokers.event_ids("invoice.issued")) == set(told)
    found = sequences_by_key(brokers, "invoice.issued")
    for number in range(40):
        assert list(dict.fromkeys(found[f"order-{number}"])) == list(range(number + 1, 401, 40))
