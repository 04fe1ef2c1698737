"""Carries notifications to the merchants: in order, with retries, and counting what is still on its way."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from gateways.sandbox.state import World

TIMEOUT_SECONDS = (3.0, 15.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One notification, ready to go. `kind` says in the log what it truly is (genuine, forged, ...)."""

    provider: str
    order: str
    url: str
    body: bytes
    kind: str = "genuine"
    method: str = "POST"  # with GET everything is in the url
    headers: Mapping[str, str] = field(default_factory=dict)
    is_taken: Callable[[int, bytes], bool] = lambda status, body: 200 <= status < 300
    """Whether an answer (HTTP status, body) ends the provider's tries."""
    sign: Callable[[bytes], Mapping[str, str]] | None = None  # headers that are made anew for every try


class Courier:
    """A few threads that deliver parcels; what is not taken is brought again after each of `retry_delays`."""

    def __init__(self, world: World, *, retry_delays: Sequence[float], threads: int = 8) -> None:
        self.retry_delays = tuple(retry_delays)
        self.deliver_to = ""  # scheme and host of a merchant that has moved: addresses registered long ago lead there
        self._world = world
        self._sessions = threading.local()
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="sandbox-ipn")
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._open = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="sandbox-clock", daemon=True)
        self._thread.start()

    def send(self, parcels: Sequence[Parcel], *, after_seconds: float = 0.0) -> None:
        """Deliver these one after the other, soon; returns at once."""
        self._at(after_seconds, lambda: self._deliver_all(parcels))

    def deliver_now(self, parcels: Sequence[Parcel]) -> list[int]:
        """Deliver these one after the other and wait. Returns the HTTP statuses; 0 is no answer."""
        return [self._deliver(parcel, tried=len(self.retry_delays)) for parcel in parcels]

    def drain(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until nothing is on its way or waiting for a retry. False if time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, timeout_seconds)

    def stop(self) -> None:
        """Deliver nothing more."""
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._changed.notify_all()
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _at(self, seconds: float, job: Callable[[], None]) -> None:
        with self._changed:
            self._open += 1
            heapq.heappush(self._queue, (time.monotonic() + seconds, next(self._order), job))
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (not self._queue or self._queue[0][0] > time.monotonic()):
                    self._changed.wait(self._queue[0][0] - time.monotonic() if self._queue else None)
                if self._stopped:
                    return
                job = heapq.heappop(self._queue)[2]
            self._pool.submit(self._work, job)

    def _work(self, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify_all()

    def _deliver_all(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            self._deliver(parcel, tried=0)

    def _deliver(self, parcel: Parcel, *, tried: int) -> int:
        status, error, is_taken = 0, "", False
        try:
            reply = self._session().request(
                parcel.method,
                self._address(parcel.url),
                data=parcel.body or None,
                headers={**parcel.headers, **(parcel.sign(parcel.body) if parcel.sign else {})},
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
            status = reply.status_code
            is_taken = parcel.is_taken(status, reply.content)
        except requests.RequestException as problem:
            error = type(problem).__name__
        self._world.record(
            "ipn",
            provider=parcel.provider,
            order=parcel.order,
            kind=parcel.kind,
            status=status,
            error=error,
            tried=tried + 1,
        )
        if not is_taken and tried < len(self.retry_delays) and not self._stopped:
            self._at(self.retry_delays[tried], lambda: void(self._deliver(parcel, tried=tried + 1)))
        return status

    def _address(self, url: str) -> str:
        parts = urlsplit(url)
        return url.replace(f"{parts.scheme}://{parts.netloc}", self.deliver_to, 1) if self.deliver_to else url

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._sessions, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.headers["User-Agent"] = "reckoner-sandbox"
            self._sessions.session = session
        return session


def void(_: object) -> None:
    """Drop a result."""
