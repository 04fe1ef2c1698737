"""Refunds by the API: by amount, by line, all that is left; each call makes one unless it repeats a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.models import JournalEntry
from payments.models import Attempt, Order, Payment, PaymentMethod, Refund
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db
Methods = dict[str, PaymentMethod]


@pytest.fixture
def paid(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> Payment:
    """Two shops' goods for 80,000 and 120,000, the first with shipping of 20,000; all paid by MoMo."""
    order({"order_subtotal": 80_000, "shipping_fee": 20_000}, {"order_subtotal": 120_000}, order_id="ORD-1")
    customer_client.send("/v1/payment/init", {"order_id": "ORD-1", "payment_method": "momo"})
    ipn(momo.paid_ipn(Attempt.objects.get()))
    payment = Payment.objects.get()
    assert payment.captured_minor == 220_000
    return payment


def refund(client: ApiClient, payment: Payment, body: dict[str, Any], **options: Any) -> Any:
    return client.send(f"/api/v1/payments/{payment.id}/refund", body, **options)


def test_a_part_is_refunded_under_the_reason_of_either_system(paid: Payment, system_client: ApiClient) -> None:
    answer = refund(system_client, paid, {"amount": 5000.00, "refund_reason": "Customer requested refund"})

    made = Refund.objects.get()
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in ("refund_id", "payment_id", "amount", "status", "reason")} == {
        "refund_id": made.id,
        "payment_id": paid.id,
        "amount": "5000",
        "status": "succeeded",
        "reason": "Customer requested refund",
    }


def test_without_an_amount_it_is_all_that_is_left(paid: Payment, system_client: ApiClient) -> None:
    refund(system_client, paid, {"amount": "20000"})

    rest = refund(system_client, paid, {"reason": "all"})
    none = refund(system_client, paid, {})

    assert (rest.status_code, rest.json()["amount"], rest.json()["status"]) == (201, "200000", "succeeded")
    assert (none.status_code, none.json()["code"]) == (409, "refund_refused")
    paid.refresh_from_db()
    assert (paid.refunded_minor, paid.refunding_minor, paid.refund_state) == (220_000, 0, "full")


def test_a_line_is_refunded_in_its_list_value(paid: Payment, system_client: ApiClient) -> None:
    lines = [
        {"shop_order_id": "ORD-1-1", "amount": "80000"},
        {"shop_order_id": "ORD-1-1", "kind": "shipping", "amount": "20000"},
    ]
    answer = refund(system_client, paid, {"lines": lines})

    assert (answer.status_code, answer.json()["amount"]) == (201, "100000")
    assert sorted(Refund.objects.get().lines.values_list("kind", "cash_minor")) == [
        ("goods", 80_000),
        ("shipping", 20_000),
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount": "220001"}, 422, "refund_too_much"),
        ({"amount": "0"}, 400, "invalid_request"),
        ({"amount": "0.5"}, 422, "amount_precision"),
        ({"refund_amout": "1"}, 400, "invalid_request"),
        ({"lines": []}, 400, "invalid_request"),
        ({"lines": [{"shop_order_id": "nope", "amount": 1}]}, 422, "refund_too_much"),
        ({"amount": "1000", "lines": [{"shop_order_id": "ORD-1-2", "amount": "2000"}]}, 422, "refund_too_much"),
        ({"reason": "a", "refund_reason": "b"}, 400, "invalid_request"),
    ],
)
def test_what_cannot_be_refunded_changes_nothing(
    body: dict[str, Any], status: int, code: str, paid: Payment, system_client: ApiClient
) -> None:
    answer = refund(system_client, paid, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Refund.objects.exists()
    assert JournalEntry.objects.count() == 1
    paid.refresh_from_db()
    assert paid.refunding_minor == 0


def test_each_call_makes_a_refund_unless_it_repeats_a_key(paid: Payment, system_client: ApiClient) -> None:
    for _ in range(2):
        assert refund(system_client, paid, {"amount": "1000"}).status_code == 201
    first = refund(system_client, paid, {"amount": "1000"}, key="k")
    again = refund(system_client, paid, {"amount": 1000.0}, key="k")
    other = refund(system_client, paid, {"amount": "2000"}, key="k")

    assert again.json()["refund_id"] == first.json()["refund_id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert Refund.objects.count() == 3


def test_a_large_refund_waits_for_a_second_person(
    methods: Methods, order: Callable[..., Order], system_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> None:
    order(order_id="ORD-2", amount_minor=3_000_000)
    system_client.send("/v1/payment/init", {"order_id": "ORD-2", "payment_method": "momo"})
    ipn(momo.paid_ipn(Attempt.objects.get()))

    answer = refund(system_client, Payment.objects.get(), {})

    assert (answer.status_code, answer.json()["status"]) == (201, "pending_approval")
    assert JournalEntry.objects.count() == 1


def test_a_customer_sees_their_refunds_and_asks_for_none(
    paid: Payment, system_client: ApiClient, customer_client: ApiClient, other_client: ApiClient
) -> None:
    made = refund(system_client, paid, {"amount": "1000"}).json()

    assert refund(customer_client, paid, {"amount": "1000"}).status_code == 403
    assert customer_client.get(f"/api/v1/refunds/{made['refund_id']}").json() == made
    assert other_client.get(f"/api/v1/refunds/{made['refund_id']}").status_code == 404
    found = customer_client.get("/api/v1/refunds", {"payment_id": paid.id, "status": "succeeded"}).json()
    assert [row["refund_id"] for row in found["data"]] == [made["refund_id"]]


def test_an_unpaid_payment_has_nothing_to_refund(
    methods: Methods, order: Callable[..., Order], system_client: ApiClient
) -> None:
    order(order_id="ORD-3")
    opened = system_client.send("/v1/payment/init", {"order_id": "ORD-3", "payment_method": "momo"}).json()

    answer = system_client.send(f"/api/v1/payments/{opened['payment_id']}/refund", {})

    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (409, "refund_refused", 409)
