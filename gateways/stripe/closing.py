"""Closing at Stripe: an open Checkout Session is expired, a PaymentIntent cancelled.

Source: Stripe's API reference (expire a Checkout Session, cancel a PaymentIntent). A session's own PaymentIntent cannot
be cancelled while the session is open.
"""

from __future__ import annotations

from typing import Final

from gateways.errors import GatewayRejected
from gateways.reports import CloseOutcome, CloseReport, Report, ReportStatus
from gateways.requests import CloseRequest, QueryRequest
from gateways.stripe import payments
from gateways.stripe.calls import Calls, segment

ABANDONED: Final = (("cancellation_reason", "abandoned"),)


def close(calls: Calls, request: CloseRequest) -> CloseReport:
    """Close it. Stripe's refusal has no code of its own: what became of the payment says why.

    Raises GatewayRejected where it is still open, GatewayUnavailable.
    """
    question = QueryRequest(
        reference=request.reference,
        money=request.money,
        created_at=request.created_at,
        gateway_transaction_id=request.gateway_transaction_id,
    )
    known = request.gateway_transaction_id or payments.find(calls, question)
    if not known:
        nothing = Report(reference=request.reference, status=ReportStatus.NOT_FOUND, code="resource_missing")
        return CloseReport(outcome=CloseOutcome.OVER, report=nothing)
    is_intent = known.startswith("pi_")
    path, fields = (
        (f"{payments.INTENTS}/{segment(known)}/cancel", (*ABANDONED, *payments.WITH_CHARGE))
        if is_intent
        else (f"{payments.SESSIONS}/{segment(known)}/expire", payments.WITH_INTENT)
    )
    try:
        answer = calls.post(path, fields, operation="close", key=request.operation_id)
    except GatewayRejected:
        report = payments.query(calls, question)
        if (found := CloseReport.instead(report)) is None:
            raise
        return found
    read = payments.intent_report if is_intent else payments.session_report
    return CloseReport(outcome=CloseOutcome.CLOSED, report=read(answer, request.reference))
