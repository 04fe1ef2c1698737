"""What every gateway owes us, over real HTTP against its fake provider."""

from __future__ import annotations

import dataclasses
import json
import socket

import pytest
import requests

from config.core import ids
from config.core.money import Money
from gateways import registry
from gateways.base import (
    Acknowledgement,
    Gateway,
    GatewayRejected,
    GatewayUnavailable,
    HttpMessage,
    Refunds,
    ReportAbout,
    ReportInvalid,
    ReportStatus,
)
from tests.gateways.merchant import DRIVERS, Driver


def test_every_gateway_that_notifies_has_a_driver_here() -> None:
    assert sorted(DRIVERS) == sorted(code for code, adapter in registry.GATEWAYS.items() if adapter.notifies)


# --- paying ----------------------------------------------------------------------------------------------------------


def test_a_checkout_leads_to_a_page_where_the_sum_can_be_paid(driver: Driver) -> None:
    checkout = driver.gateway.create_checkout(driver.request())

    page = requests.get(checkout.pay_url, timeout=5)

    assert page.status_code == 200
    assert "960.000 ₫" in page.text


def test_notification_return_and_query_tell_one_truth(driver: Driver) -> None:
    request = driver.request()
    checkout = driver.gateway.create_checkout(request)

    returned = driver.gateway.read_return(driver.returned(checkout.pay_url, "pay"))
    assert driver.sandbox.drain()
    (message,) = driver.inbox.messages
    (notified,) = driver.gateway.read_notification(message)
    queried = driver.gateway.query(request.reference, created_at=request.created_at)

    told = {
        (one.reference, one.status, one.about, one.money, one.gateway_transaction_id, one.occurred_at)
        for one in (returned, notified, queried)
    }
    (transaction,) = driver.truth(request.reference)["transactions"]
    assert len(told) == 1
    assert notified.status is ReportStatus.PAID
    assert notified.about is ReportAbout.PAYMENT
    assert notified.reference == request.reference
    assert notified.money == driver.money
    assert notified.gateway_transaction_id == str(transaction["number"])


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("decline", ReportStatus.FAILED), ("insufficient", ReportStatus.FAILED), ("expire", ReportStatus.EXPIRED)],
)
def test_what_was_not_paid_is_told_without_a_transaction(driver: Driver, outcome: str, status: ReportStatus) -> None:
    request = driver.opened()

    (message,) = driver.end(request.reference, outcome)
    (notified,) = driver.gateway.read_notification(message)
    queried = driver.gateway.query(request.reference, created_at=request.created_at)

    assert (notified.status, queried.status) == (status, status)
    assert (notified.gateway_transaction_id, queried.gateway_transaction_id) == ("", "")


def test_an_open_payment_is_pending_and_an_unheard_of_one_not_found(driver: Driver) -> None:
    request = driver.opened()
    unheard_of = driver.gateway.reference(ids.uuid7_int(), request.created_at)

    assert driver.gateway.query(request.reference, created_at=request.created_at).status is ReportStatus.PENDING
    assert driver.gateway.query(unheard_of, created_at=request.created_at).status is ReportStatus.NOT_FOUND


def test_a_query_can_be_asked_again_and_again(driver: Driver) -> None:
    request, _, paid = driver.paid()

    answers = [driver.gateway.query(request.reference, created_at=request.created_at) for _ in range(3)]

    assert [one.gateway_transaction_id for one in answers] == [paid.gateway_transaction_id] * 3


def test_a_second_real_payment_has_a_transaction_of_its_own(driver: Driver) -> None:
    request, _, first = driver.paid()

    (message,) = driver.end(request.reference, "pay", "?again=1")
    (second,) = driver.gateway.read_notification(message)

    assert (second.status, second.reference) == (ReportStatus.PAID, first.reference)
    assert second.gateway_transaction_id != first.gateway_transaction_id
    assert len(driver.truth(request.reference)["transactions"]) == 2


def test_money_that_comes_after_the_link_expired_is_still_money(driver: Driver) -> None:
    request = driver.opened()
    driver.end(request.reference, "expire")

    (message,) = driver.end(request.reference, "pay", "?again=1")

    assert driver.gateway.read_notification(message)[0].status is ReportStatus.PAID


def test_another_sum_than_asked_for_is_told_as_it_was_paid(driver: Driver) -> None:
    request = driver.opened()
    driver.fault("wrong_amount", scope="order", order=request.reference, amount=5000)

    (message,) = driver.end(request.reference, "pay")
    (notified,) = driver.gateway.read_notification(message)

    assert notified.money == Money(5000, driver.money.currency)
    assert driver.gateway.query(request.reference, created_at=request.created_at).money == notified.money


# --- hearing ---------------------------------------------------------------------------------------------------------


def test_each_signed_field_is_guarded(driver: Driver) -> None:
    _, message, _ = driver.paid()
    fields = driver.fields(message)

    for name in driver.signed:
        value = fields[name]
        changed = value + 1 if isinstance(value, int) else f"{value}x"
        with pytest.raises(ReportInvalid):
            driver.gateway.read_notification(driver.with_fields(message, {**fields, name: changed}))


def test_a_signed_field_cannot_be_left_out(driver: Driver) -> None:
    _, message, _ = driver.paid()
    fields = driver.fields(message)

    for name in driver.signed:
        if fields[name] != "":
            rest = {key: value for key, value in fields.items() if key != name}
            with pytest.raises(ReportInvalid):
                driver.gateway.read_notification(driver.with_fields(message, rest))


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "truncated", "upper case", "longer", "number", "null", "list", "not ascii"]
)
def test_a_damaged_signature_is_refused(driver: Driver, damage: str) -> None:
    _, message, _ = driver.paid()
    fields = driver.fields(message)
    good = fields.pop(driver.signature)
    bad = {
        "empty": "", "truncated": good[:-1], "upper case": good.upper(), "longer": good + "0", "number": 1, "null": None,
        "list": [good], "not ascii": good[:-1] + "ế",
    }  # fmt: skip
    if damage in bad:
        fields[driver.signature] = bad[damage]

    with pytest.raises(ReportInvalid):
        driver.gateway.read_notification(driver.with_fields(message, fields))


def test_unsigned_fields_change_nothing(driver: Driver) -> None:
    _, message, report = driver.paid()
    fields = driver.fields(message)

    for name, value in driver.unsigned.items():
        assert driver.gateway.read_notification(driver.with_fields(message, {**fields, name: value})) == (report,)


def test_a_replay_reads_the_same(driver: Driver) -> None:
    driver.fault("duplicate", copies=2)
    request = driver.opened()

    messages = driver.end(request.reference, "pay")

    reports = [driver.gateway.read_notification(message)[0] for message in messages]
    assert len({message.body for message in messages}) == 1
    assert reports == [reports[0]] * 3


def test_another_merchants_notification_is_refused(driver: Driver) -> None:
    _, message, _ = driver.paid()

    with pytest.raises(ReportInvalid):
        driver.build(**driver.somebody_else()).read_notification(message)


def test_another_merchants_return_is_refused(driver: Driver) -> None:
    checkout = driver.gateway.create_checkout(driver.request())
    returned = driver.returned(checkout.pay_url, "pay")

    with pytest.raises(ReportInvalid):
        driver.build(**driver.somebody_else()).read_return(returned)


def test_a_forged_success_is_refused_and_the_true_failure_heard(driver: Driver) -> None:
    driver.fault("forged")
    request = driver.opened()

    forged, true = driver.end(request.reference, "decline")

    with pytest.raises(ReportInvalid):
        driver.gateway.read_notification(forged)
    assert driver.gateway.read_notification(true)[0].status is ReportStatus.FAILED


def test_a_tampered_notification_is_refused_and_the_query_tells(driver: Driver) -> None:
    driver.fault("tamper")
    request = driver.opened()

    (message,) = driver.end(request.reference, "pay")

    with pytest.raises(ReportInvalid):
        driver.gateway.read_notification(message)
    assert driver.gateway.query(request.reference, created_at=request.created_at).money == driver.money


def test_a_lost_notification_is_made_good_by_the_query(driver: Driver) -> None:
    driver.fault("lost_ipn")
    request = driver.opened()

    assert driver.end(request.reference, "pay") == []
    assert driver.gateway.query(request.reference, created_at=request.created_at).status is ReportStatus.PAID


def test_an_older_message_may_come_last(driver: Driver) -> None:
    driver.fault("out_of_order")
    request = driver.opened()

    messages = driver.end(request.reference, "pay")
    reports = [driver.gateway.read_notification(message)[0] for message in messages]

    assert [one.status for one in reports] == [ReportStatus.PAID, ReportStatus.PENDING]
    assert reports[1].occurred_at is not None and reports[0].occurred_at is not None
    assert reports[1].occurred_at < reports[0].occurred_at


def test_a_notification_may_come_while_the_create_call_still_waits(driver: Driver) -> None:
    driver.fault("ipn_before_reply")
    request = driver.opened()

    (message,) = driver.inbox.messages

    assert driver.gateway.read_notification(message)[0].reference == request.reference


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"{" * 5000, b'{"a":NaN}', b"<html>", b'"text"']
)
def test_rubbish_is_refused(driver: Driver, body: bytes) -> None:
    with pytest.raises(ReportInvalid):
        driver.gateway.read_notification(HttpMessage(method="POST", path="/", body=body))


@pytest.mark.parametrize("query", ["", "a=b", "signature=", "%ff=%fe", "&&&", "amount=1&amount=2", "x=1&" * 500])
def test_a_rubbish_return_is_refused(driver: Driver, query: str) -> None:
    with pytest.raises(ReportInvalid):
        driver.gateway.read_return(HttpMessage(method="GET", path="/", query=query))


def test_a_good_answer_ends_the_providers_tries(driver: Driver) -> None:
    driver.inbox.reply = lambda message: driver.gateway.acknowledge(Acknowledgement.ACCEPTED)
    request = driver.opened()

    assert len(driver.end(request.reference, "pay")) == 1


def test_after_an_error_of_ours_the_provider_comes_again(driver: Driver) -> None:
    driver.inbox.reply = lambda message: driver.gateway.acknowledge(
        Acknowledgement.ACCEPTED if len(driver.inbox.messages) > 2 else Acknowledgement.ERROR
    )
    request = driver.opened()

    messages = driver.end(request.reference, "pay")

    assert len(messages) == 3
    assert len({message.body for message in messages}) == 1


def test_a_duplicate_hears_the_same_words_as_the_first(driver: Driver) -> None:
    first, again = (driver.gateway.acknowledge(one) for one in (Acknowledgement.ACCEPTED, Acknowledgement.DUPLICATE))

    assert first.status < 300
    assert first.status == again.status


# --- when the gateway does not answer --------------------------------------------------------------------------------


def test_a_create_that_was_accepted_and_never_answered_is_unknown_and_findable(driver: Driver) -> None:
    hasty = driver.build(timeout_seconds=0.3)
    driver.fault("accept_then_timeout", operation="create", seconds=1)
    request = driver.request()

    with pytest.raises(GatewayUnavailable) as caught:
        hasty.create_checkout(request)

    assert (caught.value.never_sent, caught.value.code) == (False, "timed_out")
    assert driver.gateway.query(request.reference, created_at=request.created_at).status is ReportStatus.PENDING


@pytest.mark.parametrize(
    ("fault", "known"),
    [
        ("error_500", ReportStatus.NOT_FOUND),
        ("error_500_after_accept", ReportStatus.PENDING),
        ("html_200", ReportStatus.NOT_FOUND),
    ],
)
def test_a_create_that_got_no_usable_answer_is_unknown(driver: Driver, fault: str, known: ReportStatus) -> None:
    driver.fault(fault, operation="create")
    request = driver.request()

    with pytest.raises(GatewayUnavailable) as caught:
        driver.gateway.create_checkout(request)

    assert caught.value.never_sent is False
    assert driver.gateway.query(request.reference, created_at=request.created_at).status is known


def test_a_tampered_answer_to_create_is_not_believed(driver: Driver) -> None:
    driver.fault("tamper", operation="create")

    with pytest.raises(GatewayUnavailable) as caught:
        driver.gateway.create_checkout(driver.request())

    assert caught.value.never_sent is False


def test_a_create_sent_twice_opens_one_payment_and_the_second_is_unknown(driver: Driver) -> None:
    request = driver.opened()

    with pytest.raises(GatewayUnavailable) as caught:
        driver.gateway.create_checkout(request)

    assert caught.value.never_sent is False
    assert len(driver.control("GET", f"/payments?order={request.reference}")["payments"]) == 1


def test_a_refused_connection_never_sent_anything(driver: Driver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = driver.build(endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")

        with pytest.raises(GatewayUnavailable) as caught:
            nobody.create_checkout(driver.request())

    assert (caught.value.never_sent, caught.value.code) == (True, "never_sent")


def test_a_query_goes_on_through_a_passing_fault(driver: Driver) -> None:
    request, _, _ = driver.paid()
    driver.fault("error_500", operation="query", scope="next")
    driver.fault("html_200", operation="query", scope="next")

    assert driver.gateway.query(request.reference, created_at=request.created_at).status is ReportStatus.PAID


def test_a_query_that_stays_without_answer_raises_and_never_guesses(driver: Driver) -> None:
    request, _, _ = driver.paid()
    driver.fault("error_500", scope="operation", operation="query")

    with pytest.raises(GatewayUnavailable):
        driver.gateway.query(request.reference, created_at=request.created_at)

    assert len([one for one in _faults(driver) if one["order"] == request.reference]) == 3


def _faults(driver: Driver) -> list[dict[str, object]]:
    log: list[dict[str, object]] = driver.control("GET", "/log?event=fault")["log"]
    return log


# --- refunds ---------------------------------------------------------------------------------------------------------


def _refunds(gateway: Gateway) -> Refunds:
    assert isinstance(gateway, Refunds)
    return gateway


def test_a_refund_sent_twice_moves_money_once(driver: Driver) -> None:
    request, _, paid = driver.paid()
    refund = driver.refund_of(request, paid, 60_000)

    first, again = _refunds(driver.gateway).refund(refund), _refunds(driver.gateway).refund(refund)

    assert (first.status, first.about, first.money) == (ReportStatus.PAID, ReportAbout.REFUND, Money(60_000, "VND"))
    assert first.reference == refund.reference
    assert again.gateway_transaction_id == first.gateway_transaction_id
    assert [one["amount"] for one in driver.truth(request.reference)["refunds"]] == [60_000]


def test_partial_refunds_go_up_to_the_sum_and_no_further(driver: Driver) -> None:
    request, _, paid = driver.paid()
    gateway = _refunds(driver.gateway)

    statuses = [gateway.refund(driver.refund_of(request, paid, minor)).status for minor in (900_000, 59_000, 1_000)]
    with pytest.raises(GatewayRejected):
        gateway.refund(driver.refund_of(request, paid, 1_000))

    assert statuses == [ReportStatus.PAID] * 3
    moved = [one["amount"] for one in driver.truth(request.reference)["refunds"] if one["stage"] == "paid"]
    assert sum(moved) == 960_000


def test_a_refund_of_more_than_was_paid_is_a_definite_no(driver: Driver) -> None:
    request, _, paid = driver.paid()

    with pytest.raises(GatewayRejected) as caught:
        _refunds(driver.gateway).refund(driver.refund_of(request, paid, 961_000))

    assert caught.value.retry_after_seconds == 0
    assert [one for one in driver.truth(request.reference)["refunds"] if one["stage"] == "paid"] == []


def test_a_refund_that_was_accepted_and_never_answered_is_found_by_its_query(driver: Driver) -> None:
    request, _, paid = driver.paid()
    refund = driver.refund_of(request, paid, 60_000)
    hasty = _refunds(driver.build(timeout_seconds=0.3))
    driver.fault("accept_then_timeout", operation="refund", seconds=1)

    with pytest.raises(GatewayUnavailable) as caught:
        hasty.refund(refund)
    found = _refunds(driver.gateway).query_refund(refund)
    again = _refunds(driver.gateway).refund(refund)

    assert caught.value.never_sent is False
    assert (found.status, found.reference, found.money) == (ReportStatus.PAID, refund.reference, refund.money)
    assert again.gateway_transaction_id == found.gateway_transaction_id
    assert len(driver.truth(request.reference)["refunds"]) == 1


def test_a_refund_that_never_arrived_is_surely_not_found(driver: Driver) -> None:
    request, _, paid = driver.paid()
    refund = driver.refund_of(request, paid, 60_000)
    driver.fault("error_500", operation="refund")

    with pytest.raises(GatewayUnavailable):
        _refunds(driver.gateway).refund(refund)

    assert _refunds(driver.gateway).query_refund(refund).status is ReportStatus.NOT_FOUND


def test_a_slow_refund_is_pending_and_then_done(driver: Driver) -> None:
    request, _, paid = driver.paid()
    refund = driver.refund_of(request, paid, 60_000)
    driver.fault("refund_pending", seconds=0.2)

    first = _refunds(driver.gateway).refund(refund)
    again = _refunds(driver.gateway).refund(refund)
    driver.sandbox.app.stopping.wait(0.25)
    later = _refunds(driver.gateway).query_refund(refund)

    assert (first.status, again.status, later.status) == (ReportStatus.PENDING, ReportStatus.PENDING, ReportStatus.PAID)


def test_a_query_of_the_payment_lists_its_refunds(driver: Driver) -> None:
    request, _, paid = driver.paid()
    refund = driver.refund_of(request, paid, 60_000)
    _refunds(driver.gateway).refund(refund)

    queried = driver.gateway.query(request.reference, created_at=request.created_at)

    assert queried.status is ReportStatus.PAID
    assert [(one.reference, one.status, one.money, one.about) for one in queried.refunds] == [
        (refund.reference, ReportStatus.PAID, Money(60_000, "VND"), ReportAbout.REFUND)
    ]


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_no_secret_shows_in_what_is_printed_stored_or_raised(driver: Driver) -> None:
    secrets = [str(driver.settings()[name]) for name in driver.gateway.secret_fields if name in driver.settings()]
    request = driver.request()
    checkout = driver.gateway.create_checkout(request)
    (message,) = driver.end(request.reference, "pay")
    (report,) = driver.gateway.read_notification(message)
    wrong = driver.build(**{name: "wrong" for name in driver.gateway.secret_fields if name in driver.settings()})
    with pytest.raises(GatewayRejected) as caught:
        wrong.create_checkout(driver.request())

    kept = [
        repr(driver.gateway),
        json.dumps([checkout.request, checkout.response, report.raw]),
        str(caught.value),
        str(caught.value.raw),
    ]
    assert len(secrets) >= 1
    assert [secret for secret in secrets for text in kept if secret in text] == []
    assert driver.fields(message)[driver.signature] not in json.dumps(report.raw)


def test_an_adapter_is_frozen(driver: Driver) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(driver.gateway, dataclasses.fields(driver.gateway)[0].name, "other")  # type: ignore[arg-type]
