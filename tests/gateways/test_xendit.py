"""What is Xendit's own: exact numbers, keys, refusals, confirming, refunds that end later, channels, redirects."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from config.core.money import Money
from gateways.abilities import Confirms, Disputes, Refunds
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import ReportStatus
from gateways.requests import QueryRequest
from gateways.sandbox.xendit import rules
from gateways.xendit import codes, messages, values
from gateways.xendit.adapter import Xendit
from gateways.xendit.codes import Failure, Refusal
from tests.gateways.drivers.xendit import XenditDriver

KEYS: dict[str, Any] = {"secret_key": "xnd_development_x", "webhook_token": "token"}


def refunds(driver: XenditDriver) -> Refunds:
    assert isinstance(driver.gateway, Refunds)
    return driver.gateway


def confirms(driver: XenditDriver) -> Confirms:
    assert isinstance(driver.gateway, Confirms)
    return driver.gateway


# --- settings --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secret_key": "sk_test_1"}, "secret_key must begin with xnd_production_ or xnd_development_"),
        ({"secret_key": "xnd_public_development_1"}, "secret_key must begin with"),
        ({"webhook_token": "  "}, "webhook_token is empty"),
        ({"endpoint": "http://api.xendit.co"}, "endpoint must be an https address"),
        ({"endpoint": "api.xendit.co"}, "endpoint must be an https address"),
        ({"secret_key": "xnd_production_1", "endpoint": "http://127.0.0.1:9500"}, "secret_key is a live key"),
        ({"secret_key": "xnd_production_1", "endpoint": "https://sandbox.example.vn"}, "secret_key is a live key"),
    ],
)  # fmt: skip
def test_settings_that_can_only_fail_later_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Xendit(**{**KEYS, **changes})


def test_a_live_key_goes_to_xendit_and_nowhere_else() -> None:
    assert Xendit(**{**KEYS, "secret_key": "xnd_production_1"}).endpoint == "https://api.xendit.co"
    assert (
        Xendit(**KEYS, endpoint="http://sandbox:9500", plain_http_hosts=("sandbox",)).endpoint == "http://sandbox:9500"
    )


# --- amounts ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("money", "written", "shown"),
    [
        (Money(1_000_000, "IDR"), '"amount": 10000,', "Rp 10.000"),
        (Money(960_000, "VND"), '"amount": 960000,', "960.000 ₫"),
        (Money(222, "MYR"), '"amount": 2.22,', "RM 2.22"),
        (Money(150_050, "PHP"), '"amount": 1500.50,', "₱1,500.5"),
        (Money(7_000, "THB"), '"amount": 70.00,', "฿70"),
        (Money(1, "USD"), '"amount": 0.01,', ""),
        (Money(10**14 + 1, "USD"), '"amount": 1000000000000.01,', ""),
    ],
)
def test_amounts_are_written_as_exact_numbers_and_read_back(
    xendit: XenditDriver, money: Money, written: str, shown: str
) -> None:
    body = {"amount": values.major_units(money), "currency": money.currency}

    assert written in values.to_json(body)
    assert values.amount_in(json.loads(values.to_json(body), parse_float=Decimal)["amount"], money.currency) == money  # fmt: skip
    if shown:
        request = xendit.request(money=money)
        page = requests.get(xendit.create(request).pay_url, timeout=5)
        xendit.end(request.reference, "pay")
        assert shown in page.text
        assert xendit.query(request).money == money


@pytest.mark.parametrize(
    ("money", "code"),
    [
        (Money(1_000_050, "IDR"), "amount_precision"),
        (Money(1_000, "SGD"), "currency"),
        (Money(1_000, "EUR"), "currency"),
        (Money(999_900, "IDR"), "MINIMAL_TRANSFER_AMOUNT_ERROR"),
        (Money(100_000_000_100, "IDR"), "MAXIMUM_TRANSFER_AMOUNT_ERROR"),
    ],
)
def test_what_xendit_cannot_take_is_a_definite_no(xendit: XenditDriver, money: Money, code: str) -> None:
    request = xendit.request(money=money)

    with pytest.raises(GatewayRejected) as caught:
        xendit.gateway.create_checkout(request)

    assert caught.value.code == code
    assert xendit.control("GET", f"/payments?order={request.reference}") == {"payments": []}


@pytest.mark.parametrize(
    ("value", "currency", "money"),
    [
        ("10000", "IDR", Money(1_000_000, "IDR")),
        (Decimal("10000.00"), "IDR", Money(1_000_000, "IDR")),
        ("2.22", "MYR", Money(222, "MYR")),
        ("2.222", "MYR", None),
        ("0.5", "VND", None),
        (-1, "VND", None),
        ("-1", "VND", None),
        ("1e3", "VND", None),
        (True, "VND", None),
        (None, "VND", None),
        ("1,000", "VND", None),
        ("٣", "VND", None),
        (1, "XXX", None),
        (10**30, "VND", None),
    ],
)
def test_amounts_are_read_as_numbers_or_text_and_never_guessed(
    value: object, currency: str, money: Money | None
) -> None:
    assert values.amount_in(value, currency) == money


def invoice(**changes: object) -> dict[str, Any]:
    return {
        "id": "6748105a77f16ebe0cc583a7", "external_id": "06dq0qg5wnvbd9w5t2dvhm71m9", "status": "PAID", "amount": 100_000,
        "paid_amount": 100_000, "currency": "VND", "paid_at": "2026-11-20T06:40:26.353Z", "updated": "2026-11-20T06:40:27Z",
        **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "minor"),
    [
        ({"paid_amount": 90_000}, 90_000),  # an open virtual account: what truly came
        ({"paid_amount": None}, 100_000),
        ({"paid_amount": "100000"}, 100_000),
        ({"paid_amount": 103_300, "fees": [{"type": "ADMIN", "value": 3_000}, {"type": "VAT", "value": "300"}]}, 100_000),
        ({"paid_amount": 103_300, "fees": [{"type": "ADMIN", "value": 3_000}]}, 103_300),
        ({"paid_amount": 103_300, "fees": "3300"}, 103_300),
    ],
)  # fmt: skip
def test_fees_that_the_customer_bears_are_not_ours_and_another_sum_is(changes: dict[str, Any], minor: int) -> None:
    report = messages.invoice_report(invoice(**changes))

    assert (report.status, report.money) == (ReportStatus.PAID, Money(minor, "VND"))


@pytest.mark.parametrize(
    "changes", [{"amount": "x", "paid_amount": None}, {"id": ""}, {"id": "../../refunds"}, {"currency": "XXX"}, {"status": "DONE"}]
)  # fmt: skip
def test_money_without_its_number_or_amount_is_unknown(changes: dict[str, Any]) -> None:
    assert messages.invoice_report(invoice(**changes)).status is ReportStatus.UNKNOWN


# --- creating --------------------------------------------------------------------------------------------------------
def test_what_is_sent_is_what_the_document_asks_for(xendit: XenditDriver) -> None:
    request = xendit.request(
        locale="en", channel="OVO, BCA", description="  Chợ\nHoa Sen ", money=Money(5_000_000, "IDR"),
        buyer_name="Nguyễn Thị Hoa", buyer_email="hoa@example.vn", buyer_phone="+84 90 123 4567",
    )  # fmt: skip

    checkout = xendit.create(request)

    assert checkout.request == {
        "external_id": request.reference, "amount": "50000", "currency": "IDR", "invoice_duration": 900,
        "should_send_email": False, "payment_methods": ["OVO", "BCA"], "locale": "en",
    }  # fmt: skip
    truth = xendit.truth(request.reference)
    assert truth["description"] == "Chợ Hoa Sen"
    assert truth["fields"]["payment_methods"] == ["OVO", "BCA"]
    assert truth["expires_ms"] - truth["created_ms"] == 900_000
    assert checkout.pay_url == f"{xendit.sandbox.url}/web/{checkout.gateway_transaction_id}"


def test_nothing_about_the_buyer_is_stored(xendit: XenditDriver) -> None:
    checkout = xendit.create(
        xendit.request(buyer_name="Nguyễn Thị Hoa", buyer_email="hoa@example.vn", buyer_phone="+84901234567")
    )

    kept = json.dumps([checkout.request, checkout.response], ensure_ascii=False)
    assert [word for word in ("Hoa", "hoa@", "8490", "signature") if word in kept] == []


def test_a_telephone_number_that_is_none_is_left_out() -> None:
    assert values.phone_in("+84 (90) 123-4567") == "+84901234567"
    assert [values.phone_in(one) for one in ("0901234567", "+84", "call me", "")] == [""] * 4


def test_money_that_is_only_to_be_reserved_is_refused(xendit: XenditDriver) -> None:
    with pytest.raises(GatewayRejected) as caught:
        xendit.gateway.create_checkout(xendit.request(capture=False))

    assert caught.value.code == "capture"


def refused_by(xendit: XenditDriver, name: str, operation: str) -> None:
    xendit.fault("answer_code", operation=operation, code=rules.number_of_error(name))


@pytest.mark.parametrize("name", [
    "API_VALIDATION_ERROR", "INVALID_JSON_FORMAT", "INVALID_AMOUNT", "MINIMAL_TRANSFER_AMOUNT_ERROR", "UNSUPPORTED_CURRENCY",
    "UNAVAILABLE_PAYMENT_METHOD_ERROR", "INVALID_API_KEY", "REQUEST_FORBIDDEN_ERROR", "INVOICE_NOT_FOUND_ERROR",
])  # fmt: skip
def test_a_refusal_that_is_a_no_is_a_no(xendit: XenditDriver, name: str) -> None:
    refused_by(xendit, name, "create")

    with pytest.raises(GatewayRejected) as caught:
        xendit.gateway.create_checkout(xendit.request())

    assert (caught.value.code, caught.value.retry_after_seconds, caught.value.by_payer) == (name, 0, False)


@pytest.mark.parametrize("name", ["DUPLICATE_ERROR", "IDEMPOTENCY_ERROR", "TEMPORARILY_UNAVAILABLE"])
def test_a_refusal_that_proves_nothing_is_unknown(xendit: XenditDriver, name: str) -> None:
    refused_by(xendit, name, "create")

    with pytest.raises(GatewayUnavailable) as caught:
        xendit.gateway.create_checkout(xendit.request())

    assert (caught.value.code, caught.value.never_sent) == (name, False)


def test_too_many_calls_are_a_no_for_now(xendit: XenditDriver) -> None:
    xendit.fault("answer_code", operation="create", code=429)

    with pytest.raises(GatewayRejected) as caught:
        xendit.gateway.create_checkout(xendit.request())

    assert caught.value.retry_after_seconds == 60


def test_customers_are_sent_to_xendits_hosts_only(xendit: XenditDriver) -> None:
    settings = xendit.sandbox.app.sandbox.settings
    honest = settings.public_url
    try:
        for address in (
            "https://xendit.co.evil.example",
            "https://evilxendit.co",
            "http://checkout.xendit.co",
            "javascript:x",
        ):
            settings.public_url = address
            with pytest.raises(GatewayUnavailable):
                xendit.gateway.create_checkout(xendit.request())
        for address in ("https://checkout.xendit.co", "https://checkout-staging.xendit.co", honest):
            settings.public_url = address
            assert xendit.gateway.create_checkout(xendit.request()).pay_url.startswith(address)
    finally:
        settings.public_url = honest


# --- coming back -----------------------------------------------------------------------------------------------------
def test_a_browser_that_returns_says_whose_it_is_and_nothing_else(xendit: XenditDriver) -> None:
    request = xendit.request()
    checkout = xendit.create(request)

    message = xendit.returned(checkout.pay_url, "expire")
    report = xendit.gateway.read_return(message)

    assert (report.reference, report.status, report.code) == (request.reference, ReportStatus.PENDING, "failed")
    fields = {name: one for name, (one,) in parse_qs(message.query).items()}
    for name, value in (("external_id", "0" * 26), ("result", "paid"), ("signature", "0" * 64)):
        changed = "&".join(f"{key}={value if key == name else one}" for key, one in fields.items())
        with pytest.raises(ReportInvalid):
            xendit.gateway.read_return(HttpMessage(method="GET", path="/", query=changed))


def test_a_return_is_good_while_the_token_is_changed_and_not_for_ever(xendit: XenditDriver) -> None:
    checkout = xendit.create(xendit.request())
    message = xendit.returned(checkout.pay_url, "pay")
    old = str(xendit.settings()["webhook_token"])

    assert (
        xendit.build(webhook_token="new", previous_webhook_token=old).read_return(message).status
        is ReportStatus.PENDING
    )
    with pytest.raises(ReportInvalid):
        xendit.build(webhook_token="new").read_return(message)


# --- hearing ---------------------------------------------------------------------------------------------------------
def test_both_tokens_are_heard_while_one_replaces_the_other(xendit: XenditDriver) -> None:
    _, message, _ = xendit.paid()
    old = str(xendit.settings()["webhook_token"])

    assert (
        xendit.heard(message, xendit.build(webhook_token="new", previous_webhook_token=old)).status is ReportStatus.PAID
    )
    with pytest.raises(ReportInvalid):
        xendit.build(webhook_token="new").read_notification(message)
    with pytest.raises(ReportInvalid):
        xendit.gateway.read_notification(xendit.with_signature(message, ""))


def test_paid_and_then_settled_is_one_movement_of_money(xendit: XenditDriver) -> None:
    request, _, paid = xendit.paid()

    before = len(xendit.inbox.messages)
    xendit.control("POST", f"/xendit/settled/{request.reference}")
    assert xendit.sandbox.drain()
    (message,) = xendit.inbox.messages[before:]
    settled = xendit.heard(message)

    assert (xendit.fields(message)["status"], settled.code) == ("SETTLED", "SETTLED")
    same = ("reference", "status", "money", "gateway_transaction_id", "occurred_at")
    assert [getattr(settled, name) for name in same] == [getattr(paid, name) for name in same]
    assert dataclasses.replace(xendit.query(request), raw={}) == dataclasses.replace(settled, raw={})


def test_what_the_dashboard_sends_to_try_us_changes_nothing_and_is_taken(xendit: XenditDriver) -> None:
    sample = xendit.webhook(**invoice(id="579c8d61f23fa4ca35e52da4", external_id="invoice_123124123", currency="IDR"))

    report = xendit.heard(sample)

    assert (report.status, report.reference, report.money) == (ReportStatus.UNKNOWN, "invoice_123124123", None)
    assert xendit.gateway.acknowledge(Acknowledgement.UNKNOWN_ORDER).status == 200


@pytest.mark.parametrize("event", [
    "payment_token.activation", "payment_token.failure", "payment_token.expiry", "payment_request.expiry", "report.finished",
    "something.new", "dispute.something_new",
])  # fmt: skip
def test_messages_about_nothing_of_ours_are_taken_and_ignored(xendit: XenditDriver, event: str) -> None:
    assert xendit.gateway.read_notification(xendit.webhook(event=event, data={"id": "x"})) == ()


@pytest.mark.parametrize("data", [None, [], "text"])
def test_an_event_without_its_object_is_refused(xendit: XenditDriver, data: object) -> None:
    with pytest.raises(ReportInvalid):
        xendit.gateway.read_notification(xendit.webhook(event="payment.capture", data=data))


def test_words_back_are_the_ones_that_xendit_wants() -> None:
    gateway = Xendit(**KEYS)

    answered = {one: gateway.acknowledge(one).status for one in Acknowledgement}
    assert answered == {
        Acknowledgement.ACCEPTED: 200, Acknowledgement.DUPLICATE: 200, Acknowledgement.UNKNOWN_ORDER: 200,
        Acknowledgement.WRONG_AMOUNT: 200, Acknowledgement.BAD_SIGNATURE: 400, Acknowledgement.ERROR: 503,
    }  # fmt: skip
    assert gateway.acknowledge(Acknowledgement.ACCEPTED) == HttpReply(200, b'{"received": true}')


def test_an_answer_about_another_invoice_is_not_believed(xendit: XenditDriver) -> None:
    one, other = xendit.opened(), xendit.opened()

    with pytest.raises(GatewayUnavailable):
        xendit.gateway.query(
            QueryRequest(
                reference=one.reference, money=one.money, created_at=one.created_at,
                gateway_transaction_id=xendit.known_ids[other.reference],
            )
        )  # fmt: skip


def test_an_invoice_that_xendit_told_us_of_and_does_not_know_is_no_end_of_the_payment(xendit: XenditDriver) -> None:
    request = xendit.opened()

    assert xendit.query(request, xendit.build(**xendit.somebody_else())).status is ReportStatus.UNKNOWN


@pytest.mark.parametrize("name", ["RATE_LIMIT_EXCEEDED", "API_VALIDATION_ERROR", "TEMPORARILY_UNAVAILABLE"])
def test_a_question_that_is_refused_was_not_answered(xendit: XenditDriver, name: str) -> None:
    request = xendit.opened()
    refused_by(xendit, name, "query")

    with pytest.raises(GatewayUnavailable) as caught:
        xendit.query(request)

    assert caught.value.code == name


@pytest.mark.parametrize("name", ["INVALID_API_KEY", "REQUEST_FORBIDDEN_ERROR"])
def test_a_key_that_xendit_does_not_take_is_said_and_decides_nothing(xendit: XenditDriver, name: str) -> None:
    """Whoever asks about a payment hears which it is; a message waits, and a refund stays as unknown as it was."""
    request, message, paid = xendit.paid()
    xendit.fault("answer_code", scope="operation", operation="query", code=rules.number_of_error(name))
    xendit.fault("answer_code", scope="operation", operation="refund_query", code=rules.number_of_error(name))

    with pytest.raises(GatewayRejected) as caught:
        xendit.query(request)
    with pytest.raises(GatewayUnavailable):
        xendit.heard(message)
    with pytest.raises(GatewayUnavailable):
        refunds(xendit).query_refund(xendit.refund_of(request, paid, 1_000))

    assert caught.value.code == name


# --- the later generations -------------------------------------------------------------------------------------------
def test_a_payment_of_api_v3_is_asked_for_and_keeps_its_own_number(xendit: XenditDriver) -> None:
    reference = xendit.request().reference
    told = xendit.control("POST", "/xendit/v3", {"reference_id": reference, "amount": 1500, "currency": "PHP"})
    payment, session = told["payment"], told["session"]
    as_text = {**payment, "request_amount": "1500", "captures": []}

    reports = [
        xendit.heard(xendit.webhook(event="payment.capture", business_id="b", created="x", data=payment)),
        xendit.heard(xendit.webhook(event="payment.succeeded", data=as_text)),
        xendit.heard(xendit.webhook(event="payment.capture", data={**payment, "request_amount": 1, "captures": []})),
        xendit.heard(xendit.webhook(event="payment_session.completed", data=session)),
    ]

    assert reports == [reports[0]] * 4
    assert (reports[0].reference, reports[0].status) == (reference, ReportStatus.PAID)
    assert reports[0].money == Money(150_000, "PHP")
    assert reports[0].gateway_transaction_id == payment["payment_id"]
    asked = QueryRequest(
        reference=reference, money=Money(150_000, "PHP"), created_at=xendit.request().created_at,
        gateway_transaction_id=payment["payment_id"],
    )  # fmt: skip
    assert xendit.gateway.query(asked) == reports[0]


def test_an_invoices_payment_told_by_api_v3_too_is_the_same_money(xendit: XenditDriver) -> None:
    request, message, paid = xendit.paid()
    payment = {
        "payment_id": xendit.fields(message)["payment_id"],
        "reference_id": request.reference,
        "status": "SUCCEEDED",
    }

    assert xendit.heard(xendit.webhook(event="payment.capture", data=payment)) == paid


def test_money_of_api_v3_under_a_reference_that_is_not_ours_is_left_alone(xendit: XenditDriver) -> None:
    told = xendit.control("POST", "/xendit/v3", {"reference_id": "made-by-xendit", "amount": 1500, "currency": "PHP"})

    assert xendit.heard(xendit.webhook(event="payment.capture", data=told["payment"])).status is ReportStatus.UNKNOWN


def test_a_made_up_payment_of_api_v3_is_not_believed(xendit: XenditDriver) -> None:
    reference = xendit.request().reference
    made_up = {
        "payment_id": "py-00000000-0000-4000-8000-000000000000", "reference_id": reference, "status": "SUCCEEDED",
        "request_amount": 1, "currency": "PHP",
    }  # fmt: skip
    session = {"payment_session_id": "ps-" + "0" * 24, "reference_id": reference, "status": "COMPLETED"}

    for event, data in (("payment.capture", made_up), ("payment_session.completed", session)):
        assert xendit.heard(xendit.webhook(event=event, data=data)).status is ReportStatus.UNKNOWN


@pytest.mark.parametrize(
    ("word", "status"),
    [("PENDING", "pending"), ("AUTHORIZED", "authorized"), ("SUCCEEDED", "paid"), ("FAILED", "failed"), ("EXPIRED", "expired"),
     ("CANCELED", "cancelled"), ("AWAITING_CAPTURE", "authorized"), ("VOIDED", "cancelled"), ("UNKNOWN", "unknown"), ("NEW", "unknown")],
)  # fmt: skip
def test_the_words_of_a_payment(word: str, status: str) -> None:
    data = {"payment_id": "py-1", "reference_id": "r", "status": word, "request_amount": 5, "currency": "VND"}
    report = messages.payment_report({**data, "failure_code": "CAPTURE_AMOUNT_EXCEEDED " if word == "FAILED" else None})

    assert report.status.value == status
    assert report.gateway_transaction_id == ("py-1" if status in ("paid", "authorized") else "")
    if word == "FAILED":
        assert (report.code, report.message) == ("CAPTURE_AMOUNT_EXCEEDED", "invalid_request")


def test_why_a_card_failed_is_told_by_its_network_where_xendit_does_not() -> None:
    data = {"payment_id": "py-1", "reference_id": "r", "status": "FAILED", "request_amount": 5, "currency": "VND"}
    report = messages.payment_report(
        {**data, "payment_details": {"authorization_data": {"network_response_code": "51"}}}
    )

    assert (report.code, report.message) == ("INSUFFICIENT_BALANCE", "failed_insufficient")


def test_several_captures_are_one_sum_and_the_last_moment() -> None:
    report = messages.payment_report({
        "payment_id": "py-1", "reference_id": "r", "status": "SUCCEEDED", "request_amount": "30.00", "currency": "MYR",
        "captures": [{"capture_amount": "10.5", "capture_timestamp": "2026-11-20T06:00:00Z"},
                     {"capture_amount": 9, "capture_timestamp": "2026-11-20T07:00:00.123456789Z"}],
    })  # fmt: skip

    assert report.money == Money(1950, "MYR")
    assert report.occurred_at is not None and report.occurred_at.isoformat() == "2026-11-20T07:00:00.123456+00:00"


# --- refunds ---------------------------------------------------------------------------------------------------------
def test_a_refund_is_pending_until_a_message_or_a_question_tells_its_end(xendit: XenditDriver) -> None:
    request, _, paid = xendit.paid()
    refund = xendit.refund_of(request, paid, 60_000)
    before = len(xendit.inbox.messages)

    first = refunds(xendit).refund(refund)
    assert xendit.sandbox.drain()
    (message,) = xendit.inbox.messages[before:]
    told = xendit.heard(message)
    fields = xendit.fields(message)
    nested = xendit.heard(xendit.webhook(event="refund.succeeded", data={"data": {**fields["data"], "amount": 1}}))
    known = dataclasses.replace(refund, gateway_refund_id=first.gateway_transaction_id)

    assert (first.status, fields["event"], told.status) == (ReportStatus.PENDING, "refund.succeeded", ReportStatus.PAID)
    assert told == nested == refunds(xendit).query_refund(refund) == refunds(xendit).query_refund(known)
    assert (told.reference, told.money, told.gateway_transaction_id) == (
        refund.reference, refund.money, first.gateway_transaction_id,
    )  # fmt: skip


def test_a_made_up_end_of_a_refund_is_not_believed(xendit: XenditDriver) -> None:
    request, _, paid = xendit.paid()
    refund = xendit.refund_of(request, paid, 60_000)
    xendit.fault("refund_pending", seconds=0.5)
    first = refunds(xendit).refund(refund)
    data = {"id": first.gateway_transaction_id, "reference_id": refund.reference, "status": "SUCCEEDED"}

    assert xendit.heard(xendit.webhook(event="refund.succeeded", data=data)).status is ReportStatus.PENDING
    assert (
        xendit.heard(xendit.webhook(event="refund.failed", data={**data, "id": "rfd-1"})).status is ReportStatus.UNKNOWN
    )


def test_a_refund_that_the_channel_sends_back_has_failed(xendit: XenditDriver) -> None:
    request, _, paid = xendit.paid()
    refund = xendit.refund_of(request, paid, 60_000)
    refunds(xendit).refund(refund)
    assert xendit.sandbox.drain()
    before = len(xendit.inbox.messages)

    xendit.control("POST", f"/xendit/refunds/{refund.reference}/fail")
    assert xendit.sandbox.drain()
    told = xendit.heard(xendit.inbox.messages[before])

    assert (told.status, told.code) == (ReportStatus.FAILED, "REFUND_FAILED")


def test_a_second_refund_waits_for_the_first(xendit: XenditDriver) -> None:
    request, _, paid = xendit.paid()
    one, other = (xendit.refund_of(request, paid, 60_000) for _ in range(2))
    xendit.fault("refund_pending", seconds=0.2)
    refunds(xendit).refund(one)

    with pytest.raises(GatewayUnavailable) as caught:
        refunds(xendit).refund(other)
    looked_for = refunds(xendit).query_refund(other).status
    xendit.sandbox.app.stopping.wait(0.25)
    again = refunds(xendit).refund(other).status

    assert (caught.value.code, looked_for, again) == (
        "REFUND_IN_PROGRESS", ReportStatus.NOT_FOUND, ReportStatus.PENDING,
    )  # fmt: skip


def test_a_refund_is_found_on_a_later_page(xendit: XenditDriver) -> None:
    request, _, paid = xendit.paid()
    made = [xendit.refund_of(request, paid, 1_000) for _ in range(3)]
    for one in made:
        refunds(xendit).refund(one)
    api = xendit.sandbox.app.providers["xendit"].api
    api.page_size = 1
    try:
        found = [refunds(xendit).query_refund(one) for one in made]
        unheard_of = refunds(xendit).query_refund(xendit.refund_of(request, paid, 1_000))
    finally:
        api.page_size = 100

    assert [one.reference for one in found] == [one.reference for one in made]
    assert unheard_of.status is ReportStatus.NOT_FOUND


def test_a_payment_of_api_v3_is_refunded_by_its_request(xendit: XenditDriver) -> None:
    reference = xendit.request().reference
    told = xendit.control("POST", "/xendit/v3", {"reference_id": reference, "amount": 1500, "currency": "PHP"})
    paid = xendit.heard(xendit.webhook(event="payment.capture", data=told["payment"]))
    request = xendit.request(reference=reference, money=Money(150_000, "PHP"))
    refund = xendit.refund_of(request, paid, 50_025)

    first = refunds(xendit).refund(refund)

    assert (first.status, first.money) == (ReportStatus.PENDING, Money(50_025, "PHP"))
    assert refunds(xendit).query_refund(refund).status is ReportStatus.PAID


@pytest.mark.parametrize(
    ("name", "later"), [("REFUND_NOT_SUPPORTED", 0), ("TRANSACTION_NOT_FOUND", 0), ("INSUFFICIENT_BALANCE", 86_400)]
)
def test_a_refund_that_is_refused_is_a_no(xendit: XenditDriver, name: str, later: int) -> None:
    request, _, paid = xendit.paid()
    refused_by(xendit, name, "refund")

    with pytest.raises(GatewayRejected) as caught:
        refunds(xendit).refund(xendit.refund_of(request, paid, 60_000))

    assert (caught.value.code, caught.value.retry_after_seconds) == (name, later)


# --- channels --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("channel", "country", "can"),
    [
        ("", "", True), ("CARDS", "", True), ("CREDIT_CARD", "", True), ("OVO", "", True), ("QRIS", "", True),
        ("BCA", "", False), ("BCA_VIRTUAL_ACCOUNT", "", False), ("ALFAMART", "", False), ("MAYB2U_FPX", "", False),
        ("PROMPTPAY", "", False), ("OVO,BCA", "", False), ("OVO, DANA", "", True), ("BRAND_NEW", "", False),
        ("SHOPEEPAY", "", True), ("SHOPEEPAY", "VN", True), ("SHOPEEPAY", "TH", False), ("TRUEMONEY", "", False),
    ],
)  # fmt: skip
def test_what_cannot_go_back_by_the_api_is_known_beforehand(channel: str, country: str, can: bool) -> None:
    assert Xendit(**KEYS, country=country).can_refund(channel) is can


def test_disputes_are_answered_in_the_dashboard() -> None:
    assert not isinstance(Xendit(**KEYS), Disputes)


# --- tables ----------------------------------------------------------------------------------------------------------
DOCUMENTED: Any = {  # the reference's lists, each under what it means for us
    Failure.INSUFFICIENT: "INSUFFICIENT_BALANCE",
    Failure.EXPIRED: "EXPIRED_CARD PAYMENT_REQUEST_EXPIRED EXPIRED_OTP",
    Failure.BY_CUSTOMER: "USER_DECLINED_PAYMENT USER_DID_NOT_AUTHORIZE INVALID_OTP INVALID_CVV INVALID_ACCOUNT_DETAILS "
    "AUTHENTICATION_FAILED USER_DEVICE_UNREACHABLE INVALID_CARD",
    Failure.DECLINED: "CARD_DECLINED DECLINED_BY_ISSUER DECLINED_BY_PROCESSOR ACCOUNT_ACCESS_BLOCKED ACCOUNT_NOT_ACTIVATED "
    "INACTIVE_OR_UNAUTHORIZED_CARD FAILURE_DETAILS_UNAVAILABLE TRANSACTION_BLOCKED",
    Failure.FRAUD: "STOLEN_CARD SUSPECTED_FRAUDULENT ISSUER_SUSPECT_FRAUD",
    Failure.LIMIT: "PAYMENT_ATTEMPT_COUNTS_EXCEEDED OTP_ATTEMPT_COUNTS_EXCEEDED PAYMENT_AMOUNT_LIMITS_EXCEEDED",
    Failure.INVALID_REQUEST: "CAPTURE_AMOUNT_EXCEEDED INVALID_TOKEN PARTIAL_APPROVAL",
    Failure.AUTH_ERROR: "INVALID_MERCHANT_SETTINGS INVALID_MERCHANT_CREDENTIALS",
    Failure.GATEWAY_ERROR: "CHANNEL_UNAVAILABLE ISSUER_UNAVAILABLE PROCESSOR_ERROR SERVER_ERROR PARTNER_TIMEOUT_ERROR "
    "TIMEOUT_ERROR",
}
REFUSED: Any = {
    Refusal.AUTH_ERROR: "INVALID_API_KEY UNAUTHORIZED REQUEST_FORBIDDEN_ERROR",
    Refusal.DUPLICATE: "DUPLICATE_ERROR IDEMPOTENCY_ERROR REFUND_IN_PROGRESS",
    Refusal.RATE_LIMITED: "RATE_LIMIT_EXCEEDED",
    Refusal.GATEWAY_ERROR: "TEMPORARILY_UNAVAILABLE CHANNEL_UNAVAILABLE SERVER_ERROR",
    Refusal.INVALID_REQUEST: "API_VALIDATION_ERROR INVALID_JSON_FORMAT MINIMAL_TRANSFER_AMOUNT_ERROR "
    "MAXIMUM_TRANSFER_AMOUNT_ERROR NO_COLLECTION_METHODS_ERROR UNAVAILABLE_PAYMENT_METHOD_ERROR UNSUPPORTED_CURRENCY "
    "INVOICE_NOT_FOUND_ERROR INVALID_AMOUNT INVALID_PAYMENT_CHANNEL INVALID_PRIMARY_PAYMENT_CHANNEL INVALID_METADATA "
    "INVALID_ITEM_METADATA INVALID_CURRENCY INVALID_COUNTRY INVALID_CUSTOMER_ID INVALID_URL MISSING_CUSTOMER "
    "DISALLOWED_CAPTURE_METHOD INVALID_EXPIRY_DATE ITEMS_NOT_SUPPORTED SESSION_TYPE_NOT_SUPPORTED MODE_NOT_SUPPORTED "
    "DATA_NOT_FOUND INVALID_VALUE_ERROR REFUND_AMOUNT_EXCEEDED MAXIMUM_REFUND_AMOUNT_REACHED INELIGIBLE_TRANSACTION_STATUS "
    "INELIGIBLE_TRANSACTION INSUFFICIENT_BALANCE PARTIAL_REFUND_COUNTS_EXCEEDED TRANSACTION_NOT_FOUND REFUND_NOT_SUPPORTED "
    "PARTIAL_REFUND_NOT_SUPPORTED INVALID_MERCHANT_SETTINGS "
    # of payouts:
    "CHANNEL_CODE_NOT_SUPPORTED_ERROR RECIPIENT_ACCOUNT_NUMBER_ERROR RECIPIENT_AMOUNT_ERROR MAXIMUM_TRANSFER_LIMIT_ERROR",
}


def test_the_tables_of_codes_are_those_of_the_document() -> None:
    def by_name(table: Any) -> dict[str, Any]:
        return {name: meaning for meaning, names in table.items() for name in names.split()}

    assert by_name(DOCUMENTED) == codes.FAILURE_CODES
    assert by_name(REFUSED) == codes.API_ERRORS
    assert set(rules.ERRORS) <= set(codes.API_ERRORS)
    assert len(codes.NETWORK_CODES) == 75
    assert set(codes.NETWORK_CODES.values()) <= set(codes.FAILURE_CODES)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [("INVALID_SOMETHING_NEW", Refusal.INVALID_REQUEST), ("CHANNEL_NOT_SUPPORTED", Refusal.INVALID_REQUEST),
     ("INELIGIBLE_TRANSACTION_AGE", Refusal.INVALID_REQUEST), ("http_418", Refusal.UNLISTED), ("", Refusal.UNLISTED)],
)  # fmt: skip
def test_a_code_that_nobody_listed_proves_nothing_unless_its_family_does(code: str, meaning: Refusal) -> None:
    assert codes.refusal(code) is meaning


def test_an_unknown_failure_is_a_plain_decline() -> None:
    assert codes.failure("SOMETHING_NEW") is Failure.DECLINED
    assert codes.failure("CAPTURE_AMOUNT_EXCEEDED ") is Failure.INVALID_REQUEST
