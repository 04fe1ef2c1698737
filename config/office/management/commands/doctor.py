"""`manage.py doctor`: what is wrong with this installation, and what to do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import IO, Any, Final, cast

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _
from rich.console import Console
from rich.markup import escape

from config.office.doctor import Finding, State, examine

PROBLEMS: Final = 3
SIGNS: Final = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.PROBLEM: ("✗", "red")}


class Command(BaseCommand):
    """Look at every dependency and say in words how it is."""

    help = (
        "Look at settings, PostgreSQL, Redis, Kafka, the web process, gateways, notifications, e-mail, jobs, outbox, "
        "dead letters, keys, ledger and disk; nothing is changed. Exit codes: 0 no problem (warnings may be), 3 problems."
    )
    requires_system_checks: list[str] = []  # it runs where they would fail

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        found = examine(at=timezone.now(), on_part=self._progress)
        self._clear()
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
        else:
            self._show(found)
        if any(one.state is State.PROBLEM for one in found):
            sys.exit(PROBLEMS)

    def _show(self, found: list[Finding]) -> None:
        console = Console(
            file=cast("IO[str]", self.stdout), highlight=False, soft_wrap=True, force_terminal=self.stdout.isatty()
        )
        width = max(len(one.part) for one in found)
        for one in found:
            sign, colour = SIGNS[one.state]
            remedy = f"  [dim]→ {escape(one.remedy)}[/]" if one.remedy else ""
            console.print(f"[{colour}]{sign}[/] {escape(one.part):{width}}  {escape(one.sentence)}{remedy}")
        counted = {state: sum(one.state is state for one in found) for state in State}
        told = {"problems": counted[State.PROBLEM], "warnings": counted[State.WARNING]}
        console.print(_("%(problems)d problem(s), %(warnings)d warning(s).") % told)

    def _progress(self, part: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r\033[K{part} ...", ending="")

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\033[K", ending="")
