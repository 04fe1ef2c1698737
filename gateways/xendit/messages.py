"""Xendit's objects, read into our words: invoices, payments of API v3, sessions, refunds, payouts and disputes.

The same object comes in a webhook and in an answer of the API, so one function reads both. Source: Xendit's API
reference and webhook pages. Nothing here touches the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from config.core.money import Money, total
from gateways.errors import ReportInvalid
from gateways.reports import DisputeReport, DisputeStatus, Report, ReportAbout, ReportStatus
from gateways.xendit import codes, values

INVOICE_CURRENCIES: Final = ("IDR", "PHP", "THB", "VND", "MYR", "USD")
INVOICE, PAYMENT, SESSION, REFUND, PAYOUT, DISPUTE = "invoice", "payment", "session", "refund", "payout", "dispute"
"""What an object is; the first entry of a report's `raw`."""

_PAYMENT_EVENTS: Final = frozenset(
    {"payment.capture", "payment.succeeded", "payment.authorization", "payment.failure", "payment.expiry"}
)
_SESSION_EVENTS: Final = frozenset({"payment_session.completed", "payment_session.expired"})
_REFUND_EVENTS: Final = frozenset({"refund.succeeded", "refund.failed"})
_PAYOUT_EVENTS: Final = frozenset({"payout.succeeded", "payout.failed", "payout.reversed"})


# --- Webhooks --------------------------------------------------------------------------------------------------------
def told(data: Mapping[str, Any]) -> tuple[Report | DisputeReport, ...]:
    """What a webhook's body claims; nothing where it is about nothing of ours (tokens, reports, new kinds).

    Raises ReportInvalid for what is no message of Xendit's at all.
    """
    event = values.text_in(data.get("event"))
    if not event:
        if not values.id_in(data.get("id")) or "external_id" not in data or "status" not in data:
            raise ReportInvalid("xendit: neither an invoice nor an event")
        return (invoice_report(data),)
    if event.startswith("dispute."):
        report = dispute_report(data)
        return (report,) if report else ()
    inner = _inner(data)
    if event in _PAYMENT_EVENTS:
        return (payment_report(inner),)
    if event in _SESSION_EVENTS:
        return (session_report(inner),)
    if event in _REFUND_EVENTS:
        return (refund_report(inner),)
    if event in _PAYOUT_EVENTS:
        return (payout_report(inner),)
    return ()


def _inner(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event's object: in `data`, which one page of the documentation nests once more."""
    inner = data.get("data")
    deeper = inner.get("data") if isinstance(inner, dict) else None
    found = deeper if isinstance(deeper, dict) else inner
    if not isinstance(found, dict):
        raise ReportInvalid("xendit: an event without data")
    return found


# --- Objects ---------------------------------------------------------------------------------------------------------
def invoice_report(data: Mapping[str, Any]) -> Report:
    """An invoice. Its own id names the money: an invoice is paid once, every answer and webhook has the id, and it is
    the same for PAID and for the SETTLED that follows; `payment_id` stands in webhooks only.
    """
    word, identifier = values.text_in(data.get("status")), values.id_in(data.get("id"))
    money, status = _invoice_money(data), codes.INVOICE_STATUSES.get(word, ReportStatus.UNKNOWN)
    if status is ReportStatus.PAID and (money is None or not identifier):
        status = ReportStatus.UNKNOWN  # money without its amount or its number: ask again rather than book it
    is_paid = status is ReportStatus.PAID
    return Report(
        reference=values.text_in(data.get("external_id")),
        status=status,
        money=money,
        gateway_transaction_id=identifier if is_paid else "",
        occurred_at=(values.time_in(data.get("paid_at")) if is_paid else None) or values.time_in(data.get("updated")),
        code=word,
        event_id=f"{INVOICE}/{identifier}/{word}",
        channel=values.text_in(data.get("payment_channel")) or values.text_in(data.get("payment_method")),
        raw={"object": INVOICE, **values.masked(data)},
    )


def _invoice_money(data: Mapping[str, Any]) -> Money | None:
    """What came for us. Fees that the customer bears come on top of the amount and are Xendit's, not ours."""
    currency = values.text_in(data.get("currency")) or "IDR"  # the document's default
    asked, paid = values.amount_in(data.get("amount"), currency), values.amount_in(data.get("paid_amount"), currency)
    if asked is None or paid is None:
        return paid or asked
    fees = data.get("fees")
    borne = [one for one in fees if isinstance(one, dict)] if isinstance(fees, list) else []
    parts = [values.amount_in(one.get("value"), currency) for one in borne]
    known = [one for one in parts if one is not None]
    return asked if paid == asked + total(known, currency) else paid


def payment_report(data: Mapping[str, Any]) -> Report:
    """A payment of API v3; its money is what was captured."""
    word, identifier = values.text_in(data.get("status")), values.id_in(data.get("payment_id"))
    status, money = codes.PAYMENT_STATUSES.get(word, ReportStatus.UNKNOWN), _captured(data)
    has_money = status in (ReportStatus.PAID, ReportStatus.AUTHORIZED)
    if has_money and (money is None or not identifier):
        status, has_money = ReportStatus.UNKNOWN, False
    failed = values.text_in(data.get("failure_code")).strip() or _network_failure(data)
    return Report(
        reference=values.text_in(data.get("reference_id")),
        status=status,
        money=money,
        gateway_transaction_id=identifier if has_money else "",
        occurred_at=_captured_at(data) or values.time_in(data.get("updated")),
        code=failed or word,
        message=codes.failure(failed).value if failed else "",
        event_id=f"{PAYMENT}/{identifier}/{word}",
        channel=values.text_in(data.get("channel_code")),
        raw={"object": PAYMENT, **values.masked(data)},
    )


def _network_failure(data: Mapping[str, Any]) -> str:
    """Why a card's network said no, where Xendit gives no failure code of its own."""
    details = data.get("payment_details")
    authorized = details.get("authorization_data") if isinstance(details, dict) else None
    code = values.text_in(authorized.get("network_response_code")) if isinstance(authorized, dict) else ""
    return codes.NETWORK_CODES.get(code, "") if data.get("status") == "FAILED" else ""


def _captures(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    captures = data.get("captures")
    return [one for one in captures if isinstance(one, dict)] if isinstance(captures, list) else []


def _captured(data: Mapping[str, Any]) -> Money | None:
    currency = values.text_in(data.get("currency"))
    amounts = [values.amount_in(one.get("capture_amount"), currency) for one in _captures(data)]
    if amounts:
        known = [one for one in amounts if one is not None]
        return total(known, currency) if len(known) == len(amounts) else None
    return values.amount_in(data.get("request_amount"), currency)


def _captured_at(data: Mapping[str, Any]) -> datetime | None:
    times = [values.time_in(one.get("capture_timestamp")) for one in _captures(data)]
    return max((one for one in times if one is not None), default=None)


def session_report(data: Mapping[str, Any]) -> Report:
    """A payment session. It never tells of money by itself: its payment does."""
    word, identifier = values.text_in(data.get("status")), values.id_in(data.get("payment_session_id"))
    return Report(
        reference=values.text_in(data.get("reference_id")),
        status=codes.SESSION_STATUSES.get(word, ReportStatus.UNKNOWN),
        money=values.amount_in(data.get("amount"), values.text_in(data.get("currency"))),
        occurred_at=values.time_in(data.get("updated")),
        code=word,
        event_id=f"{SESSION}/{identifier}/{word}",
        raw={"object": SESSION, **values.masked(data)},
    )


def refund_report(data: Mapping[str, Any]) -> Report:
    """A refund. SUCCEEDED: the channel took it over; the customer's account may show it later."""
    word, identifier = values.text_in(data.get("status")), values.id_in(data.get("id"))
    status = codes.REFUND_STATUSES.get(word, ReportStatus.UNKNOWN)
    return Report(
        reference=values.text_in(data.get("reference_id")),
        status=status if identifier else ReportStatus.UNKNOWN,
        about=ReportAbout.REFUND,
        money=values.amount_in(data.get("amount"), values.text_in(data.get("currency"))),
        gateway_transaction_id=identifier,
        occurred_at=values.time_in(data.get("updated")),
        code=values.text_in(data.get("failure_code")) or word,
        message="",
        event_id=f"{REFUND}/{identifier}/{word}",
        raw={"object": REFUND, **values.masked(data)},
    )


def payout_report(data: Mapping[str, Any]) -> Report:
    """A payout. One that was given back after it had succeeded is a failed one, with the code REVERSED."""
    word, identifier = values.text_in(data.get("status")), values.id_in(data.get("id"))
    money = values.amount_in(data.get("amount"), values.text_in(data.get("currency")))
    status = codes.PAYOUT_STATUSES.get(word, ReportStatus.UNKNOWN)
    return Report(
        reference=values.text_in(data.get("reference_id")),
        status=status if identifier and money is not None else ReportStatus.UNKNOWN,
        about=ReportAbout.PAYOUT,
        money=money,
        gateway_transaction_id=identifier,
        occurred_at=values.time_in(data.get("updated")),
        code=word if word == "REVERSED" else values.text_in(data.get("failure_code")) or word,
        event_id=f"{PAYOUT}/{identifier}/{word}",
        raw={"object": PAYOUT, **values.masked(data), **_masked_account(data)},
    )


def _masked_account(data: Mapping[str, Any]) -> dict[str, object]:
    """The last digits of a long account number, as staff read it out to a bank; nothing of a short one."""
    properties = data.get("channel_properties")
    number = values.text_in(properties.get("account_number")) if isinstance(properties, dict) else ""
    return {"account_number": "*" * 4 + (number[-4:] if len(number) >= 10 else "")} if number else {}


def dispute_report(data: Mapping[str, Any]) -> DisputeReport | None:
    """A dispute, whose body is flat; None for one without an id or in a status that nobody listed."""
    identifier, status = values.id_in(data.get("id")), codes.DISPUTE_STATUSES.get(values.text_in(data.get("status")))
    if not identifier or status is None:
        return None
    amounts, category = data.get("amount"), data.get("category")
    amounts = amounts if isinstance(amounts, dict) else {}
    currency = values.text_in(data.get("currency"))
    first, last = (values.amount_in(amounts.get(name), currency) for name in ("initial", "terminal"))
    has_ended = status in (DisputeStatus.WON, DisputeStatus.LOST)
    return DisputeReport(
        dispute_id=identifier,
        status=status,
        money=last if has_ended and last else first,
        reference=values.text_in(data.get("reference_id")),
        gateway_transaction_id=values.id_in(data.get("payment_id")),
        reason=values.text_in(category.get("name") if isinstance(category, dict) else data.get("status_reason")),
        respond_by=values.time_in(data.get("due_date")),
        occurred_at=values.time_in(data.get("updated_at")),
        event_id=f"{values.text_in(data.get('event'))}/{identifier}/{values.text_in(data.get('updated_at'))}",
        raw={"object": DISPUTE, **values.masked(data)},
    )
