"""The outbox: facts we promised to tell, written in the commit that made them true.

`publish()` writes rows in the caller's transaction; `config.core.relay` carries them to Kafka. A cursor over `position`
would skip rows whose transaction commits late, so every reader marks its own column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Q

from config.core import audit, context, faultpoints, ids, writes
from config.core.errors import Conflict, InvalidInput
from config.core.models import DeadLetter, OutboxEvent, User

SOURCE: Final = "outbox"
"""The source of our dead letters."""

COLUMNS: Final = (
    "event_id, type, version, key, aggregate_type, aggregate_id, sequence, data, occurred_at, trace_id, traceparent,"
    " request_id, created_at, attempts, error"
)
ROW: Final = "(%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, now(), 0, '')"
INSERT: Final = f"INSERT INTO core_outboxevent ({COLUMNS}) VALUES "  # noqa: S608  # constants only
PRODUCER: Final = "reckoner"
MOMENT: Final = """to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
TAKE: Final = f"""
    WITH due AS MATERIALIZED (
        SELECT position FROM core_outboxevent WHERE fanned_out_at IS NULL
        ORDER BY position LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    UPDATE core_outboxevent AS event SET fanned_out_at = %(at)s FROM due WHERE event.position = due.position
    RETURNING event.position, event_id, type, version, aggregate_type, aggregate_id, sequence, data::text, trace_id,
              {MOMENT}, created_at
"""  # noqa: S608  # constants only
_ENCODER: Final = DjangoJSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact. Order is kept per `key` (the order id, else the object's id); `sequence` counts within its aggregate."""

    type: str
    key: str
    aggregate_type: str
    aggregate_id: str
    sequence: int
    data: Mapping[str, object]
    occurred_at: datetime
    version: int = 1


class Taken(NamedTuple):
    """An event that is handed to its webhooks."""

    position: int
    event_id: str
    type: str
    version: int
    aggregate_type: str
    aggregate_id: str
    sequence: int
    data: str  # JSON text
    trace_id: str
    occurred_at: str
    created_at: datetime

    @property
    def body(self) -> bytes:
        """The envelope, as Kafka carries it."""
        return envelope(
            event_id=self.event_id,
            type=self.type,
            version=self.version,
            occurred_at=self.occurred_at,
            sequence=self.sequence,
            trace_id=self.trace_id,
            data=self.data,
        ).encode()


def publish(*events: Event) -> None:
    """Promise to tell these facts, in this order. Joins the caller's transaction and asserts that there is one.

    Raises IntegrityError when an aggregate's sequence number is there already.
    """
    assert connection.in_atomic_block, "an event is written in the transaction that makes it true"
    if not events:
        return
    here = context.get()
    values: list[str | int | datetime] = []
    for event in events:
        values += (
            ids.event_id(),
            event.type,
            event.version,
            event.key,
            event.aggregate_type,
            event.aggregate_id,
            event.sequence,
            _ENCODER.encode(event.data),
            event.occurred_at,
            here.trace_id,
            here.traceparent,
            here.request_id,
        )
    writes.write("core_outboxevent", INSERT + ", ".join([ROW] * len(events)), values, rows=len(events))
    faultpoints.reach("outbox.written")


def envelope(
    *, event_id: str, type: str, version: int, occurred_at: str, sequence: int, trace_id: str, data: str
) -> str:
    """An event as Kafka and webhooks carry it (DESIGN.md 6). `data` is JSON text and goes through untouched.

    Written out: json.dumps() of the head would take as long as everything else that a relay does.
    """
    return (
        f'{{"event_id": {_quoted(event_id)}, "type": {_quoted(type)}, "version": {version}, '
        f'"occurred_at": "{occurred_at}", "sequence": {sequence}, "producer": "{PRODUCER}", '
        f'"trace_id": {_quoted(trace_id)}, "data": {data}}}'
    )


def take(*, at: datetime, limit: int) -> list[Taken]:
    """Events that no webhook was made of yet, marked as taken in the caller's transaction, which makes what they cause.

    Two who take at once get different events; a row whose transaction commits late is taken then.
    """
    assert connection.in_atomic_block, "events are taken in the transaction of what is made of them"
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"at": at, "limit": limit})
        return sorted(map(Taken._make, cursor.fetchall()))


@transaction.atomic(durable=True)
def replay(*, which: Q, actor: User, reason: str) -> int:
    """Tell published events again, under the event ids they had, so that consumers who saw them know them.

    Returns how many. Raises InvalidInput without a reason.
    """
    if not reason.strip():
        raise InvalidInput("Say why the events are told again.", field="reason")
    count = OutboxEvent.objects.filter(which, published_at__isnull=False).update(
        published_at=None, partition=None, offset=None, attempts=0, next_attempt_at=None, error=""
    )
    audit.record(
        actor=f"user:{actor.email}",
        action="events.replay",
        object_type="outbox_event",
        object_id=str(which)[:120],
        reason=reason,
        after={"count": count},
    )
    return count


def unpark(letter: DeadLetter, at: datetime) -> None:
    """Give a parked event its tries back: what requeuing a dead letter of ours means. Raises Conflict if it is gone."""
    count = OutboxEvent.objects.filter(event_id=letter.reference, parked_at__isnull=False).update(
        parked_at=None, attempts=0, next_attempt_at=None, error=""
    )
    if count != 1:
        raise Conflict(f"The event {letter.reference} is not parked.")
