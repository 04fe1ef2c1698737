"""The relay: carries the outbox to Kafka, at least once and in order per key."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import structlog
from confluent_kafka import Producer
from django.db import connection, transaction

from config.core import clock, deadletters, faultpoints, jobs, kafka, metrics, outbox

BATCH: Final = 1000
LOCK: Final = "core.outbox.relay"
UNHEARD_WAIT: Final = timedelta(seconds=10)

# A row that waits holds back the later ones of its key and nobody else's.
DUE: Final = """
    WITH waiting AS MATERIALIZED (
        SELECT key, min(position) AS since FROM core_outboxevent
        WHERE published_at IS NULL AND parked_at IS NULL AND next_attempt_at > %(at)s
        GROUP BY key
    )
    SELECT position, event_id, type, version, key, sequence, data::text, trace_id, traceparent, request_id, attempts,
           to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), extract(epoch FROM created_at)::float8
    FROM core_outboxevent AS event
    WHERE published_at IS NULL AND parked_at IS NULL
      AND NOT EXISTS (SELECT FROM waiting WHERE waiting.key = event.key AND waiting.since <= event.position)
    ORDER BY position LIMIT %(limit)s
"""
MARK_PUBLISHED: Final = """
    UPDATE core_outboxevent AS event
    SET published_at = now(), partition = sent.partition, "offset" = sent.offset_, next_attempt_at = NULL, error = ''
    FROM unnest(%s::bigint[], %s::integer[], %s::bigint[]) AS sent (position, partition, offset_)
    WHERE event.position = sent.position
"""
MARK_FAILED: Final = """
    UPDATE core_outboxevent AS event
    SET attempts = failed.attempts, next_attempt_at = failed.next_attempt_at, error = failed.error,
        parked_at = failed.parked_at
    FROM unnest(%s::bigint[], %s::integer[], %s::timestamptz[], %s::text[], %s::timestamptz[])
        AS failed (position, attempts, next_attempt_at, error, parked_at)
    WHERE event.position = failed.position
"""

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class RelayResult:
    """What one batch came to."""

    published: int = 0
    refused: int = 0  # said no to by the brokers, to be tried again
    parked: int = 0  # given up: a dead letter
    unheard: int = 0  # without an answer, to be tried again at no cost
    is_full: bool = False  # there may be more at once
    is_running_elsewhere: bool = False
    outage: str = ""  # why nothing could be sent
    producer_is_broken: bool = False  # make a new one

    def add(self, other: RelayResult) -> None:
        """Count another batch in; the state is the last one's."""
        self.published += other.published
        self.refused += other.refused
        self.parked += other.parked
        self.unheard += other.unheard
        self.is_full, self.is_running_elsewhere = other.is_full, other.is_running_elsewhere
        self.outage, self.producer_is_broken = other.outage, other.producer_is_broken


class Due(NamedTuple):
    """A row to be told."""

    position: int
    event_id: str
    type: str
    version: int
    key: str
    sequence: int
    data: str  # JSON text: it goes through untouched
    trace_id: str
    traceparent: str
    request_id: str
    attempts: int
    occurred_at: str
    created_at: float


def relay(*, producer: Producer, at: datetime, limit: int = BATCH) -> RelayResult:
    """Carry one batch to Kafka. Coordinates: opens its own small transactions, and none while it talks to the brokers.

    One relay works at a time (advisory lock), so order per key holds. A row is marked only after the brokers confirmed
    it, so a crash tells it twice under one event id and never loses it. A row the brokers refuse waits 2^n seconds with
    full jitter, holding back its own key only, and after EVENT_MAX_TRIES becomes a dead letter (ACCEPTANCE D32, K7).
    An outage costs no row a try.
    """
    assert not connection.in_atomic_block, "no network inside a transaction"
    with jobs.only_one(LOCK) as is_ours:
        if not is_ours:
            return RelayResult(is_running_elsewhere=True)
        rows = _due(at, limit)
        if rows:
            faultpoints.reach("relay.read")
        delivery = kafka.deliver(producer, _parcels(rows))
        result = RelayResult(
            published=len(delivery.delivered),
            unheard=len(delivery.unheard),
            is_full=len(rows) == limit,
            outage=delivery.outage,
            producer_is_broken=delivery.is_fatal,
        )
        if delivery.delivered:
            faultpoints.reach("relay.delivered")
        _mark_published(delivery.delivered, rows)
        if delivery.delivered:
            faultpoints.reach("relay.marked")
        _mark_unheard(delivery.unheard, rows, at)
        result.parked = _mark_refused(delivery.refused, rows, at)
        result.refused = len(delivery.refused) - result.parked
    return result


def drain(*, producer: Producer, at: datetime, should_stop: Callable[[], bool] = lambda: False) -> RelayResult:
    """Batches until none is full, then the dead letters' copies: what beat and `relay_events --once` call."""
    total = RelayResult()
    while True:
        total.add(relay(producer=producer, at=at))
        if not total.is_full or total.outage or should_stop():
            break
    if not total.outage:
        deadletters.mirror(producer=producer, at=at)
    return total


def _due(at: datetime, limit: int) -> dict[int, Due]:
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"at": at, "limit": limit})
        return {row[0]: Due._make(row) for row in cursor.fetchall()}


def _parcels(rows: Mapping[int, Due]) -> list[kafka.Parcel]:
    topics = {event_type: kafka.topics_of(event_type) for event_type in {row.type for row in rows.values()}}
    return [_parcel(row, topics[row.type]) for row in rows.values()]


def _parcel(row: Due, topics: tuple[str, ...]) -> kafka.Parcel:
    """The envelope of DESIGN 6; the same ids stand in the headers, so that a consumer can route without parsing."""
    headers: list[tuple[str, str | bytes | None]] = [
        ("event_id", row.event_id),
        ("type", row.type),
        ("version", str(row.version)),
        ("occurred_at", row.occurred_at),
        ("sequence", str(row.sequence)),
        ("producer", outbox.PRODUCER),
        ("trace_id", row.trace_id),
        ("request_id", row.request_id),
    ]
    traceparent = row.traceparent or _traceparent(row.trace_id)
    if traceparent:
        headers.append(("traceparent", traceparent))
    envelope = outbox.envelope(
        event_id=row.event_id,
        type=row.type,
        version=row.version,
        occurred_at=row.occurred_at,
        sequence=row.sequence,
        trace_id=row.trace_id,
        data=row.data,
    )
    return kafka.Parcel(number=row.position, key=row.key, topics=topics, value=envelope.encode(), headers=headers)


def _traceparent(trace_id: str) -> str:
    """W3C Trace Context 3.2 for a cause that left only its trace id."""
    return f"00-{trace_id}-{secrets.token_hex(8)}-01" if len(trace_id) == 32 else ""


def _mark_published(parcels: Sequence[kafka.Parcel], rows: Mapping[int, Due]) -> None:
    if not parcels:
        return
    columns = zip(*((parcel.number, parcel.partition, parcel.offset) for parcel in parcels), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(MARK_PUBLISHED, ["{" + ",".join(map(str, column)) + "}" for column in columns])
    now = time.time()
    delays: dict[str, list[float]] = {}
    for parcel in parcels:
        row = rows[parcel.number]
        delays.setdefault(row.type, []).append(now - row.created_at)
    for topic, seconds in delays.items():
        metrics.events_published(topic=topic, delays_seconds=seconds)


def _mark_unheard(parcels: Sequence[kafka.Parcel], rows: Mapping[int, Due], at: datetime) -> None:
    if parcels:
        waits = [at + UNHEARD_WAIT * random.uniform(0.5, 1) for _ in parcels]  # noqa: S311  # jitter, not a secret
        _mark_failed(parcels, [rows[parcel.number].attempts for parcel in parcels], waits, [None] * len(parcels))


@transaction.atomic(durable=True)
def _mark_refused(parcels: Sequence[kafka.Parcel], rows: Mapping[int, Due], at: datetime) -> int:
    """Count a try of each and park those that had their last; how many were parked."""
    if not parcels:
        return 0
    backoff = clock.event_backoff()
    attempts = [rows[parcel.number].attempts + 1 for parcel in parcels]
    waits = [at + backoff.delay(tries) for tries in attempts]
    spent = [backoff.is_spent(tries) for tries in attempts]
    _mark_failed(parcels, attempts, waits, [at if is_spent else None for is_spent in spent])
    for parcel, tries, is_spent in zip(parcels, attempts, spent, strict=True):
        metrics.event_publish_failed(topic=rows[parcel.number].type, reason=_name(parcel))
        if is_spent:
            _bury(parcel, rows[parcel.number], tries)
    return sum(spent)


def _mark_failed(
    parcels: Sequence[kafka.Parcel],
    attempts: Sequence[int],
    next_attempts: Sequence[datetime],
    parked: Sequence[datetime | None],
) -> None:
    numbers, errors = [parcel.number for parcel in parcels], [_sentence(parcel) for parcel in parcels]
    with connection.cursor() as cursor:
        cursor.execute(MARK_FAILED, (numbers, list(attempts), list(next_attempts), errors, list(parked)))


def _bury(parcel: kafka.Parcel, row: Due, tries: int) -> None:
    log.error("event parked", event_id=row.event_id, topic=parcel.failed_topic, error=_name(parcel), attempt=tries)
    deadletters.bury(
        source=outbox.SOURCE,
        topic=row.type,
        key=row.key,
        reference=row.event_id,
        payload=json.loads(parcel.value),
        headers={name: str(value) for name, value in parcel.headers},
        error=_sentence(parcel),
        attempts=tries,
    )


def _name(parcel: kafka.Parcel) -> str:
    assert parcel.error is not None
    return str(parcel.error.name())


def _sentence(parcel: kafka.Parcel) -> str:
    assert parcel.error is not None
    return f"{parcel.failed_topic}: {parcel.error.name()}: {parcel.error.str()}"
