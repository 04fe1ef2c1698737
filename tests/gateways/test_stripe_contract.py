"""Stripe is bound by the contract; what its document has otherwise says so."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import ClassVar

import pytest
import requests

from gateways.reports import ReportStatus
from tests.gateways.contract.closing import Closing
from tests.gateways.contract.hearing import Hearing
from tests.gateways.contract.paying import Paying
from tests.gateways.contract.refunding import Refunding
from tests.gateways.contract.secrecy import Secrecy
from tests.gateways.contract.silence import CreateCall, QueryCall
from tests.gateways.driver import Driver
from tests.gateways.drivers.stripe import StripeDriver


class TestStripe(Paying, Hearing, CreateCall, QueryCall, Refunding, Closing, Secrecy):
    """Stripe by Checkout Sessions."""

    driver_class: ClassVar[type[Driver]] = StripeDriver

    def test_a_create_sent_twice_opens_one_payment_and_the_second_is_unknown(self, driver: Driver) -> None:
        """An Idempotency-Key that is sent again is answered like the first time, so the second is no unknown at all."""
        request = driver.request()

        first, again = (driver.gateway.create_checkout(request) for _ in range(2))

        assert (again.pay_url, again.gateway_transaction_id) == (first.pay_url, first.gateway_transaction_id)
        assert len(driver.control("GET", f"/payments?order={request.reference}")["payments"]) == 1

    def test_money_that_comes_after_the_link_expired_is_still_money(self, driver: Driver) -> None:
        """An expired session takes no money; but a session lives for half an hour at least, so money may well come
        after our own time is over."""
        request = driver.request()
        late = dataclasses.replace(request, expires_at=request.created_at - timedelta(minutes=1))
        driver.create(late)
        closed = driver.opened()
        driver.end(closed.reference, "expire")

        (message,) = driver.end(late.reference, "pay")
        refused = requests.post(f"{driver.sandbox.url}/control/payments/{closed.reference}/pay?again=1", timeout=5)

        assert driver.heard(message).status is ReportStatus.PAID
        assert refused.status_code == 409
        assert driver.query(closed).status is ReportStatus.EXPIRED

    @pytest.mark.parametrize("extra", ["v0=00", "v9=1", "x", ""])
    def test_unsigned_fields_change_nothing(self, driver: Driver, extra: str) -> None:
        """Every byte of the body is signed; only the header can carry something that is not."""
        _, message, report = driver.paid()
        header = f"{message.headers['stripe-signature']},{extra}"

        other = dataclasses.replace(message, headers={**message.headers, "stripe-signature": header})

        assert driver.gateway.read_notification(other) == (report,)
