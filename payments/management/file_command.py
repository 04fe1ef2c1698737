"""What commands that read a file of money have in common: where the file comes from, exit codes, progress, the answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from django.core.management.base import BaseCommand, CommandError, CommandParser

LOOK: Final = 3
"""Done, and some lines need a person."""
REFUSED: Final = 4
"""The file or the account was refused, and nothing happened."""
PARTIAL: Final = 6
"""Some lines could not be booked."""


class Line(Protocol):
    """One line of a file, what it would do and what it did."""

    error: str


class FileCommand(BaseCommand):
    """A command that plans the lines of a file and books them."""

    def add_arguments(self, parser: CommandParser) -> None:
        """The arguments that all of them take."""
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    @property
    def on_line(self) -> Any:
        """What a service should call after each line: a counter, where somebody watches."""
        return self._progress if sys.stderr.isatty() else None

    def content(self, path: str, *, unnamed: str) -> tuple[str, bytes]:
        """Name and bytes of a file, or of standard input for "-". Raises CommandError."""
        if path == "-":
            return unnamed, sys.stdin.buffer.read()
        try:
            return Path(path).name, Path(path).read_bytes()
        except OSError as error:
            raise self.refusal(f"{path} cannot be read: {error.strerror}.") from error

    def refusal(self, message: str) -> CommandError:
        """Nothing happened."""
        return CommandError(message, returncode=REFUSED)

    def tell(
        self, found: Mapping[str, object], sentences: Sequence[str], counts: Mapping[str, int], *, options: Any
    ) -> None:
        """The result on standard output, for people or as JSON."""
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False))
            return
        for one in sentences:
            self.stdout.write(one)
        told = ", ".join(f"{word.replace('_', ' ')} {count}" for word, count in sorted(counts.items()))
        self.stdout.write(f"{'Would do' if options['dry_run'] else 'Done'}: {told or 'no lines'}")

    def leave(self, lines: Collection[Line], *, needs_a_person: bool) -> None:
        """Exit with what the lines came to; 0 where all is clear."""
        if any(one.error for one in lines):
            sys.exit(PARTIAL)
        if needs_a_person:
            sys.exit(LOOK)

    def _progress(self, done: int, total: int) -> None:
        self.stderr.write(f"\r{done}/{total}", ending="\n" if done == total else "")


def ended(outcome: str | None, error: str) -> str:
    """How a line ended, at the end of its sentence; "" where nothing was done."""
    return f" -> {outcome}" if outcome else f" -> {error}" if error else ""
