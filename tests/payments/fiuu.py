"""Fiuu's other side for the tests of payments: an account, a method, and the payer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests

from config.core.money import Money
from gateways.sandbox.faults import Fault
from gateways.sandbox.fiuu.simulator import INVENTED, Fiuu
from gateways.sandbox.provider import Outcome
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import Payment as SandboxPayment
from payments.models import Attempt, GatewayAccount, PaymentMethod
from payments.services import accounts
from tests import factories
from tests.factories import ApiClient

MERCHANT, VERIFY_KEY, SECRET_KEY = INVENTED[0]
PRICE: Final = Money(10050, "MYR")
FORM: Final = "application/x-www-form-urlencoded; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class FiuuSide:
    """The payer, Fiuu's courier and its misbehaviour, in one hand."""

    running: RunningSandbox

    @property
    def provider(self) -> Fiuu:
        """Fiuu's side."""
        found = self.running.app.providers["fiuu"]
        assert isinstance(found, Fiuu)
        return found

    def open(self, attempt: Attempt) -> SandboxPayment:
        """The payer's browser opens the page."""
        assert requests.get(attempt.pay_url, timeout=5).status_code == 200
        return self.payment(attempt)

    def payment(self, attempt: Attempt) -> SandboxPayment:
        """What the sandbox knows of an attempt."""
        return self.running.app.sandbox.world.payments["fiuu", MERCHANT, attempt.gateway_reference]

    def settle(self, attempt: Attempt, outcome: Outcome = Outcome.PAY, *, again: bool = False) -> bytes:
        """Let the payer act, and what Fiuu has to say about it; nothing is sent by itself."""
        if not again:
            self.open(attempt)
        self.fault(Fault.LOST_IPN)
        self.provider.settle(self.payment(attempt), outcome, again=again)
        return self.message(attempt)

    def message(self, attempt: Attempt, kind: str = "genuine") -> bytes:
        """The notification of an attempt as it is now."""
        return self.provider.notification(self.payment(attempt), kind).body

    def become(self, attempt: Attempt, name: str) -> bytes:
        """What became of paid money later, and the callback that tells."""
        self.provider.lifecycle.change(self.payment(attempt), name)
        return self.message(attempt)

    def fault(self, fault: Fault, **spec: Any) -> None:
        """The next call, or what `spec` says, goes wrong so."""
        self.running.app.sandbox.faults.add({"fault": fault.value, **spec}, possible=frozenset(Fault))

    def well_again(self) -> None:
        """No faults."""
        self.running.app.sandbox.faults.clear()

    def deliver(self, body: bytes, path: str = "/api/v1/webhooks/fiuu/fiuu") -> Any:
        """Post a message to us as Fiuu does."""
        return ApiClient().generic("POST", path, body, content_type=FORM)


@pytest.fixture
def fiuu(payment_sandbox: RunningSandbox, settings: Any) -> Iterator[FiuuSide]:
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    payment_sandbox.app.sandbox.faults.clear()
    yield FiuuSide(payment_sandbox)
    payment_sandbox.app.sandbox.faults.clear()


@pytest.fixture
def fiuu_account(db: None, fiuu: FiuuSide) -> GatewayAccount:
    """Our first account at Fiuu, whose other side is the sandbox."""
    url = fiuu.running.url
    keys = {"merchant_id": MERCHANT, "verify_key": VERIFY_KEY, "secret_key": SECRET_KEY}
    (account,) = accounts.ensure_first_accounts({"fiuu": {**keys, "pay_endpoint": url, "api_endpoint": url}})
    return account


@pytest.fixture
def fiuu_method(fiuu_account: GatewayAccount) -> PaymentMethod:
    """Fiuu's page with all channels, in ringgit and dong."""
    made: PaymentMethod = factories.PaymentMethodFactory(
        code="fiuu", name_vi="Fiuu", name_en="Fiuu", account=fiuu_account,
        limits={"MYR": [101, 3_000_000], "VND": [1_000, 50_000_000]},
    )  # fmt: skip
    return made
