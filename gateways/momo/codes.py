"""MoMo's result codes as data: what each means for us and whether it will change.

From the result code page of MoMo's developer manual v3. One code means different things in different answers: 20 in
a notification is about the payment, in a query it says that the question failed. The functions below know which.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateways.reports import ReportStatus


class Meaning(StrEnum):
    """What a code says, in our words."""

    SUCCEEDED = "succeeded"
    AUTHORIZED = "authorized"
    PENDING = "pending"
    INSUFFICIENT = "failed_insufficient"
    BY_CUSTOMER = "failed_by_customer"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DUPLICATE = "duplicate"
    NOT_FOUND = "not_found"
    INVALID_REQUEST = "invalid_request"
    SIGNATURE_ERROR = "signature_error"
    GATEWAY_ERROR = "gateway_error"
    REFUND_RETRYABLE = "refund_failed_retryable"
    REFUND_REJECTED = "refund_rejected"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class ResultCode:
    """One row of the table. `final`: it will not change."""

    meaning: Meaning
    final: bool
    text: str


RESULT_CODES: Final[dict[int, ResultCode]] = {
    0: ResultCode(Meaning.SUCCEEDED, True, "success"),
    10: ResultCode(Meaning.GATEWAY_ERROR, False, "system maintenance"),
    11: ResultCode(Meaning.INVALID_REQUEST, False, "access denied"),
    12: ResultCode(Meaning.INVALID_REQUEST, False, "API version not supported"),
    13: ResultCode(Meaning.SIGNATURE_ERROR, False, "merchant authentication failed"),
    20: ResultCode(Meaning.INVALID_REQUEST, False, "bad format or wrong signature"),
    21: ResultCode(Meaning.INVALID_REQUEST, False, "invalid amount"),
    22: ResultCode(Meaning.INVALID_REQUEST, False, "amount out of range"),
    40: ResultCode(Meaning.DUPLICATE, False, "duplicate requestId"),
    41: ResultCode(Meaning.DUPLICATE, False, "duplicate orderId"),
    42: ResultCode(Meaning.NOT_FOUND, False, "orderId invalid or not found"),
    43: ResultCode(Meaning.PENDING, False, "conflicting transaction in progress"),
    45: ResultCode(Meaning.DUPLICATE, False, "duplicate itemId"),
    47: ResultCode(Meaning.INVALID_REQUEST, False, "data not applicable"),
    98: ResultCode(Meaning.GATEWAY_ERROR, True, "QR not generated"),
    99: ResultCode(Meaning.GATEWAY_ERROR, True, "unknown error"),
    1000: ResultCode(Meaning.PENDING, False, "waiting for the payer"),
    1001: ResultCode(Meaning.INSUFFICIENT, True, "insufficient funds"),
    1002: ResultCode(Meaning.DECLINED, True, "rejected by the issuer"),
    1003: ResultCode(Meaning.CANCELLED, True, "cancelled after authorisation"),
    1004: ResultCode(Meaning.DECLINED, True, "over the payer's limit"),
    1005: ResultCode(Meaning.EXPIRED, True, "link or QR expired"),
    1006: ResultCode(Meaning.BY_CUSTOMER, True, "refused by the payer"),
    1007: ResultCode(Meaning.DECLINED, True, "payer account inactive or missing"),
    1017: ResultCode(Meaning.CANCELLED, True, "cancelled by the merchant"),
    1026: ResultCode(Meaning.DECLINED, True, "promotion rules"),
    1080: ResultCode(Meaning.REFUND_RETRYABLE, True, "refund failed, try again in about an hour"),
    1081: ResultCode(Meaning.REFUND_REJECTED, True, "refund rejected, maybe already refunded"),
    1088: ResultCode(Meaning.REFUND_REJECTED, True, "purchase cannot be refunded"),
    2019: ResultCode(Meaning.INVALID_REQUEST, True, "bad orderGroupId"),
    4001: ResultCode(Meaning.DECLINED, True, "payer account restricted"),
    4002: ResultCode(Meaning.DECLINED, True, "payer not verified with the identity register"),
    4100: ResultCode(Meaning.BY_CUSTOMER, True, "payer failed to log in"),
    7000: ResultCode(Meaning.PENDING, False, "being processed"),
    7002: ResultCode(Meaning.PENDING, False, "being processed by the instrument's provider"),
    8000: ResultCode(Meaning.PENDING, False, "payer must confirm again"),
    9000: ResultCode(Meaning.AUTHORIZED, False, "authorised"),
}

UNLISTED: Final = ResultCode(Meaning.UNLISTED, False, "not in MoMo's table")

_STATUS: Final[dict[Meaning, ReportStatus]] = {
    Meaning.SUCCEEDED: ReportStatus.PAID,
    Meaning.AUTHORIZED: ReportStatus.AUTHORIZED,
    Meaning.PENDING: ReportStatus.PENDING,
    Meaning.EXPIRED: ReportStatus.EXPIRED,
    Meaning.CANCELLED: ReportStatus.CANCELLED,
}
_HARMLESS_REFUSALS: Final = frozenset(
    {Meaning.INVALID_REQUEST, Meaning.SIGNATURE_ERROR, Meaning.NOT_FOUND, Meaning.REFUND_REJECTED}
)
BY_PAYER: Final = frozenset(
    {Meaning.INSUFFICIENT, Meaning.DECLINED, Meaning.BY_CUSTOMER, Meaning.CANCELLED, Meaning.EXPIRED}
)
"""The payer, or the payer's bank, said no: another of our accounts would hear the same."""
UNDER_WAY: Final = frozenset({7000, 7002})
"""Nobody waits for the payer any more."""
RETRY_REFUND_AFTER_SECONDS: Final = 3600


def look_up(code: int) -> ResultCode:
    """The row of a code; UNLISTED for a code MoMo's table does not have."""
    return RESULT_CODES.get(code, UNLISTED)


def payment_status(code: int) -> ReportStatus:
    """What a code says about a payment in a notification or on the return page.

    Only a final code ends a payment. 99 is final in the manual, which yet says to ask before giving up: so unknown.
    """
    row = look_up(code)
    if code in UNDER_WAY:
        return ReportStatus.PROCESSING
    if row.meaning in _STATUS:
        return _STATUS[row.meaning]
    return ReportStatus.FAILED if row.final and code != 99 else ReportStatus.UNKNOWN


def queried_status(code: int) -> ReportStatus:
    """What a code says in the answer to a query: as in a notification, but 42 means that MoMo has no such order."""
    return ReportStatus.NOT_FOUND if code == 42 else payment_status(code)


def refund_status(code: int) -> ReportStatus:
    """What a code says about a refund: done, pending, surely failed, or unknown."""
    row = look_up(code)
    if row.meaning in (Meaning.SUCCEEDED, Meaning.PENDING):
        return _STATUS[row.meaning]
    return ReportStatus.FAILED if row.final and code != 99 else ReportStatus.UNKNOWN


def is_refusal(code: int) -> bool:
    """Whether this answer to a command proves that nothing happened and nothing will."""
    row = look_up(code)
    if row.meaning in _HARMLESS_REFUSALS or code == 45:
        return True
    return row.final and row.meaning not in (Meaning.SUCCEEDED, Meaning.GATEWAY_ERROR)
