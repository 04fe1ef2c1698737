"""Questions to Xendit: about an attempt, and about the objects that messages name.

Source: Xendit's API reference (invoices, payments of API v3, payment sessions).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from gateways.reports import Report, ReportStatus
from gateways.requests import QueryRequest
from gateways.xendit import answers, messages, values
from gateways.xendit.calls import Calls


def query(calls: Calls, request: QueryRequest) -> Report:
    """Ask by the id that create told, or else for all invoices of the reference. Raises GatewayUnavailable."""
    known = request.gateway_transaction_id
    if known.startswith("py-"):
        return payment(calls, known) or _lost(request)
    if known:
        return invoice(calls, known, reference=request.reference) or _lost(request)
    invoices = invoices_of(calls, request.reference)
    if not invoices:
        return Report(reference=request.reference, status=ReportStatus.NOT_FOUND)
    return one_answer(request.reference, invoices)


def _lost(request: QueryRequest) -> Report:
    """Xendit told us an id and now has no such thing: another account's key, perhaps. That is no end of a payment."""
    return Report(reference=request.reference, status=ReportStatus.UNKNOWN, code="not_found")


def invoice(calls: Calls, identifier: str, *, reference: str = "") -> Report | None:
    """What Xendit says of the invoice with this id; None where it has none. Raises GatewayUnavailable."""
    reply = calls.get(f"/v2/invoices/{identifier}", operation="query")
    if reply is None:
        return None
    report = messages.invoice_report(reply.data)
    if reply.data.get("id") != identifier or (reference and report.reference != reference):
        raise answers.odd("query", "the answer is about another invoice", reply)
    return report


def invoices_of(calls: Calls, reference: str) -> list[Report]:
    """Every invoice by this reference; a create that was repeated somewhere left more than one."""
    reply = calls.get("/v2/invoices", [("external_id", reference)], operation="query")
    if reply is None:
        return []
    reports = [messages.invoice_report(one) for one in answers.items(reply.data)]
    return [one for one in reports if one.reference == reference]


def payment(calls: Calls, identifier: str) -> Report | None:
    """What Xendit says of the payment of API v3 with this id; None where it has none. Raises GatewayUnavailable."""
    reply = calls.get(f"/v3/payments/{identifier}", operation="query")
    if reply is None:
        return None
    if reply.data.get("payment_id") != identifier:
        raise answers.odd("query", "the answer is about another payment", reply)
    return messages.payment_report(reply.data)


def session(calls: Calls, identifier: str) -> Report | None:
    """COMPLETED says that the customer was through with the page; the payment tells of the money."""
    reply = calls.get(f"/sessions/{identifier}", operation="query")
    if reply is None:
        return None
    paid = values.id_in(reply.data.get("payment_id"))
    if reply.data.get("status") == "COMPLETED" and paid:
        return payment(calls, paid)
    return messages.session_report(reply.data)


def one_answer(reference: str, invoices: Sequence[Report]) -> Report:
    """What several invoices of one reference come to: each one that was paid is money of its own."""
    paid = [one for one in invoices if one.status is ReportStatus.PAID]
    if paid:
        return dataclasses.replace(paid[0], others=tuple(paid[1:]))
    for status in (ReportStatus.PENDING, ReportStatus.UNKNOWN):
        for one in invoices:
            if one.status is status:
                return one
    return invoices[0]
