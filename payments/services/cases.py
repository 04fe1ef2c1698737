"""Money cases: what no rule may decide is decided by two people, and then booked."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet

from config.core import approvals, audit, faultpoints
from config.core.models import User
from config.core.money import Money
from ledger import chart
from ledger import services as ledger
from payments import postings
from payments.errors import CaseRefused
from payments.models import Attempt, Capture, Dispute, MoneyCase, Payment, Refund
from payments.services import attempts, locks
from payments.states import LIVE, CaseStatus

ACTION = "money_case.resolve"
K, D = MoneyCase.Kind, MoneyCase.Decision

SUGGESTIONS = {
    K.LATE_PAYMENT: D.REFUND,
    K.DOUBLE_PAYMENT: D.REFUND,
    K.AMOUNT_MISMATCH: D.REFUND,
    K.CURRENCY_MISMATCH: D.REFUND,
    K.UNKNOWN_ORDER: D.HOLD,
    K.PAID_CANCELLED: D.REFUND,
    K.CANCELLED_PAID: D.REFUND,
    K.UNKNOWN_OUTCOME: D.DISMISS,
    K.REFUND_UNKNOWN: D.DISMISS,
    K.REFUND_FAILED: D.REFUND,
    K.DISPUTE_UNKNOWN: D.DISMISS,
    K.DISPUTE_REFUNDED: D.DISMISS,
    K.DISPUTE_CHANGED: D.DISMISS,
    K.DISPUTE_SILENT: D.DISMISS,
}


def open_for_money(*, capture: Capture, kind: MoneyCase.Kind, at: datetime, actor: str, detail: str = "") -> MoneyCase:
    """A case about money in suspense. Joins the commit that booked it."""
    assert connection.in_atomic_block, "a case is opened in the commit of its cause"
    case = MoneyCase.objects.create(
        kind=kind,
        payment=capture.payment,
        attempt=capture.attempt,
        capture=capture,
        amount_minor=capture.amount_minor,
        currency=capture.currency,
        detail=detail[:500],
        suggestion=SUGGESTIONS[kind],
        opened_at=at,
    )
    audit.record(actor=actor, action="case.opened", object_type="case", object_id=case.id, reason=kind.value)
    faultpoints.reach("case.opened")
    return case


def open_question(
    *,
    kind: MoneyCase.Kind,
    money: Money,
    at: datetime,
    actor: str,
    payment: Payment | None = None,
    attempt: Attempt | None = None,
    refund: Refund | None = None,
    dispute: Dispute | None = None,
    detail: str = "",
) -> MoneyCase | None:
    """A case about an outcome, not about held money; None when the same question is open. Joins a transaction."""
    assert connection.in_atomic_block, "a case is opened in the commit of its cause"
    same = MoneyCase.objects.unresolved().filter(
        kind=kind, payment=payment, attempt=attempt, refund=refund, dispute=dispute
    )
    if same.exists():
        return None
    case = MoneyCase.objects.create(
        kind=kind,
        payment=payment,
        attempt=attempt,
        refund=refund,
        dispute=dispute,
        amount_minor=money.minor,
        currency=money.currency,
        detail=detail[:500],
        suggestion=SUGGESTIONS[kind],
        opened_at=at,
    )
    audit.record(actor=actor, action="case.opened", object_type="case", object_id=case.id, reason=kind.value)
    faultpoints.reach("case.asked")
    return case


def answer_questions(attempt: Attempt, *, at: datetime, actor: str) -> None:
    """Close the open questions about an attempt's outcome: it has spoken. One is opened only when all were asked."""
    if attempt.queries < len(attempts.ASK_AFTER):
        return
    _close_answered(MoneyCase.objects.filter(kind=K.UNKNOWN_OUTCOME, attempt=attempt), at=at, actor=actor)


def answer_refund_questions(refund: Refund, *, at: datetime, actor: str) -> None:
    """Close the open questions about a refund's outcome."""
    _close_answered(MoneyCase.objects.filter(kind=K.REFUND_UNKNOWN, refund=refund), at=at, actor=actor)


def answer_dispute_questions(dispute: Dispute, *, kind: MoneyCase.Kind, at: datetime, actor: str) -> None:
    """Close the open question of one kind about a dispute."""
    _close_answered(MoneyCase.objects.filter(kind=kind, dispute=dispute), at=at, actor=actor)


def _close_answered(questions: QuerySet[MoneyCase], *, at: datetime, actor: str) -> None:
    for case in questions.filter(status=CaseStatus.OPEN):
        case.move_to(CaseStatus.CLOSED, at=at)
        case.reason = "The gateway answered."
        case.save()
        audit.record(actor=actor, action="case.closed", object_type="case", object_id=case.id, reason=case.reason)


@transaction.atomic(durable=True)
def propose(*, case_id: str, decision: MoneyCase.Decision, maker: User, reason: str, at: datetime) -> MoneyCase:
    """Propose how to resolve a case; a second person decides. Raises CaseNotFound, CaseRefused."""
    case = locks.case(case_id)
    if not reason.strip():
        raise CaseRefused("Say why.", field="reason")
    if decision not in allowed(case):
        raise CaseRefused("This case cannot be resolved so.", field="decision", facts={"kind": case.kind})
    case.move_to(CaseStatus.PROPOSED, at=at)
    case.decision, case.reason = decision, reason
    case.approval = approvals.request(
        action=ACTION,
        object_type="case",
        object_id=case.id,
        payload=payload_of(case),
        maker=maker,
        maker_name=maker.email,
        reason=reason,
        amount=case.money,
        at=at,
    )
    case.save()
    audit.record(
        actor=f"user:{maker.email}", action="case.proposed", object_type="case", object_id=case.id, reason=reason,
        after={"decision": decision},
    )  # fmt: skip
    faultpoints.reach("case.proposed")
    return case


def allowed(case: MoneyCase) -> tuple[MoneyCase.Decision, ...]:
    """The decisions that make sense for a case."""
    if case.capture is None:
        return (D.REFUND, D.DISMISS) if case.kind in (K.CANCELLED_PAID, K.REFUND_FAILED) else (D.DISMISS,)
    if can_apply(case):
        return (D.APPLY, D.REFUND, D.HOLD)
    return (D.REFUND, D.HOLD)


def can_apply(case: MoneyCase) -> bool:
    """Whether held money pays exactly what its order still costs, and no other payment of the order is live."""
    payment, capture = case.payment, case.capture
    if payment is None or capture is None or capture.disposition != Capture.Disposition.HELD:
        return False
    if payment.captured_minor or not capture.money == payment.amount == payment.order.amount:
        return False
    return not Payment.objects.filter(order_id=payment.order_id, status__in=LIVE).exclude(id=payment.id).exists()


def book_applied(case: MoneyCase, split: postings.Split, *, at: datetime, actor: str) -> None:
    """Move held money from suspense to what it was paid for: the journal names the case."""
    assert case.payment is not None and case.capture is not None, "only held money of a payment is applied"
    ledger.post(
        reference=f"{case.id}:applied",
        event="unexpected_money_applied",
        lines=postings.captured(chart.suspense_over(), split),
        occurred_at=at,
        subject=case.payment.id,
        order_ref=case.payment.order.order_id,
        actor=actor,
        reason=case.reason,
    )


def payload_of(case: MoneyCase) -> dict[str, object]:
    """What both people saw: compared before it is executed."""
    return {
        "case": case.id,
        "kind": case.kind,
        "decision": case.decision,
        "amount_minor": case.amount_minor,
        "currency": case.currency,
        "capture": case.capture_id,
    }
