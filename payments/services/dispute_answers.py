"""Answering disputes: contest or give up, at the gateway where it has calls for it, else told by a person.

The intent is committed first, then the gateway is called under a reference of its own, then its answer is believed like
any other report. No answer is unknown: beat asks, and sends the same again only where the dispute still waits.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from django.db import transaction

from config.core import faultpoints
from config.core.errors import DomainError
from gateways.base import DisputeReport, Disputes, Evidence, EvidenceFile, GatewayRejected, GatewayUnavailable
from payments.errors import DisputeRefused
from payments.models import AttemptEvent, Dispute, MoneyCase
from payments.services import accounts, cases, disputes, locks
from payments.services.dispute_history import note
from payments.services.reports import Heard
from payments.states import DisputeStatus

log = structlog.get_logger(__name__)
A, State = Dispute.Answer, Dispute.AnswerState
MAX_TEXT: Final = 20_000
PENDING: Final = (State.SENDING, State.UNKNOWN)


def can_be_called(dispute: Dispute) -> bool:
    """Whether its gateway answers disputes by calls."""
    return isinstance(accounts.of(dispute.account), Disputes)


def submit(*, dispute_id: str, text: str, source: AttemptEvent.Source, actor: str, at: datetime) -> Dispute:
    """Contest a dispute with a text and all documents kept for it. What the gateway does is in the dispute, not raised.

    Where the gateway has no calls for it, it says that a person has sent the evidence by e-mail or portal. Submitting
    the same text again finds the first. Raises DisputeNotFound, DisputeRefused.
    """
    is_to_be_sent = _intend(dispute_id, A.CONTEST, text=text, source=source, actor=actor, at=at)
    if is_to_be_sent:
        _send(dispute_id, at=at, actor=actor)
    return _fresh(dispute_id)


def give_up(*, dispute_id: str, source: AttemptEvent.Source, actor: str, at: datetime) -> Dispute:
    """Tell the gateway that the loss is ours. Only dispute_decisions calls this: giving money away is decided there."""
    is_to_be_sent = _intend(dispute_id, A.ACCEPT, text="", source=source, actor=actor, at=at)
    if is_to_be_sent:
        _send(dispute_id, at=at, actor=actor)
    return _fresh(dispute_id)


def refresh(*, dispute_id: str, actor: str, at: datetime) -> Dispute:
    """Ask the gateway about a dispute. Raises DisputeRefused where it has no call for that."""
    dispute = _fresh(dispute_id)
    if not can_be_called(dispute):
        raise DisputeRefused("This gateway cannot be asked about disputes.")
    _ask(dispute, at=at, actor=actor)
    return _fresh(dispute_id)


def advance_due(*, at: datetime, limit: int = 200) -> int:
    """Ask about every dispute whose time has come, row by row; returns how many were asked."""
    due = list(Dispute.objects.due(at=at).values_list("id", flat=True)[:limit])
    for dispute_id in due:
        try:
            _ask(_fresh(dispute_id), at=at, actor="system")
        except DomainError:
            log.exception("dispute_step_failed", dispute=dispute_id)
    urgent = Dispute.objects.unanswered(due_before=at + disputes.NEAR).count()
    if urgent:
        log.warning("disputes_due_soon", count=urgent)
    return len(due)


def _ask(dispute: Dispute, *, at: datetime, actor: str) -> None:
    """One question; then, where an answer of ours never arrived, the same answer once more."""
    told = _call(dispute, lambda gateway: gateway.query_dispute(dispute.gateway_dispute_id), at=at, actor=actor)
    now = _fresh(dispute.id)
    if told and now.waits_for_us and now.answer_state in PENDING:
        _send(dispute.id, at=at, actor=actor)


def _send(dispute_id: str, *, at: datetime, actor: str) -> None:
    dispute = _fresh(dispute_id)
    faultpoints.reach("dispute.intent_committed")
    if dispute.answer == A.ACCEPT:
        told = _call(dispute, lambda gateway: gateway.accept_dispute(dispute.gateway_dispute_id), at=at, actor=actor)
    else:
        said = _evidence(dispute)
        told = _call(
            dispute, lambda gateway: gateway.submit_evidence(dispute.gateway_dispute_id, said), at=at, actor=actor
        )
    if told:
        _confirm(dispute_id, at=at, actor=actor)


def _evidence(dispute: Dispute) -> Evidence:
    files = tuple(
        EvidenceFile(name=one.name, content_type=one.content_type, content=one.content, purpose=one.purpose)
        for one in dispute.evidence.order_by("added_at", "id")
    )
    return Evidence(reference=f"{dispute.id}-{dispute.answers}", text=dispute.answer_text, files=files)


def _call(dispute: Dispute, question: Callable[[Disputes], DisputeReport], *, at: datetime, actor: str) -> bool:
    """One call and what follows from it; True when the gateway told something."""
    gateway = accounts.of(dispute.account)
    assert isinstance(gateway, Disputes), "only a gateway that can is asked"
    try:
        report = question(gateway)
    except GatewayRejected as error:
        _note_failure(dispute.id, State.REFUSED, str(error), at=at, actor=actor)
        return False
    except GatewayUnavailable as error:
        _note_failure(dispute.id, State.UNKNOWN, str(error), at=at, actor=actor)
        return False
    faultpoints.reach("dispute.gateway_answered")
    heard = Heard(account=dispute.account, source=AttemptEvent.Source.POLL, at=at, actor=actor)
    disputes.apply_dispute_report(report=report, heard=heard)
    return True


@transaction.atomic(durable=True)
def _intend(
    dispute_id: str, answer: Dispute.Answer, *, text: str, source: AttemptEvent.Source, actor: str, at: datetime
) -> bool:
    """Commit what we want to say. False when it was said before, or when only a person can carry it to the gateway."""
    dispute = locks.dispute(dispute_id)
    is_said = dispute.answer_state in (*PENDING, State.GIVEN)
    if is_said and dispute.answer == answer == A.CONTEST and dispute.answer_text == text:
        return False
    if is_said or not dispute.waits_for_us:
        raise DisputeRefused("This dispute does not wait for an answer.", facts={"status": str(dispute.status)})
    if answer == A.CONTEST and not 0 < len(text.strip()) <= MAX_TEXT:
        raise DisputeRefused(f"Say what happened, in up to {MAX_TEXT} characters.", field="text")
    dispute.answer, dispute.answer_text, dispute.answer_failure = answer, text, ""
    dispute.answered_by, dispute.answered_at = actor, at
    dispute.answers += 1
    dispute.steps = 0
    by_calls = can_be_called(dispute)
    dispute.answer_state = State.SENDING if by_calls else State.GIVEN
    what = "contested" if answer == A.CONTEST else "given_up"
    if not by_calls and answer == A.CONTEST:
        was = dispute.status
        dispute.move_to(DisputeStatus.UNDER_REVIEW, at=at)
        note(dispute, what, was=was, source=source, actor=actor, at=at)
    else:
        note(dispute, what, source=source, actor=actor, at=at)
    dispute.next_step_at = disputes.next_ask(dispute, at=at)
    dispute.updated_at = at
    dispute.save()
    return by_calls


@transaction.atomic(durable=True)
def _confirm(dispute_id: str, *, at: datetime, actor: str) -> None:
    """The gateway took the answer, though its state may not show it yet."""
    dispute = locks.dispute(dispute_id)
    if dispute.answer_state not in PENDING:
        return
    dispute.answer_state, dispute.steps = State.GIVEN, 0
    dispute.next_step_at, dispute.updated_at = disputes.next_ask(dispute, at=at), at
    dispute.save()
    note(dispute, "answer_confirmed", source=AttemptEvent.Source.POLL, actor=actor, at=at)


@transaction.atomic(durable=True)
def _note_failure(dispute_id: str, state: Dispute.AnswerState, message: str, *, at: datetime, actor: str) -> None:
    """The gateway refused, or did not answer: an answer under way takes that state, a question is asked again later."""
    dispute = locks.dispute(dispute_id)
    if dispute.answer_state in PENDING:
        if state == State.REFUSED or dispute.answer_state != state:
            dispute.answer_state, dispute.answer_failure = state, message[:250]
            note(dispute, f"answer_{state.value}", source=AttemptEvent.Source.POLL, actor=actor, at=at, reason=message)
        dispute.steps += 1
    dispute.next_step_at = disputes.next_ask(dispute, at=at)
    if dispute.is_open and dispute.next_step_at is None:
        cases.open_question(
            kind=MoneyCase.Kind.DISPUTE_SILENT, money=dispute.amount, payment=dispute.payment, dispute=dispute,
            detail="The gateway has not told how this dispute ended.", at=at, actor=actor,
        )  # fmt: skip
    dispute.updated_at = at
    dispute.save()


def _fresh(dispute_id: str) -> Dispute:
    found: Dispute | None = Dispute.objects.select_related("account", "payment__order").filter(id=dispute_id).first()
    if found is None:
        return locks.dispute(dispute_id)  # raises DisputeNotFound in the words of all doors
    return found
