"""Disputes that two people must agree on: given up above a limit, an end told by hand, the platform's liability."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import transaction

from config.core import approvals, inbox
from config.core.models import Approval, User
from gateways.reports import DisputeReport
from gateways.reports import DisputeStatus as Told
from payments.errors import DisputeRefused
from payments.models import AttemptEvent, Dispute, Refund
from payments.services import dispute_answers, dispute_booking, disputes, locks, refund_approval
from payments.services.dispute_history import note
from payments.services.hearing import Heard

ACTION: Final = "dispute.decide"
REFUSED: Final = Dispute.AnswerState.REFUSED
STAFF: Final = AttemptEvent.Source.STAFF


class Decision(StrEnum):
    """What may be decided about a dispute."""

    ACCEPT = "accept"  # the loss is ours: not contested
    WON = "won"  # the gateway wrote that the money comes back
    LOST = "lost"  # the gateway wrote that it does not
    PLATFORM = "platform"  # shops do not answer for it


def accept(
    *, dispute_id: str, reason: str, maker: User | None, actor: str, source: AttemptEvent.Source, at: datetime
) -> Dispute:
    """Give a dispute up; above the refund limit of its currency a second person decides (settings, as for refunds).

    Raises DisputeNotFound, DisputeRefused, ApprovalPending.
    """
    waits = _ask(dispute_id, Decision.ACCEPT, reason=reason, maker=maker, actor=actor, at=at)
    if not waits:
        _give_up(dispute_id, actor=actor, source=source, at=at)
    return Dispute.objects.select_related("account", "payment").get(id=dispute_id)


def propose(*, dispute_id: str, decision: Decision, reason: str, maker: User, at: datetime) -> None:
    """Ask a second person to agree on an end told by hand or on who is liable. Raises DisputeRefused."""
    assert decision is not Decision.ACCEPT, "giving up has a door of its own"
    _ask(dispute_id, decision, reason=reason, maker=maker, actor=f"user:{maker.email}", at=at)


def allowed(dispute: Dispute) -> tuple[Decision, ...]:
    """The decisions that make sense now. An end is told by hand only where the gateway cannot be asked."""
    found = []
    if dispute.waits_for_us and dispute.answer_state in ("", REFUSED):
        found.append(Decision.ACCEPT)
    if dispute.is_open and not dispute_answers.can_be_called(dispute):
        found += [Decision.WON, Decision.LOST]
    is_shops = dispute.liability == Dispute.Liability.SHOP and dispute.disputed_minor
    if is_shops and (dispute.is_open or dispute.booked == Dispute.Booked.CLAWED_BACK):
        found.append(Decision.PLATFORM)
    return tuple(found)


def execute(approval: Approval, at: datetime) -> None:
    """Carry out what two people agreed on: what config.core.approvals calls, perhaps more than once."""
    decision = Decision(str(approval.payload["decision"]))
    assert approval.checker is not None, "an approval was given by somebody"
    actor = f"user:{approval.checker.email}"
    if decision is Decision.ACCEPT:
        _give_up(approval.object_id, actor=actor, source=STAFF, at=at)
    elif decision is Decision.PLATFORM:
        _platform_liable(approval.object_id, approval, actor=actor, at=at)
    else:
        dispute = Dispute.objects.select_related("account").get(id=approval.object_id)
        if dispute.is_open:
            _believe(dispute, Told.WON if decision is Decision.WON else Told.LOST, actor=actor, source=STAFF, at=at)


def current_payload(approval: Approval) -> dict[str, object]:
    """What the request would say if it were made now."""
    return _payload(Dispute.objects.get(id=approval.object_id), Decision(str(approval.payload["decision"])))


@transaction.atomic(durable=True)
def _ask(dispute_id: str, decision: Decision, *, reason: str, maker: User | None, actor: str, at: datetime) -> bool:
    """Let a decision wait for a second person; False where one is enough, or where it was carried out before."""
    dispute = locks.dispute(dispute_id)
    if decision is Decision.ACCEPT and dispute.answer == Dispute.Answer.ACCEPT and dispute.answer_state != REFUSED:
        return False
    if not reason.strip():
        raise DisputeRefused("Say why.", field="reason")
    if decision not in allowed(dispute):
        raise DisputeRefused("This dispute cannot be decided so now.", facts={"status": str(dispute.status)})
    if decision is Decision.ACCEPT and not refund_approval.is_needed(dispute.amount, Refund.Route.GATEWAY):
        return False
    approvals.request(
        action=ACTION,
        object_type="dispute",
        object_id=dispute.id,
        payload=_payload(dispute, decision),
        maker=maker,
        maker_name=maker.email if maker else actor,
        reason=reason,
        amount=dispute.amount,
        at=at,
    )
    note(dispute, f"{decision.value}_proposed", source=STAFF, actor=actor, at=at, reason=reason)
    return True


def _give_up(dispute_id: str, *, actor: str, source: AttemptEvent.Source, at: datetime) -> None:
    """Tell the gateway; where it cannot be told by a call, the word of our people ends it."""
    dispute = Dispute.objects.select_related("account").get(id=dispute_id)
    if dispute.is_open and dispute.answer != Dispute.Answer.ACCEPT:
        dispute = dispute_answers.give_up(dispute_id=dispute_id, source=source, actor=actor, at=at)
    if dispute.is_open and not dispute_answers.can_be_called(dispute):
        _believe(dispute, Told.LOST, actor=actor, source=source, at=at)


def _believe(dispute: Dispute, status: Told, *, actor: str, source: AttemptEvent.Source, at: datetime) -> None:
    """An end that people read in an e-mail or portal enters by the door of all reports."""
    report = DisputeReport(
        dispute_id=dispute.gateway_dispute_id,
        status=status,
        is_inquiry=dispute.is_inquiry,
        withdrawn=dispute.withdrawn_minor > 0 or (status is Told.LOST and not dispute.is_inquiry),
        reason=dispute.reason,
        occurred_at=at,
        raw=dispute.raw,
    )
    disputes.apply_dispute_report(
        report=report, heard=Heard(account=dispute.account, source=source, at=at, actor=actor)
    )


@transaction.atomic(durable=True)
def _platform_liable(dispute_id: str, approval: Approval, *, actor: str, at: datetime) -> None:
    dispute = locks.dispute(dispute_id)
    if not inbox.claim(approvals.approval_cause(approval)):
        return
    dispute_booking.book_platform_liable(dispute, at=at, actor=actor, reason=approval.reason)
    dispute.updated_at = at
    dispute.save()
    note(dispute, "platform_liable", source=STAFF, actor=actor, at=at, reason=approval.reason)


def _payload(dispute: Dispute, decision: Decision) -> dict[str, object]:
    return {
        "dispute": dispute.id,
        "decision": decision.value,
        "amount_minor": dispute.amount_minor,
        "currency": dispute.currency,
        "payment": dispute.payment_id,
        "is_open": dispute.is_open,
    }
