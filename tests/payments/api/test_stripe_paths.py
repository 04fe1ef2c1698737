"""The card system's paths: cards are judged, paid with, refunded; numbers are kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
import requests

from config.core.models import OutboxEvent
from gateways.sandbox.faults import Fault
from payments import links
from payments.models import (
    Attempt,
    AttemptEvent,
    Capture,
    GatewayAccount,
    MoneyCase,
    Order,
    Payment,
    PaymentMethod,
    Refund,
)
from payments.services import accounts
from tests import factories
from tests.factories import ApiClient
from tests.payments.leaks import everything_stored
from tests.payments.services.test_races import together
from tests.payments.services.test_stripe import OtherSide, account, deliver, stripe  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db(transaction=True)
CHECK: Final = "/api/v1/stripe/validate-card"
PAY: Final = "/api/v1/stripe/payment"
REFUND: Final = "/api/v1/stripe/refund"
CARD: Final = {"number": "4242 4242 4242 4242", "exp_month": "12", "exp_year": "2030", "cvc": "123"}


def assert_kept_nowhere(number: str, log: str) -> None:
    """No row of any table, and no line that was logged, has these digits in any notation."""
    for text in (everything_stored(), log):
        assert number not in text.replace(" ", "").replace("-", "")


# --- Judging ---------------------------------------------------------------------------------------------------------
def test_a_card_is_judged_and_kept_nowhere(
    customer_client: ApiClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    answer = customer_client.send(CHECK, {"card": CARD}, key="k")

    assert (answer.status_code, answer.json()) == (
        200,
        {"valid": True, "brand": "visa", "last4": "4242", "reasons": []},
    )
    out, err = capfd.readouterr()
    assert_kept_nowhere("4242424242424242", caplog.text + out + err)


def test_the_body_of_the_card_system_is_taken_with_numbers_or_texts(system_client: ApiClient) -> None:
    body = {"number": "378282246310005", "exp_month": 1, "exp_year": 25, "cvc": 123, "name": "John Doe"}
    answer = system_client.send(CHECK, {"card": body})

    assert (answer.status_code, answer.json()) == (
        200,
        {"valid": False, "brand": "amex", "last4": "0005", "reasons": ["expired", "cvc_format"]},
    )


@pytest.mark.parametrize(
    "body",
    [{}, {"card": "4242424242424242"}, {"card": {**CARD, "number": {"a": 1}}}, {"card": CARD, "4000000000000002": 1}],
)
def test_a_body_that_is_none_is_refused_without_its_number(
    customer_client: ApiClient, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer = customer_client.send(CHECK, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert_kept_nowhere("4242424242424242", caplog.text)
    assert_kept_nowhere("4000000000000002", caplog.text)


def test_judging_has_a_rate_of_its_own(customer_client: ApiClient, settings: Any) -> None:
    settings.RATE_LIMITS = {"cards": (1.0, 2)}

    assert [customer_client.send(CHECK, {"card": CARD}).status_code for _ in range(3)] == [200, 200, 429]


# --- Paying ----------------------------------------------------------------------------------------------------------
GOOD, ASKS, REFUSED, POOR = "4242424242424242", "4000002500003155", "4000000000000002", "4000000000009995"


@pytest.fixture
def method(account: GatewayAccount) -> PaymentMethod:  # noqa: F811 - a fixture
    """Cards in dollars, at the sandbox's Stripe."""
    made: PaymentMethod = factories.PaymentMethodFactory(
        code="stripe", account=account, limits={"USD": [50, 99_999_999], "VND": [13_000, 99_999_999]}
    )
    return made


@pytest.fixture
def dollars(order: Callable[..., Order], method: PaymentMethod) -> Order:
    """customer-1 owes 99.99 dollars."""
    made: Order = order(order_id="order_123456", amount_minor=9_999, currency="USD")
    return made


@pytest.fixture
def raw(settings: Any) -> None:
    """Card numbers may come, as the card system sends them."""
    settings.ALLOW_RAW_CARD_DATA = True


def body_with(number: str = "", **fields: Any) -> dict[str, Any]:
    """The body of the card system, by a number, or by what `fields` say."""
    card = {"card": {**CARD, "number": number, "name": "John Doe"}} if number else {}
    return {
        "payment_id": "pay_123456", "order_id": "order_123456", "amount": 99.99, "currency": "usd",
        "description": "Test payment", **card, **fields,
    }  # fmt: skip


def test_the_first_test_card_pays_and_its_number_is_kept_nowhere(
    dollars: Order,
    raw: None,
    customer_client: ApiClient,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    answer = customer_client.send(PAY, body_with(GOOD))

    payment = Payment.objects.get()
    capture = Capture.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "payment_id": payment.id,
        "order_id": "order_123456",
        "stripe_payment_intent_id": capture.gateway_transaction_id,
        "status": "succeeded",
        "amount": "99.99",
        "amount_minor": 9999,
        "currency": "usd",
        "client_secret": None,
        "next_action": None,
    }
    assert (payment.status, payment.captured_minor, payment.currency) == ("succeeded", 9_999, "USD")
    assert OutboxEvent.objects.filter(type="payment.completed").count() == 1
    out, err = capfd.readouterr()
    assert_kept_nowhere(GOOD, caplog.text + out + err)


def test_the_webhook_that_follows_books_nothing_twice(
    dollars: Order,
    raw: None,
    customer_client: ApiClient,
    stripe: OtherSide,  # noqa: F811 - a fixture
) -> None:
    customer_client.send(PAY, body_with(GOOD))

    heard = [deliver(parcel, "/api/v1/stripe/webhook") for parcel in stripe.events(Attempt.objects.get())]

    assert set(heard) == {200}
    assert (Capture.objects.count(), MoneyCase.objects.count()) == (1, 0)


def test_the_second_test_card_sends_its_holder_to_the_bank_and_then_pays(
    dollars: Order,
    raw: None,
    customer_client: ApiClient,
    stripe: OtherSide,  # noqa: F811 - a fixture
) -> None:
    asked = customer_client.send(PAY, body_with(ASKS)).json()

    intent = asked["stripe_payment_intent_id"]
    assert asked["status"] == "requires_action"
    assert asked["client_secret"].startswith(f"{intent}_secret_")
    assert asked["client_secret"] not in everything_stored()
    assert Payment.objects.get().status == "awaiting_payment"
    url = asked["next_action"]["redirect_to_url"]["url"]
    stripe.fault(Fault.LOST_IPN)
    form = prove(url)
    assert form.status_code in (302, 303)

    shown = customer_client.get(f"{PAY}/{intent}").json()

    assert (shown["status"], shown["payment_id"], shown["client_secret"]) == ("succeeded", asked["payment_id"], None)
    assert Payment.objects.get().captured_minor == 9_999


def prove(url: str) -> requests.Response:
    """The cardholder says at the bank's page that it is them."""
    page = requests.get(url, timeout=5)
    assert page.status_code == 200
    return requests.post(url, data={"action": "prove"}, timeout=5, allow_redirects=False)


@pytest.mark.parametrize(
    ("number", "decline"),
    [
        (
            REFUSED,
            {"code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined.",
             "retryable": False},
        ),
        (
            POOR,
            {"code": "card_declined", "decline_code": "insufficient_funds",
             "message": "Your card has insufficient funds.", "retryable": False},
        ),
        (
            "4000000000009979",  # stolen: its holder is not told
            {"code": "card_declined", "decline_code": "generic_decline", "message": "Your card was declined.",
             "retryable": False},
        ),
        (
            "4000000000000119",
            {"code": "processing_error", "decline_code": "processing_error",
             "message": "Your card could not be processed just now. Try again in a little while.", "retryable": True},
        ),
    ],
)  # fmt: skip
def test_a_refused_card_is_a_402_and_another_one_pays(
    dollars: Order, raw: None, customer_client: ApiClient, number: str, decline: dict[str, object]
) -> None:
    refused = customer_client.send(PAY, body_with(number))

    problem = refused.json()
    payment = Payment.objects.get()
    assert (refused.status_code, problem["code"], problem["error"]) == (402, "card_declined", "card_declined")
    assert (problem["decline"], problem["payment_id"]) == (decline, payment.id)
    assert (payment.status, Capture.objects.count()) == ("awaiting_payment", 0)
    note = AttemptEvent.objects.get(reason__startswith="card refused")
    assert ("stolen_card" in note.reason) is number.endswith("9979")  # staff read the bank's own word

    paid = customer_client.send(PAY, body_with(GOOD))

    assert (paid.status_code, paid.json()["status"], paid.json()["payment_id"]) == (201, "succeeded", payment.id)
    assert Attempt.objects.count() == 1


def test_a_token_pays_without_any_number(dollars: Order, system_client: ApiClient) -> None:
    answer = system_client.send(PAY, body_with(card_token="pm_card_visa"))

    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")


def test_an_id_of_the_callers_own_finds_the_payment_it_made(
    dollars: Order, raw: None, customer_client: ApiClient
) -> None:
    first, again = customer_client.send(PAY, body_with(GOOD)), customer_client.send(PAY, body_with(GOOD))

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Capture.objects.count() == 1


def test_a_key_is_held_to_its_card(dollars: Order, customer_client: ApiClient) -> None:
    body = body_with(card_token="pm_card_visa_chargeDeclined")
    answers = [
        customer_client.send(PAY, body, key="k1"),
        customer_client.send(PAY, body, key="k1"),
        customer_client.send(PAY, {**body, "card_token": "pm_card_visa"}, key="k1"),
    ]

    assert [answer.status_code for answer in answers] == [402, 402, 422]
    assert answers[2].json()["code"] == "idempotency_mismatch"
    assert Capture.objects.count() == 0


def test_ten_refused_cards_are_enough(dollars: Order, customer_client: ApiClient, settings: Any) -> None:
    settings.RATE_LIMITS = {"cards": (100.0, 100)}
    body = body_with(card_token="pm_card_visa_chargeDeclined")
    answers = [customer_client.send(PAY, body) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [402] * 10 + [409]
    assert answers[10].json()["code"] == "too_many_attempts"


@pytest.mark.parametrize("case", ["off", "live_account", "at_stripe"])
def test_a_number_is_taken_only_where_it_may_and_nothing_is_made_of_it(
    dollars: Order,
    customer_client: ApiClient,
    settings: Any,
    account: GatewayAccount,  # noqa: F811 - a fixture
    case: str,
) -> None:
    settings.ALLOW_RAW_CARD_DATA = case != "off"
    if case == "live_account":
        account.mode = GatewayAccount.Mode.LIVE
    elif case == "at_stripe":
        account.settings = {**account.settings, "endpoint": "https://api.stripe.com"}
        account.secrets = {**account.secrets, "secret_key": "sk_test_51invented"}
    account.save()
    accounts.forget()

    answer = customer_client.send(PAY, body_with(GOOD))

    assert (answer.status_code, answer.json()["code"]) == (400, "raw_card_data_not_allowed")
    assert not Payment.objects.exists()


def test_a_number_that_cannot_be_and_one_that_is_no_test_card_make_nothing(
    dollars: Order, raw: None, customer_client: ApiClient
) -> None:
    wrong = customer_client.send(PAY, body_with("4242424242424241"))
    real = customer_client.send(PAY, body_with("4111111111111111"))

    assert (wrong.status_code, wrong.json()["code"]) == (400, "card_invalid")
    assert wrong.json()["reasons"] == ["number_check_digit"]
    assert (real.status_code, real.json()["decline"]["decline_code"]) == (402, "test_mode_live_card")
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"card_token": "pm_card_visa", "card": CARD}, 400, "invalid_request"),
        ({"card_token": "pm_nobodys"}, 400, "card_token_invalid"),
        ({"card_token": "pm_card_visa", "amount": "99.98"}, 422, "amount_mismatch"),
        ({"card_token": "pm_card_visa", "amount": "99.999"}, 422, "amount_precision"),
        ({"card_token": "pm_card_visa", "order_id": "other"}, 404, "order_not_found"),
        ({"card_token": "pm_card_visa", "payment_id": "pay_00000000000000000000000000"}, 404, "payment_not_found"),
        ({"card_token": "pm_card_visa", "customer_id": "x"}, 400, "invalid_request"),
    ],
)
def test_odd_requests_charge_nothing(
    dollars: Order, customer_client: ApiClient, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = customer_client.send(PAY, body_with(**fields))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Capture.objects.exists()


def test_silence_is_a_504_and_the_money_is_found_by_asking(
    dollars: Order,
    customer_client: ApiClient,
    stripe: OtherSide,  # noqa: F811 - a fixture
) -> None:
    stripe.fault(Fault.ACCEPT_THEN_TIMEOUT, operation="confirm", seconds=0.1)
    silent = customer_client.send(PAY, body_with(card_token="pm_card_visa"))

    payment = Payment.objects.get()
    assert (silent.status_code, silent.json()["code"]) == (504, "gateway_timeout")
    assert silent.json()["payment_id"] == payment.id
    shown = customer_client.get(f"{PAY}/{payment.id}").json()
    assert (shown["status"], Capture.objects.count()) == ("succeeded", 1)


def test_somebody_else_s_payment_and_one_of_another_gateway_are_not_there(
    dollars: Order, customer_client: ApiClient, other_client: ApiClient
) -> None:
    made = customer_client.send(PAY, body_with(card_token="pm_card_visa")).json()

    for identifier in (made["payment_id"], made["stripe_payment_intent_id"], "pi_unknown", "x"):
        assert other_client.get(f"{PAY}/{identifier}").status_code == 404
    assert customer_client.get(f"{PAY}/{made['stripe_payment_intent_id']}").json()["status"] == "succeeded"


# --- Refunding, and the general path ---------------------------------------------------------------------------------
def test_a_part_and_then_the_rest_go_back_to_the_card(
    dollars: Order, customer_client: ApiClient, system_client: ApiClient
) -> None:
    made = customer_client.send(PAY, body_with(card_token="pm_card_visa")).json()
    part = system_client.send(
        REFUND, {"payment_id": made["payment_id"], "amount": 20, "refund_reason": "came broken"}, key="r1"
    )
    again = system_client.send(
        REFUND, {"payment_id": made["payment_id"], "amount": "20.00", "refund_reason": "came broken"}, key="r1"
    )
    rest = system_client.send(REFUND, {"payment_id": made["stripe_payment_intent_id"]})
    more = system_client.send(REFUND, {"payment_id": made["payment_id"], "amount": 1})

    assert part.status_code == 201
    refund = Refund.objects.get(id=part.json()["refund_id"])
    assert part.json() == {
        "refund_id": refund.id,
        "payment_id": made["payment_id"],
        "stripe_refund_id": refund.gateway_refund_id,
        "stripe_payment_intent_id": made["stripe_payment_intent_id"],
        "status": "succeeded",
        "amount": "20.00",
        "amount_minor": 2000,
        "currency": "usd",
        "reason": "came broken",
    }
    assert (again.json()["refund_id"], again.headers["Idempotent-Replayed"]) == (refund.id, "true")
    assert (rest.json()["amount"], rest.json()["status"]) == ("79.99", "succeeded")
    assert (more.status_code, more.json()["code"]) == (409, "refund_refused")
    assert Payment.objects.get().refunded_minor == 9_999


def test_customers_refund_nothing_themselves(dollars: Order, customer_client: ApiClient) -> None:
    made = customer_client.send(PAY, body_with(card_token="pm_card_visa")).json()

    assert customer_client.send(REFUND, {"payment_id": made["payment_id"]}).status_code == 403
    assert not Refund.objects.exists()


def test_the_general_path_takes_a_token_too(dollars: Order, customer_client: ApiClient) -> None:
    body = {"order_id": "order_123456", "amount": 99.99, "currency": "USD", "payment_method": "stripe"}
    asked = customer_client.send("/api/v1/payments/process", {**body, "card_token": "pm_card_authenticationRequired"})
    paid = customer_client.send("/api/v1/payments/process", {**body, "card_token": "pm_card_visa"})

    assert (asked.status_code, asked.json()["status"]) == (201, "awaiting_payment")
    assert "/c/3ds/" in asked.json()["payment_url"]
    assert (paid.status_code, paid.json()["status"], paid.json()["currency"]) == (201, "succeeded", "USD")


def test_a_method_without_cards_takes_no_token(
    order: Callable[..., Order], momo_method: PaymentMethod, customer_client: ApiClient
) -> None:
    order(order_id="ORD-1")
    answer = customer_client.send(
        "/api/v1/payments/process", {"order_id": "ORD-1", "payment_method": "momo", "card_token": "pm_card_visa"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "payment_method_unusable")
    assert not Payment.objects.exists()


def test_whoever_turns_from_the_card_form_to_the_hosted_page_gets_one(
    dollars: Order, customer_client: ApiClient
) -> None:
    customer_client.send(PAY, body_with(card_token="pm_card_visa_chargeDeclined"))
    hosted = customer_client.send("/api/v1/payments", {"order_id": "order_123456", "payment_method": "stripe"})
    back = customer_client.send(PAY, body_with(card_token="pm_card_visa"))

    assert (hosted.status_code, "/c/pay/" in hosted.json()["payment_url"]) == (201, True)
    assert (back.status_code, back.json()["status"]) == (201, "succeeded")
    assert list(Attempt.objects.order_by("number").values_list("channel", flat=True)) == [
        "payment_intent",
        "",
        "payment_intent",
    ]


def test_the_pay_page_of_a_refused_card_leads_to_the_hosted_page(dollars: Order, customer_client: ApiClient) -> None:
    body = body_with(card_token="pm_card_visa_chargeDeclined")
    payment_id = customer_client.send(PAY, body).json()["payment_id"]
    page = f"/pay/{links.client_secret(payment_id)}"

    assert 'name="method" value="stripe"' in ApiClient().get(page).content.decode()
    assert ApiClient().post(page, {"method": "stripe"}).status_code == 303
    assert "/c/pay/" in ApiClient().get(page).content.decode()


@pytest.mark.race
def test_four_requests_at_once_charge_one_payment_once(dollars: Order, method: PaymentMethod) -> None:
    first = factories.customer().send(PAY, body_with(card_token="pm_card_visa_chargeDeclined"))
    assert first.status_code == 402

    def pay() -> Any:
        return factories.customer().send(PAY, body_with(card_token="pm_card_visa")).status_code

    answers = together([pay] * 4)

    assert set(answers) <= {201, 409} and 201 in answers
    assert (Capture.objects.count(), MoneyCase.objects.count(), Attempt.objects.count()) == (1, 0, 1)
    assert Payment.objects.get().captured_minor == 9_999
