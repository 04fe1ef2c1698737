"""A gateway that hangs holds so many threads of a process, and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from config.core import breaker
from config.core.breaker import State
from gateways.sandbox.faults import Fault
from payments.services import breakers, bulkhead, gateway_watch
from payments.services.gateway_watch import Verdict

pytestmark = pytest.mark.django_db(transaction=True)


def in_threads(count: int, work: Any) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Two calls are under way until this is set."""
    let_go, inside = threading.Event(), threading.Barrier(3)

    def call() -> None:
        assert bulkhead.enter("momo", limit=2)
        inside.wait(5)
        let_go.wait(10)
        bulkhead.leave("momo")

    threads = in_threads(2, call)
    inside.wait(5)
    yield let_go
    let_go.set()
    for thread in threads:
        thread.join()


def test_there_are_so_many_places_and_each_gateway_has_its_own(held: threading.Event) -> None:
    began = time.monotonic()
    assert bulkhead.enter("momo", limit=2) is False
    assert 0.4 < time.monotonic() - began < 1.5
    assert bulkhead.enter("vnpay", limit=2) is True
    bulkhead.leave("vnpay")


def test_who_waits_gets_the_place_that_is_given_back(held: threading.Event) -> None:
    threading.Timer(0.1, held.set).start()

    assert bulkhead.enter("momo", limit=2) is True
    bulkhead.leave("momo")


def test_nobody_waits_for_calls_that_are_stuck(held: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulkhead, "STUCK_SECONDS", 0.0)
    began = time.monotonic()

    assert bulkhead.enter("momo", limit=2) is False
    assert time.monotonic() - began < 0.2


def test_a_place_comes_back_however_a_call_ends(momo_account: Any, momo: Any, at: Any, settings: Any) -> None:
    settings.GATEWAY_CALLS_PER_PROCESS = 1
    for fault in (Fault.ERROR_500, Fault.HTML_200):
        momo.fault(fault)
        gateway_watch.ask(momo_account, at=at)
    breaker.force("momo", State.OPEN, seconds=60)
    assert gateway_watch.ask(momo_account, at=at).verdict is Verdict.SILENT
    breaker.force("momo", None, seconds=0)

    assert gateway_watch.ask(momo_account, at=at).verdict is Verdict.FINE


def test_calls_that_hang_open_the_breaker_though_no_further_call_gets_through(
    momo_account: Any, momo: Any, at: Any, settings: Any
) -> None:
    settings.GATEWAY_CALLS_PER_PROCESS = 2
    settings.GATEWAY_BREAKER = {"waiting_calls": 2, "waiting_seconds": 0.5}
    breaker.forget()
    momo.fault(Fault.ACCEPT_THEN_TIMEOUT, scope="always", seconds=4)
    threads = in_threads(2, lambda: gateway_watch.ask(momo_account, at=at, limit_seconds=3))
    time.sleep(1.0)
    assert breakers.look({"momo"})["momo"].state is State.CLOSED

    with pytest.raises(Exception, match="too many calls wait"):
        breakers.admit("momo", "query")

    assert breakers.look({"momo"})["momo"].state is State.OPEN
    for thread in threads:
        thread.join()
