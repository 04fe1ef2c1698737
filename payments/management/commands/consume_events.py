"""`manage.py consume_events`: do what other services announce, for ever or once."""

from __future__ import annotations

import json
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core import kafka
from payments.consumer import WAIT_SECONDS, Consuming

PARTIAL = 6


class Command(BaseCommand):
    help = (
        "Reads order.created, order.cancelled, shop_order.cancelled and cod.collected until it is told to stop "
        "(SIGTERM finishes the messages at hand). Several may run: they share the partitions. "
        "With --once: reads to the end; 0 all handled, 6 some became dead letters or the brokers are away."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="read what is there, then end")
        parser.add_argument("--json", action="store_true", help="print the totals as JSON at the end")
        parser.add_argument("--workers", type=int, default=settings.KAFKA_CONSUMER_WORKERS, help="threads side by side")
        parser.add_argument(
            "--wait", type=float, default=WAIT_SECONDS, help="with --once: seconds to wait for the brokers"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["workers"] <= 64:
            raise CommandError("--workers must be between 1 and 64.", returncode=2)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if self.stderr.isatty():
            self.stderr.write(f"Consuming {', '.join(kafka.CONSUMED)} from {settings.KAFKA_BROKERS}. Ctrl-C ends it.")
        totals = Consuming(
            stop, workers=options["workers"], until_end=options["once"], wait_seconds=options["wait"]
        ).run()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(totals)))
        else:
            self.stdout.write(
                f"{totals.done} handled, {totals.ignored} ignored, {totals.buried} given up"
                + (f"; the brokers are away: {totals.outage}" if totals.outage else "")
            )
        if options["once"] and (totals.buried or totals.outage):
            sys.exit(PARTIAL)
