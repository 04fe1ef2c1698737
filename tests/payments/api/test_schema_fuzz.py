"""Whatever is sent to any operation of the OpenAPI document: no surprise, and every answer is one that it promises."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.core.money import Money
from gateways.sandbox.stripe import KNOWN as STRIPE
from ledger.models import JournalEntry
from payments.models import Attempt, GatewayAccount, MoneyCase, Payment, PaymentMethod, Refund
from payments.services import accounts, dispute_by_hand
from tests import factories
from tests.factories import ApiClient

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


@pytest.fixture
def world(
    methods: dict[str, PaymentMethod],
    order: Callable[..., Any],
    customer_client: ApiClient,
    system_client: ApiClient,
    momo: Any,
    ipn: Callable[..., Any],
    settings: Any,
) -> Iterator[dict[str, list[str]]]:
    """Things to be found: a paid and partly refunded payment, an open one, cash on delivery, a case, journals."""
    settings.RATE_LIMIT_PER_SECOND = settings.RATE_LIMIT_BURST = 100_000
    settings.RATE_LIMITS = {"otp": (100_000, 100_000), "cards": (100_000, 100_000)}
    for number, method in enumerate(["momo", "momo", "cod"], start=1):
        order(order_id=f"ORD-{number}")
        body = {"order_id": f"ORD-{number}", "payment_method": method}
        assert customer_client.send("/v1/payment/init", body).status_code == 201
    ipn(momo.paid_ipn(Attempt.objects.get(payment__order__order_id="ORD-1")))
    ipn(momo.custom_ipn(orderId="nobody-knows", amount=50_000, resultCode=0, transId=77))
    paid = Payment.objects.get(order__order_id="ORD-1")
    assert system_client.send(f"/api/v1/payments/{paid.id}/refund", {"amount": "40000"}).status_code == 201
    order(order_id="ORD-4")
    wish = dispute_by_hand.NewDispute(
        account=GatewayAccount.objects.get(code="momo"), gateway_dispute_id="CB-1", money=Money(10_000, "VND"),
        payment_id=paid.id,
    )  # fmt: skip
    dispute = dispute_by_hand.open_by_hand(wish=wish, actor="user:a@x", why="e-mail", at=paid.created_at)
    card = pay_by_card(order(order_id="ORD-5").order_id, customer_client, momo.running.url, settings)
    # The application answers in the test's own transaction. Django's client sees to it for itself; this one does not.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield {
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
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def pay_by_card(order_id: str, customer_client: ApiClient, address: str, settings: Any) -> dict[str, str]:
    """A payment that a card has paid, and test cards for more."""
    settings.ALLOW_RAW_CARD_DATA = True
    _, secret, publishable, webhook, _ = STRIPE[0]
    keys = {"secret_key": secret, "webhook_secret": webhook, "publishable_key": publishable, "endpoint": address}
    (made,) = accounts.ensure_first_accounts({"stripe": keys})
    factories.PaymentMethodFactory(code="stripe", account=made)
    body = {"order_id": order_id, "card_token": "pm_card_visa"}
    answer = customer_client.send("/api/v1/stripe/payment", body)
    assert answer.json()["status"] == "succeeded"
    paid: dict[str, str] = answer.json()
    return paid


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
