"""The invented provider of docs/add-a-gateway.md is bound by the contract like a real one, so that the page stays true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from config.core.money import Money
from gateways.abilities import Refunds
from gateways.errors import GatewayUnavailable
from gateways.notifications import HttpReply
from gateways.reports import ReportStatus
from gateways.sandbox.server import RunningSandbox, start
from tests.gateways.contract.hearing import Hearing
from tests.gateways.contract.paying import Paying
from tests.gateways.contract.refunding import Refunding
from tests.gateways.contract.secrecy import Secrecy
from tests.gateways.contract.silence import CreateCall, QueryCall
from tests.gateways.driver import Driver, Inbox
from tests.gateways.invented import adapter, added, simulator
from tests.gateways.invented.driver import MekongPayDriver

PROTOCOL = (Path(__file__).parent / "invented" / "protocol.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def running_sandbox() -> Iterator[RunningSandbox]:
    """The providers and one more."""
    with added.mekongpay():
        running = start(retry_delays=(0.02, 0.05))
        yield running
        running.stop()


class TestMekongPay(Paying, Hearing, CreateCall, QueryCall, Refunding, Secrecy):
    """Mekong Pay, whole."""

    driver_class: ClassVar[type[Driver]] = MekongPayDriver

    def test_dollars_are_paid_and_sent_back_in_cents(self, driver: Driver) -> None:
        request, _, paid = driver.paid(money=Money(12_34, "USD"))
        assert isinstance(driver.gateway, Refunds)

        back = driver.gateway.refund(driver.refund_of(request, paid, 34))

        assert (paid.status, paid.money) == (ReportStatus.PAID, Money(12_34, "USD"))
        assert (back.status, back.money) == (ReportStatus.PAID, Money(34, "USD"))

    def test_a_truly_signed_answer_about_another_order_is_not_believed(self, driver: Driver, inbox: Inbox) -> None:
        _, message, paid = driver.paid()
        told = driver.fields(message)
        answer = json.dumps({**told, "signature": driver.signature_of(message)}).encode()
        inbox.reply = lambda message: HttpReply(200, answer)
        replaying = driver.build(endpoint=inbox.url.removesuffix("/ipn"))

        assert driver.query(driver.request(reference=paid.reference), replaying).status is ReportStatus.PAID
        with pytest.raises(GatewayUnavailable) as caught:
            driver.query(driver.request(), replaying)

        assert (caught.value.code, caught.value.never_sent) == ("echo", False)


def test_both_sides_sign_the_documents_own_example() -> None:
    (text,) = re.findall(r"^    (amount=.*)$", PROTOCOL, re.MULTILINE)
    (signature,) = re.findall(r"^    ([0-9a-f]{64})$", PROTOCOL, re.MULTILINE)
    fields: dict[str, object] = {"merchant": "MK1", "order": "A-1", "amount": 960000, "description": "tea & cups"}

    assert adapter.text_to_sign(fields) == text
    assert {side("tiny-secret", fields) for side in (adapter.sign, simulator.signature)} == {signature}
