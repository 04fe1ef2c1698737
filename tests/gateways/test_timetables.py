"""Each faked provider brings a message again as its own document says, many times faster, and then no more."""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateways.notifications import HttpMessage, HttpReply
from gateways.sandbox.server import PROVIDERS, RunningSandbox, start
from gateways.sandbox.stripe.rules import signed_header
from gateways.sandbox.stripe.simulator import LIVE
from gateways.sandbox.vnpay.simulator import VNPay
from tests.gateways.driver import Driver, Inbox
from tests.gateways.drivers.fiuu import FiuuDriver
from tests.gateways.drivers.momo import MoMoDriver
from tests.gateways.drivers.stripe import StripeDriver
from tests.gateways.drivers.vnpay import VNPayDriver
from tests.gateways.drivers.xendit import XenditDriver
from tests.gateways.drivers.zalopay import ZaloPayDriver

MINUTES, HOURS = 60, 3600
QUICK = 100_000_000.0
"""Xendit's day passes in a thousandth of a second."""
PAUSES: dict[type[Driver], list[float]] = {
    MoMoDriver: [],
    VNPayDriver: [5 * MINUTES] * 9,
    FiuuDriver: [15 * MINUTES] * 3,
    ZaloPayDriver: [5 * MINUTES] * 3,
    XenditDriver: [15 * MINUTES, 45 * MINUTES, 2 * HOURS, 3 * HOURS, 6 * HOURS, 12 * HOURS],
    StripeDriver: [0.5 * HOURS, 1 * HOURS, 2 * HOURS],
}
"""As the providers' documents tell them; where they do not, the simulator says so."""


@pytest.fixture(scope="module")
def running_sandbox() -> Iterator[RunningSandbox]:
    """The providers with their own timetables."""
    running = start(pace=QUICK)
    yield running
    running.stop()


@pytest.fixture
def provider(request: pytest.FixtureRequest, sandbox: RunningSandbox, inbox: Inbox) -> Iterator[Driver]:
    """The gateway that the test is about."""
    driver_class: type[Driver] = request.param
    yield driver_class(sandbox, inbox)
    sandbox.app.sandbox.courier.change_pace(QUICK)


of_each = pytest.mark.parametrize("provider", list(PAUSES), ids=[one.code for one in PAUSES], indirect=True)
vnpay = pytest.mark.parametrize("provider", [VNPayDriver], ids=["vnpay"], indirect=True)
fiuu = pytest.mark.parametrize("provider", [FiuuDriver], ids=["fiuu"], indirect=True)
stripe = pytest.mark.parametrize("provider", [StripeDriver], ids=["stripe"], indirect=True)
xendit = pytest.mark.parametrize("provider", [XenditDriver], ids=["xendit"], indirect=True)


def refuse(message: HttpMessage) -> HttpReply:
    return HttpReply(503)


def payment(provider: Driver) -> list[HttpMessage]:
    """Somebody pays; the tries of the message that tells so, once all is over."""
    reference = provider.opened().reference
    provider.control("POST", f"/payments/{reference}/pay")
    assert provider.sandbox.drain()
    return provider.told()


def last(provider: Driver) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the sandbox shows of the last payment's messages, and what it noted of each try."""
    order = provider.control("GET", "/messages?limit=1")["messages"][0]["order"]
    messages = provider.control("GET", f"/messages?order={order}")["messages"]
    return messages, provider.control("GET", f"/log?event=ipn&order={order}")["log"]


def test_every_provider_of_the_sandbox_is_bound() -> None:
    assert {one.code for one in PAUSES} == {one.name for one in PROVIDERS}


@of_each
def test_what_is_not_taken_comes_again_by_the_providers_own_timetable_and_not_once_more(provider: Driver) -> None:
    provider.inbox.reply = refuse
    pauses = PAUSES[type(provider)]

    tries = payment(provider)

    assert len(tries) == 1 + len(pauses)
    messages, noted = last(provider)
    assert {(one["state"], one["tried"], one["tries"], one["status"]) for one in messages} == {
        ("given_up", 1 + len(pauses), 1 + len(pauses), 503)
    }
    for number, pause in enumerate([*pauses, None], start=1):
        assert {one["again_after_seconds"] for one in noted if one["tried"] == number} == {pause}


@of_each
def test_what_is_taken_ends_it(provider: Driver) -> None:
    taken, reference = provider.inbox.reply, provider.opened().reference
    refused = min(2, len(PAUSES[type(provider)]))

    def take_the_third(message: HttpMessage) -> HttpReply:
        return HttpReply(503) if len(provider.inbox.messages) <= refused else taken(message)

    provider.inbox.reply = take_the_third
    provider.control("POST", f"/payments/{reference}/pay")
    assert provider.sandbox.drain()

    messages, _ = last(provider)
    assert sum(one["tried"] for one in messages) == refused + len(messages)
    assert {(one["state"], one["pause_seconds"]) for one in messages} == {("taken", None)}


@vnpay
@pytest.mark.parametrize(
    ("code", "calls"), [("00", 1), ("02", 1), ("01", 10), ("04", 10), ("97", 10), ("99", 10)]
)  # fmt: skip
def test_vnpay_calls_ten_times_on_what_asks_for_it_and_once_on_what_does_not(
    provider: Driver, code: str, calls: int
) -> None:
    provider.inbox.reply = lambda message: HttpReply(200, json.dumps({"RspCode": code, "Message": "-"}).encode())

    assert len(payment(provider)) == calls


@vnpay
def test_an_answer_that_comes_too_late_is_none(provider: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VNPay, "timetable", dataclasses.replace(VNPay.timetable, answer_seconds=0.1))
    taken, over, tried = provider.inbox.reply, threading.Event(), itertools.count()

    def slow_at_first(message: HttpMessage) -> HttpReply:
        if next(tried) == 0:
            over.wait(5)
        return taken(message)

    provider.inbox.reply = slow_at_first
    tries = payment(provider)
    over.set()

    assert len(tries) == 2
    assert [(one["status"], one["error"]) for one in last(provider)[1]] == [(0, "ReadTimeout"), (200, "")]


@of_each
def test_an_answer_is_waited_for_as_long_as_the_provider_does(provider: Driver) -> None:
    published = {"momo": 15.0, "xendit": 30.0}

    told = provider.control("GET", "/timetables")[provider.code]

    assert told["answer_seconds"] == published.get(provider.code, 15.0)
    assert (told["unconfirmed"] == "") is (provider.code == "xendit")


@fiuu
def test_fiuu_repeats_a_notification_as_a_callback_with_the_same_signature(provider: Driver) -> None:
    provider.inbox.reply = refuse

    first, *again = [dict(parse_qsl(one.body.decode(), keep_blank_values=True)) for one in payment(provider)]

    assert first["nbcb"] == "2"
    assert again == [{**first, "nbcb": "1"}] * 3


@xendit
def test_xendit_sends_the_same_token_with_each_try(provider: Driver) -> None:
    provider.inbox.reply = refuse

    tries = payment(provider)

    assert [one.headers["x-callback-token"] for one in tries] == ["sandbox-callback-token-Of-Shop-One"] * 7


@stripe
def test_stripe_signs_each_try_anew_with_the_moment_it_is_made(provider: Driver) -> None:
    start_ms, tried = 1_790_000_000_000, itertools.count(1)

    def refuse_and_let_time_pass(message: HttpMessage) -> HttpReply:
        provider.control("POST", "/settings", {"at_ms": start_ms + next(tried) * 1_800_000})
        return HttpReply(503)

    reference = provider.opened().reference
    provider.inbox.reply = refuse_and_let_time_pass
    try:
        provider.control("POST", "/settings", {"at_ms": start_ms})
        provider.control("POST", f"/payments/{reference}/pay")
        assert provider.sandbox.drain()
    finally:
        provider.control("POST", "/settings", {"at_ms": None})
    tries = provider.told()

    moments = [int(one.headers["stripe-signature"].split(",")[0].removeprefix("t=")) for one in tries]
    assert len(set(moments)) == len(tries) == 4
    assert {one.body for one in tries} == {tries[0].body}
    assert [one.headers["stripe-signature"] for one in tries] == [
        signed_header("whsec_sandbox_one", at, one.body) for at, one in zip(moments, tries, strict=True)
    ]
    came = [datetime.fromtimestamp(at, UTC) for at in moments]
    heard = [provider.heard(dataclasses.replace(one, received_at=at)) for one, at in zip(tries, came, strict=True)]
    assert heard == [heard[0]] * 4


@stripe
def test_stripe_goes_on_for_up_to_three_days_where_the_account_is_live(provider: Driver) -> None:
    keys = {"secretKey": "sk_live_invented", "publishableKey": "pk_live_invented",
            "webhookSecret": "whsec_sandbox_one", "webhookUrl": provider.inbox.url}  # fmt: skip
    reference = provider.opened().reference
    provider.control("POST", "/merchants", {"provider": "stripe", "code": "acct_sandbox_one", "keys": keys})
    provider.inbox.reply = refuse

    provider.control("POST", f"/payments/{reference}/pay")
    assert provider.sandbox.drain()

    assert len(provider.told()) == 7
    pauses = list(LIVE.pauses)
    assert all(later == 2 * sooner for sooner, later in itertools.pairwise(pauses))
    assert 2 * 24 * HOURS < sum(pauses) <= 3 * 24 * HOURS < sum(pauses) + 2 * pauses[-1]


@xendit
def test_a_pause_here_is_the_providers_divided_by_the_pace(provider: Driver) -> None:
    provider.control("POST", "/settings", {"pace": 9_000})
    tried = itertools.count()
    provider.inbox.reply = lambda message: HttpReply(503 if next(tried) < 2 else 200)

    first, second, third = payment(provider)

    assert first.received_at is not None and second.received_at is not None and third.received_at is not None
    quarter, three_quarters = second.received_at - first.received_at, third.received_at - second.received_at
    assert 0.1 <= quarter.total_seconds() < 0.25  # a quarter of an hour
    assert 0.3 <= three_quarters.total_seconds() < 0.45


@xendit
def test_a_message_that_waits_is_told_in_both_times_and_comes_sooner_at_another_pace(provider: Driver) -> None:
    provider.control("POST", "/settings", {"pace": 90})
    tried = itertools.count()
    provider.inbox.reply = lambda message: HttpReply(503 if next(tried) == 0 else 200)
    reference = provider.opened().reference
    provider.control("POST", f"/payments/{reference}/pay")
    waited = time.monotonic() + 5
    while (told := provider.control("GET", f"/messages?order={reference}")["messages"][0])["state"] != "waiting":
        assert time.monotonic() < waited
    early = len(provider.inbox.messages)

    provider.control("POST", "/settings", {"pace": 90_000})
    assert provider.sandbox.drain()

    assert (told["tried"], told["tries"], told["status"], told["pause_seconds"]) == (1, 7, 503, 15 * MINUTES)
    assert 9.0 < told["next_in_seconds"] <= 10.0
    assert (early, len(provider.inbox.messages)) == (1, 2)


@pytest.mark.parametrize("pace", [0, -1, "fast", True, None])
def test_a_pace_that_is_none_changes_nothing(sandbox: RunningSandbox, inbox: Inbox, pace: object) -> None:
    driver = MoMoDriver(sandbox, inbox)

    assert driver.control("POST", "/settings", {"pace": pace})["pace"] == QUICK
