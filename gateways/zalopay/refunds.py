"""Refunds at ZaloPay, whose ids carry the day on which they are sent.

Source: ZaloPay's manual of the v2 API, pages refund and query refund.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from gateways.errors import GatewayUnavailable
from gateways.reports import Report, ReportStatus
from gateways.requests import RefundRequest
from gateways.zalopay import answers, messages
from gateways.zalopay.calls import Calls
from gateways.zalopay.codes import Call, Meaning, Verdict

TOO_LATE: Final = -13
FRESH: Final = timedelta(minutes=5)
"""A refund refused as too late (-13) that was stamped longer ago than this was refused for its stamp: ZaloPay takes 15
minutes, and a long sweep may use them up."""


def refund(calls: Calls, request: RefundRequest) -> Report:
    """Ask for a refund (manual: "refund"). The usual answer is PENDING. The same refund may be sent again.

    Its m_refund_id must carry the date of the day on which it is sent, so after midnight in Vietnam it is another
    one: every day on which it may have gone out before is asked about first, and it goes only when none has it.
    Until then `never_sent` is true of an error: this try sent nothing, and a later one asks again.
    """
    *earlier, today = messages.days_sent(request.requested_at, _now(request))
    for day in earlier:
        found = _before_sending(calls, request, day)
        if found.status is not ReportStatus.NOT_FOUND:
            return found
    body: dict[str, object] = {
        "app_id": int(calls.app_id),
        "m_refund_id": messages.refund_id(request.reference, calls.app_id, today),
        "zp_trans_id": request.gateway_transaction_id,
        "amount": messages.vnd(request.money),
        "timestamp": messages.milliseconds(_now(request)),
        "description": messages.free_text(request.description or "refund", messages.MAX_REFUND_DESCRIPTION),
    }
    data = calls.post(Call.REFUND, lambda values, key: messages.text_to_sign(messages.REFUND, values), lambda: body)
    verdict = messages.verdict(Call.REFUND, data)
    if verdict.status in (ReportStatus.PAID, ReportStatus.PENDING):
        return answers.refund_report(request, verdict, data)
    if verdict.row.meaning is Meaning.DUPLICATE:
        return _after_all(calls, request, today, verdict)
    if verdict.sub_code == TOO_LATE and abs(datetime.now(UTC) - _now(request)) > FRESH:
        raise GatewayUnavailable("zalopay refund: it waited too long to be sent", code="stale", never_sent=True)
    raise answers.refusal(verdict, data)


def _before_sending(calls: Calls, request: RefundRequest, day: date) -> Report:
    """What became of the refund if it went out that day. Raises GatewayUnavailable(never_sent) where that is open."""
    try:
        found = _ask(calls, request, day)
    except GatewayUnavailable as error:
        raise GatewayUnavailable(str(error), code=error.code, raw=error.raw, never_sent=True) from error
    if found.status is ReportStatus.UNKNOWN:
        raise GatewayUnavailable(
            f"zalopay refund: whether it went out on {day} is open", code=found.code, raw=found.raw, never_sent=True
        )
    return found


def _after_all(calls: Calls, request: RefundRequest, day: date, verdict: Verdict) -> Report:
    """An earlier try of today arrived: tell what became of it."""
    report = _ask(calls, request, day)
    if report.status in (ReportStatus.NOT_FOUND, ReportStatus.UNKNOWN):
        raise GatewayUnavailable("zalopay refund: an earlier try arrived and is not known yet", code=verdict.code)
    return report


def query(calls: Calls, request: RefundRequest) -> Report:
    """Ask about a refund (manual: "query refund"), under the id of each day on which it may have been sent."""
    reports = []
    for day in messages.days_sent(request.requested_at, _now(request)):
        reports.append(_ask(calls, request, day))
        if reports[-1].status not in (ReportStatus.NOT_FOUND, ReportStatus.UNKNOWN):
            return reports[-1]
    unknown = [report for report in reports if report.status is ReportStatus.UNKNOWN]
    return (unknown or reports)[-1]


def _ask(calls: Calls, request: RefundRequest, day: date) -> Report:
    asked = {
        "app_id": int(calls.app_id),
        "m_refund_id": messages.refund_id(request.reference, calls.app_id, day),
        "timestamp": messages.milliseconds(_now(request)),
    }
    data = calls.post(
        Call.REFUND_QUERY,
        lambda values, key: messages.text_to_sign(messages.REFUND_QUERY, values),
        lambda: asked,
        safe=True,
    )
    return answers.refund_report(request, messages.verdict(Call.REFUND_QUERY, data), data)


def _now(request: RefundRequest) -> datetime:
    return request.at or datetime.now(UTC)
