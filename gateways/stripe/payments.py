"""Payments at Stripe: opened, paid by a card's token, asked about, captured, given free.

Source: Stripe's API reference (Checkout Session, PaymentIntent).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import CardAnswer, Checkout, Report, ReportStatus
from gateways.requests import CaptureRequest, CardRequest, CheckoutRequest, QueryRequest
from gateways.stripe import messages
from gateways.stripe.calls import Calls, found, segment
from gateways.stripe.codes import UNEXPECTED_STATE
from gateways.stripe.currencies import to_wire
from gateways.stripe.messages import Unreadable

SESSIONS: Final = "/v1/checkout/sessions"
INTENTS: Final = "/v1/payment_intents"
AROUND: Final = timedelta(hours=1)
"""How far a clock of ours and Stripe's may be apart when we look for what a lost answer was about."""
WITH_CHARGE: Final = (("expand[]", "latest_charge"),)
WITH_INTENT: Final = (("expand[]", "payment_intent.latest_charge"),)
_PRIVATE: Final = ("customer_email", "success_url", "cancel_url")


# --- Opening ---------------------------------------------------------------------------------------------------------


def open_session(
    calls: Calls, request: CheckoutRequest, *, return_url: str, expires_at: datetime, livemode: bool
) -> Checkout:
    """Open a hosted page. Raises GatewayRejected or GatewayUnavailable."""
    amount, text = _amount(request), messages.free_text(request.description) or request.reference
    fields = [
        ("mode", "payment"),
        ("client_reference_id", request.reference),
        ("line_items[0][price_data][currency]", request.money.currency.lower()),
        ("line_items[0][price_data][unit_amount]", str(amount)),
        ("line_items[0][price_data][product_data][name]", text),
        ("line_items[0][quantity]", "1"),
        ("success_url", return_url),
        ("cancel_url", return_url),
        ("expires_at", str(int(expires_at.timestamp()))),
        ("locale", "vi" if request.locale.startswith("vi") else "en"),
        (f"metadata[{messages.ATTEMPT}]", request.reference),
        # A session's own is not copied to its PaymentIntent.
        (f"payment_intent_data[metadata][{messages.ATTEMPT}]", request.reference),
        ("payment_intent_data[description]", text),
    ]
    if not request.capture:
        fields.append(("payment_intent_data[capture_method]", "manual"))
    if request.buyer_email:
        fields.append(("customer_email", request.buyer_email))
    answer = calls.post(SESSIONS, fields, operation="create", key=f"{request.reference}-create")
    expected = {"client_reference_id": request.reference, "amount_total": amount}
    _check_opened(answer, request, expected, prefix="cs_", livemode=livemode)
    return Checkout(
        pay_url=messages.text_in(answer.get("url")),
        gateway_transaction_id=messages.text_in(answer.get("id")),
        request=_kept(fields),
        response=messages.masked(answer),
    )


def open_intent(calls: Calls, request: CheckoutRequest, *, livemode: bool) -> Checkout:
    """Open a PaymentIntent for a front end. Raises GatewayRejected or GatewayUnavailable."""
    amount = _amount(request)
    fields = [
        ("amount", str(amount)),
        ("currency", request.money.currency.lower()),
        ("automatic_payment_methods[enabled]", "true"),
        ("description", messages.free_text(request.description) or request.reference),
        (f"metadata[{messages.ATTEMPT}]", request.reference),
    ]
    if not request.capture:
        fields.append(("capture_method", "manual"))
    answer = calls.post(INTENTS, fields, operation="create", key=f"{request.reference}-create")
    _check_opened(answer, request, {"amount": amount}, prefix="pi_", livemode=livemode)
    if messages.reference_of(answer) != request.reference:
        raise GatewayUnavailable("stripe create: the answer has another attempt_id", code="echo")
    return Checkout(
        gateway_transaction_id=messages.text_in(answer.get("id")),
        client_secret=messages.text_in(answer.get("client_secret")),
        request=_kept(fields),
        response=messages.masked(answer),
    )


def confirm_card(calls: Calls, request: CardRequest, *, return_url: str) -> CardAnswer:
    """Pay with a card's token; a refused card is GatewayRejected, and the intent waits for another."""
    fields = [("payment_method", request.payment_method), ("return_url", return_url), *WITH_CHARGE]
    path = f"{INTENTS}/{segment(request.gateway_transaction_id)}"
    try:
        answer = calls.post(f"{path}/confirm", fields, operation="confirm", key=request.operation_id)
    except GatewayRejected as error:
        if error.code not in UNEXPECTED_STATE:
            raise
        answer = calls.get(path, WITH_CHARGE, operation="query")
        if messages.text_in(answer.get("status")).startswith("requires_"):
            raise
    return _card_answer(answer, request.reference)


def look_at_card(calls: Calls, request: CardRequest) -> CardAnswer:
    """What a PaymentIntent is waiting for, if for anything."""
    path = f"{INTENTS}/{segment(request.gateway_transaction_id)}"
    answer = found(lambda: calls.get(path, WITH_CHARGE, operation="query"))
    if answer is None:
        raise GatewayUnavailable("stripe: there is no such PaymentIntent", code="resource_missing")
    return _card_answer(answer, request.reference)


def _card_answer(answer: Mapping[str, object], reference: str) -> CardAnswer:
    action = answer.get("next_action")
    return CardAnswer(
        report=intent_report(answer, reference),
        status=messages.text_in(answer.get("status")),
        next_action=action if isinstance(action, Mapping) else None,
        client_secret=messages.text_in(answer.get("client_secret")),
    )


def _amount(request: CheckoutRequest) -> int:
    try:
        return to_wire(request.money)
    except ValueError as error:
        raise GatewayRejected(str(error), code="amount") from error


def _check_opened(
    answer: Mapping[str, object],
    request: CheckoutRequest,
    expected: Mapping[str, object],
    *,
    prefix: str,
    livemode: bool,
) -> None:
    """The answer is about our request. Raises GatewayUnavailable."""
    whole = {**expected, "currency": request.money.currency.lower(), "livemode": livemode}
    wrong = [name for name, value in whole.items() if answer.get(name) != value]
    if wrong or not messages.text_in(answer.get("id")).startswith(prefix):
        names = ", ".join(wrong) or "id"
        raise GatewayUnavailable(
            f"stripe create: the answer has another {names}", code="echo", raw=messages.masked(answer)
        )


def _kept(fields: list[tuple[str, str]]) -> dict[str, object]:
    """What was sent, without the buyer's address and without marks that open our pay page."""
    return {name: value for name, value in fields if name not in _PRIVATE}


# --- Asking ----------------------------------------------------------------------------------------------------------


def query(calls: Calls, request: QueryRequest) -> Report:
    """Ask about a payment. What Stripe named itself cannot be missing there, so such an answer is UNKNOWN."""
    known = request.gateway_transaction_id
    if not known:
        return _search(calls, request)
    if known.startswith("pi_"):
        intent = found(lambda: calls.get(f"{INTENTS}/{segment(known)}", WITH_CHARGE, operation="query"))
        return _missing(request) if intent is None else intent_report(intent, request.reference)
    session = found(lambda: calls.get(f"{SESSIONS}/{segment(known)}", WITH_INTENT, operation="query"))
    return _missing(request) if session is None else session_report(session, request.reference)


def _missing(request: QueryRequest) -> Report:
    return Report(reference=request.reference, status=ReportStatus.UNKNOWN, code="resource_missing")


def _search(calls: Calls, request: QueryRequest) -> Report:
    identifier = find(calls, request)
    if not identifier:
        return Report(reference=request.reference, status=ReportStatus.NOT_FOUND, code="resource_missing")
    return query(calls, replace(request, gateway_transaction_id=identifier))


def find(calls: Calls, request: QueryRequest) -> str:
    """What Stripe calls what a lost answer had opened, by our reference, among all that was opened around then."""
    for path in (SESSIONS, INTENTS):
        for row in calls.each(path, _span(request.created_at), operation="query"):
            if request.reference in (row.get("client_reference_id"), messages.reference_of(row)):
                return messages.text_in(row.get("id"))
    return ""


def _span(created_at: datetime) -> list[tuple[str, str]]:
    bounds = (("created[gte]", created_at - AROUND), ("created[lte]", created_at + AROUND))
    return [(name, str(int(moment.timestamp()))) for name, moment in bounds]


def intent_report(data: Mapping[str, object], reference: str) -> Report:
    """What a PaymentIntent says, as an answer to us. Raises GatewayUnavailable where it is not about this attempt."""
    _check_reference(data, reference)
    try:
        return messages.intent_report(data, reference=reference)
    except Unreadable as error:
        raise GatewayUnavailable(f"stripe: {error}", code="unreadable") from error


def session_report(data: Mapping[str, object], reference: str) -> Report:
    """What a Checkout Session says, as an answer to us. Raises GatewayUnavailable, as above."""
    _check_reference(data, reference)
    try:
        return messages.session_report(data, reference=reference)
    except Unreadable as error:
        raise GatewayUnavailable(f"stripe: {error}", code="unreadable") from error


def _check_reference(data: Mapping[str, object], reference: str) -> None:
    if reference not in (data.get("client_reference_id"), messages.reference_of(data)):
        raise GatewayUnavailable("stripe: the answer is about another attempt", code="echo", raw=messages.masked(data))


# --- Authorised money ------------------------------------------------------------------------------------------------


def capture(calls: Calls, request: CaptureRequest) -> Report:
    """Take authorised money. Where Stripe says that it is not authorised any more, what became of it is the answer."""
    try:
        amount = to_wire(request.money)
    except ValueError as error:
        raise GatewayRejected(str(error), code="amount") from error
    fields = [("amount_to_capture", str(amount)), *WITH_CHARGE]
    return _move(calls, request, "capture", fields, wanted=ReportStatus.PAID)


def cancel(calls: Calls, request: CaptureRequest) -> Report:
    """Give authorised money free."""
    return _move(
        calls, request, "cancel", [("cancellation_reason", "requested_by_customer")], wanted=ReportStatus.CANCELLED
    )


def _move(
    calls: Calls, request: CaptureRequest, verb: str, fields: list[tuple[str, str]], *, wanted: ReportStatus
) -> Report:
    intent = _intent_of(calls, request)
    path = f"{INTENTS}/{segment(intent)}"
    try:
        answer = calls.post(f"{path}/{verb}", fields, operation=verb, key=request.operation_id)
    except GatewayRejected as error:
        if error.code not in UNEXPECTED_STATE:
            raise
        report = intent_report(calls.get(path, WITH_CHARGE, operation="query"), request.reference)
        if report.status is not wanted:
            raise
        return report
    return intent_report(answer, request.reference)


def _intent_of(calls: Calls, request: CaptureRequest) -> str:
    """The PaymentIntent that holds the money. Raises GatewayRejected where none does."""
    if request.gateway_transaction_id.startswith("pi_"):
        return request.gateway_transaction_id
    report = query(
        calls,
        QueryRequest(
            reference=request.reference, money=request.money, created_at=request.created_at,
            gateway_transaction_id=request.gateway_transaction_id,
        ),
    )  # fmt: skip
    if not report.gateway_transaction_id:
        raise GatewayRejected("stripe: nothing is authorised here", code=report.code)
    return report.gateway_transaction_id
