"""Xendit's rules as its reference states them: who may call, what a call must hold, and its words for refusals."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

NAME: Final = "xendit"
DECIMALS: Final = {"IDR": 2, "PHP": 2, "THB": 2, "VND": 0, "MYR": 2, "USD": 2, "SGD": 2}
"""Of the minor units that this sandbox counts in."""
WHOLE: Final = ("IDR", "VND")
INVOICE_CURRENCIES: Final = ("IDR", "PHP", "THB", "VND", "MYR", "USD")
IDR_LIMITS: Final = (Decimal(10_000), Decimal(1_000_000_000))
REASONS: Final = ("FRAUDULENT", "DUPLICATE", "REQUESTED_BY_CUSTOMER", "CANCELLATION", "OTHERS")
CHANNELS: Final[dict[str, tuple[tuple[str, str, str, bool], ...]]] = {
    "VND": (("EWALLET", "ZALOPAY", "ZaloPay", True), ("CREDIT_CARD", "CREDIT_CARD", "Visa, Mastercard", True), ("BANK_TRANSFER", "BIDV", "BIDV", False)),
    "IDR": (("QRIS", "QRIS", "QRIS", True), ("EWALLET", "OVO", "OVO", True), ("BANK_TRANSFER", "BCA", "BCA Virtual Account", False), ("RETAIL_OUTLET", "ALFAMART", "Alfamart", False)),
    "PHP": (("EWALLET", "GCASH", "GCash", True), ("CREDIT_CARD", "CREDIT_CARD", "Visa, Mastercard", True), ("RETAIL_OUTLET", "CEBUANA", "Cebuana", False)),
    "THB": (("QR_CODE", "PROMPTPAY", "PromptPay", False), ("CREDIT_CARD", "CREDIT_CARD", "Visa, Mastercard", True)),
    "MYR": (("EWALLET", "TOUCHNGO", "Touch 'n Go", True), ("DIRECT_DEBIT", "MAYB2U_FPX", "Maybank2u (FPX)", False), ("CREDIT_CARD", "CREDIT_CARD", "Visa, Mastercard", True)),
    "USD": (("CREDIT_CARD", "CREDIT_CARD", "Visa, Mastercard", True),),
}  # fmt: skip
"""Currency -> what its pay page offers: payment_method, payment_channel, its name, and whether refunds are possible."""
ERRORS: Final[dict[str, tuple[int, str]]] = {
    "API_VALIDATION_ERROR": (400, "There was an error with the format submitted to the server."),
    "INVALID_JSON_FORMAT": (400, "The request body is not JSON."),
    "INVALID_AMOUNT": (400, "The amount does not fit the currency."),
    "MINIMAL_TRANSFER_AMOUNT_ERROR": (400, "The amount is below the minimum."),
    "MAXIMUM_TRANSFER_AMOUNT_ERROR": (400, "The amount is above the maximum."),
    "UNSUPPORTED_CURRENCY": (400, "The currency is not supported."),
    "UNAVAILABLE_PAYMENT_METHOD_ERROR": (400, "A payment method is not available."),
    "REFUND_AMOUNT_EXCEEDED": (400, "The refund is larger than what is left of the payment."),
    "REFUND_IN_PROGRESS": (400, "Another refund of this payment is in progress."),
    "INELIGIBLE_TRANSACTION_STATUS": (400, "The payment was not paid."),
    "TRANSACTION_NOT_FOUND": (400, "There is no such payment."),
    "TEMPORARILY_UNAVAILABLE": (400, "The service is not available for the moment."),
    "INSUFFICIENT_BALANCE": (400, "The balance does not cover the refund."),
    "INVALID_API_KEY": (401, "The API key is invalid."),
    "REQUEST_FORBIDDEN_ERROR": (403, "The API key has no permission for this."),
    "REFUND_NOT_SUPPORTED": (403, "The channel does not support refunds."),
    "INVOICE_NOT_FOUND_ERROR": (404, "The invoice was not found."),
    "DATA_NOT_FOUND": (404, "The object was not found."),
    "DUPLICATE_ERROR": (409, "The reference_id was used before."),
    "IDEMPOTENCY_ERROR": (409, "The idempotency-key was used with another body."),
    "RATE_LIMIT_EXCEEDED": (429, "Too many requests."),
    "CHANNEL_CODE_NOT_SUPPORTED_ERROR": (400, "The channel code is not supported."),
    "RECIPIENT_ACCOUNT_NUMBER_ERROR": (400, "The account number does not fit the channel."),
    "RECIPIENT_AMOUNT_ERROR": (400, "The amount is below the channel's minimum."),
    "MAXIMUM_TRANSFER_LIMIT_ERROR": (400, "The amount is above the channel's maximum."),
}
_FIRST_OF_STATUS: Final = {
    400: "API_VALIDATION_ERROR", 401: "INVALID_API_KEY", 403: "REQUEST_FORBIDDEN_ERROR", 404: "DATA_NOT_FOUND",
    409: "DUPLICATE_ERROR", 429: "RATE_LIMIT_EXCEEDED",
}  # fmt: skip


def error_of_number(number: int) -> str:
    """The error that the control API names by a number: an HTTP status, or 1000 and more for the n-th of the table."""
    names = list(ERRORS)
    if 1000 <= number < 1000 + len(names):
        return names[number - 1000]
    return _FIRST_OF_STATUS.get(number, "API_VALIDATION_ERROR")


def number_of_error(name: str) -> int:
    """The number by which the control API picks this error."""
    return 1000 + list(ERRORS).index(name)


def key_of(headers: Mapping[str, str]) -> str:
    """The secret key of a Basic authorisation, "" for anything else. The password must be empty."""
    kind, _, encoded = headers.get("authorization", "").partition(" ")
    try:
        text = base64.b64decode(encoded, validate=True).decode() if kind == "Basic" else ""
    except ValueError:
        return ""
    key, colon, password = text.partition(":")
    return key if colon and not password else ""


def minor(value: object, currency: str) -> int | None:
    """An amount as minor units; None where it is no JSON number or has decimals that Xendit does not take."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    places = 0 if currency in WHOLE else DECIMALS[currency]
    amount = Decimal(value)
    if amount != amount.quantize(Decimal(1).scaleb(-places)) or abs(amount) >= 10**15:
        return None
    return int(amount.scaleb(DECIMALS[currency]))


def major(amount: int, currency: str) -> Decimal:
    """Minor units as Xendit writes them: no needless decimals."""
    value = Decimal(amount).scaleb(-DECIMALS[currency])
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value


def moment(at_ms: int) -> str:
    """A moment as Xendit writes it."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def wrong_invoice(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """Paths and texts of what a new invoice has wrong, apart from its amount's limits."""
    wrong = []
    if not isinstance(fields.get("external_id"), str) or not fields["external_id"]:
        wrong.append(("external_id", "external_id is required"))
    currency = fields.get("currency", "IDR")
    if currency in INVOICE_CURRENCIES and minor(fields.get("amount"), str(currency)) is None:
        wrong.append(("amount", "amount must be a number that fits the currency"))
    duration = fields.get("invoice_duration", 86_400)
    if not isinstance(duration, int) or isinstance(duration, bool) or not 1 <= duration <= 31_536_000:
        wrong.append(("invoice_duration", "invoice_duration must be a number of seconds up to one year"))
    texts = ("description", "success_redirect_url", "failure_redirect_url", "payer_email", "locale")
    wrong += [(one, f"{one} must be a string") for one in texts if not isinstance(fields.get(one, ""), str)]
    methods = fields.get("payment_methods", [])
    if not isinstance(methods, list) or not all(isinstance(one, str) for one in methods):
        wrong.append(("payment_methods", "payment_methods must be a list of strings"))
    customer = fields.get("customer", {})
    if not isinstance(customer, dict):
        wrong.append(("customer", "customer must be an object"))
    elif "mobile_number" in customer and not re.fullmatch(r"\+[1-9][0-9]{6,14}", str(customer["mobile_number"])):
        wrong.append(("customer.mobile_number", "mobile_number must be in E.164"))
    return wrong


def wrong_refund(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """The same for a refund."""
    wrong = []
    if not isinstance(fields.get("invoice_id"), str) and not isinstance(fields.get("payment_request_id"), str):
        wrong.append(("invoice_id", "payment_request_id or invoice_id is required"))
    if fields.get("reason") not in REASONS:
        wrong.append(("reason", "reason is not one of the known ones"))
    reference = fields.get("reference_id")
    if not isinstance(reference, str) or not 1 <= len(reference) <= 255:
        wrong.append(("reference_id", "reference_id must have 1 to 255 characters"))
    return wrong
