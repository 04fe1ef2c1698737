"""What is Stripe's own: sessions and intents, what ends a payment, declines, keys and modes, events that tell nothing."""

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
from gateways import stripe_codes as codes
from gateways import stripe_currencies as currencies
from gateways import stripe_messages as messages
from gateways.base import (
    Acknowledgement,
    CaptureRequest,
    CheckoutRequest,
    GatewayRejected,
    GatewayUnavailable,
    HttpMessage,
    HttpReply,
    QueryRequest,
    Report,
    ReportInvalid,
    ReportStatus,
)
from gateways.sandbox import stripe_rules
from gateways.sandbox.server import RunningSandbox
from gateways.stripe import CardAnswer, CardRequest, Stripe
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


def event(kind: str, about: dict[str, Any], *, secret: str = "whsec_x", **changes: Any) -> HttpMessage:
    """An event, truly signed just now."""
    whole = {
        "id": "evt_1", "object": "event", "type": kind, "created": 1_795_000_000, "livemode": False,
        "data": {"object": about}, **changes,
    }  # fmt: skip
    body, at = json.dumps(whole).encode(), datetime.now(UTC)
    stamp = int(at.timestamp())
    header = f"t={stamp},v1={messages.signature(secret, stamp, body)}"
    return HttpMessage(method="POST", path="/", headers={"stripe-signature": header}, body=body, received_at=at)


def intent(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1000, "amount_received": 1000,
        "amount_capturable": 0, "currency": "usd", "metadata": {"attempt_id": REFERENCE}, **changes,
    }  # fmt: skip


def session(**changes: Any) -> dict[str, Any]:
    return {
        "id": "cs_1", "object": "checkout.session", "status": "complete", "payment_status": "paid", "amount_total": 1000,
        "currency": "usd", "metadata": {"attempt_id": REFERENCE}, "payment_intent": "pi_1", **changes,
    }  # fmt: skip


def told(message: HttpMessage, **settings: Any) -> tuple[Any, ...]:
    return Stripe(**{**KEYS, **settings}).read_notification(message)


# --- creating --------------------------------------------------------------------------------------------------------


def test_what_is_sent_for_a_page_is_what_the_document_asks_for(stripe: StripeDriver) -> None:
    request = stripe.request(created_at=datetime.now(UTC), locale="en", buyer_email="buyer@example.com", capture=False)
    soon = dataclasses.replace(request, expires_at=request.created_at + timedelta(minutes=15))

    checkout = stripe.gateway.create_checkout(soon)

    expires = checkout.request.pop("expires_at")  # type: ignore[attr-defined]
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

    assert caught.value.raw["status"] == status
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


# --- hearing ---------------------------------------------------------------------------------------------------------


def test_three_events_tell_one_payment_by_one_number(stripe: StripeDriver) -> None:
    request = stripe.opened()
    stripe.end(request.reference, "pay")

    kinds = [json.loads(message.body)["type"] for message in stripe.inbox.messages]
    reports = [stripe.heard(message) for message in stripe.inbox.messages]

    assert kinds == ["payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"]
    assert {(one.reference, one.status, one.money, one.gateway_transaction_id) for one in reports} == {
        (request.reference, ReportStatus.PAID, request.money, reports[0].gateway_transaction_id)
    }
    assert reports[0].gateway_transaction_id.startswith("pi_")
    assert len({one.event_id for one in reports}) == 3


def test_a_second_delivery_is_signed_anew_over_the_same_bytes(stripe: StripeDriver) -> None:
    stripe.inbox.reply = lambda message: HttpReply(503 if len(stripe.told()) == 1 else 200)
    request = stripe.opened()
    stripe.sandbox.app.sandbox.courier.retry_delays = (1.1,)
    try:
        first, second = stripe.end(request.reference, "pay")
    finally:
        stripe.sandbox.app.sandbox.courier.retry_delays = (0.02, 0.05)

    assert first.body == second.body
    assert first.headers["stripe-signature"] != second.headers["stripe-signature"]
    assert stripe.heard(first) == stripe.heard(second)


def test_a_signature_is_of_the_moment_that_the_sandbox_plays(stripe: StripeDriver) -> None:
    moment = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
    stripe.control("POST", "/settings", {"at_ms": int(moment.timestamp() * 1000)})
    try:
        request = stripe.opened(created_at=moment, expires_at=moment + timedelta(hours=1))
        (message,) = stripe.end(request.reference, "pay")
    finally:
        stripe.control("POST", "/settings", {"at_ms": None})

    with pytest.raises(ReportInvalid):
        stripe.heard(message)
    assert stripe.heard(dataclasses.replace(message, received_at=moment)).status is ReportStatus.PAID


def test_a_message_signed_with_the_previous_secret_is_heard_during_a_rotation(stripe: StripeDriver) -> None:
    _, message, report = stripe.paid()
    rotated = adapter(stripe, webhook_secret="whsec_new", previous_webhook_secret="whsec_sandbox_one")

    assert rotated.read_notification(message) == (report,)
    with pytest.raises(ReportInvalid):
        adapter(stripe, webhook_secret="whsec_new").read_notification(message)


def test_a_late_look_counts_the_signatures_age_to_when_it_came() -> None:
    fresh = event("payment_intent.succeeded", intent())
    assert fresh.received_at is not None

    old = dataclasses.replace(fresh, received_at=fresh.received_at + timedelta(seconds=302))

    assert len(told(fresh)) == 1
    with pytest.raises(ReportInvalid):
        told(old)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (event("payment_intent.succeeded", intent(), livemode=True), "the other mode"),
        (event("payment_intent.succeeded", intent(), livemode=None), "the other mode"),
        (event("payment_intent.succeeded", intent(), id=""), "no event"),
        (event("payment_intent.succeeded", intent(), data={}), "no event"),
        (event("payment_intent.succeeded", intent(currency="xyz")), "which we do not know"),
        (event("payment_intent.succeeded", intent(amount_received="1000")), "amount or a currency is missing"),
    ],
)
def test_a_truly_signed_message_that_cannot_be_ours_is_refused(message: HttpMessage, why: str) -> None:
    with pytest.raises(ReportInvalid, match=why):
        told(message)


@pytest.mark.parametrize(
    "message",
    [
        event("payment_intent.created", intent(status="requires_payment_method")),
        event("customer.created", {"id": "cus_1", "object": "customer"}),
        event("payout.paid", {"id": "po_1", "object": "payout"}),
        event("payment_intent.succeeded", intent(metadata={})),
        event("payment_intent.succeeded", intent(metadata={"attempt_id": "order-7"})),
        event("checkout.session.completed", session(metadata=None)),
        event("charge.succeeded", {"id": "ch_1", "status": "succeeded", "metadata": {"attempt_id": REFERENCE}}),
        event("charge.dispute.created", {"id": "du_1", "status": "of_a_new_kind"}),
        event("x", {}, object="v2.core.event"),
    ],
)
def test_what_does_not_concern_us_tells_nothing(message: HttpMessage) -> None:
    assert told(message) == ()


@pytest.mark.parametrize(
    ("kind", "about", "status"),
    [
        ("payment_intent.processing", intent(status="processing"), ReportStatus.PROCESSING),
        ("payment_intent.requires_action", intent(status="requires_action"), ReportStatus.PENDING),
        ("payment_intent.payment_failed", intent(status="requires_payment_method"), ReportStatus.PENDING),
        (
            "payment_intent.amount_capturable_updated",
            intent(status="requires_capture", amount_capturable=900),
            ReportStatus.AUTHORIZED,
        ),
        ("payment_intent.canceled", intent(status="canceled", cancellation_reason="abandoned"), ReportStatus.CANCELLED),
        ("payment_intent.canceled", intent(status="canceled", cancellation_reason="automatic"), ReportStatus.EXPIRED),
        ("payment_intent.succeeded", intent(status="of_a_new_kind"), ReportStatus.UNKNOWN),
        ("payment_intent.succeeded", intent(amount_received=0), ReportStatus.UNKNOWN),
        ("checkout.session.completed", session(payment_status="unpaid"), ReportStatus.PENDING),
        ("checkout.session.completed", session(payment_intent=None), ReportStatus.UNKNOWN),
        ("checkout.session.async_payment_succeeded", session(), ReportStatus.PAID),
        ("checkout.session.async_payment_failed", session(payment_status="unpaid"), ReportStatus.FAILED),
        ("checkout.session.expired", session(status="expired", payment_status="unpaid"), ReportStatus.EXPIRED),
    ],
)
def test_only_what_is_over_ends_a_payment(kind: str, about: dict[str, Any], status: ReportStatus) -> None:
    (report,) = told(event(kind, about))

    assert isinstance(report, Report)
    assert (report.status, report.reference) == (status, REFERENCE)
    has_moved = status in (ReportStatus.PAID, ReportStatus.AUTHORIZED)
    assert report.gateway_transaction_id == ("pi_1" if has_moved else "")


@pytest.mark.parametrize(
    ("state", "paid", "inside", "status"),
    [
        ("open", "unpaid", {"status": "requires_payment_method"}, ReportStatus.PENDING),
        ("open", "unpaid", {"status": "requires_action"}, ReportStatus.PENDING),
        ("complete", "unpaid", {"status": "processing"}, ReportStatus.PROCESSING),
        ("complete", "unpaid", {"status": "requires_payment_method"}, ReportStatus.FAILED),
        ("complete", "unpaid", {"status": "requires_capture", "amount_capturable": 1000}, ReportStatus.AUTHORIZED),
        ("complete", "unpaid", {"status": "canceled"}, ReportStatus.CANCELLED),
        ("complete", "paid", {"status": "succeeded"}, ReportStatus.PAID),
        ("expired", "unpaid", {"status": "canceled"}, ReportStatus.EXPIRED),
    ],
)
def test_a_page_and_its_intent_are_read_together(
    state: str, paid: str, inside: dict[str, Any], status: ReportStatus
) -> None:
    whole = session(status=state, payment_status=paid, payment_intent=intent(**inside))

    assert messages.session_report(whole, reference=REFERENCE).status is status


def test_a_failed_try_names_its_decline_and_keeps_the_page_open(stripe: StripeDriver) -> None:
    request = stripe.opened()

    (message,) = stripe.end(request.reference, "insufficient")
    report, queried = stripe.heard(message), stripe.query(request)

    assert {(one.status, one.code, one.message) for one in (report, queried)} == {
        (ReportStatus.PENDING, "insufficient_funds", "Your card has insufficient funds.")
    }
    (message,) = stripe.end(request.reference, "pay")
    assert stripe.heard(message).status is ReportStatus.PAID


def test_nothing_private_of_an_object_is_kept(stripe: StripeDriver) -> None:
    about = intent(client_secret="pi_1_secret_x", receipt_email="buyer@example.com", shipping={"name": "N"})

    (report,) = told(event("payment_intent.succeeded", about))

    assert report.raw == {
        "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1000, "amount_received": 1000,
        "amount_capturable": 0, "currency": "usd", "attempt_id": REFERENCE,
    }  # fmt: skip


def test_stripe_hears_200_or_why_not() -> None:
    gateway = Stripe(**KEYS)  # type: ignore[arg-type]
    heard = {outcome: gateway.acknowledge(outcome).status for outcome in Acknowledgement}

    assert heard == {
        Acknowledgement.ACCEPTED: 200, Acknowledgement.DUPLICATE: 200, Acknowledgement.BAD_SIGNATURE: 400,
        Acknowledgement.UNKNOWN_ORDER: 200, Acknowledgement.WRONG_AMOUNT: 200, Acknowledgement.ERROR: 503,
    }  # fmt: skip


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
    monkeypatch.setattr("gateways.stripe_calls.PAGE", 2)
    oldest = stripe.opened()
    for _ in range(4):
        stripe.opened()
    stripe.known_ids.clear()

    assert stripe.query(oldest).status is ReportStatus.PENDING
    monkeypatch.setattr("gateways.stripe_calls.MAX_PAGES", 1)
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
    theirs = {number: card.method for number, card in stripe_rules.CARDS.items()}
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
    named = Stripe(**KEYS, endpoint="http://sandbox:9500", plain_http_hosts=("sandbox",))  # type: ignore[arg-type]

    assert (live.is_live, named.is_live) == (True, False)
    assert named._may_send_customers_to("http://127.0.0.1:8001/c/pay/x")
    assert told(event("payment_intent.succeeded", intent(), livemode=True), secret_key="sk_live_x")


def test_a_reference_is_what_metadata_gives_back() -> None:
    reference = Stripe(**KEYS).reference(ids.uuid7_int(), datetime.now(UTC))  # type: ignore[arg-type]

    assert messages.reference_of({"metadata": {"attempt_id": reference}}) == reference
