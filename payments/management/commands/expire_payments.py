"""`manage.py expire_payments`: ask about silent attempts, then end payments whose time is over."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from payments import tasks


class Command(BaseCommand):
    help = "Asks gateways about attempts that stayed silent, then ends overdue payments. Safe beside beat. 0 when done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the totals as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        asked, ended = tasks.ask_due(), tasks.expire_overdue()
        if options["json"]:
            self.stdout.write(json.dumps({"asked": asked, "ended": ended}))
        else:
            self.stdout.write(f"{asked} attempts asked about, {ended} payments ended")
