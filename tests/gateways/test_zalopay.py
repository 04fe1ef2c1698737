"""What is ZaloPay's own: dates in ids, two keys in rotation, callbacks for paid orders only, codes by call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from config.core import ids
from config.core.money import Money
from gateways import registry
from gateways.abilities import Captures, SettlementFiles
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage
from gateways.registry import GatewaySettingsError
from gateways.reports import Report, ReportStatus
from gateways.requests import CheckoutRequest
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import pretend
from gateways.settlement.lines import LineKind
from gateways.zalopay import messages
from gateways.zalopay.adapter import ZaloPay
from gateways.zalopay.codes import RESULT_CODES, Call, Meaning, Verdict
from tests.gateways.driver import Inbox
from tests.gateways.drivers.zalopay import ZaloPayDriver

KEYS = {"app_id": "2553", "key1": "PcY4iZIKFCIdgZvA6ueMcMHHUbRLYjPL", "key2": "kLtgPl8HHhfvMuDHPwKfgfsY4Ydm9eIz"}
REFERENCE = "261121_01m7z5t73jfbc8aped471eq1vz"


@pytest.fixture
def zalopay(sandbox: RunningSandbox, inbox: Inbox) -> ZaloPayDriver:
    """ZaloPay alone."""
    return ZaloPayDriver(sandbox, inbox)


def callback(key: str = KEYS["key2"], text: str | None = None, **changes: object) -> HttpMessage:
    """A callback with this data, truly signed."""
    data = {
        "app_id": 2553, "app_trans_id": REFERENCE, "app_time": 1735700000000, "app_user": "customer", "amount": 960000,
        "embed_data": "{}", "item": "[]", "zp_trans_id": 261121000000389, "server_time": 1735700060456, "channel": 38,
        "merchant_user_id": "m", "zp_user_id": "z", "user_fee_amount": 0, "discount_amount": 0, **changes,
    }  # fmt: skip
    text = json.dumps(data, ensure_ascii=False) if text is None else text
    body = json.dumps({"data": text, "mac": messages.sign(key, text), "type": 1}, ensure_ascii=False)
    return HttpMessage(method="POST", path="/ipn", body=body.encode())


def heard(message: HttpMessage, **settings: str) -> Report:
    (report,) = ZaloPay(**{**KEYS, **settings}).read_notification(message)
    return report


# --- ids and their dates ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "date"),
    [
        ("2026-11-21T16:59:59+00:00", "261121"),
        ("2026-11-21T17:00:00+00:00", "261122"),
        ("2026-12-31T17:00:00+00:00", "270101"),
        ("2026-11-21T23:59:59+07:00", "261121"),
    ],
)
def test_a_reference_begins_with_the_vietnamese_day_and_fits(moment: str, date: str) -> None:
    number = 2**127 + 12345

    reference = ZaloPay(**KEYS).reference(number, datetime.fromisoformat(moment))

    assert reference == f"{date}_{ids.crockford(number)}"
    assert len(reference) == 33


def test_a_refund_id_is_the_reference_with_the_app_and_the_day_it_is_sent() -> None:
    day = datetime(2026, 11, 22, tzinfo=UTC).date()

    sent = messages.refund_id(REFERENCE, "12345678901", day)

    assert sent == "261122_12345678901_01m7z5t73jfbc8aped471eq1vz"
    assert len(sent) == 45
    assert messages.reference_of_refund("261121_2553_01m7z5t73jfbc8aped471eq1vz", "2553") == REFERENCE
    assert messages.reference_of_refund("261121_2554_01m7z5t73jfbc8aped471eq1vz", "2553").startswith("261121_2554_")
    assert messages.reference_of_refund(REFERENCE, "2553") == REFERENCE


@pytest.mark.parametrize(
    ("requested", "now", "days"),
    [
        ("2026-11-21T16:59:00", "2026-11-21T16:59:30", ["261121"]),
        ("2026-11-21T16:59:00", "2026-11-21T17:01:00", ["261121", "261122"]),
        ("2026-12-30T10:00:00", "2027-01-01T20:00:00", ["261230", "261231", "270101", "270102"]),
        ("2026-11-21T17:01:00", "2026-11-21T16:59:00", ["261122"]),  # a clock that went back
    ],
)
def test_the_days_on_which_a_refund_may_have_gone_out(requested: str, now: str, days: list[str]) -> None:
    found = messages.days_sent(datetime.fromisoformat(f"{requested}+00:00"), datetime.fromisoformat(f"{now}+00:00"))

    assert [f"{day:%y%m%d}" for day in found] == days


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"app_id": "2553x"}, "app_id"),
        ({"app_id": "012"}, "app_id"),
        ({"app_id": "123456789012"}, "app_id"),
        ({"app_user": "a|b"}, "app_user"),
        ({"app_user": "a" * 51}, "app_user"),
        ({"endpoint": "http://openapi.zalopay.vn"}, "endpoint"),
        ({"endpoint": "openapi.zalopay.vn"}, "endpoint"),
        ({"endpoint": "https://openapi.zalopay.vn"}, "app_id"),
        ({"app_id": "2554", "endpoint": "https://openapi.zalopay.vn/v2/create"}, "app_id"),
        ({"settlement_columns": {"colour": "red"}}, "settlement_columns"),
    ],
)
def test_settings_that_can_only_fail_later_are_refused_by_name(changes: dict[str, object], field: str) -> None:
    with pytest.raises(GatewaySettingsError, match=f"zalopay settings: {field}"):
        registry.build("zalopay", {**KEYS, **changes})


def test_a_live_app_may_use_production_and_a_named_host_plain_http() -> None:
    assert registry.build("zalopay", {**KEYS, "app_id": "4711", "endpoint": "https://openapi.zalopay.vn"})
    assert registry.build("zalopay", {**KEYS, "endpoint": "http://sandbox:8001", "plain_http_hosts": "sandbox"})


def test_what_zalopay_cannot_do_no_door_offers() -> None:
    gateway = ZaloPay(**KEYS)

    assert isinstance(gateway, SettlementFiles)
    assert not isinstance(gateway, Captures)
    assert gateway.can_refund("") is True


# --- creating --------------------------------------------------------------------------------------------------------


def test_what_is_sent_is_what_the_document_asks_for(zalopay: ZaloPayDriver) -> None:
    at = datetime.now(UTC)
    request = zalopay.request(channel="vietqr", description="", created_at=at, expires_at=at + timedelta(minutes=90))

    checkout = zalopay.build(app_user="shop").create_checkout(request)

    assert checkout.request == {
        "app_id": 2553, "app_trans_id": request.reference, "app_time": int(at.timestamp() * 1000),
        "expire_duration_seconds": 5400, "amount": 960000, "description": request.reference,
        "callback_url": zalopay.inbox.url, "item": "[]", "bank_code": "",
        "embed_data": '{"redirecturl":"https://shop.example.vn/return?lang=vi","preferred_payment_method":["vietqr"]}',
    }  # fmt: skip
    truth = zalopay.truth(request.reference)
    assert (truth["fields"]["app_user"], truth["return_url"]) == ("shop", "https://shop.example.vn/return?lang=vi")
    assert checkout.qr_text == checkout.pay_url
    assert "zp_trans_token" not in checkout.response


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 300), (15, 900), (60 * 24 * 60, 2_592_000)])
def test_an_order_lives_as_long_as_ours_within_zalopays_bounds(
    zalopay: ZaloPayDriver, minutes: int, seconds: int
) -> None:
    at = datetime.now(UTC)

    request = zalopay.request(created_at=at, expires_at=at + timedelta(minutes=minutes))
    sent = zalopay.create(request).request

    truth = zalopay.truth(request.reference)
    assert sent["expire_duration_seconds"] == seconds
    assert truth["expires_ms"] - truth["created_ms"] == seconds * 1000


def test_any_description_can_be_sent_and_stays_within_zalopays_length(zalopay: ZaloPayDriver) -> None:
    request = zalopay.request(description="Đơn\nhàng|\x00 \ud800 " + "đ" * 300)

    sent = str(zalopay.create(request).request["description"])

    assert sent.startswith("Đơn hàng/  ? đđđ")
    assert len(sent) == 256


def of_yesterday(zalopay: ZaloPayDriver) -> CheckoutRequest:
    at = datetime.now(UTC)
    return zalopay.request(reference=zalopay.gateway.reference(ids.uuid7_int(), at - timedelta(days=1)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"money": Money(0, "VND")}, "-401"),
        ({"money": Money(1000, "USD")}, "currency"),
        ({"channel": "linkWallet"}, "channel"),
        ({"created_at": datetime.now(UTC) - timedelta(minutes=20)}, "-401"),
    ],
)
def test_what_zalopay_cannot_take_is_a_definite_no(
    zalopay: ZaloPayDriver, changes: dict[str, object], code: str
) -> None:
    request = zalopay.request(**changes)

    with pytest.raises(GatewayRejected) as caught:
        zalopay.gateway.create_checkout(request)

    assert caught.value.code == code
    assert zalopay.control("GET", f"/payments?order={request.reference}") == {"payments": []}


def test_an_order_dated_otherwise_than_today_is_a_definite_no(zalopay: ZaloPayDriver) -> None:
    with pytest.raises(GatewayRejected) as caught:
        zalopay.gateway.create_checkout(of_yesterday(zalopay))

    assert caught.value.code == "-92"


def test_customers_are_sent_to_zalopays_hosts_only(zalopay: ZaloPayDriver) -> None:
    settings = zalopay.sandbox.app.sandbox.settings
    honest = settings.public_url
    good = ["https://sbgateway.zalopay.vn", "https://zalopay.vn", honest]
    bad = [
        "https://evilzalopay.vn",
        "https://zalopay.vn.evil.example",
        "http://gateway.zalopay.vn",
        "javascript:1//",
        "",
    ]
    opened = []
    try:
        for settings.public_url in good:
            opened.append(zalopay.gateway.create_checkout(zalopay.request()).pay_url)
        for settings.public_url in bad:
            with pytest.raises(GatewayUnavailable, match="order_url"):
                zalopay.gateway.create_checkout(zalopay.request())
    finally:
        settings.public_url = honest

    assert [url.partition("/openinapp")[0] for url in opened] == good


def test_a_sandbox_that_is_called_by_a_name_may_show_its_page_on_this_machine(zalopay: ZaloPayDriver) -> None:
    name = "127.1"  # resolves to this machine, and is as little a loopback address to us as a container's name
    endpoint = zalopay.sandbox.url.replace("127.0.0.1", name)

    page = zalopay.build(endpoint=endpoint, plain_http_hosts=name).create_checkout(zalopay.request()).pay_url

    assert page.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("code", [68, 429, 500, 999, 12345])
def test_an_answer_to_create_that_proves_nothing_is_unknown(zalopay: ZaloPayDriver, code: int) -> None:
    zalopay.fault("answer_code", operation="create", code=code)

    with pytest.raises(GatewayUnavailable) as caught:
        zalopay.gateway.create_checkout(zalopay.request())

    assert (caught.value.code, caught.value.never_sent) == (f"-{code}", False)


@pytest.mark.parametrize("code", [53, 92, 401, 402, 403, 405])
def test_an_answer_to_create_that_is_a_no_is_a_no(zalopay: ZaloPayDriver, code: int) -> None:
    zalopay.fault("answer_code", operation="create", code=code)

    with pytest.raises(GatewayRejected) as caught:
        zalopay.gateway.create_checkout(zalopay.request())

    assert (caught.value.code, caught.value.by_payer) == (f"-{code}", False)


@pytest.mark.parametrize("call", [Call.CREATE, Call.REFUND])
def test_no_command_is_refused_by_the_payer(call: Call) -> None:
    by_payer = {Meaning.INSUFFICIENT, Meaning.BY_CUSTOMER, Meaning.DECLINED, Meaning.EXPIRED}

    assert {row.meaning for row in RESULT_CODES[call].values()} & by_payer == set()


# --- keys ------------------------------------------------------------------------------------------------------------


def test_while_keys_change_a_call_refused_under_the_new_one_is_made_under_the_old(zalopay: ZaloPayDriver) -> None:
    early = zalopay.build(key1="new-key1", previous_key1=KEYS["key1"], key2="new-key2", previous_key2=KEYS["key2"])
    request = zalopay.request()

    early.create_checkout(request)

    assert zalopay.query(request, early).status is ReportStatus.PENDING
    assert zalopay.query(request, zalopay.build(key1="new-key1")).status is ReportStatus.UNKNOWN
    (message,) = zalopay.end(request.reference, "pay")
    assert zalopay.heard(message, early).status is ReportStatus.PAID


def test_a_callback_under_either_key2_is_heard_and_under_key1_never() -> None:
    old, new, wrong = callback(), callback(key="new-key2"), callback(key=KEYS["key1"])

    assert heard(old, key2="new-key2", previous_key2=KEYS["key2"]) == heard(new, key2="new-key2") == heard(old)
    for message, settings in ((old, {"key2": "new-key2"}), (wrong, {}), (callback(key=""), {})):
        with pytest.raises(ReportInvalid, match="mac"):
            heard(message, **settings)


# --- hearing ---------------------------------------------------------------------------------------------------------


def test_the_mac_is_over_the_text_as_it_came_however_it_is_written() -> None:
    text = f'{{ "zp_trans_id" : "261121000000389x", "amount":960000,"app_id":"2553",\n"app_trans_id":"{REFERENCE}" }}'

    report = heard(callback(text=text))

    assert (report.reference, report.gateway_transaction_id) == (REFERENCE, "261121000000389x")
    assert report.money == Money(960_000, "VND")


@pytest.mark.parametrize("number", [261121000000389, "261121000000389", "00261121000000389"])
def test_a_transaction_is_one_however_its_number_is_written(number: object) -> None:
    assert heard(callback(zp_trans_id=number)).gateway_transaction_id == "261121000000389"


def test_what_zalopay_pays_of_an_order_is_in_its_amount() -> None:
    assert heard(callback(amount=200_000, discount_amount=30_000)).money == Money(200_000, "VND")


def test_an_agreement_does_not_concern_us_and_the_unsigned_type_decides_nothing() -> None:
    agreement = callback(text='{"app_id":2553,"agreement_id":"a-1"}')
    order = callback()
    relabelled = HttpMessage(method="POST", path="/ipn", body=order.body.replace(b'"type": 1', b'"type": 2'))

    assert ZaloPay(**KEYS).read_notification(agreement) == ()
    assert relabelled.body != order.body
    assert heard(relabelled) == heard(order)


@pytest.mark.parametrize("app_id", [2554, "2554", None, True, 2553.0])
def test_a_truly_signed_callback_for_another_app_is_refused(app_id: object) -> None:
    with pytest.raises(ReportInvalid, match="another app_id"):
        heard(callback(app_id=app_id))


@pytest.mark.parametrize("reference", ["", "261121", "261121_", "a|b", "261121_" + "a" * 34, 5, None, "261121_đ"])
def test_a_malformed_app_trans_id_is_refused_though_truly_signed(reference: object) -> None:
    with pytest.raises(ReportInvalid, match="malformed"):
        heard(callback(app_trans_id=reference))


@pytest.mark.parametrize(
    "changes",
    [{"amount": 0}, {"amount": -1}, {"amount": True}, {"amount": "x"}, {"amount": 10**19}, {"amount": 1.5}]
    + [{"zp_trans_id": value} for value in (0, "", "0", None, -1, "a b", [1], "x" * 65)],
)
def test_a_success_without_money_or_its_number_is_unknown(changes: dict[str, object]) -> None:
    report = heard(callback(**changes))

    assert (report.status, report.gateway_transaction_id) == (ReportStatus.UNKNOWN, "")


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"app_id":2553,"app_id":2553}', '{"app_id":NaN}'])
def test_signed_rubbish_is_rubbish(text: str) -> None:
    with pytest.raises(ReportInvalid):
        heard(callback(text=text))


@pytest.mark.parametrize("data", [None, 5, {"app_id": 2553}, ["x"]])
def test_data_that_is_no_text_is_refused(data: object) -> None:
    body = json.dumps({"data": data, "mac": messages.sign(KEYS["key2"], json.dumps(data)), "type": 1})

    with pytest.raises(ReportInvalid, match="mac"):
        heard(HttpMessage(method="POST", path="/", body=body.encode()))


def test_nothing_about_the_payer_is_kept() -> None:
    assert set(heard(callback()).raw) == {
        "app_id", "app_trans_id", "app_time", "amount", "embed_data", "item", "zp_trans_id", "server_time", "channel",
        "user_fee_amount", "discount_amount",
    }  # fmt: skip


def test_zalopay_hears_its_own_words() -> None:
    gateway = ZaloPay(**KEYS)

    told = {outcome: gateway.acknowledge(outcome) for outcome in Acknowledgement}

    assert {reply.status for reply in told.values()} == {200}
    assert {outcome: json.loads(reply.body)["return_code"] for outcome, reply in told.items()} == {
        Acknowledgement.ACCEPTED: 1, Acknowledgement.DUPLICATE: 1, Acknowledgement.UNKNOWN_ORDER: 1,
        Acknowledgement.WRONG_AMOUNT: 1, Acknowledgement.BAD_SIGNATURE: -1, Acknowledgement.ERROR: 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "calls"),
    [(Acknowledgement.ACCEPTED, 1), (Acknowledgement.BAD_SIGNATURE, 1), (Acknowledgement.ERROR, 3)],
)
def test_only_an_error_of_ours_brings_zalopay_back(
    zalopay: ZaloPayDriver, outcome: Acknowledgement, calls: int
) -> None:
    zalopay.inbox.reply = lambda message: zalopay.gateway.acknowledge(outcome)

    assert len(zalopay.end(zalopay.opened().reference, "pay")) == calls


# --- coming back -----------------------------------------------------------------------------------------------------


def came_back(query: str) -> Report:
    return ZaloPay(**KEYS).read_return(HttpMessage(method="GET", path="/return", query=query))


def redirect(**changes: str) -> str:
    values = {
        "appid": "2553", "apptransid": REFERENCE, "pmcid": "38", "bankcode": "", "amount": "960000",
        "discountamount": "0", "status": "1", **changes,
    }  # fmt: skip
    values["checksum"] = messages.sign(KEYS["key2"], messages.text_to_sign(messages.REDIRECT, values))
    return "&".join(f"{name}={value}" for name, value in values.items())


@pytest.mark.parametrize(
    ("status", "told"),
    [("1", ReportStatus.PENDING), ("-49", ReportStatus.PENDING), ("-54", ReportStatus.EXPIRED),
     ("-329", ReportStatus.FAILED), ("-777", ReportStatus.UNKNOWN)],
)  # fmt: skip
def test_a_return_never_says_paid(status: str, told: ReportStatus) -> None:
    report = came_back(redirect(status=status))

    assert (report.reference, report.status, report.code) == (REFERENCE, told, status)


@pytest.mark.parametrize(
    "changes",
    [{"bankcode": "CC|960000"}, {"pmcid": "x"}, {"discountamount": "-1"}, {"amount": "1e3"}, {"status": "--1"}, {"apptransid": "a|b"}, {"appid": "2554"}],
)  # fmt: skip
def test_a_truly_signed_return_of_another_kind_is_refused(changes: dict[str, str]) -> None:
    came_back(redirect())
    with pytest.raises(ReportInvalid):
        came_back(redirect(**changes))


def test_what_a_return_leaves_out_counts_as_empty() -> None:
    whole = redirect(pmcid="", bankcode="", discountamount="")

    assert came_back(whole.replace("pmcid=&bankcode=&", "").replace("discountamount=&", "")).reference == REFERENCE


def test_a_payer_who_leaves_brings_back_minus_49_and_the_query_tells(zalopay: ZaloPayDriver) -> None:
    request = zalopay.request()
    checkout = zalopay.create(request)

    report = zalopay.gateway.read_return(zalopay.returned(checkout.pay_url, "decline"))

    assert (report.status, report.code) == (ReportStatus.PENDING, "-49")
    assert (zalopay.query(request).status, zalopay.query(request).code) == (ReportStatus.FAILED, "-329")
    assert zalopay.inbox.messages == []


# --- codes -----------------------------------------------------------------------------------------------------------

C, Q, R, RQ = Call.CREATE, Call.QUERY, Call.REFUND, Call.REFUND_QUERY
M = Meaning
ALL = (C, Q, R, RQ)
DOCUMENTED: list[tuple[tuple[int, ...], tuple[Call, ...], Meaning]] = [
    ((1,), ALL, M.SUCCEEDED),
    ((2, -68), (C,), M.DUPLICATE),
    (tuple(range(3, 49)), (Q,), M.PENDING),
    ((0,), (RQ,), M.REFUND_FAILED),
    ((-1,), (RQ,), M.PENDING),
    ((2,), (RQ,), M.PENDING),
    ((-2,), (R,), M.REFUND_REJECTED),
    ((-2,), (Q,), M.INVALID_REQUEST),
    ((-3,), (R,), M.SIGNATURE_ERROR),
    ((-13, -14, -32), (R,), M.REFUND_REJECTED),
    ((-16,), (R,), M.PENDING),
    ((-23,), (R,), M.DUPLICATE),
    ((-24, -26), (R,), M.INVALID_REQUEST),
    ((-25,), (R,), M.WRONG_DAY),
    ((-32, -33, -34, -35, -43, -88, -135, -301), (Q,), M.GATEWAY_ERROR),
    ((-49,), (Q,), M.PENDING),
    ((-53,), ALL, M.SIGNATURE_ERROR),
    ((-54, -322), (Q,), M.EXPIRED),
    ((-63,), (Q,), M.INSUFFICIENT),
    ((-92,), (C, Q), M.INVALID_REQUEST),
    ((-101,), (Q, R, RQ), M.NOT_FOUND),
    ((-217, -332, -333), (Q,), M.DECLINED),
    ((-329,), (Q,), M.BY_CUSTOMER),
    ((-401, -405), ALL, M.INVALID_REQUEST),
    ((-402, -403), ALL, M.SIGNATURE_ERROR),
    ((406, -429, -500, -999), ALL, M.GATEWAY_ERROR),
    ((-1330, -1331, -1332, -1333, -1340, -1341, -1342, -1343), (Q,), M.DECLINED),
]  # fmt: skip
OURS_ALONE = {(RQ, -2), (RQ, -3), (RQ, -13), (RQ, -16), (RQ, -24), (RQ, -25), (RQ, -26)}
"""Codes of a refund that we know what to make of in the answer to a question as well."""


def test_the_tables_of_codes_are_the_documents() -> None:
    documented = {(call, code): meaning for codes, calls, meaning in DOCUMENTED for code in codes for call in calls}

    ours = {(call, code): row.meaning for call, table in RESULT_CODES.items() for code, row in table.items()}

    assert {key: meaning for key, meaning in ours.items() if key not in OURS_ALONE} == documented
    assert set(ours) - set(documented) == OURS_ALONE


@pytest.mark.parametrize(
    ("call", "return_code", "sub_code", "status"),
    [
        (Q, 1, 1, ReportStatus.PAID), (Q, 3, -49, ReportStatus.PENDING), (Q, 3, -54, ReportStatus.PENDING),
        (Q, 2, -49, ReportStatus.PENDING), (Q, 2, 5, ReportStatus.PENDING), (Q, 2, 48, ReportStatus.PENDING),
        (Q, 2, 49, ReportStatus.FAILED), (Q, 2, 0, ReportStatus.FAILED), (Q, 2, 1, ReportStatus.FAILED),
        (Q, 2, -54, ReportStatus.EXPIRED), (Q, -54, 0, ReportStatus.EXPIRED), (Q, -101, 0, ReportStatus.NOT_FOUND),
        (Q, 2, -402, ReportStatus.UNKNOWN), (Q, -402, -63, ReportStatus.UNKNOWN), (Q, 2, -429, ReportStatus.UNKNOWN),
        (Q, -7777, 0, ReportStatus.UNKNOWN), (Q, 0, 0, ReportStatus.UNKNOWN), (Q, 4, 0, ReportStatus.UNKNOWN),
        (Q, 2, -63, ReportStatus.FAILED), (Q, 2, -1342, ReportStatus.FAILED), (Q, 2, -329, ReportStatus.FAILED),
        (RQ, 1, 1, ReportStatus.PAID), (RQ, 2, 2, ReportStatus.PENDING), (RQ, 3, -1, ReportStatus.PENDING),
        (RQ, -1, 0, ReportStatus.PENDING), (RQ, 2, 0, ReportStatus.FAILED), (RQ, 2, -14, ReportStatus.FAILED),
        (RQ, 2, -101, ReportStatus.NOT_FOUND), (RQ, 2, -13, ReportStatus.UNKNOWN), (RQ, 2, -25, ReportStatus.UNKNOWN),
        (RQ, 1, -101, ReportStatus.PAID), (RQ, 2, -500, ReportStatus.UNKNOWN),
    ],
)  # fmt: skip
def test_what_an_answer_says_of_the_thing_asked_about(
    call: Call, return_code: int, sub_code: int, status: ReportStatus
) -> None:
    assert Verdict.of(call, return_code, sub_code).status is status


@pytest.mark.parametrize("code", [53, 401, 402, 403, 405, 429, 500, 999, 92, 301])
def test_a_code_that_says_the_query_failed_leaves_the_payment_unknown(zalopay: ZaloPayDriver, code: int) -> None:
    request, _, _ = zalopay.paid()
    zalopay.fault("answer_code", operation="query", code=code)

    queried = zalopay.query(request)

    assert (queried.status, queried.code, queried.money) == (ReportStatus.UNKNOWN, f"-{code}", None)


@pytest.mark.parametrize("answer", [{}, {"return_code": None}, {"return_code": "1"}, {"return_code": True}])
def test_without_a_return_code_an_answer_says_nothing(answer: dict[str, object]) -> None:
    with pytest.raises(GatewayUnavailable, match="return_code"):
        messages.verdict(Call.QUERY, answer)


def test_a_paid_answer_without_its_number_or_sum_is_unknown() -> None:
    for answer in ({"amount": 5}, {"zp_trans_id": 5}, {"amount": 0, "zp_trans_id": 5}):
        assert messages.payment_report("r", ReportStatus.PAID, answer, code="1").status is ReportStatus.UNKNOWN


def test_a_lapsed_order_is_expired_in_the_query(zalopay: ZaloPayDriver) -> None:
    zalopay.sandbox.app.sandbox.settings.link_minutes = 0

    assert zalopay.query(zalopay.opened()).status is ReportStatus.EXPIRED


# --- refunds ---------------------------------------------------------------------------------------------------------


def gateway(zalopay: ZaloPayDriver) -> ZaloPay:
    assert isinstance(zalopay.gateway, ZaloPay)
    return zalopay.gateway


@pytest.mark.parametrize("code", [2, 3, 13, 14, 24, 26, 32, 53, 401, 402, 405])
def test_an_answer_to_a_refund_that_is_a_no_is_a_no(zalopay: ZaloPayDriver, code: int) -> None:
    request, _, paid = zalopay.paid()
    zalopay.fault("answer_code", operation="refund", code=code)

    with pytest.raises(GatewayRejected) as caught:
        gateway(zalopay).refund(zalopay.refund_of(request, paid, 60_000))

    assert caught.value.code == f"-{code}"
    assert zalopay.truth(request.reference)["refunds"] == []


@pytest.mark.parametrize(("code", "never_sent"), [(101, False), (429, False), (500, False), (7777, False), (25, True)])
def test_an_answer_to_a_refund_that_proves_nothing_is_unknown(
    zalopay: ZaloPayDriver, code: int, never_sent: bool
) -> None:
    request, _, paid = zalopay.paid()
    zalopay.fault("answer_code", operation="refund", code=code)

    with pytest.raises(GatewayUnavailable) as caught:
        gateway(zalopay).refund(zalopay.refund_of(request, paid, 60_000))

    assert (caught.value.code, caught.value.never_sent) == (f"-{code}", never_sent)


def test_a_refund_that_waited_too_long_in_our_own_queue_is_put_off_and_not_failed(zalopay: ZaloPayDriver) -> None:
    request, _, paid = zalopay.paid()
    stamped = datetime.now(UTC) - timedelta(minutes=20)
    refund = zalopay.refund_of(request, paid, 60_000, requested_at=stamped, at=stamped)

    with pytest.raises(GatewayUnavailable) as caught:
        gateway(zalopay).refund(refund)

    assert (caught.value.code, caught.value.never_sent) == ("stale", True)
    assert zalopay.truth(request.reference)["refunds"] == []


def test_in_work_by_its_sub_code_is_pending(zalopay: ZaloPayDriver) -> None:
    request, _, paid = zalopay.paid()
    zalopay.fault("answer_code", operation="refund", code=16)

    assert gateway(zalopay).refund(zalopay.refund_of(request, paid, 60_000)).status is ReportStatus.PENDING


def test_a_duplicate_that_is_not_found_is_unknown(zalopay: ZaloPayDriver) -> None:
    request, _, paid = zalopay.paid()
    zalopay.fault("answer_code", operation="refund", code=23)

    with pytest.raises(GatewayUnavailable) as caught:
        gateway(zalopay).refund(zalopay.refund_of(request, paid, 60_000))

    assert (caught.value.code, caught.value.never_sent) == ("-23", False)


def test_a_refund_carries_zalopays_number_and_a_description_that_cannot_shift_values(zalopay: ZaloPayDriver) -> None:
    request, _, paid = zalopay.paid()
    refund = zalopay.refund_of(request, paid, 60_000, description="500|hoàn\ntiền|" + "đ" * 120)

    sent = gateway(zalopay).refund(refund)
    asked = gateway(zalopay).query_refund(zalopay.asked_again(refund, sent))

    (truth,) = zalopay.truth(request.reference)["refunds"]
    day = messages.vietnamese_day(request.created_at)
    assert truth["order"] == f"{day:%y%m%d}_2553_{refund.reference.partition('_')[2]}"
    assert (sent.status, sent.gateway_transaction_id) == (ReportStatus.PENDING, str(truth["number"]))
    assert (asked.status, asked.gateway_transaction_id) == (ReportStatus.PAID, str(truth["number"]))


# --- refunds around midnight -----------------------------------------------------------------------------------------

EVENING = datetime(2026, 11, 21, 16, 59, tzinfo=UTC)  # 23:59 in Vietnam
NIGHT = datetime(2026, 11, 21, 17, 1, tzinfo=UTC)  # 00:01 on the 22nd


@pytest.fixture
def evening(zalopay: ZaloPayDriver) -> Iterator[ZaloPayDriver]:
    """One minute to midnight, for both sides."""
    believe(EVENING)
    yield zalopay
    pretend(None)


def believe(at: datetime) -> None:
    pretend(int(at.timestamp() * 1000))


def refund_at(evening: ZaloPayDriver, **changes: Any) -> Any:
    request, _, paid = evening.paid(
        created_at=EVENING, expires_at=EVENING + timedelta(minutes=15),
        reference=evening.gateway.reference(ids.uuid7_int(), EVENING),
    )  # fmt: skip
    return evening.refund_of(request, paid, 60_000, **{"requested_at": EVENING, "at": EVENING, **changes})


def sent_ids(zalopay: ZaloPayDriver, refund: Any) -> list[str]:
    return [one["order"] for one in zalopay.truth(refund.payment_reference)["refunds"]]


def test_a_refund_asked_for_before_midnight_and_sent_after_it_goes_out_under_the_new_day(
    evening: ZaloPayDriver,
) -> None:
    refund = refund_at(evening, at=NIGHT)
    believe(NIGHT)

    sent = gateway(evening).refund(refund)

    assert (sent.status, sent.reference) == (ReportStatus.PENDING, refund.reference)
    assert refund.reference.startswith("261121_")
    assert sent_ids(evening, refund) == [f"261122_2553_{refund.reference.partition('_')[2]}"]
    assert gateway(evening).query_refund(refund).status is ReportStatus.PAID


def at_night(evening: ZaloPayDriver, refund: Any) -> Any:
    believe(NIGHT)
    return type(refund)(**{name: getattr(refund, name) for name in refund.__dataclass_fields__} | {"at": NIGHT})


def test_a_refund_that_went_out_unanswered_before_midnight_is_not_sent_again_after_it(evening: ZaloPayDriver) -> None:
    refund = refund_at(evening)
    evening.fault("error_500_after_accept", operation="refund")
    with pytest.raises(GatewayUnavailable):
        gateway(evening).refund(refund)
    later = at_night(evening, refund)

    asked, again = gateway(evening).query_refund(later), gateway(evening).refund(later)

    assert (asked.status, again.status) == (ReportStatus.PAID, ReportStatus.PAID)
    assert sent_ids(evening, refund) == [f"261121_2553_{refund.reference.partition('_')[2]}"]


def test_a_refund_that_never_arrived_before_midnight_is_not_found_and_then_sent(evening: ZaloPayDriver) -> None:
    refund = refund_at(evening)
    evening.fault("error_500", operation="refund")
    with pytest.raises(GatewayUnavailable):
        gateway(evening).refund(refund)
    later = at_night(evening, refund)

    asked, sent = gateway(evening).query_refund(later), gateway(evening).refund(later)

    assert (asked.status, sent.status) == (ReportStatus.NOT_FOUND, ReportStatus.PENDING)
    assert sent_ids(evening, refund) == [f"261122_2553_{refund.reference.partition('_')[2]}"]


@pytest.mark.parametrize("fault", [{"fault": "error_500", "count": 3}, {"fault": "answer_code", "code": 500}])
def test_while_the_day_before_is_open_nothing_is_sent(evening: ZaloPayDriver, fault: dict[str, Any]) -> None:
    refund = refund_at(evening)
    evening.fault("error_500_after_accept", operation="refund")
    with pytest.raises(GatewayUnavailable):
        gateway(evening).refund(refund)
    later = at_night(evening, refund)
    evening.control("POST", "/faults", {"scope": "operation", "operation": "query_refund", "count": 1, **fault})

    with pytest.raises(GatewayUnavailable) as caught:
        gateway(evening).refund(later)

    assert caught.value.never_sent is True
    assert len(sent_ids(evening, refund)) == 1
    assert gateway(evening).refund(later).status is ReportStatus.PAID


def test_a_day_that_stays_open_does_not_hide_what_another_day_has(evening: ZaloPayDriver) -> None:
    later = at_night(evening, refund_at(evening))
    gateway(evening).refund(later)
    evening.fault("answer_code", scope="operation", operation="query_refund", code=500, count=1)

    assert gateway(evening).query_refund(later).status is ReportStatus.PAID


def test_a_question_that_one_day_leaves_open_is_unknown_and_not_not_found(evening: ZaloPayDriver) -> None:
    later = at_night(evening, refund_at(evening))
    evening.fault("answer_code", scope="operation", operation="query_refund", code=500, count=1)

    assert gateway(evening).query_refund(later).status is ReportStatus.UNKNOWN


def test_a_clock_that_is_still_before_midnight_is_put_right_by_the_next_try(evening: ZaloPayDriver) -> None:
    refund = refund_at(evening)
    believe(NIGHT)

    with pytest.raises(GatewayUnavailable) as caught:
        gateway(evening).refund(refund)
    sent = gateway(evening).refund(at_night(evening, refund))

    assert (caught.value.code, caught.value.never_sent) == ("-25", True)
    assert sent.status is ReportStatus.PENDING
    assert len(sent_ids(evening, refund)) == 1


# --- settlement ------------------------------------------------------------------------------------------------------


def test_the_file_of_a_day_names_payments_and_refunds_as_we_do(zalopay: ZaloPayDriver) -> None:
    request, _, paid = zalopay.paid()
    refund = zalopay.refund_of(request, paid, 60_000)
    sent = gateway(zalopay).refund(refund)
    content = requests.get(f"{zalopay.sandbox.url}/control/zalopay/settlement", timeout=5).content

    lines = gateway(zalopay).read_settlement(content, name="day.csv").lines

    found = {line.reference: line for line in lines if line.reference in (request.reference, refund.reference)}
    payment, back = found[request.reference], found[refund.reference]
    assert (payment.kind, payment.gross, payment.fee) == (LineKind.PAYMENT, Money(960_000, "VND"), Money(10_560, "VND"))
    assert (payment.gateway_transaction_id, payment.net) == (paid.gateway_transaction_id, Money(949_440, "VND"))
    assert (back.kind, back.gross, back.net) == (LineKind.REFUND, Money(-60_000, "VND"), Money(-60_000, "VND"))
    assert back.gateway_transaction_id == sent.gateway_transaction_id
    assert paid.occurred_at is not None and payment.occurred_at == paid.occurred_at.replace(microsecond=0)


# --- the provider's own side -----------------------------------------------------------------------------------------


def signed_call(url: str, name: str, text: str, **fields: object) -> dict[str, Any]:
    """One call as a form, as ZaloPay's older samples send it."""
    body = {**fields, "mac": messages.sign(KEYS["key1"], text)}
    answer: dict[str, Any] = requests.post(f"{url}/v2/{name}", data=body, timeout=5).json()
    return answer


def test_the_sandbox_takes_forms_too_and_texts_of_json_only(zalopay: ZaloPayDriver) -> None:
    at, url = datetime.now(UTC), zalopay.sandbox.url
    fields: dict[str, Any] = {
        "app_id": 2553, "app_trans_id": zalopay.gateway.reference(ids.uuid7_int(), at), "app_user": "u", "amount": 1000,
        "app_time": int(at.timestamp() * 1000), "embed_data": "{}", "item": "[]", "description": "d",
    }  # fmt: skip
    text = messages.text_to_sign(messages.CREATE, fields)

    opened = signed_call(url, "create", text, **fields)
    again = signed_call(url, "create", text, **fields)
    wrong = signed_call(url, "create", text, **{**fields, "item": "x"})
    forged = signed_call(url, "create", text + "x", **fields)

    assert (opened["return_code"], opened["sub_return_code"]) == (1, 1)
    assert [one["sub_return_code"] for one in (again, wrong, forged)] == [-68, -401, -402]
    assert {one["return_code"] for one in (again, wrong, forged)} == {2}


def test_a_custom_callback_is_truly_signed(zalopay: ZaloPayDriver) -> None:
    request = zalopay.opened()

    zalopay.control("POST", "/ipn", {"provider": "zalopay", "app_trans_id": request.reference, "zp_trans_id": 77})
    (message,) = zalopay.inbox.messages

    report = zalopay.heard(message)
    assert (report.reference, report.gateway_transaction_id) == (request.reference, "77")
