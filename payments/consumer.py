"""The loop that reads Kafka: workers side by side, order per key, offsets committed after the work.

One thread talks to the brokers; each key belongs to one worker, over all topics, so that an order is created before it
is cancelled. An offset is committed when everything before it in its partition is done, so that a crash repeats
messages (each counts once) and loses none. A stop lets every worker finish the message at hand; what waits behind it
is read again by whoever comes next.
"""

from __future__ import annotations

import queue
import threading
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.utils import timezone

from config.core import jobs, kafka
from payments.services import consuming
from payments.services.consuming import Handled, Message

JOB: Final = "consume_events"
POLL_SECONDS: Final = 0.2
HEARTBEAT_SECONDS: Final = 30.0
DATABASE_PAUSE_SECONDS: Final = 1.0
REVOKE_SECONDS: Final = 10.0
IN_FLIGHT_PER_WORKER: Final = 50
SESSION_MS: Final = 10_000
"""A consumer that died keeps its partitions so long."""
WAIT_SECONDS: Final = 30.0
COMPLAIN_SECONDS: Final = 30.0

log = structlog.get_logger(__name__)
Place = tuple[str, int]


@dataclass(slots=True)
class Totals:
    """What a run came to."""

    done: int = 0
    ignored: int = 0
    buried: int = 0
    outage: str = ""


@dataclass(slots=True)
class Progress:
    """One partition: what was read and not yet committed, in order."""

    open: dict[int, bool] = field(default_factory=dict)  # offset -> is done; dicts keep their order
    committed: int = -1

    def finished(self) -> int | None:
        """The offset to commit: behind the last message before which nothing is open. None when there is no news."""
        last = None
        for offset, is_done in list(self.open.items()):
            if not is_done:
                break
            last = offset
            del self.open[offset]
        return None if last is None else last + 1


class Consuming:
    """Reads until it is told to stop, or with `until_end` until everything that was there is handled."""

    def __init__(
        self, stop: threading.Event, *, workers: int, until_end: bool = False, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        options: dict[str, Any] = {
            "topic.metadata.refresh.interval.ms": 5_000,
            "session.timeout.ms": SESSION_MS,
            **settings.KAFKA_OPTIONS,
        }
        if until_end:
            options["enable.partition.eof"] = True
        self.stop = stop
        self.until_end = until_end
        self.give_up_at = time.monotonic() + wait_seconds
        self.totals = Totals()
        self.consumer: Consumer = kafka.consumer(**options)
        self.progress: dict[Place, Progress] = {}
        self.ended: set[Place] = set()
        self.results: queue.SimpleQueue[tuple[Place, int, Handled | None]] = queue.SimpleQueue()
        self.inboxes: list[queue.SimpleQueue[Message | None]] = [queue.SimpleQueue() for _ in range(workers)]
        self.threads = [
            threading.Thread(target=self._work, args=(inbox,), name=f"consumer-{number}")
            for number, inbox in enumerate(self.inboxes)
        ]
        self.limit = workers * IN_FLIGHT_PER_WORKER
        self.is_paused = False
        self.handled_since_heartbeat = 0
        self.next_heartbeat = self.next_complaint = 0.0

    def run(self) -> Totals:
        """The loop. Never leaves a worker behind."""
        for thread in self.threads:
            thread.start()
        self.consumer.subscribe(list(kafka.CONSUMED), on_revoke=self._revoked, on_lost=self._lost)
        try:
            while not self.stop.is_set() and not self._is_at_end():
                self._turn()
        finally:
            self.stop.set()
            for inbox in self.inboxes:
                inbox.put(None)
            for thread in self.threads:
                thread.join()
            self._collect()
            self.consumer.close()
        return self.totals

    # --- The thread that talks to the brokers ------------------------------------------------------------------------
    def _turn(self) -> None:
        message = self.consumer.poll(POLL_SECONDS if not self._in_flight() else 0.02)
        if message is not None:
            self._take(message)
        self._collect()
        self._hold_back()
        self._heartbeat()

    def _take(self, message: KafkaMessage) -> None:
        error = message.error()
        if error is not None:
            self._complain(message, error)
            return
        place, offset = (message.topic(), message.partition()), message.offset()
        self.progress.setdefault(place, Progress()).open[offset] = False
        key = (message.key() or b"").decode("utf-8", "replace")
        worker = zlib.crc32((key or f"{place[0]}:{place[1]}").encode()) % len(self.inboxes)
        self.inboxes[worker].put(
            Message(topic=place[0], partition=place[1], offset=offset, key=key, value=message.value() or b"")
        )

    def _complain(self, message: KafkaMessage, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self.ended.add((message.topic(), message.partition()))
            return
        if error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # a topic that nobody has written to yet
            self.totals.outage = error.name()
        if time.monotonic() >= self.next_complaint:
            self.next_complaint = time.monotonic() + COMPLAIN_SECONDS
            log.warning("consumer_hears_nothing", error=error.name(), topic=message.topic() or "")

    def _collect(self) -> None:
        """Note what the workers have done, and commit as far as nothing is missing."""
        places = set()
        while not self.results.empty():
            place, offset, handled = self.results.get()
            progress = self.progress.get(place)
            if handled is None:
                continue
            self._count(handled)
            if progress is not None and offset in progress.open:
                progress.open[offset] = True
                places.add(place)
        self._commit(places)

    def _count(self, handled: Handled) -> None:
        self.handled_since_heartbeat += 1
        self.totals.outage = ""
        if handled is Handled.DONE:
            self.totals.done += 1
        elif handled is Handled.IGNORED:
            self.totals.ignored += 1
        else:
            self.totals.buried += 1

    def _commit(self, places: Iterable[Place]) -> None:
        offsets = []
        for place in places:
            offset = self.progress[place].finished()
            if offset is not None:
                offsets.append(TopicPartition(place[0], place[1], offset))
        if not offsets:
            return
        try:
            self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:  # the messages are done; reading them again changes nothing
            log.warning("offsets_not_committed", error=str(error))

    def _hold_back(self) -> None:
        """Read no more than the workers can hold, and go on polling so that the brokers know we live."""
        waiting = self._in_flight()
        if not self.is_paused and waiting >= self.limit:
            self.consumer.pause(self.consumer.assignment())
            self.is_paused = True
        elif self.is_paused and waiting <= self.limit // 2:
            self.consumer.resume(self.consumer.assignment())
            self.is_paused = False

    def _in_flight(self) -> int:
        return sum(len(progress.open) for progress in self.progress.values())

    def _is_at_end(self) -> bool:
        """With `until_end`: every partition of ours was read to its end, or there is nothing to hear."""
        if not self.until_end or self._in_flight():
            return False
        ours = {(one.topic, one.partition) for one in self.consumer.assignment()}
        if not ours and time.monotonic() > self.give_up_at:
            self.totals.outage = self.totals.outage or "no partitions were given to us in time"
            return True
        return bool(ours) and ours <= self.ended

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Another consumer takes over: finish what was begun there, commit, forget."""
        places = {(one.topic, one.partition) for one in partitions}
        until = time.monotonic() + REVOKE_SECONDS
        while (
            not self.stop.is_set()
            and time.monotonic() < until
            and any(self.progress[place].open for place in places & self.progress.keys())
        ):
            self._collect()
            time.sleep(0.02)
        self._lost(consumer, partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self.progress.pop((one.topic, one.partition), None)
            self.ended.discard((one.topic, one.partition))
        self.is_paused = False

    def _heartbeat(self) -> None:
        if time.monotonic() < self.next_heartbeat:
            return
        self.next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        try:
            with jobs.running(JOB) as run:
                run.handled, self.handled_since_heartbeat = self.handled_since_heartbeat, 0
        except (OperationalError, InterfaceError) as error:
            log.warning("consumer_lost_the_database", error=str(error).strip())
            connection.close()

    # --- The workers -------------------------------------------------------------------------------------------------
    def _work(self, inbox: queue.SimpleQueue[Message | None]) -> None:
        try:
            while True:
                message = inbox.get()
                if message is None or self.stop.is_set():
                    break
                handled = self._handle(message)
                self.results.put(((message.topic, message.partition), message.offset, handled))
        finally:
            connection.close()

    def _handle(self, message: Message) -> Handled | None:
        """Handle one message, however long PostgreSQL is away; None when a stop came first."""
        while not self.stop.is_set():
            try:
                return consuming.handle_or_bury(message, at=timezone.now, wait=self._wait)
            except (OperationalError, InterfaceError) as error:
                log.warning("consumer_lost_the_database", error=str(error).strip())
                connection.close()
                self.stop.wait(DATABASE_PAUSE_SECONDS)
            finally:
                close_old_connections()
        return None

    def _wait(self, pause: timedelta) -> bool:
        return not self.stop.wait(pause.total_seconds())
