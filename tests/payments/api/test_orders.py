"""Orders by the API: told, told again, cancelled; and learned from the order service when nobody told us."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from payments.models import Attempt, MoneyCase, Order, Payment, PaymentMethod, Refund
from payments.services import order_directory
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db
Methods = dict[str, PaymentMethod]
ORDER = {
    "order_id": "ORD-5",
    "customer_id": "customer-1",
    "amount": "100000",
    "shop_orders": [
        {"shop_order_id": "ORD-5-a", "shop_id": "shop-a", "order_subtotal": "60000"},
        {"shop_order_id": "ORD-5-b", "shop_id": "shop-b", "order_subtotal": "30000", "shipping_fee": 10000},
    ],
}


# --- Told ------------------------------------------------------------------------------------------------------------
def test_a_service_tells_an_order_once(system_client: ApiClient) -> None:
    first, again = system_client.send("/api/v1/orders", ORDER), system_client.send("/api/v1/orders", ORDER)

    assert (first.status_code, again.status_code) == (201, 201)
    assert (
        first.json()
        == again.json()
        == {
            "order_id": "ORD-5",
            "customer_id": "customer-1",
            "status": "open",
            "amount": "100000",
            "amount_minor": 100_000,
            "currency": "VND",
            "shop_orders": [
                {"shop_order_id": "ORD-5-a", "shop_id": "shop-a", "status": "open"},
                {"shop_order_id": "ORD-5-b", "shop_id": "shop-b", "status": "open"},
            ],
            "created_at": first.json()["created_at"],
            "cancelled_at": None,
        }
    )


def test_an_order_does_not_change_its_amount_or_customer(system_client: ApiClient) -> None:
    system_client.send("/api/v1/orders", ORDER)

    dearer = system_client.send("/api/v1/orders", {**ORDER, "amount": "100001", "shop_orders": []})
    stolen = system_client.send("/api/v1/orders", {**ORDER, "customer_id": "customer-2"})

    assert (dearer.status_code, dearer.json()["code"]) == (409, "order_conflict")
    assert (stolen.status_code, stolen.json()["code"]) == (409, "order_conflict")
    assert (Order.objects.get().amount_minor, Order.objects.get().customer) == (100_000, "customer-1")


# --- Cancelled -------------------------------------------------------------------------------------------------------
def test_cancelling_an_order_ends_its_open_payment(
    methods: Methods, system_client: ApiClient, customer_client: ApiClient
) -> None:
    system_client.send("/api/v1/orders", ORDER)
    customer_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"})

    answer = system_client.send("/api/v1/orders/ORD-5/cancel", {"reason": "out of stock"})

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert Payment.objects.get().status == "cancelled"
    again = customer_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"})
    assert (again.status_code, again.json()["code"]) == (409, "not_payable")


def test_cancelling_a_paid_order_asks_a_person(
    methods: Methods, system_client: ApiClient, customer_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> None:
    system_client.send("/api/v1/orders", ORDER)
    customer_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"})
    ipn(momo.paid_ipn(Attempt.objects.get()))

    for _ in range(2):
        assert system_client.send("/api/v1/orders/ORD-5/cancel").status_code == 200

    assert MoneyCase.objects.get().kind == "cancelled_paid"
    assert not Refund.objects.exists()


def test_cancelling_one_shops_part_refunds_exactly_that_part_once(
    methods: Methods, system_client: ApiClient, customer_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> None:
    system_client.send("/api/v1/orders", ORDER)
    customer_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"})
    ipn(momo.paid_ipn(Attempt.objects.get()))

    for _ in range(2):
        assert system_client.send("/api/v1/shop-orders/ORD-5-b/cancel").status_code == 200

    assert (Refund.objects.get().amount_minor, Payment.objects.get().refunded_minor) == (40_000, 40_000)


def test_a_part_that_was_refunded_before_its_cancellation_is_not_refunded_again_nor_is_anything_else(
    methods: Methods, system_client: ApiClient, customer_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> None:
    system_client.send("/api/v1/orders", ORDER)
    customer_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"})
    ipn(momo.paid_ipn(Attempt.objects.get()))
    payment = Payment.objects.get()
    lines = [{"shop_order_id": "ORD-5-a", "amount": "60000"}]
    assert system_client.send(f"/api/v1/payments/{payment.id}/refund", {"lines": lines}).status_code == 201

    assert system_client.send("/api/v1/shop-orders/ORD-5-a/cancel").status_code == 200

    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.refunding_minor, Refund.objects.count()) == (60_000, 0, 1)


def test_what_we_do_not_know_cannot_be_cancelled(system_client: ApiClient) -> None:
    for path in ("/api/v1/orders/nope/cancel", "/api/v1/shop-orders/nope/cancel"):
        answer = system_client.send(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")


# --- Cash on delivery ------------------------------------------------------------------------------------------------
@pytest.fixture
def parcel(methods: Methods, order: Callable[..., Order], customer_client: ApiClient) -> str:
    """The payment of an order that a carrier brings."""
    order(order_id="ORD-6", amount_minor=350_000)
    body = {"order_id": "ORD-6", "payment_method": "cod"}
    return str(customer_client.send("/v1/payment/init", body).json()["payment_id"])


def test_collected_cash_pays_once(parcel: str, system_client: ApiClient) -> None:
    news = {"result": "collected", "carrier": "ghn", "reference": "GHN-77", "amount": "350000"}
    first = system_client.send(f"/api/v1/payments/{parcel}/cod", news)
    again = system_client.send(f"/api/v1/payments/{parcel}/cod", news)

    assert (first.status_code, first.json()["outcome"], first.json()["payment"]["status"]) == (
        200,
        "applied",
        "succeeded",
    )
    assert (again.status_code, again.json()["outcome"]) == (200, "already_applied")


@pytest.mark.parametrize(
    ("news", "status", "pointer"),
    [
        ({"result": "collected", "carrier": "ghn", "reference": "1", "amount": "349999"}, 422, "/amount"),
        ({"result": "collected", "carrier": "ghn", "reference": "1"}, 400, "/amount"),
        ({"result": "collected", "carrier": "g:hn", "reference": "1", "amount": "350000"}, 400, "/carrier"),
        ({"result": "lost"}, 400, "/result"),
    ],
)
def test_odd_news_about_cash_changes_nothing(
    news: dict[str, Any], status: int, pointer: str, parcel: str, system_client: ApiClient
) -> None:
    answer = system_client.send(f"/api/v1/payments/{parcel}/cod", news)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
    assert Payment.objects.get().status == "awaiting_payment"


def test_a_parcel_that_was_refused_may_be_paid_otherwise(
    parcel: str, system_client: ApiClient, customer_client: ApiClient
) -> None:
    answer = system_client.send(f"/api/v1/payments/{parcel}/cod", {"result": "failed", "reason": "nobody at home"})

    assert (answer.json()["outcome"], answer.json()["payment"]["status"]) == ("noted", "awaiting_payment")
    other = customer_client.send("/v1/payment/init", {"order_id": "ORD-6", "payment_method": "momo"})
    assert (other.status_code, other.json()["payment_id"]) == (201, parcel)


# --- Learned ---------------------------------------------------------------------------------------------------------
class OrderService:
    """An order service on a port of its own: answers what a test puts into `answers`."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append((unquote(self.path), self.headers.get("Authorization", "")))
                status, body = service.answers.get(unquote(self.path), (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def tells(self, order_id: str, body: Any, status: int = 200) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[f"/v1/orders/{order_id}"] = (status, raw)


@pytest.fixture
def order_service(settings: Any) -> Iterator[OrderService]:
    """Configured as URL_ORDER_SERVICE."""
    service = OrderService()
    settings.URL_ORDER_SERVICE = f"http://127.0.0.1:{service.server.server_address[1]}"
    settings.ORDER_SERVICE_TOKEN = "our-token"
    yield service
    service.server.shutdown()
    service.server.server_close()


def test_an_order_nobody_told_us_is_asked_for_once(
    methods: Methods, customer_client: ApiClient, order_service: OrderService
) -> None:
    order_service.tells("ORD-5", ORDER)

    answers = [customer_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"}) for _ in "ab"]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert order_service.asked == [("/v1/orders/ORD-5", "Bearer our-token")]
    order = Order.objects.get()
    assert (order.source, order.amount_minor, order.shop_orders.count()) == ("fetched", 100_000, 2)


def test_the_order_of_somebody_else_is_learned_and_still_not_found(
    methods: Methods, other_client: ApiClient, order_service: OrderService
) -> None:
    order_service.tells("ORD-5", ORDER)

    for _ in range(2):
        answer = other_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"})
        assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")

    assert len(order_service.asked) == 1
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ORDER, 500),
        (ORDER, 302),
        (b"<html>", 200),
        ([], 200),
        (b"x" * 300_000, 200),
        ({**ORDER, "order_id": "ORD-6"}, 200),
        ({**ORDER, "amount": "1"}, 200),
        ({**ORDER, "amount": -1}, 200),
        ({**ORDER, "customer_id": None}, 200),
        ({**ORDER, "status": "cancelled"}, 200),
    ],
)
def test_an_order_service_that_talks_nonsense_leaves_the_order_unknown(
    body: Any, status: int, methods: Methods, customer_client: ApiClient, order_service: OrderService
) -> None:
    order_service.tells("ORD-5", body, status)

    answer = customer_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"})

    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
    assert not Order.objects.exists()


def test_an_order_service_that_is_away_leaves_the_order_unknown(
    methods: Methods, customer_client: ApiClient, settings: Any
) -> None:
    settings.URL_ORDER_SERVICE = "http://127.0.0.1:9"

    assert order_directory.learn("ORD-5") is False
    answer = customer_client.send("/v1/payment/init", {"order_id": "ORD-5", "payment_method": "momo"})

    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")


def test_an_odd_order_id_stays_one_part_of_the_address(order_service: OrderService) -> None:
    assert order_directory.learn("../admin?x=1#y/é") is False

    assert order_service.asked == [("/v1/orders/../admin?x=1#y/é", "Bearer our-token")]
