"""What a gateway that sends money back owes us."""

from __future__ import annotations

import pytest

from config.core.money import Money
from gateways.abilities import Refunds
from gateways.base import Gateway
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import ReportAbout, ReportStatus
from tests.gateways.driver import Driver


def _refunds(gateway: Gateway) -> Refunds:
    assert isinstance(gateway, Refunds)
    return gateway


class Refunding:
    """Refunds: once, in part, unknown, slow, too much."""

    def test_a_refund_sent_twice_moves_money_once(self, driver: Driver) -> None:
        request, _, paid = driver.paid()
        refund = driver.refund_of(request, paid, 60_000)

        first = _refunds(driver.gateway).refund(refund)
        again = _refunds(driver.gateway).refund(driver.asked_again(refund, first))

        assert (first.status, first.about, first.money) == (
            driver.refund_status,
            ReportAbout.REFUND,
            Money(60_000, "VND"),
        )
        assert first.reference == refund.reference
        assert again.gateway_transaction_id == first.gateway_transaction_id
        assert [one["amount"] for one in driver.truth(request.reference)["refunds"]] == [60_000]

    def test_partial_refunds_go_up_to_the_sum_and_no_further(self, driver: Driver) -> None:
        request, _, paid = driver.paid()
        gateway = _refunds(driver.gateway)

        statuses = [gateway.refund(driver.refund_of(request, paid, minor)).status for minor in (900_000, 59_000, 1_000)]
        with pytest.raises(GatewayRejected):
            gateway.refund(driver.refund_of(request, paid, 1_000))

        assert statuses == [driver.refund_status] * 3
        moved = [one["amount"] for one in driver.truth(request.reference)["refunds"] if one["stage"] == "paid"]
        assert sum(moved) == 960_000

    def test_a_refund_of_more_than_was_paid_is_a_definite_no(self, driver: Driver) -> None:
        request, _, paid = driver.paid()

        with pytest.raises(GatewayRejected) as caught:
            _refunds(driver.gateway).refund(driver.refund_of(request, paid, 961_000))

        assert caught.value.retry_after_seconds == 0
        assert [one for one in driver.truth(request.reference)["refunds"] if one["stage"] == "paid"] == []

    def test_a_refund_that_was_accepted_and_never_answered_is_found_by_its_query(self, driver: Driver) -> None:
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

    def test_a_refund_that_never_arrived_is_surely_not_found(self, driver: Driver) -> None:
        request, _, paid = driver.paid()
        refund = driver.refund_of(request, paid, 60_000)
        driver.fault("error_500", operation="refund")

        with pytest.raises(GatewayUnavailable):
            _refunds(driver.gateway).refund(refund)

        assert _refunds(driver.gateway).query_refund(refund).status is ReportStatus.NOT_FOUND

    def test_a_slow_refund_is_pending_and_then_done(self, driver: Driver) -> None:
        request, _, paid = driver.paid()
        refund = driver.refund_of(request, paid, 60_000)
        driver.fault("refund_pending", seconds=0.2)

        first = _refunds(driver.gateway).refund(refund)
        again = _refunds(driver.gateway).refund(refund)
        driver.sandbox.app.stopping.wait(0.25)
        later = _refunds(driver.gateway).query_refund(refund)

        assert (first.status, again.status, later.status) == (
            ReportStatus.PENDING,
            ReportStatus.PENDING,
            ReportStatus.PAID,
        )

    def test_a_query_of_the_payment_lists_its_refunds(self, driver: Driver) -> None:
        if not driver.lists_refunds:
            pytest.skip("the gateway's answer about a payment does not name its refunds")
        request, _, paid = driver.paid()
        refund = driver.refund_of(request, paid, 60_000)
        _refunds(driver.gateway).refund(refund)

        queried = driver.query(request)

        assert queried.status is ReportStatus.PAID
        assert [(one.reference, one.status, one.money, one.about) for one in queried.refunds] == [
            (refund.reference, ReportStatus.PAID, Money(60_000, "VND"), ReportAbout.REFUND)
        ]
