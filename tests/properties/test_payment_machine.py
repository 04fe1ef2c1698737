"""Any sequence of orders, payments, lost and doubled messages, forgeries, expiries, refunds and crashes keeps the books.

The gateway's own record (the sandbox's world) is the other side of the truth: no money is lost, none is invented.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import hypothesis
import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from config.core import faultpoints
from config.core.errors import DomainError
from config.core.models import OutboxEvent
from config.core.money import Money
from gateways.notifications import HttpMessage
from gateways.reports import DisputeReport, DisputeStatus
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome as PayerDoes
from gateways.sandbox.web import BadRequest
from ledger.models import Posting
from payments.models import (
    Attempt,
    AttemptEvent,
    Capture,
    Dispute,
    DisputeLine,
    MoneyCase,
    Payment,
    PaymentMethod,
    Refund,
    RefundLine,
)
from payments.services import accounts, checkout, disputes, expiry, notifications, refund_steps, refunds
from payments.services.checkout import NewPayment
from payments.services.hearing import Heard
from payments.services.refunds import NewRefund
from payments.states import OPEN_ATTEMPTS, OPEN_DISPUTES, PaymentStatus, RefundStatus
from tests import factories
from tests.payments.conftest import MomoDriver

# What it runs is counted by the services' own tests, and counting costs as much again.
pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]


HOLDING = set(RefundStatus) - {RefundStatus.FAILED, RefundStatus.REJECTED, RefundStatus.CANCELLED}


def balance(account: str) -> int:
    """What an account holds."""
    return int(Posting.objects.filter(account__code=account).aggregate(n=Sum("amount_minor"))["n"] or 0)


class Killed(BaseException):
    """The process dies here: nothing below catches it, every open transaction is rolled back."""


class PaymentMachine(RuleBasedStateMachine):
    """One marketplace, one gateway, and everything that can go wrong between them."""

    momo: MomoDriver
    method: PaymentMethod

    payments = Bundle("payments")

    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block._from_testcase = True  # services may still insist on owning their transactions
        self.block.__enter__()
        self.now: datetime = timezone.now()
        self.world = self.momo.running.app.sandbox.world
        self.mine: list[str] = []
        self.points_left = -1
        accounts.forget()

    # --- The world -----------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def mortal(self) -> Iterator[None]:
        """Do something that may be refused in words, or die at a fault point if one is armed."""
        try:
            yield
        except (DomainError, Killed):
            accounts.forget()
        finally:
            self.points_left = -1
            self.momo.running.app.sandbox.faults.clear()

    def reach(self, name: str) -> None:
        """What config.core.faultpoints.reach is here: a countdown."""
        if self.points_left == 0:
            self.points_left = -1
            raise Killed(name)
        self.points_left -= self.points_left > 0

    def tell(self, body: bytes) -> int:
        message = HttpMessage(method="POST", path="/v1/transaction/callback", body=body)
        reply = notifications.receive_notification(account_code="momo", message=message, remote_ip=None, at=self.now)
        return reply.status

    def last_attempt(self, payment_id: str) -> Attempt:
        return Attempt.objects.filter(payment_id=payment_id).order_by("-number")[0]

    def sweep(self) -> None:
        notifications.process_waiting(at=self.now)
        expiry.ask_due(at=self.now)
        expiry.expire_overdue(at=self.now)
        refund_steps.advance_due(at=self.now)

    # --- What happens --------------------------------------------------------------------------------------------
    @rule()
    def arm_a_crash(self) -> None:
        self.points_left = 2

    @rule(points=st.integers(0, 12))
    def arm_another_crash(self, points: int) -> None:
        self.points_left = points

    @rule(fault=st.sampled_from([Fault.ERROR_500, Fault.ERROR_500_AFTER_ACCEPT, Fault.HTML_200, Fault.ANSWER_CODE]))
    def break_the_gateway(self, fault: Fault) -> None:
        code = {"code": 99} if fault is Fault.ANSWER_CODE else {}
        self.momo.fault(fault, scope="always", count=1, **code)

    @rule(target=payments, amount=st.sampled_from([1_000, 50_000, 999_999]))
    def start(self, amount: int) -> Any:
        order = factories.make_order(amount_minor=amount)
        wish = NewPayment(order_id=order.order_id, method=self.method, client="m", actor="system:m")
        with self.mortal():
            checkout.create_payment(wish=wish, at=self.now)
        payment = Payment.objects.filter(order=order).first()
        if payment is None:
            return hypothesis.stateful.multiple()
        self.mine += [a.gateway_reference for a in payment.attempts.all()]
        return payment.id

    @rule(payment=payments)
    def try_again(self, payment: str) -> None:
        with self.mortal():
            checkout.pay_again(payment_id=payment, method=None, actor="customer:m", at=self.now)
        self.mine += [a.gateway_reference for a in Attempt.objects.filter(payment_id=payment)]

    @rule(payment=payments, heard=st.integers(0, 3), does=st.sampled_from(list(PayerDoes)))
    def the_payer_acts(self, payment: str, heard: int, does: PayerDoes) -> None:
        attempt = self.last_attempt(payment)
        with contextlib.suppress(KeyError, BadRequest):
            self.momo.settle(attempt, does)
            body = self.momo.ipn(attempt)
            for _ in range(heard):
                with self.mortal():
                    self.tell(body)

    @rule(payment=payments)
    def the_payer_pays_again_and_it_is_heard(self, payment: str) -> None:
        attempt = self.last_attempt(payment)
        with contextlib.suppress(KeyError, BadRequest):
            self.points_left = -1
            if self.momo.payment(attempt).transactions:
                # MoMo's query names the last money only: what is neither told nor last is the settlement file's matter.
                assert self.tell(self.momo.ipn(attempt)) == 204
            self.momo.settle(attempt, again=True)
            assert self.tell(self.momo.ipn(attempt)) == 204

    @rule(payment=payments)
    def a_forged_message_comes(self, payment: str) -> None:
        with contextlib.suppress(KeyError, BadRequest):
            body = self.momo.ipn(self.last_attempt(payment), "forged")
            self.points_left = -1
            before = (Capture.objects.count(), Posting.objects.count(), Payment.objects.get(id=payment).status)
            assert self.tell(body) == 400
            assert before == (Capture.objects.count(), Posting.objects.count(), Payment.objects.get(id=payment).status)

    @rule(payment=payments, part=st.sampled_from([None, 1_000, 30_000, 10_000_000]))
    def refund(self, payment: str, part: int | None) -> None:
        amount = None if part is None else Money(part, "VND")
        with self.mortal():
            refunds.request_refund(wish=NewRefund(payment_id=payment, amount=amount, actor="system:m"), at=self.now)

    @rule(
        payment=payments, number=st.integers(1, 2), part=st.sampled_from([None, 700, 50_000, 2_000_000]),
        told=st.sampled_from(DisputeStatus), taken=st.sampled_from([True, False, None]), inquiry=st.booleans(),
        late=st.integers(0, 2), fee=st.sampled_from([None, 0, 500]),
    )  # fmt: skip
    def a_bank_disputes(
        self, payment: str, number: int, part: int | None, told: DisputeStatus, taken: bool | None, inquiry: bool,
        late: int, fee: int | None,
    ) -> None:  # fmt: skip
        """Any word about a dispute, twice, out of order, of a part or of more than was paid, or of nobody's money."""
        capture = Capture.objects.filter(payment_id=payment).first()
        report = DisputeReport(
            dispute_id=f"{payment}-{number}", status=told, money=Money(part or 1_000, "VND"), is_inquiry=inquiry,
            gateway_transaction_id=capture.gateway_transaction_id if capture else "", withdrawn=taken,
            fee=None if fee is None else Money(fee, "VND"), occurred_at=self.now - timedelta(minutes=30 * late),
        )  # fmt: skip
        heard = Heard(account=self.method.account, source=AttemptEvent.Source.WEBHOOK, at=self.now)
        for _ in range(2):
            with self.mortal():
                disputes.apply_dispute_report(report=report, heard=heard)

    @rule(payment=payments)
    def cancel(self, payment: str) -> None:
        with self.mortal():
            expiry.cancel(payment_id=payment, actor="system:m", reason="changed mind", at=self.now)

    @rule(minutes=st.sampled_from([1, 20, 95]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        with self.mortal():
            self.sweep()

    # --- What always holds ---------------------------------------------------------------------------------------
    @invariant()
    def the_books_balance(self) -> None:
        assert (Posting.objects.aggregate(total=Sum("amount_minor"))["total"] or 0) == 0

    @invariant()
    def a_succeeded_payment_has_exactly_its_own_money(self) -> None:
        for payment in Payment.objects.all():
            applied = list(payment.captures.filter(disposition="applied"))
            assert (payment.status == PaymentStatus.SUCCEEDED) == (len(applied) == 1)
            assert all(capture.money == payment.amount for capture in applied)
            assert payment.refunded_minor + payment.refunding_minor <= payment.captured_minor

    @invariant()
    def disputes_count_what_they_may(self) -> None:
        for payment in Payment.objects.all():
            counted = sum(payment.disputes.values_list("disputed_minor", flat=True))
            assert payment.disputed_minor == counted <= payment.captured_minor
            taken = DisputeLine.objects.filter(dispute__payment=payment).aggregate(n=Sum("cash_minor"))["n"] or 0
            returned = RefundLine.objects.filter(refund__payment=payment, refund__status__in=HOLDING)
            assert taken + (returned.aggregate(n=Sum("cash_minor"))["n"] or 0) <= payment.captured_minor

    @invariant()
    def disputed_money_stands_where_its_outcome_is_open(self) -> None:
        undecided = Dispute.objects.filter(booked="").aggregate(n=Sum("withdrawn_minor"))["n"] or 0
        assert balance("chargeback:disputed") == undecided
        assert balance("fee:chargeback") == (
            Dispute.objects.filter(withdrawn_minor__gt=0).aggregate(n=Sum("fee_minor"))["n"] or 0
        )
        for dispute in Dispute.objects.all():
            ends = dispute.status not in OPEN_DISPUTES
            assert bool(dispute.booked) == (ends and dispute.withdrawn_minor > 0)
            told = OutboxEvent.objects.filter(type="payment.disputed", data__dispute_id=dispute.id)
            assert told.filter(data__status__in=["WON", "LOST"]).count() == (ends and dispute.payment_id is not None)

    @invariant()
    def completion_is_told_once(self) -> None:
        for payment in Payment.objects.filter(status=PaymentStatus.SUCCEEDED):
            told = OutboxEvent.objects.filter(aggregate_id=payment.id, type="payment.completed")
            assert told.count() == 1

    def teardown(self) -> None:
        """When everything is quiet again, both sides agree."""
        try:
            self.points_left = -1
            self.momo.running.app.sandbox.faults.clear()
            for _ in range(12):
                self.now += timedelta(hours=3)
                self.sweep()
            self.check_both_sides_agree()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    def check_both_sides_agree(self) -> None:
        took = {
            str(one.number): one.amount
            for reference in set(self.mine)
            for key, payment in self.world.payments.items()
            if key[2] == reference
            for one in payment.transactions
        }
        booked = dict(Capture.objects.values_list("gateway_transaction_id", "amount_minor"))
        assert booked == took
        gave = {one.order: one.amount for one in self.world.refunds.values() if one.code == 0}
        sent = dict(
            Refund.objects.filter(status=RefundStatus.SUCCEEDED).values_list("gateway_reference", "amount_minor")
        )
        assert sent == {order: amount for order, amount in gave.items() if order in sent}
        ours = set(Refund.objects.values_list("gateway_reference", flat=True))
        assert {order for order in gave if order in ours} == set(sent)
        held = Capture.objects.filter(disposition="held")
        assert set(held.values_list("id", flat=True)) == set(
            MoneyCase.objects.filter(capture__isnull=False).values_list("capture_id", flat=True)
        )
        assert (
            not Attempt.objects.filter(status__in=OPEN_ATTEMPTS, payment__status=PaymentStatus.SUCCEEDED)
            .exclude(cases__isnull=False)
            .exists()
        )
        gone = Dispute.objects.exclude(booked="won").aggregate(n=Sum("withdrawn_minor"))["n"] or 0
        fees = balance("fee:chargeback")
        assert balance("gw:momo:clearing") == sum(booked.values()) - sum(sent.values()) - gone - fees


def test_any_sequence_of_events_keeps_the_books(
    momo_method: PaymentMethod, momo: MomoDriver, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    machines: list[PaymentMachine] = []

    class Machine(PaymentMachine):
        def __init__(self) -> None:
            super().__init__()
            machines.append(self)

    Machine.momo, Machine.method = momo, momo_method
    monkeypatch.setattr(faultpoints, "reach", lambda name: machines[-1].reach(name))
    is_long = request.config.getoption("--soak")
    run_state_machine_as_test(
        Machine,
        settings=hypothesis.settings(
            max_examples=300 if is_long else 15, stateful_step_count=30 if is_long else 15, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )  # fmt: skip
