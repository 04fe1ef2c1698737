"""From a dispute that no webhook told, over a gateway's own settlement file, to one dispute whose money moved once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from config.core.money import Money
from gateways.sandbox import server
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.stripe.simulator import KNOWN
from payments.errors import SettlementRefused
from payments.models import Dispute, GatewayAccount, MoneyCase, Payment, PaymentMethod
from payments.services import accounts, dispute_files, expiry
from payments.services.dispute_files import DisputeFile
from tests import factories
from tests.payments.conftest import NOWHERE
from tests.payments.fiuu import MERCHANT, FiuuSide
from tests.payments.xendit import SHOP, XenditSide

pytestmark = pytest.mark.django_db
(STRIPE, SECRET_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET, _), *_ = KNOWN


def download(running: RunningSandbox, gateway: str, **query: str) -> bytes:
    """What a person takes from the gateway's portal."""
    answer = requests.get(f"{running.url}/control/{gateway}/settlement", params=query, timeout=5)
    assert answer.status_code == 200
    return answer.content


def done(file: DisputeFile, at: datetime) -> Mapping[str, int]:
    return dispute_files.apply(file=file, actor="user:fin@example.com", at=at).outcomes


def test_fiuu_takes_the_money_and_only_its_report_says_so(
    fiuu: FiuuSide, fiuu_account: GatewayAccount, fiuu_method: PaymentMethod, order: Callable[..., Any],
    pay: Callable[..., Any], at: datetime, books: Any, balances: Any,
) -> None:  # fmt: skip
    attempt = pay(order(amount_minor=10_050, currency="MYR"), method=fiuu_method, at=at).attempt
    fiuu.deliver(fiuu.settle(attempt))
    message = fiuu.become(attempt, "chargeback")
    assert not Dispute.objects.exists()

    for name in ("json", "csv", "json"):
        content = download(fiuu.running, "fiuu", merchant=MERCHANT, format=name)
        done(dispute_files.read(content=content, name=f"day.{name}", account=fiuu_account), at)

    dispute = Dispute.objects.get(payment=attempt.payment_id)
    assert (dispute.status, dispute.respond_by, dispute.amount) == ("needs_response", None, Money(10_050, "MYR"))
    opened = {f"{dispute.id}:opened": {"gw:fiuu:clearing": -10_050, "chargeback:disputed": 10_050}}
    assert {key: book for key, book in books().items() if key.startswith(dispute.id)} == opened

    assert fiuu.deliver(message).status_code == 200

    dispute.refresh_from_db()
    assert dispute.gateway_dispute_id.endswith("-chargeback")
    assert {key: book for key, book in books().items() if key.startswith(dispute.id)} == opened
    assert Dispute.objects.filter(payment=attempt.payment_id).count() == 1


def test_xendits_report_opens_a_dispute_that_its_webhook_names_and_a_later_report_wins(
    xendit: XenditSide, xendit_method: PaymentMethod, webhook: Any, order: Callable[..., Any],
    pay: Callable[..., Any], at: datetime, balances: Any,
) -> None:  # fmt: skip
    attempt = pay(order(amount_minor=960_000), method=xendit_method, at=at).attempt
    webhook(xendit.paid(attempt))
    before, account = balances(), xendit_method.account

    def import_report() -> DisputeFile:
        content = download(xendit.running, "xendit", merchant=SHOP)
        file = dispute_files.read(content=content, name="transactions.csv", account=account)
        done(file, at)
        return file

    xendit.provider.lifecycle.charge_back(xendit.invoice(attempt), "taken")
    first, again = import_report(), import_report()
    dispute = Dispute.objects.get(payment=attempt.payment_id)
    assert (dispute.status, dispute.withdrawn_minor, dispute.respond_by) == ("needs_response", 960_000, None)
    mine = [[one.verdict.value for one in file.lines if one.payment_id] for file in (first, again)]
    assert mine == [["opens"], ["known"]]
    taken = balances()

    due = (timezone.now() + timedelta(days=9)).replace(microsecond=0)
    said = webhook({
        "event": "dispute.action_required", "id": "mi-dspt-9", "status": "ACTION_REQUIRED", "currency": "VND",
        "amount": {"initial": "960000"}, "reference_id": attempt.gateway_reference, "payment_id": "py-1",
        "due_date": due.isoformat(), "updated_at": timezone.now().isoformat(),
    })  # fmt: skip
    assert said.status_code == 200
    dispute = Dispute.objects.get(payment=attempt.payment_id)
    assert (dispute.gateway_dispute_id, dispute.respond_by, balances()) == ("mi-dspt-9", due, taken)

    xendit.provider.lifecycle.charge_back(xendit.invoice(attempt), "returned")
    last = import_report()
    assert [one.verdict.value for one in last.lines if one.payment_id] == ["known", "wins"]
    dispute.refresh_from_db()
    assert (dispute.status, balances()) == ("won", before)
    assert import_report().outcomes == {}
    assert not MoneyCase.objects.filter(payment=attempt.payment_id).exists()
    assert Payment.objects.get(id=attempt.payment_id).disputed_minor == 0


@pytest.fixture
def empty_sandbox() -> Iterator[RunningSandbox]:
    """A sandbox without what other tests left there: a payout takes along all that lies in a balance."""
    running = server.start(retry_delays=())
    yield running
    running.stop()


@pytest.fixture
def stripe(db: None, empty_sandbox: RunningSandbox, settings: Any) -> GatewayAccount:
    """Our account at Stripe, which hears of nothing by itself."""
    settings.PUBLIC_URL = NOWHERE
    empty_sandbox.app.sandbox.world.merchants["stripe", STRIPE].keys.update({"webhookUrl": ""})
    keys = {"secret_key": SECRET_KEY, "webhook_secret": WEBHOOK_SECRET, "publishable_key": PUBLISHABLE_KEY}
    (made,) = accounts.ensure_first_accounts({"stripe": {**keys, "endpoint": empty_sandbox.url}})
    return made


def test_stripe_is_asked_and_its_lines_have_the_disputes_own_number(
    stripe: GatewayAccount, empty_sandbox: RunningSandbox, order: Callable[..., Any], pay: Callable[..., Any],
    at: datetime, balances: Any,
) -> None:  # fmt: skip
    method = factories.PaymentMethodFactory(code="stripe", account=stripe, limits={"VND": [10_000, 50_000_000]})
    provider: Any = empty_sandbox.app.providers["stripe"]
    tries = [pay(order(amount_minor=amount), method=method, at=at).attempt for amount in (960_000, 5_000_000)]
    world = empty_sandbox.app.sandbox.world
    known = [world.payments["stripe", STRIPE, attempt.gateway_reference] for attempt in tries]
    for attempt, theirs in zip(tries, known, strict=True):
        provider.settle(theirs, Outcome.PAY)
        expiry.refresh(payment_id=attempt.payment_id, actor="user:a@x", at=at)
    data = provider.returns.open_dispute(known[0])
    merchant = world.merchants["stripe", STRIPE]
    provider.balance.pay_out(merchant, "vnd", reconciliation="completed")

    now = timezone.now()
    file = dispute_files.ask(account=stripe, since=now - timedelta(hours=1), until=now + timedelta(hours=1))
    done(file, at)

    dispute = Dispute.objects.get(gateway_dispute_id=data["id"])
    assert (dispute.payment_id, dispute.status) == (tries[0].payment_id, "needs_response")
    assert (dispute.amount, dispute.fee) == (Money(960_000, "VND"), Money(380_000, "VND"))
    assert balances()["chargeback:disputed"] == 960_000
    again = dispute_files.ask(account=stripe, since=now - timedelta(hours=1), until=now + timedelta(hours=1))
    assert {one.verdict.value for one in again.lines} == {"known"}


def test_a_gateway_that_gives_no_settlements_is_said_so(
    xendit: XenditSide, xendit_method: PaymentMethod, cod_account: GatewayAccount
) -> None:
    xendit.fault(Fault.ERROR_500, scope="operation", operation="transactions")
    now = timezone.now()

    for account, words in ((xendit_method.account, "gave no settlements"), (cod_account, "by calls")):
        with pytest.raises(SettlementRefused, match=words):
            dispute_files.ask(account=account, since=now - timedelta(days=1), until=now)
    assert not Dispute.objects.exists()
