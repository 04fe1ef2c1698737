"""`manage.py send_emails`: send the e-mails that are due."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from payments import tasks


class Command(BaseCommand):
    help = "Sends e-mails that are due, those whose last try failed included. Safe beside beat. 0 when done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the total as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        sent = tasks.send_emails()
        self.stdout.write(json.dumps({"sent": sent}) if options["json"] else f"{sent} e-mails sent")
