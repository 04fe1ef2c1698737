"""What every gateway owes us where money is paid."""

from __future__ import annotations

import dataclasses

import pytest
import requests

from config.core import ids
from config.core.money import Money
from gateways.reports import ReportAbout, ReportStatus
from tests.gateways.driver import Driver


class Paying:
    """A checkout, its end, and one truth by every way."""

    def test_a_checkout_leads_to_a_page_where_the_sum_can_be_paid(self, driver: Driver) -> None:
        checkout = driver.create(driver.request())

        page = requests.get(checkout.pay_url, timeout=5)

        assert page.status_code == 200
        assert driver.price in page.text

    def test_notification_return_and_query_tell_one_truth(self, driver: Driver) -> None:
        request = driver.request()
        checkout = driver.create(request)

        returned = driver.gateway.read_return(driver.returned(checkout.pay_url, "pay"))
        assert driver.sandbox.drain()
        (message,) = driver.told()
        notified = driver.heard(message)
        queried = driver.query(request)

        told = {
            (one.reference, one.status, one.about, one.money, one.gateway_transaction_id, one.occurred_at)
            for one in ((returned, notified, queried) if driver.return_tells else (notified, queried))
        }
        (transaction,) = driver.truth(request.reference)["transactions"]
        assert len(told) == 1
        assert returned.reference == request.reference
        assert notified.status is ReportStatus.PAID
        assert notified.about is ReportAbout.PAYMENT
        assert notified.reference == request.reference
        assert notified.money == driver.money
        assert notified.gateway_transaction_id == driver.transaction_id(transaction)

    @pytest.mark.parametrize(
        ("outcome", "status"),
        [("decline", ReportStatus.FAILED), ("insufficient", ReportStatus.FAILED), ("expire", ReportStatus.EXPIRED)],
    )
    def test_what_was_not_paid_is_told_without_a_transaction(
        self, driver: Driver, outcome: str, status: ReportStatus
    ) -> None:
        request = driver.opened()
        status = status if outcome == "expire" else driver.declined

        messages = driver.end(request.reference, outcome)
        told = [driver.heard(message) for message in messages] + [driver.query(request)]

        assert len(told) == (2 if driver.tells_failures else 1)
        assert {(one.status, one.gateway_transaction_id) for one in told} == {(status, "")}

    def test_an_open_payment_is_pending_and_an_unheard_of_one_not_found(self, driver: Driver) -> None:
        request = driver.opened()
        unheard_of = driver.gateway.reference(ids.uuid7_int(), request.created_at)

        assert driver.query(request).status is ReportStatus.PENDING
        assert driver.query(dataclasses.replace(request, reference=unheard_of)).status is ReportStatus.NOT_FOUND

    def test_a_query_can_be_asked_again_and_again(self, driver: Driver) -> None:
        request, _, paid = driver.paid()

        answers = [driver.query(request) for _ in range(3)]

        assert [one.gateway_transaction_id for one in answers] == [paid.gateway_transaction_id] * 3

    def test_a_second_real_payment_has_a_transaction_of_its_own(self, driver: Driver) -> None:
        if not driver.can_be_paid_twice:
            pytest.skip("the gateway itself refuses a second payment by one reference")
        request, _, first = driver.paid()

        (message,) = driver.end(request.reference, "pay", "?again=1")
        second = driver.heard(message)

        assert (second.status, second.reference) == (ReportStatus.PAID, first.reference)
        assert second.gateway_transaction_id != first.gateway_transaction_id
        assert len(driver.truth(request.reference)["transactions"]) == 2

    def test_money_that_comes_after_the_link_expired_is_still_money(self, driver: Driver) -> None:
        request = driver.opened()
        driver.end(request.reference, "expire")

        (message,) = driver.end(request.reference, "pay", "?again=1")

        assert driver.heard(message).status is ReportStatus.PAID

    def test_another_sum_than_asked_for_is_told_as_it_was_paid(self, driver: Driver) -> None:
        request = driver.opened()
        driver.fault("wrong_amount", scope="order", order=request.reference, amount=5000)

        (message,) = driver.end(request.reference, "pay")
        notified = driver.heard(message)

        assert notified.money == Money(5000, driver.money.currency)
        assert driver.query(request).money == notified.money
