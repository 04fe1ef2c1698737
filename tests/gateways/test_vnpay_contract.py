"""VNPay, bound by the contract. Opening a payment is no call, so CreateCall does not apply; VNPay's refunds are known by
no id of ours, so what a query can tell of them is less than elsewhere."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
import requests

from config.core.money import Money
from gateways.abilities import Refunds
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.reports import ReportAbout, ReportStatus
from gateways.vnpay.adapter import VNPay
from tests.gateways.contract.hearing import Hearing
from tests.gateways.contract.paying import Paying
from tests.gateways.contract.refunding import Refunding
from tests.gateways.contract.secrecy import Secrecy
from tests.gateways.contract.silence import QueryCall
from tests.gateways.driver import Driver
from tests.gateways.drivers.vnpay import VNPayDriver


def vnpay(driver: Driver, **changes: object) -> VNPay:
    gateway = driver.build(**changes)
    assert isinstance(gateway, VNPay)
    assert isinstance(gateway, Refunds)
    return gateway


class TestVNPay(Paying, Hearing, QueryCall, Refunding, Secrecy):
    """VNPay, whole."""

    driver_class: ClassVar[type[Driver]] = VNPayDriver

    @pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "longer", "number", "list", "not ascii"])
    def test_a_damaged_signature_is_refused(self, driver: Driver, damage: str) -> None:
        """As everywhere, but for upper case: VNPay's hashes are compared without regard to it (manual: return URL)."""
        _, message, report = driver.paid()
        good = driver.signature_of(message)
        bad = {
            "empty": "", "truncated": good[:-1], "longer": good + "0", "number": 1, "list": [good],
            "not ascii": good[:-1] + "ế",
        }  # fmt: skip

        with pytest.raises(ReportInvalid):
            driver.gateway.read_notification(driver.with_signature(message, bad.get(damage)))
        assert driver.heard(driver.with_signature(message, good.upper())) == report

    def test_a_refund_sent_twice_moves_money_once(self, driver: Driver) -> None:
        """Once, but the second answer is 94, which proves nothing: VNPay knows the request, not the refund."""
        request, _, paid = driver.paid()
        refund = driver.refund_of(request, paid, 60_000)

        first = vnpay(driver).refund(refund)
        with pytest.raises(GatewayUnavailable) as caught:
            vnpay(driver).refund(refund)

        assert (first.status, first.about, first.money) == (
            ReportStatus.PENDING,
            ReportAbout.REFUND,
            Money(60_000, "VND"),
        )
        assert first.reference == refund.reference
        assert (caught.value.code, caught.value.never_sent) == ("94", False)
        (booked,) = driver.truth(request.reference)["refunds"]
        assert (booked["amount"], str(booked["number"])) == (60_000, first.gateway_transaction_id)

    def test_partial_refunds_go_up_to_the_sum_and_no_further(self, driver: Driver) -> None:
        """As everywhere; an accepted refund is on its way, and counts at VNPay as if it had arrived."""
        request, _, paid = driver.paid()
        gateway = vnpay(driver)

        statuses = [gateway.refund(driver.refund_of(request, paid, minor)).status for minor in (900_000, 59_000, 1_000)]
        with pytest.raises(GatewayRejected):
            gateway.refund(driver.refund_of(request, paid, 1_000))

        assert statuses == [ReportStatus.PENDING] * 3
        assert [one["amount"] for one in driver.truth(request.reference)["refunds"]] == [900_000, 59_000, 1_000]

    def test_a_refund_of_more_than_was_paid_is_a_definite_no(self, driver: Driver) -> None:
        """As everywhere; an accepted refund is not at once paid at VNPay, so none may be there at all."""
        request, _, paid = driver.paid()

        with pytest.raises(GatewayRejected) as caught:
            vnpay(driver).refund(driver.refund_of(request, paid, 961_000))

        assert (caught.value.code, caught.value.retry_after_seconds) == ("93", 0)
        assert driver.truth(request.reference)["refunds"] == []

    def test_a_refund_that_was_accepted_and_never_answered_is_found_by_its_query(self, driver: Driver) -> None:
        """Found as the newest transaction of its purchase, since type and sum can mean no other refund. Sent again, it
        is answered 94, and nothing moves."""
        request, _, paid = driver.paid()
        refund = driver.refund_of(request, paid, 60_000)
        driver.fault("accept_then_timeout", operation="refund", seconds=1)

        with pytest.raises(GatewayUnavailable) as caught:
            vnpay(driver, timeout_seconds=0.3).refund(refund)
        found = vnpay(driver).query_refund(refund)
        with pytest.raises(GatewayUnavailable) as again:
            vnpay(driver).refund(refund)

        assert (caught.value.never_sent, again.value.code) == (False, "94")
        assert (found.status, found.reference, found.money) == (ReportStatus.PAID, refund.reference, refund.money)
        (booked,) = driver.truth(request.reference)["refunds"]
        assert found.gateway_transaction_id == str(booked["number"])

    def test_a_refund_that_never_arrived_is_surely_not_found(self, driver: Driver) -> None:
        """Never "surely": that VNPay shows the payment instead does not prove that it has no refund. A person decides."""
        request, _, paid = driver.paid()
        refund = driver.refund_of(request, paid, 60_000)
        driver.fault("error_500", operation="refund")

        with pytest.raises(GatewayUnavailable):
            vnpay(driver).refund(refund)

        assert vnpay(driver).query_refund(refund).status is ReportStatus.UNKNOWN
        assert driver.truth(request.reference)["refunds"] == []

    def test_a_slow_refund_is_pending_and_then_done(self, driver: Driver) -> None:
        """As everywhere, asked about instead of sent again."""
        request, _, paid = driver.paid()
        refund = driver.refund_of(request, paid, 60_000)
        driver.fault("refund_pending", seconds=0.4)

        first = vnpay(driver).refund(refund)
        known = driver.refund_of(
            request, paid, 60_000, reference=refund.reference, gateway_refund_id=first.gateway_transaction_id
        )
        asked = vnpay(driver).query_refund(known)
        driver.sandbox.app.stopping.wait(0.45)
        later = vnpay(driver).query_refund(known)

        assert [one.status for one in (first, asked, later)] == [
            ReportStatus.PENDING, ReportStatus.PENDING, ReportStatus.PAID,
        ]  # fmt: skip
        assert {one.gateway_transaction_id for one in (first, asked, later)} == {first.gateway_transaction_id}

    def test_no_secret_shows_in_what_is_printed_stored_or_raised(self, driver: Driver) -> None:
        """As everywhere; a wrong secret is found out by VNPay's page, as there is no create call."""
        secrets = [str(driver.settings()["hash_secret"])]
        request = driver.request(buyer_ip="198.51.100.7")
        checkout = driver.create(request)
        (message,) = driver.end(request.reference, "pay")
        report = driver.heard(message)
        wrong = vnpay(driver, hash_secret="wrong").create_checkout(driver.request())

        page = requests.get(wrong.pay_url, timeout=5)

        kept = [repr(driver.gateway), json.dumps([checkout.request, checkout.response, report.raw]), page.text]
        assert (page.status_code, "70" in page.text) == (400, True)
        assert [one for one in [*secrets, "198.51.100.7"] for text in kept if one in text] == []
        assert driver.signature_of(message) not in json.dumps(report.raw)
