"""Refunds at MoMo: sent by our reference as often as it takes, found again by it or in the purchase's list.

Source: MoMo's developer manual v3, pages refund and refund query.
"""

from __future__ import annotations

from gateways.errors import GatewayUnavailable
from gateways.http import Reply
from gateways.momo import answers, codes, messages
from gateways.momo.calls import QUERY_PATH, REFUND_PATH, REFUND_QUERY_PATH, Calls
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.requests import RefundRequest


def refund(calls: Calls, request: RefundRequest) -> Report:
    """Ask for a refund. The same reference may be sent again: its requestId makes MoMo answer as before.

    40, 41 and 1081 may mean that an earlier try arrived, so MoMo is asked before anybody is told no. 1080 is
    rejected with `retry_after_seconds`: a new refund, with a new reference, may work then.
    """
    body: dict[str, object] = {
        "partnerCode": calls.partner_code,
        "orderId": request.reference,
        "requestId": f"{request.reference}-r",
        "amount": messages.vnd(request.money),
        "transId": int(request.gateway_transaction_id),
        "lang": messages.language(request.locale),
        "description": messages.free_text(request.description),
    }
    reply = calls.post(REFUND_PATH, messages.REFUND_REQUEST, lambda: body, operation="refund")
    code = messages.result_code(reply.data)
    status = codes.refund_status(code)
    if status in (ReportStatus.PAID, ReportStatus.PENDING):
        answers.check_echo(
            reply,
            operation="refund",
            expected={"partnerCode": calls.partner_code, "orderId": request.reference, "amount": body["amount"]},
        )
        return answers.refund_report(request.reference, reply.data)
    if code in (40, 41, 1081):
        return _after_all(calls, request, reply, code)
    raise answers.refusal("refund", reply, code)


def _after_all(calls: Calls, request: RefundRequest, reply: Reply, code: int) -> Report:
    report = query(calls, request)
    if report.status in (ReportStatus.PAID, ReportStatus.PENDING):
        return report
    if code == 1081 and report.status in (ReportStatus.NOT_FOUND, ReportStatus.FAILED):
        raise answers.refusal("refund", reply, code)
    raise GatewayUnavailable("momo refund: an earlier try arrived and is not listed yet", code=str(code))


def query(calls: Calls, request: RefundRequest) -> Report:
    """Ask about a refund by its own id; where that does not tell, look for it in the purchase's list of refunds.

    The manual leaves open which id the refund query takes, so NOT_FOUND needs the purchase's word.
    """
    reply = calls.ask(REFUND_QUERY_PATH, request.reference, operation="refund_query")
    found = _find(calls, reply, request)
    if found is not None:
        return found
    purchase = calls.ask(QUERY_PATH, request.payment_reference, operation="query")
    code = messages.result_code(purchase.data)
    for item in answers.refund_items(purchase):
        if item.get("orderId") == request.reference:
            return answers.listed_refund(item)
    if codes.queried_status(code) is not ReportStatus.PAID:
        return answers.unanswered(
            request.reference, purchase, code, about=ReportAbout.REFUND, status=ReportStatus.UNKNOWN
        )
    answers.check_echo(
        purchase,
        operation="query",
        expected={"partnerCode": calls.partner_code, "orderId": request.payment_reference},
    )
    status = ReportStatus.NOT_FOUND if messages.result_code(reply.data) in (0, 42) else ReportStatus.UNKNOWN
    return answers.unanswered(
        request.reference, reply, messages.result_code(reply.data), about=ReportAbout.REFUND, status=status
    )


def _find(calls: Calls, reply: Reply, request: RefundRequest) -> Report | None:
    items = answers.refund_items(reply)
    for item in items:
        if item.get("orderId") == request.reference:
            return answers.listed_refund(item)
    about_it = reply.data.get("orderId") == request.reference and reply.data.get("partnerCode") == calls.partner_code
    if items or not about_it or messages.number_in(reply.data.get("amount")) != request.money.minor:
        return None
    report = answers.refund_report(request.reference, reply.data)
    return None if report.status is ReportStatus.UNKNOWN else report
