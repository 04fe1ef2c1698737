"""Closing at Xendit: a pending invoice is expired.

Source: Xendit's API reference and its SDKs (`POST /invoices/{id}/expire!`, with the exclamation mark). By which code it
refuses one that is over is not confirmed: after any refusal the invoice is looked at.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from gateways.errors import GatewayRejected
from gateways.http import Reply
from gateways.reports import CloseOutcome, CloseReport, Report, ReportStatus
from gateways.requests import CloseRequest
from gateways.xendit import answers, messages, queries
from gateways.xendit.calls import Calls

_FIRST: Final = (CloseOutcome.PAID, CloseOutcome.STAYS, CloseOutcome.CLOSED, CloseOutcome.OVER)
"""Of several invoices by one reference, what is told."""


def close(calls: Calls, request: CloseRequest) -> CloseReport:
    """Expire the invoice of an attempt, or, where Xendit never told its id, each one by its reference.

    Raises GatewayRejected where it can still be paid, GatewayUnavailable.
    """
    known = request.gateway_transaction_id
    if known.startswith("py-"):
        raise GatewayRejected("xendit close: a payment without an invoice has no page", code="no_invoice")
    opened = [known] if known else [_id_of(one) for one in queries.invoices_of(calls, request.reference)]
    found = [_expire(calls, identifier, request.reference) for identifier in opened]
    if not found:
        nothing = Report(reference=request.reference, status=ReportStatus.NOT_FOUND)
        return CloseReport(outcome=CloseOutcome.OVER, report=nothing)
    first = min(found, key=lambda one: _FIRST.index(one.outcome))
    paid = tuple(one.report for one in found if one.outcome is CloseOutcome.PAID and one is not first)
    return dataclasses.replace(first, report=dataclasses.replace(first.report, others=paid))


def _id_of(invoice: Report) -> str:
    return invoice.event_id.split("/")[1]


def _expire(calls: Calls, identifier: str, reference: str) -> CloseReport:
    reply = calls.post(f"/invoices/{identifier}/expire!", {}, operation="close")
    if reply.status >= 400:
        return _instead(queries.invoice(calls, identifier, reference=reference), reply)
    report = messages.invoice_report(reply.data)
    if reply.data.get("id") != identifier or report.reference != reference:
        raise answers.odd("close", "the answer is about another invoice", reply)
    if report.status is not ReportStatus.EXPIRED:
        return _instead(report, reply)
    return CloseReport(outcome=CloseOutcome.CLOSED, report=report)


def _instead(report: Report | None, reply: Reply) -> CloseReport:
    """What the invoice is, where it was not closed. Raises what the refusal means where it can still be paid."""
    found = CloseReport.instead(report) if report else None
    if found is None:
        raise answers.problem("close", reply)
    return found
