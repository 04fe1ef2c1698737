"""`manage.py rotate_keys`: bring every encrypted value under the newest key."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core import crypto, rotation

BROKEN = 7


class Command(BaseCommand):
    help = (
        "Re-encrypts all encrypted columns under the first key of ENCRYPTION_KEYS, in batches, while everything runs. "
        "An older key may be dropped once a --dry-run finds nothing. Exit codes: 0 done, 7 a value does not open."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument("--json", action="store_true", help="print the tables as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        show = self._progress if self.stderr.isatty() else lambda at: None
        tables = []
        try:
            for table in rotation.rotate(dry_run=options["dry_run"], on_batch=show):
                tables.append(table)
                if not options["json"]:
                    verb = "to re-encrypt" if options["dry_run"] else "re-encrypted"
                    self.stdout.write(f"{table.table}: {table.rows} rows, {table.reencrypted} values {verb}")
        except crypto.CannotDecrypt as error:
            raise CommandError(f"{error.message} Nothing of its batch was changed.", returncode=BROKEN) from None
        if options["json"]:
            self.stdout.write(
                json.dumps({"key": crypto.newest_key_id(), "tables": [asdict(table) for table in tables]})
            )

    def _progress(self, at: rotation.Rotation) -> None:
        self.stderr.write(f"\r{at.table}: {at.rows} rows, {at.reencrypted} values", ending="")
