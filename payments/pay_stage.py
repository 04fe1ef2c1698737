"""What a customer needs to know about a payment right now: one word, told from the payment and its last attempt."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from payments.models import Attempt, Payment
from payments.services import accounts, attempts
from payments.states import PAYABLE, AttemptStatus, PaymentStatus


class Stage(StrEnum):
    """The faces of the pay page. The value goes into its state and style."""

    WAITING = "waiting"  # the customer can pay now
    PREPARING = "preparing"  # the background asks the gateway for where to pay
    CONFIRMING = "confirming"  # a one-time code comes first, in the shop
    ASKING = "asking"  # nobody knows yet what became of the last attempt
    RETRY = "retry"  # the last attempt ended without money; another may be made
    DELIVERY = "delivery"  # cash, when the parcel comes
    CHECKING = "checking"  # the time is over, or money is reserved: a last word is awaited
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the page need not look again."""
        return self in (Stage.PAID, Stage.FAILED, Stage.CANCELLED)

    @property
    def may_choose(self) -> bool:
        """Whether another method may be chosen: never beside an attempt whose outcome nobody knows."""
        return self in (Stage.WAITING, Stage.PREPARING, Stage.CONFIRMING, Stage.RETRY, Stage.DELIVERY)


_ENDS: Final = {
    PaymentStatus.SUCCEEDED: Stage.PAID,
    PaymentStatus.FAILED: Stage.FAILED,
    PaymentStatus.EXPIRED: Stage.EXPIRED,
    PaymentStatus.CANCELLED: Stage.CANCELLED,
    PaymentStatus.AUTHORIZED: Stage.CHECKING,
    PaymentStatus.PROCESSING: Stage.CHECKING,
}


def stage_of(payment: Payment, attempt: Attempt, *, at: datetime) -> Stage:
    """The stage of a payment whose last attempt this is. Needs the attempt's account."""
    ended = _ENDS.get(PaymentStatus(payment.status))
    if ended is not None:
        return ended
    if payment.status in PAYABLE and payment.expires_at <= at:
        return Stage.CHECKING
    if attempt.status in (AttemptStatus.REQUIRES_ACTION, AttemptStatus.PENDING):
        return Stage.WAITING if accounts.of(attempt.account).asks_payer else Stage.DELIVERY
    if attempts.is_prepared(attempt, at=at):
        return Stage.PREPARING
    if attempt.status == AttemptStatus.QUEUED:
        return Stage.CONFIRMING
    if attempt.status in (AttemptStatus.FAILED, AttemptStatus.CANCELLED, AttemptStatus.EXPIRED):
        return Stage.RETRY
    return Stage.ASKING


def version_of(payment: Payment, attempt: Attempt, stage: Stage) -> str:
    """Changes whenever the page would look different."""
    return f"{stage}.{attempt.number}.{attempt.status}.{payment.refund_state}"
