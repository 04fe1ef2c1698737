"""What Fiuu says is up: asked with an HMAC, answered with a list, unknown where it does not answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from config.core.money import Money
from gateways import http
from gateways.abilities import TellsChannels
from gateways.channels import ChannelState
from gateways.errors import GatewayUnavailable
from gateways.fiuu import channel_status
from gateways.fiuu.adapter import Fiuu
from gateways.sandbox.fiuu import rules
from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Inbox
from tests.gateways.drivers.fiuu import FiuuDriver

AT = datetime(2026, 11, 21, 16, 30, 5, tzinfo=UTC)


@pytest.fixture
def fiuu(sandbox: RunningSandbox, inbox: Inbox) -> Iterator[FiuuDriver]:
    yield FiuuDriver(sandbox, inbox)
    for one in rules.CHANNELS:
        requests.post(f"{sandbox.url}/control/fiuu/channels/{one.code}/up", timeout=5).raise_for_status()


def states(fiuu: FiuuDriver, **changes: object) -> tuple[ChannelState, ...]:
    built = fiuu.build(**changes)
    assert isinstance(built, Fiuu) and isinstance(built, TellsChannels)
    return built.channel_status(at=datetime.now(UTC))


def row(**changes: Any) -> dict[str, Any]:
    way = {"request": "MB2U", "response": "FPX_MB2U"}
    ways = {"hosted": way, "seamless": {**way, "request": "fpx_mb2u"}, "direct": {**way, "request": None}}
    return {"title": "Maybank2u", "status": 1, "currency": ["MYR"], "channel_map": ways, **changes}


def only(**changes: Any) -> ChannelState:
    (state,) = channel_status.read({"status": True, "result": [row(**changes)]})
    return state


def test_every_channel_of_the_account_is_told_with_its_currencies_and_codes(fiuu: FiuuDriver) -> None:
    told = {one.codes: one for one in states(fiuu)}

    assert len(told) == len(rules.CHANNELS)
    assert told["MB2U",] == ChannelState(title="Maybank2u", is_up=True, currencies=("MYR",), codes=("MB2U",))
    assert {"MYR", "VND", "SGD"} <= set(told["credit",].currencies)
    assert {one.is_up for one in told.values()} == {True}


def test_a_channel_that_goes_down_is_told_as_down_until_it_is_up_again(fiuu: FiuuDriver) -> None:
    fiuu.control("POST", "/fiuu/channels/MB2U/down")
    down = {one.codes[0] for one in states(fiuu) if one.is_up is False}
    fiuu.control("POST", "/fiuu/channels/MB2U/up")

    assert down == {"MB2U"}
    assert {one.is_up for one in states(fiuu)} == {True}


@pytest.mark.parametrize("address", ["no-such-channel/down", "MB2U/sideways"])
def test_the_switch_knows_its_channels_and_two_states(fiuu: FiuuDriver, address: str) -> None:
    assert requests.post(f"{fiuu.sandbox.url}/control/fiuu/channels/{address}", timeout=5).status_code == 404
    assert {one.is_up for one in states(fiuu)} == {True}


def test_the_question_is_dated_in_malaysia_and_signed_with_the_verify_key() -> None:
    asked = channel_status.question("ACME", "key", AT)

    assert asked == {
        "merchantID": "ACME", "datetime": "20261122003005",
        "skey": "f64e436955feaae3d6021bdba1bf63637c2423df7100770ed1df61f1f5018b3f",
    }  # fmt: skip


def test_a_row_has_each_of_its_request_codes_once() -> None:
    assert only() == ChannelState(title="Maybank2u", is_up=True, currencies=("MYR",), codes=("MB2U", "fpx_mb2u"))


@pytest.mark.parametrize(
    ("told", "is_up"),
    [(1, True), ("1", True), (0, False), ("0", False), (2, None), (None, None), (True, None), ("up", None), ([], None)],
)
def test_only_one_and_zero_are_up_and_down(told: object, is_up: bool | None) -> None:
    assert only(status=told).is_up is is_up


@pytest.mark.parametrize(
    "odd", [[], "x", None, {"hosted": []}, {"hosted": {"request": 5}}, {"hosted": {"request": " "}}]
)
def test_a_channel_without_codes_is_still_told(odd: object) -> None:
    assert only(channel_map=odd, currency="MYR") == ChannelState(title="Maybank2u", is_up=True, currencies=(), codes=())


@pytest.mark.parametrize(
    "data",
    [
        {}, {"status": True}, {"status": False, "result": []}, {"status": "0", "result": [row()]},
        {"status": True, "result": {"title": "x"}}, {"status": True, "result": [row(), "x"]},
        {"ErrorCode": "Q202", "ErrorDesc": "Wrong skey"},
    ],
)  # fmt: skip
def test_an_answer_without_the_list_tells_nothing(data: dict[str, object]) -> None:
    with pytest.raises(GatewayUnavailable):
        channel_status.read(data)


def test_an_account_without_channels_has_none() -> None:
    assert channel_status.read({"status": True, "result": []}) == ()


def test_a_wrong_key_and_an_unknown_merchant_are_told_nothing(fiuu: FiuuDriver) -> None:
    for changes, code in (({"verify_key": "w" * 32}, "Q202"), ({"merchant_id": "SB_nobody"}, "Q04")):
        with pytest.raises(GatewayUnavailable) as caught:
            states(fiuu, **changes)
        assert caught.value.code == code


def test_silence_is_unknown_and_is_not_asked_a_second_time(fiuu: FiuuDriver) -> None:
    fiuu.fault("slow", scope="always", operation="channel_status", seconds=1.5)
    began = time.monotonic()

    with http.at_most(0.4), pytest.raises(GatewayUnavailable) as caught:
        states(fiuu)

    assert caught.value.code == "timed_out"
    assert time.monotonic() - began < 1.2


def test_a_channel_that_is_down_can_still_be_paid_with(fiuu: FiuuDriver) -> None:
    fiuu.control("POST", "/fiuu/channels/MB2U/down")

    request, _, paid = fiuu.paid(channel="MB2U", money=Money(10_000, "MYR"))

    assert (paid.reference, paid.money) == (request.reference, Money(10_000, "MYR"))
