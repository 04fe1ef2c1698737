"""Who told us of an attempt, what it changed, and the marks that this leaves on the attempt and on the message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from config.core import writes
from payments.models import Attempt, AttemptEvent, GatewayAccount, Payment
from payments.services import attempts
from payments.states import ATTEMPT_TRANSITIONS, AttemptStatus, NotificationStatus


class Outcome(StrEnum):
    """What a report changed."""

    APPLIED = "applied"  # money came and paid its payment
    HELD = "held"  # money came and waits in suspense with a case
    WRONG_AMOUNT = "wrong_amount"  # held, as it is another sum or currency than was asked for
    UNKNOWN_ORDER = "unknown_order"  # held, as nothing of ours has that reference
    ALREADY_APPLIED = "already_applied"  # we knew
    NOTED = "noted"  # no money; a state moved
    NOTHING_NEW = "nothing_new"  # worse or older news than what we know
    ORPHAN = "orphan"  # nothing of ours by that reference, and no money


NEWS: Final = frozenset({Outcome.APPLIED, Outcome.HELD, Outcome.WRONG_AMOUNT, Outcome.UNKNOWN_ORDER, Outcome.NOTED})
"""Outcomes by which something changed."""
ENDED_FIELDS: Final = (
    "status", "updated_at", "ended_at", "next_query_at", "gateway_transaction_id", "failure_code", "failure_message",
)  # fmt: skip
"""What its end changes in an attempt's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Who told us, and how."""

    account: GatewayAccount
    source: AttemptEvent.Source
    at: datetime
    notification_id: str = ""
    actor: str = ""
    note: str = ""  # what a person should know of it, kept with a case: the text of a transfer

    @property
    def who(self) -> str:
        """For the audit trail."""
        return self.actor or f"gateway:{self.account.code}"


def end_attempt(attempt: Attempt, status: AttemptStatus, gateway_transaction_id: str, heard: Heard) -> None:
    """An attempt's end, where its state allows it; its row is written with what the caller set of it."""
    if status not in ATTEMPT_TRANSITIONS[attempt.status]:
        return
    was = attempt.status
    attempt.move_to(status, at=heard.at)
    attempt.gateway_transaction_id = gateway_transaction_id or attempt.gateway_transaction_id
    writes.update(attempt, *ENDED_FIELDS)
    attempts.note(attempt, was, source=heard.source, at=heard.at, actor=heard.who, reason=attempt.failure_message)


def settle_notification(
    heard: Heard, outcome: Outcome, payment: Payment | None, attempt: Attempt | None = None
) -> None:
    """Mark the message that told us, in the commit of what it changed."""
    is_news = outcome in NEWS
    writes.write(
        "payments_notification",
        """
        UPDATE payments_notification SET status = %s, outcome = %s, payment_id = %s, attempt_id = %s, processed_at = %s,
            next_try_at = NULL
        WHERE id = %s
        """,
        (
            str(NotificationStatus.PROCESSED if is_news else NotificationStatus.IGNORED), outcome.value,
            payment.id if payment else None, attempt.id if attempt else None, heard.at, heard.notification_id,
        ),
    )  # fmt: skip
