"""Fixtures of payments: accounts and methods, orders, callers, and the fake gateway's other side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest

from gateways.sandbox import server
from gateways.sandbox.faults import Fault
from gateways.sandbox.momo.simulator import PUBLISHED
from gateways.sandbox.provider import Outcome, Provider
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import Payment as SandboxPayment
from payments.models import Attempt, GatewayAccount, PaymentMethod
from payments.services import accounts
from tests import factories
from tests.factories import ApiClient
from tests.payments.fiuu import fiuu, fiuu_account, fiuu_method  # noqa: F401 - fixtures
from tests.payments.words import at, balances, books, faults, hear, pay  # noqa: F401 - fixtures
from tests.payments.xendit import webhook, xendit, xendit_method  # noqa: F401 - fixtures

NOWHERE: Final = "http://127.0.0.1:9"
"""The discard port: what the sandbox sends there by itself is refused at once; tests deliver by hand."""
(PARTNER, ACCESS_KEY, SECRET_KEY), *_ = PUBLISHED


# --- The gateway's side ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def payment_sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for all tests of this process; it never repeats a notification by itself."""
    running = server.start(retry_delays=())
    yield running
    running.stop()


@dataclass(frozen=True, slots=True)
class MomoDriver:
    """The payer, MoMo's courier and its misbehaviour, in one hand."""

    running: RunningSandbox

    @property
    def provider(self) -> Provider:
        """MoMo's side."""
        return self.running.app.providers["momo"]

    def payment(self, attempt: Attempt) -> SandboxPayment:
        """What the sandbox knows of an attempt."""
        return self.running.app.sandbox.world.payments["momo", PARTNER, attempt.gateway_reference]

    def settle(self, attempt: Attempt, outcome: Outcome = Outcome.PAY, *, again: bool = False) -> SandboxPayment:
        """Let the payer act, without a notification."""
        payment = self.payment(attempt)
        self.fault(Fault.LOST_IPN)
        self.provider.settle(payment, outcome, again=again)
        return payment

    def ipn(self, attempt: Attempt, kind: str = "genuine") -> bytes:
        """The notification of an attempt as it is now: genuine, forged, tampered or processing."""
        return self.provider.notification(self.payment(attempt), kind).body

    def custom_ipn(self, **fields: object) -> bytes:
        """A truly signed notification with these fields (orderId, amount, resultCode, transId ...)."""
        return self.provider.custom_notification({"ipnUrl": NOWHERE, **fields}).body

    def paid_ipn(self, attempt: Attempt) -> bytes:
        """The payer pays, and this is what MoMo has to say about it."""
        self.settle(attempt)
        return self.ipn(attempt)

    def fault(self, fault: Fault, **spec: Any) -> None:
        """The next call, or what `spec` says (scope, order, operation, code, seconds), goes wrong so."""
        self.running.app.sandbox.faults.add({"fault": fault.value, **spec}, possible=frozenset(Fault))


@pytest.fixture
def momo(payment_sandbox: RunningSandbox, settings: Any) -> Iterator[MomoDriver]:
    """MoMo's side, without faults at the start."""
    settings.PUBLIC_URL = NOWHERE
    settings.GATEWAY_HOSTS = ["127.0.0.1"]
    payment_sandbox.app.sandbox.faults.clear()
    yield MomoDriver(payment_sandbox)
    payment_sandbox.app.sandbox.faults.clear()


# --- Accounts and methods --------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _no_account_is_remembered() -> None:
    accounts.forget()


@pytest.fixture
def momo_account(db: None, momo: MomoDriver) -> GatewayAccount:
    """Our first account at MoMo, whose other side is the sandbox."""
    (account,) = accounts.ensure_first_accounts(
        {
            "momo": {
                "partner_code": PARTNER,
                "access_key": ACCESS_KEY,
                "secret_key": SECRET_KEY,
                "endpoint": momo.running.url,
                "pay_hosts": ["127.0.0.1"],
            }
        }
    )
    return account


@pytest.fixture
def cod_account(db: None) -> GatewayAccount:
    """Cash on delivery."""
    (account,) = accounts.ensure_first_accounts({"cod": {}})
    return account


@pytest.fixture
def momo_method(momo_account: GatewayAccount) -> PaymentMethod:
    """MoMo's wallet, 1,000 to 50,000,000 VND."""
    method: PaymentMethod = factories.PaymentMethodFactory(
        code="momo", name_vi="Ví MoMo", name_en="MoMo wallet", account=momo_account, position=1
    )
    return method


@pytest.fixture
def cod_method(cod_account: GatewayAccount) -> PaymentMethod:
    """Cash on delivery, 1,000 to 50,000,000 VND."""
    method: PaymentMethod = factories.PaymentMethodFactory(
        code="cod", name_vi="Tiền mặt khi nhận hàng", name_en="Cash on delivery",
        account=cod_account, kind=PaymentMethod.Kind.OFFLINE, position=2,
    )  # fmt: skip
    return method


BANK: Final = {
    "bank": "vcb", "bank_bin": "970436", "account_number": "0123456789", "account_name": "CONG TY CHO HOA",
    "bank_name": "Vietcombank",
}  # fmt: skip


@pytest.fixture
def bank_account(db: None) -> GatewayAccount:
    """Our account at a bank."""
    (account,) = accounts.ensure_first_accounts({"bank_transfer": BANK})
    return account


@pytest.fixture
def bank_method(bank_account: GatewayAccount) -> PaymentMethod:
    """Bank transfer, three days to pay."""
    method: PaymentMethod = factories.PaymentMethodFactory(
        code="bank_transfer", name_vi="Chuyển khoản", name_en="Bank transfer", account=bank_account,
        kind=PaymentMethod.Kind.OFFLINE, position=3, lifetime=timedelta(days=3),
    )  # fmt: skip
    return method


@pytest.fixture
def methods(momo_method: PaymentMethod, cod_method: PaymentMethod) -> dict[str, PaymentMethod]:
    """Both methods by code."""
    return {method.code: method for method in (momo_method, cod_method)}


# --- Orders and callers ----------------------------------------------------------------------------------------------
@pytest.fixture
def order(db: None) -> Callable[..., Any]:
    """Make an order that adds up: `order(order_id="ORD-1", amount_minor=50_000)`, `order({"order_subtotal": 9_000})`."""
    return factories.make_order


@pytest.fixture
def customer_client(db: None) -> ApiClient:
    """customer-1, whose orders the factory makes."""
    return factories.customer()


@pytest.fixture
def other_client(db: None) -> ApiClient:
    """customer-2, who owns nothing."""
    return factories.customer(factories.OTHER_CUSTOMER)


@pytest.fixture
def system_client(db: None) -> ApiClient:
    """A service of the marketplace with every scope."""
    return factories.system()


@pytest.fixture
def anonymous(db: None) -> ApiClient:
    """Nobody."""
    return ApiClient()


@pytest.fixture
def ipn(db: None) -> Callable[[bytes], Any]:
    """Deliver MoMo's notification to the reference path, as MoMo does."""

    def deliver(body: bytes | dict[str, Any], path: str = "/v1/transaction/callback") -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ApiClient().generic("POST", path, raw, content_type="application/json; charset=UTF-8")

    return deliver
