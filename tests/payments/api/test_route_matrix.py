"""Who gets in where (RELIABILITY T13, T16): every route and every kind of caller; a route without a row here fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone

from config.core.money import Money
from ledger.models import JournalEntry
from payments.api import urls
from payments.models import Attempt, Dispute, GatewayAccount, MoneyCase, Payment, PaymentMethod, Refund
from payments.services import accounts, dispute_by_hand, webhook_endpoints, webhooks
from tests import factories
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Row:
    """What each caller gets. `service` has every scope, `stranger` is a key with a scope that fits nowhere here."""

    method: str
    path: str
    anonymous: int
    owner: int
    other: int
    service: int
    stranger: int
    staff: int
    body: Any = None


OPEN: Final = {"anonymous": 200, "owner": 200, "other": 200, "service": 200, "stranger": 200, "staff": 200}
SCOPED: Final = {"anonymous": 401, "owner": 403, "other": 403, "service": 200, "stranger": 403, "staff": 401}
SCOPED_MISSING: Final = {**SCOPED, "service": 404}
SCOPED_INVALID: Final = {**SCOPED, "service": 400}
OWN: Final = {"anonymous": 401, "owner": 200, "other": 404, "service": 200, "stranger": 403, "staff": 401}
OWN_LIST: Final = {**OWN, "other": 200}
OWN_INVALID: Final = {"anonymous": 401, "owner": 400, "other": 400, "service": 400, "stranger": 403, "staff": 401}
REPORT: Final = {**SCOPED, "staff": 200}
CALLBACK: Final = {"anonymous": 400, "owner": 400, "other": 400, "service": 400, "stranger": 400, "staff": 400}

MATRIX: Final = [
    Row("GET", "v1/payment-method", **OPEN),
    Row("GET", "v1/payment-method/<str:method>", **OPEN),
    Row("POST", "v1/payment/init", body={"order_id": "ORD-1", "payment_method": "momo"},
        anonymous=401, owner=409, other=404, service=409, stranger=403, staff=401),
    Row("GET", "v1/payment/get-url-again", anonymous=401, owner=409, other=404, service=409, stranger=403, staff=401),
    Row("POST", "v1/transaction/callback", **CALLBACK),
    Row("POST", "v1/payments/xendit/webhook", **CALLBACK),
    Row("POST", "api/v1/stripe/webhook", **CALLBACK),
    Row("GET", "v1/admin/transactions", **REPORT),
    Row("GET", "v1/admin/ledger", **REPORT),
    Row("GET", "v1/admin/statistics", **REPORT),
    Row("POST", "api/v1/stripe/validate-card", body={}, **OWN_INVALID),
    Row("POST", "api/v1/stripe/payment", body={}, **OWN_INVALID),
    Row("GET", "api/v1/stripe/payment/<str:payment>",  # the world's payment is MoMo's
        anonymous=401, owner=404, other=404, service=404, stranger=403, staff=401),
    Row("POST", "api/v1/stripe/refund", body={"amount": 0}, **SCOPED_INVALID),
    Row("GET", "api/v1/payments", **OWN_LIST),
    Row("POST", "api/v1/payments", body={}, **OWN_INVALID),
    Row("POST", "api/v1/payments/process", body={}, **OWN_INVALID),
    Row("POST", "api/v1/payments/OTP", body={}, **OWN_INVALID),
    Row("POST", "api/v1/payments/validate", body={}, **OWN_INVALID),
    Row("GET", "api/v1/payments/seamless/config",  # of an order that is paid by another method
        anonymous=401, owner=422, other=422, service=422, stranger=403, staff=401),
    Row("GET", "api/v1/payments/<own_id:payment_id>", **OWN),
    Row("GET", "api/v1/payments/<own_id:payment_id>/status", **OWN),
    Row("GET", "api/v1/payments/<own_id:payment_id>/attempts", **OWN),
    Row("GET", "api/v1/payments/<own_id:payment_id>/events", **OWN),
    Row("POST", "api/v1/payments/<own_id:payment_id>/cancel",  # paid: who may try is told that it is
        anonymous=401, owner=409, other=404, service=409, stranger=403, staff=401),
    Row("POST", "api/v1/payments/<own_id:payment_id>/capture", **OWN | {"owner": 403, "other": 403}),
    Row("POST", "api/v1/payments/<own_id:payment_id>/refund", body={"amount": 0}, **SCOPED_INVALID),
    Row("POST", "api/v1/payments/<own_id:payment_id>/cod", body={"result": "failed"}, **SCOPED | {"service": 409}),
    Row("POST", "api/v1/payments/<own_id:payment_id>/transfer", **SCOPED | {"service": 409},
        body={"bank_reference": "FT1", "amount": "1000", "value_date": "2026-11-21"}),
    Row("GET", "api/v1/refunds", **OWN_LIST),
    Row("GET", "api/v1/refunds/<own_id:refund_id>", **OWN),
    Row("GET", "api/v1/disputes", **SCOPED),
    Row("GET", "api/v1/disputes/<own_id:dispute_id>", **SCOPED),
    Row("POST", "api/v1/disputes/<own_id:dispute_id>/evidence", **SCOPED | {"service": 415}),
    Row("POST", "api/v1/disputes/<own_id:dispute_id>/submit", **SCOPED_INVALID),
    Row("POST", "api/v1/disputes/<own_id:dispute_id>/accept", **SCOPED_INVALID),
    Row("GET", "api/v1/payment-methods", **OPEN),
    Row("GET", "api/v1/payment-methods/<str:code>", **OPEN),
    Row("POST", "api/v1/orders", body={}, **SCOPED_INVALID),
    Row("POST", "api/v1/orders/<str:order_id>/cancel", body={"reason": 1, "x": 2}, **SCOPED_INVALID),
    Row("POST", "api/v1/shop-orders/<str:shop_order_id>/cancel", **SCOPED_MISSING),
    Row("GET", "api/v1/money-cases", **SCOPED),
    Row("GET", "api/v1/money-cases/<own_id:case_id>", **SCOPED),
    Row("GET", "api/v1/events", **SCOPED),
    Row("GET", "api/v1/webhook-endpoints", **SCOPED),
    Row("POST", "api/v1/webhook-endpoints", **SCOPED_INVALID),
    Row("GET", "api/v1/webhook-endpoints/<own_id:endpoint_id>", **SCOPED),
    Row("PATCH", "api/v1/webhook-endpoints/<own_id:endpoint_id>", body={"description": "x"}, **SCOPED),
    Row("POST", "api/v1/webhook-endpoints/<own_id:endpoint_id>/rotate-secret", **SCOPED),
    Row("POST", "api/v1/webhook-endpoints/<own_id:endpoint_id>/test", **SCOPED | {"service": 201}),
    Row("POST", "api/v1/webhook-endpoints/<own_id:endpoint_id>/disable", **SCOPED_INVALID),
    Row("POST", "api/v1/webhook-endpoints/<own_id:endpoint_id>/enable", **SCOPED_INVALID),
    Row("GET", "api/v1/webhook-deliveries", **SCOPED),
    Row("GET", "api/v1/webhook-deliveries/<own_id:delivery_id>", **SCOPED),
    Row("POST", "api/v1/webhook-deliveries/<own_id:delivery_id>/retry", **SCOPED_INVALID),
    Row("DELETE", "api/v1/webhook-endpoints/<own_id:endpoint_id>", **SCOPED | {"service": 204}),
    Row("GET", "api/v1/ledger/accounts", **SCOPED),
    Row("GET", "api/v1/ledger/accounts/<str:code>", **SCOPED),
    Row("GET", "api/v1/ledger/accounts/<str:code>/statement", **SCOPED),
    Row("GET", "api/v1/ledger/journals", **SCOPED),
    Row("GET", "api/v1/ledger/journals/<int:journal_id>", **SCOPED),
    Row("POST", "api/v1/webhooks/fiuu", **CALLBACK),
    Row("GET", "api/v1/webhooks/<slug:gateway>/<slug:account>", **CALLBACK),
    Row("POST", "api/v1/webhooks/<slug:gateway>/<slug:account>", **CALLBACK),
]  # fmt: skip
PLAIN_VIEWS: Final = {
    "api/v1/webhooks/fiuu": {"POST"},
    "v1/transaction/callback": {"POST"},
    "v1/payments/xendit/webhook": {"POST"},
    "api/v1/stripe/webhook": {"POST"},
    "api/v1/webhooks/<slug:gateway>/<slug:account>": {"GET", "POST"},
}


@pytest.fixture
def world(
    methods: dict[str, PaymentMethod],
    order: Callable[..., Any],
    customer_client: ApiClient,
    system_client: ApiClient,
    momo: Any,
    ipn: Callable[..., Any],
) -> dict[str, str]:
    """customer-1's paid order with a refund, and money of nobody."""
    keys = {"merchant_id": "SB_nobody", "verify_key": "v" * 32, "secret_key": "s" * 32}
    accounts.ensure_first_accounts(
        {
            "fiuu": keys,
            "xendit": {"secret_key": "xnd_development_1", "webhook_token": "token"},
            "stripe": {"secret_key": "sk_test_1", "webhook_secret": "whsec_1"},
        }
    )
    order(order_id="ORD-1")
    customer_client.send("/v1/payment/init", {"order_id": "ORD-1", "payment_method": "momo"})
    ipn(momo.paid_ipn(Attempt.objects.get()))
    ipn(momo.custom_ipn(orderId="nobody-knows", amount=50_000, resultCode=0, transId=77))
    payment = Payment.objects.get()
    system_client.send(f"/api/v1/payments/{payment.id}/refund", {"amount": "40000"})
    dispute = dispute_of(payment)
    endpoint, _secret = webhook_endpoints.create(
        url="https://hooks.example.com/", event_types=["*"], description="", actor="key:tests", at=timezone.now()
    )
    delivery = webhooks.send_test(endpoint_id=endpoint.id, actor="key:tests", at=timezone.now())
    return {
        "<own_id:endpoint_id>": endpoint.id,
        "<own_id:delivery_id>": delivery.id,
        "<own_id:payment_id>": payment.id,
        "<own_id:dispute_id>": dispute.id,
        "<own_id:refund_id>": Refund.objects.get().id,
        "<own_id:case_id>": MoneyCase.objects.get(kind="unknown_order").id,
        "<str:order_id>": "ORD-1",
        "<str:shop_order_id>": "SO-unknown",
        "<int:journal_id>": str(JournalEntry.objects.earliest("id").pk),
        "ledger/accounts/<str:code>": "ledger/accounts/gw:momo:clearing",
        "payment-methods/<str:code>": "payment-methods/momo",
        "<str:method>": "momo",
        "<slug:gateway>": "momo",
        "<slug:account>": "momo",
        "get-url-again": "get-url-again?order_id=ORD-1",
        "seamless/config": "seamless/config?order_id=ORD-1&payment_method=momo",
    }


def dispute_of(payment: Payment) -> Dispute:
    """A dispute that staff opened by hand, of a part of a payment."""
    account = GatewayAccount.objects.get(code="momo")
    wish = dispute_by_hand.NewDispute(
        account=account, gateway_dispute_id="CB-1", money=Money(10_000, "VND"), payment_id=payment.id
    )
    return dispute_by_hand.open_by_hand(wish=wish, actor="user:a@x", why="e-mail", at=timezone.now())


def caller(kind: str) -> Client:
    """A client of each kind of caller."""
    if kind == "anonymous":
        return ApiClient()
    if kind == "staff":
        client = ApiClient()
        client.force_login(factories.UserFactory())
        return client
    return {
        "owner": factories.customer,
        "other": lambda: factories.customer(factories.OTHER_CUSTOMER),
        "service": factories.system,
        "stranger": lambda: factories.key("metrics:read"),
    }[kind]()


def test_every_route_has_a_row_in_the_matrix() -> None:
    routes = set()
    for pattern in urls.urlpatterns:
        route = str(pattern.pattern)
        view = getattr(pattern.callback, "view_class", None)
        offered = (
            PLAIN_VIEWS[route]
            if view is None
            else {name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)}
        )
        routes |= {(method, route) for method in offered}

    assert sorted(routes) == sorted((row.method, row.path) for row in MATRIX)


@pytest.mark.parametrize("kind", ["anonymous", "owner", "other", "service", "stranger", "staff"])
def test_each_caller_gets_in_where_they_may_and_nowhere_else(kind: str, world: dict[str, str]) -> None:
    client, got, expected = caller(kind), {}, {}
    for row in MATRIX:
        path = row.path
        for placeholder, value in world.items():
            path = path.replace(placeholder, value)
        if row.method == "GET":
            answer = client.get(f"/{path}")
        else:
            answer = client.generic(row.method, f"/{path}", json.dumps(row.body or {}), content_type="application/json")
        got[row.method, row.path] = answer.status_code
        expected[row.method, row.path] = getattr(row, kind)
        if row.path not in PLAIN_VIEWS and answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"

    assert got == expected
    assert Payment.objects.count() == 1
    assert Refund.objects.count() == 1


def test_somebody_else_s_payment_looks_like_one_that_is_not_there(
    world: dict[str, str], other_client: ApiClient
) -> None:
    payment = Payment.objects.get()
    theirs = other_client.get(f"/api/v1/payments/{payment.id}").json()
    nobodys = other_client.get("/api/v1/payments/pay_00000000000000000000000000").json()

    assert {**theirs, "request_id": ""} == {**nobodys, "request_id": ""}
    assert other_client.get("/api/v1/payments").json()["data"] == []
    assert other_client.get("/api/v1/refunds").json()["data"] == []
    assert other_client.get("/api/v1/payments", {"customer_id": "customer-1"}).json()["data"] == []
