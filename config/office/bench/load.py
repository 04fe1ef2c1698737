"""Callers over HTTP: requests made beforehand, sent on connections that stay open, every answer timed."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from config.office.bench.errors import BenchRefused
from config.office.bench.result import Measured

TIMEOUT_SECONDS: Final = 30.0
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


def post(path: str, body: bytes, *, token: str = "", host: str = "127.0.0.1") -> bytes:
    """A POST of JSON, as bytes on the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return head.encode() + b"\r\n" + body


class Connection:
    """One kept-alive connection. Reads what our own server writes: a length, or an answer without a body."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._kept = b""

    def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer. Raises BenchRefused when the server hangs up."""
        self._socket.sendall(request)
        while b"\r\n\r\n" not in self._kept:
            self._kept += self._more()
        head, _, rest = self._kept.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        while len(rest) < length:
            rest += self._more()
        self._kept = rest[length:]
        return Answer(int(head.split(b" ", 2)[1]), rest[:length])

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _more(self) -> bytes:
        received = self._socket.recv(65_536)
        if not received:
            raise BenchRefused("The web process hung up in the middle of an answer.")
        return received


def closed_loop(
    requests: Iterator[bytes], *, port: int, clients: int, seconds: float, app: Clock, server: Clock
) -> Measured:
    """Clients that send the next request when the last was answered, for some seconds or until there are none left."""
    queue, lock = requests, threading.Lock()

    def next_one() -> tuple[bytes, float] | None:
        with lock:
            request = next(queue, None)
        return None if request is None else (request, time.perf_counter())

    return _drive(next_one, port=port, clients=clients, seconds=seconds, app=app, server=server)


def open_loop(
    requests: Iterator[bytes], *, port: int, rate: float, clients: int, seconds: float, app: Clock, server: Clock
) -> Measured:
    """Requests at fixed moments, however slow the answers: latency counts from the moment it should have been sent."""
    lock, began, turns = threading.Lock(), time.perf_counter(), itertools.count()

    def next_one() -> tuple[bytes, float] | None:
        with lock:
            due = began + next(turns) / rate
            request = next(requests, None) if due - began < seconds else None
        if request is None:
            return None
        time.sleep(max(due - time.perf_counter(), 0))
        return request, due

    return _drive(next_one, port=port, clients=clients, seconds=2 * seconds, app=app, server=server)


def _drive(
    next_one: Callable[[], tuple[bytes, float] | None],
    *,
    port: int,
    clients: int,
    seconds: float,
    app: Clock,
    server: Clock,
) -> Measured:
    latencies: list[float] = []
    failed: list[int | str] = []
    began = time.perf_counter()

    def client() -> None:
        connection = Connection(port)
        try:
            while time.perf_counter() - began < seconds and (turn := next_one()):
                request, due = turn
                answer = connection.ask(request)
                if 200 <= answer.status < 300:
                    latencies.append(1000 * (time.perf_counter() - due))
                else:
                    failed.append(answer.status)
        except (OSError, BenchRefused) as error:
            failed.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    app_before, server_before = app(), server()
    began = time.perf_counter()
    crew = [threading.Thread(target=client) for _ in range(clients)]
    _all(crew)
    took = time.perf_counter() - began
    return Measured(
        operations=len(latencies),
        seconds=took,
        app_cpu=app() - app_before,
        server_cpu=server() - server_before,
        latencies_ms=tuple(latencies),
        failed=len(failed),
    )


def _all(crew: Sequence[threading.Thread]) -> None:
    for one in crew:
        one.start()
    for one in crew:
        one.join()
