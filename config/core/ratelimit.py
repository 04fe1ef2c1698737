"""How often one client may ask: a token bucket in Redis, the same for all processes (ACCEPTANCE C6, E12, K22).

One Lua call takes a token or says how long to wait, by Redis's own clock. If Redis is away, payments go on: a limit
protects the service, and refusing everybody would not. What guards a secret (an OTP, a login) is `fail_closed`.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import redis
import structlog
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.core import context, metrics
from config.core.auth import Caller
from config.core.errors import Unavailable

AWAY_SECONDS: Final = 2.0
"""After a failure Redis is not asked for so long: nobody waits for a time-out more than once."""
LOG_EVERY_SECONDS: Final = 60.0
DEFAULTS: Final = {"otp": (0.2, 5), "cards": (10.0, 20)}
"""Scopes in which many guesses are worth something: slow unless RATE_LIMITS says otherwise."""

# KEYS[1] the bucket; ARGV rate per second, burst, tokens wanted. Answers 0, or milliseconds until there are enough.
TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(kept[1]) or burst
local at = tonumber(kept[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate / 1000)
local wait = 0
if tokens >= wanted then
  tokens = tokens - wanted
else
  wait = math.ceil((wanted - tokens) / rate * 1000)
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return wait
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second on average, so many at once."""

    per_second: float
    burst: int


@dataclass(slots=True)
class _Health:
    away_until: float = 0.0
    logged_at: float = float("-inf")


_health: Final = _Health()


def wait_seconds(*, scope: str, client: str, rate: Rate, fail_closed: bool = False) -> float:
    """Take a token of this client's bucket: 0.0, or the seconds to wait for one.

    With Redis away the answer is 0.0, or Unavailable is raised if `fail_closed`.
    """
    if time.monotonic() >= _health.away_until:
        try:
            milliseconds: Any = _take()(keys=[f"rl:{scope}:{client}"], args=[rate.per_second, rate.burst, 1])
            return int(milliseconds) / 1000
        except redis.RedisError as error:
            _note_away(error)
    if fail_closed:
        raise Unavailable("This cannot be checked just now. Try again shortly.")
    return 0.0


def rate_of(scope: str) -> Rate:
    """The configured rate of a scope, else the general one."""
    general = DEFAULTS.get(scope, (settings.RATE_LIMIT_PER_SECOND, settings.RATE_LIMIT_BURST))
    per_second, burst = settings.RATE_LIMITS.get(scope, general)
    return Rate(per_second=per_second, burst=burst)


class ClientRateThrottle(BaseThrottle):
    """The general limit of every API view. A view may set `throttle_scope` and `throttle_fail_closed`."""

    def __init__(self) -> None:
        self._wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        """Whether this client may ask now."""
        caller: Any = request.user
        known = isinstance(caller, Caller)
        scope = getattr(view, "throttle_scope", None) or "api"
        self._wait = wait_seconds(
            scope=scope,
            client=caller.client if known else f"ip:{network_of(context.get().ip)}",
            rate=rate_of(scope),
            fail_closed=getattr(view, "throttle_fail_closed", False),
        )
        if self._wait:
            metrics.rate_limited(client_class=caller.kind if known else "anonymous")
        return not self._wait

    def wait(self) -> float:
        """Seconds until a token is there."""
        return self._wait


def network_of(ip: str | None) -> str:
    """What counts as one anonymous client: an IPv4 address, or the /64 that one IPv6 customer is given."""
    if ip is None or ":" not in ip:
        return ip or "unknown"
    return str(ipaddress.ip_network(f"{ip}/64", strict=False))


def forget() -> None:
    """Ask Redis again at once, whatever it last did: for tests and after a change of settings."""
    _health.away_until, _health.logged_at = 0.0, float("-inf")
    _take.cache_clear()


@cache
def _take() -> Any:
    # Counts are as dear as cached pages: they live in the cache's database, and a flush forgets them.
    client = redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]), socket_timeout=0.25, socket_connect_timeout=0.25
    )
    return client.register_script(TAKE)


def _note_away(error: redis.RedisError) -> None:
    now = time.monotonic()
    _health.away_until = now + AWAY_SECONDS
    if now - _health.logged_at >= LOG_EVERY_SECONDS:
        _health.logged_at = now
        log.warning("rate_limit_off", reason="redis_away", error_type=type(error).__name__)
