"""`manage.py verify_ledger`: prove the books again from their rows."""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from ledger.proof import Proof, verify

BROKEN = 7


class Command(BaseCommand):
    """Prove the ledger from its rows; the exit code says whether it holds."""

    help = (
        "Prove the ledger again from its rows: journals, running balances, balances, holds, folded sums, reversals, "
        "closed periods and the guards themselves. Exit codes: 0 clean, 7 integrity broken (the first bad journal is named)."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        proof = verify(on_step=self._progress)
        self._clear()
        if options["json"]:
            self.stdout.write(json.dumps(_outcome(proof), indent=2))
        else:
            self._say(proof)
        if not proof.is_clean:
            sys.exit(BROKEN)

    def _say(self, proof: Proof) -> None:
        if proof.is_clean:
            self.stdout.write(_("Clean: %(journals)d journals, %(lines)d lines.") % _sizes(proof))
            return
        if proof.first_bad_journal is not None:
            self.stdout.write(_("BROKEN: the first bad journal is %(journal)d.") % {"journal": proof.first_bad_journal})
        else:
            self.stdout.write(_("BROKEN: no single journal is at fault."))
        for finding in proof.findings:
            self.stdout.write(f"  {finding.check}: {finding.sentence}")

    def _progress(self, name: str, done: int, total: int) -> None:
        if self.stderr.isatty():
            filled = 30 * done // max(total, 1)
            self.stderr.write(f"\r{name:20} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}", ending="")

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r" + " " * 90 + "\r", ending="")


def _sizes(proof: Proof) -> dict[str, int]:
    return {"journals": proof.journals, "lines": proof.lines}


def _outcome(proof: Proof) -> dict[str, object]:
    return {
        "clean": proof.is_clean,
        **_sizes(proof),
        "first_bad_journal": proof.first_bad_journal,
        "findings": [asdict(finding) for finding in proof.findings],
    }
