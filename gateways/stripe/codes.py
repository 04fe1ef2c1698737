"""Stripe's error and decline codes as data: what each means for us.

From Stripe's pages on errors and declines. `error.code` says what kind of error it was; for card_declined (and for a
charge that failed) `decline_code` says why the bank refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gateways.reports import DisputeStatus, ReportStatus


class Meaning(StrEnum):
    """What a code says, in our words."""

    DECLINED = "declined"
    INSUFFICIENT = "insufficient_funds"
    LIMIT = "limit_exceeded"
    BY_CUSTOMER = "failed_by_customer"
    REQUIRES_ACTION = "requires_action"
    EXPIRED = "expired"
    FRAUD = "fraud_suspected"
    INVALID_REQUEST = "invalid_request"
    AUTH_ERROR = "auth_error"
    DUPLICATE = "duplicate"
    DISPUTED = "disputed"
    RATE_LIMITED = "rate_limited"
    GATEWAY_ERROR = "gateway_error"
    PENDING = "pending"


M = Meaning
_BY_MEANING: Final[dict[Meaning, str]] = {
    M.EXPIRED: "expired_card expired_payment_method payment_intent_payment_attempt_expired charge_expired_for_capture "
    "capture_charge_authorization_expired api_key_expired",
    M.BY_CUSTOMER: "incorrect_cvc invalid_cvc incorrect_number invalid_number invalid_expiry_month invalid_expiry_year "
    "incorrect_zip incorrect_postal_code incorrect_address invalid_card_type payment_intent_authentication_failure "
    "authentication_failure payment_method_customer_decline",
    M.INSUFFICIENT: "insufficient_funds balance_insufficient",
    M.REQUIRES_ACTION: "authentication_required payment_intent_action_required invoice_payment_intent_requires_action",
    M.DECLINED: "card_declined payment_method_provider_decline payment_intent_payment_attempt_failed "
    "bank_account_declined debit_not_authorized refer_to_customer account_closed no_account",
    M.GATEWAY_ERROR: "payment_method_provider_timeout processing_error lock_timeout",
    M.INVALID_REQUEST: "amount_too_small amount_too_large invalid_charge_amount parameter_missing parameter_unknown "
    "parameters_exclusive url_invalid email_invalid country_unsupported payment_method_currency_mismatch "
    "payment_intent_invalid_parameter resource_missing livemode_mismatch payment_method_not_available "
    "payment_method_unactivated capability_not_active payment_intent_unexpected_state intent_invalid_state "
    "status_transition_invalid",
    M.LIMIT: "charge_exceeds_source_limit charge_exceeds_transaction_limit card_decline_rate_limit_exceeded "
    "payment_intent_rate_limit_exceeded",
    M.DUPLICATE: "charge_already_captured charge_already_refunded resource_already_exists token_already_used "
    "idempotency_key_in_use",
    M.DISPUTED: "charge_disputed refund_disputed_payment",
    M.RATE_LIMITED: "rate_limit",
    M.AUTH_ERROR: "secret_key_required platform_api_key_expired",
    M.FRAUD: "request_blocked",
    M.PENDING: "payout_reconciliation_not_ready",
}
ERROR_CODES: Final[Mapping[str, Meaning]] = {
    code: meaning for meaning, codes in _BY_MEANING.items() for code in codes.split()
}
_DECLINES: Final[dict[Meaning, str]] = {
    M.INSUFFICIENT: "insufficient_funds",
    M.LIMIT: "card_velocity_exceeded withdrawal_count_limit_exceeded",
    M.REQUIRES_ACTION: "authentication_required mobile_device_authentication_required",
    M.EXPIRED: "expired_card invalid_expiry_year invalid_expiry_month",
    M.BY_CUSTOMER: "incorrect_cvc invalid_cvc incorrect_number invalid_number incorrect_pin invalid_pin "
    "offline_pin_required online_or_offline_pin_required pin_try_exceeded incorrect_zip incorrect_address",
    M.DECLINED: "generic_decline do_not_honor call_issuer no_action_taken not_permitted transaction_not_allowed "
    "service_not_allowed card_not_supported currency_not_supported restricted_card security_violation "
    "revocation_of_authorization revocation_of_all_authorizations stop_payment_order do_not_try_again "
    "new_account_information_available invalid_account testmode_decline",
    M.FRAUD: "fraudulent lost_card stolen_card pickup_card merchant_blacklist",
    M.GATEWAY_ERROR: "approve_with_id issuer_not_available processing_error reenter_transaction try_again_later",
    M.INVALID_REQUEST: "invalid_amount",
    M.DUPLICATE: "duplicate_transaction",
}
DECLINE_CODES: Final[Mapping[str, Meaning]] = {
    code: meaning for meaning, codes in _DECLINES.items() for code in codes.split()
}

UNEXPECTED_STATE: Final = frozenset(
    {"payment_intent_unexpected_state", "intent_invalid_state", "status_transition_invalid", "charge_already_captured"}
)
"""The object is not where we thought: often what we want has happened already, so it is read again first."""
NO_ANSWER_STATUSES: Final = frozenset({409, 424, 429})
"""Busy, an earlier call with this key still under way, or too many calls: nothing is known, ask later."""
NO_ANSWER_CODES: Final = frozenset({"idempotency_key_in_use", "lock_timeout", "rate_limit"})
NO_ANSWER_TYPES: Final = frozenset({"api_error", "idempotency_error", "rate_limit_error"})
"""idempotency_error: this key was used with other parameters, so an earlier call did arrive."""

INTENT_STATUS: Final[Mapping[str, ReportStatus]] = {
    "requires_payment_method": ReportStatus.PENDING,  # new, or a try failed: another card may still pay
    "requires_confirmation": ReportStatus.PENDING,
    "requires_action": ReportStatus.PENDING,
    "processing": ReportStatus.PROCESSING,
    "requires_capture": ReportStatus.AUTHORIZED,
    "succeeded": ReportStatus.PAID,
    "canceled": ReportStatus.CANCELLED,
}
REFUND_STATUS: Final[Mapping[str, ReportStatus]] = {
    "pending": ReportStatus.PENDING,
    "requires_action": ReportStatus.PENDING,
    "succeeded": ReportStatus.PAID,
    "failed": ReportStatus.FAILED,
    "canceled": ReportStatus.CANCELLED,
}
DISPUTE_STATUS: Final[Mapping[str, DisputeStatus]] = {
    "warning_needs_response": DisputeStatus.NEEDS_RESPONSE,
    "warning_under_review": DisputeStatus.UNDER_REVIEW,
    "warning_closed": DisputeStatus.WON,  # an inquiry that became no dispute
    "needs_response": DisputeStatus.NEEDS_RESPONSE,
    "under_review": DisputeStatus.UNDER_REVIEW,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "prevented": DisputeStatus.WON,
    "appeal_needs_response": DisputeStatus.NEEDS_RESPONSE,
    "appeal_under_review": DisputeStatus.UNDER_REVIEW,
}
TEST_TOKENS: Final[Mapping[str, str]] = {
    "4242424242424242": "pm_card_visa",
    "4000000000000002": "pm_card_visa_chargeDeclined",
    "4000000000009995": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "4000000000009987": "pm_card_visa_chargeDeclinedLostCard",
    "4000000000009979": "pm_card_visa_chargeDeclinedStolenCard",
    "4000000000000069": "pm_card_chargeDeclinedExpiredCard",
    "4000000000000127": "pm_card_chargeDeclinedIncorrectCvc",
    "4000000000000119": "pm_card_chargeDeclinedProcessingError",
    "4000000000006975": "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
    "4000000000000341": "pm_card_chargeCustomerFail",
    "4000000000003220": "pm_card_threeDSecure2Required",
    "4000002760003184": "pm_card_authenticationRequired",
    "4000002500003155": "pm_card_authenticationRequired",  # asks always here; the real one only before it is set up
    "4000008400001629": "pm_card_threeDSecureRequiredChargeDeclined",
    "4000000000000259": "pm_card_createDispute",
    "4000000000002685": "pm_card_createDisputeProductNotReceived",
    "4000000000001976": "pm_card_createDisputeInquiry",
    "4000000000005423": "pm_card_createIssuerFraudRecord",
    "4100000000000019": "pm_card_radarBlock",
    "4000000000007726": "pm_card_pendingRefund",
    "4000000000005126": "pm_card_refundFail",
}
"""Stripe's published test cards and the tokens that stand for them: card numbers never need to travel in tests."""


def meaning_of(code: str, decline_code: str = "") -> Meaning:
    """What an error means. A decline code outside the table is a plain decline, another code a mistake of ours."""
    if decline_code:
        return DECLINE_CODES.get(decline_code, M.DECLINED)
    return ERROR_CODES.get(code, M.INVALID_REQUEST)
