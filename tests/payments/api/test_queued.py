"""What callers hear of a payment that is opened in the background: our own page to send the customer to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from config.core import clock
from payments import links
from payments.models import Attempt, Order, Payment, PaymentMethod
from payments.services import background, routes
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)
OPENING = {
    "/v1/payment/init": ("payUrl", "PENDING"),
    "/api/v1/payments": ("payment_url", "pending"),
    "/api/v1/payments/process": ("payment_url", "pending"),
}


@pytest.fixture(autouse=True)
def _in_the_background(settings: Any) -> None:
    settings.INVOICE_MODE = "batch"
    routes.forget()


@pytest.mark.parametrize("path", OPENING)
def test_the_url_is_our_page_until_the_gateway_has_answered_and_then_the_gateways(
    path: str, methods: dict[str, PaymentMethod], order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")
    body = {"order_id": "ORD-1", "payment_method": "momo"}
    name, status = OPENING[path]

    first = customer_client.send(path, body)
    again = customer_client.send(path, body)
    page = links.pay_page(Payment.objects.get())

    for answer in (first, again):
        assert answer.status_code == 201, answer.content
        assert (answer.json()[name], answer.json()["status"]) == (page, status)
    background.open_due(at=clock.now())
    attempt = Attempt.objects.get()
    later = customer_client.send(path, body).json()
    assert attempt.pay_url.startswith("http") and attempt.pay_url != page
    assert (later[name], later["transaction_id"]) == (attempt.pay_url, attempt.id)
    assert later["status"] in ("AWAITING_PAYMENT", "awaiting_payment")


def test_the_url_again_is_our_page_too(
    methods: dict[str, PaymentMethod], order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")
    customer_client.send("/v1/payment/init", {"order_id": "ORD-1", "payment_method": "momo"})

    answer = customer_client.get("/v1/payment/get-url-again?order_id=ORD-1")

    assert (answer.status_code, answer.json()["payUrl"]) == (200, links.pay_page(Payment.objects.get()))


def test_a_shown_payment_has_a_queued_transaction_without_a_url(
    methods: dict[str, PaymentMethod], order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")
    payment_id = customer_client.send("/api/v1/payments", {"order_id": "ORD-1", "payment_method": "momo"}).json()[
        "payment_id"
    ]

    shown = customer_client.get(f"/api/v1/payments/{payment_id}").json()

    assert (shown["status"], shown["transaction"]["status"]) == ("pending", "queued")
    assert shown["transaction"]["payment_url"] is None
