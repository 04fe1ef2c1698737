"""Several clients at once, each a process of its own: threads of one Python would wait for each other."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Final, NamedTuple

from django.db import connections

from config.office.bench.errors import BenchRefused
from config.office.bench.result import Measured
from config.office.bench.server import ServerClock

Job = Callable[[int], Callable[[], int]]
"""Given the client's number, makes what it does again and again; that returns how many operations it was."""
WARM_UP: Final = 20
PATIENCE_SECONDS: Final = 120.0


class _Told(NamedTuple):
    operations: int
    warm_up: int
    seconds: float
    cpu: float
    latencies_ms: list[float]
    error: str


def work(job: Job, *, clients: int, seconds: float, clock: ServerClock) -> Measured:
    """Let clients work for some seconds. Raises BenchRefused when one of them fails."""
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        close_pool = getattr(connection, "close_pool", None)
        if close_pool:
            close_pool()  # a pool's threads do not survive a fork
    context = multiprocessing.get_context("fork")
    start, told = context.Barrier(clients + 1), context.Queue()
    crew = [context.Process(target=_client, args=(job, number, seconds, start, told)) for number in range(clients)]
    for one in crew:
        one.start()
    try:
        start.wait(PATIENCE_SECONDS)
        before = clock.read()
        answers: list[_Told] = [told.get(timeout=seconds + PATIENCE_SECONDS) for _ in crew]
        server_cpu = clock.read() - before
    finally:
        for one in crew:
            one.join(5)
            one.kill()
    failed = [answer.error for answer in answers if answer.error]
    if failed:
        raise BenchRefused(f"A client failed: {failed[0]}")
    return Measured(
        operations=sum(answer.operations for answer in answers),
        seconds=max(answer.seconds for answer in answers),
        app_cpu=sum(answer.cpu for answer in answers),
        server_cpu=server_cpu,
        warm_up=sum(answer.warm_up for answer in answers),
        latencies_ms=tuple(latency for answer in answers for latency in answer.latencies_ms),
    )


def _client(job: Job, number: int, seconds: float, start: Barrier, told: Queue[_Told]) -> None:
    try:
        act = job(number)
        warm_up = sum(act() for _ in range(WARM_UP))  # plans are made once per session
        start.wait(PATIENCE_SECONDS)
        operations, latencies = 0, []
        cpu, began = time.process_time(), time.perf_counter()
        now = began
        while now - began < seconds:
            operations += act()
            done = time.perf_counter()
            latencies.append(1000 * (done - now))
            now = done
        told.put(_Told(operations, warm_up, now - began, time.process_time() - cpu, latencies, ""))
    except Exception as error:  # whatever a client dies of is told to the one who counts
        start.abort()
        told.put(_Told(0, 0, 0.0, 0.0, [], f"{type(error).__name__}: {error}"))
