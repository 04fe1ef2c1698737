"""Refunds at Xendit: sent once by our reference, found again by its id or among those of the payment.

Source: Xendit's API reference (refunds).
"""

from __future__ import annotations

from gateways.errors import GatewayUnavailable
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.requests import RefundRequest
from gateways.xendit import answers, messages, values
from gateways.xendit.calls import Calls


def refund(calls: Calls, request: RefundRequest) -> Report:
    """Ask for a refund; the answer is PENDING and the end comes later. Its reference is the idempotency key.

    Only one refund of a payment may be open at Xendit: REFUND_IN_PROGRESS is an unknown outcome here, so that the
    refund is looked for, not found, and sent again when the other one has ended.
    """
    body: dict[str, object] = {
        **_refunded_thing(calls, request),
        "reference_id": request.reference,
        "amount": values.major_units(request.money),
        "currency": request.money.currency,
        "reason": "REQUESTED_BY_CUSTOMER",
    }
    reply = calls.post("/refunds", body, operation="refund", headers={"idempotency-key": request.reference})
    if reply.status >= 400:
        raise answers.problem("refund", reply)
    report = messages.refund_report(reply.data)
    if (report.reference, report.money) != (request.reference, request.money):
        raise answers.odd("refund", "the answer is about something else", reply)
    return report


def query(calls: Calls, request: RefundRequest) -> Report:
    """Ask about a refund by Xendit's id, or look for ours among those of its payment."""
    if request.gateway_refund_id:
        found = asked(calls, request.gateway_refund_id)
        if found is not None and found.reference == request.reference:
            return found
        return _none(request, ReportStatus.UNKNOWN)
    thing = [(name, str(value)) for name, value in _refunded_thing(calls, request).items()]
    for item in calls.listed("/refunds", [*thing, ("limit", "100")], operation="refund_query"):
        if item.get("reference_id") == request.reference:
            return messages.refund_report(item)
    return _none(request, ReportStatus.NOT_FOUND)


def _refunded_thing(calls: Calls, request: RefundRequest) -> dict[str, object]:
    """What a refund is of: an invoice, or the request of a payment of API v3."""
    known = request.gateway_transaction_id
    if not known.startswith("py-"):
        return {"invoice_id": known}
    reply = calls.get(f"/v3/payments/{known}", operation="query")
    payment_request = values.id_in(reply.data.get("payment_request_id")) if reply else ""
    if not payment_request:
        raise GatewayUnavailable("xendit refund: the payment's request is not told", code="no_payment_request")
    return {"payment_request_id": payment_request}


def asked(calls: Calls, identifier: str) -> Report | None:
    """What Xendit says of the refund with this id; None where it has none. Raises GatewayUnavailable."""
    reply = calls.get(f"/refunds/{identifier}", operation="refund_query")
    if reply is None:
        return None
    if reply.data.get("id") != identifier:
        raise answers.odd("refund_query", "the answer is about another refund", reply)
    return messages.refund_report(reply.data)


def _none(request: RefundRequest, status: ReportStatus) -> Report:
    return Report(reference=request.reference, status=status, about=ReportAbout.REFUND)
