"""What every gateway owes us where it speaks to us."""

from __future__ import annotations

import dataclasses

import pytest

from gateways.errors import ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage
from gateways.reports import ReportStatus
from tests.gateways.driver import Driver


class Hearing:
    """Notifications and returns: genuine, forged, damaged, repeated, late."""

    def test_each_signed_field_is_guarded(self, driver: Driver) -> None:
        _, message, _ = driver.paid()
        fields = driver.fields(message)

        for name in driver.signed:
            value = fields[name]
            changed = value + 1 if isinstance(value, int) else f"{value}x"
            with pytest.raises(ReportInvalid):
                driver.gateway.read_notification(driver.with_fields(message, {**fields, name: changed}))

    def test_a_signed_field_cannot_be_left_out(self, driver: Driver) -> None:
        _, message, _ = driver.paid()
        fields = driver.fields(message)

        for name in driver.signed:
            if fields[name] != "":
                rest = {key: value for key, value in fields.items() if key != name}
                with pytest.raises(ReportInvalid):
                    driver.gateway.read_notification(driver.with_fields(message, rest))

    @pytest.mark.parametrize(
        "damage", ["missing", "empty", "truncated", "upper case", "longer", "number", "list", "not ascii"]
    )
    def test_a_damaged_signature_is_refused(self, driver: Driver, damage: str) -> None:
        _, message, _ = driver.paid()
        good = driver.signature_of(message)
        bad = {
            "empty": "", "truncated": good[:-1], "upper case": good.upper(), "longer": good + "0", "number": 1,
            "list": [good], "not ascii": good[:-1] + "ế",
        }  # fmt: skip

        with pytest.raises(ReportInvalid):
            driver.gateway.read_notification(driver.with_signature(message, bad.get(damage)))

    def test_unsigned_fields_change_nothing(self, driver: Driver) -> None:
        _, message, report = driver.paid()
        fields = driver.fields(message)

        for name, value in driver.unsigned.items():
            assert driver.gateway.read_notification(driver.with_fields(message, {**fields, name: value})) == (report,)

    def test_what_is_kept_of_a_message_proves_it_again(self, driver: Driver) -> None:
        """Of its headers only the kind and `proof_headers` are stored, and a message may wait for a second try."""
        _, message, report = driver.paid()
        names = {"content-type", *driver.gateway.proof_headers}

        stored = dataclasses.replace(
            message, headers={name: message.headers[name] for name in names & set(message.headers)}
        )

        assert driver.heard(stored) == report

    def test_a_replay_reads_the_same(self, driver: Driver) -> None:
        driver.fault("duplicate", copies=2)
        request = driver.opened()

        messages = driver.end(request.reference, "pay")

        reports = [driver.heard(message) for message in messages]
        assert len({message.body for message in messages}) == 1
        assert reports == [reports[0]] * 3

    def test_another_merchants_notification_is_refused(self, driver: Driver) -> None:
        _, message, _ = driver.paid()

        with pytest.raises(ReportInvalid):
            driver.build(**driver.somebody_else()).read_notification(message)

    def test_another_merchants_return_is_refused(self, driver: Driver) -> None:
        checkout = driver.create(driver.request())
        returned = driver.returned(checkout.pay_url, "pay")

        with pytest.raises(ReportInvalid):
            driver.build(**driver.somebody_else()).read_return(returned)

    def test_a_forged_success_is_refused_and_the_true_failure_heard(self, driver: Driver) -> None:
        driver.fault("forged")
        request = driver.opened()

        forged, *true = driver.end(request.reference, "decline")

        with pytest.raises(ReportInvalid):
            driver.gateway.read_notification(forged)
        told = [driver.heard(message) for message in true] + [driver.query(request)]
        assert {one.status for one in told} == {driver.declined}

    def test_a_tampered_notification_is_refused_and_the_query_tells(self, driver: Driver) -> None:
        driver.fault("tamper")
        request = driver.opened()

        (message,) = driver.end(request.reference, "pay")

        with pytest.raises(ReportInvalid):
            driver.gateway.read_notification(message)
        assert driver.query(request).money == driver.money

    def test_a_lost_notification_is_made_good_by_the_query(self, driver: Driver) -> None:
        driver.fault("lost_ipn")
        request = driver.opened()

        assert driver.end(request.reference, "pay") == []
        assert driver.query(request).status is ReportStatus.PAID

    def test_an_older_message_may_come_last(self, driver: Driver) -> None:
        driver.fault("out_of_order")
        request = driver.opened()

        messages = driver.end(request.reference, "pay")
        reports = [driver.heard(message) for message in messages]

        assert reports[0].status is ReportStatus.PAID
        assert reports[1].status in (ReportStatus.PENDING, ReportStatus.PROCESSING)
        assert reports[1].occurred_at is not None and reports[0].occurred_at is not None
        assert reports[1].occurred_at < reports[0].occurred_at

    def test_a_notification_may_come_while_the_create_call_still_waits(self, driver: Driver) -> None:
        driver.fault("ipn_before_reply")
        request = driver.opened()

        (message,) = driver.told()

        assert driver.heard(message).reference == request.reference

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"{" * 5000, b'{"a":NaN}', b"<html>", b'"text"']
    )
    def test_rubbish_is_refused(self, driver: Driver, body: bytes) -> None:
        with pytest.raises(ReportInvalid):
            driver.gateway.read_notification(HttpMessage(method="POST", path="/", body=body))

    @pytest.mark.parametrize("query", ["", "a=b", "signature=", "%ff=%fe", "&&&", "amount=1&amount=2", "x=1&" * 500])
    def test_a_rubbish_return_is_refused(self, driver: Driver, query: str) -> None:
        with pytest.raises(ReportInvalid):
            driver.gateway.read_return(HttpMessage(method="GET", path="/", query=query))

    def test_a_good_answer_ends_the_providers_tries(self, driver: Driver) -> None:
        driver.inbox.reply = lambda message: driver.gateway.acknowledge(Acknowledgement.ACCEPTED)
        request = driver.opened()

        assert len(driver.end(request.reference, "pay")) == 1

    def test_after_an_error_of_ours_the_provider_comes_again(self, driver: Driver) -> None:
        driver.inbox.reply = lambda message: driver.gateway.acknowledge(
            Acknowledgement.ACCEPTED if len(driver.told()) > 2 else Acknowledgement.ERROR
        )
        request = driver.opened()

        messages = driver.end(request.reference, "pay")

        assert len(messages) == 3
        first, *again = [driver.fields(message) for message in messages]
        assert [{name: one.get(name) for name in driver.signed} for one in again] == [
            {name: first.get(name) for name in driver.signed}
        ] * 2

    def test_a_duplicate_hears_the_same_words_as_the_first(self, driver: Driver) -> None:
        first, again = (
            driver.gateway.acknowledge(one) for one in (Acknowledgement.ACCEPTED, Acknowledgement.DUPLICATE)
        )

        assert first.status < 300
        assert first.status == again.status
