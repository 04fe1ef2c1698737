"""The two paths of the Fiuu system: the script's fields, and its webhook in both forms."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateways.fiuu import signing
from payments.models import Attempt, GatewayAccount, MoneyCase, Notification, Payment, PaymentMethod
from tests.factories import ApiClient
from tests.payments.fiuu import MERCHANT, SECRET_KEY, VERIFY_KEY, FiuuSide

pytestmark = pytest.mark.django_db
PATH = "/api/v1/webhooks/fiuu"
CONFIG = "/api/v1/payments/seamless/config"


@pytest.fixture
def ready(fiuu_method: PaymentMethod, order: Callable[..., Any]) -> PaymentMethod:
    order(order_id="ORD-MY", amount_minor=10_050, currency="MYR")
    return fiuu_method


# --- E31 --------------------------------------------------------------------------------------------------------------
def test_the_script_gets_what_the_hosted_page_would_get(
    ready: PaymentMethod, customer_client: ApiClient, fiuu: FiuuSide
) -> None:
    answer = customer_client.get(CONFIG, {"order_id": "ORD-MY", "amount": "100.50", "payment_method": "fiuu"})

    assert answer.status_code == 200
    told, attempt = answer.json(), Attempt.objects.get()
    page = dict(parse_qsl(urlsplit(attempt.pay_url).query))
    assert (told["status"], told["mpsmerchantid"], told["mpsamount"], told["mpscurrency"]) == (
        True,
        MERCHANT,
        "100.50",
        "MYR",
    )
    assert told["mpsorderid"] == attempt.gateway_reference == page["orderid"]
    assert told["mpsvcode"] == page["vcode"]
    assert told["mpsvcode"] == signing.vcode("100.50", MERCHANT, attempt.gateway_reference, VERIFY_KEY, "MYR")
    assert (told["mpsbill_name"], told["mpsbill_email"]) == ("Nguyễn Thị Lan", "lan@example.com")
    assert (told["mpsnotifyurl"], told["mpsreturnurl"]) == (page["callbackurl"], page["returnurl"])
    assert (told["payment_id"], told["transaction_id"]) == (attempt.payment_id, attempt.id)
    assert told["script_url"].endswith("/RMS/API/seamless/latest/js/MOLPay_seamless.deco.js")
    stored = json.dumps([attempt.pay_url, attempt.request, attempt.response])
    assert [one for one in ("example.com", "Lan", "0901234567") if one in stored] == []
    assert answer.headers["Cache-Control"] == "no-store"


def test_asked_again_it_is_the_same_attempt(ready: PaymentMethod, customer_client: ApiClient) -> None:
    query = {"order_id": "ORD-MY", "payment_method": "fiuu"}

    first, again = customer_client.get(CONFIG, query).json(), customer_client.get(CONFIG, query).json()

    assert first == again
    assert (Payment.objects.count(), Attempt.objects.count()) == (1, 1)


def test_a_channel_of_the_catalogue_is_a_way_to_pay(ready: PaymentMethod, customer_client: ApiClient) -> None:
    told = customer_client.get(CONFIG, {"order_id": "ORD-MY", "payment_method": "fpx_mb2u"}).json()

    assert told["mpschannel"] == "fpx_mb2u"
    assert Attempt.objects.get().method == ready


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"payment_method": "fiuu"}, 400), ({"order_id": "ORD-MY"}, 400),
        ({"order_id": "ORD-MY", "payment_method": "fiuu", "amount": "100.49"}, 422),
        ({"order_id": "ORD-MY", "payment_method": "fiuu", "amount": "100.50", "currency": "SGD"}, 422),
        ({"order_id": "ORD-MY", "payment_method": "nothing"}, 404),
        ({"order_id": "ORD-NONE", "payment_method": "fiuu"}, 404),
        ({"order_id": "ORD-MY", "payment_method": "momo"}, 422),
    ],
)  # fmt: skip
def test_what_is_wrong_opens_nothing(
    ready: PaymentMethod, momo_method: PaymentMethod, customer_client: ApiClient, query: dict[str, str], status: int
) -> None:
    assert customer_client.get(CONFIG, query).status_code == status

    assert Payment.objects.count() == 0


def test_somebody_elses_order_is_not_found(ready: PaymentMethod, other_client: ApiClient, anonymous: ApiClient) -> None:
    query = {"order_id": "ORD-MY", "payment_method": "fiuu"}

    assert other_client.get(CONFIG, query).status_code == 404
    assert anonymous.get(CONFIG, query).status_code == 401
    assert Payment.objects.count() == 0


def test_a_paid_order_is_not_paid_again(ready: PaymentMethod, customer_client: ApiClient, fiuu: FiuuSide) -> None:
    query = {"order_id": "ORD-MY", "payment_method": "fiuu"}
    customer_client.get(CONFIG, query)
    fiuu.deliver(fiuu.settle(Attempt.objects.get()), PATH)

    answer = customer_client.get(CONFIG, query)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")


# --- E32 --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def attempt(ready: PaymentMethod, customer_client: ApiClient) -> Attempt:
    customer_client.get(CONFIG, {"order_id": "ORD-MY", "payment_method": "fiuu"})
    return Attempt.objects.get()


def deliver_json(attempt: Attempt, *, secret: str = SECRET_KEY, **fields: object) -> Any:
    whole = {
        "transaction_id": "30365812", "order_id": attempt.gateway_reference, "amount": "100.50", "currency": "MYR",
        "payment_status": "1", "error_code": "", "error_description": "", "signature": "", **fields,
    }  # fmt: skip
    body = json.dumps(whole).encode()
    signature = hmac.new(secret.encode(), body, "sha256").hexdigest()
    headers = {"HTTP_X_FIUU_SIGNATURE": signature}
    return ApiClient().generic("POST", PATH, body, content_type="application/json", **headers)


def test_fiuus_own_form_is_answered_by_its_token(attempt: Attempt, fiuu: FiuuSide) -> None:
    answer = fiuu.deliver(fiuu.settle(attempt), PATH)

    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"CBTOKEN:MPSTATOK", "text/plain")
    assert Payment.objects.get().status == "succeeded"


def test_the_json_of_the_reference_system_pays_once(attempt: Attempt, books: Any) -> None:
    first, again = deliver_json(attempt), deliver_json(attempt)

    assert [(one.status_code, one.json()) for one in (first, again)] == [(200, {"received": True})] * 2
    assert Payment.objects.get().status == "succeeded"
    assert list(books()) == ["cap:fiuu:30365812"]


def test_a_json_message_can_be_verified_again_later(attempt: Attempt) -> None:
    """The proof is a header: it is kept, encrypted, beside the message."""
    deliver_json(attempt)

    kept = Notification.objects.get()
    assert len(json.loads(kept.proof)["x-fiuu-signature"]) == 64


@pytest.mark.parametrize(
    ("how", "status"),
    [({"secret": VERIFY_KEY}, 400), ({"secret": "guess"}, 400), ({"amount": "100.505"}, 400), ({"order_id": ""}, 400)],
)
def test_json_that_proves_nothing_changes_nothing(
    attempt: Attempt, books: Any, how: dict[str, Any], status: int
) -> None:
    assert deliver_json(attempt, **how).status_code == status

    assert (Payment.objects.get().status, books()) == ("awaiting_payment", {})


def test_json_of_another_amount_is_held(attempt: Attempt) -> None:
    assert deliver_json(attempt, amount="1.00").json() == {"received": True}

    assert MoneyCase.objects.get().kind == MoneyCase.Kind.AMOUNT_MISMATCH
    assert Payment.objects.get().status == "awaiting_payment"


def test_json_that_tells_a_failure_is_asked_about(attempt: Attempt, fiuu: FiuuSide) -> None:
    assert deliver_json(attempt, payment_status="0").json() == {"received": True}

    attempt.refresh_from_db()
    assert attempt.status == "requires_action"  # Fiuu knows no such transaction


def test_other_methods_are_not_taken_there(fiuu_account: GatewayAccount, anonymous: ApiClient) -> None:
    answer = anonymous.get(PATH)

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_without_an_account_there_is_nothing(db: None, anonymous: ApiClient) -> None:
    assert anonymous.generic("POST", PATH, b"a=b", content_type="application/x-www-form-urlencoded").status_code == 404
