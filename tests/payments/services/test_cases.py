"""Money that no rule may decide about."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from config.core import approvals
from config.core.approvals import ApprovalExpired, SelfApprovalRefused
from config.core.models import OutboxEvent, User
from payments.errors import CaseRefused
from payments.models import Capture, MoneyCase, Payment, Refund
from payments.services import cancellations, cases, expiry, refunds
from payments.services.refunds import NewRefund
from payments.states import CaseStatus, PaymentStatus, RefundStatus
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
D = MoneyCase.Decision


@pytest.fixture
def maker(db: None) -> User:
    return UserFactory()


@pytest.fixture
def checker(db: None) -> User:
    user = UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="decide_approval"))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def resolve(maker: User, checker: User, at: Any) -> Any:
    """Two people decide."""

    def resolved(case: MoneyCase, decision: MoneyCase.Decision) -> MoneyCase:
        proposed = cases.propose(case_id=case.id, decision=decision, maker=maker, reason="seen the slip", at=at)
        approvals.approve(approval_id=proposed.approval_id, checker=checker, reason="agreed", at=at)
        return MoneyCase.objects.get(id=case.id)

    return resolved


def test_money_paid_after_a_cancellation_can_be_applied(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any, resolve: Any, balances: Any
) -> None:
    opened = pay(order(), at=at)
    expiry.cancel(payment_id=opened.payment.id, actor="system:x", reason="oops", at=at)
    hear(momo.paid_ipn(opened.attempt))
    case = resolve(MoneyCase.objects.get(), D.APPLY)

    payment = Payment.objects.get()
    shop = payment.order.shop_orders.get().shop_id
    assert (case.status, payment.status, payment.is_late) == (CaseStatus.CLOSED, PaymentStatus.SUCCEEDED, True)
    assert balances() == {"gw:momo:clearing": 100_000, f"escrow:{shop}": -100_000}
    assert Capture.objects.get().disposition == Capture.Disposition.APPLIED
    assert OutboxEvent.objects.filter(type="payment.completed").count() == 1


def test_a_double_payment_is_sent_back_to_where_it_came_from(
    pay: Any, order: Any, momo: Any, hear: Any, resolve: Any, balances: Any
) -> None:
    opened = pay(order())
    hear(momo.paid_ipn(opened.attempt))
    momo.settle(opened.attempt, again=True)
    hear(momo.ipn(opened.attempt))
    case = resolve(MoneyCase.objects.get(), D.REFUND)

    refund = Refund.objects.get()
    shop = opened.payment.order.shop_orders.get().shop_id
    assert (case.status, refund.status, refund.is_of_held_money) == (CaseStatus.CLOSED, RefundStatus.SUCCEEDED, True)
    assert balances() == {"gw:momo:clearing": 100_000, f"escrow:{shop}": -100_000}
    assert Payment.objects.get().refunded_minor == 0


def test_money_that_is_kept_stays_in_suspense_and_in_the_queue(
    momo_account: Any, momo: Any, hear: Any, resolve: Any, balances: Any
) -> None:
    hear(momo.custom_ipn(orderId="nobodys", amount=7_000))
    case = resolve(MoneyCase.objects.get(), D.HOLD)

    assert case.status == CaseStatus.EXECUTED
    assert balances() == {"gw:momo:clearing": 7_000, "suspense:over": -7_000}


def test_a_wrong_amount_cannot_be_applied(momo: Any, pay: Any, order: Any, hear: Any, maker: User, at: Any) -> None:
    hear(momo.custom_ipn(orderId=pay(order()).attempt.gateway_reference, amount=99_000))
    case = MoneyCase.objects.get()
    with pytest.raises(CaseRefused):
        cases.propose(case_id=case.id, decision=D.APPLY, maker=maker, reason="close enough", at=at)
    case.refresh_from_db()
    assert (case.status, case.decision) == (CaseStatus.OPEN, "")


def test_a_proposal_needs_a_reason(momo_account: Any, momo: Any, hear: Any, maker: User, at: Any) -> None:
    hear(momo.custom_ipn(orderId="nobodys", amount=7_000))
    with pytest.raises(CaseRefused):
        cases.propose(case_id=MoneyCase.objects.get().id, decision=D.HOLD, maker=maker, reason="  ", at=at)


def test_nobody_decides_their_own_proposal_not_even_a_superuser(
    momo_account: Any, momo: Any, hear: Any, at: Any, balances: Any
) -> None:
    boss = UserFactory(is_superuser=True)
    hear(momo.custom_ipn(orderId="nobodys", amount=7_000))
    case = cases.propose(case_id=MoneyCase.objects.get().id, decision=D.REFUND, maker=boss, reason="mine", at=at)
    with pytest.raises(SelfApprovalRefused):
        approvals.approve(approval_id=case.approval_id, checker=boss, reason="sure", at=at)
    assert balances() == {"gw:momo:clearing": 7_000, "suspense:over": -7_000}
    assert not Refund.objects.exists()


def test_a_proposal_nobody_decides_on_leaves_an_open_case(
    momo_account: Any, momo: Any, hear: Any, maker: User, checker: User, at: Any
) -> None:
    hear(momo.custom_ipn(orderId="nobodys", amount=7_000))
    case = cases.propose(case_id=MoneyCase.objects.get().id, decision=D.REFUND, maker=maker, reason="r", at=at)
    with pytest.raises(ApprovalExpired):
        approvals.approve(approval_id=case.approval_id, checker=checker, reason="late", at=at + timedelta(hours=73))
    case.refresh_from_db()
    assert (case.status, case.decision) == (CaseStatus.OPEN, "")


def test_an_order_cancelled_after_payment_becomes_a_case_that_refunds_in_full(
    pay: Any, order: Any, momo: Any, hear: Any, resolve: Any, at: Any
) -> None:
    bought = order()
    hear(momo.paid_ipn(pay(bought).attempt))
    for _ in range(2):
        cancellations.cancel_order(order_id=bought.order_id, cause="evt-1", reason="stock", actor="system:o", at=at)
    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor) == ("cancelled_paid", 100_000)
    resolve(case, D.REFUND)

    assert Payment.objects.get().refund_state == "full"


def test_an_order_cancelled_before_payment_ends_its_payment(pay: Any, order: Any, at: Any) -> None:
    bought = order()
    pay(bought, at=at)
    cancellations.cancel_order(order_id=bought.order_id, cause="evt-1", reason="gone", actor="system:o", at=at)
    assert Payment.objects.get().status == PaymentStatus.CANCELLED
    assert not MoneyCase.objects.exists()


def test_cancelling_one_shop_order_of_a_paid_order_refunds_exactly_that_part_once(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any
) -> None:
    bought = order(
        {"order_subtotal": 200_000, "shipping_fee": 20_000}, {"order_subtotal": 80_000, "shipping_fee": 10_000}
    )
    hear(momo.paid_ipn(pay(bought).attempt))
    part = bought.shop_orders.order_by("id").last()
    for _ in range(2):
        cancellations.cancel_shop_order(
            shop_order_id=part.shop_order_id, cause="evt-2", reason="shop closed", actor="system:o", at=at
        )

    refund = Refund.objects.get()
    assert refund.amount_minor == 90_000
    assert {(line.kind, line.list_minor) for line in refund.lines.all()} == {("goods", 80_000), ("shipping", 10_000)}
    assert set(refund.lines.values_list("shop_order_id", flat=True)) == {part.id}


def test_cancelling_one_shop_order_of_an_unpaid_order_makes_it_cheaper(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any
) -> None:
    bought = order({"order_subtotal": 200_000}, {"order_subtotal": 80_000})
    old = pay(bought, at=at)
    part = bought.shop_orders.order_by("id").last()
    cancellations.cancel_shop_order(shop_order_id=part.shop_order_id, cause="e", reason="closed", actor="s", at=at)
    bought.refresh_from_db()
    new = pay(bought, at=at)

    assert Payment.objects.get(id=old.payment.id).status == PaymentStatus.CANCELLED
    assert (new.payment.amount_minor, bought.amount_minor) == (200_000, 200_000)
    hear(momo.paid_ipn(new.attempt))
    assert Payment.objects.get(id=new.payment.id).status == PaymentStatus.SUCCEEDED
    whole = refunds.request_refund(wish=NewRefund(payment_id=new.payment.id, actor="system:o"), at=at).refund
    assert set(whole.lines.values_list("shop_order__shop_order_id", "cash_minor")) == {
        (f"{bought.order_id}-1", 200_000)
    }


def test_a_cancelled_part_that_is_told_again_leaves_the_payment_of_the_rest_alone(
    pay: Any, order: Any, at: Any
) -> None:
    bought = order({"order_subtotal": 200_000}, {"order_subtotal": 80_000})
    pay(bought, at=at)
    part = bought.shop_orders.order_by("id").last()
    told = {"shop_order_id": part.shop_order_id, "cause": "e", "reason": "closed", "actor": "s", "at": at}
    cancellations.cancel_shop_order(**told)
    rest = pay(bought, at=at).payment

    cancellations.cancel_shop_order(**told)
    cancellations.cancel_shop_order(**{**told, "cause": "another"})

    rest.refresh_from_db()
    assert (rest.status, rest.amount_minor) == (PaymentStatus.AWAITING_PAYMENT, 200_000)
    assert Payment.objects.filter(status=PaymentStatus.CANCELLED).count() == 1


def test_a_payment_of_the_old_sum_that_begins_while_a_part_is_cancelled_ends_too(
    pay: Any, order: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought = order({"order_subtotal": 200_000}, {"order_subtotal": 80_000})
    pay(bought, at=at)
    part = bought.shop_orders.order_by("id").last()
    cancel, quick = expiry.cancel, [1]

    def cancel_and_see_a_quick_customer(**call: Any) -> Payment:
        payment = cancel(**call)
        if quick:
            quick.pop()
            assert pay(bought, at=at).payment.amount_minor == 280_000
        return payment

    monkeypatch.setattr(expiry, "cancel", cancel_and_see_a_quick_customer)
    cancellations.cancel_shop_order(shop_order_id=part.shop_order_id, cause="e", reason="closed", actor="s", at=at)

    assert list(Payment.objects.values_list("status", "amount_minor")) == [(PaymentStatus.CANCELLED, 280_000)] * 2
    bought.refresh_from_db()
    assert (bought.amount_minor, pay(bought, at=at).payment.amount_minor) == (200_000, 200_000)


def test_money_for_what_an_order_cost_before_it_got_cheaper_is_held_and_cannot_be_applied(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any
) -> None:
    bought = order({"order_subtotal": 200_000}, {"order_subtotal": 80_000})
    old = pay(bought, at=at)
    part = bought.shop_orders.order_by("id").last()
    cancellations.cancel_shop_order(shop_order_id=part.shop_order_id, cause="e", reason="closed", actor="s", at=at)
    hear(momo.paid_ipn(old.attempt))

    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor) == ("paid_cancelled", 280_000)
    assert D.APPLY not in cases.allowed(case)
