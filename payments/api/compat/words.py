"""The status words of the reference systems (ACCEPTANCE K8). Nobody else uses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from payments.states import AttemptStatus, PaymentStatus

PENDING, AWAITING, SUCCESS, FAILED = WORDS = ("PENDING", "AWAITING_PAYMENT", "SUCCESS", "FAILED")

OF_PAYMENT: Final[Mapping[str, str]] = {
    PaymentStatus.PENDING: PENDING,
    PaymentStatus.AWAITING_PAYMENT: AWAITING,
    PaymentStatus.PROCESSING: AWAITING,
    PaymentStatus.AUTHORIZED: AWAITING,
    PaymentStatus.SUCCEEDED: SUCCESS,
    PaymentStatus.FAILED: FAILED,
    PaymentStatus.EXPIRED: FAILED,
    PaymentStatus.CANCELLED: FAILED,
}
OF_ATTEMPT: Final[Mapping[str, str]] = {
    AttemptStatus.QUEUED: PENDING,
    AttemptStatus.CREATED: PENDING,
    AttemptStatus.SENT: PENDING,
    AttemptStatus.UNKNOWN: PENDING,
    AttemptStatus.REQUIRES_ACTION: AWAITING,
    AttemptStatus.PENDING: AWAITING,
    AttemptStatus.SUCCEEDED: SUCCESS,
    AttemptStatus.FAILED: FAILED,
    AttemptStatus.CANCELLED: FAILED,
    AttemptStatus.EXPIRED: FAILED,
}


def attempts_that_are(word: str) -> list[str]:
    """Our statuses behind one word."""
    return [str(status) for status, its_word in OF_ATTEMPT.items() if its_word == word]
