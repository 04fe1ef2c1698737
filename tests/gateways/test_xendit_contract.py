"""Xendit is bound by the contract of all gateways; where its document differs, the test says why.

Its webhooks carry a token and no signature: the sender is proven, the body is not. So nothing here is refused for a
changed body; instead nothing in a body is believed before the API has said the same.
"""

from __future__ import annotations

from typing import ClassVar

import pytest

from gateways.abilities import Confirms
from gateways.errors import GatewayUnavailable, ReportInvalid
from gateways.notifications import HttpMessage
from gateways.reports import Report, ReportStatus
from tests.gateways.contract.closing import Closing
from tests.gateways.contract.hearing import Hearing
from tests.gateways.contract.paying import Paying
from tests.gateways.contract.refunding import Refunding
from tests.gateways.contract.secrecy import Secrecy
from tests.gateways.contract.silence import CreateCall, QueryCall
from tests.gateways.driver import Driver
from tests.gateways.drivers.xendit import XenditDriver


class TestXendit(Paying, Hearing, CreateCall, QueryCall, Refunding, Closing, Secrecy):
    """Xendit, whole."""

    driver_class: ClassVar[type[Driver]] = XenditDriver

    # --- paying ------------------------------------------------------------------------------------------------------

    def test_notification_return_and_query_tell_one_truth(self, driver: Driver) -> None:
        """The return page tells only whose it is (Xendit: never confirm an order from it), the other two the rest."""
        assert isinstance(driver, XenditDriver)
        request = driver.request()
        checkout = driver.create(request)

        returned = driver.gateway.read_return(driver.returned(checkout.pay_url, "pay"))
        assert driver.sandbox.drain()
        (message,) = driver.inbox.messages
        told = [driver.heard(message), driver.query(request)]
        driver.known_ids[request.reference] = ""  # as after a create that was never answered
        told.append(driver.query(request))

        assert (returned.reference, returned.status, returned.money) == (request.reference, ReportStatus.PENDING, None)
        assert told == [told[0]] * 3
        (transaction,) = driver.truth(request.reference)["transactions"]
        assert (told[0].status, told[0].money) == (ReportStatus.PAID, driver.money)
        assert told[0].gateway_transaction_id == checkout.gateway_transaction_id == driver.invoice_id(request.reference)
        assert told[0].occurred_at is not None
        assert told[0].occurred_at.timestamp() * 1000 == pytest.approx(transaction["at_ms"])

    @pytest.mark.parametrize(
        ("outcome", "status"),
        [("decline", ReportStatus.PENDING), ("insufficient", ReportStatus.PENDING), ("expire", ReportStatus.EXPIRED)],
    )
    def test_what_was_not_paid_is_told_without_a_transaction(
        self, driver: Driver, outcome: str, status: ReportStatus
    ) -> None:
        """A declined try does not end an invoice and is told to nobody: the payer may go on until it expires."""
        request = driver.opened()

        messages = driver.end(request.reference, outcome)
        told = [driver.heard(message) for message in messages] + [driver.query(request)]

        assert len(told) == (2 if outcome == "expire" else 1)
        assert {(one.status, one.gateway_transaction_id) for one in told} == {(status, "")}

    # --- hearing -----------------------------------------------------------------------------------------------------

    def test_each_signed_field_is_guarded(self, driver: Driver) -> None:
        """No field is signed: whatever a body is changed to, what is believed is what the API says of the invoice."""
        request, message, true = driver.paid()
        fields = driver.fields(message)
        changes = {
            "amount": 1, "paid_amount": 99_000_000, "currency": "USD", "status": "EXPIRED", "external_id": "0" * 26,
            "paid_at": "2020-01-01T00:00:00.000Z", "payment_id": "py-other", "updated": "2020-01-01T00:00:00.000Z",
        }  # fmt: skip

        for name, value in changes.items():
            assert driver.heard(driver.with_fields(message, {**fields, name: value})) == true
        assert driver.query(request) == true

    def test_a_signed_field_cannot_be_left_out(self, driver: Driver) -> None:
        """What a body leaves out is asked for; without the three names that make it an invoice's it is refused."""
        _, message, true = driver.paid()
        fields = driver.fields(message)

        for name in fields:
            rest = driver.with_fields(message, {key: value for key, value in fields.items() if key != name})
            if name in ("id", "external_id", "status"):
                with pytest.raises(ReportInvalid):
                    driver.gateway.read_notification(rest)
            else:
                assert driver.heard(rest) == true

    def test_unsigned_fields_change_nothing(self, driver: Driver) -> None:
        """As everywhere, once it was confirmed."""
        _, message, report = driver.paid()
        fields = driver.fields(message)

        for name, value in driver.unsigned.items():
            assert driver.heard(driver.with_fields(message, {**fields, name: value})) == report

    def test_a_forged_success_is_refused_and_the_true_failure_heard(self, driver: Driver) -> None:
        """A failure is told only when the invoice expires."""
        driver.fault("forged")
        request = driver.opened()

        forged, *true = driver.end(request.reference, "expire")

        with pytest.raises(ReportInvalid):
            driver.gateway.read_notification(forged)
        told = [driver.heard(message) for message in true] + [driver.query(request)]
        assert [one.status for one in told] == [ReportStatus.EXPIRED] * 2

    def test_a_success_that_a_holder_of_the_token_made_up_is_not_believed(self, driver: Driver) -> None:
        """The honest half of the forged one: with the right token it is read, and the API does not know of it."""
        assert isinstance(driver, XenditDriver)
        request = driver.opened()
        body = {"id": driver.invoice_id(request.reference), "external_id": request.reference, "status": "PAID"}
        body |= {"amount": 960_000, "paid_amount": 960_000, "currency": "VND"}

        assert driver.heard(driver.webhook(**body)).status is ReportStatus.PENDING
        assert driver.heard(driver.webhook(**{**body, "id": "f" * 24})).status is ReportStatus.UNKNOWN

    def test_a_tampered_notification_is_refused_and_the_query_tells(self, driver: Driver) -> None:
        """It cannot be refused, as nothing signs the body: it is read, asked about, and the true sum is believed."""
        driver.fault("tamper")
        request = driver.opened()

        (message,) = driver.end(request.reference, "pay")
        (claimed,) = driver.gateway.read_notification(message)

        assert isinstance(claimed, Report)
        assert claimed.money is not None and claimed.money.minor == 10 * driver.money.minor
        assert driver.heard(message).money == driver.query(request).money == driver.money

    def test_an_older_message_may_come_last(self, driver: Driver) -> None:
        """Whatever the order of messages, each makes us ask, and the answer is the state of now."""
        driver.fault("out_of_order")
        request = driver.opened()

        messages = driver.end(request.reference, "pay")
        claimed = [driver.fields(message)["status"] for message in messages]
        reports = [driver.heard(message) for message in messages]

        assert claimed == ["PAID", "PENDING"]
        assert reports == [driver.query(request)] * 2
        assert reports[0].status is ReportStatus.PAID

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"{" * 5000, b'{"id":NaN}', b"<html>"])
    def test_rubbish_with_the_right_token_is_refused_too(self, driver: Driver, body: bytes) -> None:
        headers = {"x-callback-token": str(driver.settings()["webhook_token"])}

        with pytest.raises(ReportInvalid):
            driver.gateway.read_notification(HttpMessage(method="POST", path="/", headers=headers, body=body))

    def test_what_cannot_be_asked_about_waits(self, driver: Driver) -> None:
        """The message is kept by whoever called; nothing was learned from it."""
        _, message, _ = driver.paid()
        (claimed,) = driver.gateway.read_notification(message)
        assert isinstance(driver.gateway, Confirms) and isinstance(claimed, Report)
        driver.fault("error_500", scope="operation", operation="query")

        with pytest.raises(GatewayUnavailable):
            driver.gateway.confirm(claimed)

    # --- silence -----------------------------------------------------------------------------------------------------

    def test_a_create_sent_twice_opens_one_payment_and_the_second_is_unknown(self, driver: Driver) -> None:
        """Xendit takes the same external_id again and makes a second live link, which is why nobody sends a create
        twice. Should it happen all the same, both sums are told, each with its own number.
        """
        request = driver.opened()
        first = driver.known_ids[request.reference]
        driver.create(request)
        second = driver.known_ids[request.reference]

        driver.end(request.reference, "pay")
        driver.end(f"{request.reference}~2", "pay")
        driver.known_ids[request.reference] = ""
        told = driver.query(request)

        assert first != second
        assert {told.gateway_transaction_id, *(one.gateway_transaction_id for one in told.others)} == {first, second}
        assert [one.status for one in (told, *told.others)] == [ReportStatus.PAID] * 2
        assert {one.reference for one in (told, *told.others)} == {request.reference}
