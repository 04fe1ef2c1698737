"""Whatever is sent to any operation of the OpenAPI document: no surprise, and every answer is one that it promises."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.core.money import Money
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.stripe.simulator import KNOWN as STRIPE
from ledger.models import JournalEntry
from payments.models import Attempt, MoneyCase, Payment, PaymentMethod, Refund
from payments.services import accounts, dispute_by_hand
from tests import factories, stores
from tests.factories import ApiClient
from tests.payments.conftest import ACCESS_KEY, NOWHERE, PARTNER, SECRET_KEY, MomoDriver

pytestmark = (
    pytest.mark.no_cover
)  # its lines are counted by the tests of each operation, and counting costs as much again
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
api = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
api.app = get_wsgi_application()
api.config.phases.coverage.enabled = False
api.config.output.sanitization.enabled = False


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: Any, payment_sandbox: RunningSandbox
) -> Iterator[dict[str, list[str]]]:
    """Things to be found, committed once: what a test does to them goes with the transaction it is wrapped in."""
    plenty = (100_000, 100_000)
    with (
        django_db_blocker.unblock(),
        override_settings(
            PUBLIC_URL=NOWHERE, GATEWAY_HOSTS=["127.0.0.1"], ALLOW_RAW_CARD_DATA=True, RATE_LIMIT_PER_SECOND=100_000,
            RATE_LIMIT_BURST=100_000, RATE_LIMITS={"otp": plenty, "cards": plenty},
        ),
    ):  # fmt: skip
        try:
            made = make_world(payment_sandbox)
            # The application answers in the test's transaction. Django's client sees to it for itself; this one does not.
            for signal in (request_started, request_finished):
                signal.disconnect(close_old_connections)
            yield made
        finally:
            for signal in (request_started, request_finished):
                signal.connect(close_old_connections)
            stores.back_to_initial_rows()


def make_world(sandbox: RunningSandbox) -> dict[str, list[str]]:
    """A paid and partly refunded payment, an open one, cash on delivery, a card's, a dispute, a case, journals."""
    customer, system, momo = factories.customer(), factories.system(), MomoDriver(sandbox)
    sandbox.app.sandbox.faults.clear()
    methods = make_methods(sandbox.url)
    for number, method in enumerate(["momo", "momo", "cod"], start=1):
        factories.make_order(order_id=f"ORD-{number}")
        body = {"order_id": f"ORD-{number}", "payment_method": method}
        assert customer.send("/v1/payment/init", body).status_code == 201
    stray = momo.custom_ipn(orderId="nobody-knows", amount=50_000, resultCode=0, transId=77)
    for told in (momo.paid_ipn(Attempt.objects.get(payment__order__order_id="ORD-1")), stray):
        ApiClient().generic("POST", "/v1/transaction/callback", told, content_type="application/json; charset=UTF-8")
    paid = Payment.objects.get(order__order_id="ORD-1")
    assert system.send(f"/api/v1/payments/{paid.id}/refund", {"amount": "40000"}).status_code == 201
    factories.make_order(order_id="ORD-4")
    wish = dispute_by_hand.NewDispute(
        account=methods["momo"].account, gateway_dispute_id="CB-1", money=Money(10_000, "VND"), payment_id=paid.id
    )
    dispute = dispute_by_hand.open_by_hand(wish=wish, actor="user:a@x", why="e-mail", at=paid.created_at)
    factories.make_order(order_id="ORD-5")
    card = customer.send("/api/v1/stripe/payment", {"order_id": "ORD-5", "card_token": "pm_card_visa"}).json()
    assert card["status"] == "succeeded"
    hook = {"url": "https://hooks.example.com/", "event_types": ["*"]}
    endpoint = system.send("/api/v1/webhook-endpoints", hook).json()["endpoint_id"]
    delivery = system.send(f"/api/v1/webhook-endpoints/{endpoint}/test").json()["delivery_id"]
    return {
        "endpoint_id": [endpoint],
        "delivery_id": [delivery],
        "url": [hook["url"], "https://169.254.169.254/"],
        "payment_id": list(Payment.objects.order_by("id").values_list("id", flat=True)),
        "refund_id": [Refund.objects.get().id],
        "dispute_id": [dispute.id],
        "case_id": list(MoneyCase.objects.values_list("id", flat=True)),
        "order_id": ["ORD-1", "ORD-2", "ORD-3", "ORD-4", "ORD-5"],
        "shop_order_id": ["ORD-1-1", "ORD-2-1", "ORD-4-1"],
        "journal_id": [str(number) for number in JournalEntry.objects.values_list("id", flat=True)],
        "code": ["gw:momo:clearing", "momo", "cod"],
        "method": ["momo", "cod", str(methods["cod"].id)],
        "payment_method": ["momo", "cod"],
        "gateway": ["momo"],
        "account": ["momo"],
        "currency": ["VND"],
        "payment": [card["payment_id"], card["stripe_payment_intent_id"]],
        "card_token": ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"],
        "number": ["4242424242424242", "4000000000000002", "4000002500003155"],
        "exp_year": ["2030"],
    }


def make_methods(address: str) -> dict[str, PaymentMethod]:
    """A wallet, cash on delivery and cards, whose gateways are the sandbox."""
    _, secret, publishable, webhook, _ = STRIPE[0]
    keys = {"partner_code": PARTNER, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    stripe = {"secret_key": secret, "webhook_secret": webhook, "publishable_key": publishable, "endpoint": address}
    made = accounts.ensure_first_accounts(
        {"momo": {**keys, "endpoint": address, "pay_hosts": ["127.0.0.1"]}, "cod": {}, "stripe": stripe}
    )
    offline, online = PaymentMethod.Kind.OFFLINE, PaymentMethod.Kind.ONLINE
    return {
        account.code: factories.PaymentMethodFactory(
            code=account.code, account=account, kind=offline if account.code == "cod" else online
        )
        for account in made
    }


def make_meaningful(case: Any, world: dict[str, list[str]]) -> None:
    """Two of three times, name things that are there: a document of 404s would prove little."""
    seed = zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode())
    if seed % 3 == 0:
        return
    inside = case.body.get("card") if isinstance(case.body, dict) else None
    for place in (case.path_parameters, case.query, case.body, inside):
        if isinstance(place, dict):
            for name in place.keys() & world.keys():
                place[name] = world[name][seed % len(world[name])]


def call(case: Any, world: dict[str, list[str]], bearer: str) -> None:
    make_meaningful(case, world)
    case.call_and_validate(headers={"Authorization": f"Bearer {bearer}"}, checks=CHECKS)


@api.parametrize()
@pytest.mark.django_db
def test_a_service_gets_what_the_document_promises(case: Any, world: dict[str, list[str]]) -> None:
    call(case, world, factories.token(typ="system", sub="fuzz", scope=" ".join(sorted(factories.apikeys.SCOPES))))


@api.parametrize()
@pytest.mark.django_db
def test_a_customer_gets_what_the_document_promises(case: Any, world: dict[str, list[str]]) -> None:
    call(case, world, factories.token())
