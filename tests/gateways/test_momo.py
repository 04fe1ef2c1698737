"""What is MoMo's own: codes, request ids, keys in rotation, refusals that are none, authorising first."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
import requests

from config.core.money import Money
from gateways.abilities import Captures, Refunds, SettlementFiles
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.momo import codes as momo_codes
from gateways.momo import messages
from gateways.momo.adapter import MoMo
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import ReportStatus
from gateways.requests import CaptureRequest
from gateways.sandbox.momo import rules
from gateways.sandbox.momo.api import Api
from gateways.settlement.lines import LineKind, SettlementLine
from tests.gateways.drivers.momo import MoMoDriver

KEYS = {"partner_code": "MOMO", "access_key": "F8BBA842ECF85", "secret_key": "K951B6PE1waDMi640xX08PD3vg6EkVlz"}


def signed(
    fields: dict[str, Any], *, secret: str = KEYS["secret_key"], access: str = KEYS["access_key"]
) -> HttpMessage:
    """An IPN with these fields, truly signed."""
    text = messages.text_to_sign(access, messages.NOTIFICATION, fields)
    body = json.dumps({**fields, "signature": messages.sign(secret, text)}, ensure_ascii=False)
    return HttpMessage(method="POST", path="/ipn", body=body.encode())


def ipn(**changes: object) -> dict[str, Any]:
    return {
        "partnerCode": "MOMO", "orderId": "01m7z5t73jfbc8aped471eq1vz", "requestId": "r-1", "amount": 960000,
        "orderInfo": "Order", "orderType": "momo_wallet", "transId": 4088878653, "resultCode": 0, "message": "Successful.",
        "payType": "qr", "responseTime": 1735700060456, "extraData": "", **changes,
    }  # fmt: skip


# --- creating --------------------------------------------------------------------------------------------------------


def test_a_checkout_brings_page_qr_and_deeplink(momo: MoMoDriver) -> None:
    checkout = momo.gateway.create_checkout(momo.request())

    assert checkout.pay_url.startswith(f"{momo.sandbox.url}/v2/gateway/pay?t=")
    assert checkout.qr_text.startswith(checkout.pay_url)
    assert checkout.deeplink.startswith("momo://app?")


def test_what_is_sent_is_what_the_document_asks_for(momo: MoMoDriver) -> None:
    request = momo.request(locale="en", capture=False, channel="payWithATM", description="")

    sent = momo.build(store_name="Chợ Hoa Sen").create_checkout(request).request

    assert sent == {
        "partnerCode": "MOMO", "requestId": f"{request.reference}-c", "amount": 960000, "orderId": request.reference,
        "orderInfo": request.reference, "redirectUrl": "https://shop.example.vn/return?lang=vi", "ipnUrl": momo.inbox.url,
        "requestType": "payWithATM", "extraData": "", "lang": "en", "autoCapture": False, "storeName": "Chợ Hoa Sen",
    }  # fmt: skip


def test_any_description_can_be_signed_and_stays_within_momos_length(momo: MoMoDriver) -> None:
    request = momo.request(description="Đơn\nhàng\x00 \ud800&amount=1 " + "đ" * 300)

    sent = str(momo.gateway.create_checkout(request).request["orderInfo"])

    assert sent.startswith("Đơn hàng  ?& amount=1 đđđ")
    assert len(sent) == 255


@pytest.mark.parametrize("path", ["", "/", "/v2/gateway/api/create", "/v2/gateway/api/create/"])
def test_the_endpoint_may_be_the_base_or_the_whole_create_address(momo: MoMoDriver, path: str) -> None:
    gateway, request = momo.build(endpoint=momo.sandbox.url + path), momo.request()

    gateway.create_checkout(request)

    assert momo.query(request, gateway).status is ReportStatus.PENDING


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"money": Money(999, "VND")}, "22"),
        ({"money": Money(50_000_001, "VND")}, "22"),
        ({"money": Money(0, "VND")}, "21"),
        ({"money": Money(1000, "USD")}, "currency"),
        ({"channel": "linkWallet"}, "channel"),
        ({"notify_url": "https://shop.example.vn/ipn?account=1"}, "20"),
    ],
)
def test_what_momo_cannot_take_is_a_definite_no(momo: MoMoDriver, changes: dict[str, object], code: str) -> None:
    request = momo.request(**changes)

    with pytest.raises(GatewayRejected) as caught:
        momo.gateway.create_checkout(request)

    assert caught.value.code == code
    assert momo.control("GET", f"/payments?order={request.reference}") == {"payments": []}


def test_a_wrong_secret_is_named_as_such_without_repeating_what_was_signed(momo: MoMoDriver) -> None:
    with pytest.raises(GatewayRejected, match=r"20 .*\(signature\)") as caught:
        momo.build(secret_key="wrong").create_checkout(momo.request(description="Geheimnis"))

    assert "Geheimnis" not in json.dumps(caught.value.raw)


def test_an_unknown_partner_is_a_definite_no(momo: MoMoDriver) -> None:
    with pytest.raises(GatewayRejected) as caught:
        momo.build(partner_code="NOBODY").create_checkout(momo.request())

    assert caught.value.code == "13"


@pytest.mark.parametrize("code", [10, 40, 41, 43, 98, 99, 1000, 7000, 7002, 12345])
def test_an_answer_to_create_that_proves_nothing_is_unknown(momo: MoMoDriver, code: int) -> None:
    momo.fault("answer_code", operation="create", code=code)

    with pytest.raises(GatewayUnavailable) as caught:
        momo.gateway.create_checkout(momo.request())

    assert (caught.value.code, caught.value.never_sent) == (str(code), False)


@pytest.mark.parametrize("code", [11, 12, 13, 20, 21, 22, 42, 45, 47, 1007, 2019, 4001])
def test_an_answer_to_create_that_is_a_no_is_a_no(momo: MoMoDriver, code: int) -> None:
    momo.fault("answer_code", operation="create", code=code)

    with pytest.raises(GatewayRejected) as caught:
        momo.gateway.create_checkout(momo.request())

    assert caught.value.code == str(code)


@pytest.mark.parametrize(
    ("code", "by_payer"),
    [(1001, True), (1002, True), (1004, True), (1006, True), (1007, True), (4001, True), (4002, True), (4100, True)]
    + [(code, False) for code in (11, 13, 20, 21, 22, 42, 47, 2019)],
)
def test_a_no_of_the_payers_own_is_told_from_one_of_momos(momo: MoMoDriver, code: int, by_payer: bool) -> None:
    momo.fault("answer_code", operation="create", code=code)

    with pytest.raises(GatewayRejected) as caught:
        momo.gateway.create_checkout(momo.request())

    assert caught.value.by_payer is by_payer


def test_customers_are_sent_to_momos_hosts_only(momo: MoMoDriver) -> None:
    settings = momo.sandbox.app.sandbox.settings
    honest = settings.public_url
    good = ["https://test-payment.momo.vn", "https://momo.vn", honest]
    bad = [
        "https://evilmomo.vn",
        "https://momo.vn.evil.example",
        "http://payment.momo.vn",
        "javascript:alert(1)//momo.vn",
        "",
    ]
    opened = []
    try:
        for settings.public_url in good:
            opened.append(momo.gateway.create_checkout(momo.request()).pay_url)
        for settings.public_url in bad:
            with pytest.raises(GatewayUnavailable, match="payUrl"):
                momo.gateway.create_checkout(momo.request())
    finally:
        settings.public_url = honest

    assert [url.partition("/v2/")[0] for url in opened] == good


def test_a_sandbox_that_is_called_by_a_name_may_show_its_page_on_this_machine(momo: MoMoDriver) -> None:
    name = "127.1"  # resolves to this machine, and is as little a loopback address to us as a container's name
    endpoint = momo.sandbox.url.replace("127.0.0.1", name)

    page = momo.build(endpoint=endpoint, plain_http_hosts=name).create_checkout(momo.request()).pay_url

    assert page.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(("variant", "warnings"), [("created", 0), ("created_short", 0), ("wrong", 1)])
def test_a_signed_answer_is_checked_but_never_required(
    momo: MoMoDriver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variant: str, warnings: int
) -> None:
    plain = Api._created
    keys = {"accessKey": KEYS["access_key"], "secretKey": KEYS["secret_key"]}

    def with_signature(self: Api, payment: Any, fields: Any) -> dict[str, object]:
        answer = plain(self, payment, fields)
        return {**answer, "signature": "0" * 64 if variant == "wrong" else rules.signature(variant, keys, answer)}

    monkeypatch.setattr(Api, "_created", with_signature)
    with caplog.at_level(logging.WARNING, logger="gateways.momo.adapter"):
        checkout = momo.gateway.create_checkout(momo.request())

    assert checkout.pay_url != ""
    assert len(caplog.records) == warnings


# --- hearing ---------------------------------------------------------------------------------------------------------


def test_a_message_signed_with_the_previous_keys_is_heard_during_a_rotation(momo: MoMoDriver) -> None:
    rotated = MoMo(
        partner_code="MOMO", access_key="new", secret_key="new-secret", previous_access_key=KEYS["access_key"],
        previous_secret_key=KEYS["secret_key"],
    )  # fmt: skip
    after = MoMo(partner_code="MOMO", access_key="new", secret_key="new-secret")

    old, new = signed(ipn()), signed(ipn(), secret="new-secret", access="new")

    assert rotated.read_notification(old) == rotated.read_notification(new) == after.read_notification(new)
    with pytest.raises(ReportInvalid):
        after.read_notification(old)


def test_old_and_new_key_do_not_mix(momo: MoMoDriver) -> None:
    rotated = MoMo(
        partner_code="MOMO", access_key="new", secret_key="new-secret", previous_access_key=KEYS["access_key"],
        previous_secret_key=KEYS["secret_key"],
    )  # fmt: skip

    with pytest.raises(ReportInvalid):
        rotated.read_notification(signed(ipn(), secret="new-secret", access=KEYS["access_key"]))


def test_a_truly_signed_message_for_another_partner_code_is_refused() -> None:
    with pytest.raises(ReportInvalid, match="another partnerCode"):
        MoMo(**KEYS).read_notification(signed(ipn(partnerCode="MOMO2")))


def test_a_signature_cannot_be_moved_to_another_order_through_the_description() -> None:
    """The same signed text, split otherwise: pay one order, prove another."""
    honest = ipn(orderId="MINE", orderInfo="a&message=Successful.&orderId=VICTIM&orderInfo=b")
    shifted = ipn(orderId="VICTIM", orderInfo="b", extraData="&message=Successful.&orderId=MINE&orderInfo=a")
    names, access = messages.NOTIFICATION, KEYS["access_key"]
    assert messages.text_to_sign(access, names, honest) == messages.text_to_sign(access, names, shifted)

    for fields in (honest, shifted):
        with pytest.raises(ReportInvalid):
            MoMo(**KEYS).read_notification(signed(fields))


def test_fields_momo_may_leave_out_count_as_empty() -> None:
    fields = ipn(payType="", extraData="", orderInfo="")
    message = signed(fields)
    body = json.loads(message.body)
    del body["extraData"], body["orderInfo"]
    body["payType"] = None

    heard = MoMo(**KEYS).read_notification(HttpMessage(method="POST", path="/", body=json.dumps(body).encode()))

    assert heard == MoMo(**KEYS).read_notification(message)


@pytest.mark.parametrize(
    "field", [b'"amount": 1000', b'"signature": "x"', b'"orderId": "other"', b'"unsigned": 1, "unsigned": 2']
)
def test_a_name_that_occurs_twice_is_refused(field: bytes) -> None:
    body = signed(ipn()).body

    for twice in (b"{" + field + b", " + body[1:], body[:-1] + b", " + field + b"}"):
        with pytest.raises(ReportInvalid):
            MoMo(**KEYS).read_notification(HttpMessage(method="POST", path="/", body=twice))


@pytest.mark.parametrize("fields", [{"transId": 0}, {"amount": 0}])
def test_a_success_without_money_or_its_number_is_unknown(fields: dict[str, object]) -> None:
    (report,) = MoMo(**KEYS).read_notification(signed(ipn(**fields)))

    assert (report.status, report.gateway_transaction_id == "0") == (ReportStatus.UNKNOWN, False)


@pytest.mark.parametrize("value", [True, -1, 1.0, "960000", 10**15, [1]])
@pytest.mark.parametrize("name", ["amount", "transId", "resultCode", "responseTime"])
def test_a_number_of_the_wrong_kind_is_refused_though_truly_signed(name: str, value: object) -> None:
    with pytest.raises(ReportInvalid, match=name):
        MoMo(**KEYS).read_notification(signed(ipn(**{name: value})))


@pytest.mark.parametrize("order_id", ["", "a b", "-a", "a-", "a" * 201, "a\n", "đ", "a" * 100_000 + "!"])
def test_an_order_id_outside_momos_pattern_is_refused_at_once(order_id: str) -> None:
    with pytest.raises(ReportInvalid):
        MoMo(**KEYS).read_notification(signed(ipn(orderId=order_id)))


def test_momo_hears_204_or_why_not() -> None:
    heard = {outcome: MoMo(**KEYS).acknowledge(outcome) for outcome in Acknowledgement}

    assert {outcome: reply.status for outcome, reply in heard.items()} == {
        Acknowledgement.ACCEPTED: 204, Acknowledgement.DUPLICATE: 204, Acknowledgement.UNKNOWN_ORDER: 204,
        Acknowledgement.WRONG_AMOUNT: 204, Acknowledgement.BAD_SIGNATURE: 400, Acknowledgement.ERROR: 503,
    }  # fmt: skip
    assert {reply.body for reply in heard.values()} == {b""}
    assert isinstance(heard[Acknowledgement.ACCEPTED], HttpReply)


# --- codes -----------------------------------------------------------------------------------------------------------

PENDING = {43, 1000, 8000}
UNKNOWN = {10, 11, 12, 13, 20, 21, 22, 40, 41, 42, 45, 47, 99}
ENDED = {0: ReportStatus.PAID, 9000: ReportStatus.AUTHORIZED, 1005: ReportStatus.EXPIRED, 1003: ReportStatus.CANCELLED,
         1017: ReportStatus.CANCELLED, 7000: ReportStatus.PROCESSING, 7002: ReportStatus.PROCESSING}  # fmt: skip


@pytest.mark.parametrize("code", sorted(momo_codes.RESULT_CODES))
def test_only_a_final_code_ends_a_payment(code: int) -> None:
    (report,) = MoMo(**KEYS).read_notification(signed(ipn(resultCode=code)))

    expected = ENDED.get(code, ReportStatus.FAILED)
    if code in PENDING | UNKNOWN:
        expected = ReportStatus.PENDING if code in PENDING else ReportStatus.UNKNOWN
    assert (report.status, report.code) == (expected, str(code))


def test_a_code_outside_the_table_is_unknown() -> None:
    assert MoMo(**KEYS).read_notification(signed(ipn(resultCode=123456)))[0].status is ReportStatus.UNKNOWN
    assert len(momo_codes.RESULT_CODES) == 37


@pytest.mark.parametrize("code", [10, 11, 12, 13, 20, 40, 99, 54321])
def test_a_code_that_says_the_query_failed_leaves_the_payment_unknown(momo: MoMoDriver, code: int) -> None:
    request, _, _ = momo.paid()
    momo.fault("answer_code", operation="query", code=code)

    queried = momo.query(request)

    assert (queried.status, queried.code, queried.money) == (ReportStatus.UNKNOWN, str(code), None)


def test_a_tampered_answer_to_a_query_names_its_own_sum_and_nothing_else_changes(momo: MoMoDriver) -> None:
    request, _, _ = momo.paid()
    momo.fault("tamper", operation="query")

    assert momo.query(request).money == Money(960_001, "VND")


def test_a_lapsed_link_is_expired_in_the_query(momo: MoMoDriver) -> None:
    momo.sandbox.app.sandbox.settings.link_minutes = 0
    request = momo.opened()

    assert momo.query(request).status is ReportStatus.EXPIRED


# --- refunds ---------------------------------------------------------------------------------------------------------


def gateway(momo: MoMoDriver) -> MoMo:
    assert isinstance(momo.gateway, MoMo)
    assert isinstance(momo.gateway, Refunds)
    assert isinstance(momo.gateway, Captures)
    return momo.gateway


@pytest.mark.parametrize("code", [40, 41, 1081])
def test_a_no_that_may_mean_already_done_is_checked_first(momo: MoMoDriver, code: int) -> None:
    request, _, paid = momo.paid()
    refund = momo.refund_of(request, paid, 60_000)
    done = gateway(momo).refund(refund)
    momo.fault("answer_code", operation="refund", code=code)

    again = gateway(momo).refund(refund)

    assert (again.status, again.gateway_transaction_id) == (ReportStatus.PAID, done.gateway_transaction_id)


@pytest.mark.parametrize("code", [40, 41])
def test_a_duplicate_that_is_not_listed_is_unknown(momo: MoMoDriver, code: int) -> None:
    request, _, paid = momo.paid()
    momo.fault("answer_code", operation="refund", code=code)

    with pytest.raises(GatewayUnavailable) as caught:
        gateway(momo).refund(momo.refund_of(request, paid, 60_000))

    assert caught.value.code == str(code)


def test_every_try_of_a_refund_carries_one_request_id_and_refunds_differ(momo: MoMoDriver) -> None:
    request, _, paid = momo.paid()
    refunds = [momo.refund_of(request, paid, 60_000) for _ in range(2)]
    for refund in [*refunds, *refunds]:
        gateway(momo).refund(refund)

    booked = momo.truth(request.reference)["refunds"]

    assert [one["request"] for one in booked] == [f"{refund.reference}-r" for refund in refunds]


def test_a_refund_that_may_work_later_says_when(momo: MoMoDriver) -> None:
    request, _, paid = momo.paid()
    momo.fault("answer_code", operation="refund", code=1080)

    with pytest.raises(GatewayRejected) as caught:
        gateway(momo).refund(momo.refund_of(request, paid, 60_000))

    assert (caught.value.code, caught.value.retry_after_seconds) == ("1080", 3600)


@pytest.mark.parametrize(
    ("code", "error"),
    [(1088, GatewayRejected), (42, GatewayRejected), (99, GatewayUnavailable), (10, GatewayUnavailable)],
)
def test_other_answers_to_a_refund(momo: MoMoDriver, code: int, error: type[Exception]) -> None:
    request, _, paid = momo.paid()
    momo.fault("answer_code", operation="refund", code=code)

    with pytest.raises(error):
        gateway(momo).refund(momo.refund_of(request, paid, 60_000))


@pytest.mark.parametrize("code", [7000, 7002])
def test_pending_codes_of_a_refund_are_pending(code: int) -> None:
    assert momo_codes.refund_status(code) is ReportStatus.PENDING


def test_where_the_refund_query_does_not_know_the_purchase_does(momo: MoMoDriver) -> None:
    request, _, paid = momo.paid()
    refund = momo.refund_of(request, paid, 60_000)
    gateway(momo).refund(refund)
    momo.fault("answer_code", operation="refund_query", code=42)

    assert gateway(momo).query_refund(refund).status is ReportStatus.PAID


def test_where_neither_query_answers_a_refund_stays_unknown(momo: MoMoDriver) -> None:
    request, _, paid = momo.paid()
    refund = momo.refund_of(request, paid, 60_000)
    momo.fault("answer_code", operation="refund_query", code=10)
    assert gateway(momo).query_refund(refund).status is ReportStatus.UNKNOWN

    momo.fault("answer_code", operation="query", code=10)
    assert gateway(momo).query_refund(refund).status is ReportStatus.UNKNOWN


def test_a_refund_of_an_unpaid_order_is_a_definite_no(momo: MoMoDriver) -> None:
    _, _, paid = momo.paid()
    other = momo.opened()

    with pytest.raises(GatewayRejected):
        gateway(momo).refund(momo.refund_of(other, paid, 60_000, gateway_transaction_id="1"))


def test_the_second_of_two_payments_can_be_given_back_whole(momo: MoMoDriver) -> None:
    request, _, _ = momo.paid()
    (message,) = momo.end(request.reference, "pay", "?again=1")
    (second,) = momo.gateway.read_notification(message)

    done = gateway(momo).refund(momo.refund_of(request, second, 960_000))

    assert done.status is ReportStatus.PAID
    (booked,) = momo.truth(request.reference)["refunds"]
    assert str(booked["transaction"]) == second.gateway_transaction_id


# --- authorise first -------------------------------------------------------------------------------------------------


def test_authorised_money_can_be_captured_in_part(momo: MoMoDriver) -> None:
    request, _, held = momo.paid(capture=False)
    assert held.status is ReportStatus.AUTHORIZED

    taken = gateway(momo).capture(
        CaptureRequest(
            reference=request.reference,
            operation_id="op-" + request.reference,
            money=Money(900_000, "VND"),
            created_at=request.created_at,
        )
    )

    assert (taken.status, taken.money, taken.reference) == (ReportStatus.PAID, Money(900_000, "VND"), request.reference)
    queried = momo.query(request)
    assert (queried.status, queried.money, queried.gateway_transaction_id) == (
        ReportStatus.PAID, Money(900_000, "VND"), taken.gateway_transaction_id,
    )  # fmt: skip


def test_authorised_money_can_be_given_free(momo: MoMoDriver) -> None:
    request, _, _ = momo.paid(capture=False)

    given = gateway(momo).cancel_authorization(
        CaptureRequest(
            reference=request.reference,
            operation_id="op-" + request.reference,
            money=request.money,
            created_at=request.created_at,
            description="khách hủy",
        )
    )

    assert (given.status, given.gateway_transaction_id) == (ReportStatus.CANCELLED, "")
    assert momo.query(request).status is ReportStatus.CANCELLED


def test_a_capture_is_not_sent_through_twice(momo: MoMoDriver) -> None:
    request, _, _ = momo.paid(capture=False)
    order = CaptureRequest(
        reference=request.reference,
        operation_id="op-" + request.reference,
        money=request.money,
        created_at=request.created_at,
    )
    gateway(momo).capture(order)

    with pytest.raises(GatewayUnavailable) as again:
        gateway(momo).capture(order)
    with pytest.raises(GatewayRejected) as anew:
        gateway(momo).capture(dataclasses.replace(order, operation_id="other-" + request.reference))

    assert (again.value.code, anew.value.code) == ("40", "47")


# --- settlement ------------------------------------------------------------------------------------------------------


def settled(momo: MoMoDriver, query: str = "") -> list[SettlementLine]:
    """What the adapter reads in the sandbox's file, by the default columns."""
    answer = requests.get(f"{momo.sandbox.url}/control/momo/settlement{query}", timeout=5)
    assert answer.status_code == 200, answer.text
    assert isinstance(momo.gateway, SettlementFiles)
    return list(momo.gateway.read_settlement(answer.content, name="momo.csv").lines)


def figures(lines: list[SettlementLine], *references: str) -> list[tuple[LineKind, str, str, int, int, int]]:
    """Of these references: kind, reference, transaction, gross, fee and net of each line, in the file's order."""
    found = [one for one in lines if one.reference in references]
    assert {one.gross.currency for one in found} <= {"VND"}
    return [
        (one.kind, one.reference, one.gateway_transaction_id, one.gross.minor, one.fee.minor, one.net.minor)
        for one in found
    ]


def test_the_settlement_file_of_the_sandbox_is_what_truly_moved_line_by_line(momo: MoMoDriver) -> None:
    request, _, paid = momo.paid()
    declined, waiting = momo.opened(), momo.opened()
    momo.end(declined.reference, "decline")
    refund, refused = momo.refund_of(request, paid, 60_000), momo.refund_of(request, paid, 900_001)
    number = gateway(momo).refund(refund).gateway_transaction_id
    with pytest.raises(GatewayRejected):
        gateway(momo).refund(refused)
    momo.end(request.reference, "pay", "?again=1")
    second = momo.truth(request.reference)["transactions"][1]

    lines = settled(momo, "?merchant=MOMO")

    ours = (request.reference, refund.reference, refused.reference, declined.reference, waiting.reference)
    assert sorted(figures(lines, *ours), key=lambda one: one[3]) == [
        (LineKind.REFUND, refund.reference, number, -60_000, 0, -60_000),
        *sorted([
            (LineKind.PAYMENT, request.reference, paid.gateway_transaction_id, 960_000, 10_560, 949_440),
            (LineKind.PAYMENT, request.reference, str(second["number"]), 960_000, 10_560, 949_440),
        ], key=lambda one: int(one[2])),
    ]  # fmt: skip
    (first,) = [one for one in lines if one.gateway_transaction_id == paid.gateway_transaction_id]
    assert paid.occurred_at is not None and first.occurred_at == paid.occurred_at.replace(microsecond=0)
    assert figures(settled(momo, "?merchant=MOMOBKUN20180529"), *ours) == []


def test_held_money_is_settled_only_once_it_is_captured_and_then_as_much_as_was(momo: MoMoDriver) -> None:
    request, _, held = momo.paid(capture=False)
    before = figures(settled(momo), request.reference)
    order = CaptureRequest(
        reference=request.reference, operation_id="s-" + request.reference, money=Money(500_000, "VND"),
        created_at=request.created_at,
    )  # fmt: skip
    gateway(momo).capture(order)

    assert before == []
    assert figures(settled(momo), request.reference) == [
        (LineKind.PAYMENT, request.reference, held.gateway_transaction_id, 500_000, 5_500, 494_500)
    ]


def test_the_settlement_file_keeps_to_its_day_and_its_fee(momo: MoMoDriver) -> None:
    request, _, paid = momo.paid()
    assert paid.occurred_at is not None
    day = paid.occurred_at.astimezone(rules.VIETNAM)
    query = f"?day={day:%Y-%m-%d}&fee_basis_points=250"

    (line,) = figures(settled(momo, query), request.reference)

    assert line[3:] == (960_000, 24_000, 936_000)
    assert settled(momo, f"?day={day - timedelta(days=1):%Y-%m-%d}") == []
    for wrong in ("-1", "1.1", "x", "²"):
        answer = requests.get(f"{momo.sandbox.url}/control/momo/settlement?fee_basis_points={wrong}", timeout=5)
        assert answer.status_code == 422


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partner_code": ""}, "partner_code"),
        ({"secret_key": ""}, "secret_key"),
        ({"endpoint": "http://test-payment.momo.vn"}, "https"),
        ({"endpoint": "ftp://127.0.0.1"}, "https"),
        ({"endpoint": "https://payment.momo.vn"}, "published test merchants"),
        ({"request_type": "captureMoMoWallet"}, "request_type"),
        ({"previous_secret_key": "x"}, "belong together"),
    ],
)
def test_settings_that_could_only_fail_later_fail_now(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MoMo(**{**KEYS, **changes})


def test_plain_http_needs_to_be_allowed_by_name() -> None:
    assert MoMo(**KEYS, endpoint="http://sandbox:9500", plain_http_hosts=("sandbox",)).endpoint == "http://sandbox:9500"
