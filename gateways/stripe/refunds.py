"""Refunds at Stripe: sent once, found again by our reference in their metadata.

Source: Stripe's API reference (Refund). A card refund is succeeded at once and may still fail days later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.requests import RefundRequest
from gateways.stripe import messages
from gateways.stripe.calls import Calls, found, segment
from gateways.stripe.codes import Meaning, meaning_of
from gateways.stripe.currencies import to_wire
from gateways.stripe.messages import Unreadable

PATH: Final = "/v1/refunds"


def refund(calls: Calls, request: RefundRequest) -> Report:
    """Send money back. A duplicate may be ours, so Stripe is asked before anybody is told no."""
    try:
        amount = to_wire(request.money)
    except ValueError as error:
        raise GatewayRejected(str(error), code="amount") from error
    fields = [
        ("payment_intent", request.gateway_transaction_id),
        ("amount", str(amount)),
        ("reason", "requested_by_customer"),
        (f"metadata[{messages.REFUND}]", request.reference),
        (f"metadata[{messages.ATTEMPT}]", request.payment_reference),
    ]
    try:
        answer = calls.post(PATH, fields, operation="refund", key=request.reference)
    except GatewayRejected as error:
        if meaning_of(error.code) is not Meaning.DUPLICATE:
            raise
        earlier = query(calls, request)
        if earlier.status is ReportStatus.NOT_FOUND:
            raise
        return earlier
    return _report(answer, request)


def query(calls: Calls, request: RefundRequest) -> Report:
    """Ask about a refund. NOT_FOUND only after all refunds of the payment were looked through."""
    known = request.gateway_refund_id
    if known:
        answer = found(lambda: calls.get(f"{PATH}/{segment(known)}", operation="refund_query"))
        return _about(request, ReportStatus.UNKNOWN) if answer is None else _report(answer, request)
    of_payment = [("payment_intent", request.gateway_transaction_id)]
    for row in calls.each(PATH, of_payment, operation="refund_query"):
        if messages.reference_of(row, messages.REFUND) == request.reference:
            return _report(row, request)
    return _about(request, ReportStatus.NOT_FOUND)


def _report(data: Mapping[str, object], request: RefundRequest) -> Report:
    try:
        report = messages.refund_report(data)
    except Unreadable as error:
        raise GatewayUnavailable(f"stripe refund: {error}", code="unreadable") from error
    if report.reference != request.reference or report.money != request.money:
        raise GatewayUnavailable(
            "stripe refund: the answer is about another refund or sum", code="echo", raw=messages.masked(data)
        )
    return report


def _about(request: RefundRequest, status: ReportStatus) -> Report:
    return Report(reference=request.reference, status=status, about=ReportAbout.REFUND, code="resource_missing")
