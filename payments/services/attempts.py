"""One try at a gateway: begun, sent, heard of, asked about. Only payments' own services call this."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from config.core import context, faultpoints, ids, writes
from gateways import registry
from gateways.abilities import Closes
from payments.models import Attempt, AttemptEvent, GatewayAccount, Payment
from payments.models.payment import AttemptQuerySet
from payments.routing import Way
from payments.services import accounts
from payments.states import AttemptStatus

ASK_AFTER: Final = tuple(
    timedelta(seconds=s) for s in (30, 60, 120, 240, 480, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 86400)
)
"""When a silent or unknown attempt is asked about, each counted from the last time; at the end a MoneyCase opens."""
IN_FLIGHT: Final = timedelta(seconds=30)
"""So long a call to a gateway may still be under way; after it the attempt counts as unknown."""
LOOK_AGAIN_AFTER: Final = (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24))
"""When an attempt that we ended by ourselves is looked at again: the customer may have paid at the last moment."""

CLOSING: Final = tuple(sorted(code for code, adapter in registry.GATEWAYS.items() if issubclass(adapter, Closes)))
"""Gateways that can close a payment which nobody shall pay any more."""

# Raw, because every request and every notification writes one: the ORM costs three times as much here.
INSERT_EVENT: Final = """
    INSERT INTO payments_attemptevent (attempt_id, from_status, to_status, source, actor, reason, request_id, at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


def begin(
    payment: Payment,
    way: Way,
    *,
    number: int,
    at: datetime,
    reason: str = "",
    is_queued: bool = False,
    next_send_at: datetime | None = None,
    sends: int = 0,
) -> Attempt:
    """A new attempt of a locked payment by its current method, its first or next. The caller saves nothing more.

    `is_queued`: it waits for something and is not sent; with `next_send_at` for the background (services.background).
    `sends` above 0: it is sent, by the background.
    """
    account = way.account
    identifier, reference = _fresh(account, at=at)
    attempt = Attempt(
        id=identifier,
        payment=payment,
        account=account,
        method=payment.method,
        channel=way.channel,
        number=number,
        gateway_reference=reference,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        status=AttemptStatus.QUEUED if is_queued else AttemptStatus.SENT,
        expires_at=payment.expires_at,
        next_query_at=None if is_queued else at + ASK_AFTER[0],
        next_send_at=next_send_at,
        sends=sends,
        created_at=at,
        updated_at=at,
    )
    writes.insert(attempt)
    if not reason and way.rule is not None:
        reason = f"routing rule {way.rule.pk}"
    note(attempt, "", source=AttemptEvent.Source.API, at=at, reason=reason)
    faultpoints.reach("attempt.begun")
    return attempt


def _fresh(account: GatewayAccount, *, at: datetime) -> tuple[str, str]:
    """A new id and the reference made of it, which no attempt of this account has.

    Only short references need the look. Should two transactions draw the same one at the same moment, the unique
    constraint refuses the second before anybody was told of it, and the same request may be sent again.
    """
    gateway = accounts.of(account)
    while True:
        identifier = ids.attempt_id()
        reference = gateway.reference(ids.number_of(identifier), at)
        is_taken = (
            gateway.has_short_references
            and Attempt.objects.filter(account=account, gateway_reference=reference).exists()
        )
        if not is_taken:
            return identifier, reference


def note(
    attempt: Attempt, was: str, *, source: AttemptEvent.Source, at: datetime, actor: str = "", reason: str = ""
) -> None:
    """Write one line of an attempt's history: it was `was` and is now what it is."""
    values = (attempt.id, was, str(attempt.status), source.value, actor, reason[:250], context.get().request_id, at)
    writes.write("payments_attemptevent", INSERT_EVENT, values)


def close_from(attempt: Attempt, *, at: datetime) -> bool:
    """Have an attempt's gateway close it from then on, in memory; False where it cannot, or never heard of it."""
    if attempt.status == AttemptStatus.QUEUED or attempt.account.gateway not in CLOSING:
        return False
    attempt.close_at, attempt.close_tries = at, 0
    return True


def close_all(rows: AttemptQuerySet, *, at: datetime) -> int:
    """Have the gateways that can do so close these from then on, but for those that ended. Joins a transaction under
    the payment's lock. Returns how many.
    """
    closable = rows.open().exclude(status=AttemptStatus.QUEUED).filter(account__gateway__in=CLOSING)
    found: int = closable.update(close_at=at, close_tries=0)
    return found


def close_others(payment: Payment, attempt: Attempt, *, at: datetime) -> None:
    """Nobody shall pay by another attempt what this one has paid."""
    if attempt.has_open_others:
        close_all(payment.attempts.exclude(id=attempt.id), at=at)


def next_ask(queries: int, *, at: datetime) -> datetime | None:
    """When to ask the next time after so many questions; None when the schedule is over."""
    return at + ASK_AFTER[queries] if queries < len(ASK_AFTER) else None


def is_prepared(attempt: Attempt, *, at: datetime) -> bool:
    """Whether the background opens it: it waits for that, or the call to its gateway is under way."""
    if attempt.is_to_be_sent:
        return True
    return attempt.sends > 0 and attempt.status == AttemptStatus.SENT and at - attempt.updated_at < IN_FLIGHT
