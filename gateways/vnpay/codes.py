"""VNPay's codes as data: what each means for us, in which of its three tables.

From VNPay's manual PAY 2.1.0 (return and IPN, querydr, refund); rows marked PDF are in its technical specification only.
A response code of a query or refund says how the *call* went; only vnp_TransactionStatus tells of the money.

No refusal of VNPay's is the payer's own (`GatewayRejected.by_payer`): nothing is sent to open a payment, the payer's
codes (05, 09, 10, 12, 24, 51 and so on) come in a return or an IPN, and a refund's codes are about the refund.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateways.reports import ReportStatus


class Meaning(StrEnum):
    """What a code says, in our words."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    IN_REVIEW = "in_review"  # the payer has paid, VNPay looks into it
    INSUFFICIENT = "failed_insufficient"
    BY_CUSTOMER = "failed_by_customer"
    DECLINED = "declined"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    INVALID_REQUEST = "invalid_request"
    SIGNATURE_ERROR = "signature_error"
    GATEWAY_ERROR = "gateway_error"
    REFUND_PENDING = "refund_pending"
    REFUND_RETRYABLE = "refund_failed_retryable"
    REFUND_REJECTED = "refund_rejected"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Code:
    """One row of a table."""

    meaning: Meaning
    text: str


SUCCESS: Final = "00"

PAYMENT_CODES: Final[dict[str, Code]] = {
    "00": Code(Meaning.SUCCEEDED, "success"),
    "05": Code(Meaning.DECLINED, "insufficient funds (PDF), or too many wrong passwords"),  # sources disagree
    "06": Code(Meaning.BY_CUSTOMER, "wrong one-time code (PDF)"),
    "07": Code(Meaning.IN_REVIEW, "money taken, suspicious transaction"),
    "08": Code(Meaning.GATEWAY_ERROR, "bank maintenance (older list)"),
    "09": Code(Meaning.DECLINED, "card or account not registered for online banking"),
    "10": Code(Meaning.BY_CUSTOMER, "wrong card data more than three times"),
    "11": Code(Meaning.EXPIRED, "the time to pay is over"),
    "12": Code(Meaning.DECLINED, "card or account locked"),
    "13": Code(Meaning.BY_CUSTOMER, "wrong one-time code"),
    "24": Code(Meaning.BY_CUSTOMER, "cancelled by the payer"),
    "51": Code(Meaning.INSUFFICIENT, "insufficient balance"),
    "65": Code(Meaning.DECLINED, "over the daily limit"),
    "75": Code(Meaning.GATEWAY_ERROR, "bank under maintenance"),
    "79": Code(Meaning.BY_CUSTOMER, "too many wrong payment passwords"),
    "99": Code(Meaning.DECLINED, "other error"),
}
"""vnp_ResponseCode of a return or an IPN."""

TRANSACTION_STATUS: Final[dict[str, Code]] = {
    "00": Code(Meaning.SUCCEEDED, "success"),
    "01": Code(Meaning.PENDING, "not finished"),
    "02": Code(Meaning.DECLINED, "error"),
    "04": Code(Meaning.IN_REVIEW, "reversed: the bank debited, VNPay has no success"),
    "05": Code(Meaning.REFUND_PENDING, "refund being processed"),
    "06": Code(Meaning.REFUND_PENDING, "refund sent to the bank"),
    "07": Code(Meaning.IN_REVIEW, "suspected fraud"),
    "08": Code(Meaning.EXPIRED, "the time to pay is over (PDF)"),
    "09": Code(Meaning.REFUND_REJECTED, "refund rejected"),
    "10": Code(Meaning.SUCCEEDED, "delivered (PDF)"),
    "11": Code(Meaning.DECLINED, "cancelled (PDF)"),
    "20": Code(Meaning.SUCCEEDED, "settled to the merchant (PDF)"),
}
"""vnp_TransactionStatus, of a payment or of a refund."""

QUERY_CODES: Final[dict[str, Code]] = {
    "00": Code(Meaning.SUCCEEDED, "the question was answered"),
    "02": Code(Meaning.INVALID_REQUEST, "unknown vnp_TmnCode"),
    "03": Code(Meaning.INVALID_REQUEST, "bad format"),
    "08": Code(Meaning.GATEWAY_ERROR, "maintenance (PDF)"),
    "91": Code(Meaning.INVALID_REQUEST, "no such transaction"),
    "94": Code(Meaning.DUPLICATE, "the same request within five minutes"),
    "97": Code(Meaning.SIGNATURE_ERROR, "bad hash"),
    "99": Code(Meaning.GATEWAY_ERROR, "other error"),
}
"""vnp_ResponseCode of querydr."""

REFUND_CODES: Final[dict[str, Code]] = {
    "00": Code(Meaning.SUCCEEDED, "the request was accepted"),
    "02": Code(
        Meaning.REFUND_REJECTED, "unknown vnp_TmnCode, or more than was paid"
    ),  # sources disagree; a no either way
    "03": Code(Meaning.INVALID_REQUEST, "bad format"),
    "04": Code(Meaning.REFUND_REJECTED, "no full refund after a partial one"),
    "08": Code(Meaning.GATEWAY_ERROR, "maintenance (PDF)"),
    "13": Code(Meaning.REFUND_REJECTED, "only a partial refund is allowed"),
    "16": Code(Meaning.REFUND_RETRYABLE, "not possible now (PDF)"),
    "91": Code(Meaning.INVALID_REQUEST, "no such transaction"),
    "93": Code(Meaning.REFUND_REJECTED, "bad amount"),
    "94": Code(Meaning.DUPLICATE, "the same request, or an earlier one is still in work"),
    "95": Code(Meaning.REFUND_REJECTED, "the payment was not successful"),
    "97": Code(Meaning.SIGNATURE_ERROR, "bad hash"),
    "98": Code(Meaning.REFUND_PENDING, "timeout"),
    "99": Code(Meaning.GATEWAY_ERROR, "other error"),
}
"""vnp_ResponseCode of refund."""

UNLISTED: Final = Code(Meaning.UNLISTED, "not in VNPay's table")
RETRY_REFUND_AFTER_SECONDS: Final = 3600

_STATUS: Final[dict[Meaning, ReportStatus]] = {
    Meaning.SUCCEEDED: ReportStatus.PAID,
    Meaning.PENDING: ReportStatus.PENDING,
    Meaning.IN_REVIEW: ReportStatus.PROCESSING,
    Meaning.EXPIRED: ReportStatus.EXPIRED,
    Meaning.DECLINED: ReportStatus.FAILED,
    Meaning.INSUFFICIENT: ReportStatus.FAILED,
    Meaning.BY_CUSTOMER: ReportStatus.FAILED,
    Meaning.GATEWAY_ERROR: ReportStatus.FAILED,
}
_REFUSALS: Final = frozenset(
    {Meaning.INVALID_REQUEST, Meaning.SIGNATURE_ERROR, Meaning.REFUND_REJECTED, Meaning.REFUND_RETRYABLE}
)


def told_status(code: str, status: str) -> ReportStatus:
    """What the two codes of a return or an IPN say together.

    Paid needs both to be 00 (manual). Suspicious money (07, 04) waits for VNPay's people. Where the two contradict each
    other, a code is in no table, or 99 tells nothing, the query must say.
    """
    if (code, status) == (SUCCESS, SUCCESS):
        return ReportStatus.PAID
    if code == "07" or status in ("04", "07"):
        return ReportStatus.PROCESSING
    if (code, status) == (SUCCESS, "01"):
        return ReportStatus.PENDING
    if code in (SUCCESS, "99"):
        return ReportStatus.UNKNOWN
    state = TRANSACTION_STATUS.get(status, UNLISTED).meaning
    if state is Meaning.DECLINED:
        return _STATUS.get(PAYMENT_CODES.get(code, UNLISTED).meaning, ReportStatus.UNKNOWN)
    return ReportStatus.EXPIRED if state is Meaning.EXPIRED and code in PAYMENT_CODES else ReportStatus.UNKNOWN


def queried_status(status: str) -> ReportStatus:
    """What vnp_TransactionStatus says of a payment; a refund's status says nothing of it."""
    return _STATUS.get(TRANSACTION_STATUS.get(status, UNLISTED).meaning, ReportStatus.UNKNOWN)


def refund_status(status: str) -> ReportStatus:
    """What vnp_TransactionStatus says of a refund: only 00 is money returned, 05 and 06 are on the way, 09 is a no."""
    if status == SUCCESS:
        return ReportStatus.PAID
    meaning = TRANSACTION_STATUS.get(status, UNLISTED).meaning
    return {
        Meaning.REFUND_PENDING: ReportStatus.PENDING,
        Meaning.REFUND_REJECTED: ReportStatus.FAILED,
    }.get(meaning, ReportStatus.UNKNOWN)


def refuses_refund(code: str) -> bool:
    """Whether this answer to a refund proves that nothing happened and nothing will."""
    return REFUND_CODES.get(code, UNLISTED).meaning in _REFUSALS
