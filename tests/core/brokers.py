"""Brokers that a test may switch off, slow down or make say no, and a teller of events for them."""

from __future__ import annotations

import ctypes
import importlib.metadata
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from confluent_kafka import Consumer, Message, TopicPartition
from django.db import transaction

from config.core import outbox
from config.core.models import OutboxEvent

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
PRODUCE_REQUEST = 0  # Kafka protocol: the API key of Produce

_library = ctypes.CDLL(
    str(
        next(
            file.locate()
            for file in importlib.metadata.files("confluent-kafka") or []
            if file.name.startswith("librdkafka")
        )
    )
)
for _name, _result, _arguments in (
    ("rd_kafka_conf_new", ctypes.c_void_p, []),
    (
        "rd_kafka_conf_set",
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
    ),
    ("rd_kafka_new", ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    ("rd_kafka_destroy", None, [ctypes.c_void_p]),
    ("rd_kafka_mock_cluster_new", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    ("rd_kafka_mock_cluster_destroy", None, [ctypes.c_void_p]),
    ("rd_kafka_mock_cluster_bootstraps", ctypes.c_char_p, [ctypes.c_void_p]),
    ("rd_kafka_mock_topic_create", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
    ("rd_kafka_mock_topic_set_error", None, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]),
    ("rd_kafka_mock_broker_set_down", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
    ("rd_kafka_mock_broker_set_up", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
    ("rd_kafka_mock_broker_set_rtt", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]),
    (
        "rd_kafka_mock_push_request_errors_array",
        None,
        [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.c_void_p],
    ),
):
    _function = getattr(_library, _name)
    _function.restype, _function.argtypes = _result, _arguments


class Brokers:
    """librdkafka's mock cluster of one broker: real TCP, in memory."""

    def __init__(self) -> None:
        problem = ctypes.create_string_buffer(512)
        silent = _library.rd_kafka_conf_new()
        _library.rd_kafka_conf_set(silent, b"log_level", b"0", problem, 512)
        self.client = _library.rd_kafka_new(0, silent, problem, 512)
        assert self.client, problem.value
        self.cluster = _library.rd_kafka_mock_cluster_new(self.client, 1)
        self.address = _library.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()
        self.reader = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "reader",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,
            }
        )

    def close(self) -> None:
        self.reader.close()
        _library.rd_kafka_mock_cluster_destroy(self.cluster)
        _library.rd_kafka_destroy(self.client)

    def down(self) -> None:
        _library.rd_kafka_mock_broker_set_down(self.cluster, 1)

    def up(self) -> None:
        _library.rd_kafka_mock_broker_set_up(self.cluster, 1)

    def slow(self, milliseconds: int) -> None:
        _library.rd_kafka_mock_broker_set_rtt(self.cluster, 1, milliseconds)

    def create_topic(self, name: str, partitions: int = 1) -> None:
        assert _library.rd_kafka_mock_topic_create(self.cluster, name.encode(), partitions, 1) == 0

    def topic_fails(self, name: str, code: int) -> None:
        """From now on the cluster says this about the topic; 0 ends it."""
        _library.rd_kafka_mock_topic_set_error(self.cluster, name.encode(), code)

    def refuse_produce(self, *codes: int) -> None:
        """The next Produce requests are answered with these codes."""
        array = (ctypes.c_int * len(codes))(*codes)
        _library.rd_kafka_mock_push_request_errors_array(self.cluster, PRODUCE_REQUEST, len(codes), array)

    def count(self, topic: str) -> int:
        """How many messages a topic holds."""
        return sum(end for _, end in self._ends(topic))

    def read(self, topic: str) -> list[Message]:
        """All messages of a topic, by partition and offset."""
        messages: list[Message] = []
        for partition, end in self._ends(topic):
            if end:
                self.reader.assign([TopicPartition(topic, partition, 0)])
                messages += self._consume(end)
        return messages

    def _ends(self, topic: str) -> list[tuple[int, int]]:
        found = self.reader.list_topics(topic, timeout=5).topics[topic].partitions
        partitions = [TopicPartition(topic, number) for number in sorted(found)]
        return [(p.partition, self.reader.get_watermark_offsets(p, timeout=5)[1]) for p in partitions]

    def _consume(self, count: int) -> list[Message]:
        messages: list[Message] = []
        deadline = time.monotonic() + 10
        while len(messages) < count and time.monotonic() < deadline:
            messages += [m for m in self.reader.consume(count - len(messages), timeout=0.2) if m.error() is None]
        assert len(messages) == count, f"{len(messages)} of {count} messages came"
        return messages

    def event_ids(self, topic: str) -> list[str]:
        """The event ids of a topic in the order they stand there."""
        return [str(json.loads(message.value())["event_id"]) for message in self.read(topic)]


@dataclass
class Teller:
    """Publishes events with growing sequence numbers."""

    numbers: Iterator[int]

    def __call__(self, key: str, *, type: str = "invoice.issued", data: dict[str, object] | None = None) -> str:
        """One event in one transaction; its id."""
        with transaction.atomic():
            return self.inside(key, type=type, data=data)

    def inside(self, key: str, *, type: str = "invoice.issued", data: dict[str, object] | None = None) -> str:
        """The same inside the test's own transaction."""
        number = next(self.numbers)
        outbox.publish(
            outbox.Event(
                type=type,
                key=key,
                aggregate_type="payment",
                aggregate_id=f"pay_{key}",
                sequence=number,
                data=data if data is not None else {"n": number},
                occurred_at=AT,
            )
        )
        return OutboxEvent.objects.get(aggregate_type="payment", sequence=number).event_id
