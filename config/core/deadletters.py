"""Dead letters: what could not be handled after its tries, kept for a person to requeue or discard.

One table for all sources (ACCEPTANCE K6, D31, B4); the relay mirrors each to the topic `dlq.<topic>` (B13). Who buries
registers how to take a letter up again, by a plain call from the owner app's AppConfig.ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import transaction

from config.core import audit
from config.core.errors import Conflict, InvalidInput, NotFound
from config.core.models import DeadLetter, User

Requeue = Callable[[DeadLetter, datetime], None]
"""Takes a letter up again, in the transaction that decides it; raises a DomainError when that is impossible."""

_requeue: Final[dict[str, Requeue]] = {}


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
    DeadLetter.objects.bulk_create(
        [
            DeadLetter(
                source=source,
                topic=topic,
                key=key,
                reference=reference,
                payload=payload,
                headers=dict(headers),
                error=error,
                attempts=attempts,
            )
        ],
        ignore_conflicts=True,
    )
    letter = DeadLetter.objects.select_for_update().get(
        source=source, reference=reference, status=DeadLetter.Status.OPEN
    )
    if (letter.error, letter.attempts) != (error, attempts):
        letter.error, letter.attempts = error, attempts
        letter.save(update_fields=["error", "attempts"])
    return letter


@transaction.atomic(durable=True)
def requeue(*, dead_letter_id: str, actor: User, reason: str, at: datetime) -> DeadLetter:
    """Take it up again, its tries given back. Raises InvalidInput, NotFound, DeadLetterDecided, CannotRequeue."""
    letter = _take(dead_letter_id, reason)
    take_up = _requeue.get(letter.source)
    if take_up is None:
        raise CannotRequeue(f"Dead letters of {letter.source} can only be discarded.")
    _decide(letter, DeadLetter.Status.REQUEUED, actor=actor, reason=reason, at=at)
    take_up(letter, at)
    return letter


@transaction.atomic(durable=True)
def discard(*, dead_letter_id: str, actor: User, reason: str, at: datetime) -> DeadLetter:
    """Decide that it is not needed. Raises InvalidInput, NotFound, DeadLetterDecided."""
    letter = _take(dead_letter_id, reason)
    _decide(letter, DeadLetter.Status.DISCARDED, actor=actor, reason=reason, at=at)
    return letter


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
