"""`manage.py relay_events`: carry the outbox to Kafka, for ever or once."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from dataclasses import asdict
from typing import Any, Final

import structlog
from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from config.core import deadletters, jobs, kafka, relay

JOB: Final = "relay_events"
POLL_SECONDS: Final = 0.2
MIRROR_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 5.0
ALREADY_RUNNING: Final = 5
PARTIAL: Final = 6

log = structlog.get_logger(__name__)


class Relaying:
    """The loop: polls, goes on at once while there is more, comes back after an outage of PostgreSQL or Kafka."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.producer = kafka.producer()
        self.total = relay.RelayResult()
        self.troubles = 0
        self.since_heartbeat = 0
        self.next_mirror = self.next_heartbeat = 0.0

    def run(self) -> relay.RelayResult:
        """Until the stop is set; the batch at hand is finished first."""
        while not self.stop.is_set():
            try:
                pause = self._turn()
            except (OperationalError, InterfaceError) as error:  # PostgreSQL restarts: a new connection, a little later
                log.warning("relay lost the database", error=str(error).strip())
                connection.close()
                pause = self._longer_pause()
            self.stop.wait(pause)
        return self.total

    def _turn(self) -> float:
        result = relay.relay(producer=self.producer, at=timezone.now())
        self.total.add(result)
        self.since_heartbeat += result.published
        if result.producer_is_broken:
            self.producer = kafka.producer()
        if result.outage:
            log.warning("relay lost the brokers", error=result.outage)
            return self._longer_pause()
        self.troubles = 0
        self._now_and_then()
        return 0.0 if result.is_full else POLL_SECONDS

    def _now_and_then(self) -> None:
        now = time.monotonic()
        if now >= self.next_mirror:
            self.next_mirror = now + MIRROR_SECONDS
            deadletters.mirror(producer=self.producer, at=timezone.now())
        if now >= self.next_heartbeat:
            self.next_heartbeat = now + HEARTBEAT_SECONDS
            with jobs.running(JOB) as run:
                run.handled, self.since_heartbeat = self.since_heartbeat, 0

    def _longer_pause(self) -> float:
        self.troubles += 1
        return min(LONGEST_PAUSE_SECONDS, POLL_SECONDS * float(1 << min(self.troubles, 10)))


class Command(BaseCommand):
    help = (
        "Carries the outbox to Kafka until it is told to stop (SIGTERM finishes the batch at hand). Several may run: "
        "one works, the others stand by. With --once: 0 all told, 5 another relay is at work, 6 some could not be told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="carry what is due, then end")
        parser.add_argument("--json", action="store_true", help="print the totals as JSON at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            result, code = self._once()
        else:
            result, code = self._for_ever(), 0
        if options["json"]:
            self.stdout.write(json.dumps(asdict(result)))
        else:
            self.stdout.write(
                f"{result.published} published, {result.refused} refused, {result.parked} given up"
                + (f"; the brokers are away: {result.outage}" if result.outage else "")
            )
        if code:
            sys.exit(code)

    def _for_ever(self) -> relay.RelayResult:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if self.stderr.isatty():
            self.stderr.write(f"Relaying to {settings.KAFKA_BROKERS}. Ctrl-C ends it.")
        return Relaying(stop).run()

    def _once(self) -> tuple[relay.RelayResult, int]:
        try:
            with jobs.running(JOB) as run:
                result = relay.drain(producer=kafka.producer(), at=timezone.now())
                run.handled = result.published
        except KafkaException as error:
            return relay.RelayResult(outage=str(error)), PARTIAL
        if result.is_running_elsewhere:
            return result, ALREADY_RUNNING
        return result, PARTIAL if result.outage or result.refused or result.parked or result.unheard else 0
