"""Fill an empty system with a marketplace to look at."""

from __future__ import annotations

import json
import random
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.management.base import BaseCommand, CommandError

from config.core import clock
from config.office.demo import doors, people, story
from payments import links
from payments.models import Payment
from payments.services import expiry, starters


class Command(BaseCommand):
    """Staff, shops, methods and thirty days of payments, made through the real API and the gateway sandbox."""

    help = "Fill an empty development system with demo data (staff, methods, about 200 payments in every state)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--empty", action="store_true", help="staff, accounts and methods only, no payments")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Refuses outside development; does the story once."""
        if settings.ENVIRONMENT not in ("development", "test"):
            raise CommandError(f"seed_demo makes demo data and refuses to run in {settings.ENVIRONMENT}.")
        people.ensure(settings.DEMO_STAFF)
        starters.ensure_methods()
        if not options["empty"] and not Payment.objects.exists():
            self._tell()
        facts = {"payments": Payment.objects.count(), "pay_page": self._pay_page(options["empty"])}
        self.stdout.write(
            json.dumps(facts) if options["json"] else f"{facts['payments']} payments; {facts['pay_page']}"
        )

    def _tell(self) -> None:
        with doors.opened(hears=True) as opened:
            story.tell(opened, on_scene=self._progress)
        cache.clear()  # Today keeps past days for a quarter of an hour, and this was the past
        expiry.ask_due(at=clock.now())

    def _pay_page(self, is_empty: bool) -> str:
        """The pay page of one open order, to try."""
        if is_empty:
            return ""
        order_id = f"DH-TRY-{clock.now():%y%m%d%H%M%S}"
        body = story.order_body(order_id, random.Random(1))  # noqa: S311 - a story, not a secret
        with doors.opened(hears=False) as opened:
            answer = opened.call("/v1/payment/init", {**body, "payment_method": "momo"})
        return links.pay_page(Payment.objects.get(id=answer["payment_id"]))

    def _progress(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r  {done}/{total} orders", ending="\n" if done == total else "")
