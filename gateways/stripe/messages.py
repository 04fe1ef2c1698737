"""Stripe's objects read into our words, and the proof of what it sends. Nothing here touches the network.

Sources: Stripe's API reference (PaymentIntent, Charge, Checkout Session, Refund) and its page on webhook signatures.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from config.core.money import Money
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.stripe import codes
from gateways.stripe.currencies import from_wire

TOLERANCE_SECONDS: Final = 300
"""How old a signature may be, as Stripe's own libraries count it. We refuse one as far in the future too."""
ATTEMPT: Final = "attempt_id"
REFUND: Final = "refund_id"
"""Where our references are in an object's metadata."""
MAX_TEXT: Final = 250
_REFERENCE: Final = re.compile(r"[0-9a-z]{26}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_STORED: Final = frozenset(
    [
        "id",
        "object",
        "amount",
        "amount_received",
        "amount_capturable",
        "amount_captured",
        "amount_refunded",
        "amount_total",
        "currency",
        "status",
        "payment_status",
        "captured",
        "capture_method",
        "cancellation_reason",
        "charge",
        "client_reference_id",
        "created",
        "canceled_at",
        "expires_at",
        "livemode",
        "reason",
        "failure_reason",
        "pending_reason",
        "failure_balance_transaction",
        "mode",
        "type",
        "code",
        "decline_code",
        "advice_code",
        "param",
        "request_log_url",
    ]
)
"""Fields that may be kept in the clear: nothing about the payer, no client_secret, no free text."""


class Unreadable(ValueError):
    """An object of Stripe's without what it must have, or with money we cannot count."""


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook event. `about` is the object as it was when it happened."""

    id: str
    type: str
    created: int
    about: Mapping[str, object]


# --- Proof -----------------------------------------------------------------------------------------------------------


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1`: hex of HMAC-SHA256 under the whole secret text over timestamp, full stop, raw body."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def is_signed(header: str, body: bytes, secrets: Sequence[str], *, at: datetime) -> bool:
    """Whether one `v1` of a Stripe-Signature header fits under one of the secrets and is of about now."""
    parts = [item.partition("=") for item in header.split(",")]
    stamps = [value.strip() for name, _, value in parts if name.strip() == "t"]
    given = [value.strip() for name, _, value in parts if name.strip() == "v1"]
    if len(stamps) != 1 or not _TIMESTAMP.fullmatch(stamps[0]) or len(given) > 16:
        return False
    stamp = int(stamps[0])
    if abs(int(at.timestamp()) - stamp) > TOLERANCE_SECONDS:
        return False
    expected = [signature(secret, stamp, body) for secret in secrets]
    return any(hmac.compare_digest(one, good) for one in given if _HEX.fullmatch(one) for good in expected)


def return_tag(secret: str, reference: str) -> str:
    """Marks a return address as one we gave away: Stripe signs nothing that a browser brings back."""
    return hmac.new(secret.encode(), f"return.{reference}".encode(), hashlib.sha256).hexdigest()[:32]


# --- Reading ---------------------------------------------------------------------------------------------------------


def reference_of(data: Mapping[str, object], name: str = ATTEMPT) -> str:
    """Our reference in an object's metadata; nothing where it is somebody else's."""
    metadata = data.get("metadata")
    value = metadata.get(name) if isinstance(metadata, Mapping) else None
    return value if isinstance(value, str) and _REFERENCE.fullmatch(value) else ""


def intent_report(
    data: Mapping[str, object], *, reference: str, happened: int | None = None, event_id: str = ""
) -> Report:
    """What a PaymentIntent says of its payment. `happened` is an event's time; the charge's own wins if it is there.

    A failed try is PENDING: the intent waits for another card. Raises Unreadable.
    """
    status = codes.INTENT_STATUS.get(text_in(data.get("status")), ReportStatus.UNKNOWN)
    if status is ReportStatus.CANCELLED and data.get("cancellation_reason") in ("automatic", "expired"):
        status = ReportStatus.EXPIRED
    amount = {ReportStatus.PAID: "amount_received", ReportStatus.AUTHORIZED: "amount_capturable"}.get(status, "amount")
    charge, error = data.get("latest_charge"), data.get("last_payment_error")
    if isinstance(charge, Mapping):
        happened = number_in(charge.get("created")) or happened
    return _payment(
        data,
        reference=reference,
        status=status,
        money=_money(data.get(amount), data.get("currency")),
        intent=text_in(data.get("id")),
        happened=happened or number_in(data.get("created")),
        event_id=event_id,
        error=error if isinstance(error, Mapping) and status is not ReportStatus.PAID else {},
    )


def charge_report(data: Mapping[str, object], *, reference: str, happened: int, event_id: str) -> Report:
    """What a charge says of its payment, which has the PaymentIntent's number here too. Raises Unreadable."""
    is_done, is_taken = data.get("status") == "succeeded", data.get("captured") is True
    status = (ReportStatus.PAID if is_taken else ReportStatus.AUTHORIZED) if is_done else ReportStatus.PENDING
    amount = data.get("amount_captured") if is_taken else data.get("amount")
    return _payment(
        data, reference=reference, status=status, money=_money(amount, data.get("currency")),
        intent=id_in(data.get("payment_intent")), happened=number_in(data.get("created")) or happened, event_id=event_id,
    )  # fmt: skip


def session_report(
    data: Mapping[str, object], *, reference: str, happened: int | None = None, event_id: str = ""
) -> Report:
    """What a Checkout Session says of its payment. Its PaymentIntent, where it is expanded, knows better.

    An open session is PENDING however many cards failed. Raises Unreadable.
    """
    state, paid = text_in(data.get("status")), data.get("payment_status") == "paid"
    intent = data.get("payment_intent")
    if isinstance(intent, Mapping) and (paid or state == "complete"):
        report = intent_report(intent, reference=reference, happened=happened, event_id=event_id)
        if intent.get("status") != "requires_payment_method":
            return report
        return _with_status(report, ReportStatus.FAILED)  # the page is closed: no other card can come
    status = {"open": ReportStatus.PENDING, "expired": ReportStatus.EXPIRED, "complete": ReportStatus.PENDING}.get(
        state, ReportStatus.UNKNOWN
    )
    error = intent.get("last_payment_error") if isinstance(intent, Mapping) else None
    return _payment(
        data,
        reference=reference,
        status=ReportStatus.PAID if paid else status,
        money=_money(data.get("amount_total"), data.get("currency")),
        intent=id_in(intent),
        happened=happened or number_in(data.get("created")),
        event_id=event_id,
        error=error if isinstance(error, Mapping) else {},
    )


def failed_session_report(data: Mapping[str, object], *, reference: str, happened: int, event_id: str) -> Report:
    """A finished session whose slow payment did not come. Raises Unreadable."""
    report = session_report({**data, "payment_intent": None}, reference=reference, happened=happened, event_id=event_id)
    return _with_status(report, ReportStatus.FAILED)


def refund_report(data: Mapping[str, object], *, happened: int | None = None, event_id: str = "") -> Report:
    """What a refund says. One that was not made by us has its own id as reference. Raises Unreadable."""
    refund = text_in(data.get("id"))
    reason = text_in(data.get("failure_reason"))
    created = happened or number_in(data.get("created"))
    return Report(
        reference=reference_of(data, REFUND) or refund,
        status=codes.REFUND_STATUS.get(text_in(data.get("status")), ReportStatus.UNKNOWN),
        about=ReportAbout.REFUND,
        money=_money(data.get("amount"), data.get("currency")),
        gateway_transaction_id=refund,
        occurred_at=time_of(created),
        code=reason or text_in(data.get("status")),
        message=f"Stripe: {reason.replace('_', ' ')}" if reason else "",
        event_id=event_id,
        raw=masked(data),
    )


def _payment(
    data: Mapping[str, object],
    *,
    reference: str,
    status: ReportStatus,
    money: Money,
    intent: str,
    happened: int,
    event_id: str,
    error: Mapping[str, object] | None = None,
) -> Report:
    moved = status in (ReportStatus.PAID, ReportStatus.AUTHORIZED)
    if moved and (not intent.startswith("pi_") or money.minor <= 0):
        status, moved = ReportStatus.UNKNOWN, False  # money without its number or its amount: ask rather than book it
    error = error or {}
    return Report(
        reference=reference,
        status=status,
        money=money,
        gateway_transaction_id=intent if moved else "",
        occurred_at=time_of(happened),
        code=text_in(error.get("decline_code")) or text_in(error.get("code")) or text_in(data.get("status")),
        message=text_in(error.get("message"))[:MAX_TEXT],
        event_id=event_id,
        channel=_paid_by(data),
        raw=masked(data),
    )


def _paid_by(data: Mapping[str, object]) -> str:
    """The kind of payment method of the last charge, or the only one that was offered."""
    inner = data.get("payment_intent")
    intent: Mapping[str, object] = inner if isinstance(inner, Mapping) else data
    charge = intent.get("latest_charge")
    details = (charge if isinstance(charge, Mapping) else intent).get("payment_method_details")
    if isinstance(details, Mapping):
        return text_in(details.get("type"))
    offered = intent.get("payment_method_types")
    return text_in(offered[0]) if isinstance(offered, list) and len(offered) == 1 else ""


def _with_status(report: Report, status: ReportStatus) -> Report:
    return Report(
        reference=report.reference, status=status, money=report.money, occurred_at=report.occurred_at, code=report.code,
        message=report.message, event_id=report.event_id, raw=report.raw,
    )  # fmt: skip


def _money(amount: object, currency: object) -> Money:
    try:
        return from_wire(amount, currency)
    except ValueError as error:
        raise Unreadable(str(error)) from error


# --- Words and numbers -----------------------------------------------------------------------------------------------


def free_text(text: str) -> str:
    """A description on one line and within a safe length."""
    return _CONTROLS.sub(" ", text.encode(errors="replace").decode()).strip()[:MAX_TEXT]


def text_in(value: object) -> str:
    """The text, or nothing where there is none."""
    return value if isinstance(value, str) else ""


def id_in(value: object) -> str:
    """The id of what may be an id or the whole object."""
    return text_in(value.get("id")) if isinstance(value, Mapping) else text_in(value)


def number_in(value: object) -> int:
    """A whole number that is not below zero; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else 0


def time_of(seconds: int) -> datetime | None:
    """The moment of a Unix time; None for what is no clock."""
    return datetime.fromtimestamp(seconds, tz=UTC) if 0 < seconds < 10**11 else None


def masked(data: Mapping[str, object]) -> dict[str, object]:
    """Only what is listed is kept, and of nested objects their ids and our own references."""
    kept: dict[str, object] = {
        name: data[name] for name in data if name in _STORED and not isinstance(data[name], dict)
    }
    for name in ("payment_intent", "latest_charge", "charge"):
        if data.get(name):
            kept[name] = id_in(data[name])
    for name in (ATTEMPT, REFUND):
        if reference_of(data, name):
            kept[name] = reference_of(data, name)
    error = data.get("last_payment_error")
    if isinstance(error, Mapping):
        kept["last_payment_error"] = masked(error)
    return kept
