"""`manage.py forget_customer`: ask that a customer is forgotten; a second person agrees in the admin."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core import clock
from config.core.errors import DomainError
from config.core.models import User
from payments.services import forgetting

USAGE: Final = 2
REFUSED: Final = 4


class Command(BaseCommand):
    help = (
        "Asks that name, e-mail, phone, receipts' addresses and gateways' raw messages of a customer are emptied. Money "
        "facts stay. Another person has to approve it in the admin. Exit codes: 0 asked (or counted), 4 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("customer", help="the marketplace's id of the customer: `sub` of their tokens")
        parser.add_argument("--dry-run", action="store_true", help="only count what would be emptied")
        parser.add_argument("--actor", metavar="EMAIL", help="who asks; needed unless --dry-run")
        parser.add_argument("--reason", default="", help="why; needed unless --dry-run")
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = self._look(options) if options["dry_run"] else self._ask(options)
        except DomainError as error:
            raise CommandError(error.message, returncode=REFUSED) from None
        words = "  ".join(f"{name}={value}" for name, value in answer.items())
        self.stdout.write(json.dumps(answer) if options["json"] else words)

    def _look(self, options: dict[str, Any]) -> dict[str, Any]:
        return asdict(forgetting.look(options["customer"]))

    def _ask(self, options: dict[str, Any]) -> dict[str, Any]:
        if not options["actor"]:
            raise CommandError("Say who asks: --actor EMAIL.", returncode=USAGE)
        person = User.objects.filter(email__iexact=options["actor"], is_active=True).first()
        if person is None or not person.has_perm("payments.forget_customer"):
            raise CommandError(f"{options['actor']} may not ask for this.", returncode=REFUSED)
        approval = forgetting.ask(customer=options["customer"], actor=person, reason=options["reason"], at=clock.now())
        return {"approval": approval.pk, "status": str(approval.status)}
