"""Carries notifications to the merchants: in order, again as each provider would, counting what is on its way."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

import requests

from gateways.sandbox.delivery import Delivery, DeliveryState, Parcel
from gateways.sandbox.state import World

CONNECT_SECONDS: Final = 3.0
PACE: Final = 1440.0
"""A provider's day passes in a minute here."""
REMEMBERED: Final = 500


class Courier:
    """A few threads that deliver parcels; what is not taken is brought again by its provider's timetable.

    The timetable's pauses are divided by `pace`; the time to wait for an answer is not, as no merchant answers faster
    for it. `retry_delays` are pauses in true seconds, instead of every provider's own.
    """

    def __init__(
        self, world: World, *, pace: float = PACE, retry_delays: Sequence[float] | None = None, threads: int = 8
    ) -> None:
        self.retry_delays = None if retry_delays is None else tuple(retry_delays)
        self.deliver_to = ""  # scheme and host of a merchant that has moved: addresses registered long ago lead there
        self._pace = pace
        self._world = world
        self._sessions = threading.local()
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="sandbox-ipn")
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, Callable[[], None], Delivery | None]] = []
        self._order = itertools.count(1)
        self._deliveries: deque[Delivery] = deque(maxlen=REMEMBERED)
        self._open = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="sandbox-clock", daemon=True)
        self._thread.start()

    @property
    def pace(self) -> float:
        """How many seconds of a provider pass in one of ours."""
        return self._pace

    def change_pace(self, pace: float) -> None:
        """Go on at this pace; what waits for its next try waits that much shorter or longer."""
        with self._changed:
            if self.retry_delays is None:
                now = time.monotonic()
                for _, _, _, delivery in self._queue:
                    if delivery is not None:
                        delivery.due = now + (delivery.due - now) * self._pace / pace
                self._queue = [(one[3].due if one[3] else one[0], *one[1:]) for one in self._queue]
                heapq.heapify(self._queue)
            self._pace = pace
            self._changed.notify_all()

    def send(self, parcels: Sequence[Parcel], *, after_seconds: float = 0.0) -> None:
        """Deliver these one after the other, soon; returns at once."""
        deliveries = [self._delivery(parcel, tries=1 + len(self.pauses(parcel))) for parcel in parcels]
        for one in deliveries:
            one.state, one.due = DeliveryState.WAITING, time.monotonic() + after_seconds
        self._at(time.monotonic() + after_seconds, lambda: self._try_all(deliveries))

    def deliver_now(self, parcels: Sequence[Parcel]) -> list[int]:
        """Deliver these one after the other, once, and wait. Returns the HTTP statuses; 0 is no answer."""
        return [self._try(self._delivery(parcel, tries=1)) for parcel in parcels]

    def messages(self) -> list[Delivery]:
        """The last ones sent, newest first."""
        with self._changed:
            return list(reversed(self._deliveries))

    def pauses(self, parcel: Parcel) -> tuple[float, ...]:
        """Seconds between the tries, as its provider counts them."""
        return parcel.timetable.pauses if self.retry_delays is None else self.retry_delays

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

    def _delivery(self, parcel: Parcel, *, tries: int) -> Delivery:
        made = Delivery(number=next(self._order), parcel=parcel, tries=tries)
        with self._changed:
            self._deliveries.append(made)
        return made

    def _at(self, due: float, job: Callable[[], None], repeated: Delivery | None = None) -> None:
        with self._changed:
            self._open += 1
            heapq.heappush(self._queue, (due, next(self._order), job, repeated))
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

    def _try_all(self, deliveries: Sequence[Delivery]) -> None:
        for one in deliveries:
            self._try(one)

    def _try(self, delivery: Delivery) -> int:
        """One try; the next one is put off to its time. Returns the HTTP status, 0 for no answer."""
        delivery.tried += 1
        delivery.state = DeliveryState.SENDING
        status, error, is_taken = self._bring(delivery)
        parcel, is_last = delivery.parcel, delivery.tried >= delivery.tries
        pause = None if is_taken or is_last else self.pauses(parcel)[delivery.tried - 1]
        self._world.record(
            "ipn", provider=parcel.provider, order=parcel.order, kind=parcel.kind, status=status, error=error,
            tried=delivery.tried, tries=delivery.tries, again_after_seconds=pause,
        )  # fmt: skip
        delivery.status, delivery.error = status, error
        if pause is None or self._stopped:
            delivery.state = DeliveryState.TAKEN if is_taken else DeliveryState.GIVEN_UP
        else:
            delivery.due = time.monotonic() + (pause / self._pace if self.retry_delays is None else pause)
            delivery.state = DeliveryState.WAITING
            self._at(delivery.due, lambda: void(self._try(delivery)), delivery)
        return status

    def _bring(self, delivery: Delivery) -> tuple[int, str, bool]:
        """HTTP status, what went wrong, and whether the merchant took it."""
        parcel, body = delivery.parcel, delivery.body()
        try:
            reply = self._session().request(
                parcel.method,
                self._address(parcel.url),
                data=body or None,
                headers={**parcel.headers, **(parcel.sign(body) if parcel.sign else {})},
                timeout=(CONNECT_SECONDS, parcel.timetable.answer_seconds),
                allow_redirects=False,
            )
        except requests.RequestException as problem:
            return 0, type(problem).__name__, False
        return reply.status_code, "", parcel.is_taken(reply.status_code, reply.content)

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
