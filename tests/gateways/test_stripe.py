"""What is Stripe's own: sessions and intents, declines, questions, held money, codes, keys and modes."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from config.core import ids
from config.core.money import Money
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.notifications import HttpMessage
from gateways.reports import CloseOutcome, Report, ReportStatus
from gateways.requests import CaptureRequest, CheckoutRequest, CloseRequest, QueryRequest
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.stripe import rules
from gateways.stripe import codes, currencies, messages
from gateways.stripe.adapter import CardAnswer, CardRequest, Stripe
from payments.services.starters import METHODS
from tests.gateways.driver import Inbox
from tests.gateways.drivers.stripe import StripeDriver

KEYS = {"secret_key": "sk_test_x", "webhook_secret": "whsec_x"}
TABLE: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "vectors" / "stripe_codes.json").read_text(encoding="utf-8")
)
"""The two tables of Stripe's codes as they were written down from its documentation, code -> class."""
REFERENCE = "01m7z5t73jfbc8aped471eq1vz"


@pytest.fixture
def stripe(sandbox: RunningSandbox, inbox: Inbox) -> StripeDriver:
    return StripeDriver(sandbox, inbox)


def adapter(stripe: StripeDriver, **changes: object) -> Stripe:
    gateway = stripe.build(**changes)
    assert isinstance(gateway, Stripe)
    return gateway


# --- creating --------------------------------------------------------------------------------------------------------


def test_what_is_sent_for_a_page_is_what_the_document_asks_for(stripe: StripeDriver) -> None:
    request = stripe.request(created_at=datetime.now(UTC), locale="en", buyer_email="buyer@example.com", capture=False)
    soon = dataclasses.replace(request, expires_at=request.created_at + timedelta(minutes=15))

    checkout = stripe.gateway.create_checkout(soon)

    expires = checkout.request.pop("expires_at")
    assert checkout.request == {
        "mode": "payment", "client_reference_id": request.reference, "line_items[0][price_data][currency]": "vnd",
        "line_items[0][price_data][unit_amount]": "960000", "line_items[0][quantity]": "1", "locale": "en",
        "line_items[0][price_data][product_data][name]": "Đơn hàng #2 & quà tặng", "metadata[attempt_id]": request.reference,
        "payment_intent_data[metadata][attempt_id]": request.reference,
        "payment_intent_data[description]": "Đơn hàng #2 & quà tặng", "payment_intent_data[capture_method]": "manual",
    }  # fmt: skip
    assert int(expires) == int((request.created_at + timedelta(minutes=31)).timestamp())
    assert checkout.gateway_transaction_id.startswith("cs_test_")


def test_a_time_to_pay_between_half_an_hour_and_a_day_is_kept(stripe: StripeDriver) -> None:
    def expires(minutes: int) -> float:
        request = stripe.request()
        wish = dataclasses.replace(request, expires_at=request.created_at + timedelta(minutes=minutes))
        sent = int(str(stripe.gateway.create_checkout(wish).request["expires_at"]))
        return (sent - int(request.created_at.timestamp())) / 60

    assert [expires(minutes) for minutes in (1, 30, 90, 10_000)] == [31, 31, 90, 23 * 60 + 59]


def test_a_payment_intent_hands_out_its_client_secret_and_keeps_none(stripe: StripeDriver) -> None:
    checkout = stripe.create(stripe.request(channel="payment_intent"))

    assert checkout.gateway_transaction_id.startswith("pi_")
    assert checkout.client_secret.startswith(f"{checkout.gateway_transaction_id}_secret_")
    assert checkout.client_secret not in repr(checkout)
    assert "client_secret" not in json.dumps([checkout.request, checkout.response])
    assert (checkout.pay_url, checkout.qr_text) == ("", "")
    assert adapter(stripe).client_secret_of(checkout.gateway_transaction_id) == checkout.client_secret


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"channel": "alipay"}, "channel"),
        ({"money": Money(10, "USD")}, "amount_too_small"),
        ({"money": Money(1_000_000_00, "USD")}, "amount_too_large"),
        ({"money": Money(1_001, "KWD")}, "amount"),
    ],
)
def test_what_stripe_cannot_take_is_a_definite_no(stripe: StripeDriver, changes: dict[str, Any], code: str) -> None:
    request = stripe.request(**changes)

    with pytest.raises(GatewayRejected) as caught:
        stripe.gateway.create_checkout(request)

    assert caught.value.code == code
    assert stripe.control("GET", f"/payments?order={request.reference}")["payments"] == []


@pytest.mark.parametrize(
    ("money", "amount"),
    [
        (Money(50_000, "VND"), 50_000), (Money(1_050, "USD"), 1_050), (Money(5, "ISK"), 500), (Money(7_000, "UGX"), 700_000),
        (Money(1_230, "KWD"), 1_230), (Money(10_000_000, "IDR"), 10_000_000), (Money(500, "MGA"), 5),
    ],
)  # fmt: skip
def test_amounts_are_counted_as_stripe_counts(money: Money, amount: int) -> None:
    assert currencies.to_wire(money) == amount
    assert currencies.from_wire(amount, money.currency.lower()) == money


def test_the_smallest_amounts_are_those_of_both_lists_and_the_method_keeps_to_them() -> None:
    limits = METHODS["stripe"]["limits"]

    assert (len(currencies.MINIMUM), len(currencies.NEWER_MINIMUM)) == (24, 12)
    assert isinstance(limits, dict)
    for currency, (least, most) in limits.items():
        assert least >= max(currencies.MINIMUM.get(currency, 0), currencies.NEWER_MINIMUM.get(currency, 0))
        assert most == currencies.largest(currency).minor


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_an_answer_that_proves_nothing_is_unknown(stripe: StripeDriver, status: int) -> None:
    stripe.fault("answer_code", operation="create", code=status)

    with pytest.raises(GatewayUnavailable) as caught:
        stripe.gateway.create_checkout(stripe.request())

    assert caught.value.never_sent is False


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
def test_an_answer_that_is_a_no_is_a_no(stripe: StripeDriver, status: int) -> None:
    stripe.fault("answer_code", operation="create", code=status)

    with pytest.raises(GatewayRejected) as caught:
        stripe.gateway.create_checkout(stripe.request())

    assert (caught.value.raw["status"], caught.value.by_payer) == (status, status == 402)
    assert str(caught.value.raw["request_id"]).startswith("req_")


def test_the_same_key_with_other_parameters_means_that_an_earlier_call_arrived(stripe: StripeDriver) -> None:
    request = stripe.opened()

    with pytest.raises(GatewayUnavailable) as caught:
        stripe.gateway.create_checkout(dataclasses.replace(request, money=Money(970_000, "VND")))

    assert caught.value.code == "idempotency_error"
    assert stripe.truth(request.reference)["amount"] == 960_000


def test_customers_are_sent_to_stripes_hosts_only(stripe: StripeDriver) -> None:
    good = Stripe(**KEYS)
    allowed = ["https://checkout.stripe.com/c/pay/cs_1", "https://stripe.com/x"]
    refused = ["https://stripe.com.evil.example/c", "http://checkout.stripe.com/c", "https://evilstripe.com/", ""]

    assert [good._may_send_customers_to(url) for url in allowed] == [True, True]
    assert [good._may_send_customers_to(url) for url in refused] == [False] * 4
    stripe.sandbox.app.sandbox.settings.public_url = "https://evil.example"
    try:
        with pytest.raises(GatewayUnavailable) as caught:
            stripe.gateway.create_checkout(stripe.request())
    finally:
        stripe.sandbox.app.sandbox.settings.public_url = stripe.sandbox.url
    assert caught.value.code == "pay_url"


# --- a card's token --------------------------------------------------------------------------------------------------


def confirm(stripe: StripeDriver, request: CheckoutRequest, token: str, *, operation: str = "op-1") -> CardAnswer:
    return adapter(stripe).confirm_card(
        CardRequest(
            reference=request.reference,
            gateway_transaction_id=stripe.known_ids[request.reference],
            payment_method=token,
            operation_id=f"{request.reference}-{operation}",
            return_url="https://shop.example.vn/r",
        )
    )


def test_a_token_pays_an_intent_once(stripe: StripeDriver) -> None:
    request = stripe.opened(channel="payment_intent")

    first, again = (confirm(stripe, request, "pm_card_visa") for _ in range(2))
    other = confirm(stripe, request, "pm_card_visa", operation="op-2")

    assert {one.report.status for one in (first, again, other)} == {ReportStatus.PAID}
    assert first.report.gateway_transaction_id == stripe.known_ids[request.reference]
    assert first.next_action is None
    assert len(stripe.truth(request.reference)["transactions"]) == 1
    assert stripe.query(request).status is ReportStatus.PAID


@pytest.mark.parametrize(
    ("token", "code", "shown", "retryable"),
    [
        ("pm_card_visa_chargeDeclined", "generic_decline", "generic_decline", False),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds", "insufficient_funds", False),
        ("pm_card_visa_chargeDeclinedStolenCard", "stolen_card", "generic_decline", False),
        ("pm_card_radarBlock", "fraudulent", "generic_decline", False),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc", True),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error", True),
    ],
)
def test_a_refused_card_says_why_to_staff_and_what_it_may_to_the_customer(
    stripe: StripeDriver, token: str, code: str, shown: str, retryable: bool
) -> None:
    request = stripe.opened(channel="payment_intent")

    with pytest.raises(GatewayRejected) as caught:
        confirm(stripe, request, token)

    decline = caught.value.raw["decline"]
    assert isinstance(decline, dict)
    assert (caught.value.code, decline["code"], decline["retryable"]) == (code, shown, retryable)
    assert decline["message"].startswith("Your card")
    assert "secret" not in json.dumps(caught.value.raw)
    assert stripe.query(request).status is ReportStatus.PENDING
    assert confirm(stripe, request, "pm_card_visa", operation="op-2").report.status is ReportStatus.PAID


@pytest.mark.parametrize(("action", "status"), [("prove", ReportStatus.PAID), ("fail", ReportStatus.PENDING)])
def test_a_bank_that_asks_for_proof_is_a_next_action(stripe: StripeDriver, action: str, status: ReportStatus) -> None:
    request = stripe.opened(channel="payment_intent")

    answer = confirm(stripe, request, "pm_card_threeDSecure2Required")
    assert answer.next_action is not None
    step = answer.next_action["redirect_to_url"]
    assert isinstance(step, dict)
    page = requests.post(step["url"], data={"action": action}, allow_redirects=False, timeout=5)

    assert answer.report.status is ReportStatus.PENDING
    assert page.headers["Location"].startswith("https://shop.example.vn/r?attempt=")
    assert stripe.query(request).status is status
    back = HttpMessage(method="GET", path="/r", query=page.headers["Location"].partition("?")[2])
    assert stripe.gateway.read_return(back).reference == request.reference


def test_an_unheard_of_token_is_a_definite_no_and_leaves_the_intent_open(stripe: StripeDriver) -> None:
    request = stripe.opened(channel="payment_intent")

    with pytest.raises(GatewayRejected) as caught:
        confirm(stripe, request, "pm_nobodys")

    assert caught.value.code == "resource_missing"
    assert "decline" not in caught.value.raw
    assert stripe.query(request).status is ReportStatus.PENDING


# --- asking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["", "payment_intent"])
def test_what_a_lost_answer_opened_is_found_among_many(stripe: StripeDriver, channel: str) -> None:
    request = stripe.opened(channel=channel)
    for _ in range(3):
        stripe.opened(channel=channel)
    stripe.known_ids.clear()

    assert stripe.query(request).status is ReportStatus.PENDING
    stripe.end(request.reference, "pay")
    assert stripe.query(request).status is ReportStatus.PAID


def test_a_list_is_read_page_by_page(stripe: StripeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateways.stripe.calls.PAGE", 2)
    oldest = stripe.opened()
    for _ in range(4):
        stripe.opened()
    stripe.known_ids.clear()

    assert stripe.query(oldest).status is ReportStatus.PENDING
    monkeypatch.setattr("gateways.stripe.calls.MAX_PAGES", 1)
    with pytest.raises(GatewayUnavailable) as caught:
        stripe.query(oldest)
    assert caught.value.code == "too_many"


def test_what_stripe_named_itself_and_does_not_have_is_unknown(stripe: StripeDriver) -> None:
    asked = QueryRequest(
        reference=REFERENCE, money=stripe.money, created_at=datetime.now(UTC), gateway_transaction_id="cs_test_gone"
    )

    for known in ("cs_test_gone", "pi_gone"):
        report = stripe.gateway.query(dataclasses.replace(asked, gateway_transaction_id=known))
        assert (report.status, report.code) == (ReportStatus.UNKNOWN, "resource_missing")


def test_an_answer_about_another_attempt_is_not_believed(stripe: StripeDriver) -> None:
    mine, other = stripe.opened(), stripe.opened()

    asked = QueryRequest(
        reference=mine.reference, money=mine.money, created_at=mine.created_at,
        gateway_transaction_id=stripe.known_ids[other.reference],
    )  # fmt: skip
    with pytest.raises(GatewayUnavailable) as caught:
        stripe.gateway.query(asked)

    assert caught.value.code == "echo"


def test_a_wrong_key_in_a_question_leaves_everything_open(stripe: StripeDriver) -> None:
    request = stripe.opened()

    with pytest.raises(GatewayUnavailable):
        stripe.query(request, stripe.build(secret_key="sk_test_sandbox_wrong"))


# --- authorise first -------------------------------------------------------------------------------------------------


def held(stripe: StripeDriver, channel: str = "") -> tuple[CheckoutRequest, Report]:
    request = stripe.opened(capture=False, channel=channel)
    (message,) = stripe.end(request.reference, "pay")
    return request, stripe.heard(message)


def wish(request: CheckoutRequest, report: Report, **changes: Any) -> CaptureRequest:
    values: dict[str, Any] = {
        "reference": request.reference, "operation_id": f"{request.reference}-k", "money": request.money,
        "created_at": request.created_at, "gateway_transaction_id": report.gateway_transaction_id,
    }  # fmt: skip
    return CaptureRequest(**{**values, **changes})


@pytest.mark.parametrize("channel", ["", "payment_intent"])
def test_held_money_can_be_taken_in_part_and_once(stripe: StripeDriver, channel: str) -> None:
    request, report = held(stripe, channel)
    gateway = adapter(stripe)
    assert (report.status, report.money) == (ReportStatus.AUTHORIZED, Money(960_000, "VND"))
    assert stripe.query(request).status is ReportStatus.AUTHORIZED

    part = wish(request, report, money=Money(500_000, "VND"))
    first, again = gateway.capture(part), gateway.capture(part)
    late = gateway.capture(dataclasses.replace(part, operation_id=f"{request.reference}-k2"))

    assert {(one.status, one.money, one.gateway_transaction_id) for one in (first, again, late)} == {
        (ReportStatus.PAID, Money(500_000, "VND"), report.gateway_transaction_id)
    }
    with pytest.raises(GatewayRejected):
        gateway.cancel_authorization(wish(request, report, operation_id="v"))


def test_held_money_can_be_given_free_by_whatever_name_it_is_known(stripe: StripeDriver) -> None:
    request, report = held(stripe)
    gateway = adapter(stripe)
    by_session = wish(request, report, gateway_transaction_id=stripe.known_ids[request.reference], operation_id="v")

    freed = gateway.cancel_authorization(by_session)

    assert freed.status is ReportStatus.CANCELLED
    with pytest.raises(GatewayRejected):
        gateway.capture(wish(request, report))
    assert stripe.truth(request.reference)["transactions"] == []


def test_nothing_is_taken_where_nothing_is_held(stripe: StripeDriver) -> None:
    request = stripe.opened(capture=False)

    with pytest.raises(GatewayRejected):
        adapter(stripe).capture(wish(request, Report(reference=request.reference, status=ReportStatus.PENDING)))


# --- codes -----------------------------------------------------------------------------------------------------------


def test_every_error_code_is_there_with_its_meaning() -> None:
    given = {code: kind for code, kind in TABLE["codes"].items() if code != "parameter_invalid_*"}

    assert {code: str(meaning) for code, meaning in codes.ERROR_CODES.items()} == given
    assert codes.meaning_of("parameter_invalid_empty") is codes.Meaning.INVALID_REQUEST


def test_every_decline_code_is_there_with_its_meaning() -> None:
    assert {code: str(meaning) for code, meaning in codes.DECLINE_CODES.items()} == TABLE["decline_codes"]
    assert codes.meaning_of("card_declined", "of_a_new_kind") is codes.Meaning.DECLINED


def test_the_tokens_of_the_test_cards_are_known_to_the_sandbox() -> None:
    theirs = {number: card.method for number, card in rules.CARDS.items()}
    twice = "4000002500003155"  # it asks for proof unless it was set up before: here it always does

    assert codes.TEST_TOKENS.keys() == theirs.keys()
    assert {number for number in theirs if codes.TEST_TOKENS[number] != theirs[number]} == {twice}
    assert codes.TEST_TOKENS[twice] in theirs.values()


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secret_key": "pk_test_x"}, "secret_key must begin with"),
        ({"webhook_secret": ""}, "webhook_secret must begin with whsec_"),
        ({"webhook_secret": "x"}, "webhook_secret must begin with whsec_"),
        ({"previous_webhook_secret": "x"}, "previous_webhook_secret must begin with whsec_"),
        ({"publishable_key": "pk_live_x"}, "publishable_key is of the other mode"),
        ({"publishable_key": "sk_test_x"}, "publishable_key is of the other mode"),
        ({"endpoint": "http://api.stripe.com"}, "endpoint must be an https address"),
        ({"endpoint": "http://sandbox:9500"}, "endpoint must be an https address"),
        ({"secret_key": "sk_live_x", "endpoint": "http://127.0.0.1:9500"}, "secret_key is a live one"),
        ({"secret_key": "rk_live_x", "endpoint": "https://stripe.example.com"}, "secret_key is a live one"),
        ({"secret_key": "sk_test_sandbox_one"}, "secret_key is one of the payment sandbox"),
    ],
)
def test_settings_that_could_only_fail_later_fail_now(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Stripe(**{**KEYS, **changes})

    assert not [value for value in changes.values() if value and f"{value} " in str(caught.value)]


def test_a_live_account_is_live_and_a_sandbox_may_be_called_by_its_name() -> None:
    live = Stripe(secret_key="rk_live_x", webhook_secret="whsec_x", publishable_key="pk_live_x")
    named = Stripe(**KEYS, endpoint="http://sandbox:9500", plain_http_hosts=("sandbox",))

    assert (live.is_live, named.is_live) == (True, False)
    assert named._may_send_customers_to("http://127.0.0.1:8001/c/pay/x")


def test_a_reference_is_what_metadata_gives_back() -> None:
    reference = Stripe(**KEYS).reference(ids.uuid7_int(), datetime.now(UTC))

    assert messages.reference_of({"metadata": {"attempt_id": reference}}) == reference


# --- closing ---------------------------------------------------------------------------------------------------------
def _to_close(driver: StripeDriver, request: CheckoutRequest, operation: str = "x1") -> CloseRequest:
    return CloseRequest(
        reference=request.reference,
        operation_id=f"{request.reference}-{operation}",
        money=request.money,
        created_at=request.created_at,
        gateway_transaction_id=driver.known_ids[request.reference],
    )


def test_an_intent_is_cancelled_and_takes_no_card_any_more(stripe: StripeDriver) -> None:
    request = stripe.opened(channel="payment_intent")

    told = adapter(stripe).close(_to_close(stripe, request))
    again = adapter(stripe).close(_to_close(stripe, request, "x2"))

    assert (told.outcome, told.report.status) == (CloseOutcome.CLOSED, ReportStatus.CANCELLED)
    assert (again.outcome, again.report.status) == (CloseOutcome.OVER, ReportStatus.CANCELLED)
    assert stripe.truth(request.reference)["fields"]["cancellation_reason"] == "abandoned"


def test_an_intent_that_was_paid_is_not_cancelled(stripe: StripeDriver) -> None:
    request = stripe.opened(channel="payment_intent")
    stripe.end(request.reference, "pay")

    told = adapter(stripe).close(_to_close(stripe, request))

    assert (told.outcome, told.report.status) == (CloseOutcome.PAID, ReportStatus.PAID)
    assert told.report.gateway_transaction_id == stripe.known_ids[request.reference]
