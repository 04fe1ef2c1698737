"""Payouts by Xendit: sent once, found again, ended by the bank, given back; exact sums and nobody's account in the clear."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from config.core import ids
from config.core.money import Money
from gateways.abilities import Confirms, Payouts
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.notifications import HttpMessage
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.requests import PayoutRequest
from gateways.sandbox.state import Payout, World
from gateways.sandbox.xendit import rules
from gateways.sandbox.xendit.payouts import FAILING_ACCOUNTS, WAITING_ACCOUNT
from gateways.xendit import messages
from tests.gateways.drivers.xendit import XenditDriver

ACCOUNT, HOLDER = "0071000123456", "NGUYEN THI HOA"


def payouts(driver: XenditDriver) -> Payouts:
    assert isinstance(driver.gateway, Payouts)
    return driver.gateway


def wanted(driver: XenditDriver, **changes: Any) -> PayoutRequest:
    at = datetime.now(UTC)
    values: dict[str, Any] = {
        "reference": driver.gateway.reference(ids.uuid7_int(), at), "money": Money(960_000, "VND"), "channel": "VN_VCB",
        "account_number": ACCOUNT, "account_holder": HOLDER, "description": "Chợ Hoa Sen, tháng 11", "requested_at": at,
    }  # fmt: skip
    return PayoutRequest(**{**values, **changes})


def sent(driver: XenditDriver, **changes: Any) -> PayoutRequest:
    """A payout that Xendit has, and what it is called there."""
    request = wanted(driver, **changes)
    report = payouts(driver).create_payout(request)
    assert driver.sandbox.drain()
    return dataclasses.replace(request, gateway_payout_id=report.gateway_transaction_id)


def truth(driver: XenditDriver, request: PayoutRequest) -> list[dict[str, Any]]:
    """What Xendit truly has by a reference."""
    known = driver.control("GET", "/xendit/payouts")["payouts"]
    return [one for one in known if one["order"] == request.reference]


def step(driver: XenditDriver, request: PayoutRequest, name: str) -> HttpMessage | None:
    """Let the bank do this; the webhook that came of it."""
    before = len(driver.inbox.messages)
    driver.control("POST", f"/xendit/payouts/{request.reference}/{name}")
    assert driver.sandbox.drain()
    return next(iter(driver.inbox.messages[before:]), None)


# --- sending ---------------------------------------------------------------------------------------------------------
def test_a_payout_is_taken_over_and_arrives(xendit: XenditDriver) -> None:
    request = wanted(xendit)

    taken = payouts(xendit).create_payout(request)
    assert xendit.sandbox.drain()
    arrived = payouts(xendit).query_payout(request)

    (one,) = truth(xendit, request)
    assert (taken.about, taken.status, taken.code) == (ReportAbout.PAYOUT, ReportStatus.PENDING, "ACCEPTED")
    assert (arrived.about, arrived.status, arrived.code) == (ReportAbout.PAYOUT, ReportStatus.PAID, "SUCCEEDED")
    for report in (taken, arrived):
        assert (report.reference, report.money) == (request.reference, request.money)
        assert report.gateway_transaction_id == f"disb-{one['number']:024x}"
    assert (one["key"], one["channel"], one["amount"], one["currency"]) == (request.reference, "VN_VCB", 960_000, "VND")
    assert (one["account_number"], one["account_holder"]) == (ACCOUNT, HOLDER)
    assert one["description"] == "Chợ Hoa Sen, tháng 11"


@pytest.mark.parametrize(
    ("money", "channel", "written"),
    [
        (Money(1_000_000, "IDR"), "ID_BCA", '"amount":10000,'),
        (Money(960_000, "VND"), "VN_VCB", '"amount":960000,'),
        (Money(150_050, "PHP"), "PH_BDO", '"amount":1500.50,'),
        (Money(1, "PHP"), "PH_GCASH", '"amount":0.01,'),
        (Money(10**12 - 1, "PHP"), "PH_BPI", '"amount":9999999999.99,'),
    ],
)
def test_a_payouts_amount_is_exact_both_ways(xendit: XenditDriver, money: Money, channel: str, written: str) -> None:
    request = sent(xendit, money=money, channel=channel)

    (message,) = xendit.inbox.messages
    (one,) = truth(xendit, request)
    assert (one["amount"], one["currency"]) == (money.minor, money.currency)
    assert written.encode() in message.body
    assert payouts(xendit).query_payout(request).money == money


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"money": Money(1_000_050, "IDR"), "channel": "ID_BCA"}, "amount_precision"),
        ({"money": Money(1_000, "USD")}, "currency"),
        ({"money": Money(999_900, "IDR"), "channel": "ID_BCA"}, "RECIPIENT_AMOUNT_ERROR"),
        ({"money": Money(0, "VND")}, "RECIPIENT_AMOUNT_ERROR"),
        ({"money": Money(10**10 + 1, "VND")}, "MAXIMUM_TRANSFER_LIMIT_ERROR"),
        ({"channel": "VN_NOWHERE"}, "CHANNEL_CODE_NOT_SUPPORTED_ERROR"),
        ({"channel": "ID_BCA"}, "CHANNEL_CODE_NOT_SUPPORTED_ERROR"),
        ({"account_number": "12"}, "RECIPIENT_ACCOUNT_NUMBER_ERROR"),
        ({"account_holder": ""}, "API_VALIDATION_ERROR"),
    ],
)
def test_what_xendit_cannot_send_is_a_definite_no(xendit: XenditDriver, changes: dict[str, Any], code: str) -> None:
    request = wanted(xendit, **changes)

    with pytest.raises(GatewayRejected) as caught:
        payouts(xendit).create_payout(request)

    assert caught.value.code == code
    assert truth(xendit, request) == []
    assert payouts(xendit).query_payout(request).status is ReportStatus.NOT_FOUND


def test_a_key_that_is_not_xendits_is_a_definite_no(xendit: XenditDriver) -> None:
    stranger = xendit.build(secret_key=xendit.wrong_secret("secret_key"))
    request = wanted(xendit)
    assert isinstance(stranger, Payouts)

    with pytest.raises(GatewayRejected) as caught:
        stranger.create_payout(request)
    with pytest.raises(GatewayUnavailable):
        stranger.query_payout(request)

    assert caught.value.code == "INVALID_API_KEY"
    assert truth(xendit, request) == []


# --- sent twice, and silence -----------------------------------------------------------------------------------------
def test_the_same_payout_sent_again_moves_no_money_twice(xendit: XenditDriver) -> None:
    request = wanted(xendit)

    first = payouts(xendit).create_payout(request)
    second = payouts(xendit).create_payout(request)

    assert second == first
    assert len(truth(xendit, request)) == 1
    assert xendit.sandbox.drain()
    assert len(xendit.inbox.messages) == 1


def test_another_payout_under_a_used_reference_is_unknown_and_changes_nothing(xendit: XenditDriver) -> None:
    request = sent(xendit)

    with pytest.raises(GatewayUnavailable) as caught:
        payouts(xendit).create_payout(dataclasses.replace(request, money=Money(1_000_000, "VND")))

    assert caught.value.code == "DUPLICATE_ERROR"
    assert [one["amount"] for one in truth(xendit, request)] == [960_000]


def test_a_payout_without_an_answer_is_unknown_and_then_found_by_its_reference(xendit: XenditDriver) -> None:
    xendit.fault("accept_then_timeout", operation="payout", seconds=0.7)
    hasty = xendit.build(timeout_seconds=0.3)
    request = wanted(xendit)
    assert isinstance(hasty, Payouts)

    with pytest.raises(GatewayUnavailable) as caught:
        hasty.create_payout(request)
    found = payouts(xendit).query_payout(request)

    assert caught.value.never_sent is False
    assert (found.status, found.money) == (ReportStatus.PAID, request.money)
    assert payouts(xendit).create_payout(request).gateway_transaction_id == found.gateway_transaction_id
    assert len(truth(xendit, request)) == 1


@pytest.mark.parametrize("fault", ["error_500", "html_200"])
def test_a_payout_that_never_arrived_is_unknown_and_then_surely_not_there(xendit: XenditDriver, fault: str) -> None:
    xendit.fault(fault, operation="payout")
    request = wanted(xendit)

    with pytest.raises(GatewayUnavailable):
        payouts(xendit).create_payout(request)

    nothing = payouts(xendit).query_payout(request)
    assert (nothing.about, nothing.status, nothing.money) == (ReportAbout.PAYOUT, ReportStatus.NOT_FOUND, None)


def test_an_answer_about_another_sum_is_unknown(xendit: XenditDriver) -> None:
    xendit.fault("tamper", operation="payout")

    with pytest.raises(GatewayUnavailable) as caught:
        payouts(xendit).create_payout(wanted(xendit))

    assert caught.value.code == "echo"


@pytest.mark.parametrize("name", ["RATE_LIMIT_EXCEEDED", "TEMPORARILY_UNAVAILABLE", "DUPLICATE_ERROR"])
def test_a_refusal_that_proves_nothing_leaves_a_payout_unknown(xendit: XenditDriver, name: str) -> None:
    code = rules.number_of_error(name)
    xendit.fault("answer_code", operation="payout", code=code)
    xendit.fault("answer_code", operation="payout_query", code=code)
    request = wanted(xendit)

    with pytest.raises(GatewayUnavailable):
        payouts(xendit).create_payout(request)
    with pytest.raises(GatewayUnavailable):
        payouts(xendit).query_payout(request)


def test_a_payout_that_xendit_told_us_of_and_does_not_know_is_no_end(xendit: XenditDriver) -> None:
    request = sent(xendit)
    stranger = xendit.build(**xendit.somebody_else())
    assert isinstance(stranger, Payouts)

    assert stranger.query_payout(request).status is ReportStatus.UNKNOWN
    assert stranger.query_payout(dataclasses.replace(request, gateway_payout_id="")).status is ReportStatus.NOT_FOUND


# --- how it ends -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("account", "failure"), FAILING_ACCOUNTS.items())
def test_a_bank_that_says_no_fails_the_payout_and_says_why(xendit: XenditDriver, account: str, failure: str) -> None:
    request = sent(xendit, account_number=account)

    (message,) = xendit.inbox.messages
    heard, asked = xendit.heard(message), payouts(xendit).query_payout(request)

    assert (heard.about, heard.status, heard.code) == (ReportAbout.PAYOUT, ReportStatus.FAILED, failure)
    assert heard == asked


def test_a_payout_waits_until_its_bank_has_decided(xendit: XenditDriver) -> None:
    request = sent(xendit, account_number=WAITING_ACCOUNT)

    told = [payouts(xendit).query_payout(request)]
    assert step(xendit, request, "request") is None
    told.append(payouts(xendit).query_payout(request))
    assert step(xendit, request, "succeed") is not None
    told.append(payouts(xendit).query_payout(request))

    assert [one.status for one in told] == [ReportStatus.PENDING, ReportStatus.PROCESSING, ReportStatus.PAID]


def test_a_payout_that_was_cancelled_has_ended(xendit: XenditDriver) -> None:
    request = sent(xendit, account_number=WAITING_ACCOUNT)

    step(xendit, request, "cancel")

    assert payouts(xendit).query_payout(request).status is ReportStatus.CANCELLED


def test_money_that_comes_back_after_it_arrived_fails_the_payout(xendit: XenditDriver) -> None:
    request = sent(xendit)
    (arrived,) = xendit.inbox.messages

    message = step(xendit, request, "reverse")

    assert message is not None and xendit.fields(message)["event"] == "payout.reversed"
    for report in (xendit.heard(message), payouts(xendit).query_payout(request), xendit.heard(arrived)):
        assert (report.about, report.status, report.code) == (ReportAbout.PAYOUT, ReportStatus.FAILED, "REVERSED")
        assert (report.money, report.gateway_transaction_id) == (request.money, request.gateway_payout_id)


def test_the_sandbox_lets_a_bank_do_only_what_it_can(xendit: XenditDriver) -> None:
    request = sent(xendit)

    statuses = [
        requests.post(f"{xendit.sandbox.url}/control/xendit/payouts/{path}", timeout=5).status_code
        for path in (f"{request.reference}/fail", f"{request.reference}/cancel", f"{request.reference}/x", "none/fail")
    ]

    assert statuses == [409, 409, 404, 404]
    assert [one["status"] for one in truth(xendit, request)] == ["SUCCEEDED"]


# --- hearing ---------------------------------------------------------------------------------------------------------
def test_a_webhook_is_a_hint_and_the_api_is_believed(xendit: XenditDriver) -> None:
    request = sent(xendit)
    (message,) = xendit.inbox.messages
    fields = xendit.fields(message)

    (hint,) = xendit.gateway.read_notification(message)
    true = xendit.heard(message)

    assert isinstance(hint, Report) and hint.about is ReportAbout.PAYOUT
    assert fields["event"] == "payout.succeeded"
    assert (true.status, true.reference, true.money) == (ReportStatus.PAID, request.reference, request.money)
    for changes in ({"amount": 1}, {"status": "FAILED"}, {"reference_id": "0" * 26}, {"currency": "USD"}):
        changed = xendit.with_fields(message, {**fields, "data": {**fields["data"], **changes}})
        assert xendit.heard(changed) == true
    made_up = xendit.with_fields(message, {**fields, "data": {**fields["data"], "id": "disb-" + "f" * 24}})
    assert (xendit.heard(made_up).status, xendit.heard(made_up).about) == (ReportStatus.UNKNOWN, ReportAbout.PAYOUT)


def test_a_webhook_with_another_token_is_refused(xendit: XenditDriver) -> None:
    sent(xendit)
    (message,) = xendit.inbox.messages

    with pytest.raises(ReportInvalid):
        xendit.gateway.read_notification(xendit.with_signature(message, "wrong"))


def test_a_webhook_that_cannot_be_asked_about_waits(xendit: XenditDriver) -> None:
    sent(xendit)
    (message,) = xendit.inbox.messages
    (hint,) = xendit.gateway.read_notification(message)
    xendit.fault("error_500", scope="operation", operation="payout_query")
    assert isinstance(xendit.gateway, Confirms) and isinstance(hint, Report)

    with pytest.raises(GatewayUnavailable):
        xendit.gateway.confirm(hint)


@pytest.mark.parametrize(
    "changes", [{"status": "DONE"}, {"id": ""}, {"id": "../refunds"}, {"amount": "x"}, {"currency": "XXX"}]
)
def test_a_payout_without_its_number_or_amount_is_unknown(changes: dict[str, Any]) -> None:
    data = {"id": "disb-1", "status": "SUCCEEDED", "amount": 1, "currency": "VND", "reference_id": "r", **changes}

    assert messages.payout_report(data).status is ReportStatus.UNKNOWN


# --- secrecy ---------------------------------------------------------------------------------------------------------
def test_nobodys_account_is_in_what_we_keep_or_print(xendit: XenditDriver) -> None:
    request = sent(xendit)
    (message,) = xendit.inbox.messages
    report = payouts(xendit).query_payout(request)
    (hint,) = xendit.gateway.read_notification(message)
    with pytest.raises(GatewayUnavailable) as caught:
        payouts(xendit).create_payout(dataclasses.replace(request, account_holder="SOMEBODY ELSE"))

    kept = [repr(request), repr(report), repr(hint), json.dumps(report.raw), repr(caught.value), repr(caught.value.raw)]

    assert [word for word in (ACCOUNT, ACCOUNT[:-4], "HOA", "SOMEBODY") for text in kept if word in text] == []
    assert report.raw["account_number"] == "****3456"


def test_a_short_account_number_is_masked_whole() -> None:
    data = {"id": "disb-1", "channel_properties": {"account_number": "98018521"}, "amount": Decimal("1.5")}

    raw = messages.payout_report(data).raw
    assert (raw["account_number"], raw["amount"]) == ("****", "1.5")


# --- the sandbox's memory --------------------------------------------------------------------------------------------
def test_a_sandbox_that_was_started_again_knows_its_payouts(tmp_path: Path) -> None:
    made = Payout(
        provider="xendit", merchant="m", order="r", key="k", amount=1, currency="VND", channel="VN_VCB", number=10**15,
        account_number=ACCOUNT, account_holder=HOLDER, description="", created_ms=1, changed_ms=1, status="ACCEPTED",
    )  # fmt: skip
    first = World(tmp_path / "world")
    first.keep(made)
    first.close()

    second = World(tmp_path / "world")
    second.close()

    assert second.payouts == {("xendit", "m", "k"): made}
    assert second.next_number() == 10**15 + 1
