"""`manage.py import_transfers`: read a bank statement, and book the transfers that customers made."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import CommandParser

from config.core import clock
from payments.errors import StatementUnreadable
from payments.management.file_command import FileCommand, ended
from payments.models import GatewayAccount
from payments.services import statements, transfers
from payments.services.statements import Planned, Statement, Verdict

WAITS: Final = frozenset({Verdict.HELD, Verdict.UNKNOWN_REFERENCE, Verdict.DIFFERS})


class Command(FileCommand):
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
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        name, content = self.content(options["file"], unnamed="statement")
        account = self._account(options["account"])
        try:
            statement = statements.read(content=content, name=name, account=account, bank=options["bank"])
        except StatementUnreadable as error:
            raise self.refusal(error.message) from error
        if not options["dry_run"]:
            statements.book(
                statement=statement,
                actor="command:import_transfers",
                at=clock.now(),
                hold_rest=options["hold_rest"],
                on_line=self.on_line,
            )
        self._tell(statement, options)
        self.leave(statement.lines, needs_a_person=any(one.verdict in WAITS for one in statement.lines))

    def _account(self, code: str) -> GatewayAccount:
        found = GatewayAccount.objects.filter(gateway=transfers.GATEWAY, **({"code": code} if code else {}))
        if found.count() != 1:
            codes = ", ".join(GatewayAccount.objects.filter(gateway=transfers.GATEWAY).values_list("code", flat=True))
            raise self.refusal(f"Name the bank account with --account; there are: {codes or 'none'}.")
        account: GatewayAccount = found.get()
        return account

    def _tell(self, statement: Statement, options: Any) -> None:
        is_dry = options["dry_run"]
        found = {
            "file": statement.name, "sha256": statement.sha256, "account": statement.account.code,
            "dry_run": is_dry, "lines": [_line(one) for one in statement.lines],
            "planned": statement.counts, "booked": statement.outcomes,
        }  # fmt: skip
        told = [_sentence(one) for one in statement.lines if one.verdict not in (Verdict.KNOWN, Verdict.MONEY_OUT)]
        self.tell(
            found, told, statement.counts if is_dry else {**statement.counts, **statement.outcomes}, options=options
        )


def _line(one: Planned) -> dict[str, object]:
    return {
        "row": one.line.row, "number": one.transfer.number, "amount": str(one.transfer.money),
        "verdict": one.verdict.value, "payment_id": one.payment.id if one.payment else None,
        "problem": one.problem.value if one.problem else None,
        "outcome": one.outcome.value if one.outcome else None, "error": one.error or None,
    }  # fmt: skip


def _sentence(one: Planned) -> str:
    about = one.payment.id if one.payment else one.transfer.text[:60]
    problem = f" ({one.problem.value})" if one.problem and one.verdict is Verdict.HELD else ""
    end = ended(one.outcome, one.error)
    return f"row {one.line.row}: {one.transfer.money} {one.verdict.value}{problem} {about}{end}"
