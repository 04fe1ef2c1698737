"""Turns at a door that opens only so often, for all processes: "one query in five seconds per merchant".

Each asker is given the next free moment, if it is willing to wait for it; else its wish leaves no trace.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import redis
from django.conf import settings

# KEYS[1] the next free moment; ARGV spacing ms, patience ms. Answers {1, ms to wait before going}, or {0, ms it would be}.
TURN: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local spacing, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
if free - now > patience then return {0, free - now} end
redis.call('SET', KEYS[1], free + spacing, 'PX', free - now + spacing)
return {1, free - now}
"""


def turn(name: str, *, every_seconds: float, patience_seconds: float) -> tuple[bool, float]:
    """Whether we have a turn, and in how many seconds it is (or would be). With Redis away: at once."""
    try:
        given, wait = _script()(keys=[f"turn:{name}"], args=[1000 * every_seconds, 1000 * patience_seconds])
    except redis.RedisError:
        return True, 0.0
    return bool(given), int(wait) / 1000


def forget() -> None:
    """Connect anew: for tests."""
    _script.cache_clear()


@cache
def _script() -> Any:
    client = redis.Redis.from_url(
        str(settings.CACHES["default"]["LOCATION"]), socket_timeout=0.25, socket_connect_timeout=0.25
    )
    return client.register_script(TURN)
