"""Money that a customer's bank takes back, and the fight for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction

from config.core import approvals
from config.core.models import OutboxEvent
from config.core.money import Money
from gateways.reports import DisputeReport
from gateways.reports import DisputeStatus as Told
from payments.errors import DisputeRefused, EvidenceRefused, PaymentDisputed, RefundTooMuch
from payments.models import AttemptEvent, Capture, ClawBack, Dispute, DisputeEvidence, MoneyCase, Payment, Refund
from payments.services import cases, dispute_answers, dispute_by_hand, dispute_decisions, disputes, evidence, refunds
from payments.services.dispute_decisions import Decision
from payments.services.hearing import Heard, Outcome
from payments.services.refunds import NewRefund
from payments.states import DisputeStatus, RefundStatus
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
S = DisputeStatus
POLL = AttemptEvent.Source.POLL
STAFF = AttemptEvent.Source.STAFF
DAY = timedelta(days=1)
PDF = b"%PDF-1.7 a receipt"


def vnd(minor: int) -> Money:
    return Money(minor, "VND")


@pytest.fixture
def paid(pay: Any, order: Any, momo: Any, hear: Any) -> Callable[..., Payment]:
    """A paid payment: like order 1003 of the worked example unless parts are named."""

    def make(*parts: dict[str, int], **options: Any) -> Payment:
        opened = pay(order(*(parts or ({"order_subtotal": 200_000},)), **options))
        hear(momo.paid_ipn(opened.attempt))
        return Payment.objects.get(id=opened.payment.id)

    return make


@pytest.fixture
def checker(db: None) -> Any:
    """Somebody who may decide approvals."""
    user = UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="decide_approval"))
    return user


def report_of(payment: Payment, status: Told = Told.NEEDS_RESPONSE, **told: Any) -> DisputeReport:
    capture = Capture.objects.get(payment=payment)
    known = {"dispute_id": "du_1", "money": payment.amount, "gateway_transaction_id": capture.gateway_transaction_id}
    return DisputeReport(**{**known, "status": status, "withdrawn": True, **told})


def told(payment: Payment, status: Told = Told.NEEDS_RESPONSE, *, at: datetime | None = None, **more: Any) -> Outcome:
    heard = Heard(
        account=Capture.objects.get(payment=payment).account, source=AttemptEvent.Source.WEBHOOK,
        at=at or payment.created_at + DAY,
    )  # fmt: skip
    return disputes.apply_dispute_report(report=report_of(payment, status, **more), heard=heard)


def shop_of(payment: Payment) -> str:
    return str(payment.order.shop_orders.earliest("id").shop_id)


def refund(payment: Payment, amount: int | None = None, **wish: Any) -> Refund:
    wanted = None if amount is None else vnd(amount)
    made = NewRefund(payment_id=payment.id, amount=wanted, actor="system:tests", reason="test", **wish)
    return refunds.request_refund(wish=made, at=payment.created_at + DAY).refund


# --- The journals of LEDGER.md, 24 and 26 ----------------------------------------------------------------------------
def test_a_dispute_that_is_lost_is_booked_as_the_worked_example_says(paid: Any, books: Any, balances: Any) -> None:
    payment = paid()
    assert told(payment, fee=vnd(30_000)) is Outcome.NOTED
    dispute = Dispute.objects.get()
    assert books()[f"{dispute.id}:opened"] == {
        "chargeback:disputed": 200_000, "fee:chargeback": 30_000, "gw:momo:clearing": -230_000,
    }  # fmt: skip
    payment.refresh_from_db()
    assert (dispute.status, payment.disputed_minor, payment.refundable) == ("needs_response", 200_000, vnd(0))

    assert told(payment, Told.LOST) is Outcome.NOTED
    shop = shop_of(payment)
    assert books()[f"{dispute.id}:lost"] == {f"clawback:{shop}": 200_000, "chargeback:disputed": -200_000}
    claim = ClawBack.objects.get()
    assert (claim.dispute_id, claim.refund_id, claim.amount_minor, claim.status) == (dispute.id, None, 200_000, "open")
    assert balances() == {
        f"clawback:{shop}": 200_000, f"escrow:{shop}": -200_000, "fee:chargeback": 30_000, "gw:momo:clearing": -30_000,
    }  # fmt: skip
    payment.refresh_from_db()
    assert payment.disputed_minor == 200_000


def test_a_dispute_that_is_won_brings_everything_back(paid: Any, balances: Any) -> None:
    payment = paid()
    before = balances()
    told(payment)
    told(payment, Told.UNDER_REVIEW)
    told(payment, Told.WON, withdrawn=False)

    assert balances() == before
    payment.refresh_from_db()
    dispute = Dispute.objects.get()
    assert (payment.disputed_minor, dispute.status, dispute.booked) == (0, "won", "won")
    assert refund(payment).status == RefundStatus.SUCCEEDED


def test_a_fee_that_is_given_back_with_a_won_dispute_is_booked_back(paid: Any, balances: Any) -> None:
    payment = paid()
    before = balances()
    told(payment, fee=vnd(30_000))
    told(payment, Told.WON, fee=vnd(0))
    told(payment, Told.WON, fee=vnd(0))

    assert balances() == before


def test_a_fee_in_another_currency_stays_in_its_own(paid: Any, books: Any) -> None:
    payment = paid()
    told(payment, fee=Money(1_500, "USD"))
    dispute = Dispute.objects.get()

    assert books()[f"{dispute.id}:opened"] == {
        "chargeback:disputed": 200_000, "fee:chargeback": 1_500, "gw:momo:clearing": -201_500,
    }  # fmt: skip
    assert dispute.fee == Money(1_500, "USD")


def test_a_lost_part_is_split_over_the_shops_as_a_refund_is(paid: Any, books: Any) -> None:
    payment = paid(
        {"order_subtotal": 600_000}, {"order_subtotal": 400_000, "shipping_fee": 30_000}, site_voucher=50_000
    )
    told(payment, money=vnd(98_000))
    told(payment, Told.LOST, money=vnd(98_000))
    dispute = Dispute.objects.get()
    one, two = payment.order.shop_orders.order_by("id")

    booked = books()[f"{dispute.id}:lost"]
    assert booked == {
        f"clawback:{one.shop_id}": 61_800, f"clawback:{two.shop_id}": 41_200, "chargeback:disputed": -98_000,
        "promo:site": -5_000,
    }  # fmt: skip
    assert sorted(ClawBack.objects.values_list("amount_minor", flat=True)) == [41_200, 61_800]
    payment.refresh_from_db()
    assert payment.refundable == vnd(980_000 - 98_000)


def test_what_a_lost_dispute_took_is_not_refunded_once_more(paid: Any, balances: Any) -> None:
    payment = paid({"order_subtotal": 970_000, "shipping_fee": 30_000}, site_voucher=50_000)
    told(payment, money=vnd(100_000))
    told(payment, Told.LOST, money=vnd(100_000))
    with pytest.raises(RefundTooMuch):
        refund(payment, 850_001)
    assert refund(payment).amount == vnd(850_000)

    shop = shop_of(payment)
    assert balances() == {f"clawback:{shop}": 970_000, f"escrow:{shop}": -970_000}


# --- Messages twice, late, in any order ------------------------------------------------------------------------------
def test_the_same_message_twice_changes_nothing(paid: Any, books: Any) -> None:
    payment = paid()
    assert told(payment) is Outcome.NOTED
    before = books()
    assert told(payment) is Outcome.NOTHING_NEW

    assert books() == before
    assert Dispute.objects.get().history.filter(what="money_withdrawn").count() == 1
    assert OutboxEvent.objects.filter(type="payment.disputed").count() == 1


def test_a_dispute_first_heard_of_when_it_is_won_is_booked_both_ways(paid: Any, balances: Any, books: Any) -> None:
    payment = paid()
    before = balances()
    told(payment, Told.WON)
    dispute = Dispute.objects.get()
    assert {f"{dispute.id}:opened", f"{dispute.id}:won"} <= set(books())
    told(payment, Told.NEEDS_RESPONSE)

    assert balances() == before
    dispute.refresh_from_db()
    assert dispute.status == S.WON
    assert [e.data["status"] for e in OutboxEvent.objects.filter(type="payment.disputed").order_by("position")] == [
        "OPENED", "WON",
    ]  # fmt: skip


def test_money_that_is_told_withdrawn_after_the_loss_is_booked_then(paid: Any, books: Any) -> None:
    payment = paid()
    told(payment, withdrawn=False)
    told(payment, Told.LOST, withdrawn=False)
    dispute = Dispute.objects.get()
    assert [key for key in books() if key.startswith(dispute.id)] == []
    payment.refresh_from_db()
    assert payment.disputed_minor == 200_000
    told(payment, Told.LOST, withdrawn=True)

    assert [key for key in books() if key.startswith(dispute.id)] == [f"{dispute.id}:opened", f"{dispute.id}:lost"]


def test_older_news_does_not_take_a_dispute_back(paid: Any) -> None:
    payment = paid()
    late = payment.created_at + 2 * DAY
    told(payment, Told.UNDER_REVIEW, occurred_at=late, respond_by=late + DAY)
    told(payment, Told.NEEDS_RESPONSE, occurred_at=late - DAY, respond_by=late)
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.respond_by) == (S.UNDER_REVIEW, late + DAY)
    told(payment, Told.NEEDS_RESPONSE, occurred_at=late + DAY)

    dispute.refresh_from_db()
    assert dispute.status == S.NEEDS_RESPONSE


def test_an_end_that_turns_moves_no_money_and_asks_a_person(paid: Any, books: Any) -> None:
    payment = paid()
    told(payment)
    told(payment, Told.LOST)
    before = books()
    assert told(payment, Told.WON) is Outcome.NOTED
    assert told(payment, Told.WON) is Outcome.NOTHING_NEW

    assert books() == before
    assert (Dispute.objects.get().status, MoneyCase.objects.get().kind) == (S.LOST, "dispute_changed")


def test_an_inquiry_moves_no_money_and_blocks_no_refund_until_it_becomes_a_dispute(paid: Any, books: Any) -> None:
    payment = paid()
    before = books()
    told(payment, is_inquiry=True, withdrawn=None)
    assert books() == before
    assert refund(payment, 1_000).status == RefundStatus.SUCCEEDED
    told(payment, is_inquiry=False, withdrawn=None)

    payment.refresh_from_db()
    dispute = Dispute.objects.get()
    assert (dispute.is_inquiry, dispute.withdrawn_minor, payment.disputed_minor) == (False, 200_000, 200_000)
    assert [e.data["is_inquiry"] for e in OutboxEvent.objects.filter(type="payment.disputed").order_by("position")] == [
        True, False,
    ]  # fmt: skip


def test_an_inquiry_that_has_cost_a_fee_was_more_than_a_question(paid: Any, balances: Any) -> None:
    payment = paid()
    told(payment, Told.WON, is_inquiry=True, withdrawn=False, fee=vnd(500))

    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.is_inquiry, dispute.withdrawn_minor, dispute.booked) == (
        S.WON,
        False,
        200_000,
        "won",
    )
    assert (balances()["fee:chargeback"], balances().get("chargeback:disputed", 0)) == (500, 0)


def test_a_loss_without_an_answer_after_the_deadline_is_called_expired(paid: Any) -> None:
    payment = paid()
    deadline = payment.created_at + 7 * DAY
    told(payment, respond_by=deadline)
    told(payment, Told.LOST, occurred_at=deadline + DAY)

    assert Dispute.objects.get().status == S.EXPIRED


# --- Disputes beside refunds -----------------------------------------------------------------------------------------
def test_an_open_dispute_blocks_new_refunds_with_a_code_of_its_own(paid: Any, books: Any) -> None:
    payment = paid()
    told(payment, money=vnd(50_000))
    before = books()
    with pytest.raises(PaymentDisputed) as refusal:
        refund(payment, 1_000)

    assert (refusal.value.code, refusal.value.status) == ("payment_disputed", 409)
    assert (books(), Refund.objects.count()) == (before, 0)


def test_a_dispute_of_what_was_refunded_is_true_too_and_asks_a_person(paid: Any, balances: Any) -> None:
    payment = paid()
    refund(payment, 150_000)
    told(payment)
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.disputed_minor, payment.refundable) == (150_000, 200_000, vnd(0))
    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor) == ("dispute_refunded", 150_000)
    told(payment, Told.LOST)

    shop = shop_of(payment)
    assert balances() == {  # the shop answers for its goods once; the rest is ours
        f"clawback:{shop}": 200_000, f"escrow:{shop}": -200_000, "gw:momo:clearing": -150_000,
        "loss:chargeback": 150_000,
    }  # fmt: skip


def test_a_refund_that_waits_for_approval_is_not_released_while_disputed(
    paid: Any, checker: Any, settings: Any, at: Any
) -> None:
    settings.REFUND_APPROVAL_LIMITS = {"VND": "50000"}
    payment = paid()
    made = refund(payment, 60_000)
    told(payment)
    done = approvals.approve(approval_id=made.approval_id, checker=checker, reason="fine", at=at)

    made.refresh_from_db()
    assert (made.status, done.executed_at) == (RefundStatus.PENDING_APPROVAL, None)
    assert done.execution_error.startswith("payment_disputed")


def test_the_database_itself_refuses_to_dispute_more_than_was_captured(paid: Any) -> None:
    payment = paid()
    with pytest.raises(IntegrityError, match="never_dispute_more_than_captured"), transaction.atomic():
        Payment.objects.filter(id=payment.id).update(disputed_minor=200_001)


def test_two_disputes_of_one_payment_count_for_no_more_than_was_paid(paid: Any, balances: Any) -> None:
    payment = paid()
    told(payment, money=vnd(150_000))
    told(payment, money=vnd(150_000), dispute_id="du_2")
    payment.refresh_from_db()
    assert payment.disputed_minor == 200_000
    for number in ("du_1", "du_2"):
        told(payment, Told.LOST, money=vnd(150_000), dispute_id=number)

    shop = shop_of(payment)
    assert balances() == {
        f"clawback:{shop}": 200_000, f"escrow:{shop}": -200_000, "gw:momo:clearing": -100_000,
        "loss:chargeback": 100_000,
    }  # fmt: skip


# --- Unknown payments, and disputes by hand --------------------------------------------------------------------------
def test_a_dispute_of_nobodys_payment_is_booked_and_asks_whose_it_is(
    paid: Any, balances: Any, at: Any, momo_account: Any
) -> None:
    payment = paid()
    lost = DisputeReport(dispute_id="du_9", status=Told.NEEDS_RESPONSE, money=vnd(200_000), gateway_transaction_id="x")
    heard = Heard(account=momo_account, source=POLL, at=at)
    assert disputes.apply_dispute_report(report=lost, heard=heard) is Outcome.HELD
    assert balances()["chargeback:disputed"] == 200_000
    assert MoneyCase.objects.get().kind == "dispute_unknown"
    assert not OutboxEvent.objects.filter(type="payment.disputed").exists()
    dispute = Dispute.objects.get()
    dispute_by_hand.attach(dispute_id=dispute.id, payment_id=payment.id, actor="user:a@x", reason="found it", at=at)

    payment.refresh_from_db()
    assert (payment.disputed_minor, MoneyCase.objects.get().status) == (200_000, "closed")
    assert OutboxEvent.objects.get(type="payment.disputed").data["status"] == "OPENED"
    with pytest.raises(DisputeRefused):
        dispute_by_hand.attach(dispute_id=dispute.id, payment_id=payment.id, actor="user:a@x", reason="again", at=at)


def test_the_end_of_a_dispute_is_told_when_its_payment_comes_to_light(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any, momo_account: Any
) -> None:
    attempt = pay(order(amount_minor=200_000)).attempt
    momo.settle(attempt)
    number = momo.payment(attempt).transactions[0].number
    report = DisputeReport(
        dispute_id="du_1", status=Told.WON, money=vnd(200_000), withdrawn=False, gateway_transaction_id=str(number)
    )
    heard = Heard(account=momo_account, source=POLL, at=at)
    disputes.apply_dispute_report(report=report, heard=heard)
    assert not OutboxEvent.objects.filter(type="payment.disputed").exists()

    hear(momo.ipn(attempt))
    for _ in range(2):
        disputes.apply_dispute_report(report=report, heard=heard)

    events = OutboxEvent.objects.filter(type="payment.disputed").order_by("position")
    assert [event.data["status"] for event in events] == ["OPENED", "WON"]


def test_money_in_suspense_that_is_disputed_is_not_sent_back_too(
    paid: Any, momo: Any, hear: Any, checker: Any, at: Any, balances: Any, momo_account: Any
) -> None:
    payment = paid()
    attempt = payment.attempts.get()
    momo.settle(attempt, again=True)
    hear(momo.ipn(attempt))
    held = Capture.objects.get(disposition="held")
    report = DisputeReport(
        dispute_id="du_1", status=Told.NEEDS_RESPONSE, money=held.money, withdrawn=True,
        gateway_transaction_id=held.gateway_transaction_id,
    )  # fmt: skip
    assert (
        disputes.apply_dispute_report(report=report, heard=Heard(account=momo_account, source=POLL, at=at))
        is Outcome.HELD
    )
    payment.refresh_from_db()
    assert (payment.disputed_minor, payment.refundable) == (0, vnd(200_000))
    case = MoneyCase.objects.get(kind="double_payment")
    cases.propose(case_id=case.id, decision=MoneyCase.Decision.REFUND, maker=UserFactory(), reason="paid twice", at=at)
    before = balances()
    asked = approvals.Approval.objects.get(object_id=case.id)
    done = approvals.approve(approval_id=asked.id, checker=checker, reason="ok", at=at)

    assert done.execution_error.startswith("payment_disputed")
    assert (balances(), Refund.objects.count()) == (before, 0)


def test_an_unknown_dispute_that_is_lost_is_unexplained(at: Any, momo_account: Any, balances: Any) -> None:
    heard = Heard(account=momo_account, source=POLL, at=at)
    for status in (Told.NEEDS_RESPONSE, Told.LOST):
        disputes.apply_dispute_report(
            report=DisputeReport(dispute_id="du_9", status=status, money=vnd(70_000)), heard=heard
        )

    assert balances() == {"suspense:short": 70_000, "gw:momo:clearing": -70_000}


def test_a_dispute_without_an_amount_that_nobody_knows_is_an_orphan(at: Any, momo_account: Any) -> None:
    nothing = DisputeReport(dispute_id="du_9", status=Told.NEEDS_RESPONSE)
    heard = Heard(account=momo_account, source=POLL, at=at)
    assert disputes.apply_dispute_report(report=nothing, heard=heard) is Outcome.ORPHAN
    assert not Dispute.objects.exists()


@pytest.fixture
def by_hand(paid: Any, momo_account: Any, at: Any) -> Callable[..., Dispute]:
    """A dispute that staff read in an e-mail of a gateway without calls for disputes."""

    def make(payment: Payment | None = None, **wish: Any) -> Dispute:
        wanted = payment or paid()
        return dispute_by_hand.open_by_hand(
            wish=dispute_by_hand.NewDispute(
                account=momo_account, gateway_dispute_id="CB-7", money=wanted.amount, payment_id=wanted.id,
                reason="fraud", respond_by=at + 5 * DAY, **wish,
            ),
            actor="user:a@x", why="e-mail of today", at=at,
        )  # fmt: skip

    return make


def test_staff_open_a_dispute_by_hand_once(by_hand: Any, paid: Any, books: Any) -> None:
    payment = paid()
    first = by_hand(payment, fee=vnd(1_000))
    again = by_hand(payment, fee=vnd(1_000))

    assert (first.id, first.reason_class, first.status) == (again.id, "fraud", S.NEEDS_RESPONSE)
    assert books()[f"{first.id}:opened"]["gw:momo:clearing"] == -201_000
    assert Dispute.objects.count() == 1


def test_an_end_told_by_hand_needs_two_people(by_hand: Any, checker: Any, at: Any, books: Any) -> None:
    dispute = by_hand()
    maker = UserFactory()
    before = books()
    dispute_decisions.propose(dispute_id=dispute.id, decision=Decision.LOST, reason="e-mail", maker=maker, at=at)
    assert books() == before
    (asked,) = approvals.Approval.objects.all()
    approvals.approve(approval_id=asked.id, checker=checker, reason="read it too", at=at)

    dispute.refresh_from_db()
    assert (dispute.status, dispute.booked) == (S.LOST, "clawed_back")


def test_evidence_sent_by_hand_puts_a_dispute_under_review(by_hand: Any, at: Any) -> None:
    dispute = by_hand()
    done = dispute_answers.submit(
        dispute_id=dispute.id, text="It was delivered.", source=STAFF, actor="user:a@x", at=at
    )
    assert (done.status, done.answer, done.answer_state) == (S.UNDER_REVIEW, "contest", "given")
    with pytest.raises(DisputeRefused):
        dispute_answers.submit(dispute_id=dispute.id, text="More.", source=STAFF, actor="user:a@x", at=at)


def test_giving_up_below_the_limit_is_one_persons_word_and_above_it_two(
    by_hand: Any, checker: Any, settings: Any, at: Any
) -> None:
    settings.REFUND_APPROVAL_LIMITS = {"VND": "50000"}
    dispute, maker = by_hand(), UserFactory()
    wish = {"dispute_id": dispute.id, "reason": "no receipt", "maker": maker, "actor": "user:m@x", "source": STAFF}
    assert dispute_decisions.accept(**wish, at=at).status == S.NEEDS_RESPONSE
    approvals.approve(approval_id=approvals.Approval.objects.get().id, checker=checker, reason="ok", at=at)
    dispute.refresh_from_db()
    assert dispute.status == S.ACCEPTED


def test_giving_up_a_small_dispute_needs_nobody_else(by_hand: Any, settings: Any, at: Any) -> None:
    settings.REFUND_APPROVAL_LIMITS = {"VND": "500000"}
    wish = {"dispute_id": by_hand().id, "reason": "not worth it", "maker": UserFactory(), "actor": "user:m@x"}
    assert dispute_decisions.accept(**wish, source=STAFF, at=at).status == S.ACCEPTED
    assert ClawBack.objects.get().amount_minor == 200_000


def test_two_people_make_the_platform_liable_before_or_after_the_loss(
    paid: Any, checker: Any, at: Any, balances: Any
) -> None:
    for number, (payment, is_lost_first) in enumerate([(paid(), False), (paid(), True)]):
        told(payment, dispute_id=f"du_{number}")
        dispute = Dispute.objects.get(payment=payment)
        if is_lost_first:
            told(payment, Told.LOST, dispute_id=f"du_{number}")
        dispute_decisions.propose(
            dispute_id=dispute.id, decision=Decision.PLATFORM, reason="our courier", maker=UserFactory(), at=at
        )
        asked = approvals.Approval.objects.get(object_id=dispute.id)
        approvals.approve(approval_id=asked.id, checker=checker, reason="yes", at=at)
        if not is_lost_first:
            told(payment, Told.LOST, dispute_id=f"du_{number}")
        dispute.refresh_from_db()
        assert (dispute.liability, dispute.booked) == ("platform", "loss")
        assert balances()["loss:chargeback"] == 200_000 * (number + 1)
        assert f"clawback:{shop_of(payment)}" not in balances()
    assert set(ClawBack.objects.values_list("status", flat=True)) == {"reversed"}


def test_a_shop_that_has_paid_is_not_freed_by_a_late_decision(paid: Any, checker: Any, at: Any, books: Any) -> None:
    payment = paid()
    told(payment, Told.LOST)
    ClawBack.objects.update(status="allocated")
    dispute, before = Dispute.objects.get(), books()
    dispute_decisions.propose(
        dispute_id=dispute.id, decision=Decision.PLATFORM, reason="late", maker=UserFactory(), at=at
    )
    done = approvals.approve(approval_id=approvals.Approval.objects.get().id, checker=checker, reason="yes", at=at)

    assert done.executed_at is None
    assert done.execution_error.startswith("dispute_refused")
    assert books() == before


# --- Evidence --------------------------------------------------------------------------------------------------------
def add(dispute: Dispute, content: bytes, at: datetime, name: str = "../etc/re:ceipt.exe") -> DisputeEvidence:
    purpose = DisputeEvidence.Purpose.RECEIPT
    return evidence.add(
        dispute_id=dispute.id, name=name, content=content, purpose=purpose, source=STAFF, actor="user:a@x", at=at
    )


def test_evidence_is_kept_once_encrypted_and_under_a_harmless_name(by_hand: Any, at: Any) -> None:
    dispute = by_hand()
    kept = add(dispute, PDF, at)
    assert add(dispute, PDF, at).id == kept.id
    assert (kept.name, kept.content_type, kept.size) == ("re_ceipt.pdf", "application/pdf", len(PDF))
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM payments_disputeevidence")
        assert b"receipt" not in str(cursor.fetchall()).encode()
    assert evidence.read(evidence_id=kept.id, actor="user:b@x").content == PDF


@pytest.mark.parametrize("content", [b"", b"MZ\x90 a program", b"<svg/>", b"%PDF-" + b"x" * evidence.MAX_BYTES])
def test_what_is_no_evidence_is_refused(by_hand: Any, at: Any, content: bytes) -> None:
    dispute = by_hand()
    with pytest.raises(EvidenceRefused):
        add(dispute, content, at)
    assert not DisputeEvidence.objects.exists()


def test_a_dispute_that_ended_takes_no_evidence(paid: Any, at: Any) -> None:
    told(paid(), Told.LOST)
    with pytest.raises(DisputeRefused):
        add(Dispute.objects.get(), PDF, at)


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE payments_disputeevent SET actor = 'nobody'",
        "DELETE FROM payments_disputeevent",
        "TRUNCATE payments_disputeevent",
        "UPDATE payments_disputeline SET cash_minor = cash_minor + 1, list_minor = list_minor + 1",
        "DELETE FROM payments_disputeline",
        "UPDATE payments_disputeevidence SET name = 'other.pdf'",
        "DELETE FROM payments_disputeevidence",
        "DELETE FROM payments_dispute",
        "UPDATE payments_dispute SET gateway_dispute_id = 'another'",
        "UPDATE payments_dispute SET withdrawn_minor = 0",
        "UPDATE payments_dispute SET payment_id = NULL",
        "UPDATE payments_dispute SET status = 'won'",
        "UPDATE payments_dispute SET disputed_minor = amount_minor + 1",
        "UPDATE payments_dispute SET is_inquiry = true",
        "UPDATE payments_dispute SET closed_at = NULL",
        "UPDATE payments_clawback SET refund_id = NULL, dispute_id = NULL",
        'INSERT INTO payments_dispute SELECT (jsonb_populate_record(d, \'{"id": "dp_2"}\')).* FROM payments_dispute d',
    ],
)
def test_raw_sql_is_refused(by_hand: Any, at: Any, attack: str, paid: Any) -> None:
    payment = paid()
    dispute = by_hand(payment)
    add(dispute, PDF, at)
    told(payment, Told.LOST, dispute_id="CB-7", at=at)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(attack)
