"""Which channels are up just now, for a page: asked seldom, kept for all who look, and never waited for long.

Nothing is decided by it. One process in ten minutes asks for an account, in a thread of its own: the page goes on
after three seconds, whatever holds the question up, and an answer that comes later is there for the next who looks.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import structlog
from django.core.cache import cache
from django.db import connections
from redis.exceptions import RedisError

from config.core.crypto import CannotDecrypt
from gateways import http, registry
from gateways.abilities import TellsChannels
from gateways.channels import ChannelState
from gateways.errors import GatewayError
from payments.models import GatewayAccount
from payments.services import accounts

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 600
CALL_SECONDS: Final = 2.5
PAGE_SECONDS: Final = 3.0
TELLING: Final = tuple(code for code, gateway in registry.GATEWAYS.items() if issubclass(gateway, TellsChannels))
"""The gateways that can be asked."""
_SILENCE: Final = frozenset({http.NEVER_SENT, http.TIMED_OUT, http.BROKEN, http.SERVER_ERROR})


class Verdict(StrEnum):
    """What became of the question."""

    TOLD = "told"
    SILENT = "silent"  # nobody answered
    NO_LIST = "no_list"  # an answer, or our own breaker's no, that tells nothing of channels
    WAITING = "waiting"  # somebody asked, and there is no answer yet
    UNUSABLE = "unusable"  # no adapter can be built
    UNASKED = "unasked"  # without Redis nobody knows when it was asked last


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one account's gateway said, and when it was asked for it. `code` says why there is no list."""

    account: str
    gateway: str
    verdict: Verdict
    asked_at: datetime
    states: tuple[ChannelState, ...] = ()
    code: str = ""


@dataclass(slots=True, kw_only=True)
class _Question:
    """One call on its way. `answer` is set by its thread."""

    account: GatewayAccount
    gateway: TellsChannels
    at: datetime
    answer: Told | None = field(default=None, init=False)

    def ask(self) -> None:
        """In a thread of its own: ask, and keep what came of it."""
        try:
            self.answer = self._answer()
        finally:
            connections.close_all()  # this thread's own, should the breaker have looked something up
        try:
            cache.set(_key(self.account), self.answer, FRESH_SECONDS)
        except RedisError:
            log.warning("cache_unavailable", key=_key(self.account))

    def _answer(self) -> Told:
        try:
            with http.at_most(CALL_SECONDS):
                states = self.gateway.channel_status(at=self.at)
        except GatewayError as error:
            log.warning("channel_status_unknown", account=self.account.code, code=error.code)
            verdict = Verdict.SILENT if error.code in _SILENCE else Verdict.NO_LIST
            return _told(self.account, verdict, self.at, code=error.code[:40])
        return _told(self.account, Verdict.TOLD, self.at, states)


def of_enabled_accounts(*, at: datetime) -> tuple[Told, ...]:
    """What is known of every enabled account that can be asked, by its code. Waits three seconds at most, for all of
    them together. Outside any transaction."""
    rows = GatewayAccount.objects.filter(is_enabled=True, gateway__in=TELLING).order_by("code")
    found = [_known_or_asked(account, at=at) for account in rows]
    ends = time.monotonic() + PAGE_SECONDS
    asked = [(one, _begun(one)) for one in found if isinstance(one, _Question)]
    for _, thread in asked:
        thread.join(max(ends - time.monotonic(), 0.0))
    return tuple(
        one if isinstance(one, Told) else one.answer or _told(one.account, Verdict.WAITING, at) for one in found
    )


def _known_or_asked(account: GatewayAccount, *, at: datetime) -> Told | _Question:
    """What was heard in the last ten minutes; whoever is first after that has the question to ask."""
    try:
        gateway = accounts.adapter_of(account)
    except (CannotDecrypt, GatewayError, ValueError):
        return _told(account, Verdict.UNUSABLE, at)
    assert isinstance(gateway, TellsChannels), "only those are looked at"
    turn = f"{_key(account)}:turn"
    try:
        if cache.add(turn, at, FRESH_SECONDS):
            return _Question(account=account, gateway=gateway, at=at)
        known = cache.get(_key(account))
        return known if isinstance(known, Told) else _told(account, Verdict.WAITING, cache.get(turn) or at)
    except RedisError:
        log.warning("cache_unavailable", key=turn)
        return _told(account, Verdict.UNASKED, at)


def _begun(question: _Question) -> threading.Thread:
    thread = threading.Thread(target=question.ask, name=f"channel-status-{question.account.code}", daemon=True)
    thread.start()
    return thread


def _told(
    account: GatewayAccount, verdict: Verdict, asked_at: datetime, states: tuple[ChannelState, ...] = (), code: str = ""
) -> Told:
    return Told(
        account=account.code, gateway=account.gateway, verdict=verdict, asked_at=asked_at, states=states, code=code
    )


def _key(account: GatewayAccount) -> str:
    return f"channel-status:{account.pk}"
