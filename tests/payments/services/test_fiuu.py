"""Fiuu through our own services: from a payment over its page and our own door into the journal, and its traps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from config.core import spacing
from config.core.money import Money
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.state import Stage
from payments.models import (
    Attempt,
    Capture,
    Dispute,
    GatewayAccount,
    MoneyCase,
    Notification,
    Payment,
    PaymentMethod,
    Refund,
)
from payments.services import expiry, notifications, refund_steps, refunds
from payments.services.refunds import NewRefund
from payments.services.sending import Opened
from payments.states import AttemptStatus, NotificationStatus, PaymentStatus, RefundStatus
from tests.payments.fiuu import FiuuSide

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt(order: Callable[..., Any], pay: Callable[..., Opened], fiuu_method: PaymentMethod, at: datetime) -> Attempt:
    """An open payment of 100.50 ringgit."""
    made = order(order_id="ORD-MY", amount_minor=10_050, currency="MYR")
    return pay(made, method=fiuu_method, at=at).attempt


def number(side: FiuuSide, attempt: Attempt, which: int = -1) -> str:
    return str(side.payment(attempt).transactions[which].number)


def taken(answer: Any) -> bool:
    return (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"CBTOKEN:MPSTATOK", "text/plain")


# --- paying -----------------------------------------------------------------------------------------------------------
def test_a_payment_goes_from_the_page_over_the_notification_into_the_journal(
    fiuu: FiuuSide, attempt: Attempt, books: Any
) -> None:
    assert (attempt.status, attempt.gateway_transaction_id) == (AttemptStatus.REQUIRES_ACTION, "")
    body = fiuu.settle(attempt)

    first, again = fiuu.deliver(body), fiuu.deliver(body)

    payment = Payment.objects.get()
    assert (taken(first), taken(again)) == (True, True)
    assert (payment.status, payment.captured_minor, payment.currency) == (PaymentStatus.SUCCEEDED, 10_050, "MYR")
    assert payment.captures.get().gateway_transaction_id == number(fiuu, attempt)
    assert list(books()) == [f"cap:fiuu:{number(fiuu, attempt)}"]
    assert books()[f"cap:fiuu:{number(fiuu, attempt)}"]["gw:fiuu:clearing"] == 10_050


@pytest.mark.parametrize("kind", ["forged", "tampered"])
def test_a_bad_message_is_answered_400_and_changes_nothing(
    fiuu: FiuuSide, attempt: Attempt, books: Any, kind: str
) -> None:
    fiuu.settle(attempt)

    assert fiuu.deliver(fiuu.message(attempt, kind)).status_code == 400

    assert Notification.objects.get().status == NotificationStatus.REJECTED
    assert (Payment.objects.get().status, books()) == (PaymentStatus.AWAITING_PAYMENT, {})


def test_two_payments_of_one_order_end_as_one_capture_and_one_case(
    fiuu: FiuuSide, attempt: Attempt, books: Any, at: datetime
) -> None:
    """The customer pays by two channels in two tabs, and both messages are lost: the question tells both."""
    fiuu.settle(attempt)
    fiuu.settle(attempt, again=True)

    expiry.ask_due(at=at + timedelta(minutes=1))

    payment, case = Payment.objects.get(), MoneyCase.objects.get()
    assert (payment.status, payment.captured_minor) == (PaymentStatus.SUCCEEDED, 10_050)
    assert sorted(Capture.objects.values_list("disposition", "amount_minor")) == [("applied", 10_050), ("held", 10_050)]
    assert (case.kind, case.amount_minor, case.currency) == (MoneyCase.Kind.DOUBLE_PAYMENT, 10_050, "MYR")
    assert sorted(books()) == sorted(f"cap:fiuu:{number(fiuu, attempt, which)}" for which in (0, 1))

    late = [fiuu.message(attempt), fiuu.message(attempt)]
    assert all(taken(fiuu.deliver(body)) for body in late)
    assert (Capture.objects.count(), MoneyCase.objects.count(), len(books())) == (2, 1, 2)


@pytest.mark.parametrize("name", ["cancelled", "failed by bank", "pending"])
def test_a_later_refusal_never_undoes_a_success(fiuu: FiuuSide, attempt: Attempt, books: Any, name: str) -> None:
    fiuu.deliver(fiuu.settle(attempt))
    before = books()
    if name == "cancelled":
        body = fiuu.become(attempt, "cancelled")
    elif name == "pending":
        body = fiuu.message(attempt, "processing")
    else:
        fields = {"orderid": attempt.gateway_reference, "status": "11", "error_code": "FPX_05"}
        body = fiuu.provider.custom_notification({**fields, "callbackurl": "http://127.0.0.1:9"}).body

    assert taken(fiuu.deliver(body))

    payment = Payment.objects.get()
    assert (payment.status, payment.captured_minor) == (PaymentStatus.SUCCEEDED, 10_050)
    assert books() == before


def test_a_refusal_is_believed_only_when_fiuu_says_it_again(fiuu: FiuuSide, attempt: Attempt, at: datetime) -> None:
    body = fiuu.settle(attempt, Outcome.DECLINE)
    fiuu.fault(Fault.ERROR_500, scope="always", operation="query_one")

    assert fiuu.deliver(body).status_code == 503
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.REQUIRES_ACTION
    fiuu.well_again()
    assert notifications.process_waiting(at=at + timedelta(minutes=1)) == 1

    attempt.refresh_from_db()
    assert (attempt.status, attempt.failure_code) == (AttemptStatus.FAILED, "CC_05")
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


def test_a_message_that_our_own_spacing_holds_back_uses_up_no_try(
    fiuu: FiuuSide, attempt: Attempt, at: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = fiuu.settle(attempt, Outcome.DECLINE)
    settings.GATEWAY_SPACING = {"fiuu.query": 30.0}
    assert spacing.turn("fiuu.query", every_seconds=30, patience_seconds=0) == (True, 0.0)

    assert fiuu.deliver(body).status_code == 503
    monkeypatch.setattr(notifications, "SWEEP_PATIENCE_SECONDS", 0.0)
    for minute in (1, 2, 3, 4):
        assert notifications.process_waiting(at=at + timedelta(minutes=minute)) == 0

    waiting = Notification.objects.get()
    assert (waiting.status, waiting.tries) == (NotificationStatus.RETRYING, 0)


def test_an_order_that_nobody_paid_stays_open_until_its_time_is_over(
    fiuu: FiuuSide, attempt: Attempt, at: datetime
) -> None:
    """Fiuu does not know it before somebody tries to pay; that is no failure."""
    expiry.ask_due(at=at + timedelta(seconds=30))
    assert Attempt.objects.get().status == AttemptStatus.REQUIRES_ACTION

    assert expiry.expire_overdue(at=at + timedelta(minutes=91)) == 1
    assert Payment.objects.get().status == PaymentStatus.EXPIRED

    assert taken(fiuu.deliver(fiuu.settle(attempt)))
    payment = Payment.objects.get()
    assert (payment.status, payment.is_late) == (PaymentStatus.SUCCEEDED, True)


@pytest.mark.parametrize(
    ("fault", "spec", "kind"),
    [
        (Fault.WRONG_AMOUNT, {"amount": 5_000}, MoneyCase.Kind.AMOUNT_MISMATCH),
        (Fault.WRONG_CURRENCY, {}, MoneyCase.Kind.CURRENCY_MISMATCH),
    ],
)
def test_other_money_than_was_asked_for_is_held_with_a_case(
    fiuu: FiuuSide, attempt: Attempt, fault: Fault, spec: dict[str, int], kind: str
) -> None:
    fiuu.fault(fault, **spec)

    assert taken(fiuu.deliver(fiuu.settle(attempt)))

    assert MoneyCase.objects.get().kind == kind
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


def test_money_for_an_order_of_another_system_is_asked_about_and_held(
    fiuu: FiuuSide, fiuu_account: GatewayAccount, attempt: Attempt, books: Any
) -> None:
    fiuu.settle(attempt)
    theirs = fiuu.payment(attempt)
    theirs.order = "PLUGIN-7"
    fiuu.running.app.sandbox.world.keep(theirs)

    assert taken(fiuu.deliver(fiuu.provider.notification(theirs, "genuine").body))

    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor) == (MoneyCase.Kind.UNKNOWN_ORDER, 10_050)
    assert sum(books()[f"cap:fiuu:{theirs.transactions[0].number}"].values()) == 0


def test_a_hash_whose_text_is_cut_elsewhere_books_nothing(fiuu: FiuuSide, attempt: Attempt, books: Any) -> None:
    body = fiuu.settle(attempt).decode()
    tran = number(fiuu, attempt)
    moved = body.replace(f"tranID={tran}", f"tranID={tran[:-1]}").replace("orderid=", f"orderid={tran[-1]}")

    answer = fiuu.deliver(moved.encode())

    assert taken(answer)  # the hash holds, so it is authentic; what it tells is not so
    assert (Capture.objects.count(), MoneyCase.objects.count(), books()) == (0, 0, {})


def test_a_chargeback_opens_a_dispute_and_the_payment_stays_paid(fiuu: FiuuSide, attempt: Attempt, books: Any) -> None:
    fiuu.deliver(fiuu.settle(attempt))

    body = fiuu.become(attempt, "chargeback")
    assert taken(fiuu.deliver(body))
    assert taken(fiuu.deliver(body))

    dispute, payment = Dispute.objects.get(), Payment.objects.get()
    assert dispute.gateway_dispute_id == f"{number(fiuu, attempt)}-chargeback"
    assert (dispute.payment_id, dispute.amount_minor, dispute.currency) == (payment.id, 10_050, "MYR")
    assert (payment.status, payment.disputed_minor) == (PaymentStatus.SUCCEEDED, 10_050)


def test_the_notification_is_echoed_after_it_was_booked(
    fiuu: FiuuSide, fiuu_account: GatewayAccount, attempt: Attempt
) -> None:
    fiuu_account.settings = {**fiuu_account.settings, "ipn_enabled": True}
    fiuu_account.save()
    notifications.accounts.forget()

    fiuu.deliver(fiuu.settle(attempt))

    log = [one for one in fiuu.running.app.sandbox.world.log if one["event"] == "echo"]
    assert [(one["order"], one["good"]) for one in log if one["order"] == attempt.gateway_reference] == [
        (attempt.gateway_reference, True)
    ]


# --- refunds ----------------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _small_refunds_need_nobody(settings: Any) -> None:
    settings.REFUND_APPROVAL_LIMITS = {"MYR": "1000"}


def ask_back(payment_id: str, minor: int, *, at: datetime) -> Refund:
    wish = NewRefund(payment_id=payment_id, amount=Money(minor, "MYR"), actor="system:tests", reason="hàng lỗi")
    return refunds.request_refund(wish=wish, at=at).refund


def test_a_refund_is_pending_at_first_and_booked_when_it_is_done(
    fiuu: FiuuSide, attempt: Attempt, books: Any, at: datetime
) -> None:
    fiuu.deliver(fiuu.settle(attempt))

    made = ask_back(attempt.payment_id, 4_000, at=at)
    assert (made.status, made.route, f"{made.id}:executed" in books()) == (RefundStatus.PENDING, "gateway", False)
    assert refund_steps.advance_due(at=at + timedelta(minutes=2)) == 1

    made.refresh_from_db()
    (moved,) = fiuu.running.app.sandbox.world.refunds_of(fiuu.payment(attempt))
    assert (made.status, made.gateway_refund_id, moved.amount) == (RefundStatus.SUCCEEDED, str(moved.number), 4_000)
    assert books()[f"{made.id}:executed"] == {"refund:payable": 4_000, "gw:fiuu:clearing": -4_000}


def test_the_end_of_a_refund_is_heard_asked_about_and_booked_once(
    fiuu: FiuuSide, attempt: Attempt, books: Any, at: datetime
) -> None:
    fiuu.deliver(fiuu.settle(attempt))
    fiuu.fault(Fault.REFUND_PENDING, seconds=3600)
    made = ask_back(attempt.payment_id, 4_000, at=at)
    (moved,) = fiuu.running.app.sandbox.world.refunds_of(fiuu.payment(attempt))
    told = fiuu.provider.api.refund_result(moved, "00")
    body = "&".join(f"{name}={value}" for name, value in told.items()).encode()

    assert taken(fiuu.deliver(body))  # signed, and yet not so: Fiuu says it is pending
    made.refresh_from_db()
    assert made.status == RefundStatus.PENDING
    fiuu.provider.lifecycle.decide(moved, Stage.PAID)
    assert taken(fiuu.deliver(body + b"&LastUpdate=now"))
    assert taken(fiuu.deliver(body + b"&LastUpdate=later"))

    made.refresh_from_db()
    assert made.status == RefundStatus.SUCCEEDED
    assert books()[f"{made.id}:executed"] == {"refund:payable": 4_000, "gw:fiuu:clearing": -4_000}


def test_money_of_online_banking_goes_back_by_bank_transfer(
    fiuu: FiuuSide, order: Callable[..., Any], pay: Callable[..., Opened], fiuu_method: PaymentMethod, at: datetime
) -> None:
    fiuu_method.channel = "MB2U"
    fiuu_method.save()
    attempt = pay(order(order_id="ORD-FPX", amount_minor=10_050, currency="MYR"), method=fiuu_method, at=at).attempt
    fiuu.deliver(fiuu.settle(attempt))

    made = ask_back(attempt.payment_id, 4_000, at=at)

    assert (made.route, made.status) == (Refund.Route.BANK, RefundStatus.PENDING_APPROVAL)
    assert fiuu.running.app.sandbox.world.refunds_of(fiuu.payment(attempt)) == []


def test_a_refund_that_fiuu_cannot_send_without_bank_details_has_failed_with_a_case(
    fiuu: FiuuSide, attempt: Attempt, at: datetime, balances: Any
) -> None:
    """The channel was chosen on Fiuu's page, so nobody knew: PR014 is a definite no."""
    fiuu.open(attempt)
    fiuu.payment(attempt).fields["channel"] = "MB2U"
    fiuu.deliver(fiuu.settle(attempt))
    before = balances()

    made = ask_back(attempt.payment_id, 4_000, at=at)

    assert (made.status, made.failure_code) == (RefundStatus.FAILED, "PR014")
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.REFUND_FAILED
    assert balances() == before
