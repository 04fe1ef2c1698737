"""ZaloPay's result codes as data: what each means for us, in the answer to which call.

From the code lists of ZaloPay's manuals and of its own SDK. One code means different things in different answers: 2
is a duplicate when an order is created and "in work" when a refund is asked about. The manuals disagree on which of
two fields holds a negative code, so a negative `return_code` counts as the sub code (`Verdict.of`).

No refusal of ZaloPay's is the payer's own (`GatewayRejected.by_payer`): when an order is created nobody has chosen yet
what to pay with, and the payer's codes (-63, -217, -329, -332, -333, -1330 to -1343) come in answers to queries only.
-32 of a refund is a rule of what was paid with, not a no of whoever paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateways.reports import ReportStatus


class Call(StrEnum):
    """What was asked of ZaloPay; the same code may say something else in each."""

    CREATE = "create"
    QUERY = "query"
    REFUND = "refund"
    REFUND_QUERY = "query_refund"


class Meaning(StrEnum):
    """What a code says, in our words."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    INSUFFICIENT = "failed_insufficient"
    BY_CUSTOMER = "failed_by_customer"
    DECLINED = "declined"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    NOT_FOUND = "not_found"
    INVALID_REQUEST = "invalid_request"
    WRONG_DAY = "wrong_day"
    SIGNATURE_ERROR = "signature_error"
    GATEWAY_ERROR = "gateway_error"
    REFUND_FAILED = "refund_failed"
    REFUND_REJECTED = "refund_rejected"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class ResultCode:
    """One row of the table."""

    meaning: Meaning
    text: str


_M = Meaning
_EVERYWHERE: Final[dict[int, ResultCode]] = {
    1: ResultCode(_M.SUCCEEDED, "success"),
    -53: ResultCode(_M.SIGNATURE_ERROR, "bad mac"),
    -401: ResultCode(_M.INVALID_REQUEST, "bad parameters"),
    -402: ResultCode(_M.SIGNATURE_ERROR, "bad app id or signature"),
    -403: ResultCode(_M.SIGNATURE_ERROR, "bad signature"),
    -405: ResultCode(_M.INVALID_REQUEST, "bad client request"),
    406: ResultCode(_M.GATEWAY_ERROR, "illegal status"),
    -429: ResultCode(_M.GATEWAY_ERROR, "too many requests"),
    -500: ResultCode(_M.GATEWAY_ERROR, "system error"),
    -999: ResultCode(_M.GATEWAY_ERROR, "maintenance"),
}
_CREATE: Final[dict[int, ResultCode]] = {
    2: ResultCode(_M.DUPLICATE, "app_trans_id was used before"),
    -68: ResultCode(_M.DUPLICATE, "app_trans_id was used before"),
    -92: ResultCode(_M.INVALID_REQUEST, "app_trans_id is malformed"),
}
_QUERY: Final[dict[int, ResultCode]] = {
    **{code: ResultCode(_M.PENDING, "on its way") for code in range(3, 49)},
    -2: ResultCode(_M.INVALID_REQUEST, "bad app id"),
    **{code: ResultCode(_M.GATEWAY_ERROR, "system or channel trouble") for code in (-32, -33, -34, -35, -43)},
    **{code: ResultCode(_M.GATEWAY_ERROR, "maintenance or channel down") for code in (-88, -135, -301)},
    -49: ResultCode(_M.PENDING, "not paid yet, the payer may have left"),
    -54: ResultCode(_M.EXPIRED, "the order expired"),
    -63: ResultCode(_M.INSUFFICIENT, "not enough money in the wallet"),
    -92: ResultCode(_M.INVALID_REQUEST, "app_trans_id is malformed"),
    -101: ResultCode(_M.NOT_FOUND, "no such order"),
    -217: ResultCode(_M.DECLINED, "the bank reported an error"),
    -322: ResultCode(_M.EXPIRED, "the payment code expired"),
    -329: ResultCode(_M.BY_CUSTOMER, "cancelled by the payer"),
    **{code: ResultCode(_M.DECLINED, "promotion rules") for code in (-332, -333)},
    **{code: ResultCode(_M.DECLINED, "over the payer's daily limit") for code in range(-1333, -1329)},
    **{code: ResultCode(_M.DECLINED, "over the payer's monthly limit") for code in range(-1343, -1339)},
}
_REFUND: Final[dict[int, ResultCode]] = {
    -2: ResultCode(_M.REFUND_REJECTED, "this order cannot be refunded"),
    -3: ResultCode(_M.SIGNATURE_ERROR, "bad mac"),
    -13: ResultCode(_M.REFUND_REJECTED, "too late to refund, or our clock is more than 15 minutes off"),
    -14: ResultCode(_M.REFUND_REJECTED, "bad refund amount"),
    -16: ResultCode(_M.PENDING, "the refund is in work"),
    -23: ResultCode(_M.DUPLICATE, "m_refund_id was used before"),
    -24: ResultCode(_M.INVALID_REQUEST, "m_refund_id is malformed"),
    -25: ResultCode(_M.WRONG_DAY, "m_refund_id is not of today"),
    -26: ResultCode(_M.INVALID_REQUEST, "m_refund_id names another app id"),
    -32: ResultCode(_M.REFUND_REJECTED, "refunds, or refunds of a part, are not supported here"),
    # The manual says that order or refund is unknown, the SDK's text that the refund succeeded: nothing is proven.
    -101: ResultCode(_M.NOT_FOUND, "no such order or refund"),
}
_REFUND_QUERY: Final[dict[int, ResultCode]] = {
    0: ResultCode(_M.REFUND_FAILED, "the refund failed"),
    2: ResultCode(_M.PENDING, "the refund is in work"),
    -1: ResultCode(_M.PENDING, "the refund waits for ZaloPay's approval"),
    -16: ResultCode(_M.PENDING, "the refund is in work"),
    -101: ResultCode(_M.NOT_FOUND, "no such refund"),
    # These would refuse a refund; in the answer to a question they are about the question.
    -2: ResultCode(_M.INVALID_REQUEST, "bad app id"),
    -3: ResultCode(_M.SIGNATURE_ERROR, "bad mac"),
    -13: ResultCode(_M.INVALID_REQUEST, "our clock is more than 15 minutes off"),
    -24: ResultCode(_M.INVALID_REQUEST, "m_refund_id is malformed"),
    -25: ResultCode(_M.INVALID_REQUEST, "m_refund_id is not of today"),
    -26: ResultCode(_M.INVALID_REQUEST, "m_refund_id names another app id"),
}

RESULT_CODES: Final[Mapping[Call, Mapping[int, ResultCode]]] = {
    Call.CREATE: {**_EVERYWHERE, **_CREATE},
    Call.QUERY: {**_EVERYWHERE, **_QUERY},
    Call.REFUND: {**_EVERYWHERE, **_REFUND},
    Call.REFUND_QUERY: {**_EVERYWHERE, **_REFUND_QUERY},
}
UNLISTED: Final = ResultCode(Meaning.UNLISTED, "not in ZaloPay's table")

DONE: Final = 1
FAILED: Final = 2
IN_WORK: Final = 3

_STATUS: Final[dict[Meaning, ReportStatus]] = {
    Meaning.PENDING: ReportStatus.PENDING,
    Meaning.EXPIRED: ReportStatus.EXPIRED,
    Meaning.NOT_FOUND: ReportStatus.NOT_FOUND,
    Meaning.INSUFFICIENT: ReportStatus.FAILED,
    Meaning.BY_CUSTOMER: ReportStatus.FAILED,
    Meaning.DECLINED: ReportStatus.FAILED,
    Meaning.REFUND_FAILED: ReportStatus.FAILED,
}
_REFUSALS: Final = frozenset(
    {Meaning.INVALID_REQUEST, Meaning.SIGNATURE_ERROR, Meaning.REFUND_REJECTED, Meaning.DECLINED}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer says: `return_code` (1 done, 2 failed, 3 in work) and the sub code that explains it."""

    call: Call
    return_code: int
    sub_code: int

    @classmethod
    def of(cls, call: Call, return_code: int, sub_code: int) -> Verdict:
        """The two codes of an answer, a negative `return_code` taken for the sub code it is."""
        return cls(call, return_code, return_code if return_code < 0 else sub_code)

    @property
    def row(self) -> ResultCode:
        """The sub code's row; UNLISTED for a code that ZaloPay's tables do not have."""
        return RESULT_CODES[self.call].get(self.sub_code, UNLISTED)

    @property
    def code(self) -> str:
        """The code worth keeping: the sub code where there is one."""
        return str(self.sub_code or self.return_code)

    @property
    def status(self) -> ReportStatus:
        """What an answer to a question says of the thing asked about.

        1 and 3 speak for themselves. Otherwise the sub code tells; without a row for it, 2 alone means failed.
        """
        if self.return_code == DONE:
            return ReportStatus.PAID
        if self.return_code == IN_WORK:
            return ReportStatus.PENDING
        meaning = self.row.meaning
        if self.return_code == FAILED and meaning in (Meaning.UNLISTED, Meaning.SUCCEEDED):
            return ReportStatus.FAILED
        return _STATUS.get(meaning, ReportStatus.UNKNOWN)

    @property
    def is_refusal(self) -> bool:
        """Whether this answer to a command proves that nothing happened and nothing will."""
        return self.return_code not in (DONE, IN_WORK) and self.row.meaning in _REFUSALS

    @property
    def is_bad_signature(self) -> bool:
        """Whether the key we signed with is not, or no longer, this app's."""
        return self.return_code not in (DONE, IN_WORK) and self.row.meaning is Meaning.SIGNATURE_ERROR
