"""Adding a gateway touches one adapter, one registry line, one settings block, one simulator: nothing above knows names."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from config.core.money import Money
from gateways import registry
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.server import RunningSandbox, start
from payments.models import Attempt, Capture, GatewayAccount, Notification, Payment, PaymentMethod, Refund
from payments.services import accounts, checkout, gateway_watch, refund_steps, refunds
from tests import factories
from tests.gateways.invented import added

ROOT = Path(__file__).parents[2]
EVERY = {
    "config/settings/base.py",  # its settings block
    "payments/services/starters.py",  # its first payment method: a name in two languages and limits
    "gateways/sandbox/server.py",  # its simulator's line
    "gateways/registry.py",  # its line
    "dev.py",  # the demo's merchant
}
REFERENCE_NAMES = {
    "momo": {"payments/api/ipn.py"},
    "xendit": {"payments/api/ipn.py", "payments/api/urls.py", "config/core/observability.py"},
    "fiuu": {
        "payments/api/ipn.py",
        "payments/api/urls.py",
        "config/core/observability.py",
        "config/core/scrape.py",
        "payments/gauges.py",
    },
    "stripe": {"payments/api/ipn.py", "payments/api/urls.py", "config/core/observability.py"},
}
"""Addresses and metrics that a replaced system gave to its gateway belong to that gateway's first account."""


def mentions(code: str) -> set[str]:
    """Files outside its own that name a gateway in code: not in examples of the API's documentation or the demo."""
    word = re.compile(rf"""["'/]{code}["'/_]|gateways\.{code}\b""")
    example = re.compile(r"""["'](payment_method|code|owner_id|gateway|account)["']: |docs\.|/control/""")
    found = set()
    for folder in ("config", "payments", "ledger", "settlements", "gateways"):
        for file in (ROOT / folder).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            is_its_own = (
                code in file.relative_to(ROOT).parts
                or file.name.startswith((f"{code}.", "channels."))
                or "/office/demo/" in name
                or "/office/bench/" in name
            )
            if is_its_own or "/migrations/" in name or "/commands/" in name or "/compat/" in name or "_docs" in name:
                continue
            lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not example.search(line)]
            if any(word.search(line) for line in lines):
                found.add(name)
    return found


@pytest.mark.parametrize("code", sorted(code for code, adapter in registry.GATEWAYS.items() if adapter.notifies))
def test_nothing_above_the_interface_knows_a_gateway_by_name(code: str) -> None:
    assert mentions(code) - REFERENCE_NAMES.get(code, set()) <= EVERY


# --- each signs from the document --------------------------------------------------------------------------------------
def imports(file: Path) -> set[str]:
    """The modules that a file imports, a name of a package (from gateways.momo import codes) as its module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{one.name}" for one in node.names}
    return found


def provider_of(module: str) -> str:
    """Whose a module of gateways/ is: gateways.momo.codes is MoMo's, gateways.http nobody's."""
    name = module.partition(".")[2].partition(".")[0]
    return name if name in registry.GATEWAYS else ""


INVENTED = ROOT / "tests" / "gateways" / "invented"
SANDBOX = ROOT / "gateways" / "sandbox"
OUR_SIDE = [file for file in sorted((ROOT / "gateways").rglob("*.py")) if SANDBOX not in file.parents] + [
    INVENTED / "adapter.py"
]


@pytest.mark.parametrize("file", OUR_SIDE, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_an_adapter_knows_neither_another_nor_a_simulator_nor_django(file: Path) -> None:
    names, own = (
        imports(file),
        provider_of(f"gateways.{file.parent.name if file.parent.parent.name == 'gateways' else file.stem}"),
    )
    others = {name for name in names if name.startswith("gateways.") and provider_of(name) not in ("", own)}

    assert others == set() or file.stem == "registry"
    assert {name for name in names if name.startswith(("gateways.sandbox", "django", "payments", "tests"))} == set()


@pytest.mark.parametrize(
    "file",
    [*sorted(SANDBOX.rglob("*.py")), INVENTED / "simulator.py"],
    ids=lambda file: f"{file.parent.name}-{file.stem}",
)
def test_a_simulator_knows_nothing_of_our_side(file: Path) -> None:
    ours = {
        name for name in imports(file) if name.split(".")[0] in ("config", "payments", "ledger", "gateways", "tests")
    }

    assert {name for name in ours if not name.startswith("gateways.sandbox")} == set()


# --- one more ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def one_more() -> Iterator[RunningSandbox]:
    """The registry's line, the simulator's line, and the two files that they name."""
    with added.mekongpay():
        running = start(retry_delays=())
        yield running
        running.stop()
    accounts.forget()


def test_no_two_simulators_answer_at_one_address(one_more: RunningSandbox) -> None:
    """They share one server, and the first that fits would answer for both."""
    taken = [(one.method, one.path) for provider in one_more.app.providers.values() for one in provider.routes()]

    assert len(taken) == len(set(taken))


def test_the_invented_gateway_is_nowhere_in_the_product() -> None:
    assert mentions("mekongpay") == set()
    assert "mekongpay" not in registry.GATEWAYS


@pytest.mark.django_db
def test_adapter_registry_line_settings_block_and_simulator_are_all_that_a_gateway_needs(
    one_more: RunningSandbox, settings: Any
) -> None:
    """Account, check of its keys, payment, notification, journal and refund, with no other line of the product changed."""
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    settings.GATEWAYS = {
        "mekongpay": {"merchant": "MK1", "secret_key": "mekong-one-secret", "endpoint": one_more.url},
    }
    at = timezone.now()

    call_command("ensure_methods", verbosity=0)
    account = GatewayAccount.objects.get()
    method: PaymentMethod = factories.PaymentMethodFactory(code="mekongpay", account=account)  # as staff make one
    order = factories.make_order(amount_minor=50_000)
    wish = checkout.NewPayment(order_id=order.order_id, method=method, client="shop", actor="customer:1")
    checkout.create_payment(wish=wish, at=at)
    status, told = _paid_and_told(one_more, Attempt.objects.get())
    refund = refunds.NewRefund(
        payment_id=Payment.objects.get().id, amount=Money(20_000, "VND"), actor="system:tests", reason="torn"
    )
    refunds.request_refund(wish=refund, at=at)
    refund_steps.advance_due(at=at)

    assert gateway_watch.ask(account, at=at).verdict is gateway_watch.Verdict.FINE
    assert (status, told) == (200, {"received": True})
    assert Notification.objects.get().status == "processed"
    assert (Payment.objects.get().status, Capture.objects.get().money) == ("succeeded", Money(50_000, "VND"))
    assert (Refund.objects.get().status, Payment.objects.get().refunded_minor) == ("succeeded", 20_000)


def _paid_and_told(running: RunningSandbox, attempt: Attempt) -> tuple[int, object]:
    """The payer pays; the notification is brought to our one address for all gateways; what we answer."""
    provider, world = running.app.providers["mekongpay"], running.app.sandbox.world
    (payment,) = world.payments_of_order(attempt.gateway_reference)
    running.app.sandbox.faults.add({"fault": "lost_ipn"}, possible=frozenset(Fault))
    provider.settle(payment, Outcome.PAY)
    parcel = provider.notification(payment, "genuine")
    assert parcel.url == "http://127.0.0.1:9/api/v1/webhooks/mekongpay/mekongpay"
    reply = factories.ApiClient().generic(
        "POST", "/api/v1/webhooks/mekongpay/mekongpay", parcel.body, headers=dict(parcel.headers)
    )
    return reply.status_code, json.loads(reply.content)
