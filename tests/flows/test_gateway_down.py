"""One gateway hangs under load: the others' payments go on as before, nothing is charged twice, and what nobody knew is
known soon after it is back. With real processes, and a wire to the gateway that swallows what it is told to.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings

from gateways.sandbox.zalopay.simulator import PUBLISHED as ZALOPAY
from tests.flows.stack import Stack

SILENT, WELL = "momo", "zalopay"
BEFORE_SECONDS: Final = 20.0
OUTAGE_SECONDS: Final = 60.0
PER_SECOND: Final = 4.0
"""Payments of each gateway that begin in a second."""
RESOLVED_WITHIN_SECONDS: Final = 300.0
SLOWER_AT_MOST: Final = 1.5
"""What the others' 95th percentile may grow by; on a machine that does nothing else."""


class Wire:
    """A TCP proxy before the gateway. While it is `dead` it takes everything, hands on every second request, and brings
    no answer back: half of what was sent has arrived and half has not.
    """

    def __init__(self) -> None:
        self.target, self.dead = ("127.0.0.1", 0), False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._numbers = itertools.count()
        threading.Thread(target=self._serve, daemon=True).start()

    def lead_to(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = (str(parts.hostname), int(parts.port or 80))

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            for source, sink, is_request in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pump, args=(source, sink, is_request), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_request: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.dead and (not is_request or next(self._numbers) % 2):
                    continue
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Tally:
    """What callers saw of one gateway in one span."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def p95(self) -> float:
        return sorted(self.seconds)[int(0.95 * len(self.seconds))]

    @property
    def good(self) -> float:
        return self.statuses[201] / sum(self.statuses.values())


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, wire: Wire) -> Iterator[Stack]:
    """The whole product, whose wire to one of its gateways is ours."""

    def more(sandbox: str) -> dict[str, str]:
        wire.lead_to(sandbox)
        app_id, key1, key2 = ZALOPAY[0]
        return {
            "ENDPOINT_MOMO": wire.url, "ZALOPAY_APP_ID": app_id, "ZALOPAY_KEY1": key1, "ZALOPAY_KEY2": key2,
            "ZALOPAY_ENDPOINT": sandbox,
        }  # fmt: skip

    running = Stack.begin(tmp_path_factory.mktemp("down"), kafka_brokers=settings.KAFKA_BROKERS, more=more)
    yield running
    running.end()


def order(stack: Stack, method: str, number: int) -> dict[str, str]:
    order_id = f"GD-{stack.run}-{method}-{number}"
    return {
        "order_id": order_id, "amount": "100000", "currency": "VND", "customer_id": "customer-1", "payment_method": method,
    }  # fmt: skip


def load(stack: Stack, seconds: float, numbers: Iterator[int]) -> dict[str, Tally]:
    """Payments by both gateways at a steady rate, whatever becomes of those before."""
    tallies, lock = {SILENT: Tally(), WELL: Tally()}, threading.Lock()

    def open_one(method: str, number: int) -> None:
        headers = {"Authorization": f"Bearer {stack.token}", "Idempotency-Key": f"{stack.run}-{method}-{number}"}
        began = time.monotonic()
        answer = requests.post(
            f"{stack.url}/v1/payment/init", json=order(stack, method, number), headers=headers, timeout=60
        )
        with lock:
            tallies[method].statuses[answer.status_code] += 1
            tallies[method].seconds.append(time.monotonic() - began)

    began = time.monotonic()
    with ThreadPoolExecutor(200) as crew:
        for step in range(int(seconds * PER_SECOND)):
            time.sleep(max(0.0, began + step / PER_SECOND - time.monotonic()))
            number = next(numbers)
            for method in (SILENT, WELL):
                crew.submit(open_one, method, number)
    return tallies


def pay_all(stack: Stack) -> None:
    """Every customer who can pays, once."""
    for row in stack.rows("SELECT gateway_reference FROM payments_attempt WHERE status = 'requires_action'"):
        answer = requests.post(
            f"{stack.sandbox.url}/control/payments/{row['gateway_reference']}/pay", json={}, timeout=30
        )
        assert answer.ok, answer.text
    stack.hear()


@pytest.mark.soak
@pytest.mark.alone
def test_a_gateway_that_hangs_harms_nobody_else_and_is_used_again_when_it_is_back(market: Stack, wire: Wire) -> None:
    numbers = itertools.count()
    load(market, 5, numbers)  # connections and caches
    before = load(market, BEFORE_SECONDS, numbers)
    assert (before[SILENT].good, before[WELL].good) == (1.0, 1.0)

    wire.dead = True
    during = load(market, OUTAGE_SECONDS, numbers)
    wire.dead = False
    back_at = time.monotonic()

    assert during[WELL].good >= 0.999, during[WELL].statuses
    assert during[WELL].p95 <= SLOWER_AT_MOST * before[WELL].p95, (before[WELL].p95, during[WELL].p95)
    assert set(during[SILENT].statuses) <= {503, 504}, during[SILENT].statuses
    assert during[SILENT].statuses[503] > 3 * during[SILENT].statuses[504]  # most were spared the waiting
    assert market.rows("SELECT 1 FROM payments_attempt WHERE status = 'unknown'")

    while market.rows("SELECT 1 FROM payments_attempt WHERE status IN ('unknown', 'sent')"):
        assert time.monotonic() - back_at < RESOLVED_WITHIN_SECONDS, "what became of some attempts is still unknown"
        market.sweep()
        time.sleep(5)
    after = load(market, 5, numbers)
    assert (after[SILENT].good, after[WELL].good) == (1.0, 1.0)

    pay_all(market)
    market.settle()
    paid = market.rows(
        "SELECT count(*) AS n, sum(captured_minor) AS minor FROM payments_payment WHERE status = 'succeeded'"
    )
    took = [one for one in market.sandbox.app.sandbox.world.payments.values() if one.transactions]
    assert (paid[0]["n"], paid[0]["minor"]) == (len(took), 100_000 * len(took))
    assert all(len(one.transactions) == 1 for one in took)
    assert not market.rows("SELECT 1 FROM payments_capture GROUP BY payment_id HAVING count(*) > 1")
    assert not market.rows("SELECT 1 FROM payments_moneycase")
    assert market.ask_worker("prove") == []
