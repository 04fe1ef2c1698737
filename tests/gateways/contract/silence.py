"""What every gateway owes us when it does not answer."""

from __future__ import annotations

import socket

import pytest

from gateways.errors import GatewayUnavailable
from gateways.reports import ReportStatus
from tests.gateways.driver import Driver


class CreateCall:
    """A create call without a usable answer; for gateways at which opening a payment is a call."""

    def test_a_create_that_was_accepted_and_never_answered_is_unknown_and_findable(self, driver: Driver) -> None:
        hasty = driver.build(timeout_seconds=0.3)
        driver.fault("accept_then_timeout", operation="create", seconds=1)
        request = driver.request()

        with pytest.raises(GatewayUnavailable) as caught:
            hasty.create_checkout(request)

        assert (caught.value.never_sent, caught.value.code) == (False, "timed_out")
        assert driver.query(request).status is ReportStatus.PENDING

    @pytest.mark.parametrize(
        ("fault", "known"),
        [
            ("error_500", ReportStatus.NOT_FOUND),
            ("error_500_after_accept", ReportStatus.PENDING),
            ("html_200", ReportStatus.NOT_FOUND),
        ],
    )
    def test_a_create_that_got_no_usable_answer_is_unknown(
        self, driver: Driver, fault: str, known: ReportStatus
    ) -> None:
        driver.fault(fault, operation="create")
        request = driver.request()

        with pytest.raises(GatewayUnavailable) as caught:
            driver.gateway.create_checkout(request)

        assert caught.value.never_sent is False
        assert driver.query(request).status is known

    def test_a_tampered_answer_to_create_is_not_believed(self, driver: Driver) -> None:
        driver.fault("tamper", operation="create")

        with pytest.raises(GatewayUnavailable) as caught:
            driver.gateway.create_checkout(driver.request())

        assert caught.value.never_sent is False

    def test_a_create_sent_twice_opens_one_payment_and_the_second_is_unknown(self, driver: Driver) -> None:
        request = driver.opened()

        with pytest.raises(GatewayUnavailable) as caught:
            driver.gateway.create_checkout(request)

        assert caught.value.never_sent is False
        assert len(driver.control("GET", f"/payments?order={request.reference}")["payments"]) == 1

    def test_a_refused_connection_never_sent_anything(self, driver: Driver) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = driver.build(endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")

            with pytest.raises(GatewayUnavailable) as caught:
                nobody.create_checkout(driver.request())

        assert (caught.value.never_sent, caught.value.code) == (True, "never_sent")


class QueryCall:
    """A query without a usable answer."""

    def test_a_query_goes_on_through_a_passing_fault(self, driver: Driver) -> None:
        request, _, _ = driver.paid()
        driver.fault("error_500", operation="query", scope="next")
        driver.fault("html_200", operation="query", scope="next")

        assert driver.query(request).status is ReportStatus.PAID

    def test_a_query_that_stays_without_answer_raises_and_never_guesses(self, driver: Driver) -> None:
        request, _, _ = driver.paid()
        driver.fault("error_500", scope="operation", operation="query")

        with pytest.raises(GatewayUnavailable):
            driver.query(request)

        assert len([one for one in _faults(driver) if one["order"] == request.reference]) == 3


def _faults(driver: Driver) -> list[dict[str, object]]:
    log: list[dict[str, object]] = driver.control("GET", "/log?event=fault")["log"]
    return log
