"""Stripe's rules as its documentation states them: test cards, currencies, limits, errors, signatures."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final

from gateways.sandbox.web import Response, json_response

NAME: Final = "stripe"
VERSION: Final = "2026-10-28.endive"
LINK_MINUTES: Final = (30, 24 * 60)
"""How long a hosted page may live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One of Stripe's test cards, and what happens to who uses it."""

    method: str  # the PaymentMethod id that stands for it
    code: str = ""  # error.code of a decline
    decline: str = ""  # its decline_code
    needs_proof: bool = False  # 3-D Secure first
    refund: str = ""  # pending, fails
    dispute: str = ""  # the reason of the dispute that follows
    inquiry: bool = False

    @property
    def brand(self) -> str:
        """All of them are Visa cards."""
        return "visa"


def _declined(method: str, decline: str) -> Card:
    return Card(method=method, code="card_declined", decline=decline)


CARDS: Final[dict[str, Card]] = {
    "4242424242424242": Card(method="pm_card_visa"),
    "4000000000000002": _declined("pm_card_visa_chargeDeclined", "generic_decline"),
    "4000000000009995": _declined("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    "4000000000009987": _declined("pm_card_visa_chargeDeclinedLostCard", "lost_card"),
    "4000000000009979": _declined("pm_card_visa_chargeDeclinedStolenCard", "stolen_card"),
    "4000000000000069": Card(method="pm_card_chargeDeclinedExpiredCard", code="expired_card", decline="expired_card"),
    "4000000000000127": Card(method="pm_card_chargeDeclinedIncorrectCvc", code="incorrect_cvc", decline="incorrect_cvc"),
    "4000000000000119": Card(
        method="pm_card_chargeDeclinedProcessingError", code="processing_error", decline="processing_error"
    ),
    "4000000000006975": _declined("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_velocity_exceeded"),
    "4000000000000341": _declined("pm_card_chargeCustomerFail", "generic_decline"),
    "4000000000003220": Card(method="pm_card_threeDSecure2Required", needs_proof=True),
    "4000002760003184": Card(method="pm_card_authenticationRequired", needs_proof=True),
    "4000002500003155": Card(method="pm_card_authenticationRequiredOnSetup", needs_proof=True),
    "4000008400001629": Card(
        method="pm_card_threeDSecureRequiredChargeDeclined", code="card_declined", decline="generic_decline",
        needs_proof=True,
    ),
    "4000000000000259": Card(method="pm_card_createDispute", dispute="fraudulent"),
    "4000000000002685": Card(method="pm_card_createDisputeProductNotReceived", dispute="product_not_received"),
    "4000000000001976": Card(method="pm_card_createDisputeInquiry", dispute="fraudulent", inquiry=True),
    "4000000000005423": Card(method="pm_card_createIssuerFraudRecord"),
    "4100000000000019": _declined("pm_card_radarBlock", "fraudulent"),
    "4000000000007726": Card(method="pm_card_pendingRefund", refund="pending"),
    "4000000000005126": Card(method="pm_card_refundFail", refund="fails"),
}  # fmt: skip
BY_TOKEN: Final = {card.method: number for number, card in CARDS.items()}
GOOD, DECLINED, POOR = "4242424242424242", "4000000000000002", "4000000000009995"
WORDS: Final = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "Your card could not be processed just now. Try again in a little while.",
    "card_velocity_exceeded": "Your card was declined: too many payments in a short time.",
    "authentication": "We could not verify that the card is yours. Choose another one and try again.",
}
WINNING, LOSING, ESCALATING = "winning_evidence", "losing_evidence", "escalate_inquiry_evidence"

WHOLE: Final = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
ENDS_IN_00: Final = frozenset({"isk", "ugx"})
THREE_PLACES: Final = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
TWO_PLACES: Final = frozenset(
    [
        "usd",
        "aed",
        "aud",
        "bgn",
        "brl",
        "cad",
        "chf",
        "cny",
        "czk",
        "dkk",
        "eur",
        "gbp",
        "hkd",
        "huf",
        "idr",
        "inr",
        "mxn",
        "myr",
        "nok",
        "nzd",
        "php",
        "pln",
        "ron",
        "sek",
        "sgd",
        "thb",
        "twd",
    ]
)
LEAST: Final = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200,
    "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
DIGITS: Final = {"idr": 12, "inr": 9}


def wrong_amount(amount: str, currency: str) -> tuple[str, str, str] | None:
    """(code, sentence, parameter) of what Stripe finds wrong with a sum; None where it takes it."""
    if currency not in WHOLE | ENDS_IN_00 | THREE_PLACES | TWO_PLACES:
        return "parameter_invalid_string_empty" if not currency else "", f"Invalid currency: {currency}", "currency"
    if not amount.isdigit() or len(amount) > 15:
        return "parameter_invalid_integer", "Invalid integer", "amount"
    value = int(amount)
    if value < LEAST.get(currency, 1):
        return "amount_too_small", "The amount is below the least that can be charged.", "amount"
    if len(str(value)) > DIGITS.get(currency, 8):
        return "amount_too_large", "The amount is above the most that can be charged.", "amount"
    step = 100 if currency in ENDS_IN_00 else 10 if currency in THREE_PLACES else 1
    if value % step:
        return "invalid_charge_amount", f"An amount in {currency} must be a multiple of {step}.", "amount"
    return None


def shown_amount(amount: int, currency: str) -> str:
    """A sum as the page shows it."""
    if currency == "vnd":
        return f"{amount:,}".replace(",", ".") + " ₫"
    places = 0 if currency in WHOLE else 3 if currency in THREE_PLACES else 2
    return f"{amount / 10**places:,.{places}f} {currency.upper()}"


def fee_of(amount: int, currency: str) -> int:
    """What a charge costs here: 2.9 % and, where there are cents, 30 of them."""
    return round(amount * 0.029) + (0 if currency in WHOLE else 30)


def dispute_fee(currency: str) -> int:
    """What a dispute costs here."""
    return {"vnd": 380_000, "jpy": 1_500}.get(currency, 1_500)


def signed_header(secret: str, timestamp: int, body: bytes) -> str:
    """Stripe-Signature of a body sent at this second."""
    digest = hmac.digest(secret.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256)
    return f"t={timestamp},v1={digest.hex()}"


def error(
    status: int, *, message: str, code: str = "", kind: str = "invalid_request_error", param: str = "", **more: Any
) -> Response:
    """An error in Stripe's shape."""
    body: dict[str, Any] = {"type": kind, "message": message, **more}
    if code:
        body |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}
    if param:
        body["param"] = param
    return json_response({"error": body}, status)


def missing(kind: str, identifier: str) -> Response:
    """There is no such thing here."""
    return error(404, code="resource_missing", message=f"No such {kind}: '{identifier}'", param=kind)
