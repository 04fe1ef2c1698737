"""The gateways' words for why somebody disputes, in ours. What no gateway of ours says is `other`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from payments.models import Dispute

R = Dispute.Reason

CLASSES: Final[Mapping[str, Dispute.Reason]] = {
    "fraudulent": R.FRAUD,
    "fraud": R.FRAUD,
    "unrecognized": R.FRAUD,
    "debit_not_authorized": R.FRAUD,
    "product_not_received": R.NOT_RECEIVED,
    "not_received": R.NOT_RECEIVED,
    "product_unacceptable": R.NOT_AS_DESCRIBED,
    "not_as_described": R.NOT_AS_DESCRIBED,
    "duplicate": R.DUPLICATE,
    "credit_not_processed": R.NOT_REFUNDED,
    "not_refunded": R.NOT_REFUNDED,
    "subscription_canceled": R.CANCELLED,
    "cancelled": R.CANCELLED,
    "bank_cannot_process": R.BANK,
    "check_returned": R.BANK,
    "incorrect_account_details": R.BANK,
    "insufficient_funds": R.BANK,
    "bank": R.BANK,
}
"""Stripe's `reason` (API reference, Dispute object) and, for disputes opened by hand, our own words."""


def class_of(word: str) -> Dispute.Reason:
    """Our class of a gateway's word."""
    return CLASSES.get(word.strip().lower(), R.OTHER)
