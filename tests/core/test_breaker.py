"""A breaker that all processes share: when it opens, whom it lets through, how it comes back, and that it never blocks."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from typing import Any

import pytest

from config.core import breaker
from config.core.breaker import Policy, RedisAway, Say, State

QUICK = Policy(open_seconds=0.3, probe_seconds=0.4, consecutive=5, min_calls=10, failure_percent=50)
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    breaker.forget()
    yield
    breaker.forget()


def call(ok: bool, *, name: str = "momo", policy: Policy = QUICK, seconds: float = 0.1) -> Say:
    """One call from begin to end; what was said at its end, or at its refusal."""
    number, say = breaker.admit(name, policy=policy)
    return breaker.note(name, number, ok=ok, seconds=seconds, policy=policy) if say.admitted else say


def state(name: str = "momo", policy: Policy = QUICK) -> State:
    return breaker.look([name], policy=policy)[name].state


def open_it(name: str = "momo") -> None:
    for _ in range(5):
        call(False, name=name)
    assert state(name) is State.OPEN


def test_five_failures_in_a_row_open_it_and_four_do_not() -> None:
    says = [call(False) for _ in range(4)]
    assert (state(), [say.moved for say in says]) == (State.CLOSED, [None] * 4)

    assert call(False).moved is State.OPEN

    refused = call(True)
    assert (refused.admitted, refused.state, refused.moved) == (False, State.OPEN, None)
    assert 0 < refused.wait <= 0.3


def test_a_success_between_begins_the_count_anew() -> None:
    for ok in (False, False, False, False, True, False, False, False, False):
        call(ok)

    assert state() is State.CLOSED


def test_half_of_enough_calls_open_it_though_never_five_in_a_row() -> None:
    says = [call(ok) for ok in (False, True) * 4]
    assert state() is State.CLOSED  # too few to tell

    says += [call(ok) for ok in (True, False, False)]

    assert [say.moved for say in says][-3:] == [None, State.OPEN, None]


def test_what_failed_before_the_window_is_forgotten() -> None:
    policy = Policy(window_seconds=0.3, min_calls=4, failure_percent=50, consecutive=100)
    for _ in range(3):
        call(False, policy=policy)
    time.sleep(0.45)
    for _ in range(3):
        call(True, policy=policy)

    assert call(False, policy=policy).state is State.CLOSED


def test_one_probe_goes_through_and_a_success_closes() -> None:
    open_it()
    time.sleep(0.35)
    assert state() is State.HALF_OPEN

    number, first = breaker.admit("momo", policy=QUICK)
    _, second = breaker.admit("momo", policy=QUICK)
    assert (first.admitted, first.moved, second.admitted) == (True, State.HALF_OPEN, False)

    assert breaker.note("momo", number, ok=True, seconds=0.1, policy=QUICK).moved is State.CLOSED
    assert [call(True).admitted for _ in range(3)] == [True] * 3


def test_a_probe_that_fails_opens_it_again() -> None:
    open_it()
    time.sleep(0.35)

    assert call(False).moved is State.OPEN
    assert call(True).admitted is False


def test_a_probe_that_never_ends_makes_way_for_the_next_and_its_late_end_counts_nothing() -> None:
    open_it()
    time.sleep(0.35)
    lost, first = breaker.admit("momo", policy=QUICK)
    time.sleep(0.45)
    number, second = breaker.admit("momo", policy=QUICK)
    assert (first.admitted, second.admitted) == (True, True)

    assert breaker.note("momo", lost, ok=False, seconds=0.5, policy=QUICK).moved is None
    assert breaker.note("momo", number, ok=True, seconds=0.1, policy=QUICK).moved is State.CLOSED


def test_calls_that_wait_for_an_answer_open_it_before_they_end() -> None:
    policy = Policy(waiting_seconds=0.2, waiting_calls=3)
    for _ in range(3):
        assert breaker.admit("momo", policy=policy)[1].admitted
    time.sleep(0.25)

    say = breaker.admit("momo", policy=policy)[1]

    assert (say.admitted, say.moved) == (False, State.OPEN)


def test_a_slow_gateway_that_answers_somebody_stays_closed() -> None:
    policy = Policy(waiting_seconds=0.2, waiting_calls=3)
    for _ in range(3):
        breaker.admit("momo", policy=policy)
    time.sleep(0.25)
    number, _ = breaker.admit("other", policy=policy)
    breaker.note("momo", number, ok=True, seconds=0.1, policy=policy)

    assert breaker.admit("momo", policy=policy)[1].admitted is True


def test_breakers_do_not_know_each_other() -> None:
    open_it("momo")

    assert call(True, name="vnpay").admitted is True


def test_forced_open_refuses_and_forced_closed_lets_through_until_it_ends() -> None:
    breaker.force("momo", State.OPEN, seconds=0.3)
    refused = call(True)
    assert (refused.admitted, refused.forced, 0 < refused.wait <= 0.3) == (False, State.OPEN, True)
    time.sleep(0.35)
    assert call(True).admitted is True

    open_it()
    breaker.force("momo", State.CLOSED, seconds=60)
    assert call(False).admitted is True
    breaker.force("momo", None, seconds=0)
    assert call(True).admitted is False


def test_a_recovery_is_told_once() -> None:
    assert breaker.take_recovery("momo") is False
    open_it()
    time.sleep(0.35)
    call(True)

    assert [breaker.take_recovery("momo") for _ in range(2)] == [True, False]


def test_answers_and_their_times_are_counted() -> None:
    for seconds in (0.04, 0.04, 0.04, 0.9):
        call(True, seconds=seconds)
    call(False, seconds=3.0)

    found = breaker.look(["momo"], policy=QUICK)["momo"]

    assert (found.ok, found.failed, found.success) == (4, 1, 0.8)
    assert found.latencies == {0.05: 3, 1.0: 1, 3.0: 1}
    assert 0.0 < (found.percentile(0.5) or 0) <= 0.05
    assert 2.0 < (found.percentile(0.95) or 0) <= 3.0
    assert breaker.look(["never"], policy=QUICK)["never"].percentile(0.95) is None


def test_without_redis_everybody_is_told_so_at_once(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": NOWHERE}}
    breaker.forget()

    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(RedisAway):
            breaker.admit("momo", policy=QUICK)

    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("odd", [{"consecutive": 0}, {"open_seconds": -1}, {"window_seconds": "x"}])
def test_an_odd_policy_is_refused_by_name(odd: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(odd))):
        Policy(**odd)


def _fail_once(_: int) -> bool:
    return call(False).admitted


def test_failures_of_different_processes_add_up() -> None:
    with multiprocessing.get_context("fork").Pool(3, initializer=breaker.forget) as crew:
        assert crew.map(_fail_once, range(5), chunksize=1) == [True] * 5

    assert state() is State.OPEN
