"""When gateways are asked about disputes, and when a dispute is urgent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from gateways.abilities import Disputes
from payments.models import Dispute, MoneyCase
from payments.services import accounts, cases

ASK_EVERY: Final = timedelta(hours=24)
ASK_EVERY_NEAR: Final = timedelta(hours=6)
NEAR: Final = timedelta(hours=48)
"""So long before its deadline a dispute is urgent: it is asked about more often, counted and shown."""
MAX_AGE: Final = timedelta(days=270)
"""After this a dispute without an end is a question for a person; card schemes end theirs long before."""
ASK_AFTER_ANSWER: Final = tuple(timedelta(minutes=m) for m in (1, 2, 5, 15, 60, 240))
"""When a gateway is asked what became of an answer that it has not confirmed."""


def plan(dispute: Dispute, *, at: datetime, actor: str) -> None:
    """Say when its gateway is asked next; when that was in vain for too long a person is. The caller saves."""
    dispute.next_step_at = next_ask(dispute, at=at)
    if dispute.next_step_at is None and dispute.is_open and isinstance(accounts.of(dispute.account), Disputes):
        cases.open_question(
            kind=MoneyCase.Kind.DISPUTE_SILENT,
            money=dispute.amount,
            payment=dispute.payment,
            dispute=dispute,
            detail="The gateway has not told how this dispute ended.",
            at=at,
            actor=actor,
        )


def next_ask(dispute: Dispute, *, at: datetime) -> datetime | None:
    """When its gateway is asked next: soon while an answer is unconfirmed, then daily, more often near the deadline."""
    if not dispute.is_open or not isinstance(accounts.of(dispute.account), Disputes):
        return None
    is_unconfirmed = dispute.answer_state in (Dispute.AnswerState.SENDING, Dispute.AnswerState.UNKNOWN)
    if is_unconfirmed and dispute.steps < len(ASK_AFTER_ANSWER):
        return at + ASK_AFTER_ANSWER[dispute.steps]
    if at - dispute.created_at > MAX_AGE:
        return None
    is_near = dispute.waits_for_us and dispute.respond_by is not None and dispute.respond_by - at < NEAR
    return at + (ASK_EVERY_NEAR if is_near else ASK_EVERY)
