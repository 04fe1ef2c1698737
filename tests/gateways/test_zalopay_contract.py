"""ZaloPay is bound by the contract, whole; where its document says otherwise, the docstring says what."""

from __future__ import annotations

from typing import ClassVar

from gateways.reports import ReportStatus
from tests.gateways.contract.hearing import Hearing
from tests.gateways.contract.paying import Paying
from tests.gateways.contract.refunding import Refunding
from tests.gateways.contract.secrecy import Secrecy
from tests.gateways.contract.silence import CreateCall, QueryCall
from tests.gateways.driver import Driver
from tests.gateways.drivers.zalopay import ZaloPayDriver


class TestZaloPay(Paying, Hearing, CreateCall, QueryCall, Refunding, Secrecy):
    """ZaloPay, whole."""

    driver_class: ClassVar[type[Driver]] = ZaloPayDriver

    def test_notification_return_and_query_tell_one_truth(self, driver: Driver) -> None:
        """The redirect names neither transaction nor time, so it only says which order to ask about."""
        request = driver.request()
        checkout = driver.create(request)

        returned = driver.gateway.read_return(driver.returned(checkout.pay_url, "pay"))
        assert driver.sandbox.drain()
        (message,) = driver.inbox.messages
        notified, queried = driver.heard(message), driver.query(request)

        (transaction,) = driver.truth(request.reference)["transactions"]
        assert (returned.reference, returned.status, returned.money, returned.code) == (
            request.reference, ReportStatus.PENDING, driver.money, "1",
        )  # fmt: skip
        told = {
            (one.reference, one.status, one.about, one.money, one.gateway_transaction_id, one.occurred_at)
            for one in (notified, queried)
        }
        assert len(told) == 1
        assert (notified.status, notified.money) == (ReportStatus.PAID, driver.money)
        assert notified.gateway_transaction_id == driver.transaction_id(transaction)

    def test_an_older_message_may_come_last(self, driver: Driver) -> None:
        """ZaloPay calls back once, when an order is paid: there is no older message."""
        driver.fault("out_of_order")
        request = driver.opened()

        (message,) = driver.end(request.reference, "pay")

        assert driver.heard(message).status is ReportStatus.PAID
