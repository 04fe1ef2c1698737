"""ZaloPay through our own services: to the journal and back, told of successes only, and refunds around midnight."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.core.money import Money
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import Payment as Order
from gateways.sandbox.state import Refund as SandboxRefund
from gateways.sandbox.state import pretend
from gateways.sandbox.zalopay.simulator import PUBLISHED
from payments.models import Attempt, MoneyCase, Notification, Payment, PaymentMethod, Refund
from payments.services import accounts, expiry, refund_steps, refunds
from payments.services.refunds import NewRefund
from payments.states import AttemptStatus, NotificationStatus, PaymentStatus, RefundStatus
from tests import factories
from tests.factories import ApiClient
from tests.payments.conftest import NOWHERE

pytestmark = pytest.mark.django_db
(APP, KEY1, KEY2), *_ = PUBLISHED


@dataclass(frozen=True, slots=True)
class OtherSide:
    """The payer, ZaloPay's courier and its misbehaviour, in one hand."""

    running: RunningSandbox

    def order(self, attempt: Attempt) -> Order:
        """What ZaloPay knows of an attempt."""
        return self.running.app.sandbox.world.payments["zalopay", APP, attempt.gateway_reference]

    def settle(self, attempt: Attempt, outcome: Outcome = Outcome.PAY, **how: Any) -> None:
        """Let the payer act, without a callback."""
        self.fault(Fault.LOST_IPN)
        self.running.app.providers["zalopay"].settle(self.order(attempt), outcome, **how)

    def callback(self, attempt: Attempt, kind: str = "genuine") -> bytes:
        """The callback about an attempt: genuine, forged or tampered."""
        return self.running.app.providers["zalopay"].notification(self.order(attempt), kind).body

    def refunds(self, attempt: Attempt) -> list[SandboxRefund]:
        """The refunds that ZaloPay has of an attempt."""
        return self.running.app.sandbox.world.refunds_of(self.order(attempt))

    def fault(self, fault: Fault, **spec: Any) -> None:
        """The next call goes wrong so."""
        self.running.app.sandbox.faults.add({"fault": fault.value, **spec}, possible=frozenset(Fault))

    def believe(self, at: datetime) -> None:
        """Let ZaloPay believe that it is another moment."""
        pretend(int(at.timestamp() * 1000))


@pytest.fixture
def zalopay(payment_sandbox: RunningSandbox, settings: Any) -> Iterator[OtherSide]:
    settings.PUBLIC_URL = NOWHERE
    payment_sandbox.app.sandbox.faults.clear()
    yield OtherSide(payment_sandbox)
    payment_sandbox.app.sandbox.faults.clear()
    pretend(None)


@pytest.fixture
def method(db: None, zalopay: OtherSide) -> PaymentMethod:
    (account,) = accounts.ensure_first_accounts(
        {"zalopay": {"app_id": APP, "key1": KEY1, "key2": KEY2, "endpoint": zalopay.running.url}}
    )
    made: PaymentMethod = factories.PaymentMethodFactory(code="zalopay", name_vi="Ví Zalopay", account=account)
    return made


def call_back(body: bytes) -> int:
    """ZaloPay posts to our address; the return_code it reads."""
    kind = "application/json; charset=UTF-8"
    reply = ApiClient().generic("POST", "/api/v1/webhooks/zalopay/zalopay", body, content_type=kind)
    assert (reply.status_code, reply["Content-Type"].partition(";")[0]) == (200, "application/json")
    return int(json.loads(reply.content)["return_code"])


@pytest.fixture
def paid(pay: Any, order: Any, method: PaymentMethod, zalopay: OtherSide) -> Callable[..., Attempt]:
    def make(at: datetime | None = None) -> Attempt:
        attempt: Attempt = pay(order(), method=method, **({"at": at} if at else {})).attempt
        zalopay.settle(attempt)
        assert call_back(zalopay.callback(attempt)) == 1
        return attempt

    return make


def ask_back(attempt: Attempt, minor: int, *, at: datetime) -> Refund:
    wish = NewRefund(payment_id=attempt.payment_id, amount=Money(minor, "VND"), actor="system:tests", reason="hàng lỗi")
    return refunds.request_refund(wish=wish, at=at).refund


# --- paying ----------------------------------------------------------------------------------------------------------


def test_a_payment_goes_from_the_page_over_the_callback_into_the_journal(
    pay: Any, order: Any, method: PaymentMethod, zalopay: OtherSide, books: Any
) -> None:
    opened = pay(order(amount_minor=50_000), method=method)
    attempt = opened.attempt
    assert (attempt.status, attempt.gateway_transaction_id) == (AttemptStatus.REQUIRES_ACTION, "")
    assert attempt.pay_url.startswith(f"{zalopay.running.url}/openinapp?t=")
    zalopay.settle(attempt)

    first, again = call_back(zalopay.callback(attempt)), call_back(zalopay.callback(attempt))

    number = zalopay.order(attempt).transactions[0].number
    payment = Payment.objects.get()
    assert (first, again) == (1, 1)
    assert (payment.status, payment.captured_minor) == (PaymentStatus.SUCCEEDED, 50_000)
    assert payment.captures.get().gateway_transaction_id == str(number)
    assert list(books()) == [f"cap:zalopay:{number}"]
    assert books()[f"cap:zalopay:{number}"]["gw:zalopay:clearing"] == 50_000


def test_a_forged_and_a_tampered_callback_hear_minus_one_and_change_nothing(
    pay: Any, order: Any, method: PaymentMethod, zalopay: OtherSide, books: Any
) -> None:
    attempt = pay(order(), method=method).attempt

    heard = [call_back(zalopay.callback(attempt, kind)) for kind in ("forged", "tampered")]

    assert heard == [-1, -1]
    assert set(Notification.objects.values_list("status", flat=True)) == {NotificationStatus.REJECTED}
    assert (Payment.objects.get().status, books()) == (PaymentStatus.AWAITING_PAYMENT, {})


def test_what_the_payer_cancels_is_never_told_and_found_out_by_asking(
    pay: Any, order: Any, method: PaymentMethod, zalopay: OtherSide, at: Any
) -> None:
    attempt = pay(order(), method=method, at=at).attempt
    zalopay.settle(attempt, Outcome.DECLINE)

    expiry.ask_due(at=at + timedelta(seconds=30))

    attempt.refresh_from_db()
    assert (attempt.status, attempt.failure_code) == (AttemptStatus.FAILED, "-329")
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    assert Notification.objects.count() == 0


def test_an_order_that_the_payer_left_stays_open_until_its_time_is_over(
    pay: Any, order: Any, method: PaymentMethod, zalopay: OtherSide, at: Any
) -> None:
    attempt = pay(order(), method=method, at=at).attempt

    expiry.ask_due(at=at + timedelta(seconds=30))
    assert Attempt.objects.get().status == AttemptStatus.REQUIRES_ACTION
    zalopay.believe(at + timedelta(minutes=91))
    assert expiry.expire_overdue(at=at + timedelta(minutes=91)) == 1

    assert Payment.objects.get().status == PaymentStatus.EXPIRED
    zalopay.settle(attempt, again=True)
    assert call_back(zalopay.callback(attempt)) == 1
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED  # late money is still money


def test_another_sum_is_held_with_a_case_and_zalopay_hears_that_we_have_it(
    pay: Any, order: Any, method: PaymentMethod, zalopay: OtherSide
) -> None:
    attempt = pay(order(), method=method).attempt
    zalopay.fault(Fault.WRONG_AMOUNT, amount=5_000)
    zalopay.settle(attempt)

    assert call_back(zalopay.callback(attempt)) == 1
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.AMOUNT_MISMATCH


# --- refunds ---------------------------------------------------------------------------------------------------------


def test_a_refund_is_pending_at_first_and_booked_when_the_question_says_done(
    paid: Any, zalopay: OtherSide, books: Any, at: Any
) -> None:
    attempt = paid(at)

    made = ask_back(attempt, 10_000, at=at)
    assert (made.status, f"{made.id}:executed" in books()) == (RefundStatus.PENDING, False)
    assert refund_steps.advance_due(at=at + timedelta(minutes=1)) == 1

    (moved,) = zalopay.refunds(attempt)
    made.refresh_from_db()
    assert (made.status, made.gateway_refund_id, moved.amount) == (RefundStatus.SUCCEEDED, str(moved.number), 10_000)
    assert books()[f"{made.id}:executed"] == {"refund:payable": 10_000, "gw:zalopay:clearing": -10_000}


@pytest.fixture
def evening(zalopay: OtherSide) -> datetime:
    """One minute to midnight in Vietnam, for both sides."""
    moment = datetime.now(UTC).replace(hour=16, minute=59, second=0, microsecond=0)
    zalopay.believe(moment)
    return moment


def dated(refund: Refund, day: datetime) -> str:
    """The m_refund_id of a refund sent on this day."""
    local = day + timedelta(hours=7)
    return f"{local:%y%m%d}_{APP}_{refund.gateway_reference.partition('_')[2]}"


def test_a_refund_that_went_out_before_midnight_without_an_answer_is_found_after_it(
    paid: Any, zalopay: OtherSide, evening: datetime
) -> None:
    attempt = paid(evening)
    zalopay.fault(Fault.ERROR_500_AFTER_ACCEPT, operation="refund")
    made = ask_back(attempt, 10_000, at=evening)
    assert made.status == RefundStatus.UNKNOWN

    night = evening + timedelta(minutes=2)
    zalopay.believe(night)
    refund_steps.advance_due(at=night)

    made.refresh_from_db()
    assert made.status == RefundStatus.SUCCEEDED
    assert [one.order for one in zalopay.refunds(attempt)] == [dated(made, evening)]


def test_a_refund_that_never_arrived_before_midnight_goes_out_under_the_new_day_once(
    paid: Any, zalopay: OtherSide, evening: datetime
) -> None:
    attempt = paid(evening)
    zalopay.fault(Fault.ERROR_500, operation="refund")
    made = ask_back(attempt, 10_000, at=evening)

    for minutes in (2, 6, 12):  # asked: not there; sent; asked: done
        moment = evening + timedelta(minutes=minutes)
        zalopay.believe(moment)
        refund_steps.advance_due(at=moment)

    made.refresh_from_db()
    assert made.status == RefundStatus.SUCCEEDED
    assert [one.order for one in zalopay.refunds(attempt)] == [dated(made, evening + timedelta(days=1))]


def test_a_refund_whose_first_day_cannot_be_asked_about_waits_and_is_not_sent(
    paid: Any, zalopay: OtherSide, evening: datetime
) -> None:
    attempt = paid(evening)
    zalopay.fault(Fault.ERROR_500, operation="refund")
    made = ask_back(attempt, 10_000, at=evening)
    asked, sent = evening + timedelta(minutes=2), evening + timedelta(minutes=6)
    zalopay.believe(asked)
    refund_steps.advance_due(at=asked)
    zalopay.fault(Fault.ANSWER_CODE, scope="operation", operation="query_refund", code=999, count=1)

    zalopay.believe(sent)
    refund_steps.advance_due(at=sent)

    made.refresh_from_db()
    assert (made.status, zalopay.refunds(attempt)) == (RefundStatus.APPROVED, [])
    assert made.next_step_at is not None
