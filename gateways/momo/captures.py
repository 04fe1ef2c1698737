"""Money that MoMo holds for us: taken, or given free.

Source: MoMo's developer manual v3, page confirm.
"""

from __future__ import annotations

from gateways.errors import GatewayUnavailable
from gateways.momo import answers, codes, messages
from gateways.momo.calls import CONFIRM_PATH, Calls
from gateways.reports import Report, ReportStatus
from gateways.requests import CaptureRequest


def confirm(calls: Calls, request_type: str, request: CaptureRequest) -> Report:
    """Take authorised money ("capture") or give it free ("cancel"). Raises GatewayRejected or GatewayUnavailable."""
    body: dict[str, object] = {
        "partnerCode": calls.partner_code,
        "requestId": request.operation_id,
        "orderId": request.reference,
        "requestType": request_type,
        "amount": messages.vnd(request.money),
        "lang": "en",
        "description": messages.free_text(request.description),
    }
    reply = calls.post(CONFIRM_PATH, messages.CONFIRM_REQUEST, lambda: body, operation=request_type)
    code = messages.result_code(reply.data)
    if code == 40:
        raise GatewayUnavailable(f"momo {request_type}: an earlier try arrived, ask for its outcome", code="40")
    if codes.payment_status(code) not in (ReportStatus.PAID, ReportStatus.PENDING):
        raise answers.refusal(request_type, reply, code)
    answers.check_echo(
        reply,
        operation=request_type,
        expected={"partnerCode": calls.partner_code, "orderId": request.reference, "amount": request.money.minor},
    )
    report = messages.payment_report(answers.queried_fields(reply), codes.payment_status)
    if request_type == "cancel" and code == 0:
        return Report(
            reference=request.reference,
            status=ReportStatus.CANCELLED,
            money=request.money,
            code=report.code,
            raw=report.raw,
        )
    return report
