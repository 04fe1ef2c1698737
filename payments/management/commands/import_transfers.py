"""`manage.py import_transfers`: read a bank statement, and book the transfers that customers made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core import clock
from payments.errors import StatementUnreadable
from payments.models import GatewayAccount
from payments.services import statements, transfers
from payments.services.statements import Planned, Statement, Verdict

LOOK: Final = 3
REFUSED: Final = 4
PARTIAL: Final = 6
WAITS: Final = frozenset({Verdict.HELD, Verdict.UNKNOWN_REFERENCE, Verdict.DIFFERS})


class Command(BaseCommand):
    help = (
        "Books the transfers of a bank statement (CSV or XLSX), each once however often it is read. 0 all clear, "
        "3 done, and some lines need a person (money held with a case, or booked before with another amount), "
        "4 the file or account was refused and nothing happened, 6 some lines could not be booked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the statement; - is standard input")
        parser.add_argument(
            "--bank", default="", help="a built-in map of columns (generic, vcb, tcb, mb); else the account's"
        )
        parser.add_argument("--account", default="", help="code of the merchant account, where there is more than one")
        parser.add_argument("--hold-rest", action="store_true", help="book money without any reference to suspense too")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name, content = _content(options["file"])
            statement = statements.read(
                content=content, name=name, account=_account(options["account"]), bank=options["bank"]
            )
        except StatementUnreadable as error:
            raise CommandError(error.message, returncode=REFUSED) from error
        if not options["dry_run"]:
            statements.book(
                statement=statement,
                actor="command:import_transfers",
                at=clock.now(),
                hold_rest=options["hold_rest"],
                on_line=self._progress if sys.stderr.isatty() else None,
            )
        self._tell(statement, as_json=options["json"], is_dry=options["dry_run"])
        if any(one.error for one in statement.lines):
            sys.exit(PARTIAL)
        if any(one.verdict in WAITS for one in statement.lines):
            sys.exit(LOOK)

    def _progress(self, done: int, total: int) -> None:
        self.stderr.write(f"\r{done}/{total}", ending="\n" if done == total else "")

    def _tell(self, statement: Statement, *, as_json: bool, is_dry: bool) -> None:
        if as_json:
            found = {
                "file": statement.name, "sha256": statement.sha256, "account": statement.account.code,
                "dry_run": is_dry, "lines": [_line(one) for one in statement.lines],
                "planned": statement.counts, "booked": statement.outcomes,
            }  # fmt: skip
            self.stdout.write(json.dumps(found, ensure_ascii=False))
            return
        for one in statement.lines:
            if one.verdict not in (Verdict.KNOWN, Verdict.MONEY_OUT):
                self.stdout.write(_sentence(one))
        counts = statement.counts if is_dry else {**statement.counts, **statement.outcomes}
        told = ", ".join(f"{word.replace('_', ' ')} {count}" for word, count in sorted(counts.items()))
        self.stdout.write(f"{'Would do' if is_dry else 'Done'}: {told or 'no lines'}")


def _content(path: str) -> tuple[str, bytes]:
    if path == "-":
        return "statement", sys.stdin.buffer.read()
    try:
        return Path(path).name, Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=REFUSED) from error


def _account(code: str) -> GatewayAccount:
    found = GatewayAccount.objects.filter(gateway=transfers.GATEWAY, **({"code": code} if code else {}))
    if found.count() != 1:
        codes = ", ".join(GatewayAccount.objects.filter(gateway=transfers.GATEWAY).values_list("code", flat=True))
        raise CommandError(f"Name the bank account with --account; there are: {codes or 'none'}.", returncode=REFUSED)
    account: GatewayAccount = found.get()
    return account


def _line(one: Planned) -> dict[str, object]:
    return {
        "row": one.line.row, "number": one.transfer.number, "amount": str(one.transfer.money),
        "verdict": one.verdict.value, "payment_id": one.payment.id if one.payment else None,
        "problem": one.problem.value if one.problem else None,
        "outcome": one.outcome.value if one.outcome else None, "error": one.error or None,
    }  # fmt: skip


def _sentence(one: Planned) -> str:
    done = f" -> {one.outcome.value}" if one.outcome else f" -> {one.error}" if one.error else ""
    about = one.payment.id if one.payment else one.transfer.text[:60]
    problem = f" ({one.problem.value})" if one.problem and one.verdict is Verdict.HELD else ""
    return f"row {one.line.row}: {one.transfer.money} {one.verdict.value}{problem} {about}{done}"
