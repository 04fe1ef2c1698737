"""Dead letters: what could not be handled after its tries, kept for a person to requeue or discard.

One table for all sources (ACCEPTANCE K6, D31, B4); the relay mirrors each to the topic `dlq.<topic>` (B13). Who buries
registers how to take a letter up again, by a plain call from the owner app's AppConfig.ready.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

import structlog
from confluent_kafka import Producer
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from config.core import audit, faultpoints, jobs, kafka, metrics
from config.core.errors import Conflict, InvalidInput, NotFound
from config.core.models import DeadLetter, User

Requeue = Callable[[DeadLetter, datetime], None]
"""Takes a letter up again, in the transaction that decides it; raises a DomainError when that is impossible."""

MIRROR_LOCK: Final = "core.deadletters.mirror"
_ENCODER: Final = DjangoJSONEncoder(ensure_ascii=False)
_NO_TOPIC_CHARACTER: Final = re.compile(r"[^A-Za-z0-9._-]")
_requeue: Final[dict[str, Requeue]] = {}

log = structlog.get_logger(__name__)


class DeadLetterDecided(Conflict):
    """Somebody requeued or discarded it already."""

    code, status = "dead_letter_decided", 409


class CannotRequeue(Conflict):
    """Nobody said how letters of this source are taken up again."""

    code, status = "dead_letter_cannot_requeue", 409


def register_requeue(source: str, requeue: Requeue) -> None:
    """Say how letters of a source are taken up again."""
    assert source not in _requeue, f"two ways to requeue {source}"
    _requeue[source] = requeue


@transaction.atomic
def bury(
    *,
    source: str,
    topic: str,
    key: str,
    reference: str,
    payload: object,
    headers: Mapping[str, str],
    error: str,
    attempts: int,
) -> DeadLetter:
    """Keep what could not be handled; a source row has one open letter, which learns the newest error.

    Joins the caller's transaction or opens one. `reference` names the row or message within its source.
    """
    assert reference, "a dead letter says which row it came from"
    new = DeadLetter(
        source=source,
        topic=topic,
        key=key,
        reference=reference,
        payload=payload,
        headers=dict(headers),
        error=error,
        attempts=attempts,
    )
    DeadLetter.objects.bulk_create([new], ignore_conflicts=True)
    letter = DeadLetter.objects.select_for_update().get(
        source=source, reference=reference, status=DeadLetter.Status.OPEN
    )
    if letter.pk == new.pk:
        metrics.dead_letter_opened(source=source)
    else:
        letter.error, letter.attempts = error, attempts
        letter.save(update_fields=["error", "attempts"])
    faultpoints.reach("deadletter.buried")
    return letter


class Decide(Protocol):
    """What `requeue` and `discard` are called like."""

    def __call__(self, *, dead_letter_id: str, actor: User, reason: str, at: datetime) -> DeadLetter: ...


@transaction.atomic(durable=True)
def requeue(*, dead_letter_id: str, actor: User, reason: str, at: datetime) -> DeadLetter:
    """Take it up again, its tries given back. Raises InvalidInput, NotFound, DeadLetterDecided, CannotRequeue."""
    letter = _take(dead_letter_id, reason)
    take_up = _requeue.get(letter.source)
    if take_up is None:
        raise CannotRequeue(f"Dead letters of {letter.source} can only be discarded.")
    _decide(letter, DeadLetter.Status.REQUEUED, actor=actor, reason=reason, at=at)
    take_up(letter, at)
    faultpoints.reach("deadletter.requeued")
    metrics.dead_letter_requeued(source=letter.source)
    return letter


@transaction.atomic(durable=True)
def discard(*, dead_letter_id: str, actor: User, reason: str, at: datetime) -> DeadLetter:
    """Decide that it is not needed. Raises InvalidInput, NotFound, DeadLetterDecided."""
    letter = _take(dead_letter_id, reason)
    _decide(letter, DeadLetter.Status.DISCARDED, actor=actor, reason=reason, at=at)
    return letter


def mirror(*, producer: Producer, at: datetime, limit: int = 100) -> int:
    """Copy letters that are not there yet to `dlq.<topic>` (ACCEPTANCE B13); how many. The table stays the truth.

    A payload the brokers find too large is left out of the copy. Coordinates: no transaction while it sends.
    """
    assert not connection.in_atomic_block, "no network inside a transaction"
    with jobs.only_one(MIRROR_LOCK) as is_ours:
        return _mirror(producer, at, limit) if is_ours else 0


def _mirror(producer: Producer, at: datetime, limit: int) -> int:
    letters = list(DeadLetter.objects.filter(mirrored_at=None).order_by("created_at")[:limit])
    first = kafka.deliver(producer, [_copy(number, letter, letter.payload) for number, letter in enumerate(letters)])
    second = kafka.deliver(producer, [_copy(parcel.number, letters[parcel.number], None) for parcel in first.refused])
    for parcel in second.refused:
        log.error("dead letter not mirrored", dead_letter=letters[parcel.number].pk, error=str(parcel.error))
    if letters:
        faultpoints.reach("deadletter.mirrored")
    there = [letters[parcel.number].pk for parcel in [*first.delivered, *second.delivered]]
    DeadLetter.objects.filter(pk__in=there).update(mirrored_at=at)
    return len(there)


def _copy(number: int, letter: DeadLetter, payload: object) -> kafka.Parcel:
    body = {
        "dead_letter_id": letter.pk,
        "source": letter.source,
        "topic": letter.topic,
        "key": letter.key,
        "reference": letter.reference,
        "error": letter.error,
        "attempts": letter.attempts,
        "created_at": letter.created_at,
        "payload": payload,
    }
    return kafka.Parcel(
        number=number,
        key=letter.pk,
        topics=(kafka.DEAD_LETTER_PREFIX + _NO_TOPIC_CHARACTER.sub("_", letter.topic),),
        value=_ENCODER.encode(body).encode(),
        headers=[("dead_letter_id", letter.pk), *((name, str(value)) for name, value in letter.headers.items())],
    )


def _take(dead_letter_id: str, reason: str) -> DeadLetter:
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    letter = DeadLetter.objects.select_for_update().filter(pk=dead_letter_id).first()
    if letter is None:
        raise NotFound("There is no such dead letter.")
    if letter.status != DeadLetter.Status.OPEN:
        raise DeadLetterDecided(f"This dead letter is {letter.status} already.")
    return letter


def _decide(letter: DeadLetter, status: DeadLetter.Status, *, actor: User, reason: str, at: datetime) -> None:
    letter.status, letter.reason, letter.decided_by, letter.decided_at = status, reason, actor, at
    letter.save(update_fields=["status", "reason", "decided_by", "decided_at"])
    audit.record(
        actor=f"user:{actor.email}",
        action=f"dead_letter.{status.value}",
        object_type="dead_letter",
        object_id=letter.pk,
        reason=reason,
        after={"source": letter.source, "topic": letter.topic, "reference": letter.reference},
    )
