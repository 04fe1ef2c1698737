"""Xendit's objects as JSON: invoices, payments of API v3, refunds, transactions. Amounts are exact numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from gateways.sandbox.state import Payment, Refund, Stage
from gateways.sandbox.web import Response
from gateways.sandbox.xendit import rules

INVOICE_STATUS: Final = {Stage.WAITING: "PENDING", Stage.PAID: "PAID", Stage.EXPIRED: "EXPIRED"}
REFUND_STATUS: Final = {Stage.PENDING: "PENDING", Stage.PAID: "SUCCEEDED", Stage.REJECTED: "FAILED"}


def answer(data: object, status: int = 200) -> Response:
    """A JSON answer whose Decimals are numbers with their own digits."""
    return Response(status=status, body=text(data).encode())


def refusal(code: str, wrong: list[tuple[str, str]] | None = None) -> Response:
    """Xendit's answer when it refuses."""
    status, message = rules.ERRORS[code]
    body: dict[str, object] = {"error_code": code, "message": message}
    if wrong:
        body["errors"] = [{"path": path, "message": said} for path, said in wrong]
    return answer(body, status)


def text(value: object) -> str:
    """JSON with exact numbers."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{text(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def payment_id(payment: Payment) -> str:
    """What API v3 calls the payment of an invoice that was paid."""
    return f"py-{payment.transactions[-1].number:08x}-0000-4000-8000-000000000000" if payment.transactions else ""


def request_id(payment: Payment) -> str:
    """What API v3 calls its payment request."""
    return "pr-" + payment_id(payment).removeprefix("py-")


def invoice(payment: Payment, public_url: str) -> dict[str, object]:
    """An invoice as the API answers it."""
    fields = payment.fields
    status = "SETTLED" if fields.get("settled") else INVOICE_STATUS[payment.stage]
    found: dict[str, object] = {
        "id": fields["id"], "external_id": fields["external_id"], "user_id": payment.merchant, "status": status,
        "merchant_name": fields["merchant_name"], "amount": rules.major(payment.amount, payment.currency),
        "currency": payment.currency, "description": payment.description, "invoice_url": f"{public_url}/web/{fields['id']}",
        "expiry_date": rules.moment(payment.expires_ms), "created": rules.moment(payment.created_ms),
        "updated": rules.moment(payment.changed_ms), "should_send_email": False,
        "success_redirect_url": payment.return_url, "failure_redirect_url": fields["failure_redirect_url"],
        "available_banks": [], "available_ewallets": [], "available_retail_outlets": [], "available_qr_codes": [],
        "available_direct_debits": [], "available_paylaters": [],
    }  # fmt: skip
    if payment.transactions:
        money = payment.transactions[-1]
        found |= {
            "paid_amount": rules.major(money.amount, payment.currency), "paid_at": rules.moment(money.at_ms),
            "payment_method": fields["payment_method"], "payment_channel": fields["payment_channel"],
        }  # fmt: skip
    return found


def callback(payment: Payment, public_url: str) -> dict[str, object]:
    """An invoice as a webhook tells it: without the lists of channels, with the payment's id."""
    found = {name: one for name, one in invoice(payment, public_url).items() if not name.startswith("available_")}
    del found["invoice_url"], found["expiry_date"]
    return {**found, "payment_id": payment_id(payment)} if payment.transactions else found


def v3_payment(payment: Payment) -> dict[str, object]:
    """The payment of an invoice, or of API v3 alone, as API v3 tells it."""
    money = payment.transactions[-1]
    amount = rules.major(money.amount, payment.currency)
    return {
        "payment_id": payment_id(payment), "payment_request_id": request_id(payment),
        "reference_id": payment.fields["external_id"], "status": "SUCCEEDED", "type": "PAY", "request_amount": amount,
        "currency": payment.currency, "country": "VN", "channel_code": payment.fields["payment_channel"],
        "captures": [{"capture_id": f"cptr-{money.number}", "capture_amount": amount, "capture_timestamp": rules.moment(money.at_ms)}],
        "created": rules.moment(payment.created_ms), "updated": rules.moment(payment.changed_ms),
    }  # fmt: skip


def session(payment: Payment) -> dict[str, object]:
    """The session by which a payment of API v3 was made."""
    return {
        "payment_session_id": f"ps-{payment.token}", "reference_id": payment.fields["external_id"],
        "status": "COMPLETED" if payment.transactions else "ACTIVE", "session_type": "PAY", "mode": "PAYMENT_LINK",
        "amount": rules.major(payment.amount, payment.currency), "currency": payment.currency,
        "payment_id": payment_id(payment) or None, "updated": rules.moment(payment.changed_ms),
    }  # fmt: skip


def refund_id(refund: Refund) -> str:
    """What Xendit calls a refund."""
    return f"rfd-{refund.number:08x}-0000-4000-8000-000000000000"


def refund(one: Refund, payment: Payment, *, status: str = "") -> dict[str, object]:
    """A refund as the API answers it."""
    return {
        "id": refund_id(one), "payment_request_id": request_id(payment), "payment_id": payment_id(payment),
        "invoice_id": payment.fields["id"], "payment_method_type": payment.fields["payment_method"],
        "channel_code": payment.fields["payment_channel"], "currency": payment.currency,
        "amount": rules.major(one.amount, payment.currency), "status": status or REFUND_STATUS[one.stage],
        "reason": "REQUESTED_BY_CUSTOMER", "failure_code": "REFUND_FAILED" if one.stage is Stage.REJECTED else None,
        "reference_id": one.order, "created": rules.moment(one.created_ms), "updated": rules.moment(max(one.created_ms, one.done_after_ms)),
    }  # fmt: skip


def envelope(event: str, data: Mapping[str, object], *, business: str, at_ms: int) -> dict[str, object]:
    """A webhook of the newer kind."""
    return {"event": event, "business_id": business, "created": rules.moment(at_ms), "data": dict(data)}
