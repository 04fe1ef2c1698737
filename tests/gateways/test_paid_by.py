"""By which channel money was paid: as each gateway's proven messages tell it, and in no other way."""

from __future__ import annotations

import pytest

from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Driver, Inbox
from tests.gateways.drivers.fiuu import FiuuDriver
from tests.gateways.drivers.momo import MoMoDriver
from tests.gateways.drivers.stripe import StripeDriver
from tests.gateways.drivers.vnpay import VNPayDriver
from tests.gateways.drivers.xendit import XenditDriver
from tests.gateways.drivers.zalopay import ZaloPayDriver


@pytest.mark.parametrize(
    ("driver_class", "heard", "asked"),
    [
        (MoMoDriver, "qr", "qr"),
        (VNPayDriver, "NCB", "NCB"),
        (ZaloPayDriver, "38", ""),  # an answer to a question does not name it
        (XenditDriver, "ZALOPAY", "ZALOPAY"),
        (StripeDriver, "card", "card"),
        (FiuuDriver, "", ""),  # it names one outside every signature: not believed
    ],
)
def test_the_channel_is_the_gateways_own_word(
    driver_class: type[Driver], heard: str, asked: str, sandbox: RunningSandbox, inbox: Inbox
) -> None:
    driver = driver_class(sandbox, inbox)

    request, _, report = driver.paid()

    assert (report.channel, driver.query(request).channel) == (heard, asked)
