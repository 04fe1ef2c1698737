"""What a gateway that can close an open payment owes us."""

from __future__ import annotations

import itertools

import pytest
import requests

from config.core.money import Money
from gateways.abilities import Closes
from gateways.base import Gateway
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import CloseOutcome, ReportStatus
from gateways.requests import CheckoutRequest, CloseRequest
from tests.gateways.driver import Driver

ENDS = (ReportStatus.EXPIRED, ReportStatus.CANCELLED)
_calls = itertools.count(1)


def _closes(gateway: Gateway) -> Closes:
    assert isinstance(gateway, Closes)
    return gateway


def _wish(driver: Driver, request: CheckoutRequest, *, known: str | None = None) -> CloseRequest:
    return CloseRequest(
        reference=request.reference,
        operation_id=f"{request.reference}-x{next(_calls)}",
        money=request.money,
        created_at=request.created_at,
        gateway_transaction_id=driver.known_ids.get(request.reference, "") if known is None else known,
    )


class Closing:
    """Closed once and for all, and never what was paid."""

    def test_what_was_closed_takes_no_money_any_more(self, driver: Driver) -> None:
        request = driver.opened()

        told = _closes(driver.gateway).close(_wish(driver, request))
        late = requests.post(f"{driver.sandbox.url}/control/payments/{request.reference}/pay", timeout=5)

        assert (told.outcome, told.report.reference) == (CloseOutcome.CLOSED, request.reference)
        assert told.report.status in ENDS
        assert late.status_code == 409
        assert driver.query(request).status == told.report.status
        assert driver.truth(request.reference)["transactions"] == []

    def test_closing_twice_says_that_it_was_over(self, driver: Driver) -> None:
        request = driver.opened()
        first = _closes(driver.gateway).close(_wish(driver, request))

        again = _closes(driver.gateway).close(_wish(driver, request))

        assert again.outcome is CloseOutcome.OVER
        assert again.report.status == first.report.status

    def test_what_was_paid_is_not_closed_and_its_money_is_told(self, driver: Driver) -> None:
        request, _, paid = driver.paid()

        told = _closes(driver.gateway).close(_wish(driver, request))

        assert told.outcome is CloseOutcome.PAID
        assert (told.report.status, told.report.money) == (ReportStatus.PAID, driver.money)
        assert told.report.gateway_transaction_id == paid.gateway_transaction_id
        assert driver.query(request).status is ReportStatus.PAID
        assert len(driver.truth(request.reference)["transactions"]) == 1

    def test_what_a_lost_answer_had_opened_is_found_and_closed(self, driver: Driver) -> None:
        request = driver.opened()

        told = _closes(driver.gateway).close(_wish(driver, request, known=""))

        assert (told.outcome, told.report.reference) == (CloseOutcome.CLOSED, request.reference)
        assert driver.query(request).status in ENDS

    def test_what_was_never_opened_is_over(self, driver: Driver) -> None:
        request = driver.request()

        told = _closes(driver.gateway).close(_wish(driver, request, known=""))

        assert (told.outcome, told.report.status) == (CloseOutcome.OVER, ReportStatus.NOT_FOUND)

    def test_a_closing_that_was_never_answered_is_unknown_and_over_when_asked_again(self, driver: Driver) -> None:
        request = driver.opened()
        hasty = _closes(driver.build(timeout_seconds=0.3))
        driver.fault("accept_then_timeout", operation=driver.closing, seconds=1)

        with pytest.raises(GatewayUnavailable) as caught:
            hasty.close(_wish(driver, request))
        again = _closes(driver.gateway).close(_wish(driver, request))

        assert caught.value.never_sent is False
        assert again.outcome is CloseOutcome.OVER
        assert driver.query(request).status in ENDS

    def test_an_error_closes_nothing(self, driver: Driver) -> None:
        request = driver.opened()
        driver.fault("error_500", operation=driver.closing)

        with pytest.raises(GatewayUnavailable):
            _closes(driver.gateway).close(_wish(driver, request))

        assert driver.query(request).status is ReportStatus.PENDING
        assert driver.end(request.reference, "pay") != []

    def test_a_refusal_of_what_can_still_be_paid_is_a_definite_no(self, driver: Driver) -> None:
        request = driver.opened()
        driver.fault("answer_code", operation=driver.closing, code=400)

        with pytest.raises(GatewayRejected):
            _closes(driver.gateway).close(_wish(driver, request))

        assert driver.query(request).status is ReportStatus.PENDING

    def test_nobody_closes_what_is_another_account_s(self, driver: Driver) -> None:
        request = driver.opened()
        stranger = _closes(driver.build(**driver.somebody_else()))

        with pytest.raises((GatewayRejected, GatewayUnavailable)):
            stranger.close(_wish(driver, request))

        assert driver.query(request).status is ReportStatus.PENDING
        (message,) = driver.end(request.reference, "pay")
        assert driver.heard(message).money == Money(960_000, "VND")
