"""ZaloPay's answers to our calls, read into our words. They are unsigned and repeat nothing of what was asked.

Source: ZaloPay's manual of the v2 API, pages create, query, refund and query refund.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.requests import RefundRequest
from gateways.zalopay import messages
from gateways.zalopay.codes import Meaning, Verdict


def refusal(verdict: Verdict, data: Mapping[str, object]) -> GatewayRejected | GatewayUnavailable:
    """A definite no where the codes prove one, else an unknown outcome."""
    text = f"zalopay {verdict.call}: {verdict.code} {verdict.row.text}"
    raw = messages.masked(data)
    if verdict.is_refusal:
        return GatewayRejected(text, code=verdict.code, raw=raw)
    # An id of another day was surely not taken, and at the next try it is made anew.
    return GatewayUnavailable(text, code=verdict.code, raw=raw, never_sent=verdict.row.meaning is Meaning.WRONG_DAY)


def refund_report(request: RefundRequest, verdict: Verdict, data: Mapping[str, object]) -> Report:
    """The report of a refund, from its own answer or from a question about it.

    Only the first answer names ZaloPay's refund_id; a later one is reported under the number we know already.
    """
    known = verdict.status in (ReportStatus.PAID, ReportStatus.PENDING)
    number = str(messages.number_in(data.get("refund_id")) or "")
    return Report(
        reference=request.reference,
        status=verdict.status,
        about=ReportAbout.REFUND,
        money=request.money if known else None,  # no answer names an amount, and one m_refund_id has one amount
        gateway_transaction_id=(number or request.gateway_refund_id) if known else "",
        occurred_at=messages.time_of(messages.number_in(data.get("server_time"))),
        code=verdict.code,
        message=messages.text_in(data.get("sub_return_message")) or messages.text_in(data.get("return_message")),
        raw=messages.masked(data),
    )
