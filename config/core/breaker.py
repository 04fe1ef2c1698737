"""Circuit breakers that all processes share: whoever finds a peer dead spares everybody else the waiting.

    closed      calls go through and are counted
    open        calls are refused at once, for `open_seconds`
    half_open   one call at a time goes through as a probe: if it succeeds the breaker closes, else it opens again

One Lua script in Redis (breaker.lua) decides and counts, by Redis's own clock, in one round trip before a call and one
after it. With Redis away nothing is known of anybody: `RedisAway` is raised, and callers go on as if closed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

import redis
import structlog
from django.conf import settings

AWAY_SECONDS: Final = 2.0
"""After a failure Redis is not asked for so long: nobody waits for a time-out more than once."""
SLOT_SECONDS: Final = 300
"""Answers and their times are kept by five minutes, for an hour: what the health page shows."""
SLOTS_SHOWN: Final = 3
LATENCIES: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 15.0, 30.0, 60.0)
"""Upper bounds, in seconds, between which answer times are counted."""

SCRIPT: Final = Path(__file__).with_suffix(".lua")

log = structlog.get_logger(__name__)


class RedisAway(Exception):
    """Redis does not answer, or did not a moment ago."""


class State(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a breaker opens and how it comes back; times in seconds.

    It opens after `consecutive` failures in a row, at `failure_percent` of at least `min_calls` within the window, or
    when `waiting_calls` calls have waited longer than `waiting_seconds` and nothing was answered in that time.
    """

    window_seconds: float = 30.0
    min_calls: float = 20
    failure_percent: float = 50
    consecutive: float = 5
    open_seconds: float = 20.0
    probe_seconds: float = 10.0
    waiting_seconds: float = 5.0
    waiting_calls: float = 4

    def __post_init__(self) -> None:
        """Refuse what cannot work. Raises ValueError naming the field."""
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ValueError(f"{name} must be a number above zero")

    def arguments(self) -> list[float]:
        """As the script reads them."""
        return [
            1000 * self.window_seconds, self.min_calls, self.failure_percent, self.consecutive,
            1000 * self.open_seconds, 1000 * self.probe_seconds, 1000 * self.waiting_seconds, self.waiting_calls,
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Say:
    """The script's answer. `moved` is the state it has just come to, else None; `wait` is in seconds."""

    admitted: bool
    state: State
    moved: State | None
    wait: float
    forced: State | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A breaker as it is now. `wait` seconds until an open one lets a probe through. Counts are of the last minutes."""

    state: State = State.CLOSED
    forced: State | None = None
    wait: float = 0.0
    changed_at: float | None = None
    ok_at: float | None = None
    failed_at: float | None = None
    ok: int = 0
    failed: int = 0
    latencies: dict[float, int] = field(default_factory=dict)  # upper bound in seconds -> answers up to it

    @property
    def effective(self) -> State:
        """What counts: what staff forced, else what it came to by itself."""
        return self.forced or self.state

    @property
    def is_down(self) -> bool:
        """Whether a call would be refused now, and not only for being the second probe."""
        return self.effective is State.OPEN

    @property
    def success(self) -> float | None:
        """The share of calls that were answered; None without calls."""
        calls = self.ok + self.failed
        return self.ok / calls if calls else None

    def percentile(self, share: float) -> float | None:
        """The time in seconds within which that share of calls ended, between two bounds; None without calls."""
        wanted, before, low = share * sum(self.latencies.values()), 0.0, 0.0
        for high in LATENCIES:
            count = self.latencies.get(high, 0)
            if count and before + count >= wanted:
                return low + (high - low) * (wanted - before) / count
            before, low = before + count, high
        return None


def admit(name: str, *, policy: Policy) -> tuple[str, Say]:
    """Ask whether a call may be made, and under which number it is noted afterwards. Raises RedisAway."""
    call = f"{random.getrandbits(64):x}"  # a number, not a secret
    return call, _decide(name, "admit", call, ok=False, latency="", policy=policy)


def judge(name: str, *, policy: Policy) -> Say:
    """Open a closed breaker whose calls hang, without a call of one's own. Raises RedisAway."""
    return _decide(name, "judge", "", ok=False, latency="", policy=policy)


def note(name: str, call: str, *, ok: bool, seconds: float, policy: Policy) -> Say:
    """Tell how an admitted call ended. Raises RedisAway."""
    bound = next((bound for bound in LATENCIES if seconds <= bound), LATENCIES[-1])
    return _decide(name, "note", call, ok=ok, latency=f"l{bound}", policy=policy)


def look(names: Sequence[str], *, policy: Policy, counted: bool = True) -> dict[str, Snapshot]:
    """All these breakers as they are; without what was `counted` lately it is cheap. Raises RedisAway."""
    last = int(time.time()) // SLOT_SECONDS
    slots = range(last - SLOTS_SHOWN + 1, last + 1) if counted else ()

    def read() -> list[Any]:
        pipe = _client().pipeline(transaction=False)
        pipe.time()
        for name in names:
            pipe.hgetall(_key(name))
            pipe.get(_key(name, "forced"))
            for number in slots:
                pipe.hgetall(_key(name, f"h{number}"))
        return list(pipe.execute())

    (seconds, micros), *found = _asked(read)
    step = 2 + len(slots)
    parts = [found[start : start + step] for start in range(0, len(found), step)]
    now = seconds + micros / 1e6
    return {name: _snapshot(part[0], part[1], part[2:], now, policy) for name, part in zip(names, parts, strict=True)}


def force(name: str, state: State | None, *, seconds: float) -> None:
    """Mirror what staff decided, for so long; None ends it. Raises RedisAway."""
    if state is None or seconds <= 0:
        _asked(lambda: _client().delete(_key(name, "forced")))
    else:
        _asked(lambda: _client().set(_key(name, "forced"), state.value, px=max(int(1000 * seconds), 1)))


def take_recovery(name: str) -> bool:
    """Whether this breaker has closed since somebody last asked: true once for each recovery. Raises RedisAway."""
    return bool(_asked(lambda: _client().hdel(_key(name), "recovered")))


def forget() -> None:
    """Ask Redis again at once, whatever it last did: for tests and after a change of settings."""
    _health.away_until = 0.0
    _client.cache_clear()
    _script.cache_clear()


# --- Redis -----------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Health:
    away_until: float = 0.0


_health: Final = _Health()


def _decide(name: str, verb: str, call: str, *, ok: bool, latency: str, policy: Policy) -> Say:
    slot = int(time.time()) // SLOT_SECONDS
    keys = [_key(name), _key(name, "calls"), _key(name, "forced"), _key(name, f"h{slot}")]
    arguments = [verb, call, int(ok), latency, *policy.arguments()]
    admitted, state, moved, wait, forced = _asked(lambda: _script()(keys=keys, args=arguments))
    return Say(
        bool(admitted),
        State(state.decode()),
        State(moved.decode()) if moved else None,
        max(int(wait), 0) / 1000,
        State(forced.decode()) if forced else None,
    )


def _asked(question: Any) -> Any:
    if time.monotonic() < _health.away_until:
        raise RedisAway
    try:
        return question()
    except redis.RedisError as error:
        _health.away_until = time.monotonic() + AWAY_SECONDS
        log.warning("breakers_off", reason="redis_away", error_type=type(error).__name__)
        raise RedisAway from error


def _snapshot(raw: Any, forced: Any, slots: Sequence[Any], now: float, policy: Policy) -> Snapshot:
    kept = {name.decode(): value.decode() for name, value in raw.items()}
    counted: dict[str, int] = {}
    for slot in slots:
        for name, value in slot.items():
            counted[name.decode()] = counted.get(name.decode(), 0) + int(value)
    state, wait = State(kept.get("state", "closed")), 0.0
    if state is State.OPEN:
        wait = policy.open_seconds - (now - int(kept["opened_at"]) / 1000)
        state = State.OPEN if wait > 0 else State.HALF_OPEN
    return Snapshot(
        state=state,
        forced=State(forced.decode()) if forced else None,
        wait=max(wait, 0.0),
        **{name: int(kept[name]) / 1000 if name in kept else None for name in ("changed_at", "ok_at", "failed_at")},
        ok=counted.get("ok", 0),
        failed=counted.get("failed", 0),
        latencies={bound: counted[f"l{bound}"] for bound in LATENCIES if f"l{bound}" in counted},
    )


def _key(name: str, part: str = "") -> str:
    """Keys of one breaker carry one hash tag, so that a cluster keeps them together."""
    return f"brk:{{{name}}}{':' if part else ''}{part}"


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]), socket_timeout=0.25, socket_connect_timeout=0.25
    )


@cache
def _script() -> Any:
    return _client().register_script(SCRIPT.read_text(encoding="utf-8"))
