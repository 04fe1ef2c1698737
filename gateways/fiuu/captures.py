"""Money that Fiuu holds for us: taken, or given free.

Source: Fiuu's API specification 13.39, sections 6.2 and 6.3.
"""

from __future__ import annotations

from typing import Final

from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.fiuu import answers, codes, messages, signing
from gateways.fiuu.calls import Calls
from gateways.reports import Report, ReportStatus
from gateways.requests import CaptureRequest

CAPTURE: Final = "/RMS/API/capstxn/index.php"
REVERSAL: Final = "/RMS/API/refundAPI/refund.php"


def capture(calls: Calls, request: CaptureRequest) -> Report:
    """Take authorised money (6.3). What an earlier try may have done is asked about."""
    amount, transaction = messages.amount_text(request.money), request.gateway_transaction_id
    fields = {
        "domain": calls.merchant,
        "tranID": transaction,
        "amount": amount,
        "RefID": request.operation_id,
        "skey": signing.capture(transaction, amount, calls.merchant, calls.verify_key),
    }
    reply = calls.call(CAPTURE, fields, operation="capture")
    code = answers.command_code(reply, transaction, calls.trusted, operation="capture")
    if code in codes.CAPTURE_REFUSALS:
        raise GatewayRejected(f"fiuu capture: {code} {codes.CAPTURE_REFUSALS[code]}", code=code)
    return _after_command(calls, request, "capture", code)


def cancel(calls: Calls, request: CaptureRequest) -> Report:
    """Give authorised money free: the whole of it (6.2). The report's status is CANCELLED."""
    transaction = request.gateway_transaction_id
    fields = {
        "txnID": transaction,
        "domain": calls.merchant,
        "skey": signing.reversal(transaction, calls.merchant, calls.secret_key),
    }
    reply = calls.call(REVERSAL, fields, operation="cancel")
    code = answers.command_code(reply, transaction, calls.trusted, operation="cancel")
    row = codes.command("reversal", code)
    if code != "00" and codes.is_refusal(row):
        raise answers.refused("cancel", row, code, {})
    return _after_command(calls, request, "cancel", code)


def _after_command(calls: Calls, request: CaptureRequest, operation: str, code: str) -> Report:
    """What became of the money: after a yes as it was asked, after anything unclear as Fiuu tells."""
    done = ReportStatus.PAID if operation == "capture" else ReportStatus.CANCELLED
    if code == "00":
        return Report(
            reference=request.reference,
            status=done,
            money=request.money,
            gateway_transaction_id=request.gateway_transaction_id if done is ReportStatus.PAID else "",
            code=code,
        )
    row = calls.by_transaction(request.gateway_transaction_id, messages.amount_text(request.money))
    if row is None or row["OrderID"] != request.reference:
        raise GatewayUnavailable(f"fiuu {operation}: {code}, and the transaction is not found", code=code)
    report = messages.queried_report(row)
    if report.status is not done:
        raise GatewayUnavailable(f"fiuu {operation}: {code}, and it is not done yet", code=code)
    return report
