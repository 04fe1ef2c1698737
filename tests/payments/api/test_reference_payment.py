"""`/v1/payment/*` and MoMo's callback: bodies and status codes of the reference system (ACCEPTANCE section 4, A44)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from ledger.models import JournalEntry
from payments import links
from payments.models import Attempt, Capture, Notification, Order, Payment, PaymentMethod
from payments.states import AttemptStatus, NotificationStatus, PaymentStatus
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db
INIT = "/v1/payment/init"
AGAIN = "/v1/payment/get-url-again"
Methods = dict[str, PaymentMethod]


@pytest.fixture
def started(methods: Methods, order: Callable[..., Order], customer_client: ApiClient) -> Attempt:
    """The live attempt of order ORD-1, 100,000 VND, by MoMo."""
    order(order_id="ORD-1")
    answer = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo"})
    assert answer.status_code == 201, answer.content
    return Attempt.objects.get()


# --- POST /v1/payment/init -------------------------------------------------------------------------------------------
def test_an_online_payment_starts_with_a_pay_url(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1", amount_minor=960_000)

    answer = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method_id": methods["momo"].id})

    attempt = Attempt.objects.select_related("payment").get()
    assert answer.status_code == 201
    assert answer.json() == {
        "transaction_id": attempt.id,
        "transaction_code": attempt.gateway_reference,
        "payment_id": attempt.payment.id,
        "order_id": "ORD-1",
        "status": "AWAITING_PAYMENT",
        "amount": "960000",
        "amount_minor": 960_000,
        "currency": "VND",
        "payUrl": attempt.pay_url,
        "qrCodeUrl": attempt.qr_text,
        "deeplink": attempt.deeplink,
        "client_secret": links.client_secret(attempt.payment.id),
        "expires_at": answer.json()["expires_at"],
    }
    assert attempt.pay_url.startswith("http://127.0.0.1:")


def test_cash_on_delivery_starts_without_a_url(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")

    answer = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "COD"})

    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["payUrl"], body["qrCodeUrl"], body["deeplink"]) == (
        "AWAITING_PAYMENT",
        None,
        None,
        None,
    )


def test_a_service_may_tell_the_order_itself(methods: Methods, system_client: ApiClient) -> None:
    answer = system_client.send(
        INIT,
        {
            "order_id": "ORD-7",
            "payment_method": "momo",
            "customer_id": "customer-9",
            "amount": "960000",
            "currency": "vnd",
            "buyer": {"name": "Lan", "email": "lan@example.com", "phone": "0901"},
            "shop_orders": [
                {
                    "shop_order_id": "ORD-7-1",
                    "shop_id": "shop-7",
                    "order_subtotal": "1000000",
                    "shop_voucher_discount": "50000",
                    "site_funded_product_discount": 20000,
                    "shipping_fee": "50000.0",
                }
            ],
            "platform_costs": {"site_order_voucher_discount": "20000"},
        },
    )

    assert answer.status_code == 201, answer.json()
    order = Order.objects.get()
    assert (order.order_id, order.customer, order.amount_minor, order.source) == (
        "ORD-7",
        "customer-9",
        960_000,
        "system",
    )
    assert order.buyer_email == "lan@example.com"
    assert order.shop_orders.get().shop_id == "shop-7"
    assert order.platform_cost.total_site_funded_product_discount_minor == 20_000


def test_parts_that_do_not_add_up_are_refused_and_nothing_is_kept(methods: Methods, system_client: ApiClient) -> None:
    answer = system_client.send(
        INIT,
        {
            "order_id": "ORD-7",
            "payment_method": "momo",
            "customer_id": "customer-9",
            "amount": "1000",
            "shop_orders": [{"shop_order_id": "a", "shop_id": "shop-7", "order_subtotal": "2000"}],
        },
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "order_invalid")
    assert not Order.objects.exists()


@pytest.mark.parametrize("name", ["customer_id", "buyer", "shop_orders", "platform_costs"])
def test_a_customer_cannot_tell_an_order(
    name: str, methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")
    value: Any = {"customer_id": "customer-1", "buyer": {}, "shop_orders": [], "platform_costs": {}}[name]

    answer = customer_client.send(
        INIT, {"order_id": "ORD-1", "payment_method": "momo", "amount": "100000", name: value}
    )

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": f"/{name}", "code": "services_only", "detail": "Only a service of the marketplace says this."}
    ]
    assert not Payment.objects.exists()


def test_an_amount_that_a_customer_sends_must_be_what_the_order_costs(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1", amount_minor=100_000)

    wrong = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo", "amount": "99999"})
    precise = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo", "amount": "100000.5"})
    assert not Payment.objects.exists()
    right = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo", "amount": 100000})

    assert (wrong.status_code, wrong.json()["code"], wrong.json()["error"]) == (
        422,
        "amount_mismatch",
        "amount_mismatch",
    )
    assert (precise.status_code, precise.json()["code"]) == (422, "amount_precision")
    assert right.status_code == 201


def test_the_order_of_somebody_else_is_not_found(
    methods: Methods, order: Callable[..., Order], other_client: ApiClient
) -> None:
    order(order_id="ORD-1")

    answer = other_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo"})

    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
    assert not Payment.objects.exists()


def test_starting_twice_without_a_key_answers_the_open_payment(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")
    first = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo"})
    again = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Attempt.objects.count() == 1


def test_a_key_finds_what_it_made_and_no_other_request(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1", amount_minor=100_000)
    body = {"order_id": "ORD-1", "payment_method": "momo"}
    first = customer_client.send(INIT, body, key="k-1")

    same = customer_client.send(INIT, {"payment_method": "momo", "order_id": "ORD-1"}, key="k-1")
    other = customer_client.send(INIT, {**body, "payment_method": "cod"}, key="k-1")
    odd = customer_client.send(INIT, body, key="k" * 256)

    assert (same.content, same.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert (odd.status_code, odd.json()["code"]) == (400, "idempotency_key_invalid")
    assert Payment.objects.count() == 1


def test_a_silent_gateway_is_a_504_that_says_which_payment_to_go_on_with(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient, momo: Any
) -> None:
    order(order_id="ORD-1")
    momo.fault(Fault.HTML_200, accept=True, operation="create")

    answer = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo"})

    payment, attempt = Payment.objects.get(), Attempt.objects.get()
    body = answer.json()
    assert (answer.status_code, body["code"], body["retryable"]) == (504, "gateway_timeout", True)
    assert (body["payment_id"], body["transaction_id"]) == (payment.id, attempt.id)
    assert attempt.status == AttemptStatus.UNKNOWN


def test_a_gateway_that_refuses_is_a_502(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient, momo: Any
) -> None:
    order(order_id="ORD-1")
    momo.fault(Fault.ANSWER_CODE, code=13, operation="create")

    answer = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo"})

    assert (answer.status_code, answer.json()["code"]) == (502, "gateway_refused")
    assert answer.json()["payment_id"] == Payment.objects.get().id
    assert Attempt.objects.get().status == AttemptStatus.FAILED


def test_a_misspelt_field_is_refused_by_name(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")

    answer = customer_client.send(INIT, {"order_id": "ORD-1", "payment_method": "momo", "status": "SUCCESS"})

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": "/status", "code": "unknown_field", "detail": "There is no such field."}
    ]
    assert not Payment.objects.exists()


def test_a_return_url_elsewhere_is_refused(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")

    answer = customer_client.send(
        INIT, {"order_id": "ORD-1", "payment_method": "momo", "return_url": "https://evil.example/x"}
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "return_url_refused")
    assert not Payment.objects.exists()


# --- GET /v1/payment/get-url-again -----------------------------------------------------------------------------------
def test_the_same_live_url_comes_again(started: Attempt, customer_client: ApiClient) -> None:
    answer = customer_client.get(AGAIN, {"order_id": "ORD-1"})

    assert answer.status_code == 200
    assert (answer.json()["payUrl"], answer.json()["transaction_id"]) == (started.pay_url, started.id)


def test_a_new_try_begins_where_the_old_one_failed(
    started: Attempt, customer_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> None:
    momo.settle(started, Outcome.DECLINE)
    assert ipn(momo.ipn(started)).status_code == 204

    answer = customer_client.get(AGAIN, {"order_id": "ORD-1"})

    assert answer.status_code == 200
    assert answer.json()["transaction_id"] != started.id
    assert answer.json()["payUrl"] != started.pay_url


def test_a_paid_order_has_no_url_again(
    started: Attempt, customer_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> None:
    ipn(momo.paid_ipn(started))

    answer = customer_client.get(AGAIN, {"order_id": "ORD-1"})

    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")


def test_an_expired_payment_has_no_url_again(started: Attempt, customer_client: ApiClient) -> None:
    Payment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    answer = customer_client.get(AGAIN, {"order_id": "ORD-1"})

    assert (answer.status_code, answer.json()["code"]) == (410, "payment_expired")


def test_the_url_of_somebody_else_is_not_found(started: Attempt, other_client: ApiClient) -> None:
    answer = other_client.get(AGAIN, {"order_id": "ORD-1"})

    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")


# --- POST /v1/transaction/callback (A44) -----------------------------------------------------------------------------
def test_a_signed_callback_is_accepted_and_booked_once(
    started: Attempt, momo: Any, ipn: Callable[..., Any], customer_client: ApiClient
) -> None:
    body = momo.paid_ipn(started)
    assert set(json.loads(body)) == {
        "partnerCode", "orderId", "requestId", "amount", "orderInfo", "orderType", "transId", "resultCode", "message",
        "payType", "responseTime", "extraData", "signature",
    }  # fmt: skip

    first, again = ipn(body), ipn(body)

    assert (first.status_code, first.content, again.status_code) == (204, b"", 204)
    payment = Payment.objects.get()
    assert (payment.status, payment.captured_minor) == (PaymentStatus.SUCCEEDED, 100_000)
    assert JournalEntry.objects.get().reference == Capture.objects.get().journal_reference
    assert (Notification.objects.get().deliveries, Notification.objects.get().status) == (2, "processed")
    status = customer_client.get(f"/api/v1/payments/{payment.id}/status")
    assert status.json()["status"] == "succeeded"


def changed(body: bytes, how: str) -> bytes:
    """A callback that MoMo never sent."""
    fields = json.loads(body)
    if how == "unsigned":
        del fields["signature"]
    elif how == "empty":
        fields["signature"] = ""
    elif how == "upper":
        fields["signature"] = fields["signature"].upper()
    elif how == "truncated":
        fields["signature"] = fields["signature"][:-1]
    elif how == "signature":
        fields["signature"] = ("0" if fields["signature"][0] != "0" else "1") + fields["signature"][1:]
    else:
        value = fields[how]
        fields[how] = value + 1 if isinstance(value, int) else f"{value}x"
    return json.dumps(fields, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "how",
    [
        "unsigned", "empty", "upper", "truncated", "signature", "amount", "orderId", "transId", "resultCode",
        "requestId", "orderInfo", "message", "responseTime", "extraData", "payType", "orderType", "partnerCode",
    ],
)  # fmt: skip
def test_a_callback_with_one_thing_changed_changes_nothing_and_is_kept(
    how: str, started: Attempt, momo: Any, ipn: Callable[..., Any]
) -> None:
    body = changed(momo.paid_ipn(started), how)

    answer = ipn(body)

    assert (answer.status_code, answer.content) == (400, b"")
    notification = Notification.objects.get()
    assert (notification.status, notification.outcome) == (NotificationStatus.REJECTED, "bad_signature")
    assert notification.body.encode("latin-1") == body
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    assert Attempt.objects.get().status == AttemptStatus.REQUIRES_ACTION
    assert not Capture.objects.exists()
    assert not JournalEntry.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"amount": 1e999999}', b"[" * 5000])
def test_nonsense_is_kept_and_refused(body: bytes, momo_account: Any, ipn: Callable[..., Any]) -> None:
    answer = ipn(body)

    assert answer.status_code == 400
    assert Notification.objects.get().status == NotificationStatus.REJECTED


def test_money_for_an_order_we_do_not_know_is_held_with_a_case(
    momo_account: Any, momo: Any, ipn: Callable[..., Any]
) -> None:
    answer = ipn(momo.custom_ipn(orderId="nobody-knows", amount=50_000, resultCode=0, transId=77))

    assert answer.status_code == 204
    assert Capture.objects.get().disposition == "held"
    assert JournalEntry.objects.get().event == "unexpected_money"
