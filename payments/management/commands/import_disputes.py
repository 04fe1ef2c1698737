"""`manage.py import_disputes`: read a gateway's settlement file, and believe what it says of disputes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.management.base import CommandParser

from config.core import clock
from payments.errors import SettlementRefused
from payments.management.file_command import FileCommand, ended
from payments.models import GatewayAccount
from payments.services import dispute_files
from payments.services.dispute_files import WAITS, DisputeFile, Planned
from payments.services.dispute_lines import Verdict


class Command(FileCommand):
    help = (
        "Opens and ends disputes by a gateway's settlement file, each line once however often it is read. 0 all clear, "
        "3 done, and some lines need a person (nobody's payment, another sum, money after the end), "
        "4 the file or account was refused and nothing happened, 6 some lines failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", default="", help="the settlement file; - is standard input")
        parser.add_argument("--account", required=True, help="code of the merchant account")
        parser.add_argument(
            "--since", type=date.fromisoformat, help="ask the gateway instead: settlements from this day (UTC) on"
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        account = self._account(options["account"])
        try:
            file = self._read(account, options)
        except SettlementRefused as error:
            raise self.refusal(error.message) from error
        if not options["dry_run"]:
            dispute_files.apply(file=file, actor="command:import_disputes", at=clock.now(), on_line=self.on_line)
        self._tell(file, options)
        self.leave(file.lines, needs_a_person=any(one.verdict in WAITS for one in file.lines))

    def _account(self, code: str) -> GatewayAccount:
        able = GatewayAccount.objects.filter(
            gateway__in={*dispute_files.gateways_with_files(), *dispute_files.gateways_to_ask()}
        )
        found: GatewayAccount | None = able.filter(code=code).first()
        if found is None:
            codes = ", ".join(able.order_by("code").values_list("code", flat=True))
            raise self.refusal(f"No account {code!r} has settlement files; there are: {codes or 'none'}.")
        return found

    def _read(self, account: GatewayAccount, options: Any) -> DisputeFile:
        day = options["since"]
        if bool(day) == bool(options["file"]):
            raise self.refusal("Name a file, or --since a day to ask the gateway.")
        if day:
            since = datetime.combine(day, time(), tzinfo=UTC)
            return dispute_files.ask(account=account, since=since, until=max(clock.now(), since + timedelta(days=1)))
        name, content = self.content(options["file"], unnamed="settlement")
        return dispute_files.read(content=content, name=name, account=account)

    def _tell(self, file: DisputeFile, options: Any) -> None:
        is_dry = options["dry_run"]
        found = {
            "file": file.name, "sha256": file.sha256, "account": file.account.code, "dry_run": is_dry,
            "lines": [_line(one) for one in file.lines], "others": file.others,
            "planned": file.counts, "done": file.outcomes,
        }  # fmt: skip
        told = [_sentence(one) for one in file.lines if one.verdict is not Verdict.KNOWN]
        counts = file.counts if is_dry else {**file.counts, **file.outcomes}
        self.tell(found, told, counts | {"not about disputes": sum(file.others.values())}, options=options)


def _line(one: Planned) -> dict[str, object]:
    return {
        "row": one.line.row, "number": one.line.gateway_transaction_id or one.line.reference,
        "dispute": one.line.dispute_id or None, "amount": str(one.line.gross), "currency": one.line.gross.currency,
        "verdict": one.verdict.value, "payment_id": one.payment_id,
        "outcome": one.outcome.value if one.outcome else None, "error": one.error or None,
    }  # fmt: skip


def _sentence(one: Planned) -> str:
    about = one.payment_id or one.line.gateway_transaction_id or one.line.reference
    money = f"{one.line.gross} {one.line.gross.currency}"
    return f"row {one.line.row}: {money} {one.verdict.value} {about}{ended(one.outcome, one.error)}"
