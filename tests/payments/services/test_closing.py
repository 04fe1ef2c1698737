"""What nobody shall pay any more is closed at its gateway, once, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.core import faultpoints
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.state import Stage
from payments.admin import timeline
from payments.errors import GatewayRefused, GatewayTimeout
from payments.models import Attempt, MoneyCase, Payment, PaymentMethod
from payments.services import checkout, closing, expiry
from payments.states import AttemptStatus, PaymentStatus
from tests.payments.xendit import XenditSide

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Page:
    """An open page at Xendit, and what is at its gateway."""

    attempt: Attempt
    xendit: XenditSide

    @property
    def stage(self) -> Stage:
        """At the gateway."""
        return self.xendit.invoice(self.attempt).stage

    @property
    def notes(self) -> list[str]:
        """What its history says of closing."""
        found = self.attempt.history.filter(reason__contains="at the gateway").order_by("id")
        return list(found.values_list("reason", flat=True))

    @property
    def row(self) -> Attempt:
        """As it is now."""
        found: Attempt = Attempt.objects.get(id=self.attempt.id)
        return found

    @property
    def calls(self) -> int:
        """How often the gateway closed it."""
        log = list(self.xendit.running.app.sandbox.world.log)
        return sum((one["event"], one["order"]) == ("expired", self.attempt.gateway_reference) for one in log)


@pytest.fixture
def hosted(pay: Any, order: Any, xendit_method: PaymentMethod, xendit: XenditSide, at: datetime) -> Page:
    """A payment whose customer has a page at Xendit open, for 90 minutes."""
    return Page(pay(order(), method=xendit_method, at=at).attempt, xendit)


@pytest.fixture
def switch(hosted: Page, momo_method: PaymentMethod, at: datetime) -> Callable[[], Attempt]:
    """The customer chooses MoMo instead."""

    def to_momo() -> Attempt:
        opened = checkout.pay_again(
            payment_id=hosted.attempt.payment_id, method=momo_method, actor="customer:1", at=at + MINUTE
        )
        attempt: Attempt = opened.attempt
        return attempt

    return to_momo


# --- when ------------------------------------------------------------------------------------------------------------
def test_a_page_is_closed_before_its_payment_expires(hosted: Page, at: datetime) -> None:
    over = at + 90 * MINUTE
    assert expiry.expire_overdue(at=over) == 1

    assert hosted.stage is Stage.EXPIRED
    assert Payment.objects.get().status == PaymentStatus.EXPIRED
    assert (hosted.row.status, hosted.row.close_at, hosted.notes) == (
        AttemptStatus.EXPIRED,
        None,
        ["closed at the gateway"],
    )
    assert closing.close_due(at=over + MINUTE) == 0


def test_money_that_comes_just_before_is_found_by_closing_and_nothing_expires(
    hosted: Page, xendit: XenditSide, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pay_now(name: str) -> None:
        if name == "closing.intent_committed":
            xendit.settle(hosted.attempt)

    monkeypatch.setattr(faultpoints, "reach", pay_now)

    assert expiry.expire_overdue(at=at + 90 * MINUTE) == 0

    payment = Payment.objects.get()
    assert (payment.status, payment.is_late, payment.captured_minor) == (PaymentStatus.SUCCEEDED, False, 100_000)
    assert (hosted.row.close_at, hosted.notes) == (None, [])


def test_a_page_of_a_cancelled_payment_is_closed_after_the_commit(hosted: Page, at: datetime) -> None:
    expiry.cancel(payment_id=hosted.attempt.payment_id, actor="system:x", reason="changed mind", at=at)
    assert (hosted.stage, hosted.row.status, hosted.row.close_at) == (Stage.WAITING, AttemptStatus.CANCELLED, at)

    assert [closing.close_due(at=at), closing.close_due(at=at + MINUTE)] == [1, 0]

    assert (hosted.stage, hosted.notes) == (Stage.EXPIRED, ["closed at the gateway"])
    assert (hosted.row.status, hosted.row.close_at) == (AttemptStatus.CANCELLED, None)
    told = timeline.drawing(timeline.read(Payment.objects.get())).data
    assert [one.note for one in told].count("closed at the gateway") == 1


def test_a_page_that_was_left_for_another_method_is_closed(
    hosted: Page, switch: Callable[[], Attempt], momo: Any, hear: Any, at: datetime
) -> None:
    other = switch()

    assert closing.close_due(at=at + MINUTE) == 1

    assert (hosted.stage, hosted.row.status, hosted.notes) == (
        Stage.EXPIRED, AttemptStatus.EXPIRED, ["closed at the gateway"],
    )  # fmt: skip
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    hear(momo.paid_ipn(other))
    assert (Payment.objects.get().status, MoneyCase.objects.count()) == (PaymentStatus.SUCCEEDED, 0)


def test_a_page_beside_a_payment_by_another_attempt_is_closed(
    pay: Any, order: Any, momo_method: PaymentMethod, xendit_method: PaymentMethod, momo: Any, hear: Any,
    xendit: XenditSide, at: datetime,
) -> None:  # fmt: skip
    first = pay(order(), method=momo_method, at=at).attempt
    second = checkout.pay_again(payment_id=first.payment_id, method=xendit_method, actor="customer:1", at=at).attempt
    hosted = Page(second, xendit)
    assert closing.close_due(at=at) == 0

    hear(momo.paid_ipn(first), at=at)
    assert hosted.row.close_at == at
    closing.close_due(at=at)

    assert (hosted.stage, hosted.row.status, hosted.row.close_at) == (Stage.EXPIRED, AttemptStatus.EXPIRED, None)
    assert (Payment.objects.get().status, MoneyCase.objects.count()) == (PaymentStatus.SUCCEEDED, 0)


def test_money_that_comes_by_the_page_before_it_is_closed_pays_and_ends_the_other(
    hosted: Page, switch: Callable[[], Attempt], xendit: XenditSide, at: datetime
) -> None:
    switch()
    xendit.settle(hosted.attempt)  # and its webhook is lost

    assert closing.close_due(at=at + MINUTE) == 1

    payment = Payment.objects.get()
    assert (payment.status, payment.captures.get().attempt_id) == (PaymentStatus.SUCCEEDED, hosted.attempt.id)
    assert (hosted.stage, hosted.row.close_at, hosted.notes) == (Stage.PAID, None, [])


def test_an_attempt_that_nobody_knows_about_is_asked_about_first(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: XenditSide, at: datetime
) -> None:
    xendit.fault(Fault.ERROR_500_AFTER_ACCEPT, operation="create")
    with pytest.raises(GatewayTimeout):
        pay(order(), method=xendit_method, at=at)
    hosted = Page(Attempt.objects.get(), xendit)
    xendit.silent()
    expiry.cancel(payment_id=hosted.attempt.payment_id, actor="system:x", reason="changed mind", at=at)
    xendit.mend()
    assert (hosted.row.status, hosted.row.close_at) == (AttemptStatus.UNKNOWN, at)
    assert closing.close_due(at=at + MINUTE) == 0

    expiry.ask_due(at=at + MINUTE)
    assert closing.close_due(at=at + MINUTE) == 1

    assert (hosted.stage, hosted.row.close_at) == (Stage.EXPIRED, None)


# --- never -----------------------------------------------------------------------------------------------------------
def test_a_page_stays_open_where_the_other_attempt_came_to_nothing(
    hosted: Page, switch: Callable[[], Attempt], momo: Any, hear: Any, at: datetime
) -> None:
    other = switch()
    momo.settle(other, Outcome.DECLINE)
    hear(momo.ipn(other))

    assert closing.close_due(at=at + MINUTE) == 1

    assert (hosted.stage, hosted.row.status, hosted.row.close_at) == (
        Stage.WAITING,
        AttemptStatus.REQUIRES_ACTION,
        None,
    )
    assert hosted.calls == 0


def test_a_page_stays_open_where_the_other_gateway_refused(
    hosted: Page, switch: Callable[[], Attempt], momo: Any, at: datetime
) -> None:
    momo.fault(Fault.ANSWER_CODE, operation="create", scope="operation", count=1, code=11)
    with pytest.raises(GatewayRefused):
        switch()

    assert hosted.row.close_at is None
    assert closing.close_due(at=at + MINUTE) == 0
    assert hosted.stage is Stage.WAITING


def test_what_the_gateway_cannot_close_is_not_marked(
    pay: Any, order: Any, momo_method: PaymentMethod, at: datetime
) -> None:
    opened = pay(order(), method=momo_method, at=at)
    expiry.cancel(payment_id=opened.payment.id, actor="system:x", reason="changed mind", at=at)

    assert Attempt.objects.get().close_at is None
    assert closing.close_due(at=at + MINUTE) == 0


def test_what_ended_by_itself_is_not_marked(hosted: Page, xendit: XenditSide, webhook: Any, at: datetime) -> None:
    xendit.settle(hosted.attempt, Outcome.EXPIRE)
    webhook(xendit.told(hosted.attempt).body)

    expiry.cancel(payment_id=hosted.attempt.payment_id, actor="system:x", reason="changed mind", at=at)

    assert hosted.row.close_at is None


def test_a_left_page_that_ends_does_not_end_the_waiting_for_a_bank(
    hosted: Page, switch: Callable[[], Attempt], momo: Any, hear: Any, at: datetime
) -> None:
    other = switch()
    Payment.objects.update(status=PaymentStatus.PROCESSING)
    Attempt.objects.filter(id=other.id).update(status=AttemptStatus.PENDING)

    closing.close_due(at=at + MINUTE)

    assert (hosted.stage, Payment.objects.get().status) == (Stage.EXPIRED, PaymentStatus.PROCESSING)


# --- no answer -------------------------------------------------------------------------------------------------------
def test_without_an_answer_it_is_tried_at_growing_pauses_and_given_up_without_a_case(
    hosted: Page, xendit: XenditSide, at: datetime
) -> None:
    expiry.cancel(payment_id=hosted.attempt.payment_id, actor="system:x", reason="changed mind", at=at)
    xendit.fault(Fault.ERROR_500, operation="close", scope="operation", count=50)

    moment = at
    for tries, pause in enumerate(closing.AGAIN_AFTER, start=1):
        assert closing.close_due(at=moment) == 1
        assert (hosted.row.close_tries, hosted.row.close_at) == (tries, moment + pause)
        assert closing.close_due(at=moment + pause - timedelta(seconds=1)) == 0
        moment += pause
    assert closing.close_due(at=moment) == 1

    assert hosted.row.close_at is None
    assert (hosted.stage, hosted.notes, MoneyCase.objects.count()) == (Stage.WAITING, [], 0)


def test_a_payment_waits_out_its_grace_while_its_page_cannot_be_closed(
    hosted: Page, xendit: XenditSide, at: datetime
) -> None:
    xendit.fault(Fault.ERROR_500, operation="close", scope="operation", count=50)
    over = at + 90 * MINUTE

    assert [expiry.expire_overdue(at=over + minutes * MINUTE) for minutes in (0, 1, 14)] == [0, 0, 0]
    assert expiry.expire_overdue(at=over + 15 * MINUTE) == 1
    assert hosted.stage is Stage.WAITING
    xendit.mend()

    assert closing.close_due(at=over + 15 * MINUTE) == 1
    assert (hosted.stage, hosted.notes) == (Stage.EXPIRED, ["closed at the gateway"])


@pytest.mark.parametrize("point", ["closing.intent_committed", "closing.gateway_answered", "closing.believed"])
def test_whoever_dies_while_closing_leaves_it_due(
    hosted: Page, at: datetime, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        """The process dies."""

    def die(name: str) -> None:
        if name == point:
            raise Killed

    expiry.cancel(payment_id=hosted.attempt.payment_id, actor="system:x", reason="changed mind", at=at)
    with monkeypatch.context() as crash, pytest.raises(Killed):
        crash.setattr(faultpoints, "reach", die)
        closing.close_due(at=at)
    assert hosted.row.close_at == at + closing.AGAIN_AFTER[0]

    assert closing.close_due(at=at + closing.AGAIN_AFTER[0]) == 1

    was_over = point != "closing.intent_committed"
    assert (hosted.stage, hosted.row.close_at, hosted.calls) == (Stage.EXPIRED, None, 1)
    assert hosted.notes == ["over at the gateway" if was_over else "closed at the gateway"]


# --- the price -------------------------------------------------------------------------------------------------------
def test_a_capture_pays_nothing_for_it_where_no_other_attempt_is_open(
    hosted: Page, switch: Callable[[], Attempt], pay: Any, order: Any, momo: Any, hear: Any, at: datetime
) -> None:
    def statements(attempt: Attempt) -> list[str]:
        body = momo.paid_ipn(attempt)
        with CaptureQueriesContext(connection) as seen:
            assert hear(body).status == 204
        return [one["sql"] for one in seen if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]

    warm = statements(pay(order(order_id="ORD-0")).attempt)
    alone = statements(pay(order(order_id="ORD-1")).attempt)
    beside = statements(switch())

    assert len(warm) >= len(alone)
    assert len(beside) == len(alone) + 1
    assert [sql.startswith('UPDATE "payments_attempt" SET "close_at"') for sql in alone].count(True) == 0
    assert [sql.startswith('UPDATE "payments_attempt" SET "close_at"') for sql in beside].count(True) == 1
