"""Fixtures of the back office: people with roles, and a day's worth of payments made by the services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from config.core import deadletters, ids
from config.core.clock import now
from config.core.models import Approval, JobRun, User
from config.core.money import Money
from gateways.reports import Report, ReportStatus
from payments.models import (
    Attempt,
    AttemptEvent,
    GatewayAccount,
    MoneyCase,
    Notification,
    Payment,
    PaymentMethod,
    Refund,
    RoutingRule,
    WebhookDelivery,
)
from payments.services import accounts, cod, refunds, reports, webhook_endpoints, webhooks
from payments.services.hearing import Heard
from tests import factories

PASSWORD = "a long enough password"


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """A member of staff with roles: `person("finance_operator")`; `is_superuser=True` for more."""

    def make(*roles: str, **fields: Any) -> User:
        user: User = factories.UserFactory(**fields)
        user.groups.set(Group.objects.filter(name__in=roles))
        return user

    return make


@pytest.fixture
def login(person: Callable[..., User]) -> Callable[..., Client]:
    """A logged-in browser, of somebody with these roles or of a person."""

    def make(*roles: str, user: User | None = None) -> Client:
        client = Client()
        client.force_login(user or person(*roles))
        return client

    return make


@pytest.fixture
def boss(person: Callable[..., User], login: Callable[..., Client]) -> Client:
    """A superuser's browser."""
    return login(user=person(is_superuser=True, language="en"))


@pytest.fixture
def momo(db: None) -> PaymentMethod:
    """MoMo's wallet; nobody calls it here, tests report for it."""
    accounts.forget()
    accounts.ensure_first_accounts(
        {"momo": {"partner_code": "MOMO", "access_key": "access-1", "secret_key": "secret-1"}}
    )
    account = GatewayAccount.objects.get(code="momo")
    method: PaymentMethod = factories.PaymentMethodFactory(code="momo", account=account)
    return method


@pytest.fixture
def cash(db: None) -> PaymentMethod:
    """Cash on delivery."""
    accounts.forget()
    accounts.ensure_first_accounts({"cod": {}})
    method: PaymentMethod = factories.PaymentMethodFactory(code="cod", account=GatewayAccount.objects.get(code="cod"))
    return method


def open_payment(method: PaymentMethod, *, at: datetime | None = None, amount: int = 100_000) -> Payment:
    """A payment with one attempt that waits for its customer."""
    at = at or now()
    order = factories.make_order(amount_minor=amount)
    payment = Payment.objects.create(
        order=order, method=method, customer=order.customer, amount_minor=order.amount_minor, currency="VND",
        status="awaiting_payment", client="tests", expires_at=at + timedelta(minutes=90), created_at=at, updated_at=at,
    )  # fmt: skip
    Attempt.objects.create(
        payment=payment, account=method.account, method=method, number=1, gateway_reference=f"ref-{payment.pk[-12:]}",
        amount_minor=payment.amount_minor, currency="VND", expires_at=payment.expires_at, created_at=at, updated_at=at,
        status="pending" if method.code == "cod" else "requires_action",
    )  # fmt: skip
    return payment


def report_paid(attempt: Attempt, *, money: Money | None = None, number: str = "", at: datetime | None = None) -> None:
    """The gateway says that an attempt was paid."""
    report = Report(
        reference=attempt.gateway_reference, status=ReportStatus.PAID, money=money or attempt.amount,
        gateway_transaction_id=number or f"momo-{attempt.pk[-8:]}",
    )  # fmt: skip
    heard = Heard(account=attempt.account, source=AttemptEvent.Source.WEBHOOK, at=at or now())
    reports.apply_report(report=report, heard=heard)


@pytest.fixture
def paid(cash: PaymentMethod) -> Payment:
    """A payment whose cash was collected: 100,000 VND."""
    payment = open_payment(cash)
    cod.collected(
        payment_id=payment.pk, carrier="ghn", carrier_reference=f"G-{payment.pk[-6:]}", money=payment.amount,
        actor="system:tests", at=now(),
    )  # fmt: skip
    payment.refresh_from_db()
    return payment


BANK = {"bank": "Vietcombank", "account_number": "0123456789", "account_name": "NGUYEN VAN A"}


def ask_refund(payment: Payment, maker: User, *, amount: int = 50_000) -> Refund:
    """A refund by bank, which waits for a second person."""
    wish = refunds.NewRefund(
        payment_id=payment.pk, amount=Money(amount, "VND"), reason="the customer sent it back",
        actor=f"user:{maker.email}", maker=maker, bank_details=BANK,
    )  # fmt: skip
    return refunds.request_refund(wish=wish, at=now()).refund


@dataclass(frozen=True, slots=True)
class Day:
    """Rows of every kind."""

    paid: Payment
    held: Payment
    case: MoneyCase
    refund: Refund
    approval: Approval
    maker: User
    message: Notification


@pytest.fixture
def day(paid: Payment, momo: PaymentMethod, person: Callable[..., User]) -> Day:
    """A paid payment, one paid with a wrong amount, a refund that waits, a message, a dead letter, a job, a webhook."""
    maker = person("finance_operator")
    held = open_payment(momo)
    attempt = held.attempts.get()
    report_paid(attempt, money=Money(1_234, "VND"))
    refund = ask_refund(paid, maker)
    message = Notification.objects.create(
        gateway="momo", account=momo.account, dedupe_key=ids.new_id("x"), method="POST", path="/api/v1/webhooks/momo/momo",
        body='{"orderId": "secret-bytes"}', status="rejected", received_at=now(), attempt=attempt, payment=held,
    )  # fmt: skip
    deadletters.bury(
        source="notification", topic="ipn.momo", key="k", reference=message.pk, payload={"a": 1}, headers={},
        error="deadlock", attempts=3,
    )  # fmt: skip
    JobRun.objects.create(name="ask_due", started_at=now(), finished_at=now(), last_success_at=now(), duration_ms=5)
    factories.ApiKeyFactory(secret="sk_test_kept_out_of_sight")
    RoutingRule.objects.create(position=1, account=momo.account, currency="VND", max_minor=5_000)
    endpoint, _secret = webhook_endpoints.create(
        url="https://hooks.example.com/day", event_types=["*"], description="", actor="system:tests", at=now()
    )
    delivery = webhooks.send_test(endpoint_id=endpoint.pk, actor="system:tests", at=now())
    WebhookDelivery.objects.filter(pk=delivery.pk).update(status="given_up", payment=paid)
    assert refund.approval is not None
    return Day(paid, held, MoneyCase.objects.get(), refund, refund.approval, maker, message)


def deed(model: str, key: object, name: str) -> str:
    """The address of a deed: deed("payments_payment", pk, "refund")."""
    return reverse(f"admin:{model}_{name}", args=[key])
