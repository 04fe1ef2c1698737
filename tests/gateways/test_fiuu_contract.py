"""Fiuu is bound by the contract; where its document differs, the tests say how."""

from __future__ import annotations

import dataclasses
import json
from typing import ClassVar

import pytest

from config.core import ids
from gateways.errors import ReportInvalid
from gateways.reports import ReportAbout, ReportStatus
from tests.gateways.contract.hearing import Hearing
from tests.gateways.contract.paying import Paying
from tests.gateways.contract.refunding import Refunding
from tests.gateways.contract.secrecy import Secrecy
from tests.gateways.contract.silence import QueryCall
from tests.gateways.driver import Driver
from tests.gateways.drivers.fiuu import FiuuDriver


class TestFiuu(Paying, Hearing, QueryCall, Refunding, Secrecy):
    """Fiuu, without a create call: opening a payment is an address that we sign."""

    driver_class: ClassVar[type[Driver]] = FiuuDriver

    def test_notification_return_and_query_tell_one_truth(self, driver: Driver) -> None:
        """The answer to a query has no time of payment, so the query tells all but that."""
        request = driver.request()
        checkout = driver.create(request)

        returned = driver.gateway.read_return(driver.returned(checkout.pay_url, "pay"))
        assert driver.sandbox.drain()
        (message,) = driver.inbox.messages
        notified, queried = driver.heard(message), driver.query(request)

        told = {
            (one.reference, one.status, one.about, one.money, one.gateway_transaction_id)
            for one in (returned, notified, queried)
        }
        (transaction,) = driver.truth(request.reference)["transactions"]
        assert told == {
            (request.reference, ReportStatus.PAID, ReportAbout.PAYMENT, driver.money, str(transaction["number"]))
        }
        assert returned.occurred_at == notified.occurred_at
        assert notified.occurred_at is not None
        assert int(notified.occurred_at.timestamp()) == transaction["at_ms"] // 1000
        assert queried.occurred_at is None

    def test_an_open_payment_is_pending_and_an_unheard_of_one_not_found(self, driver: Driver) -> None:
        """Fiuu has no row before somebody tries to pay: "not found" says no more than "not paid yet"."""
        request = driver.opened()
        unheard_of = driver.gateway.reference(ids.uuid7_int(), request.created_at)

        assert driver.query(request).status is ReportStatus.PENDING
        assert driver.query(dataclasses.replace(request, reference=unheard_of)).status is ReportStatus.PENDING

    @pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "longer", "number", "list", "not ascii"])
    def test_a_damaged_signature_is_refused(self, driver: Driver, damage: str) -> None:
        """Capital letters are no damage: the vendor's own samples compare without looking at them."""
        super().test_a_damaged_signature_is_refused(driver, damage)
        _, message, report = driver.paid()

        shouted = driver.with_signature(message, driver.signature_of(message).upper())
        assert driver.gateway.read_notification(shouted) == (report,)

    def test_no_secret_shows_in_what_is_printed_stored_or_raised(self, driver: Driver) -> None:
        """Nothing is called, so wrong keys are noticed on Fiuu's page: by the customer, and in the first message."""
        secrets = [str(driver.settings()[name]) for name in ("verify_key", "secret_key")]
        request = driver.request()
        checkout = driver.create(request)
        (message,) = driver.end(request.reference, "pay")
        (report,) = driver.gateway.read_notification(message)
        with pytest.raises(ReportInvalid) as caught:
            driver.build(secret_key="wrong").read_notification(message)

        kept = [
            repr(driver.gateway), checkout.pay_url, str(caught.value), str(caught.value.raw),
            json.dumps([checkout.request, checkout.response, report.raw]),
        ]  # fmt: skip
        assert [secret for secret in secrets for text in kept if secret in text] == []
        assert driver.signature_of(message) not in json.dumps(report.raw)
