"""One limit for all processes, per client; payments go on without Redis, and guessing does not."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.test import Client

from config.core import ratelimit
from config.core.ratelimit import Rate

pytestmark = pytest.mark.django_db

ME = "/api/v1/me"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def slow(settings: Any) -> None:
    """Three at once, then one in ten seconds."""
    settings.RATE_LIMIT_PER_SECOND, settings.RATE_LIMIT_BURST = 0.1, 3


@pytest.fixture
def redis_away(settings: Any) -> Iterator[None]:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": NOWHERE}}
    ratelimit.forget()
    yield
    ratelimit.forget()


def statuses(client: Client, token: str, times: int, **headers: str) -> list[int]:
    return [client.get(ME, headers={"authorization": f"Bearer {token}", **headers}).status_code for _ in range(times)]


def test_a_client_gets_its_burst_and_then_a_time_to_wait(edge: Client, token: Callable[..., str], slow: None) -> None:
    assert statuses(edge, token(), 5) == [200, 200, 200, 429, 429]

    answer = edge.get(ME, headers={"authorization": f"Bearer {token()}"})
    assert (answer.json()["code"], answer.json()["retryable"]) == ("rate_limited", True)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "10"


def test_clients_do_not_use_up_each_others_limit(edge: Client, token: Callable[..., str], slow: None) -> None:
    assert statuses(edge, token(sub="a"), 4)[-1] == 429

    assert statuses(edge, token(sub="b"), 1) == [200]
    assert statuses(edge, token(typ="system", sub="orders"), 1) == [200]


def test_a_new_token_does_not_bring_a_new_limit(edge: Client, token: Callable[..., str], slow: None) -> None:
    now = int(time.time())

    assert [statuses(edge, token(exp=now + 100 + number), 1)[0] for number in range(4)] == [200, 200, 200, 429]


def test_strangers_are_counted_by_address_and_cannot_invent_one(edge: Client, slow: None, settings: Any) -> None:
    path = "/api/v1/letters"

    spoofed = [edge.get(path, headers={"x-forwarded-for": f"203.0.113.{number}"}).status_code for number in range(4)]
    settings.TRUSTED_PROXIES = 1
    behind = [edge.get(path, headers={"x-forwarded-for": f"9.9.9.9, 203.0.113.{n}"}).status_code for n in range(4)]
    invented = [edge.get(path, headers={"x-forwarded-for": f"8.8.8.{n}, 198.51.100.1"}).status_code for n in range(4)]

    assert spoofed == [200, 200, 200, 429]
    assert behind == [200, 200, 200, 200]
    assert invented == [200, 200, 200, 429]


def test_one_ipv6_customer_is_one_client() -> None:
    assert (
        ratelimit.network_of("2001:db8:1:2::a") == ratelimit.network_of("2001:db8:1:2:ffff::b") == "2001:db8:1:2::/64"
    )
    assert ratelimit.network_of("203.0.113.1") == "203.0.113.1"
    assert ratelimit.network_of(None) == "unknown"


def test_tokens_come_back_with_time(redis_client: redis.Redis) -> None:
    rate = Rate(per_second=50.0, burst=2)

    def take() -> float:
        return ratelimit.wait_seconds(scope="t", client="c", rate=rate)

    assert (take(), take()) == (0.0, 0.0)
    wait = take()
    assert 0.0 < wait <= 0.02
    time.sleep(wait + 0.005)
    assert take() == 0.0


def test_a_bucket_never_holds_more_than_its_burst_and_is_forgotten(redis_client: redis.Redis) -> None:
    rate = Rate(per_second=10.0, burst=2)
    ratelimit.wait_seconds(scope="t", client="c", rate=rate)

    assert 0 < redis_client.pttl("rl:t:c") <= 1200
    redis_client.hset("rl:t:c", mapping={"tokens": "1", "at": "0"})
    answers = [ratelimit.wait_seconds(scope="t", client="c", rate=rate) == 0.0 for _ in range(3)]
    assert answers == [True, True, False]


def test_a_clock_that_goes_back_gives_nothing_away_and_locks_nobody_out(redis_client: redis.Redis) -> None:
    redis_client.hset("rl:t:c", mapping={"tokens": "0", "at": str(int(time.time() * 1000) + 3_600_000)})

    assert ratelimit.wait_seconds(scope="t", client="c", rate=Rate(per_second=1.0, burst=2)) == 1.0


def test_scopes_have_rates_of_their_own(edge: Client, token: Callable[..., str], settings: Any) -> None:
    settings.RATE_LIMITS = {"otp": (0.2, 1)}
    header = {"authorization": f"Bearer {token()}"}

    assert [edge.get("/api/v1/guarded", headers=header).status_code for _ in range(2)] == [200, 429]
    assert edge.get(ME, headers=header).status_code == 200
    assert edge.get("/api/v1/guarded", headers=header).headers["Retry-After"] == "5"


def test_without_redis_payments_go_on_and_nobody_waits_for_it(
    edge: Client, token: Callable[..., str], slow: None, redis_away: None
) -> None:
    began = time.monotonic()

    assert statuses(edge, token(), 20) == [200] * 20
    assert time.monotonic() - began < 2.0


def test_without_redis_guessing_stops(edge: Client, token: Callable[..., str], redis_away: None) -> None:
    answer = edge.get("/api/v1/guarded", headers={"authorization": f"Bearer {token()}"})

    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_a_lost_redis_is_logged_once_a_minute(
    edge: Client, token: Callable[..., str], redis_away: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", logger="config.core.ratelimit"):
        for _ in range(3):
            statuses(edge, token(), 1)
            ratelimit._health.away_until = 0.0

    assert len([record for record in caplog.records if record.name == "config.core.ratelimit"]) == 1


def _hammer(seconds: float, accepted: Any) -> None:
    """In a process of its own: ask as fast as it goes."""
    ratelimit.forget()
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        wait = ratelimit.wait_seconds(scope="race", client="one", rate=Rate(per_second=100.0, burst=20))
        count += not wait
        if wait:
            time.sleep(0.001)
    accepted.put(count)


@pytest.mark.race
def test_two_processes_share_one_limit() -> None:
    fork = multiprocessing.get_context("fork")
    accepted: Any = fork.Queue()
    workers = [fork.Process(target=_hammer, args=(1.0, accepted)) for _ in range(2)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    counts = [accepted.get(timeout=20) for _ in workers]
    took = time.monotonic() - began
    for worker in workers:
        worker.join()

    assert min(counts) > 0
    assert 20 + 100 * 0.8 <= sum(counts) <= 20 + 100 * took + 1
