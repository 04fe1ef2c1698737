# ruff: noqa: F811  # fixtures of another file
"""Answering disputes at a gateway that has calls for it: Stripe's side is the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from config.core import approvals
from gateways.sandbox.faults import Fault
from payments.models import Attempt, AttemptEvent, ClawBack, Dispute, DisputeEvidence, MoneyCase
from payments.services import dispute_answers, dispute_decisions, dispute_schedule, evidence
from payments.states import DisputeStatus
from tests.factories import UserFactory
from tests.payments.services.test_stripe import OtherSide, account, deliver, method, paid, stripe  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
S = DisputeStatus
STAFF = AttemptEvent.Source.STAFF
PDF = b"%PDF-1.7 signed for"


@pytest.fixture
def disputed(paid: Callable[[], Attempt], stripe: OtherSide) -> Callable[..., Dispute]:
    """A dispute that Stripe has told us of."""

    def make(**options: Any) -> Dispute:
        attempt = paid()
        opened = stripe.provider.returns.open_dispute(stripe.order(attempt), **options)
        kinds = ["charge.dispute.created"] + ([] if options.get("inquiry") else ["charge.dispute.funds_withdrawn"])
        for kind in kinds:
            assert deliver(stripe.event(attempt, kind, opened)) == 200
        return Dispute.objects.get(gateway_dispute_id=opened["id"])

    return make


def at_stripe(stripe: OtherSide, dispute: Dispute) -> dict[str, Any]:
    """The dispute as Stripe has it."""
    attempt = Attempt.objects.get(payment_id=dispute.payment_id)
    found: dict[str, Any] = stripe.order(attempt).fields["disputes"][0]
    return found


def keep(dispute: Dispute, content: bytes, purpose: DisputeEvidence.Purpose, at: datetime) -> DisputeEvidence:
    return evidence.add(
        dispute_id=dispute.id, name="a.pdf", content=content, purpose=purpose, source=STAFF, actor="user:a@x", at=at
    )


def contest(dispute: Dispute, at: datetime, text: str = "It arrived.", **more: Any) -> Dispute:
    return dispute_answers.submit(dispute_id=dispute.id, text=text, source=STAFF, actor="user:a@x", at=at, **more)


def test_text_and_documents_reach_the_gateway_once_and_its_verdict_is_booked(
    disputed: Any,
    stripe: OtherSide,
    at: datetime,
    balances: Any,
) -> None:
    dispute = disputed()
    keep(dispute, PDF, DisputeEvidence.Purpose.SHIPPING, at)
    assert dispute.next_step_at is not None
    done = contest(dispute, at, "winning_evidence: it was signed for.")
    contest(dispute, at, "winning_evidence: it was signed for.")

    told = at_stripe(stripe, dispute)
    assert told["submissions"] == 1
    assert sorted(told["evidence"]) == ["shipping_documentation", "uncategorized_text"]
    assert (done.status, done.answer_state, done.booked, done.next_step_at) == (S.WON, "given", "won", None)
    assert balances().get("chargeback:disputed") is None


def test_an_answer_that_was_taken_waits_under_review_and_is_asked_about_daily(disputed: Any, at: datetime) -> None:
    done = contest(disputed(), at)

    assert (done.status, done.answer_state) == (S.UNDER_REVIEW, "given")
    assert done.next_step_at == at + timedelta(hours=24)


def test_an_answer_without_a_word_is_asked_about_and_never_given_twice(
    disputed: Any,
    stripe: OtherSide,
    at: datetime,
) -> None:
    dispute = disputed()
    stripe.fault(Fault.ERROR_500_AFTER_ACCEPT, operation="evidence", scope="operation", count=1)
    unknown = contest(dispute, at)
    assert (unknown.status, unknown.answer_state) == (S.NEEDS_RESPONSE, "unknown")
    with pytest.raises(dispute_answers.DisputeRefused):
        contest(dispute, at, "another story")
    dispute_answers.advance_due(at=unknown.next_step_at)

    dispute.refresh_from_db()
    assert (dispute.status, dispute.answer_state) == (S.UNDER_REVIEW, "given")
    assert at_stripe(stripe, dispute)["submissions"] == 1


def test_an_answer_that_never_arrived_is_sent_again_by_the_next_question(
    disputed: Any,
    stripe: OtherSide,
    at: datetime,
) -> None:
    dispute = disputed()
    stripe.fault(Fault.ERROR_500, operation="evidence", scope="operation", count=1)
    assert contest(dispute, at).answer_state == "unknown"
    dispute.refresh_from_db()
    dispute_answers.advance_due(at=dispute.next_step_at)

    dispute.refresh_from_db()
    assert (dispute.status, dispute.answer_state, dispute.answers) == (S.UNDER_REVIEW, "given", 1)
    assert at_stripe(stripe, dispute)["submissions"] == 1


def test_what_the_gateway_refuses_can_be_said_again_with_fewer_documents(
    disputed: Any,
    stripe: OtherSide,
    at: datetime,
) -> None:
    dispute = disputed()
    first = keep(dispute, PDF, DisputeEvidence.Purpose.RECEIPT, at)
    keep(dispute, PDF + b" 2", DisputeEvidence.Purpose.RECEIPT, at)
    refused = contest(dispute, at)
    assert (refused.status, refused.answer_state) == (S.NEEDS_RESPONSE, "refused")
    assert "one document" in refused.answer_failure
    done = contest(dispute, at, evidence_ids=[first.id])

    assert (done.status, done.answer_state, done.answer_evidence) == (S.UNDER_REVIEW, "given", [first.id])
    assert at_stripe(stripe, dispute)["submissions"] == 1


def test_giving_up_ends_it_at_the_gateway_and_the_shop_answers_for_it(
    disputed: Any,
    stripe: OtherSide,
    settings: Any,
    at: datetime,
) -> None:
    settings.REFUND_APPROVAL_LIMITS = {"VND": "50000"}
    dispute, maker = disputed(), UserFactory()
    wish = {"dispute_id": dispute.id, "reason": "no proof", "maker": maker, "actor": "user:m@x", "source": STAFF}
    assert dispute_decisions.accept(**wish, at=at).status == S.NEEDS_RESPONSE
    assert at_stripe(stripe, dispute)["status"] == "needs_response"
    checker = UserFactory(is_superuser=True)
    approvals.approve(approval_id=approvals.Approval.objects.get().id, checker=checker, reason="ok", at=at)

    dispute.refresh_from_db()
    assert at_stripe(stripe, dispute)["status"] == "lost"
    assert (dispute.status, dispute.booked) == (S.ACCEPTED, "clawed_back")
    assert ClawBack.objects.get().amount_minor == dispute.amount_minor


def test_an_inquiry_that_escalates_takes_the_money_then(disputed: Any, at: datetime, books: Any) -> None:
    dispute = disputed(inquiry=True)
    assert (dispute.is_inquiry, dispute.withdrawn_minor) == (True, 0)
    contest(dispute, at, "escalate_inquiry_evidence")

    dispute.refresh_from_db()
    assert (dispute.is_inquiry, dispute.withdrawn_minor, dispute.status) == (False, 100_000, S.NEEDS_RESPONSE)
    assert f"{dispute.id}:opened" in books()


def test_near_its_deadline_a_dispute_is_asked_about_more_often(disputed: Any) -> None:
    dispute = disputed()
    soon = dispute.respond_by - timedelta(hours=40)
    assert dispute_schedule.next_ask(dispute, at=soon) == soon + timedelta(hours=6)
    assert dispute_schedule.next_ask(dispute, at=soon - timedelta(days=2)) == soon - timedelta(days=1)


def test_a_deadline_that_passed_without_an_answer_ends_as_expired_when_the_gateway_says_so(
    disputed: Any,
    stripe: OtherSide,
) -> None:
    dispute = disputed()
    after = dispute.respond_by + timedelta(hours=1)
    dispute_answers.advance_due(at=after)
    dispute.refresh_from_db()
    assert dispute.status == S.NEEDS_RESPONSE
    attempt = Attempt.objects.get(payment_id=dispute.payment_id)
    stripe.provider.returns.end_dispute(stripe.order(attempt), at_stripe(stripe, dispute), "lost")
    dispute_answers.advance_due(at=dispute.next_step_at)

    dispute.refresh_from_db()
    assert (dispute.status, dispute.booked) == (S.EXPIRED, "clawed_back")


def test_a_gateway_that_stays_silent_for_long_is_a_question_for_a_person(
    disputed: Any,
    stripe: OtherSide,
    at: datetime,
) -> None:
    dispute = disputed()
    dispute_answers.advance_due(at=at + dispute_schedule.MAX_AGE + timedelta(days=1))
    dispute.refresh_from_db()
    assert dispute.next_step_at is None
    assert MoneyCase.objects.get().kind == "dispute_silent"
    attempt = Attempt.objects.get(payment_id=dispute.payment_id)
    stripe.provider.returns.end_dispute(stripe.order(attempt), at_stripe(stripe, dispute), "won")
    dispute_answers.refresh(dispute_id=dispute.id, actor="user:a@x", at=at + 2 * dispute_schedule.MAX_AGE)

    assert (Dispute.objects.get().status, MoneyCase.objects.get().status) == (S.WON, "closed")
