"""Answering disputes: contest or give up, at the gateway where it has calls for it, else told by a person.

The intent is committed first, then the gateway is called under a reference of its own, then its answer is believed like
any other report. No answer is unknown: beat asks, and sends the same again only where the dispute still waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from django.db import transaction

from config.core import faultpoints
from config.core.errors import DomainError
from gateways.abilities import Disputes
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import DisputeReport
from gateways.requests import Evidence, EvidenceFile
from payments.errors import DisputeRefused
from payments.models import AttemptEvent, Dispute
from payments.services import accounts, breakers, dispute_schedule, disputes, locks
from payments.services.dispute_history import note
from payments.services.hearing import Heard
from payments.states import DisputeStatus

log = structlog.get_logger(__name__)
A, State = Dispute.Answer, Dispute.AnswerState
SWEEP_PATIENCE_SECONDS: Final = 20.0
"""So long a sweep waits for its turns at gateways that want a distance between calls."""
MAX_TEXT: Final = 20_000
PENDING: Final = (State.SENDING, State.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What we want to say. `evidence_ids` None means all documents."""

    answer: Dispute.Answer
    text: str = ""
    evidence_ids: Sequence[str] | None = None


def can_be_called(dispute: Dispute) -> bool:
    """Whether its gateway answers disputes by calls."""
    return isinstance(accounts.of(dispute.account), Disputes)


def submit(
    *,
    dispute_id: str,
    text: str,
    evidence_ids: Sequence[str] | None = None,
    source: AttemptEvent.Source,
    actor: str,
    at: datetime,
) -> Dispute:
    """Contest a dispute with a text and documents, all that are kept unless some are named.

    Where the gateway has no calls for it, it says that a person has sent the evidence by e-mail or portal. Submitting
    the same text again finds the first. What the gateway does is in the dispute, not raised. Raises DisputeNotFound,
    DisputeRefused.
    """
    wish = Wish(answer=A.CONTEST, text=text, evidence_ids=evidence_ids)
    is_to_be_sent = _intend(dispute_id, wish, source=source, actor=actor, at=at)
    if is_to_be_sent:
        _send(dispute_id, at=at, actor=actor)
    return _fresh(dispute_id)


def give_up(*, dispute_id: str, source: AttemptEvent.Source, actor: str, at: datetime) -> Dispute:
    """Tell the gateway that the loss is ours. Only dispute_decisions calls this: giving money away is decided there."""
    is_to_be_sent = _intend(dispute_id, Wish(answer=A.ACCEPT), source=source, actor=actor, at=at)
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
    rows = Dispute.objects.due(at=at).exclude(account__gateway__in=breakers.down())
    due = list(rows.values_list("id", flat=True)[:limit])
    with breakers.patient(SWEEP_PATIENCE_SECONDS):
        for dispute_id in due:
            try:
                _ask(_fresh(dispute_id), at=at, actor="system")
            except DomainError:
                log.exception("dispute_step_failed", dispute=dispute_id)
    urgent = Dispute.objects.unanswered(due_before=at + dispute_schedule.NEAR).count()
    if urgent:
        log.warning("disputes_due_soon", count=urgent)
    return len(due)


def _ask(dispute: Dispute, *, at: datetime, actor: str) -> None:
    """One question; then, where an answer of ours never arrived, the same answer once more."""
    told = _call(
        dispute, lambda gateway: gateway.query_dispute(dispute.gateway_dispute_id), is_answer=False, at=at, actor=actor
    )
    now = _fresh(dispute.id)
    if told and now.waits_for_us and now.answer_state in PENDING:
        _send(dispute.id, at=at, actor=actor)


def _send(dispute_id: str, *, at: datetime, actor: str) -> None:
    dispute = _fresh(dispute_id)
    faultpoints.reach("dispute.intent_committed")
    if _call(dispute, _words_of(dispute), is_answer=True, at=at, actor=actor):
        _confirm(dispute_id, at=at, actor=actor)


def _words_of(dispute: Dispute) -> Callable[[Disputes], DisputeReport]:
    """The call that carries our answer."""
    number = dispute.gateway_dispute_id
    if dispute.answer == A.ACCEPT:
        return lambda gateway: gateway.accept_dispute(number)
    said = _evidence(dispute)
    return lambda gateway: gateway.submit_evidence(number, said)


def _evidence(dispute: Dispute) -> Evidence:
    files = tuple(
        EvidenceFile(name=one.name, content_type=one.content_type, content=one.content, purpose=one.purpose)
        for one in dispute.evidence.filter(id__in=dispute.answer_evidence).order_by("added_at", "id")
    )
    return Evidence(reference=f"{dispute.id}-{dispute.answers}", text=dispute.answer_text, files=files)


def _call(
    dispute: Dispute, say: Callable[[Disputes], DisputeReport], *, is_answer: bool, at: datetime, actor: str
) -> bool:
    """One call, with an answer of ours or a question, and what follows from it; True when the gateway told something."""
    gateway = accounts.of(dispute.account)
    assert isinstance(gateway, Disputes), "only a gateway that can is asked"
    try:
        report = say(gateway)
    except GatewayRejected as error:
        _note_failure(dispute.id, State.REFUSED if is_answer else None, str(error), at=at, actor=actor)
        return False
    except GatewayUnavailable as error:
        state = None if error.never_sent or not is_answer else State.UNKNOWN
        _note_failure(dispute.id, state, str(error), at=at, actor=actor)
        return False
    faultpoints.reach("dispute.gateway_answered")
    heard = Heard(account=dispute.account, source=AttemptEvent.Source.POLL, at=at, actor=actor)
    disputes.apply_dispute_report(report=report, heard=heard)
    return True


@transaction.atomic(durable=True)
def _intend(dispute_id: str, wish: Wish, *, source: AttemptEvent.Source, actor: str, at: datetime) -> bool:
    """Commit what we want to say. False when it was said before, or when only a person can carry it to the gateway."""
    dispute = locks.dispute(dispute_id)
    is_said = dispute.answer_state in (*PENDING, State.GIVEN)
    if is_said and dispute.answer == wish.answer == A.CONTEST and dispute.answer_text == wish.text:
        return False
    if is_said or not dispute.waits_for_us:
        raise DisputeRefused("This dispute does not wait for an answer.", facts={"status": str(dispute.status)})
    if wish.answer == A.CONTEST and not 0 < len(wish.text.strip()) <= len(wish.text) <= MAX_TEXT:
        raise DisputeRefused(f"Say what happened, in up to {MAX_TEXT} characters.", field="text")
    dispute.answer, dispute.answer_text, dispute.answer_failure = wish.answer, wish.text, ""
    dispute.answer_evidence = _chosen(dispute, wish)
    dispute.answered_by, dispute.answered_at = actor, at
    dispute.answers += 1
    dispute.steps = 0
    by_calls, was = can_be_called(dispute), dispute.status
    dispute.answer_state = State.SENDING if by_calls else State.GIVEN
    if not by_calls and wish.answer == A.CONTEST:
        dispute.move_to(DisputeStatus.UNDER_REVIEW, at=at)
    what = "contested" if wish.answer == A.CONTEST else "given_up"
    note(dispute, what, was=was, source=source, actor=actor, at=at)
    dispute_schedule.plan(dispute, at=at, actor=actor)
    dispute.updated_at = at
    dispute.save()
    return by_calls


def _chosen(dispute: Dispute, wish: Wish) -> list[str]:
    """The ids of the documents that go with an answer, as they were added. Raises DisputeRefused for unknown ones."""
    kept = list(dispute.evidence.order_by("added_at", "id").values_list("id", flat=True))
    if wish.answer == A.ACCEPT:
        return []
    if wish.evidence_ids is None:
        return kept
    if unknown := sorted(set(wish.evidence_ids) - set(kept)):
        raise DisputeRefused(f"There is no document {unknown[0]} here.", field="evidence_ids")
    return [one for one in kept if one in wish.evidence_ids]


@transaction.atomic(durable=True)
def _confirm(dispute_id: str, *, at: datetime, actor: str) -> None:
    """The gateway took the answer, though its state may not show it yet."""
    dispute = locks.dispute(dispute_id)
    if dispute.answer_state not in PENDING:
        return
    dispute.answer_state, dispute.steps = State.GIVEN, 0
    dispute.next_step_at, dispute.updated_at = dispute_schedule.next_ask(dispute, at=at), at
    dispute.save()
    note(dispute, "answer_confirmed", source=AttemptEvent.Source.POLL, actor=actor, at=at)


@transaction.atomic(durable=True)
def _note_failure(dispute_id: str, state: Dispute.AnswerState | None, error: str, *, at: datetime, actor: str) -> None:
    """The gateway refused our answer or did not say that it has it; None: it got no answer of ours. It is asked later."""
    dispute = locks.dispute(dispute_id)
    if dispute.answer_state in PENDING:
        dispute.steps += 1
        if state is not None and dispute.answer_state != state:
            dispute.answer_state, dispute.answer_failure = state, error[:250]
            note(dispute, f"answer_{state.value}", source=AttemptEvent.Source.POLL, actor=actor, at=at, reason=error)
    dispute_schedule.plan(dispute, at=at, actor=actor)
    dispute.updated_at = at
    dispute.save()


def _fresh(dispute_id: str) -> Dispute:
    found: Dispute | None = Dispute.objects.select_related("account", "payment__order").filter(id=dispute_id).first()
    if found is None:
        return locks.dispute(dispute_id)  # raises DisputeNotFound in the words of all doors
    return found
