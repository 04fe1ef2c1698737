"""The worker's side as a process that can be killed: `python -m tests.flows.worker`.

One JSON object a line comes in, {"do": verb, "at": moment, ...}, one a line goes out. What beat would have run at a
moment, the test asks for at that moment; two people and a broker are played here as well.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
django.setup()

from django.db import Error, connection  # noqa: E402 - Django must be set up first

from config.core import approvals, breaker, clock, deadletters  # noqa: E402 - Django must be set up first
from config.core.breaker import State  # noqa: E402 - Django must be set up first
from config.core.errors import DomainError  # noqa: E402 - Django must be set up first
from config.core.models import Approval, DeadLetter, User  # noqa: E402 - Django must be set up first
from ledger import proof  # noqa: E402 - Django must be set up first
from payments import tasks  # noqa: E402 - Django must be set up first
from payments.models import GatewayAccount, MoneyCase, PaymentMethod, RoutingRule  # noqa: E402 - Django must be set up first
from payments.services import accounts, cases, consuming  # noqa: E402 - Django must be set up first

SWEEPS: Final[tuple[Callable[[], int], ...]] = (
    tasks.watch_gateways,
    tasks.open_queued,
    tasks.process_waiting,
    tasks.ask_due,
    tasks.expire_overdue,
    tasks.close_due,
    tasks.advance_refunds,
    tasks.ask_disputes,
    tasks.settle_approvals,
    tasks.take_up_requeued,
    tasks.send_emails,
    tasks.fan_out_events,
    tasks.send_webhooks,
    tasks.fold_ledger,
)


def sweep(at: datetime) -> None:
    """What beat runs for payments, once, at that moment."""
    with clock.pretend(at):
        for task in SWEEPS:
            task()


def consume(at: datetime, *, topic: str, offset: int, value: Any) -> str | None:
    """What the consumer does with one message; its retries do not wait."""
    message = consuming.Message(topic=topic, partition=0, offset=offset, key="", value=json.dumps(value).encode())
    return consuming.handle_or_bury(message, at=lambda: at, wait=lambda _: True)


def propose(at: datetime, *, payment: str, decision: str) -> None:
    """The first person, unless they have done so."""
    for case in MoneyCase.objects.filter(payment_id=payment, status="open"):
        maker = User.objects.get(email="operator@reckoner.example")
        chosen = MoneyCase.Decision(decision)
        cases.propose(case_id=case.id, decision=chosen, maker=maker, reason="as the customer asked", at=at)


def approve(at: datetime, *, payment: str) -> None:
    """The second person, unless they have done so."""
    checker = User.objects.get(email="approver@reckoner.example")
    ids = MoneyCase.objects.filter(payment_id=payment).exclude(approval=None).values_list("approval_id", flat=True)
    for approval in Approval.objects.filter(id__in=list(ids), status="pending"):
        approvals.approve(approval_id=approval.pk, checker=checker, reason="agreed", at=at)


def requeue(at: datetime, *, topic: str, offset: int) -> None:
    """Ops gives a buried message another go, unless they have done so."""
    actor = User.objects.get(email="ops@reckoner.example")
    for letter in DeadLetter.objects.filter(reference=f"{topic}:0:{offset}", status="open"):
        deadletters.requeue(dead_letter_id=letter.pk, actor=actor, reason="the order is there now", at=at)


def second_account(at: datetime, *, partner: str, access_key: str, secret_key: str) -> None:
    """A second merchant account at MoMo, and a method whose payments go to it when the first says no."""
    first = GatewayAccount.objects.get(code="momo")
    settings = {**first.settings, "partner_code": partner}
    secrets = {"access_key": access_key, "secret_key": secret_key}
    second, _ = GatewayAccount.objects.update_or_create(
        code="momo-2", defaults={"gateway": "momo", "settings": settings, "secrets": secrets}
    )
    limits = {"VND": [1_000, 50_000_000]}
    method, _ = PaymentMethod.objects.update_or_create(
        code="routed", defaults={"account": first, "name_vi": "Ví", "name_en": "Wallet", "limits": limits}
    )
    for position, account in enumerate([first, second], start=1):
        RoutingRule.objects.update_or_create(method=method, account=account, defaults={"position": position})


def background_account(at: datetime, *, partner: str, access_key: str, secret_key: str, is_away: bool) -> None:
    """A merchant account at MoMo whose payments are opened in the background, and a method that goes to it."""
    first = GatewayAccount.objects.get(code="momo")
    endpoint = "http://127.0.0.1:9" if is_away else first.settings["endpoint"]
    account, _ = GatewayAccount.objects.update_or_create(
        code="momo-later",
        defaults={
            "gateway": "momo",
            "settings": {**first.settings, "partner_code": partner, "endpoint": endpoint},
            "secrets": {"access_key": access_key, "secret_key": secret_key},
            "invoice_mode": GatewayAccount.InvoiceMode.BATCH,
        },
    )
    names = {"name_vi": "Ví sau", "name_en": "Wallet later", "limits": {"VND": [1_000, 50_000_000]}}
    PaymentMethod.objects.update_or_create(code="later", defaults={"account": account, **names})
    accounts.forget()
    breaker.force("momo", State.CLOSED, seconds=60)  # refused connections would keep it open for the scenes that follow


def requeue_payment(at: datetime, *, payment: str) -> None:
    """Ops opens a payment again that the background gave up, unless they have done so."""
    actor = User.objects.get(email="ops@reckoner.example")
    for letter in DeadLetter.objects.filter(key=payment, status="open"):
        deadletters.requeue(dead_letter_id=letter.pk, actor=actor, reason="the gateway is there again", at=at)


def prove(at: datetime) -> list[str]:
    """What does not prove in the whole ledger: nothing."""
    return [finding.sentence for finding in proof.verify().findings]


VERBS: Final = {
    work.__name__: work
    for work in (sweep, consume, propose, approve, requeue, second_account, background_account, requeue_payment, prove)
}


def main() -> None:
    """Until the pipe is closed. An error of the database or of the domain is an answer, and no reason to end."""
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        work, at = VERBS[told.pop("do")], datetime.fromisoformat(told.pop("at"))
        try:
            answer = {"answer": work(at, **told)}
        except (Error, DomainError) as error:
            connection.close()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
