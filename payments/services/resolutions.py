"""Executing what two people decided about a money case: apply, send back, keep, or nothing to do."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from config.core import approvals, audit, faultpoints, inbox, outbox
from config.core.models import Approval
from ledger import services as ledger
from payments import events, postings
from payments.errors import CaseRefused
from payments.models import Capture, EmailMessageLog, MoneyCase
from payments.services import cases, emails, locks, orders, refund_steps, refunds
from payments.states import CaseStatus, PaymentStatus

D = MoneyCase.Decision


def execute(approval: Approval, at: datetime) -> None:
    """Carry out an approved proposal: what config.core.approvals calls, perhaps more than once."""
    refund_id = _carry_out(case_id=approval.object_id, approval=approval, at=at)
    faultpoints.reach("resolution.committed")
    if refund_id:
        refund_steps.send(refund_id=refund_id, at=at)


def current_payload(approval: Approval) -> dict[str, object]:
    """What the proposal would say if it were made now."""
    return cases.payload_of(MoneyCase.objects.get(id=approval.object_id))


def give_up(approval: Approval, at: datetime) -> None:
    """The proposal was rejected or nobody decided: the case is open again. Joins the decision's transaction."""
    case = locks.case(approval.object_id)
    if case.status == CaseStatus.PROPOSED:
        case.move_to(CaseStatus.OPEN, at=at)
        case.decision, case.approval = "", None
        case.save()


@transaction.atomic(durable=True)
def _carry_out(*, case_id: str, approval: Approval, at: datetime) -> str:
    if not inbox.claim(approvals.approval_cause(approval)):
        return MoneyCase.objects.get(id=case_id).refund_id or ""
    faultpoints.reach("resolution.claimed")
    case = locks.case(case_id)
    case.move_to(CaseStatus.APPROVED, at=at)
    assert approval.checker is not None, "an approval was given by somebody"
    actor = f"user:{approval.checker.email}"
    refund_id = _execute(case, actor=actor, at=at)
    case.move_to(CaseStatus.EXECUTED, at=at)
    # Money that is kept stays in suspense and its case stays in the queue; all else is done.
    if case.decision != D.HOLD:
        case.move_to(CaseStatus.CLOSED, at=at)
    case.save()
    audit.record(
        actor=actor, action="case.executed", object_type="case", object_id=case.id, reason=case.reason,
        after={"decision": case.decision},
    )  # fmt: skip
    faultpoints.reach("resolution.carried_out")
    return refund_id


def _execute(case: MoneyCase, *, actor: str, at: datetime) -> str:
    """Carry out a decision inside the approval's commit; returns the refund to send afterwards, if any."""
    if case.decision == D.APPLY:
        _apply(case, actor=actor, at=at)
    if case.decision == D.REFUND:
        return _send_back(case, actor=actor, at=at)
    return ""


def _apply(case: MoneyCase, *, actor: str, at: datetime) -> None:
    assert case.payment is not None and case.capture is not None, "only held money of a payment is applied"
    payment = case.payment
    if not cases.can_apply(case):
        raise CaseRefused("The payment cannot take this money any more.")
    capture = case.capture
    attempt = capture.attempt
    assert attempt is not None, "money of a payment came by an attempt"
    payment.is_late = payment.status in (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED)
    payment.move_to(PaymentStatus.SUCCEEDED, at=at)
    payment.captured_minor = capture.amount_minor
    capture.disposition = Capture.Disposition.APPLIED
    capture.save(update_fields=["disposition"])
    cases.book_applied(case, orders.split_of(payment.order), at=at, actor=actor)
    outbox.publish(
        events.payment_completed(payment, attempt, at=at), events.order_payment_received(payment, attempt, at=at)
    )
    payment.save()
    emails.queue(payment, EmailMessageLog.Kind.PAYMENT_SUCCEEDED, at=at)


def _send_back(case: MoneyCase, *, actor: str, at: datetime) -> str:
    if case.capture is None:
        assert case.payment is not None, "a case without money is about a payment"
        case.refund = refunds.book_the_rest(payment_id=case.payment.id, reason=case.reason, actor=actor, at=at)
        return case.refund.id
    refund = refunds.begin_of_held_money(capture=case.capture, reason=case.reason, actor=actor, at=at)
    ledger.post(
        reference=f"{refund.id}:booked",
        event="unexpected_money_refund_booked",
        lines=postings.held_money_refunded(refund.amount),
        occurred_at=at,
        subject=refund.id,
        order_ref=case.payment.order.order_id if case.payment else "",
        actor=actor,
        reason=f"{case.id}: {case.reason}",
    )
    case.refund = refund
    return refund.id
