"""What is VNPay's own: a signed redirect, two codes in one message, secrets in rotation, refunds without an id."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from config.core.money import Money
from gateways.abilities import SettlementFiles
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Report, ReportStatus
from gateways.requests import QueryRequest, RefundRequest
from gateways.sandbox.state import Stage, pretend
from gateways.sandbox.vnpay import rules
from gateways.settlement.lines import LineKind, SettlementUnreadable
from gateways.vnpay import codes, messages
from gateways.vnpay.adapter import VNPay
from tests.gateways.drivers.vnpay import VNPayDriver

SECRET = "QK7ZL0M5VX1N8RT4WB6YC3HD9FJ2GSPA"
KEYS: dict[str, Any] = {
    "tmn_code": "SHOPTST2", "hash_secret": SECRET, "pay_url": "https://gateway.example",
    "api_url": "https://gateway.example",
}  # fmt: skip


@pytest.fixture
def vnpay(sandbox: Any, inbox: Any) -> VNPayDriver:
    return VNPayDriver(sandbox, inbox)


def gateway(vnpay: VNPayDriver, **changes: object) -> VNPay:
    made = vnpay.build(**changes)
    assert isinstance(made, VNPay)
    return made


def ipn(secret: str = SECRET, **changes: str) -> HttpMessage:
    """An IPN with these fields, truly signed."""
    fields = {
        "vnp_TmnCode": "SHOPTST2", "vnp_Amount": "96000000", "vnp_BankCode": "NCB", "vnp_OrderInfo": "Don hang 2",
        "vnp_PayDate": "20231207170112", "vnp_ResponseCode": "00", "vnp_TransactionNo": "14226112",
        "vnp_TransactionStatus": "00", "vnp_TxnRef": "01m7z5t73jfbc8aped471eq1vz", **changes,
    }  # fmt: skip
    text = messages.query_text(fields)
    return HttpMessage(method="GET", path="/ipn", query=f"{text}&vnp_SecureHash={messages.sign(secret, text)}")


def heard(message: HttpMessage, **changes: object) -> Report:
    (report,) = VNPay(**{**KEYS, **changes}).read_notification(message)
    return report


# --- the redirect ----------------------------------------------------------------------------------------------------


def test_what_is_sent_is_what_the_document_asks_for(vnpay: VNPayDriver) -> None:
    created = datetime(2026, 11, 21, 18, 30, 5, tzinfo=UTC)
    request = vnpay.request(
        created_at=created, expires_at=created + timedelta(minutes=15), buyer_ip="2001:db8::1", channel="VNPAYQR"
    )

    checkout = vnpay.gateway.create_checkout(request)

    address, _, query = checkout.pay_url.partition("?")
    sent = dict(parse_qsl(query))
    assert address == f"{vnpay.sandbox.url}/paymentv2/vpcpay.html"
    assert sent.pop("vnp_SecureHash") == rules.query_hash(str(vnpay.settings()["hash_secret"]), sent)
    assert sent == {
        "vnp_Version": "2.1.0", "vnp_Command": "pay", "vnp_TmnCode": "SHOPTST1", "vnp_Amount": "96000000",
        "vnp_BankCode": "VNPAYQR", "vnp_CreateDate": "20261122013005", "vnp_ExpireDate": "20261122014505",
        "vnp_CurrCode": "VND", "vnp_IpAddr": "2001:db8::1", "vnp_Locale": "vn", "vnp_OrderInfo": "Don hang 2 qua tang",
        "vnp_OrderType": "other", "vnp_ReturnUrl": "https://shop.example.vn/return?lang=vi",
        "vnp_TxnRef": request.reference,
    }  # fmt: skip
    assert "vnp_IpAddr" not in checkout.request
    assert (checkout.qr_text, checkout.deeplink, checkout.gateway_transaction_id) == ("", "", "")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Đơn hàng #2 & quà tặng", "Don hang 2 qua tang"),
        ("ĐƯỜNG Nguyễn Huệ; 10.000đ (-5%)", "DUONG Nguyen Hue 10.000d -5"),
        ("a|b~c*d!e'f", "a b c d e f"),
        ("đ" * 300, "d" * 255),
    ],
)
def test_a_description_loses_accents_and_special_characters(text: str, sent: str) -> None:
    assert messages.plain_text(text, otherwise="ref") == sent


@pytest.mark.parametrize("text", ["", "  ", "你好", "***", "\x00\n"])
def test_a_description_of_which_nothing_is_left_becomes_the_reference(text: str) -> None:
    assert messages.plain_text(text, otherwise="ref") == "ref"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("198.51.100.7", "198.51.100.7"), ("::1", "0000:0000:0000:0000:0000:0000:0000:0001"), ("", "203.0.113.10"),
        ("198.51.100.7, 10.0.0.1", "203.0.113.10"), ("unknown", "203.0.113.10"), ("8.8.8.8", "8.8.8.8"),
    ],
)  # fmt: skip
def test_the_payers_address_is_one_address_of_7_to_45_characters(vnpay: VNPayDriver, given: str, sent: str) -> None:
    url = vnpay.gateway.create_checkout(vnpay.request(buyer_ip=given)).pay_url

    assert dict(parse_qsl(urlsplit(url).query))["vnp_IpAddr"] == sent
    assert requests.get(url, timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"money": Money(1000, "USD")}, "currency"),
        ({"money": Money(0, "VND")}, "amount"),
        ({"money": Money(-5000, "VND")}, "amount"),
        ({"money": Money(10**10, "VND")}, "amount"),
        ({"channel": "vnpay qr"}, "channel"),
        ({"channel": "X"}, "channel"),
        ({"return_url": "https://shop.example.vn/r?a=(1)"}, "return_url"),
        ({"return_url": "https://shop.example.vn/" + "r" * 250}, "return_url"),
        ({"return_url": "javascript:alert"}, "return_url"),
    ],
)
def test_what_vnpays_page_would_refuse_is_a_definite_no(
    vnpay: VNPayDriver, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(GatewayRejected) as caught:
        vnpay.gateway.create_checkout(vnpay.request(**changes))

    assert caught.value.code == code


def test_a_link_opened_again_is_the_same_payment_and_another_by_its_reference_none(vnpay: VNPayDriver) -> None:
    request = vnpay.opened()
    again = vnpay.gateway.create_checkout(request)
    other = vnpay.gateway.create_checkout(dataclasses.replace(request, money=Money(5_000, "VND")))

    statuses = [requests.get(one.pay_url, timeout=5).status_code for one in (again, other)]

    assert statuses == [200, 400]
    assert vnpay.truth(request.reference)["amount"] == 960_000


@pytest.mark.parametrize(
    "change", [{"vnp_Amount": "100"}, {"vnp_TxnRef": "x"}, {"vnp_Extra": "1"}, {"vnp_TmnCode": "SHOPTST2"}]
)
def test_a_link_that_was_changed_is_refused_by_the_page(vnpay: VNPayDriver, change: dict[str, str]) -> None:
    request = vnpay.request()
    url = vnpay.gateway.create_checkout(request).pay_url
    sent = dict(parse_qsl(urlsplit(url).query))

    page = requests.get(f"{url.partition('?')[0]}?{urlencode({**sent, **change})}", timeout=5)

    assert (page.status_code, "70" in page.text) == (400, True)
    assert vnpay.control("GET", f"/payments?order={request.reference}") == {"payments": []}


@pytest.mark.parametrize(
    "given", ["http://127.0.0.1:9500", "http://127.0.0.1:9500/", "http://127.0.0.1:9500/paymentv2/vpcpay.html"]
)
def test_the_pay_address_may_be_a_base_or_whole(vnpay: VNPayDriver, given: str) -> None:
    url = gateway(vnpay, pay_url=given).create_checkout(vnpay.request()).pay_url

    assert url.partition("?")[0] == "http://127.0.0.1:9500/paymentv2/vpcpay.html"


def test_a_production_address_keeps_its_own_path(vnpay: VNPayDriver) -> None:
    live = gateway(vnpay, tmn_code="LIVE0001", pay_url="https://pay.example/vpcpay.html")

    assert live.create_checkout(vnpay.request()).pay_url.startswith("https://pay.example/vpcpay.html?vnp_Amount=")


# --- hearing ---------------------------------------------------------------------------------------------------------


def test_a_message_signed_with_the_previous_secret_is_heard_during_a_rotation() -> None:
    rotated = {"hash_secret": "new", "previous_hash_secret": SECRET}

    assert heard(ipn(), **rotated) == heard(ipn(secret="new"), **rotated) == heard(ipn())
    with pytest.raises(ReportInvalid):
        heard(ipn(), hash_secret="new")


@pytest.mark.parametrize("text", ["a~b*c!d'e(f)g", "Đơn hàng 100%"])
def test_every_way_to_encode_a_value_is_heard_where_vnpay_signed_what_it_sent(text: str) -> None:
    raw = (
        ipn(vnp_OrderInfo="X")
        .query.partition("&vnp_SecureHash=")[0]
        .replace("vnp_OrderInfo=X", f"vnp_OrderInfo={text.replace('%', '%25').replace(' ', '+')}")
    )
    signed = HttpMessage(method="GET", path="/", query=f"{raw}&vnp_SecureHash={messages.sign(SECRET, raw)}")

    assert heard(signed).raw["vnp_OrderInfo"] == text
    assert heard(ipn(vnp_OrderInfo=text)).raw["vnp_OrderInfo"] == text


@pytest.mark.parametrize(
    "more", ["vnp_Amount=100", "vnp_Amount=96000000", "vnp_SecureHash=0", "vnp_X=", "vnp_X=&vnp_X="]
)
def test_a_parameter_that_occurs_twice_is_refused(more: str) -> None:
    name = more.partition("=")[0]
    message = dataclasses.replace(ipn(), query=f"{ipn().query}&{more}&{name}=")

    with pytest.raises(ReportInvalid):
        heard(message)


def test_a_truly_signed_message_for_another_terminal_is_refused() -> None:
    with pytest.raises(ReportInvalid, match="another vnp_TmnCode"):
        heard(ipn(vnp_TmnCode="SHOPTST9"))


@pytest.mark.parametrize("amount", ["", "0100", "150", "-100", "1e5", "1000000000000000", "９６００００００", "100.00"])
def test_a_sum_that_is_no_whole_dong_times_100_is_refused_though_truly_signed(amount: str) -> None:
    with pytest.raises(ReportInvalid, match="vnp_Amount"):
        heard(ipn(vnp_Amount=amount))


@pytest.mark.parametrize("reference", ["", "a b", "x" * 101, "đ"])
def test_a_reference_outside_the_document_is_refused_though_truly_signed(reference: str) -> None:
    with pytest.raises(ReportInvalid, match="vnp_TxnRef"):
        heard(ipn(vnp_TxnRef=reference))


def test_times_are_vietnams() -> None:
    assert heard(ipn()).occurred_at == datetime(2023, 12, 7, 10, 1, 12, tzinfo=UTC)
    assert heard(ipn(vnp_PayDate="20231399170112")).occurred_at is None
    assert heard(ipn(vnp_PayDate="")).occurred_at is None


@pytest.mark.parametrize("number", ["0", "", "-1", "x"])
def test_a_success_without_a_number_is_unknown(number: str) -> None:
    report = heard(ipn(vnp_TransactionNo=number))

    assert (report.status, report.gateway_transaction_id) == (ReportStatus.UNKNOWN, "")


def test_vnpay_hears_its_own_words_and_always_200() -> None:
    replies = {outcome: VNPay(**KEYS).acknowledge(outcome) for outcome in Acknowledgement}

    assert {outcome: json.loads(reply.body)["RspCode"] for outcome, reply in replies.items()} == {
        Acknowledgement.ACCEPTED: "00", Acknowledgement.DUPLICATE: "02", Acknowledgement.UNKNOWN_ORDER: "01",
        Acknowledgement.WRONG_AMOUNT: "04", Acknowledgement.BAD_SIGNATURE: "97", Acknowledgement.ERROR: "99",
    }  # fmt: skip
    assert {(reply.status, reply.content_type) for reply in replies.values()} == {(200, "application/json")}
    assert json.loads(replies[Acknowledgement.ACCEPTED].body) == {"RspCode": "00", "Message": "Confirm Success"}


@pytest.mark.parametrize(
    ("outcome", "times"),
    [("accepted", 1), ("duplicate", 1), ("unknown_order", 3), ("wrong_amount", 3), ("bad_signature", 3), ("error", 3)],
)
def test_vnpay_comes_again_on_all_but_00_and_02(vnpay: VNPayDriver, outcome: str, times: int) -> None:
    vnpay.inbox.reply = lambda message: vnpay.gateway.acknowledge(Acknowledgement(outcome))
    request = vnpay.opened()

    assert len(vnpay.end(request.reference, "pay")) == times


def test_an_answer_without_a_word_is_no_receipt(vnpay: VNPayDriver) -> None:
    vnpay.inbox.reply = lambda message: HttpReply(200, b"ok")
    request = vnpay.opened()

    assert len(vnpay.end(request.reference, "pay")) == 3


# --- codes -----------------------------------------------------------------------------------------------------------

P, F, U, E = ReportStatus.PENDING, ReportStatus.FAILED, ReportStatus.UNKNOWN, ReportStatus.EXPIRED
W = ReportStatus.PROCESSING
FAILURES = dict.fromkeys(codes.PAYMENT_CODES, F) | {"00": U, "07": W, "11": E, "99": U}


@pytest.mark.parametrize("code", sorted(codes.PAYMENT_CODES))
def test_a_code_of_a_payment_that_did_not_succeed(code: str) -> None:
    report = heard(ipn(vnp_ResponseCode=code, vnp_TransactionStatus="02"))

    assert (report.status, report.gateway_transaction_id) == (FAILURES[code], "")


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("00", "00", ReportStatus.PAID), ("00", "01", P), ("00", "02", U), ("00", "04", W), ("00", "05", U), ("00", "07", W),
        ("00", "08", U), ("00", "20", U), ("00", "", U), ("24", "00", U), ("07", "00", W), ("07", "07", W), ("24", "01", U),
        ("11", "08", E), ("24", "08", E), ("24", "11", F), ("24", "09", U), ("", "", U), ("", "02", U), ("42", "02", U),
        ("99", "02", U), ("99", "00", U), ("0", "0", U),
    ],
)  # fmt: skip
def test_paid_needs_both_codes_and_a_contradiction_is_unknown(code: str, status: str, expected: ReportStatus) -> None:
    assert heard(ipn(vnp_ResponseCode=code, vnp_TransactionStatus=status)).status is expected


def test_the_tables_are_the_documents() -> None:
    assert {code: row.meaning.value for code, row in codes.PAYMENT_CODES.items()} == {
        "00": "succeeded", "05": "declined", "06": "failed_by_customer", "07": "in_review", "08": "gateway_error",
        "09": "declined", "10": "failed_by_customer", "11": "expired", "12": "declined", "13": "failed_by_customer",
        "24": "failed_by_customer", "51": "failed_insufficient", "65": "declined", "75": "gateway_error",
        "79": "failed_by_customer", "99": "declined",
    }  # fmt: skip
    assert {code: row.meaning.value for code, row in codes.TRANSACTION_STATUS.items()} == {
        "00": "succeeded", "01": "pending", "02": "declined", "04": "in_review", "05": "refund_pending",
        "06": "refund_pending", "07": "in_review", "08": "expired", "09": "refund_rejected", "10": "succeeded",
        "11": "declined", "20": "succeeded",
    }  # fmt: skip
    assert {code: row.meaning.value for code, row in codes.QUERY_CODES.items()} == {
        "00": "succeeded", "02": "invalid_request", "03": "invalid_request", "08": "gateway_error",
        "91": "invalid_request", "94": "duplicate", "97": "signature_error", "99": "gateway_error",
    }  # fmt: skip
    assert {code: row.meaning.value for code, row in codes.REFUND_CODES.items()} == {
        "00": "succeeded", "02": "refund_rejected", "03": "invalid_request", "04": "refund_rejected",
        "08": "gateway_error", "13": "refund_rejected", "16": "refund_failed_retryable", "91": "invalid_request",
        "93": "refund_rejected", "94": "duplicate", "95": "refund_rejected", "97": "signature_error",
        "98": "refund_pending", "99": "gateway_error",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "payment", "refund"),
    [
        ("00", ReportStatus.PAID, ReportStatus.PAID), ("01", P, U), ("02", F, U), ("04", W, U), ("05", U, P), ("06", U, P),
        ("07", W, U), ("08", E, U), ("09", U, F), ("10", ReportStatus.PAID, U), ("11", F, U), ("20", ReportStatus.PAID, U),
        ("", U, U), ("33", U, U),
    ],
)  # fmt: skip
def test_a_transaction_status_means_one_thing_for_a_payment_and_another_for_a_refund(
    status: str, payment: ReportStatus, refund: ReportStatus
) -> None:
    assert (codes.queried_status(status), codes.refund_status(status)) == (payment, refund)


# --- asking ----------------------------------------------------------------------------------------------------------


def asked(request: Any, **changes: object) -> QueryRequest:
    known: dict[str, Any] = {"reference": request.reference, "money": request.money, "created_at": request.created_at}
    return QueryRequest(**{**known, **changes})


def test_a_payment_whose_page_nobody_has_opened_is_pending_while_its_link_lives(vnpay: VNPayDriver) -> None:
    request = vnpay.request()
    vnpay.gateway.create_checkout(request)
    now = datetime.now(UTC)

    waiting = vnpay.gateway.query(asked(request, expires_at=now + timedelta(minutes=5)))
    over = vnpay.gateway.query(asked(request, expires_at=now - timedelta(seconds=1)))

    assert [(one.status, one.code) for one in (waiting, over)] == [(P, "91"), (ReportStatus.NOT_FOUND, "91")]


def test_another_create_date_is_another_payment(vnpay: VNPayDriver) -> None:
    request, _, _ = vnpay.paid()

    told = vnpay.gateway.query(asked(request, created_at=request.created_at - timedelta(days=1)))

    assert told.status is ReportStatus.NOT_FOUND


def test_a_suspicious_transaction_waits_and_is_then_released_or_refused(vnpay: VNPayDriver) -> None:
    request, other = vnpay.opened(), vnpay.opened()

    (suspicious,) = vnpay.end(request.reference, "pay", "?code=7")
    vnpay.end(other.reference, "pay", "?code=7")
    waiting = vnpay.query(request)
    (released,) = vnpay.end(request.reference, "pay")
    (refused,) = vnpay.end(other.reference, "decline")

    assert (vnpay.heard(suspicious).status, waiting.status) == (W, W)
    assert [vnpay.heard(one).status for one in (released, refused)] == [ReportStatus.PAID, F]


@pytest.mark.parametrize("code", [2, 3, 8, 94, 97, 99, 55])
def test_a_code_that_says_the_query_failed_leaves_the_payment_unknown(vnpay: VNPayDriver, code: int) -> None:
    request, _, _ = vnpay.paid()
    vnpay.fault("answer_code", operation="query", code=code)

    told = vnpay.query(request)

    assert (told.status, told.code, told.money) == (U, f"{code:02}", None)


def test_a_tampered_answer_is_not_believed(vnpay: VNPayDriver) -> None:
    request, _, _ = vnpay.paid()
    vnpay.fault("tamper", operation="query")

    with pytest.raises(GatewayUnavailable, match="hash of the answer"):
        vnpay.query(request)


def test_what_we_ask_is_signed_with_the_present_secret_only(vnpay: VNPayDriver) -> None:
    request, _, _ = vnpay.paid()
    secret = str(vnpay.settings()["hash_secret"])

    told = vnpay.query(request, gateway(vnpay, hash_secret="new", previous_hash_secret=secret))

    assert (told.status, told.code) == (U, "97")


def test_after_a_refund_an_answer_that_shows_it_says_nothing_of_the_payment(vnpay: VNPayDriver) -> None:
    request, _, paid = vnpay.paid()
    gateway(vnpay).refund(vnpay.refund_of(request, paid, 60_000))

    told = vnpay.query(request)

    assert (told.status, told.code, told.money, told.refunds) == (U, "shows_refund", None, ())


# --- refunds ---------------------------------------------------------------------------------------------------------


def paid_and_refund(vnpay: VNPayDriver, minor: int, **changes: Any) -> tuple[Any, Report, RefundRequest]:
    request, _, paid = vnpay.paid()
    return request, paid, vnpay.refund_of(request, paid, minor, **changes)


def refunds_of(vnpay: VNPayDriver, reference: str) -> list[Any]:
    return [one for one in vnpay.sandbox.app.sandbox.world.refunds.values() if one.payment == reference]


def test_a_full_refund_says_so_and_names_who_asked(vnpay: VNPayDriver) -> None:
    request, _, refund = paid_and_refund(vnpay, 960_000, requested_by="staff:Hà@shop.vn")

    told = gateway(vnpay).refund(refund)

    (log,) = vnpay.control("GET", f"/log?event=refund&order={told.gateway_transaction_id}")["log"]
    assert (told.status, told.money, told.raw["vnp_TransactionType"]) == (P, Money(960_000, "VND"), "02")
    assert (log["by"], log["payment"]) == ("staff:Ha@shop.vn", request.reference)
    assert [one.request for one in refunds_of(vnpay, request.reference)] == [refund.reference]


@pytest.mark.parametrize("code", [2, 3, 4, 13, 91, 93, 95, 97])
def test_an_answer_to_a_refund_that_is_a_no_is_a_no(vnpay: VNPayDriver, code: int) -> None:
    _, _, refund = paid_and_refund(vnpay, 60_000)
    vnpay.fault("answer_code", operation="refund", code=code)

    with pytest.raises(GatewayRejected) as caught:
        gateway(vnpay).refund(refund)

    assert (caught.value.code, caught.value.retry_after_seconds) == (f"{code:02}", 0)


@pytest.mark.parametrize("code", [8, 94, 98, 99, 55])
def test_an_answer_to_a_refund_that_proves_nothing_is_unknown(vnpay: VNPayDriver, code: int) -> None:
    _, _, refund = paid_and_refund(vnpay, 60_000)
    vnpay.fault("answer_code", operation="refund", code=code)

    with pytest.raises(GatewayUnavailable) as caught:
        gateway(vnpay).refund(refund)

    assert (caught.value.code, caught.value.never_sent) == (f"{code:02}", False)


def test_a_refund_that_is_not_possible_now_says_when(vnpay: VNPayDriver) -> None:
    _, _, refund = paid_and_refund(vnpay, 60_000)
    vnpay.fault("answer_code", operation="refund", code=16)

    with pytest.raises(GatewayRejected) as caught:
        gateway(vnpay).refund(refund)

    assert (caught.value.code, caught.value.retry_after_seconds) == ("16", 3600)


def test_no_full_refund_after_a_partial_one(vnpay: VNPayDriver) -> None:
    request, paid, refund = paid_and_refund(vnpay, 60_000)
    gateway(vnpay).refund(refund)

    with pytest.raises(GatewayRejected) as caught:
        gateway(vnpay).refund(vnpay.refund_of(request, paid, 960_000))

    assert caught.value.code == "04"


def test_a_tampered_answer_to_a_refund_is_unknown(vnpay: VNPayDriver) -> None:
    _, _, refund = paid_and_refund(vnpay, 60_000)
    vnpay.fault("tamper", operation="refund")

    with pytest.raises(GatewayUnavailable, match="hash of the answer"):
        gateway(vnpay).refund(refund)


def test_the_same_request_after_five_minutes_is_a_second_refund_at_vnpay(vnpay: VNPayDriver) -> None:
    """Why an unknown refund is asked about and never sent again by itself."""
    request, _, refund = paid_and_refund(vnpay, 60_000)
    gateway(vnpay).refund(refund)
    try:
        pretend(int(datetime.now(UTC).timestamp() * 1000) + 301_000)
        gateway(vnpay).refund(refund)
    finally:
        pretend(None)

    assert [one.amount for one in refunds_of(vnpay, request.reference)] == [60_000, 60_000]


def test_of_two_equal_refunds_one_that_was_never_answered_stays_unknown(vnpay: VNPayDriver) -> None:
    request, paid, first = paid_and_refund(vnpay, 60_000)
    gateway(vnpay).refund(first)
    second = vnpay.refund_of(request, paid, 60_000, has_twin=True)

    told = gateway(vnpay).query_refund(second)

    assert (told.status, told.code, told.gateway_transaction_id) == (U, "not_shown", "")
    assert len(refunds_of(vnpay, request.reference)) == 1  # the second never arrived, and nobody said it had


def test_of_two_equal_refunds_the_one_whose_number_is_shown_is_known(vnpay: VNPayDriver) -> None:
    request, paid, first = paid_and_refund(vnpay, 60_000, has_twin=True)
    second = vnpay.refund_of(request, paid, 60_000, has_twin=True)
    numbers = [gateway(vnpay).refund(one).gateway_transaction_id for one in (first, second)]

    told = [
        gateway(vnpay).query_refund(dataclasses.replace(one, gateway_refund_id=number))
        for one, number in zip((first, second), numbers, strict=True)
    ]

    assert [(one.status, one.gateway_transaction_id) for one in told] == [(P, ""), (ReportStatus.PAID, numbers[1])]


@pytest.mark.parametrize(("known", "expected"), [(True, P), (False, U)])
def test_where_querydr_goes_on_to_show_the_payment_an_accepted_refund_stays_pending(
    vnpay: VNPayDriver, known: bool, expected: ReportStatus
) -> None:
    keys = {"hashSecret": vnpay.settings()["hash_secret"], "ipnUrl": vnpay.inbox.url, "querydr": "payment"}
    vnpay.control("POST", "/merchants", {"provider": "vnpay", "code": "SHOPTST1", "keys": keys})
    _, _, refund = paid_and_refund(vnpay, 60_000)
    number = gateway(vnpay).refund(refund).gateway_transaction_id

    told = gateway(vnpay).query_refund(dataclasses.replace(refund, gateway_refund_id=number if known else ""))

    assert told.status is expected


@pytest.mark.parametrize(("known", "expected"), [(True, F), (False, U)])
def test_a_rejected_refund_is_failed_only_where_it_is_surely_the_one(
    vnpay: VNPayDriver, known: bool, expected: ReportStatus
) -> None:
    request, _, refund = paid_and_refund(vnpay, 60_000)
    vnpay.fault("refund_pending", seconds=60)
    number = gateway(vnpay).refund(refund).gateway_transaction_id
    (booked,) = refunds_of(vnpay, request.reference)
    booked.stage = Stage.REJECTED

    told = gateway(vnpay).query_refund(dataclasses.replace(refund, gateway_refund_id=number if known else ""))

    assert told.status is expected


def test_a_refund_of_another_sum_is_not_taken_for_ours(vnpay: VNPayDriver) -> None:
    request, paid, refund = paid_and_refund(vnpay, 60_000)
    gateway(vnpay).refund(refund)

    assert gateway(vnpay).query_refund(vnpay.refund_of(request, paid, 70_000)).status is U


# --- settlement ------------------------------------------------------------------------------------------------------


def test_the_settlement_file_of_the_sandbox_is_read_as_what_truly_moved(vnpay: VNPayDriver) -> None:
    request, paid, refund = paid_and_refund(vnpay, 60_000)
    number = gateway(vnpay).refund(refund).gateway_transaction_id
    content = requests.get(f"{vnpay.sandbox.url}/control/vnpay/settlement?merchant=SHOPTST1", timeout=5).content

    assert isinstance(vnpay.gateway, SettlementFiles)
    file = vnpay.gateway.read_settlement(content, name="vnpay.csv")

    ids = {paid.gateway_transaction_id, number}
    lines = [one for one in file.lines if one.gateway_transaction_id in ids]
    assert [(one.kind, one.reference, one.gateway_transaction_id, one.gross.minor, one.fee.minor, one.net.minor) for one in lines] == [
        (LineKind.PAYMENT, request.reference, paid.gateway_transaction_id, 960_000, 10_560, 949_440),
        (LineKind.REFUND, "", number, -60_000, 0, -60_000),
    ]  # fmt: skip
    assert lines[1].description == request.reference
    assert lines[0].occurred_at == paid.occurred_at


def test_a_file_with_other_columns_is_refused_until_they_are_set(vnpay: VNPayDriver) -> None:
    content = b"Ref,No,Sum\nabc,14226112,96000000\n"
    columns = {"reference": "Ref", "gateway_transaction_id": "No", "gross": "Sum", "factor": 100}

    with pytest.raises(SettlementUnreadable):
        gateway(vnpay).read_settlement(content, name="x.csv")
    (line,) = gateway(vnpay, settlement_columns=columns).read_settlement(content, name="x.csv").lines

    assert (line.reference, line.gateway_transaction_id, line.gross) == ("abc", "14226112", Money(960_000, "VND"))


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tmn_code": ""}, "tmn_code"),
        ({"tmn_code": "SHORT"}, "tmn_code"),
        ({"hash_secret": ""}, "hash_secret"),
        ({"pay_url": "http://gateway.example"}, "pay_url must be an https address"),
        ({"api_url": "ftp://127.0.0.1"}, "api_url must be an https address"),
        ({"api_url": "https://gateway.example/x?y=1"}, "api_url must end with its path"),
        ({"tmn_code": "LIVE0001", "pay_url": "https://sandbox.vnpayment.vn"}, "belong together"),
        ({"tmn_code": "LIVE0001", "api_url": "https://sandbox.vnpayment.vn"}, "belong together"),
        ({"pay_url": "https://pay.vnpay.vn/vpcpay.html"}, "our sandbox's"),
        ({"pay_url": "https://sandbox.vnpayment.vn", "api_url": "https://sandbox.vnpayment.vn"}, "our sandbox's"),
        ({"server_ip": "localhost"}, "server_ip"),
        ({"order_type": "food"}, "order_type"),
        ({"timeout_seconds": 0.0}, "timeout_seconds"),
        ({"settlement_columns": {"nonsense": "x"}}, "settlement_columns"),
    ],
)
def test_settings_that_could_only_fail_later_fail_now(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VNPay(**{**KEYS, **changes})


def test_a_terminal_of_ones_own_works_with_vnpays_sandbox_by_default() -> None:
    made = VNPay(tmn_code="MYSHOP01", hash_secret="x")

    assert made.pay_url == "https://sandbox.vnpayment.vn/paymentv2/vpcpay.html"
    assert made.api_url == "https://sandbox.vnpayment.vn/merchant_webapi/api/transaction"


# --- the sandbox's command line --------------------------------------------------------------------------------------


def test_a_terminal_and_where_its_notifications_go_can_be_given_at_the_start(vnpay: VNPayDriver) -> None:
    command = [sys.executable, "-m", "gateways.sandbox", "--port", "0", "--autopay"]
    process = subprocess.Popen(
        [*command, "--merchant", f"vnpay:DEMO0001:secret:{vnpay.inbox.url}"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[3]
        made = VNPay(tmn_code="DEMO0001", hash_secret="secret", pay_url=url, api_url=url)
        page = requests.get(made.create_checkout(vnpay.request()).pay_url, timeout=5)
        requests.post(f"{url}/control/drain", timeout=15)
    finally:
        process.terminate()
        process.wait(10)

    (message,) = vnpay.inbox.messages
    assert page.status_code == 200
    assert made.read_notification(message)[0].status is ReportStatus.PAID
