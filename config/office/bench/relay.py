"""The case `relay`: events from the outbox to the brokers, beside what the producer alone can do."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import Producer
from django.utils import timezone

from config.core import kafka, outbox, relay
from config.core.models import OutboxEvent
from config.office.bench import ground, server
from config.office.bench.result import Check, Measured, Result, figure
from config.office.bench.run import Run

EVENTS: Final = 20_000
ONE_BY_ONE: Final = 300
TOPIC: Final = "transaction.created"
WAIT_SECONDS: Final = 60.0


def measure(run: Run) -> Result:
    """Events per second through the relay, against the same bytes through the producer alone, and row by row."""
    count = run.size.rows or EVENTS
    result = Result(case="relay", about=f"{count} events a round, two of each order")
    producer = kafka.producer()
    telling = _Telling(run, producer, count)
    telling.relay(0)  # the topic is made, the connections too
    telling.told = 0
    rounds = run.alternate(telling.alone, telling.relay, what="relay beside the producer alone")
    one_by_one = run.repeat(telling.one_by_one, what="row by row")
    result.figures = [
        figure("relay / producer alone", [one.ratio for one in rounds], unit="x", floor=0.2, goal=0.5),
        figure(
            "relay / row by row",
            [one.case.rate / single.rate for one, single in zip(rounds, one_by_one, strict=True)],
            unit="x", floor=30.0, goal=50.0,
        ),
        figure("events per second", [one.case.rate for one in rounds], unit="/s"),
        figure("producer alone per second", [one.yardstick.rate for one in rounds], unit="/s"),
        figure("row by row per second", [one.rate for one in one_by_one], unit="/s"),
        figure("application CPU per event", [one.case.app_cpu_ms for one in rounds], unit="ms"),
        figure("PostgreSQL CPU per event", [one.case.server_cpu_ms for one in rounds], unit="ms"),
    ]  # fmt: skip
    result.checks = [
        Check(
            "every event is marked with its partition and offset",
            server.count("core_outboxevent", "published_at IS NULL OR partition IS NULL") == 0,
        ),
        Check(f"{telling.told} events told, none refused", telling.refused == 0),
        Check("no deadlock", server.deadlocks() == 0),
    ]
    return result


class _Telling:
    """Three ways to tell the same events."""

    def __init__(self, run: Run, producer: Producer, count: int) -> None:
        self._run, self._producer, self._count = run, producer, count
        self.told, self.refused = 0, 0

    def relay(self, _number: int) -> Measured:
        """As the product does it."""
        self._fill(self._count)

        def act() -> int:
            done = relay.drain(producer=self._producer, at=timezone.now())
            self.refused += done.refused + done.parked + done.unheard
            self.told += done.published
            return done.published

        return self._timed(act)

    def alone(self, _number: int) -> Measured:
        """The producer, with messages of the same size that are there already, and every answer heard."""
        messages = [_message(number) for number in range(self._count)]
        answered = 0

        def hear(_error: object, _message: object) -> None:
            nonlocal answered
            answered += 1

        def act() -> int:
            for number, (key, value, headers) in enumerate(messages, 1):
                self._producer.produce(TOPIC, value=value, key=key, headers=headers, on_delivery=hear)
                if number % relay.BATCH == 0:
                    self._producer.flush(WAIT_SECONDS)
            self._producer.flush(WAIT_SECONDS)
            return answered

        return self._timed(act)

    def one_by_one(self, _number: int) -> Measured:
        """A message, its answer, its mark; then the next."""
        self._fill(ONE_BY_ONE)

        def act() -> int:
            rows = list(OutboxEvent.objects.filter(published_at=None).order_by("position"))
            for row in rows:
                self._producer.produce(TOPIC, value=str(row.data).encode(), key=row.key)
                self._producer.flush(WAIT_SECONDS)
                OutboxEvent.objects.filter(pk=row.pk).update(published_at=timezone.now(), partition=0, offset=0)
            return len(rows)

        return self._timed(act)

    def _timed(self, act: Callable[[], int]) -> Measured:
        server_before, cpu, began = self._run.clock.read(), time.process_time(), time.perf_counter()
        operations = act()
        return Measured(
            operations=operations,
            seconds=time.perf_counter() - began,
            app_cpu=time.process_time() - cpu,
            server_cpu=self._run.clock.read() - server_before,
        )

    def _fill(self, count: int) -> None:
        ground.run("outbox.sql", word=secrets.token_hex(4), count=count)
        ground.tidy()


def _message(number: int) -> tuple[str, bytes, list[tuple[str, str | bytes | None]]]:
    """As large as the relay's, with the same headers."""
    event, trace, order = f"evt_{secrets.token_hex(13)}", secrets.token_hex(16), f"order-{number // 2}"
    told = {"event_id": event, "type": TOPIC, "version": 1, "occurred_at": "2026-01-01T00:00:00.000000Z", "sequence": 1}
    data = {
        "transaction_id": event,
        "payment_id": event,
        "order_id": order,
        "amount": "960000",
        "amount_minor": 960_000,
    }
    body = {
        **told,
        "producer": outbox.PRODUCER,
        "trace_id": trace,
        "data": {**data, "currency": "VND", "status": "PENDING"},
    }
    named = (
        ("event_id", event),
        ("type", TOPIC),
        ("version", "1"),
        ("occurred_at", told["occurred_at"]),
        ("sequence", "1"),
    )
    ours = ("producer", outbox.PRODUCER), ("trace_id", trace), ("request_id", f"req_{trace}"), ("traceparent", trace)
    return order, json.dumps(body).encode(), [(name, str(value)) for name, value in (*named, *ours)]
