"""Xendit's other side for the services' tests: its payer, its webhooks, its misbehaviour, and our account there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import Payment as Invoice
from gateways.sandbox.state import Refund as SandboxRefund
from gateways.sandbox.xendit.simulator import INVENTED, Xendit
from payments.models import Attempt, PaymentMethod
from payments.services import accounts
from tests import factories
from tests.factories import ApiClient

SHOP, KEY, TOKEN = INVENTED[0]
NOWHERE: Final = "http://127.0.0.1:9"
PATH: Final = "/v1/payments/xendit/webhook"


@dataclass(frozen=True, slots=True)
class XenditSide:
    """The payer, Xendit's courier and its misbehaviour, in one hand. No webhook comes by itself."""

    running: RunningSandbox

    @property
    def provider(self) -> Xendit:
        found = self.running.app.providers["xendit"]
        assert isinstance(found, Xendit)
        return found

    def invoice(self, attempt: Attempt) -> Invoice:
        """What Xendit knows of an attempt."""
        return self.running.app.sandbox.world.payments["xendit", SHOP, attempt.gateway_reference]

    def settle(self, attempt: Attempt, outcome: Outcome = Outcome.PAY, **how: Any) -> Invoice:
        """Let the payer act."""
        invoice = self.invoice(attempt)
        self.provider.settle(invoice, outcome, **how)
        return invoice

    def told(self, attempt: Attempt, kind: str = "genuine") -> Parcel:
        """The webhook about an attempt as it is now."""
        return self.provider.notification(self.invoice(attempt), kind)

    def paid(self, attempt: Attempt) -> bytes:
        """The payer pays, and this is what Xendit has to say about it."""
        self.settle(attempt)
        return self.told(attempt).body

    def refunds(self, attempt: Attempt) -> list[SandboxRefund]:
        """The refunds that Xendit has of an attempt."""
        return self.running.app.sandbox.world.refunds_of(self.invoice(attempt))

    def fault(self, fault: Fault, **spec: Any) -> None:
        """The next call goes wrong so."""
        self.running.app.sandbox.faults.add({"fault": fault.value, **spec}, possible=frozenset(Fault))

    def silent(self) -> None:
        """From now on no question is answered."""
        self.fault(Fault.ERROR_500, scope="operation", operation="query")

    def mend(self) -> None:
        """All is well again."""
        self.running.app.sandbox.faults.clear()


@pytest.fixture
def xendit(payment_sandbox: RunningSandbox, settings: Any) -> Iterator[XenditSide]:
    """Xendit's side, without faults at the start."""
    settings.PUBLIC_URL = NOWHERE
    settings.GATEWAY_BREAKER = {"consecutive": 1000, "min_calls": 1000}  # silence is asked about here, not saved up
    payment_sandbox.app.sandbox.faults.clear()
    yield XenditSide(payment_sandbox)
    payment_sandbox.app.sandbox.faults.clear()


@pytest.fixture
def xendit_method(db: None, xendit: XenditSide) -> PaymentMethod:
    """A method on our first account at Xendit."""
    (account,) = accounts.ensure_first_accounts(
        {"xendit": {"secret_key": KEY, "webhook_token": TOKEN, "endpoint": xendit.running.url}}
    )
    method: PaymentMethod = factories.PaymentMethodFactory(
        code="xendit", name_vi="Thẻ và ví (Xendit)", account=account,
        limits={"VND": [1_000, 50_000_000], "PHP": [100, 70_000_000]},
    )  # fmt: skip
    return method


@pytest.fixture
def webhook(db: None) -> Callable[..., Any]:
    """Xendit posts to the reference path: `webhook(body)`, `webhook({"event": ...}, token="wrong")`."""

    def post(body: bytes | dict[str, Any], *, token: str | None = TOKEN, path: str = PATH) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if token is None else {"x-callback-token": token}
        return ApiClient().generic("POST", path, raw, content_type="application/json", headers=headers)

    return post
