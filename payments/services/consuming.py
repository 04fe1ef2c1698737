"""What other services tell us over Kafka: one message in, one service called, once per cause.

A message comes in our envelope ({event_id, type, data, ...}) or as bare data. Its cause is the event id, or where it
stood, so that reading a topic again from its beginning changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Concat

from config.core import clock, context, crypto, deadletters, faultpoints, inbox, masking, strict_json
from config.core.errors import Conflict, InvalidInput
from config.core.models import DeadLetter, InboxClaim
from payments import order_draft
from payments.errors import PaymentNotFound
from payments.models import Order, Payment
from payments.services import cancellations, cod, orders
from payments.states import LIVE

log = structlog.get_logger(__name__)

SOURCE: Final = "consumer"
ACTOR: Final = "system:events"
MAX_BYTES: Final = 1_000_000
TAKE_UP_WITHIN: Final = timedelta(days=7)
_MAX_EVENT_ID: Final = 100


class Handled(StrEnum):
    """What became of a message."""

    DONE = "done"
    IGNORED = "ignored"  # not ours, or not yet
    BURIED = "buried"  # given up: a dead letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it stood in a topic."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes

    @property
    def place(self) -> str:
        """Where it stood: its name where it has no event id."""
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a message says."""

    type: str
    data: Mapping[str, object]
    cause: str
    trace_id: str = ""


def read(message: Message) -> Event:
    """Open the envelope. Raises InvalidInput for what is no event."""
    if len(message.value) > MAX_BYTES:
        raise InvalidInput("The message is too large.")
    try:
        body = strict_json.loads(message.value)
    except strict_json.InvalidJson as error:
        raise InvalidInput(str(error)) from error
    if not isinstance(body, dict):
        raise InvalidInput("A message is a JSON object.")
    event_id, data = body.get("event_id"), body.get("data")
    has_envelope = isinstance(data, dict) and isinstance(event_id, str) and 0 < len(event_id) <= _MAX_EVENT_ID
    trace_id = body.get("trace_id")
    return Event(
        type=message.topic,
        data=data if isinstance(data, dict) else body,
        cause=f"kafka:{event_id}" if has_envelope else f"kafka:{message.place}",
        trace_id=trace_id if isinstance(trace_id, str) and len(trace_id) == 32 else "",
    )


def handle(message: Message, *, at: datetime) -> Handled:
    """Do what a message asks for. Raises DomainError when that cannot be done; counts once per cause."""
    event = read(message)
    act = HANDLERS.get(event.type)
    if act is None:
        return Handled.IGNORED
    with context.bind(request_id=event.cause.removeprefix("kafka:")[:64], trace_id=event.trace_id, actor=ACTOR):
        faultpoints.reach("consumed.read")
        act(event, at)
        faultpoints.reach("consumed.done")
    return Handled.DONE


def handle_or_bury(
    message: Message, *, at: Callable[[], datetime], wait: Callable[[timedelta], bool]
) -> Handled | None:
    """Handle a message, trying again with backoff what fails; after the last try it becomes a dead letter.

    `wait` sleeps and answers whether to go on; None means that it said no, and the message was not handled.
    Raises OperationalError or InterfaceError when PostgreSQL is away: not the message's fault, and no try of it.
    """
    backoff = clock.event_backoff()
    for tries in range(1, backoff.max_tries + 1):
        try:
            return handle(message, at=at())
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # whatever a message does to us, those behind it are handled
            problem = masking.text(f"{type(error).__name__}: {error}", limit=500)
            log.warning("message_failed", topic=message.topic, offset=message.offset, attempt=tries, error=problem)
        if not backoff.is_spent(tries) and not wait(backoff.delay(tries)):
            return None
    _bury(message, problem, backoff.max_tries)
    return Handled.BURIED


def requeue(letter: DeadLetter, at: datetime) -> None:
    """Let a message be taken up again, by take_up_requeued(). Raises Conflict for one we would not handle."""
    if letter.topic not in HANDLERS:
        raise Conflict(f"Messages of {letter.topic} are not handled here.")


def take_up_requeued(*, at: datetime, limit: int = 100) -> int:
    """Handle the messages whose dead letters staff requeued, once each; returns how many.

    What fails again is a new dead letter. The row is the work: nothing is lost between the decision and here.
    """
    assert not connection.in_atomic_block, "services open their own transactions"
    claim = InboxClaim.objects.filter(cause=Concat(Value("requeued:"), OuterRef("id")))
    waiting = DeadLetter.objects.filter(
        ~Exists(claim),
        source=SOURCE,
        status=DeadLetter.Status.REQUEUED,
        decided_at__gte=at - TAKE_UP_WITHIN,
    ).order_by("created_at")
    letters = list(waiting[:limit])
    for letter in letters:
        _take_up(letter, at=at)
    return len(letters)


# --- What each topic means -------------------------------------------------------------------------------------------
def _order_created(event: Event, at: datetime) -> None:
    orders.receive_order(draft=order_draft.draft_from(event.data, source=Order.Source.EVENT), cause=event.cause)


def _order_cancelled(event: Event, at: datetime) -> None:
    cancellations.cancel_order(
        order_id=order_draft.identifier(event.data, "order_id", limit=100),
        cause=event.cause,
        reason=order_draft.text(event.data, "reason", limit=250) or "the order was cancelled",
        actor=ACTOR,
        at=at,
    )


def _shop_order_cancelled(event: Event, at: datetime) -> None:
    cancellations.cancel_shop_order(
        shop_order_id=order_draft.identifier(event.data, "shop_order_id", limit=100),
        cause=event.cause,
        reason=order_draft.text(event.data, "reason", limit=250) or "the shop order was cancelled",
        actor=ACTOR,
        at=at,
    )


def _cod_collected(event: Event, at: datetime) -> None:
    """The capture's own key (carrier and its reference) is what makes this count once."""
    order_id = order_draft.identifier(event.data, "order_id", limit=100)
    payment_id = Payment.objects.filter(order__order_id=order_id, status__in=LIVE).values_list("id", flat=True).first()
    if payment_id is None:
        raise PaymentNotFound("No payment of this order waits for cash.", field="order_id")
    currency = order_draft.text(event.data, "currency", limit=3) or "VND"
    cod.collected(
        payment_id=payment_id,
        carrier=order_draft.identifier(event.data, "carrier", limit=30),
        carrier_reference=order_draft.identifier(event.data, "carrier_reference", limit=60),
        money=order_draft.money(event.data, "amount", currency),
        actor=ACTOR,
        at=at,
    )


HANDLERS: Final[Mapping[str, Callable[[Event, datetime], None]]] = {
    "order.created": _order_created,
    "order.cancelled": _order_cancelled,
    "shop_order.cancelled": _shop_order_cancelled,
    "cod.collected": _cod_collected,
}


# --- Dead letters ----------------------------------------------------------------------------------------------------
def _bury(message: Message, error: str, tries: int) -> None:
    """Keep what could not be handled: readable without personal data, and sealed as it came."""
    log.error("message_buried", topic=message.topic, partition=message.partition, offset=message.offset, error=error)
    deadletters.bury(
        source=SOURCE,
        topic=message.topic,
        key=strict_json.UNSTORABLE.sub("", message.key)[:200],
        reference=message.place[:120],
        payload={"message": _readable(message.value), "sealed": crypto.encrypt(message.value, context=_seal(message))},
        headers={"partition": str(message.partition), "offset": str(message.offset)},
        error=error,
        attempts=tries,
    )


def _readable(value: bytes) -> object:
    try:
        body = strict_json.loads(value)
    except strict_json.InvalidJson as error:
        return str(error)
    return masking.value("message", body)


def _seal(message: Message) -> str:
    return f"core_deadletter.payload:{message.place}"


def _take_up(letter: DeadLetter, *, at: datetime) -> None:
    place = Message(
        topic=letter.topic,
        partition=int(letter.headers["partition"]),
        offset=int(letter.headers["offset"]),
        key=letter.key,
        value=b"",
    )
    message = replace(place, value=crypto.decrypt(letter.payload["sealed"], context=_seal(place)))
    handle_or_bury(message, at=lambda: at, wait=lambda _: True)
    faultpoints.reach("consumed.taken_up")
    _note_taken_up(letter)


@transaction.atomic(durable=True)
def _note_taken_up(letter: DeadLetter) -> None:
    inbox.claim(f"requeued:{letter.pk}")
