"""The outbox: facts we promised to tell, written in the commit that made them true.

`publish()` writes rows in the caller's transaction; `config.core.relay` carries them to Kafka. A cursor over `position`
would skip rows whose transaction commits late, so every reader marks its own column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

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
