"""The gateways' circuit breakers: every call asks here first and is told here afterwards.

An outcome that says nothing about our money but much about the gateway's health (no connection, silence, a broken line,
an error of its server, an answer nobody can read) counts as a failure; a refusal does not. A call that is not admitted
was never sent: a payment fails or goes another way, a refund and a question wait for their next turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from config.core import audit, breaker, clock, metrics, spacing
from config.core.breaker import Policy, RedisAway, Say, Snapshot, State
from config.core.errors import InvalidInput
from config.core.remembered import remembered
from gateways import http
from gateways.errors import GatewayUnavailable
from payments.models import BreakerOverride, GatewayAccount
from payments.services import bulkhead

log = structlog.get_logger(__name__)

BREAKER_OPEN: Final = "breaker_open"
SPACED: Final = "spaced"
BUSY: Final = "busy"
HELD_BACK: Final = frozenset({BREAKER_OPEN, SPACED, BUSY})
"""Codes of GatewayUnavailable: what we hold back ourselves has cost the gateway nothing and counts as no try."""
LONGEST: Final = timedelta(days=7)
"""So long a breaker may be forced: whoever wants a gateway away for good disables its accounts."""
NO_TRY_FOR: Final = timedelta(days=3)
"""So long what we held back ourselves, or could not send, uses up no try; after that a person is wanted."""
FORCED_KEPT_SECONDS: Final = 5.0


class _Thread(threading.local):
    call: str = ""  # the number under which this thread's call was admitted


_thread: Final = _Thread()
_patience: ContextVar[float] = ContextVar("spacing_patience", default=0.0)


def policy() -> Policy:
    """The configured policy. Raises ImproperlyConfigured naming the word that is odd."""
    try:
        return Policy(**settings.GATEWAY_BREAKER)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"GATEWAY_BREAKER: {error}") from error


# --- The seams of gateways.http --------------------------------------------------------------------------------------
def admit(gateway: str, operation: str) -> None:
    """Let a call through, in its turn. Raises GatewayUnavailable, never sent."""
    _take_turn(gateway, operation)
    if not bulkhead.enter(gateway, limit=settings.GATEWAY_CALLS_PER_PROCESS):
        _look_at_those_that_wait(gateway)
        raise GatewayUnavailable(f"{gateway} {operation}: too many calls wait", code=BUSY, never_sent=True)
    try:
        _ask_the_breaker(gateway, operation)
    except BaseException:
        bulkhead.leave(gateway)
        raise


def _ask_the_breaker(gateway: str, operation: str) -> None:
    try:
        _thread.call, say = breaker.admit(gateway, policy=policy())
    except RedisAway:
        _thread.call = ""
        if _forced_by_staff().get(gateway) == State.OPEN:
            raise _refusal(gateway, operation) from None
        return
    _tell(gateway, say)
    if not say.admitted:
        raise _refusal(gateway, operation)


def _look_at_those_that_wait(gateway: str) -> None:
    """No call gets as far as the breaker any more: have it judge those that hang, as an admission would."""
    try:
        _tell(gateway, breaker.judge(gateway, policy=policy()))
    except RedisAway:
        return


def note(gateway: str, operation: str, outcome: str, seconds: float) -> None:
    """Count how a call ended."""
    bulkhead.leave(gateway)
    metrics.gateway_called(gateway=gateway, operation=operation, outcome=outcome, seconds=seconds)
    call, _thread.call = _thread.call, ""
    if not call:
        return
    try:
        say = breaker.note(gateway, call, ok=outcome == http.OK, seconds=seconds, policy=policy())
    except RedisAway:
        return
    _tell(gateway, say)


def _refusal(gateway: str, operation: str) -> GatewayUnavailable:
    return GatewayUnavailable(f"{gateway} {operation}: the breaker is open", code=BREAKER_OPEN, never_sent=True)


def _tell(gateway: str, say: Say) -> None:
    if say.moved is not None:
        metrics.circuit_moved(gateway=gateway, to_state=say.moved.value)
        log.warning("breaker_moved", gateway=gateway, to_status=say.moved.value)


def _take_turn(gateway: str, operation: str) -> None:
    """Keep the distance this gateway wants between two such calls; wait for it only as long as the caller can."""
    every = settings.GATEWAY_SPACING.get(f"{gateway}.{operation}")
    if every is None:
        return
    left = max(0.0, _patience.get() - time.monotonic())
    is_given, wait = spacing.turn(f"{gateway}.{operation}", every_seconds=every, patience_seconds=left)
    if not is_given:
        words = f"{gateway} {operation}: only once in {every:g} s, the next in {wait:.1f} s"
        raise GatewayUnavailable(words, code=SPACED, never_sent=True)
    time.sleep(wait)


@contextmanager
def patient(seconds: float) -> Iterator[None]:
    """In this block calls may wait for their turn, all together so long: for sweeps, which no customer waits for."""
    token = _patience.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _patience.reset(token)


# --- What is known of them -------------------------------------------------------------------------------------------
def look(gateways: Collection[str], *, counted: bool = True) -> dict[str, Snapshot]:
    """The breakers of these gateways. With Redis away they are closed, unless staff forced them."""
    names = sorted(gateways)
    try:
        return breaker.look(names, policy=policy(), counted=counted)
    except RedisAway:
        forced = _forced_by_staff()
        return {name: Snapshot(forced=forced.get(name)) for name in names}


def down(gateways: Collection[str] | None = None) -> frozenset[str]:
    """Those of these gateways (of all that have an enabled account) that are not called now."""
    if gateways is None:
        gateways = set(GatewayAccount.objects.filter(is_enabled=True).values_list("gateway", flat=True))
    return frozenset(name for name, found in look(gateways, counted=False).items() if found.is_down)


@remembered(FORCED_KEPT_SECONDS)
def _forced_by_staff() -> Mapping[str, State]:
    """What PostgreSQL says, a few seconds old: asked only while Redis is away."""
    rows = BreakerOverride.objects.filter(until__gt=clock.now()).values_list("gateway", "state")
    return {name: State(state) for name, state in rows}


def forget() -> None:
    """Drop what this process remembers."""
    _forced_by_staff.forget()


# --- What staff decides ----------------------------------------------------------------------------------------------
@transaction.atomic(durable=True)
def force(*, gateway: str, state: State, until: datetime, actor: str, reason: str, at: datetime) -> BreakerOverride:
    """Hold a breaker open or closed until a moment, whatever happens. Raises InvalidInput."""
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    if not at < until <= at + LONGEST:
        raise InvalidInput("Choose an end within the next seven days.", field="until")
    known = BreakerOverride.objects.select_for_update().filter(gateway=gateway).first()
    override = BreakerOverride(
        gateway=gateway, state=state.value, reason=reason[:250], set_by=actor, set_at=at, until=until
    )
    override.save()
    _record("forced", gateway, actor=actor, reason=reason, before=known, after=override)
    transaction.on_commit(lambda: _mirror(gateway, state, (until - at).total_seconds()))
    return override


@transaction.atomic(durable=True)
def release(*, gateway: str, actor: str, reason: str) -> None:
    """Let a breaker decide by itself again. Raises InvalidInput when nobody holds it."""
    known = BreakerOverride.objects.select_for_update().filter(gateway=gateway).first()
    if known is None:
        raise InvalidInput("Nobody holds this breaker.")
    known.delete()
    _record("released", gateway, actor=actor, reason=reason, before=known, after=None)
    transaction.on_commit(lambda: _mirror(gateway, None, 0.0))


def mirror_all(*, at: datetime) -> None:
    """Tell Redis again what staff decided, should it have forgotten, and end what is over."""
    for override in BreakerOverride.objects.all():
        if override.until <= at:
            _end(override.gateway, at=at)
        else:
            _mirror(override.gateway, State(override.state), (override.until - at).total_seconds())


@transaction.atomic(durable=True)
def _end(gateway: str, *, at: datetime) -> None:
    known = BreakerOverride.objects.select_for_update().filter(gateway=gateway, until__lte=at).first()
    if known is not None:
        known.delete()
        _record("released", gateway, actor="system", reason="its time is over", before=known, after=None)


def _mirror(gateway: str, state: State | None, seconds: float) -> None:
    forget()
    try:
        breaker.force(gateway, state, seconds=seconds)
    except RedisAway:
        log.warning("breaker_not_mirrored", gateway=gateway)  # the next watch does it


def _record(
    deed: str, gateway: str, *, actor: str, reason: str, before: BreakerOverride | None, after: BreakerOverride | None
) -> None:
    facts = [
        None if one is None else {"state": one.state, "until": one.until.isoformat(), "reason": one.reason}
        for one in (before, after)
    ]
    audit.record(
        actor=actor,
        action=f"gateway_breaker.{deed}",
        object_type="gateway_breaker",
        object_id=gateway,
        reason=reason,
        before=facts[0],
        after=facts[1],
    )
