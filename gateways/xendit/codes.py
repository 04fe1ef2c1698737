"""Xendit's words as data: statuses, refusals of its API, and why a payment failed.

From Xendit's API reference (invoices, payment sessions, payments v3, refunds, disputes) and its official SDKs. A word
that is not in a table here is unknown, and what is unknown is asked about.

No refusal of the API is the payer's own (`GatewayRejected.by_payer`): when an invoice is opened nobody has chosen yet
what to pay with, and why a payer was refused is a `failure_code` of the payment (FAILURE_CODES). INSUFFICIENT_BALANCE
of a refund is our balance; REFUND_NOT_SUPPORTED and PARTIAL_REFUND_NOT_SUPPORTED are rules of the channel.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateways.reports import DisputeStatus, ReportStatus

S = ReportStatus

INVOICE_STATUSES: Final = {
    "PENDING": S.PENDING,
    "PAID": S.PAID,  # the customer has paid, our balance does not show it yet
    "SETTLED": S.PAID,  # the same money, now in our balance; instant channels jump here at once
    "EXPIRED": S.EXPIRED,
}
PAYMENT_STATUSES: Final = {
    "PENDING": S.PENDING,
    "AUTHORIZED": S.AUTHORIZED,
    "SUCCEEDED": S.PAID,
    "FAILED": S.FAILED,
    "EXPIRED": S.EXPIRED,
    "CANCELED": S.CANCELLED,
    "ACCEPTING_PAYMENTS": S.PENDING,
    "REQUIRES_ACTION": S.PENDING,
    "AWAITING_CAPTURE": S.AUTHORIZED,
    "VOIDED": S.CANCELLED,
    "UNKNOWN": S.UNKNOWN,
}
SESSION_STATUSES: Final = {
    "ACTIVE": S.PENDING,
    "COMPLETED": S.PENDING,  # only its payment tells whether money was taken
    "EXPIRED": S.EXPIRED,
    "CANCELED": S.CANCELLED,
}
REFUND_STATUSES: Final = {
    "PENDING": S.PENDING,
    "SUCCEEDED": S.PAID,
    "FAILED": S.FAILED,
    "CANCELLED": S.CANCELLED,
}
PAYOUT_STATUSES: Final = {
    "ACCEPTED": S.PENDING,  # not sent to the bank yet
    "REQUESTED": S.PROCESSING,  # the bank has it
    "SUCCEEDED": S.PAID,
    "FAILED": S.FAILED,
    "CANCELLED": S.CANCELLED,
    "REVERSED": S.FAILED,  # it had succeeded, and the bank gave it back: the money is in our balance again
}
DISPUTE_STATUSES: Final = {
    "ACTION_REQUIRED": DisputeStatus.NEEDS_RESPONSE,
    "UNDER_REVIEW": DisputeStatus.UNDER_REVIEW,
    "WON": DisputeStatus.WON,
    "LOST": DisputeStatus.LOST,
}


class Refusal(StrEnum):
    """What an `error_code` of the API says about our call."""

    INVALID_REQUEST = "invalid_request"
    AUTH_ERROR = "auth_error"
    DUPLICATE = "duplicate"
    RATE_LIMITED = "rate_limited"
    GATEWAY_ERROR = "gateway_error"
    UNLISTED = "unlisted"


_INVALID: Final = (
    "API_VALIDATION_ERROR", "DATA_NOT_FOUND", "DISALLOWED_CAPTURE_METHOD", "INELIGIBLE_TRANSACTION",
    "INELIGIBLE_TRANSACTION_STATUS", "INSUFFICIENT_BALANCE", "INVALID_AMOUNT", "INVALID_COUNTRY", "INVALID_CURRENCY",
    "INVALID_CUSTOMER_ID", "INVALID_EXPIRY_DATE", "INVALID_ITEM_METADATA", "INVALID_JSON_FORMAT",
    "INVALID_MERCHANT_SETTINGS", "INVALID_METADATA", "INVALID_PAYMENT_CHANNEL", "INVALID_PRIMARY_PAYMENT_CHANNEL",
    "INVALID_URL", "INVALID_VALUE_ERROR", "INVOICE_NOT_FOUND_ERROR", "ITEMS_NOT_SUPPORTED",
    "MAXIMUM_REFUND_AMOUNT_REACHED", "MAXIMUM_TRANSFER_AMOUNT_ERROR", "MINIMAL_TRANSFER_AMOUNT_ERROR",
    "MISSING_CUSTOMER", "MODE_NOT_SUPPORTED", "NO_COLLECTION_METHODS_ERROR", "PARTIAL_REFUND_COUNTS_EXCEEDED",
    "PARTIAL_REFUND_NOT_SUPPORTED", "REFUND_AMOUNT_EXCEEDED", "REFUND_NOT_SUPPORTED", "SESSION_TYPE_NOT_SUPPORTED",
    "TRANSACTION_NOT_FOUND", "UNAVAILABLE_PAYMENT_METHOD_ERROR", "UNSUPPORTED_CURRENCY",
)  # fmt: skip
_INVALID_PAYOUT: Final = (
    "CHANNEL_CODE_NOT_SUPPORTED_ERROR", "MAXIMUM_TRANSFER_LIMIT_ERROR", "RECIPIENT_ACCOUNT_NUMBER_ERROR",
    "RECIPIENT_AMOUNT_ERROR",
)  # fmt: skip
API_ERRORS: Final[dict[str, Refusal]] = {
    **dict.fromkeys((*_INVALID, *_INVALID_PAYOUT), Refusal.INVALID_REQUEST),
    **dict.fromkeys(("INVALID_API_KEY", "UNAUTHORIZED", "REQUEST_FORBIDDEN_ERROR"), Refusal.AUTH_ERROR),
    **dict.fromkeys(("DUPLICATE_ERROR", "IDEMPOTENCY_ERROR", "REFUND_IN_PROGRESS"), Refusal.DUPLICATE),
    "RATE_LIMIT_EXCEEDED": Refusal.RATE_LIMITED,
    **dict.fromkeys(("TEMPORARILY_UNAVAILABLE", "CHANNEL_UNAVAILABLE", "SERVER_ERROR"), Refusal.GATEWAY_ERROR),
}
RETRY_REFUND_AFTER_SECONDS: Final = 86_400
"""INSUFFICIENT_BALANCE of a refund: our balance at Xendit is too small until the next settlement."""


def refusal(error_code: str) -> Refusal:
    """What an error code says; UNLISTED proves nothing."""
    listed = API_ERRORS.get(error_code)
    if listed is not None:
        return listed
    families = error_code.startswith(("INVALID_", "INELIGIBLE_TRANSACTION")) or error_code.endswith("_NOT_SUPPORTED")
    return Refusal.INVALID_REQUEST if families else Refusal.UNLISTED


class Failure(StrEnum):
    """Why a payment failed, in our words."""

    INSUFFICIENT = "failed_insufficient"
    EXPIRED = "expired"
    BY_CUSTOMER = "failed_by_customer"
    DECLINED = "declined"
    FRAUD = "fraud_suspected"
    LIMIT = "limit_exceeded"
    INVALID_REQUEST = "invalid_request"
    AUTH_ERROR = "auth_error"
    GATEWAY_ERROR = "gateway_error"


FAILURE_CODES: Final[dict[str, Failure]] = {
    "INSUFFICIENT_BALANCE": Failure.INSUFFICIENT,
    **dict.fromkeys(("EXPIRED_CARD", "PAYMENT_REQUEST_EXPIRED", "EXPIRED_OTP"), Failure.EXPIRED),
    **dict.fromkeys(
        (
            "USER_DECLINED_PAYMENT", "USER_DID_NOT_AUTHORIZE", "INVALID_OTP", "INVALID_CVV", "INVALID_ACCOUNT_DETAILS",
            "AUTHENTICATION_FAILED", "USER_DEVICE_UNREACHABLE", "INVALID_CARD",
        ),
        Failure.BY_CUSTOMER,
    ),
    **dict.fromkeys(
        (
            "CARD_DECLINED", "DECLINED_BY_ISSUER", "DECLINED_BY_PROCESSOR", "ACCOUNT_ACCESS_BLOCKED",
            "ACCOUNT_NOT_ACTIVATED", "INACTIVE_OR_UNAUTHORIZED_CARD", "FAILURE_DETAILS_UNAVAILABLE",
            "TRANSACTION_BLOCKED",
        ),
        Failure.DECLINED,
    ),
    **dict.fromkeys(("STOLEN_CARD", "SUSPECTED_FRAUDULENT", "ISSUER_SUSPECT_FRAUD"), Failure.FRAUD),
    **dict.fromkeys(
        ("PAYMENT_ATTEMPT_COUNTS_EXCEEDED", "OTP_ATTEMPT_COUNTS_EXCEEDED", "PAYMENT_AMOUNT_LIMITS_EXCEEDED"),
        Failure.LIMIT,
    ),
    **dict.fromkeys(("CAPTURE_AMOUNT_EXCEEDED", "INVALID_TOKEN", "PARTIAL_APPROVAL"), Failure.INVALID_REQUEST),
    **dict.fromkeys(("INVALID_MERCHANT_SETTINGS", "INVALID_MERCHANT_CREDENTIALS"), Failure.AUTH_ERROR),
    **dict.fromkeys(
        (
            "CHANNEL_UNAVAILABLE", "ISSUER_UNAVAILABLE", "PROCESSOR_ERROR", "SERVER_ERROR", "PARTNER_TIMEOUT_ERROR",
            "TIMEOUT_ERROR",
        ),
        Failure.GATEWAY_ERROR,
    ),
}  # fmt: skip


def failure(failure_code: str) -> Failure:
    """Why a payment failed; an unknown word is a plain decline. One source has a blank at a code's end."""
    return FAILURE_CODES.get(failure_code.strip(), Failure.DECLINED)


_NETWORK_GROUPS: Final[dict[str, str]] = {
    "INSUFFICIENT_BALANCE": "51 61 N4",
    "EXPIRED_CARD": "54",
    "STOLEN_CARD": "04 07 41 43",
    "ISSUER_SUSPECT_FRAUD": "59 83",
    "INVALID_CARD": "14 15",
    "INACTIVE_OR_UNAUTHORIZED_CARD": "12 13 46 55 57 78 92",
    "INVALID_CVV": "39 82 N7",
    "ISSUER_UNAVAILABLE": "91 96",
    "PROCESSOR_ERROR": "19 25 28 30 52 53 80 89 1Z N0 N5 Q1",
    "DECLINED_BY_PROCESSOR": "64 74 79 81 86 94 B1 B2 N8",
    "CARD_DECLINED": "71 87 88 90 9G P6",
    "AUTHENTICATION_FAILED": "1A",
    "TRANSACTION_BLOCKED": "R1",
    "PARTIAL_APPROVAL": "10",
    "DECLINED_BY_ISSUER": "01 02 03 05 06 21 58 62 63 65 70 72 75 84 93 5C N3 R0 R2 R3 Z3",
}
NETWORK_CODES: Final[dict[str, str]] = {
    code: meaning for meaning, codes in _NETWORK_GROUPS.items() for code in codes.split()
}
"""A card network's response code -> the failure code it stands for. 00, 11 and 85 are no failures."""
