"""The canonical door: opened, listed, followed, cancelled, captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.core.models import AuditEntry, OutboxEvent
from gateways.sandbox.faults import Fault
from gateways.sandbox.state import Stage
from ledger.models import JournalEntry
from payments import links
from payments.models import Attempt, Order, Payment, PaymentMethod
from payments.services import accounts
from payments.states import AttemptStatus, PaymentStatus
from tests import factories
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db
PAYMENTS = "/api/v1/payments"
Methods = dict[str, PaymentMethod]


@pytest.fixture
def opened(methods: Methods, order: Callable[..., Order], customer_client: ApiClient) -> Payment:
    """customer-1's open payment of ORD-1 by MoMo."""
    order(order_id="ORD-1")
    assert customer_client.send(PAYMENTS, {"order_id": "ORD-1", "payment_method": "momo"}).status_code == 201
    return Payment.objects.get()


def fetch(client: ApiClient, payment: Payment, tail: str = "") -> Any:
    return client.get(f"{PAYMENTS}/{payment.id}{tail}")


# --- Opening ---------------------------------------------------------------------------------------------------------
def test_the_body_of_the_card_system_opens_a_payment(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1", amount_minor=99_000)

    answer = customer_client.send(
        f"{PAYMENTS}/process",
        {"order_id": "ORD-1", "amount": 99000, "currency": "vnd", "description": "Test", "payment_method": "momo"},
    )

    attempt = Attempt.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "payment_id": attempt.payment_id,
        "transaction_id": attempt.id,
        "transaction_code": attempt.gateway_reference,
        "order_id": "ORD-1",
        "payment_method": "momo",
        "status": "awaiting_payment",
        "amount": "99000",
        "amount_minor": 99_000,
        "currency": "VND",
        "payment_url": attempt.pay_url,
        "qr_code": attempt.qr_text,
        "transfer": None,
        "deeplink": attempt.deeplink,
        "client_secret": links.client_secret(attempt.payment_id),
        "pay_page": f"http://127.0.0.1:9/pay/{links.client_secret(attempt.payment_id)}",
        "expires_at": answer.json()["expires_at"],
    }


def test_the_body_of_the_fiuu_system_opens_a_payment(methods: Methods, system_client: ApiClient) -> None:
    answer = system_client.send(
        PAYMENTS,
        {
            "order_id": "ORD123456",
            "customer_id": "customer-1",
            "amount": 100500,
            "currency": "VND",
            "payment_method": "MOMO",
            "bill_name": "John Doe",
            "bill_email": "john@example.com",
            "bill_mobile": "01234567890",
            "bill_description": "Test Payment",
            "return_url": "http://127.0.0.1:9/return",
            "notify_url": "https://example.com/webhook",
        },
    )

    assert answer.status_code == 201, answer.json()
    payment = Payment.objects.select_related("order").get()
    order = payment.order
    assert (order.buyer_name, order.buyer_email, order.buyer_phone) == ("John Doe", "john@example.com", "01234567890")
    assert (order.description, order.source) == ("Test Payment", "system")
    assert (payment.return_url, payment.notify_url) == ("http://127.0.0.1:9/return", "https://example.com/webhook")


def test_a_service_must_say_whose_order_it_tells(methods: Methods, system_client: ApiClient) -> None:
    answer = system_client.send(
        PAYMENTS, {"order_id": "ORD-9", "payment_method": "momo", "amount": 1000, "shop_orders": []}
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/customer_id"
    assert not Order.objects.exists()


def test_a_card_token_needs_a_method_that_charges_cards(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")

    answer = customer_client.send(
        PAYMENTS, {"order_id": "ORD-1", "payment_method": "momo", "card_token": "pm_card_visa"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "payment_method_unusable")
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"payment_method": "nope"}, 404, "payment_method_not_found"),
        ({"currency": "XXX"}, 422, "currency_unknown"),
        ({"amount": "1e3"}, 400, "invalid_request"),
        ({"amount": -5}, 400, "invalid_request"),
        ({"amount": "9" * 18}, 422, "amount_invalid"),
        ({"order_id": "x" * 101}, 400, "invalid_request"),
        ({"order_id": None}, 400, "invalid_request"),
        ({"notify_url": "javascript:alert(1)"}, 400, "invalid_request"),
    ],
)
def test_bad_values_are_refused_and_nothing_begins(
    body: dict[str, Any], status: int, code: str,
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient,
) -> None:  # fmt: skip
    order(order_id="ORD-1")

    answer = customer_client.send(PAYMENTS, {"order_id": "ORD-1", "payment_method": "momo", "amount": 100_000, **body})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Payment.objects.exists()


@pytest.mark.parametrize("raw", [b'{"order_id": NaN}', b'{"a":1,"a":2}', b"[" * 100, b'{"amount": 1e400}', b"\xff"])
def test_what_is_not_plain_json_is_a_400(raw: bytes, customer_client: ApiClient) -> None:
    answer = customer_client.generic("POST", PAYMENTS, raw, content_type="application/json")

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


def test_keys_of_two_customers_do_not_meet(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient, other_client: ApiClient
) -> None:
    order(order_id="ORD-1")
    order(order_id="ORD-2", customer=factories.OTHER_CUSTOMER)
    one = customer_client.send(PAYMENTS, {"order_id": "ORD-1", "payment_method": "cod"}, key="k")
    two = other_client.send(PAYMENTS, {"order_id": "ORD-2", "payment_method": "cod"}, key="k")

    assert (one.status_code, two.status_code) == (201, 201)
    assert one.json()["payment_id"] != two.json()["payment_id"]


# --- Reading ---------------------------------------------------------------------------------------------------------
def test_a_payment_shows_its_life_its_amounts_and_its_latest_try(opened: Payment, customer_client: ApiClient) -> None:
    body = fetch(customer_client, opened).json()

    attempt = Attempt.objects.get()
    assert body["transaction"]["transaction_id"] == attempt.id
    assert body["transaction"]["payment_url"] == attempt.pay_url
    shown = {name: body[name] for name in ("payment_id", "order_id", "status", "amount", "captured", "refund_state")}
    assert shown == {
        "payment_id": opened.id,
        "order_id": "ORD-1",
        "status": "awaiting_payment",
        "amount": "100000",
        "captured": "0",
        "refund_state": "none",
    }


def test_a_browser_follows_one_payment_by_its_secret(
    opened: Payment, anonymous: ApiClient, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-2")
    other = customer_client.send(PAYMENTS, {"order_id": "ORD-2", "payment_method": "cod"}).json()["payment_id"]
    secret = links.client_secret(opened.id)

    right = fetch(anonymous, opened, f"/status?client_secret={secret}")
    wrong = fetch(anonymous, opened, f"/status?client_secret={secret[:-1]}x")
    elsewhere = anonymous.get(f"{PAYMENTS}/{other}/status", {"client_secret": secret})
    more = fetch(anonymous, opened, f"?client_secret={secret}")

    assert right.json() == {
        "payment_id": opened.id, "status": "awaiting_payment", "updated_at": right.json()["updated_at"],
    }  # fmt: skip
    assert (right.status_code, wrong.status_code, elsewhere.status_code, more.status_code) == (200, 401, 404, 401)


def test_tries_come_with_their_history(opened: Payment, customer_client: ApiClient) -> None:
    (attempt,) = fetch(customer_client, opened, "/attempts").json()["data"]

    assert attempt["number"] == 1
    assert [(step["from_status"], step["to_status"]) for step in attempt["history"]] == [
        (None, "sent"), ("sent", "requires_action"),
    ]  # fmt: skip


def test_events_of_a_payment_are_those_of_the_outbox(
    opened: Payment, customer_client: ApiClient, system_client: ApiClient
) -> None:
    (event,) = fetch(customer_client, opened, "/events").json()["data"]

    row = OutboxEvent.objects.get()
    assert (event["event_id"], event["type"], event["sequence"]) == (row.event_id, "transaction.created", 1)
    listed = system_client.get("/api/v1/events", {"type": "transaction.created", "key": "ORD-1"}).json()
    assert [one["event_id"] for one in listed["data"]] == [row.event_id]
    assert system_client.get("/api/v1/events", {"type": "payment.completed"}).json()["data"] == []


def test_lists_go_on_where_the_page_before_ended(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    made = []
    for number in range(5):
        order(order_id=f"ORD-{number}")
        body = {"order_id": f"ORD-{number}", "payment_method": "cod"}
        made.append(customer_client.send(PAYMENTS, body).json()["payment_id"])

    seen, cursor = [], None
    while True:
        page = customer_client.get(PAYMENTS, {"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [row["payment_id"] for row in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break

    assert seen == made[::-1]
    assert cursor is None


@pytest.mark.parametrize(
    "query",
    [{"status": "paid"}, {"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"created_from": "yesterday"}, {"status": ""}],
)
def test_odd_filters_are_refused_by_name(query: dict[str, Any], customer_client: ApiClient) -> None:
    answer = customer_client.get(PAYMENTS, query)

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{next(iter(query))}"]


def test_filters_narrow(opened: Payment, system_client: ApiClient) -> None:
    def found(**query: Any) -> int:
        return len(system_client.get(PAYMENTS, query).json()["data"])

    assert found(status="awaiting_payment", order_id="ORD-1", payment_method="momo", customer_id="customer-1") == 1
    assert found(created_from="2026-01-01T00:00:00Z", created_to="2999-01-01T00:00:00Z") == 1
    assert found(status="succeeded") == found(order_id="ORD-2") == found(payment_method="cod") == 0
    assert found(customer_id="customer-2") == found(created_to="2026-01-01T00:00:00Z") == 0


def test_a_longer_list_asks_no_more_questions(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient, system_client: ApiClient
) -> None:
    def queries(path: str) -> int:
        accounts.forget()  # what is remembered for seconds would be asked for in one of two counts only
        with CaptureQueriesContext(connection) as seen:
            assert system_client.get(path).status_code == 200
        return len(seen)

    def add(number: int) -> None:
        order(order_id=f"ORD-{number}")
        customer_client.send(PAYMENTS, {"order_id": f"ORD-{number}", "payment_method": "cod"})
        payment = Payment.objects.get(order__order_id=f"ORD-{number}")
        news = {"result": "collected", "carrier": "ghn", "reference": f"G-{number}", "amount": "100000"}
        assert system_client.send(f"{PAYMENTS}/{payment.id}/cod", news).status_code == 200
        refund = system_client.send(f"{PAYMENTS}/{payment.id}/refund", {"amount": "10000"})
        assert refund.status_code == 201, refund.json()

    paths = [
        PAYMENTS, "/api/v1/refunds", "/api/v1/events", "/api/v1/ledger/accounts", "/api/v1/ledger/journals",
        "/api/v1/money-cases", "/v1/admin/transactions", "/v1/admin/ledger", "/v1/admin/statistics", "/v1/payment-method",
    ]  # fmt: skip
    add(1)
    few = {path: queries(path) for path in paths}
    for number in range(2, 6):
        add(number)

    assert {path: queries(path) for path in paths} == few
    assert max(few.values()) <= 3


# --- Cancelling and capturing ----------------------------------------------------------------------------------------
def test_a_customer_cancels_an_open_payment_once(opened: Payment, customer_client: ApiClient) -> None:
    first = customer_client.send(f"{PAYMENTS}/{opened.id}/cancel", {"reason": "changed my mind"})
    again = customer_client.send(f"{PAYMENTS}/{opened.id}/cancel")

    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")
    assert OutboxEvent.objects.filter(type="payment.failed").count() == 1
    assert first.json()["transaction"]["payment_url"] is None


def test_a_payment_that_was_paid_meanwhile_is_not_cancelled(
    opened: Payment, customer_client: ApiClient, momo: Any
) -> None:
    momo.settle(Attempt.objects.get())  # and no notification has come yet

    answer = customer_client.send(f"{PAYMENTS}/{opened.id}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_payable")
    opened.refresh_from_db()
    assert opened.status == PaymentStatus.SUCCEEDED


@pytest.fixture
def authorized(opened: Payment, momo: Any, ipn: Callable[..., Any]) -> Payment:
    """The same payment, its money reserved and not taken."""
    attempt = Attempt.objects.get()
    momo.payment(attempt).fields["autoCapture"] = False
    momo.settle(attempt)
    assert ipn(momo.ipn(attempt)).status_code == 204
    opened.refresh_from_db()
    assert (opened.status, JournalEntry.objects.count()) == (PaymentStatus.AUTHORIZED, 0)
    return opened


def test_authorised_money_is_taken_once(authorized: Payment, system_client: ApiClient, momo: Any) -> None:
    first = system_client.send(f"{PAYMENTS}/{authorized.id}/capture")
    again = system_client.send(f"{PAYMENTS}/{authorized.id}/capture")

    assert (first.status_code, first.json()["status"], first.json()["captured"]) == (200, "succeeded", "100000")
    assert (again.status_code, again.json()["status"]) == (200, "succeeded")
    assert momo.payment(Attempt.objects.get()).stage is Stage.PAID
    assert JournalEntry.objects.get().event == "captured"
    assert AuditEntry.objects.filter(action="payment.capture_requested").count() == 1


def test_a_capture_without_an_answer_is_asked_about_and_may_be_tried_again(
    authorized: Payment, system_client: ApiClient, momo: Any
) -> None:
    momo.fault(Fault.HTML_200, operation="confirm")

    lost = system_client.send(f"{PAYMENTS}/{authorized.id}/capture")
    attempt = Attempt.objects.get()
    assert (lost.status_code, lost.json()["code"], lost.json()["payment_id"]) == (504, "gateway_timeout", authorized.id)
    assert (attempt.status, attempt.next_query_at is not None) == (AttemptStatus.PENDING, True)
    assert JournalEntry.objects.count() == 0

    again = system_client.send(f"{PAYMENTS}/{authorized.id}/capture")
    assert (again.status_code, again.json()["status"]) == (200, "succeeded")


def test_a_refused_capture_leaves_the_money_reserved(authorized: Payment, system_client: ApiClient, momo: Any) -> None:
    momo.fault(Fault.ANSWER_CODE, operation="confirm", code=11)

    answer = system_client.send(f"{PAYMENTS}/{authorized.id}/capture")

    assert (answer.status_code, answer.json()["code"]) == (502, "gateway_refused")
    authorized.refresh_from_db()
    assert (authorized.status, JournalEntry.objects.count()) == (PaymentStatus.AUTHORIZED, 0)


def test_cancelling_gives_authorised_money_free(authorized: Payment, customer_client: ApiClient, momo: Any) -> None:
    answer = customer_client.send(f"{PAYMENTS}/{authorized.id}/cancel", {"reason": "changed my mind"})

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert momo.payment(Attempt.objects.get()).stage is Stage.CANCELLED
    assert Attempt.objects.get().status == AttemptStatus.CANCELLED
    assert JournalEntry.objects.count() == 0
    assert list(OutboxEvent.objects.order_by("position").values_list("type", flat=True)) == [
        "transaction.created", "transaction.failed", "payment.failed",
    ]  # fmt: skip


def test_only_authorised_money_can_be_captured(opened: Payment, system_client: ApiClient) -> None:
    answer = system_client.send(f"{PAYMENTS}/{opened.id}/capture")
    unknown = system_client.send(f"{PAYMENTS}/pay_00000000000000000000000000/capture")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_payable")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "payment_not_found")


def test_the_document_can_be_had_and_names_every_path(anonymous: ApiClient) -> None:
    document = anonymous.get(reverse("schema"), headers={"accept": "application/json"}).json()

    assert "/v1/transaction/callback" in document["paths"]
    assert all(
        operation.get("tags") and operation.get("summary")
        for operations in document["paths"].values()
        for operation in operations.values()
    )
