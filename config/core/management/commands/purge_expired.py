"""`manage.py purge_expired`: take away what is older than its retention policy allows."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from config.core import clock, jobs
from config.core.retention import overdue, purge
from config.core.retention.models import RetentionRun
from config.core.retention.purge import Purged
from config.core.retention.registry import UnknownPolicy

USAGE: Final = 2
UNDERWAY: Final = 5
PARTIAL: Final = 6


class Command(BaseCommand):
    help = (
        "Deletes or empties what is older than its retention policy allows, in small transactions, while everything "
        "runs; what is left over goes next time. Policies are changed in the admin. Exit codes: 0 done (or counted), "
        "5 another run is at work, 6 a policy failed or its time was over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this policy; may be repeated")
        parser.add_argument("--json", action="store_true", help="print the policies as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        only: list[str] = options["only"]
        try:
            found = purge.dry_run(at=clock.now(), only=only) if options["dry_run"] else self._purge(only)
        except UnknownPolicy as error:
            raise CommandError(error.message, returncode=USAGE) from None
        except purge.PurgeUnderway as error:
            raise CommandError(error.message, returncode=UNDERWAY) from None
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in found], cls=DjangoJSONEncoder))
        else:
            for one in found:
                self.stdout.write(_line(one))
        left = [
            one.policy for one in found if one.outcome in (RetentionRun.Outcome.FAILED, RetentionRun.Outcome.CUT_SHORT)
        ]
        if left:
            raise CommandError(f"Not finished: {', '.join(left)}.", returncode=PARTIAL)

    def _purge(self, only: list[str]) -> list[Purged]:
        show = self._progress if self.stderr.isatty() else lambda name, rows: None
        if only:
            return purge.purge(at=clock.now(), only=only, actor="system:purge_expired", on_batch=show)
        with jobs.running(overdue.JOB) as run:
            found = purge.purge(at=clock.now(), actor="system:purge_expired", on_batch=show)
            run.handled = sum(one.rows for one in found)
        return found

    def _progress(self, name: str, rows: int) -> None:
        self.stderr.write(f"\r\033[K{name}: {rows} rows", ending="")


def _line(one: Purged) -> str:
    if one.days is None:
        return f"{one.policy}: kept for ever"
    verb = "would go" if one.outcome == "dry_run" else "gone"
    words = f"{one.policy}: {one.rows} rows older than {one.days} days {verb}"
    return (
        words
        if one.outcome in ("dry_run", RetentionRun.Outcome.DONE)
        else f"{words} ({one.outcome}) {one.error}".rstrip()
    )
