"""Kafka: the topics as data, one way to make producers and consumers, and delivery in order per key."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

DELIVERY_TIMEOUT_MS: Final = 10_000
PROBE_SECONDS: Final = 3.0
DEAD_LETTER_PREFIX: Final = "dlq."

# Ours (DESIGN 6), one canonical topic a fact. The relay needs no list; create_topics and the documentation do.
PRODUCED: Final = (
    "transaction.created", "transaction.failed", "transaction.timeout",
    "payment.completed", "payment.failed", "payment.refunded", "payment.disputed",
    "order.payment.received", "invoice.issued",
    "settlement.requested", "settlement.completed", "payout.paid", "payout.failed",
    "reconciliation.completed", "reconciliation.exception",
)  # fmt: skip
CONSUMED: Final = (
    "order.created", "order.cancelled", "order.completed", "order.delivered",
    "shop_order.cancelled", "shop_order.delivered", "shop_order.returned", "cod.collected",
)  # fmt: skip
# The same event, under the same event id, by the names other systems know it by (ACCEPTANCE K1, K2).
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "payment.completed": ("payment.success", "payment-success"),
    "payment.failed": ("payment-failed",),
    "payment.refunded": ("payment-refunded",),
}
FIREHOSE: Final = "payment-events"
"""Gets every payment event."""

# The brokers did not answer about the message; it says nothing about the message itself, so it costs it no try.
SILENCE: Final = frozenset(
    {
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._SSL,
        KafkaError._AUTHENTICATION,
        KafkaError._DESTROY,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._QUEUE_FULL,
        KafkaError._FATAL,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
    }
)


def topics_of(event_type: str) -> tuple[str, ...]:
    """Where an event goes: its canonical topic first, then the aliases that are switched on."""
    aliases = ALIASES.get(event_type, ())
    if event_type.startswith("payment."):
        aliases = (*aliases, FIREHOSE)
    return (event_type, *(alias for alias in aliases if alias not in settings.EVENT_TOPIC_ALIASES_OFF))


def all_topics() -> list[str]:
    """Every topic we write or read, aliases and dead letters included."""
    produced = [topic for event_type in PRODUCED for topic in topics_of(event_type)]
    names = dict.fromkeys([*produced, *CONSUMED])
    return [*names, *(DEAD_LETTER_PREFIX + name for name in [*PRODUCED, *CONSUMED])]


def producer(*, brokers: str = "", **options: str | int | float | bool) -> Producer:
    """A producer that writes once per try and waits for all replicas. Make one per process and keep it.

    A message has ten seconds to be acknowledged; then it is reported as not delivered and stays in the outbox.
    """
    return Producer(
        {
            **common_options(brokers),
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 2,
            "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
            "socket.timeout.ms": DELIVERY_TIMEOUT_MS,
            **options,
        }
    )


def consumer(*, group: str = "", brokers: str = "", **options: str | int | float | bool) -> Consumer:
    """A consumer that starts at the beginning and commits only what it is told to."""
    return Consumer(
        {
            **common_options(brokers),
            "group.id": group or settings.KAFKA_CONSUMER_GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            **options,
        }
    )


def common_options(brokers: str = "") -> dict[str, Any]:
    """What every client of the brokers needs. Raises ImproperlyConfigured without KAFKA_BROKERS."""
    address = brokers or settings.KAFKA_BROKERS
    if not address:
        raise ImproperlyConfigured("KAFKA_BROKERS is not set: host:port of the brokers, split by commas.")
    return {
        "bootstrap.servers": address,
        "client.id": "reckoner",
        "reconnect.backoff.ms": 100,
        "topic.metadata.refresh.interval.ms": 10_000,  # how long it may believe that a topic is missing or forbidden
        "reconnect.backoff.max.ms": 1000,
        "log_level": 2,  # lost connections are told by who feels them, once
        **settings.KAFKA_OPTIONS,
    }


@dataclass(slots=True, eq=False, kw_only=True)
class Parcel:
    """One fact for one or more topics, the canonical one first. Delivered when every topic has it."""

    number: int
    key: str
    topics: tuple[str, ...]
    value: bytes
    headers: list[tuple[str, str | bytes | None]]
    partition: int | None = None
    offset: int | None = None
    error: KafkaError | None = None
    failed_topic: str = ""
    unanswered: int = 0


@dataclass(slots=True)
class Delivery:
    """What became of a batch."""

    delivered: list[Parcel] = field(default_factory=list)
    refused: list[Parcel] = field(default_factory=list)  # the brokers said no to this one
    unheard: list[Parcel] = field(default_factory=list)  # no answer about this one, though the brokers are there
    outage: str = ""  # no brokers: what they said last
    is_fatal: bool = False  # this producer is of no use any more


def deliver(producer: Producer, parcels: Iterable[Parcel]) -> Delivery:
    """Hand over a batch and wait for every answer; the next parcel of a key leaves when the one before is there.

    After an error nothing more of that key is sent, so order per key holds whatever fails. Takes no longer than two
    delivery timeouts and the probe.
    """
    sending = _Sending(producer, parcels)
    sending.run()
    return _judge(producer, sending)


class _Sending:
    """A batch on its way; librdkafka calls `answered` from `poll`, in this thread."""

    def __init__(self, producer: Producer, parcels: Iterable[Parcel]) -> None:
        self.producer = producer
        self.delivered: list[Parcel] = []
        self.failed: list[Parcel] = []
        self.open = 0
        self.silent = False
        self.behind: dict[str, deque[Parcel]] = {}
        self.first: list[Parcel] = []
        for parcel in parcels:
            if parcel.key in self.behind:
                self.behind[parcel.key].append(parcel)
            else:
                self.behind[parcel.key] = deque()
                self.first.append(parcel)

    def run(self) -> None:
        for parcel in self.first:
            self.send(parcel)
        while self.open:
            self.producer.poll(0.1)

    def send(self, parcel: Parcel) -> None:
        self.open += 1
        parcel.unanswered = len(parcel.topics)
        for topic in parcel.topics:
            try:
                self.producer.produce(
                    topic,
                    value=parcel.value,
                    key=parcel.key,
                    headers=parcel.headers,
                    on_delivery=partial(self.answered, parcel, topic),
                )
            except BufferError:
                self.answered(parcel, topic, KafkaError(KafkaError._QUEUE_FULL), None)
            except KafkaException as error:  # librdkafka itself says no, such as to a message that is too large
                self.answered(parcel, topic, error.args[0], None)

    def answered(self, parcel: Parcel, topic: str, error: KafkaError | None, message: Message | None) -> None:
        parcel.unanswered -= 1
        if error is not None:
            if parcel.error is None or parcel.error.code() in SILENCE:  # a definite no outweighs silence
                parcel.error, parcel.failed_topic = error, topic
        elif message is not None and topic == parcel.topics[0]:
            parcel.partition, parcel.offset = message.partition(), message.offset()
        if parcel.unanswered:
            return
        self.open -= 1
        if parcel.error is None:
            self.delivered.append(parcel)
            behind = self.behind[parcel.key]
            if behind and not self.silent:
                self.send(behind.popleft())
            return
        self.failed.append(parcel)
        self.silent = self.silent or parcel.error.code() in SILENCE


def _judge(producer: Producer, sending: _Sending) -> Delivery:
    """Tell brokers that are away (nobody's fault) from a topic in trouble and from a message that is refused."""
    result = Delivery(delivered=sending.delivered)
    complaints: dict[str, KafkaError | None] = {}
    for parcel in sending.failed:
        error, topic = parcel.error, parcel.failed_topic
        assert error is not None
        result.is_fatal = result.is_fatal or error.fatal() or error.code() == KafkaError._FATAL
        if topic not in complaints and not result.outage:
            try:
                complaints[topic] = _ask_about(producer, topic)
            except KafkaException as away:
                result.outage = f"{error.name()}, then {away.args[0].name()}"
        if error.code() not in SILENCE:
            result.refused.append(parcel)
        elif complaints.get(topic) is not None:
            parcel.error = complaints[topic]
            result.refused.append(parcel)
        elif not result.outage:
            result.unheard.append(parcel)
    return result


def _ask_about(producer: Producer, topic: str) -> KafkaError | None:
    """What the brokers say is wrong with a topic. Raises KafkaException when there are no brokers to say it.

    Asking also makes librdkafka forget an earlier no about the topic (missing, not authorised), which it would repeat
    for five minutes after the cause is mended.
    """
    found = producer.list_topics(topic, timeout=PROBE_SECONDS).topics.get(topic)
    error = None if found is None else found.error
    return None if error is None or error.code() in SILENCE else error
