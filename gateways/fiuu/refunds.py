"""Refunds at Fiuu: sent once by our RefID, and asked about by it.

Source: Fiuu's API specification 13.39, section 6.1.
"""

from __future__ import annotations

from typing import Final

from config.core.money import Money
from gateways.fiuu import answers, messages, signing
from gateways.fiuu.calls import Calls
from gateways.reports import Report
from gateways.requests import RefundRequest

REFUND: Final = "/RMS/API/refundAPI/index.php"
REFUND_QUERY: Final = "/RMS/API/refundAPI/q_by_refID.php"


def refund(calls: Calls, request: RefundRequest, *, notify_url: str) -> Report:
    """Ask for a refund (6.1). Its RefID is used once and for all, so a repeated try is answered by its state."""
    amount = messages.amount_text(request.money)
    signature = signing.refund(
        calls.merchant, request.reference, request.gateway_transaction_id, amount, calls.secret_key
    )
    fields = {
        "RefundType": "P",
        "MerchantID": calls.merchant,
        "RefID": request.reference,
        "TxnID": request.gateway_transaction_id,
        "Amount": amount,
        "Signature": signature,
    }
    if notify_url:
        fields["notify_url"] = notify_url
    reply = calls.call(REFUND, fields, operation="refund")
    if answers.is_known_refund(reply):
        return query(calls, request)
    return answers.refund_report(reply, request, calls.trusted)


def query(calls: Calls, request: RefundRequest) -> Report:
    """Ask about a refund by its RefID. The answer names no amount: a RefID stands for one."""
    return state(calls, request.reference, request.gateway_transaction_id, request.money)


def state(calls: Calls, reference: str, transaction: str, money: Money | None) -> Report:
    """What became of a refund by this RefID of that transaction. Raises GatewayUnavailable."""
    signature = signing.question(reference, calls.merchant, calls.verify_key)
    fields = {"RefID": reference, "MerchantID": calls.merchant, "Signature": signature}
    reply = calls.call(REFUND_QUERY, fields, operation="refund_query", safe=True)
    return answers.refund_state(reply, reference, transaction, money)
