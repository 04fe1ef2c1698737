"""What other services tell us over Kafka is done once, in order, and nothing is lost or stuck."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from config.core import deadletters
from config.core.errors import Conflict, InvalidInput
from config.core.models import DeadLetter, InboxClaim
from ledger.models import JournalEntry
from payments.consumer import Consuming, Progress, Totals
from payments.models import MoneyCase, Order, Payment, PaymentMethod
from payments.services import checkout, consuming
from payments.services.consuming import Handled, Message
from tests.core import brokers as mock
from tests.core.brokers import Brokers
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]
OPTIONS = {"session.timeout.ms": 6000}
"""The mock lets a group's next member in only when its last one is forgotten, though it said good-bye."""
AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_long_waits(settings: Any) -> None:
    settings.EVENT_RETRY_TTL_MS = 5


@pytest.fixture
def brokers(settings: Any) -> Iterator[Brokers]:
    """Brokers of this test alone, with the topics of other services in two partitions each."""
    cluster = Brokers()
    delay = mock._library.rd_kafka_mock_group_initial_rebalance_delay_ms
    delay.argtypes, delay.restype = [ctypes.c_void_p, ctypes.c_int32], None
    delay(cluster.cluster, 0)  # a first member is let in at once
    settings.KAFKA_BROKERS = cluster.address
    settings.KAFKA_OPTIONS = OPTIONS
    for topic in ("order.created", "order.cancelled", "shop_order.cancelled", "cod.collected", "order.delivered"):
        cluster.create_topic(topic, 2)
    yield cluster
    cluster.close()


def order_data(order_id: str, amount: int = 100_000, **changes: object) -> dict[str, object]:
    return {"order_id": order_id, "customer_id": "customer-1", "amount": str(amount), "currency": "VND", **changes}


def message(data: object, *, topic: str = "order.created", offset: int = 0) -> Message:
    value = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Message(topic=topic, partition=0, offset=offset, key="ORD-1", value=value)


def envelope(data: object, event_id: str = "evt-1") -> dict[str, object]:
    return {"event_id": event_id, "type": "order.created", "version": 1, "trace_id": "a" * 32, "data": data}


def go_on(_: timedelta) -> bool:
    return True


def bury(text: object, **place: Any) -> Handled | None:
    return consuming.handle_or_bury(message(text, **place), at=lambda: AT, wait=go_on)


# --- One message -----------------------------------------------------------------------------------------------------
def test_an_order_counts_once_however_often_its_event_is_read() -> None:
    for offset in (0, 1, 7):
        assert consuming.handle(message(envelope(order_data("ORD-1")), offset=offset), at=AT) is Handled.DONE

    assert (Order.objects.get().order_id, Order.objects.get().source) == ("ORD-1", "event")
    assert InboxClaim.objects.get().cause == "kafka:evt-1"


def test_bare_data_is_known_by_where_it_stood() -> None:
    consuming.handle(message(order_data("ORD-1"), offset=3), at=AT)

    assert InboxClaim.objects.get().cause == "kafka:order.created:0:3"


def test_a_cancelled_order_that_was_paid_asks_a_person(momo_method: PaymentMethod, momo: Any, order: Any) -> None:
    made = order(order_id="ORD-1")
    opened = pay(made, momo_method)
    momo.settle(opened.attempts.get())

    consuming.handle(message(envelope({"order_id": "ORD-1", "reason": "sold out"}), topic="order.cancelled"), at=AT)

    assert Payment.objects.get().status == "succeeded"  # the gateway was asked before anything ended
    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor, case.detail) == ("cancelled_paid", 100_000, "sold out")


def test_a_cancelled_order_that_nobody_paid_ends_its_payment(momo_method: PaymentMethod, order: Any) -> None:
    pay(order(order_id="ORD-1"), momo_method)

    consuming.handle(message({"order_id": "ORD-1"}, topic="order.cancelled"), at=AT)

    assert (Payment.objects.get().status, Order.objects.get().status) == ("cancelled", "cancelled")
    assert JournalEntry.objects.count() == 0


def test_one_shops_part_is_cancelled_alone(order: Any) -> None:
    order({"order_subtotal": 60_000}, {"order_subtotal": 40_000}, order_id="ORD-1")

    consuming.handle(message({"shop_order_id": "ORD-1-2"}, topic="shop_order.cancelled"), at=AT)

    assert Order.objects.get().amount_minor == 60_000


def test_collected_cash_pays_the_order_once(cod_method: PaymentMethod, order: Any) -> None:
    payment = pay(order(order_id="ORD-1"), cod_method)
    told = {"order_id": "ORD-1", "carrier": "ghn", "carrier_reference": "L-1", "amount": "100000", "currency": "VND"}

    for number in range(2):
        consuming.handle(message(envelope(told, f"evt-{number}"), topic="cod.collected"), at=AT)

    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == ("succeeded", 100_000)
    assert JournalEntry.objects.count() == 1


@pytest.mark.parametrize("topic", ["order.delivered", "order.completed", "shop_order.returned", "unheard.of"])
def test_what_is_not_ours_is_passed_over(topic: str) -> None:
    assert consuming.handle(message({"order_id": "ORD-1"}, topic=topic), at=AT) is Handled.IGNORED
    assert InboxClaim.objects.count() == 0


# --- Poison ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[1]",
        b'{"order_id": "\\u0000"}',
        b'{"order_id": "\\ud800"}',
        b'{"amount": NaN}',
        b'{"a": 1, "a": 2}',
        b"[" * 5000,
        b'{"event_id": "e", "data": {"order_id": "ORD-1"}}',
        json.dumps(order_data("ORD-1", amount=-5)).encode(),
        json.dumps(
            order_data("ORD-1", shop_orders=[{"shop_order_id": "1", "shop_id": "1", "order_subtotal": 7}])
        ).encode(),
        b"x" * 1_000_001,
    ],
)
def test_poison_becomes_one_dead_letter_and_changes_nothing_else(value: bytes) -> None:
    assert bury(value) is Handled.BURIED

    letter = DeadLetter.objects.get()
    assert (letter.source, letter.topic, letter.reference) == ("consumer", "order.created", "order.created:0:0")
    assert (letter.attempts, letter.status) == (3, "open")
    assert Order.objects.count() == 0
    assert InboxClaim.objects.count() == 0


def test_a_dead_letter_shows_no_personal_data_and_keeps_the_message_sealed() -> None:
    buyer = {"name": "Nguyễn Thị Lan", "email": "lan@example.com", "phone": "0901234567"}
    bury(order_data("ORD-1", amount=0, buyer=buyer))

    stored = json.dumps(DeadLetter.objects.get().payload, ensure_ascii=False)
    assert not any(secret in stored for secret in buyer.values())
    assert '"order_id": "ORD-1"' in stored


def test_a_stop_during_the_backoff_buries_nothing() -> None:
    assert consuming.handle_or_bury(message(b"poison"), at=lambda: AT, wait=lambda _: False) is None
    assert DeadLetter.objects.count() == 0


def test_what_failed_only_for_a_moment_is_done_at_the_next_try(order: Any) -> None:
    """The order's own event is on its way while its cancellation is tried."""

    def wait(_: timedelta) -> bool:
        if not Order.objects.exists():
            order(order_id="ORD-1")
        return True

    told = message({"order_id": "ORD-1"}, topic="order.cancelled")

    assert consuming.handle_or_bury(told, at=lambda: AT, wait=wait) is Handled.DONE
    assert Order.objects.get().status == "cancelled"
    assert DeadLetter.objects.count() == 0


def test_a_requeued_message_is_handled_once_more_and_only_once(order: Any) -> None:
    bury({"order_id": "ORD-1", "reason": "sold out"}, topic="order.cancelled")
    order(order_id="ORD-1")
    now = timezone.now()
    assert consuming.take_up_requeued(at=now) == 0  # nobody decided yet

    deadletters.requeue(
        dead_letter_id=DeadLetter.objects.get().pk, actor=UserFactory(), reason="the order is there now", at=now
    )

    assert [consuming.take_up_requeued(at=now) for _ in range(3)] == [1, 0, 0]
    assert Order.objects.get().status == "cancelled"


def test_a_requeued_message_that_fails_again_is_a_new_dead_letter() -> None:
    bury(b"poison")
    now = timezone.now()
    first = DeadLetter.objects.get()
    deadletters.requeue(dead_letter_id=first.pk, actor=UserFactory(), reason="try again", at=now)

    consuming.take_up_requeued(at=now)

    assert DeadLetter.objects.exclude(pk=first.pk).get().status == "open"
    assert consuming.take_up_requeued(at=now) == 0


def test_a_letter_of_a_topic_we_do_not_handle_cannot_be_requeued() -> None:
    letter = DeadLetter(topic="order.delivered")

    with pytest.raises(Conflict):
        consuming.requeue(letter, AT)


def test_an_event_id_that_is_too_long_or_no_text_is_not_taken_as_a_cause() -> None:
    for event_id in ("x" * 101, 7, "", None):
        event = consuming.read(message({"event_id": event_id, "data": {"a": 1}}, offset=5))
        assert event.cause == "kafka:order.created:0:5"
    with pytest.raises(InvalidInput):
        consuming.read(message([1]))


# --- The loop --------------------------------------------------------------------------------------------------------
def pay(order: Order, method: PaymentMethod) -> Payment:
    wish = checkout.NewPayment(order_id=order.order_id, method=method, client="shop", actor="customer:1")
    return checkout.create_payment(wish=wish, at=timezone.now()).payment


def send(brokers: Brokers, *messages: tuple[str, str, object]) -> None:
    """(topic, key, data), in this order."""
    producer = Producer({"bootstrap.servers": brokers.address})
    for topic, key, data in messages:
        producer.produce(topic, key=key, value=data if isinstance(data, bytes) else json.dumps(data).encode())
        producer.flush(5)


def once(workers: int = 4) -> Totals:
    return Consuming(threading.Event(), workers=workers, until_end=True).run()


def committed(brokers: Brokers, topic: str) -> int:
    """How many messages of a topic are committed, over its partitions."""
    reader = Consumer({"bootstrap.servers": brokers.address, "group.id": django_settings.KAFKA_CONSUMER_GROUP})
    try:
        places = [TopicPartition(topic, number) for number in (0, 1)]
        return sum(max(0, place.offset) for place in reader.committed(places, timeout=5))
    finally:
        reader.close()


@contextmanager
def running(**options: Any) -> Iterator[Consuming]:
    """The loop in a thread of its own."""
    loop = Consuming(threading.Event(), workers=4, **options)
    thread = threading.Thread(target=run_and_close, args=(loop,))
    thread.start()
    try:
        yield loop
    finally:
        loop.stop.set()
        thread.join(30)
        assert not thread.is_alive()


def run_and_close(loop: Consuming) -> None:
    try:
        loop.run()
    finally:
        connection.close()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def test_a_poisoned_topic_goes_on_behind_the_poison(brokers: Brokers) -> None:
    send(
        brokers,
        ("order.created", "a", order_data("A")),
        ("order.created", "b", b"poison"),
        ("order.created", "c", order_data("C")),
        ("order.delivered", "a", {"order_id": "A"}),
    )

    totals = once()

    assert (totals.done, totals.ignored, totals.buried) == (2, 1, 1)
    assert set(Order.objects.values_list("order_id", flat=True)) == {"A", "C"}
    assert (committed(brokers, "order.created"), committed(brokers, "order.delivered")) == (3, 1)


def test_messages_of_one_key_are_handled_in_their_order_over_all_topics(brokers: Brokers) -> None:
    with running() as loop:
        send(brokers, *[("order.created", f"k{number}", order_data(f"ORD-{number}")) for number in range(20)])
        until(lambda: loop._in_flight() + loop.totals.done >= 20)  # read, perhaps not yet handled
        send(brokers, *[("order.cancelled", f"k{number}", {"order_id": f"ORD-{number}"}) for number in range(20)])
        until(lambda: loop.totals.done + loop.totals.buried == 40)

    assert (loop.totals.done, loop.totals.buried) == (40, 0)
    assert Order.objects.filter(status="cancelled").count() == 20


def test_a_crash_before_the_commit_repeats_messages_and_changes_nothing(brokers: Brokers, settings: Any) -> None:
    send(brokers, *[("order.created", f"k{n}", envelope(order_data(f"ORD-{n}"), f"evt-{n}")) for n in range(10)])
    once()

    settings.KAFKA_CONSUMER_GROUP = "a group that knows nothing"
    totals = once()

    assert (totals.done, totals.buried) == (10, 0)
    assert Order.objects.count() == 10


def test_offsets_are_committed_only_up_to_the_first_message_that_is_not_done() -> None:
    progress = Progress(open={4: True, 5: True, 6: False, 7: True})

    assert (progress.finished(), progress.finished()) == (6, None)
    progress.open[6] = True
    assert progress.finished() == 8


def test_the_loop_survives_brokers_that_go_away(brokers: Brokers) -> None:
    with running() as loop:
        send(brokers, ("order.created", "a", order_data("A")))
        until(lambda: Order.objects.filter(order_id="A").exists())
        brokers.down()
        time.sleep(1.5)
        brokers.up()
        send(brokers, ("order.created", "b", order_data("B")))
        until(lambda: Order.objects.filter(order_id="B").exists(), 40)
        until(lambda: loop.totals.done == 2)


def test_the_loop_survives_a_database_that_drops_its_connections(brokers: Brokers) -> None:
    with running() as loop:
        send(brokers, ("order.created", "a", order_data("A")))
        until(lambda: loop.totals.done == 1)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        send(brokers, ("order.created", "b", order_data("B")))
        until(lambda: loop.totals.done == 2)
    assert (Order.objects.count(), DeadLetter.objects.count()) == (2, 0)


def test_a_terminated_process_finishes_the_messages_at_hand_and_loses_none(brokers: Brokers) -> None:
    """ACCEPTANCE A62: a stop under load neither breaks a worker nor commits what was not done."""
    count = 300
    send(brokers, *[("order.created", f"k{n}", order_data(f"ORD-{n}")) for n in range(count)])
    process = subprocess.Popen(
        [sys.executable, "manage.py", "consume_events", "--json", "--workers", "4"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "KAFKA_BROKERS": brokers.address,
            "KAFKA_OPTIONS": json.dumps(OPTIONS),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: Order.objects.count() >= 20, 40)
        process.send_signal(signal.SIGTERM)
        output, problems = process.communicate(timeout=30)
    finally:
        process.kill()

    assert process.returncode == 0, problems
    assert "Traceback" not in problems
    done = json.loads(output.strip().splitlines()[-1])["done"]
    assert Order.objects.count() == done
    assert committed(brokers, "order.created") <= done
    totals = once()
    assert (Order.objects.count(), totals.buried) == (count, 0)


def database_url() -> str:
    """The test's own database, for another process."""
    it = connection.settings_dict
    return f"postgres://{it['USER']}:{it['PASSWORD']}@{it['HOST']}:{it['PORT']}/{it['NAME']}"
