"""What only Fiuu does: a signed address instead of a call, doubtful messages, several payments of one order."""

from __future__ import annotations

import dataclasses
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from config.core.money import Money
from gateways import registry
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.fiuu import signing
from gateways.fiuu.adapter import Fiuu
from gateways.notifications import Acknowledgement, HttpMessage
from gateways.registry import GatewaySettingsError
from gateways.reports import DisputeReport, DisputeStatus, ReportAbout, ReportStatus
from gateways.requests import CaptureRequest, QueryRequest
from gateways.sandbox.fiuu.simulator import INVENTED
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import Merchant
from tests.gateways.driver import Inbox
from tests.gateways.drivers.fiuu import FiuuDriver

KEYS = {"verify_key": "v" * 32, "secret_key": "s" * 32}
MERCHANT, _, SECRET = INVENTED[0]


@pytest.fixture
def fiuu(sandbox: RunningSandbox, inbox: Inbox) -> FiuuDriver:
    return FiuuDriver(sandbox, inbox)


def adapter(driver: FiuuDriver, **changes: object) -> Fiuu:
    built = driver.build(**changes)
    assert isinstance(built, Fiuu)
    return built


# --- settings ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"merchant_id": ""}, "merchant_id"), ({"verify_key": ""}, "verify_key"), ({"secret_key": ""}, "secret_key"),
        ({"secret_key": "v" * 32}, "verify_key and secret_key"), ({"pay_endpoint": "http://pay.example"}, "pay_endpoint"),
        ({"api_endpoint": "ftp://x"}, "api_endpoint"), ({"sandbox": False}, "merchant_id is a sandbox account"),
        ({"merchant_id": "acme"}, "merchant_id is a live account"), ({"settlement_token_key": "both"}, "settlement_token_key"),
        ({"pay_endpoint": "https://pay.fiuu.com"}, "one of production and one of the sandbox"),
    ],
)  # fmt: skip
def test_settings_that_can_only_fail_later_are_refused_by_name(changes: dict[str, object], field: str) -> None:
    with pytest.raises(GatewaySettingsError) as caught:
        registry.build("fiuu", {"merchant_id": "SB_acme", **KEYS, **changes})

    assert field in str(caught.value)
    assert "s" * 32 not in str(caught.value)


@pytest.mark.parametrize(
    ("merchant", "sandbox", "pay", "api"),
    [
        ("acme", False, "https://pay.fiuu.com", "https://api.fiuu.com"),
        ("SB_acme", True, "https://sandbox-payment.fiuu.com", "https://sandbox-api.fiuu.com"),
        ("acme_Dev", True, "https://sandbox-payment.fiuu.com", "https://sandbox-api.fiuu.com"),
        ("acme_Dev", False, "https://pay.fiuu.com", "https://api.fiuu.com"),
    ],
)
def test_the_flag_picks_the_standard_hosts(merchant: str, sandbox: bool, pay: str, api: str) -> None:
    gateway = Fiuu(merchant_id=merchant, sandbox=sandbox, **KEYS)

    assert (gateway._pay, gateway._api) == (pay, api)


# --- paying -----------------------------------------------------------------------------------------------------------
def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))


def test_the_pay_address_is_signed_complete_and_tells_nothing_of_the_buyer(fiuu: FiuuDriver) -> None:
    request = fiuu.request(
        money=Money(123450, "MYR"), buyer_name="Nguyễn Thị Hoa", buyer_email="hoa@example.vn", buyer_phone="0901234567"
    )

    checkout = fiuu.gateway.create_checkout(request)

    told = query_of(checkout.pay_url)
    assert urlsplit(checkout.pay_url).path == f"/RMS/pay/{MERCHANT}/"
    assert (told["amount"], told["currency"], told["orderid"]) == ("1234.50", "MYR", request.reference)
    assert told["vcode"] == signing.vcode("1234.50", MERCHANT, request.reference, INVENTED[0][1], "MYR")
    assert (told["returnurl"], told["callbackurl"]) == (request.return_url, request.notify_url)
    assert (told["bill_name"], told["bill_email"], told["bill_mobile"]) == ("guest", "", "")
    assert (told["waittime"], told["cash_waittime"], told["country"]) == ("900", "1", "MY")
    assert "hoa" not in checkout.pay_url.lower()
    assert (checkout.qr_text, checkout.deeplink, checkout.gateway_transaction_id) == ("", "", "")
    assert "vcode" not in checkout.request


@pytest.mark.parametrize(
    ("channel", "path", "sent"),
    [("MB2U", "MB2U.php", ""), ("LINEPAY", "LinePay.php", ""), ("fpx_mb2u", "", "fpx_mb2u"), ("newest", "", "newest"), ("", "", "")],
)  # fmt: skip
def test_a_channel_is_reached_by_its_page_or_by_its_code(fiuu: FiuuDriver, channel: str, path: str, sent: str) -> None:
    address = fiuu.gateway.create_checkout(fiuu.request(channel=channel)).pay_url

    assert urlsplit(address).path == f"/RMS/pay/{MERCHANT}/{path}"
    assert query_of(address).get("channel", "") == sent


def test_a_long_description_leaves_the_address_short_enough(fiuu: FiuuDriver) -> None:
    checkout = fiuu.gateway.create_checkout(fiuu.request(description="Đơn hàng ₫\n" * 100))

    assert len(checkout.pay_url) < 2000
    assert query_of(checkout.pay_url)["bill_desc"].startswith("Đơn hàng ₫ Đơn")


def test_an_account_with_the_short_vcode_signs_without_the_currency(fiuu: FiuuDriver) -> None:
    keys = {"verify_key": "a" * 32, "secret_key": "b" * 32}
    fiuu.sandbox.app.sandbox.world.keep(Merchant(provider="fiuu", code="SB_basic", keys={**keys, "vcode": "basic"}))
    basic = adapter(fiuu, merchant_id="SB_basic", **keys, vcode_extended=False)

    right = requests.get(basic.create_checkout(fiuu.request()).pay_url, timeout=5)
    wrong = requests.get(
        dataclasses.replace(basic, vcode_extended=True).create_checkout(fiuu.request()).pay_url, timeout=5
    )

    assert right.status_code == 200
    assert (wrong.status_code, "P03" in wrong.text) == (400, True)


@pytest.mark.parametrize(("name", "value", "code"), [("amount", "1.02", "P03"), ("orderid", "x", "P03"), ("bill_name", "", "P04"), ("vcode", "", "P03")])  # fmt: skip
def test_the_page_refuses_what_was_changed_on_the_way(fiuu: FiuuDriver, name: str, value: str, code: str) -> None:
    address = fiuu.gateway.create_checkout(fiuu.request()).pay_url
    changed = {**query_of(address), name: value}

    page = requests.get(f"{address.partition('?')[0]}?{urlencode(changed)}", timeout=5)

    assert (page.status_code, code in page.text) == (400, True)


def test_the_scripts_fields_carry_the_same_hash_and_the_buyer(fiuu: FiuuDriver) -> None:
    request = fiuu.request(money=Money(1050, "SGD"), channel="PayNow", buyer_name="Hoa", buyer_email="hoa@example.vn")

    fields = adapter(fiuu).embedded_checkout(request)

    assert fields["mpsvcode"] == query_of(fiuu.gateway.create_checkout(request).pay_url)["vcode"]
    assert (fields["mpsmerchantid"], fields["mpschannel"], fields["mpsamount"]) == (MERCHANT, "PayNow", "10.50")
    assert (fields["mpsorderid"], fields["mpscurrency"]) == (request.reference, "SGD")
    assert (fields["mpsbill_name"], fields["mpsbill_email"]) == ("Hoa", "hoa@example.vn")
    assert fields["script_url"] == f"{fiuu.sandbox.url}/RMS/API/seamless/latest/js/MOLPay_seamless.deco.js"
    assert not {"verify_key", "secret_key"} & set(fields)


def test_money_is_told_exactly_in_currencies_with_two_and_without_decimals(fiuu: FiuuDriver) -> None:
    told = [
        fiuu.paid(money=Money(minor, currency))[2].money
        for minor, currency in ((12345, "MYR"), (50000, "VND"), (1234567, "IDR"))
    ]

    assert told == [Money(12345, "MYR"), Money(50000, "VND"), Money(1234567, "IDR")]


# --- hearing ----------------------------------------------------------------------------------------------------------
def message_of(fields: dict[str, Any], secret: str = SECRET) -> HttpMessage:
    whole = {
        "nbcb": "2", "domain": MERCHANT, "status": "00", "appcode": "", "paydate": "2026-11-20 14:05:09",
        "currency": "MYR", "amount": "10.00", "tranID": "77", "orderid": "01m7z5t73jfbc8aped471eq1vz", **fields,
    }  # fmt: skip
    whole["skey"] = signing.notification(whole, secret)
    return HttpMessage(method="POST", path="/", body=urlencode(whole).encode())


def test_a_message_signed_with_the_previous_key_is_heard(fiuu: FiuuDriver) -> None:
    rotated = adapter(fiuu, secret_key="n" * 32, previous_secret_key=SECRET)

    (by_old,) = rotated.read_notification(message_of({}))
    (by_new,) = rotated.read_notification(message_of({}, secret="n" * 32))

    assert by_old == by_new
    with pytest.raises(ReportInvalid):
        adapter(fiuu, secret_key="n" * 32).read_notification(message_of({}))


def test_the_verify_key_does_not_sign_messages(fiuu: FiuuDriver) -> None:
    with pytest.raises(ReportInvalid):
        fiuu.gateway.read_notification(message_of({}, secret=INVENTED[0][1]))


def test_ringgit_of_old_accounts_is_ringgit_and_hashed_as_it_came(fiuu: FiuuDriver) -> None:
    (report,) = fiuu.gateway.read_notification(message_of({"currency": "RM"}))

    assert report.money == Money(1000, "MYR")


@pytest.mark.parametrize(
    "fields",
    [{"amount": "1,234.50"}, {"amount": "-1.00"}, {"amount": "1e3"}, {"amount": "10.005"}, {"currency": "XYZ"},
     {"currency": "VND", "amount": "10.50"}, {"status": "33"}, {"tranID": "7a"}, {"tranID": "07"}, {"orderid": ""},
     {"orderid": "x" * 41}, {"paydate": "2026-13-40 10:00:00"}, {"paydate": "20/11/2026"}],
)  # fmt: skip
def test_a_signed_value_of_another_form_is_refused(fiuu: FiuuDriver, fields: dict[str, str]) -> None:
    with pytest.raises(ReportInvalid):
        fiuu.gateway.read_notification(message_of(fields))


def test_a_field_that_comes_twice_is_refused(fiuu: FiuuDriver) -> None:
    message = message_of({})

    with pytest.raises(ReportInvalid, match="twice"):
        fiuu.gateway.read_notification(dataclasses.replace(message, body=message.body + b"&amount=1.00"))


def test_the_time_of_payment_is_malaysian(fiuu: FiuuDriver) -> None:
    (report,) = fiuu.gateway.read_notification(message_of({}))

    assert report.occurred_at == datetime(2026, 11, 20, 6, 5, 9, tzinfo=UTC)


def asked(driver: FiuuDriver) -> int:
    """How many questions Fiuu was asked that a fault could have hit."""
    return len(driver.control("GET", "/log?event=fault")["log"])


def test_a_success_of_ours_is_believed_without_a_question(fiuu: FiuuDriver) -> None:
    _, message, _ = fiuu.paid()
    fiuu.fault("error_500", scope="always")

    assert fiuu.heard(message).status is ReportStatus.PAID


def test_a_refusal_is_asked_about_and_waits_where_nobody_answers(fiuu: FiuuDriver) -> None:
    request = fiuu.opened()
    (message,) = fiuu.end(request.reference, "decline")
    fiuu.fault("error_500", scope="always", operation="query_one")

    with pytest.raises(GatewayUnavailable):
        fiuu.heard(message)
    fiuu.control("DELETE", "/faults")
    told = fiuu.heard(message)

    assert (told.status, told.code, told.message) == (ReportStatus.FAILED, "CC_05", "Do not honour")


def test_a_refusal_that_came_true_otherwise_tells_the_truth(fiuu: FiuuDriver) -> None:
    """A signed 11 about a transaction that Fiuu by now calls paid: the answer counts, not the message."""
    request, _, paid = fiuu.paid()
    refusal = message_of({
        "status": "11", "tranID": paid.gateway_transaction_id, "orderid": request.reference, "currency": "VND",
        "amount": "960000.00",
    })  # fmt: skip

    told = fiuu.heard(refusal)

    assert (told.status, told.gateway_transaction_id) == (ReportStatus.PAID, paid.gateway_transaction_id)


def test_a_message_about_a_transaction_that_fiuu_does_not_know_says_nothing(fiuu: FiuuDriver) -> None:
    told = fiuu.heard(message_of({"status": "11", "tranID": "999"}))

    assert (told.status, told.code, told.gateway_transaction_id) == (ReportStatus.UNKNOWN, "not_found", "")


def test_a_text_cut_in_another_place_keeps_its_hash_and_is_not_believed(fiuu: FiuuDriver) -> None:
    request, message, paid = fiuu.paid()
    fields = fiuu.fields(message)
    number = fields["tranID"]
    moved = fiuu.with_fields(message, {**fields, "tranID": number[:-1], "orderid": number[-1] + fields["orderid"]})

    (read,) = fiuu.gateway.read_notification(moved)
    told = fiuu.heard(moved)

    assert read.status is ReportStatus.PAID  # the hash holds
    assert (told.status, told.gateway_transaction_id) == (ReportStatus.UNKNOWN, "")
    assert fiuu.query(request).gateway_transaction_id == paid.gateway_transaction_id


def test_money_for_an_order_of_somebody_elses_form_is_asked_about_and_told(fiuu: FiuuDriver) -> None:
    """The same account may also sell by a payment link, with order ids that we did not make."""
    request = fiuu.opened(reference="LINK-2026-1")
    (message,) = fiuu.end("LINK-2026-1", "pay")
    fiuu.fault("error_500", scope="always", operation="query_one")
    with pytest.raises(GatewayUnavailable):
        fiuu.heard(message)
    fiuu.control("DELETE", "/faults")

    told = fiuu.heard(message)

    assert (told.reference, told.status, told.money) == ("LINK-2026-1", ReportStatus.PAID, request.money)


@pytest.mark.parametrize("name", ["chargeback", "ReqChargeback"])
def test_a_chargeback_comes_as_a_refusal_and_is_a_dispute(fiuu: FiuuDriver, name: str) -> None:
    request, _, paid = fiuu.paid()
    before = len(fiuu.inbox.messages)
    fiuu.control("POST", f"/fiuu/{request.reference}/{name}")
    assert fiuu.sandbox.drain()
    (message,) = fiuu.inbox.messages[before:]
    (read,) = fiuu.gateway.read_notification(message)
    assert read.status is ReportStatus.FAILED

    told = adapter(fiuu).confirm(read)

    assert isinstance(told, DisputeReport)
    assert (told.status, told.reason, told.money) == (DisputeStatus.NEEDS_RESPONSE, name, request.money)
    assert (told.reference, told.gateway_transaction_id) == (request.reference, paid.gateway_transaction_id)
    assert told.dispute_id == f"{paid.gateway_transaction_id}-chargeback"
    assert (told.withdrawn, told.respond_by, told.fee) == (None, None, None)
    assert fiuu.query(request).status is ReportStatus.UNKNOWN


def test_a_payment_that_was_given_back_is_cancelled_not_failed(fiuu: FiuuDriver) -> None:
    request, _, _ = fiuu.paid()
    fiuu.control("POST", f"/fiuu/{request.reference}/cancelled")
    assert fiuu.sandbox.drain()

    assert fiuu.heard(fiuu.inbox.messages[-1]).status is ReportStatus.CANCELLED
    assert fiuu.query(request).status is ReportStatus.CANCELLED


# --- the words back ---------------------------------------------------------------------------------------------------
def test_what_was_authentic_is_answered_by_the_token_and_nothing_else(fiuu: FiuuDriver) -> None:
    authentic = set(Acknowledgement) - {Acknowledgement.BAD_SIGNATURE, Acknowledgement.ERROR}
    replies = {fiuu.gateway.acknowledge(one) for one in authentic}

    assert {(one.status, one.body, one.content_type) for one in replies} == {(200, b"CBTOKEN:MPSTATOK", "text/plain")}
    assert fiuu.gateway.acknowledge(Acknowledgement.BAD_SIGNATURE).status == 400
    assert fiuu.gateway.acknowledge(Acknowledgement.ERROR).status == 503


def test_an_echo_goes_back_whole_where_the_account_wants_it(fiuu: FiuuDriver) -> None:
    request = fiuu.opened(description="Đơn & quà")
    (message,) = fiuu.end(request.reference, "pay")
    adapter(fiuu).echo(message)
    assert fiuu.control("GET", f"/log?event=echo&order={request.reference}")["log"] == []

    adapter(fiuu, ipn_enabled=True).echo(message)

    (echo,) = fiuu.control("GET", f"/log?event=echo&order={request.reference}")["log"]
    assert echo["good"] is True


def test_a_callback_is_content_with_the_token(fiuu: FiuuDriver) -> None:
    request = fiuu.opened()
    (message,) = fiuu.end(request.reference, "pay")

    adapter(fiuu, ipn_enabled=True).echo(fiuu.with_fields(message, {**fiuu.fields(message), "nbcb": "1"}))

    assert fiuu.control("GET", f"/log?event=echo&order={request.reference}")["log"] == []


# --- a reference system's JSON ----------------------------------------------------------------------------------------
def json_message(fields: dict[str, Any], secret: str = SECRET) -> HttpMessage:
    whole = {
        "transaction_id": "30365812", "order_id": "01m7z5t73jfbc8aped471eq1vz", "amount": "100.50", "currency": "MYR",
        "payment_status": "1", "error_code": "", "error_description": "", "signature": "", **fields,
    }  # fmt: skip
    body = json.dumps(whole).encode()
    signature = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return HttpMessage(
        method="POST", path="/", body=body, headers={"content-type": "application/json", "x-fiuu-signature": signature}
    )


@pytest.mark.parametrize("amount", ["100.50", 100.5])
def test_json_with_a_good_header_is_read_as_the_form_is(fiuu: FiuuDriver, amount: object) -> None:
    message = json_message({"amount": amount})

    told = fiuu.heard(message)

    assert (told.reference, told.status) == ("01m7z5t73jfbc8aped471eq1vz", ReportStatus.PAID)
    assert (told.money, told.gateway_transaction_id) == (Money(10050, "MYR"), "30365812")
    reply = fiuu.gateway.acknowledge(Acknowledgement.ACCEPTED, message)
    assert (reply.status, reply.body, reply.content_type) == (200, b'{"received": true}', "application/json")


def test_json_without_its_header_with_a_wrong_one_or_changed_is_refused(fiuu: FiuuDriver) -> None:
    good = json_message({})
    bad = [
        dataclasses.replace(good, headers={"content-type": "application/json"}),
        json_message({}, secret=INVENTED[0][1]),
        dataclasses.replace(good, body=good.body.replace(b"100.50", b"100.51")),
        json_message({"amount": "lots"}),
        json_message({"transaction_id": None}),
    ]

    for message in bad:
        with pytest.raises(ReportInvalid):
            fiuu.gateway.read_notification(message)


# --- asking -----------------------------------------------------------------------------------------------------------
def test_two_payments_of_one_order_are_told_by_one_question(fiuu: FiuuDriver) -> None:
    fiuu.fault("lost_ipn", scope="always")
    request = fiuu.opened()
    fiuu.end(request.reference, "pay")
    fiuu.end(request.reference, "pay", "?again=1")
    numbers = [str(one["number"]) for one in fiuu.truth(request.reference)["transactions"]]

    told = fiuu.query(request)

    assert [one.status for one in (told, *told.others)] == [ReportStatus.PAID] * 2
    assert sorted([told.gateway_transaction_id, *(one.gateway_transaction_id for one in told.others)]) == numbers
    assert [one.money for one in told.others] == [request.money]


def test_an_earlier_payment_is_found_behind_a_later_refusal(fiuu: FiuuDriver) -> None:
    request, _, paid = fiuu.paid()
    payment = fiuu.sandbox.app.sandbox.world.payments["fiuu", MERCHANT, request.reference]
    payment.fields["tries"].append(
        {**payment.fields["tries"][0], "tran": 12345, "stat": "11", "name": "failed", "error": "CC_05", "app": ""}
    )

    told = fiuu.query(request)

    assert (told.status, told.gateway_transaction_id, told.others) == (
        ReportStatus.PAID,
        paid.gateway_transaction_id,
        (),
    )


def test_money_that_was_told_stands_where_the_list_gives_no_answer(fiuu: FiuuDriver) -> None:
    request, _, paid = fiuu.paid()
    refused = fiuu.opened()
    fiuu.end(refused.reference, "decline")
    fiuu.fault("error_500", scope="always", operation="query_all")

    assert fiuu.query(request).gateway_transaction_id == paid.gateway_transaction_id
    with pytest.raises(GatewayUnavailable):
        fiuu.query(refused)
    assert fiuu.query(refused, adapter(fiuu, query_all_payments=False)).status is ReportStatus.FAILED


def test_an_order_that_nobody_paid_is_expired_once_its_page_is_closed(fiuu: FiuuDriver) -> None:
    request = fiuu.opened()
    now = datetime.now(UTC)
    question = QueryRequest(reference=request.reference, money=request.money, created_at=now)

    told = [
        fiuu.gateway.query(dataclasses.replace(question, expires_at=at)).status
        for at in (None, now + timedelta(minutes=1), now - timedelta(minutes=1))
    ]

    assert told == [ReportStatus.PENDING, ReportStatus.PENDING, ReportStatus.EXPIRED]


def test_too_many_questions_are_no_answer(fiuu: FiuuDriver) -> None:
    request, _, _ = fiuu.paid()
    fiuu.fault("answer_code", operation="query", code=99)

    with pytest.raises(GatewayUnavailable) as caught:
        fiuu.query(request)

    assert (caught.value.code, caught.value.never_sent) == ("Q99", False)


@pytest.mark.parametrize("operation", ["query", "query_one"])
def test_a_changed_answer_is_not_believed(fiuu: FiuuDriver, operation: str) -> None:
    request = fiuu.opened()
    (message,) = fiuu.end(request.reference, "decline")
    fiuu.fault("tamper", operation=operation)

    with pytest.raises(GatewayUnavailable):
        fiuu.query(request) if operation == "query" else fiuu.heard(message)


def test_answers_signed_with_the_previous_key_count(fiuu: FiuuDriver) -> None:
    request, _, _ = fiuu.paid()

    assert (
        fiuu.query(request, adapter(fiuu, secret_key="n" * 32, previous_secret_key=SECRET)).status is ReportStatus.PAID
    )
    with pytest.raises(GatewayUnavailable):
        fiuu.query(request, adapter(fiuu, secret_key="n" * 32))


# --- refunds ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("channel", "can"),
    [("credit", True), ("GrabPay", True), ("RPP_DuitNowQR", True), ("", True), ("newest", True), ("MB2U", False),
     ("FPX_B2B_HLB", False), ("maybank2u", False), ("cash", False), ("DK_BCA_VA", False), ("RPP_RTP_RHB", False)],
)  # fmt: skip
def test_only_channels_that_need_no_bank_details_are_refunded_by_fiuu(
    fiuu: FiuuDriver, channel: str, can: bool
) -> None:
    assert fiuu.gateway.can_refund(channel) is can


@pytest.mark.parametrize(("code", "error"), [(1008, GatewayRejected), (1017, GatewayRejected), (1014, GatewayRejected), (1015, GatewayUnavailable)])  # fmt: skip
def test_a_refused_refund_is_a_definite_no_only_where_the_code_proves_it(
    fiuu: FiuuDriver, code: int, error: type[Exception]
) -> None:
    request, _, paid = fiuu.paid()
    fiuu.fault("answer_code", operation="refund", code=code)

    with pytest.raises(error, match=f"PR{code - 1000:03d}"):
        adapter(fiuu).refund(fiuu.refund_of(request, paid, 1000))

    assert fiuu.truth(request.reference)["refunds"] == []


def test_a_refund_without_balance_may_be_asked_for_again_a_day_later(fiuu: FiuuDriver) -> None:
    request, _, paid = fiuu.paid()
    fiuu.fault("answer_code", operation="refund", code=1020)

    with pytest.raises(GatewayRejected) as caught:
        adapter(fiuu).refund(fiuu.refund_of(request, paid, 1000))

    assert caught.value.retry_after_seconds == 86_400


def test_a_payment_by_bank_that_nobody_foresaw_is_refused_with_the_reason(fiuu: FiuuDriver) -> None:
    request = fiuu.opened(money=Money(5000, "MYR"), channel="MB2U")
    (message,) = fiuu.end(request.reference, "pay")

    with pytest.raises(GatewayRejected, match="PR014") as caught:
        adapter(fiuu).refund(fiuu.refund_of(request, fiuu.heard(message), 1000))

    assert caught.value.code == "PR014"


def test_the_message_about_a_refund_only_makes_us_ask(fiuu: FiuuDriver) -> None:
    request, _, paid = fiuu.paid()
    gateway = adapter(fiuu, refund_notify_url=fiuu.inbox.url)
    refund = fiuu.refund_of(request, paid, 60_000)
    before = len(fiuu.inbox.messages)
    fiuu.fault("refund_pending", seconds=0.2)
    gateway.refund(refund)
    assert fiuu.sandbox.drain()
    (message,) = fiuu.inbox.messages[before:]
    assert fiuu.fields(message)["Status"] == "00"

    (read,) = gateway.read_notification(message)
    told = gateway.confirm(read)

    assert not isinstance(told, DisputeReport)
    assert (told.about, told.reference, told.status) == (ReportAbout.REFUND, refund.reference, ReportStatus.PAID)
    assert told.gateway_transaction_id == fiuu.fields(message)["RefundID"]


def test_a_refund_that_was_rejected_later_has_failed(fiuu: FiuuDriver) -> None:
    request, _, paid = fiuu.paid()
    refund = fiuu.refund_of(request, paid, 60_000)
    fiuu.fault("refund_pending", seconds=60)
    adapter(fiuu).refund(refund)

    fiuu.control("POST", f"/fiuu/{refund.reference}/reject")

    assert adapter(fiuu).query_refund(refund).status is ReportStatus.FAILED


@pytest.mark.parametrize(("name", "value"), [("Status", "11"), ("MerchantID", "SB_somebody"), ("Signature", "0" * 32), ("RefID", "x"), ("Amount", "1.00")])  # fmt: skip
def test_a_forged_message_about_a_refund_is_refused(fiuu: FiuuDriver, name: str, value: str) -> None:
    fields = {
        "RefundType": "P", "MerchantID": MERCHANT, "RefID": "01m7z5t73jfbc8aped471eq1vz", "RefundID": "7", "TxnID": "9",
        "Amount": "10.00", "Status": "00",
    }  # fmt: skip
    fields["Signature"] = signing.refund_answer(fields, SECRET)
    assert fiuu.gateway.read_notification(HttpMessage(method="POST", path="/", body=urlencode(fields).encode()))

    with pytest.raises(ReportInvalid):
        fiuu.gateway.read_notification(
            HttpMessage(method="POST", path="/", body=urlencode({**fields, name: value}).encode())
        )


# --- authorise first --------------------------------------------------------------------------------------------------
def held(driver: FiuuDriver) -> tuple[Fiuu, CaptureRequest]:
    """Authorised money, and the wish to take all of it."""
    gateway = adapter(driver, authorize_first=True)
    request = driver.request()
    requests.get(gateway.create_checkout(request).pay_url, timeout=5)
    (message,) = driver.end(request.reference, "pay")
    told = driver.heard(message, gateway)
    assert (told.status, driver.query(request, gateway).status) == (ReportStatus.AUTHORIZED, ReportStatus.AUTHORIZED)
    return gateway, CaptureRequest(
        reference=request.reference, operation_id=f"{request.reference}-k", money=request.money,
        created_at=request.created_at, gateway_transaction_id=told.gateway_transaction_id,
    )  # fmt: skip


def test_authorised_money_is_taken_once(fiuu: FiuuDriver) -> None:
    gateway, wish = held(fiuu)

    first, again = gateway.capture(wish), gateway.capture(wish)

    assert (first.status, first.money, first.gateway_transaction_id) == (
        ReportStatus.PAID,
        wish.money,
        wish.gateway_transaction_id,
    )
    assert (again.status, again.gateway_transaction_id) == (ReportStatus.PAID, first.gateway_transaction_id)
    assert len(fiuu.truth(wish.reference)["transactions"]) == 1


def test_authorised_money_is_given_free_and_cannot_be_taken_then(fiuu: FiuuDriver) -> None:
    gateway, wish = held(fiuu)

    freed, again = gateway.cancel_authorization(wish), gateway.cancel_authorization(wish)

    assert (freed.status, again.status) == (ReportStatus.CANCELLED, ReportStatus.CANCELLED)
    with pytest.raises(GatewayRejected, match="13"):
        gateway.capture(wish)
    assert fiuu.truth(wish.reference)["transactions"] == []


def test_more_than_was_authorised_is_not_taken(fiuu: FiuuDriver) -> None:
    gateway, wish = held(fiuu)

    with pytest.raises(GatewayRejected, match="25"):
        gateway.capture(dataclasses.replace(wish, money=Money(960_001, "VND")))

    assert fiuu.truth(wish.reference)["stage"] == "authorized"


def test_a_capture_that_was_never_answered_is_unknown_and_then_found(fiuu: FiuuDriver) -> None:
    gateway, wish = held(fiuu)
    fiuu.fault("error_500_after_accept", operation="capture")

    with pytest.raises(GatewayUnavailable) as caught:
        gateway.capture(wish)

    assert caught.value.never_sent is False
    assert gateway.capture(wish).status is ReportStatus.PAID


def test_an_account_that_does_not_authorise_first_says_so(fiuu: FiuuDriver) -> None:
    with pytest.raises(GatewayRejected):
        fiuu.gateway.create_checkout(fiuu.request(capture=False))


# --- what Fiuu refuses ------------------------------------------------------------------------------------------------
def test_another_merchants_message_is_refused_even_where_the_keys_are_the_same(fiuu: FiuuDriver) -> None:
    with pytest.raises(ReportInvalid, match="another merchant"):
        fiuu.gateway.read_notification(message_of({"domain": "SB_somebody"}))


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("query/q_by_oid.php", {"oID": "x", "amount": "1.00", "domain": MERCHANT, "skey": "0" * 32}, "Q202"),
        ("q_by_tid.php", {"txID": "1", "amount": "1.00", "domain": MERCHANT, "skey": "0" * 32}, "Q302"),
        ("query/q_oid_batch.php", {"oID": "x", "domain": MERCHANT, "skey": "0" * 32}, "Q402"),
        ("query/q_by_oid.php", {"oID": "x", "amount": "1.00", "domain": "nobody", "skey": "0"}, "Q04"),
        ("query/q_by_oid.php", {"oID": "x", "domain": MERCHANT, "skey": "0"}, "Q01"),
        ("API/refundAPI/index.php", {"RefundType": "P", "MerchantID": MERCHANT, "RefID": "r", "TxnID": "1", "Amount": "1.00", "Signature": "0"}, "PR008"),
        ("API/refundAPI/index.php", {"RefundType": "F"}, "PR001"),
        ("API/refundAPI/q_by_refID.php", {"RefID": "r", "MerchantID": MERCHANT, "Signature": "0"}, "INQ005"),
    ],
)  # fmt: skip
def test_a_call_that_is_signed_wrongly_is_refused_by_its_code(
    fiuu: FiuuDriver, path: str, fields: dict[str, str], code: str
) -> None:
    answer = requests.post(f"{fiuu.sandbox.url}/RMS/{path}", data=fields, timeout=5)

    assert answer.json()["ErrorCode"] == code


@pytest.mark.parametrize("path", ["capstxn/index.php", "refundAPI/refund.php"])
def test_a_command_that_is_signed_wrongly_is_refused_by_its_code(fiuu: FiuuDriver, path: str) -> None:
    fields = {"domain": MERCHANT, "tranID": "1", "txnID": "1", "amount": "1.00", "skey": "0" * 32}

    assert requests.post(f"{fiuu.sandbox.url}/RMS/API/{path}", data=fields, timeout=5).json()["StatCode"] == "12"
