"""POST /api/v1/payments/{id}/transfer: what reads the bank account says that a transfer came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from payments.models import AttemptEvent, Capture, MoneyCase, Payment, PaymentMethod
from tests import factories
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def address(order: Callable[..., Any], bank_method: PaymentMethod, customer_client: ApiClient) -> str:
    """Where the transfer of a fresh payment of 350,000 is confirmed."""
    order(order_id="ORD-1", amount_minor=350_000)
    body = {"order_id": "ORD-1", "payment_method": "bank_transfer"}
    opened = customer_client.send("/api/v1/payments", body)
    assert opened.status_code == 201, opened.text
    answer = opened.json()
    assert (answer["payment_url"], answer["qr_code"][:6]) == (None, "000201")
    assert answer["transfer"] == {
        "bank_name": "Vietcombank", "account_number": "0123456789", "account_name": "CONG TY CHO HOA",
        "amount": "350000", "text": answer["transaction_code"],
    }  # fmt: skip
    return f"/api/v1/payments/{answer['payment_id']}/transfer"


def body(**changes: Any) -> dict[str, Any]:
    today = timezone.localdate().isoformat()
    return {"bank_reference": "FT1", "amount": "350000", "value_date": today, **changes}


@pytest.fixture
def bank_reader(db: None) -> ApiClient:
    """A key that may confirm transfers, and look."""
    return factories.key("transfers:write", "payments:read")


def test_a_transfer_is_confirmed_once(address: str, bank_reader: ApiClient) -> None:
    first, again = bank_reader.send(address, body()), bank_reader.send(address, body())

    assert (first.status_code, first.json()["outcome"]) == (200, "applied")
    assert first.json()["payment"]["status"] == "succeeded"
    assert (again.status_code, again.json()["outcome"]) == (200, "already_applied")
    assert Capture.objects.get().gateway_transaction_id == "vcb:FT1"
    assert AttemptEvent.objects.latest("id").source == AttemptEvent.Source.API


def test_a_wrong_amount_is_taken_and_held(address: str, bank_reader: ApiClient) -> None:
    answer = bank_reader.send(address, body(amount="340000"))

    assert (answer.status_code, answer.json()["outcome"]) == (200, "wrong_amount")
    assert answer.json()["payment"]["status"] == "awaiting_payment"
    assert MoneyCase.objects.get().amount_minor == 340_000


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"bank_reference": ""}, 400),
        ({"value_date": "21/11/2026"}, 400),
        ({"value_date": "2001-01-01"}, 422),
        ({"amount": "350000.5"}, 422),
        ({"amount": "-1"}, 400),
        ({"bank": "vcb"}, 400),
    ],
)
def test_what_is_odd_is_refused_and_changes_nothing(
    address: str, bank_reader: ApiClient, changes: dict[str, Any], status: int
) -> None:
    answer = bank_reader.send(address, body(**changes))

    assert answer.status_code == status
    assert Payment.objects.get().status == "awaiting_payment"
    assert not Capture.objects.exists()


def test_the_customer_cannot_confirm_a_transfer(address: str, customer_client: ApiClient) -> None:
    assert customer_client.send(address, body()).status_code == 403
    assert not Capture.objects.exists()


def test_a_payment_by_another_method_has_no_transfer(
    order: Callable[..., Any], cod_method: PaymentMethod, customer_client: ApiClient, bank_reader: ApiClient
) -> None:
    order(order_id="ORD-2")
    payment = customer_client.send("/api/v1/payments", {"order_id": "ORD-2", "payment_method": "cod"}).json()

    answer = bank_reader.send(f"/api/v1/payments/{payment['payment_id']}/transfer", body())

    assert (answer.status_code, answer.json()["code"]) == (409, "not_payable")


def test_a_number_of_another_payment_is_a_conflict(
    address: str, order: Callable[..., Any], customer_client: ApiClient, bank_reader: ApiClient
) -> None:
    bank_reader.send(address, body())
    order(order_id="ORD-3", amount_minor=350_000)
    other = customer_client.send("/api/v1/payments", {"order_id": "ORD-3", "payment_method": "bank_transfer"}).json()

    answer = bank_reader.send(f"/api/v1/payments/{other['payment_id']}/transfer", body())

    assert (answer.status_code, answer.json()["code"]) == (409, "transfer_known")
    assert Payment.objects.get(id=other["payment_id"]).status == "awaiting_payment"
