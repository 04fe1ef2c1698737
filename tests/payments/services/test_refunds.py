"""Money on its way back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.utils import timezone

from config.core import approvals, faultpoints
from config.core.approvals import SelfApprovalRefused
from config.core.models import OutboxEvent
from config.core.money import Money
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import Report
from gateways.requests import RefundRequest
from gateways.sandbox.faults import Fault
from payments.errors import RefundRefused, RefundTooMuch
from payments.models import ClawBack, MoneyCase, Payment, Refund, RefundLine
from payments.refund_split import Wanted
from payments.services import accounts, cod, refund_steps, refunds
from payments.services.refunds import NewRefund
from payments.states import RefundStatus
from tests.factories import UserFactory
from tests.payments.conftest import NOWHERE

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(pay: Any, order: Any, momo: Any, hear: Any) -> Any:
    """A paid payment of an order like 1001 of the worked example."""

    def make(**options: Any) -> Payment:
        bought = order(
            {"order_subtotal": 1_000_000, "shop_voucher_discount": 20_000, "shipping_fee": 30_000},
            site_voucher=50_000,
            **options,
        )
        opened = pay(bought)
        hear(momo.paid_ipn(opened.attempt))
        return Payment.objects.get(id=opened.payment.id)

    return make


@pytest.fixture
def checker(db: None) -> Any:
    """Somebody who may decide approvals."""
    user = UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="decide_approval"))
    return user


def refund(payment: Payment, amount: int | None = None, **wish: Any) -> Refund:
    wanted = Money(amount, "VND") if amount is not None else None
    made = NewRefund(payment_id=payment.id, amount=wanted, actor="system:tests", reason="test", **wish)
    return refunds.request_refund(wish=made, at=wish.pop("at", None) or payment.created_at + timedelta(days=1)).refund


def test_a_part_refund_is_booked_as_the_worked_example_says(paid: Any, books: Any) -> None:
    payment = paid()
    made = refund(payment, 100_000)
    shop = payment.order.shop_orders.get().shop_id

    assert made.status == RefundStatus.SUCCEEDED
    assert books()[f"{made.id}:booked"] == {
        f"clawback:{shop}": 105_208, "refund:payable": -100_000, "promo:site": -5_208,
    }  # fmt: skip
    assert books()[f"{made.id}:executed"] == {"refund:payable": 100_000, "gw:momo:clearing": -100_000}
    assert ClawBack.objects.get().amount_minor == 105_208
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.refunding_minor, payment.refund_state) == (100_000, 0, "partial")
    assert OutboxEvent.objects.get(type="payment.refunded").data["refunded_total"] == "100000"


def test_parts_and_then_the_rest_bring_every_account_back(paid: Any, balances: Any) -> None:
    payment = paid()
    for amount in (1_000, 333_333, 1_001):
        refund(payment, amount)
    refund(payment)

    shop = payment.order.shop_orders.get().shop_id
    assert balances() == {f"clawback:{shop}": 980_000, f"escrow:{shop}": -980_000}
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.refund_state) == (960_000, "full")


def test_shipping_that_the_carrier_invoiced_is_the_platforms_loss_or_the_shops(paid: Any, books: Any) -> None:
    for bearer, account in (
        (Refund.ShippingBearer.PLATFORM, "shipping:loss"),
        (Refund.ShippingBearer.SHOP, "clawback"),
    ):
        payment = paid()
        payment.order.shop_orders.update(is_shipping_invoiced=True)
        made = refund(payment, shipping_bearer=bearer)
        booked = books()[f"{made.id}:booked"]
        shop = payment.order.shop_orders.get().shop_id
        if account == "shipping:loss":
            assert (booked["shipping:loss"], booked[f"clawback:{shop}"]) == (30_000, 980_000)
        else:
            assert booked[f"clawback:{shop}"] == 1_010_000
            assert sum(made.clawbacks.values_list("amount_minor", flat=True)) == 1_010_000


def test_named_lines_are_refunded_in_list_value(paid: Any) -> None:
    payment = paid()
    part = payment.order.shop_orders.get()
    made = refund(
        payment, lines=[Wanted(shop_order_id=part.shop_order_id, kind=RefundLine.Kind.SHIPPING, list_minor=30_000)]
    )

    line = made.lines.get()
    assert (line.kind, line.list_minor, line.cash_minor, line.site_minor) == ("shipping", 30_000, 28_515, 1_485)
    with pytest.raises(RefundTooMuch):
        refund(payment, lines=[Wanted(shop_order_id=part.shop_order_id, kind=RefundLine.Kind.SHIPPING, list_minor=1)])


def test_more_than_is_left_is_refused_and_leaves_no_trace(paid: Any, books: Any) -> None:
    payment = paid()
    before = books()
    for amount in (960_001, 0, -5):
        with pytest.raises(RefundTooMuch):
            refund(payment, amount)

    assert books() == before
    assert not Refund.objects.exists()


def test_an_unpaid_payment_cannot_be_refunded(pay: Any, order: Any) -> None:
    with pytest.raises(RefundRefused):
        refund(pay(order()).payment)
    assert not Refund.objects.exists()


def test_the_database_itself_refuses_to_refund_more_than_was_captured(paid: Any) -> None:
    payment = paid()
    with pytest.raises(IntegrityError, match="never_refund_more_than_captured"), transaction.atomic():
        Payment.objects.filter(id=payment.id).update(refunded_minor=960_000, refunding_minor=1)


def test_above_the_limit_a_second_person_releases_it(
    paid: Any, checker: Any, books: Any, settings: Any, at: Any
) -> None:
    settings.REFUND_APPROVAL_LIMITS = {"VND": "50000"}
    maker = UserFactory(is_superuser=True)
    payment = paid()
    made = refund(payment, 60_000, maker=maker)
    assert made.status == RefundStatus.PENDING_APPROVAL
    assert f"{made.id}:booked" not in books()
    with pytest.raises(SelfApprovalRefused):
        approvals.approve(approval_id=made.approval_id, checker=maker, reason="mine", at=at)
    approvals.approve(approval_id=made.approval_id, checker=checker, reason="fine", at=at)

    made.refresh_from_db()
    assert made.status == RefundStatus.SUCCEEDED
    assert books()[f"{made.id}:executed"] == {"refund:payable": 60_000, "gw:momo:clearing": -60_000}


def test_a_rejected_refund_frees_what_it_had_reserved(
    paid: Any, checker: Any, settings: Any, at: Any, books: Any
) -> None:
    settings.REFUND_APPROVAL_LIMITS = {"VND": "50000"}
    payment = paid()
    made = refund(payment, 960_000)
    with pytest.raises(RefundRefused):
        refund(payment, 1_000)
    approvals.reject(approval_id=made.approval_id, checker=checker, reason="not ours", at=at)

    made.refresh_from_db()
    payment.refresh_from_db()
    assert (made.status, payment.refunding_minor) == (RefundStatus.REJECTED, 0)
    assert len(books()) == 1


def test_a_refund_without_an_answer_is_asked_about_and_sent_at_most_once(paid: Any, faults: Any, momo: Any) -> None:
    payment = paid()
    faults(Fault.ERROR_500_AFTER_ACCEPT, operation="refund", scope="operation", count=1)
    made = refund(payment, 100_000)
    assert made.status == RefundStatus.UNKNOWN
    refund_steps.advance_due(at=made.next_step_at)

    made.refresh_from_db()
    assert made.status == RefundStatus.SUCCEEDED
    done = [one for one in momo.running.app.sandbox.world.refunds.values() if one.order == made.gateway_reference]
    assert len(done) == 1


def test_a_refund_the_gateway_never_got_is_sent_again_under_the_same_reference(paid: Any, faults: Any) -> None:
    payment = paid()
    faults(Fault.ERROR_500, operation="refund", scope="operation", count=1)
    made = refund(payment, 100_000)
    assert made.status == RefundStatus.UNKNOWN
    for _ in range(3):
        made.refresh_from_db()
        if made.next_step_at:
            refund_steps.advance_due(at=made.next_step_at)

    made.refresh_from_db()
    assert made.status == RefundStatus.SUCCEEDED


def test_a_question_that_cannot_be_sent_does_not_send_the_refund_again(
    paid: Any, momo: Any, momo_account: Any, monkeypatch: Any
) -> None:
    payment = paid()

    def die(name: str) -> None:
        if name == "refund.gateway_answered":
            raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(faultpoints, "reach", die)
        with pytest.raises(KeyboardInterrupt):
            refund(payment, 100_000)
    momo_account.settings["endpoint"] = NOWHERE
    momo_account.save()
    accounts.forget()
    at = payment.created_at + timedelta(days=2)

    refund_steps.advance_due(at=at)

    made = Refund.objects.get()
    assert made.status == RefundStatus.SUBMITTED
    momo_account.settings["endpoint"] = momo.running.url
    momo_account.save()
    accounts.forget()
    refund_steps.ask(refund_id=made.id, at=at)
    assert Refund.objects.get().status == RefundStatus.SUCCEEDED
    done = [one for one in momo.running.app.sandbox.world.refunds.values() if one.order == made.gateway_reference]
    assert [one.amount for one in done] == [100_000]


class Revoked:
    """A gateway that has revoked our key since it took the refund."""

    def refund(self, request: RefundRequest) -> Report:
        raise GatewayRejected("no such key")

    def query_refund(self, request: RefundRequest) -> Report:
        raise GatewayRejected("no such key")


def test_a_question_that_is_refused_says_nothing_of_the_refund(paid: Any) -> None:
    asked = refund_steps._request(refund(paid(), 100_000), at=timezone.now())

    with pytest.raises(GatewayRejected):
        refund_steps._send(Revoked(), asked)
    with pytest.raises(GatewayUnavailable) as unknown:
        refund_steps._ask(Revoked(), asked)

    assert unknown.value.never_sent is False


def test_a_refund_nobody_can_tell_us_about_ends_with_a_person(paid: Any, faults: Any, settings: Any) -> None:
    settings.GATEWAY_BREAKER = {"consecutive": 999, "min_calls": 999}  # days pass here within its seconds
    payment = paid()
    faults(Fault.ERROR_500_AFTER_ACCEPT, operation="refund", scope="operation", count=1)
    made = refund(payment, 100_000)
    faults(Fault.ERROR_500, scope="always")
    for _ in range(20):
        made.refresh_from_db()
        if made.next_step_at is None:
            break
        refund_steps.advance_due(at=made.next_step_at)

    assert made.status == RefundStatus.NEEDS_OPERATOR
    assert MoneyCase.objects.get().kind == "refund_unknown"


def test_a_refused_refund_is_reversed_and_asks_a_person(paid: Any, faults: Any, balances: Any) -> None:
    payment = paid()
    before = balances()
    faults(Fault.ANSWER_CODE, operation="refund", scope="operation", count=1, code=1088)
    made = refund(payment, 100_000)

    assert made.status == RefundStatus.FAILED
    assert balances() == before
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.refunding_minor) == (0, 0)
    assert MoneyCase.objects.get().kind == "refund_failed"
    assert set(made.clawbacks.values_list("status", flat=True)) == {ClawBack.Status.REVERSED}


def test_cash_goes_back_by_bank_and_needs_two_people(
    pay: Any, order: Any, cod_method: Any, checker: Any, at: Any, books: Any
) -> None:
    opened = pay(order(), method=cod_method, at=at)
    cod.collected(
        payment_id=opened.payment.id, carrier="ghn", carrier_reference="G9", money=opened.payment.amount,
        actor="system:ghn", at=at,
    )  # fmt: skip
    made = refund(opened.payment, bank_details={"bank": "VCB", "account_number": "001", "account_name": "LAN"})
    assert (made.route, made.status) == ("bank", RefundStatus.PENDING_APPROVAL)
    approvals.approve(approval_id=made.approval_id, checker=checker, reason="ok", at=at)
    done = refund_steps.settle_by_bank(refund_id=made.id, bank="vcb", bank_reference="FT1", actor="user:t@x", at=at)

    assert done.status == RefundStatus.SUCCEEDED
    assert books()[f"{made.id}:executed"] == {"refund:payable": 100_000, "bank:vcb": -100_000}


def test_an_idempotency_key_makes_one_refund(paid: Any) -> None:
    payment = paid()
    first = refund(payment, 10_000, client="c", idempotency_key="k", fingerprint="f")
    again = refund(payment, 10_000, client="c", idempotency_key="k", fingerprint="f")

    assert first.id == again.id
    assert Refund.objects.count() == 1
