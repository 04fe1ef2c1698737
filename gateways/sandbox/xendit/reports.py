"""What Xendit tells of its balance: GET /transactions and the Transactions report, over what truly moved."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, Transaction
from gateways.sandbox.web import Request, Response
from gateways.sandbox.xendit import objects, rules
from gateways.sandbox.xendit.rules import NAME

COLUMNS: Final = (
    "Status", "Type", "Channel", "Channel Name", "Account Number", "Currency", "Amount", "Total Fee", "Total VAT",
    "Net Amount", "Reference", "Transaction ID", "Invoice ID", "Batch ID", "Product ID", "Payment Date",
    "Timestamp - Created", "Timestamp - Updated", "Estimated Settlement Time", "Actual Settlement Time", "Timezone",
    "Description", "Channel Reference", "Settlement Status",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One row: a payment, a refund or a chargeback. Fee and VAT are taken from payments only."""

    kind: str
    number: int
    reference: str
    payment: Payment
    product_id: str
    amount: int
    fee: int
    vat: int
    status: str
    settlement_status: str | None
    created_ms: int
    updated_ms: int
    is_out: bool = False

    @property
    def sign(self) -> int:
        """As the balance feels it."""
        return -1 if self.is_out else 1

    @property
    def net(self) -> int:
        """What reaches the balance or leaves it, without sign."""
        return self.amount - self.fee - self.vat


class Reports:
    """Both ways to tell the same rows."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.page_size = 50
        """So many transactions at most are on one page."""

    def transactions(self, request: Request, merchant: Merchant) -> Response:
        """Oldest first, `limit` (10) a page, within `updated[gte]` and `updated[lte]`, after `after_id`."""
        rows = [one for one in self._movements(merchant.code) if _within(request, one.updated_ms)]
        ids = [f"txn_{one.number}" for one in rows]
        after = request.query.get("after_id", "")
        rows = rows[ids.index(after) + 1 :] if after in ids else rows
        page = rows[: min(int(request.query.get("limit", "10")), self.page_size)]
        return objects.answer({"has_more": len(page) < len(rows), "data": [_json(one) for one in page], "links": []})

    def csv(self, merchant: str) -> Response:
        """The report file."""
        sheet = io.StringIO()
        writer = csv.DictWriter(sheet, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(_row(one) for one in self._movements(merchant))
        return Response(body=sheet.getvalue().encode(), content_type="text/csv; charset=UTF-8")

    def _movements(self, merchant: str) -> list[Movement]:
        with self.sandbox.world.lock:
            payments = [one for one in self.sandbox.world.payments.values() if _is(one, merchant)]
            refunds = [one for one in self.sandbox.world.refunds.values() if _is(one, merchant)]
            found = [_paid(one, money) for one in payments for money in one.transactions]
            found += [_charged_back(one, moved) for one in payments for moved in one.fields.get("chargebacks", ())]
            known = self.sandbox.world.payments
            found += [_refunded(one, known[NAME, merchant, one.payment]) for one in refunds]
        return sorted(found, key=lambda one: (one.updated_ms, one.number))


def _is(thing: Payment | Refund, merchant: str) -> bool:
    return thing.provider == NAME and thing.merchant == merchant


def _paid(payment: Payment, money: Transaction) -> Movement:
    settled = payment.fields.get("settled")
    fee = money.amount * 15 // 1000
    return Movement(
        kind="PAYMENT", number=money.number, reference=payment.fields["external_id"], payment=payment,
        product_id=objects.payment_id(payment), amount=money.amount, fee=fee, vat=fee * 11 // 100, status="SUCCESS",
        settlement_status="SETTLED" if settled else "PENDING", created_ms=money.at_ms, updated_ms=settled or money.at_ms,
    )  # fmt: skip


def _refunded(refund: Refund, payment: Payment) -> Movement:
    status = {Stage.PAID: "SUCCESS", Stage.REJECTED: "FAILED"}.get(refund.stage, "PENDING")
    return Movement(
        kind="REFUND", number=refund.number, reference=refund.order, payment=payment, product_id=objects.refund_id(refund),
        amount=refund.amount, fee=0, vat=0, status=status, settlement_status=None, created_ms=refund.created_ms,
        updated_ms=max(refund.created_ms, refund.done_after_ms), is_out=True,
    )  # fmt: skip


def _charged_back(payment: Payment, moved: Mapping[str, int]) -> Movement:
    """A row of the type CHARGEBACK, out and, where the dispute was won, in again."""
    return Movement(
        kind="CHARGEBACK", number=moved["number"], reference=payment.fields["external_id"], payment=payment,
        product_id=objects.payment_id(payment), amount=abs(moved["amount"]), fee=0, vat=0, status="SUCCESS",
        settlement_status=None, created_ms=moved["at_ms"], updated_ms=moved["at_ms"], is_out=moved["amount"] < 0,
    )  # fmt: skip


def _within(request: Request, at_ms: int) -> bool:
    first, last = (request.query.get(f"updated[{name}]", "") for name in ("gte", "lte"))
    return not (first and at_ms < _ms(first)) and not (last and at_ms > _ms(last))


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _json(one: Movement) -> dict[str, object]:
    currency = one.payment.currency
    return {
        "id": f"txn_{one.number}", "product_id": one.product_id, "type": one.kind, "status": one.status,
        "channel_category": one.payment.fields["payment_method"], "channel_code": one.payment.fields["payment_channel"],
        "reference_id": one.reference, "account_identifier": None, "currency": currency,
        "amount": rules.major(one.amount, currency), "net_amount": rules.major(one.net, currency),
        "net_amount_currency": currency, "cashflow": "MONEY_OUT" if one.sign < 0 else "MONEY_IN",
        "settlement_status": one.settlement_status, "estimated_settlement_time": rules.moment(one.updated_ms),
        "fee": {
            "xendit_fee": rules.major(one.fee, currency), "value_added_tax": rules.major(one.vat, currency),
            "xendit_withholding_tax": 0, "third_party_withholding_tax": 0, "status": "COMPLETED" if one.fee else "NOT_APPLICABLE",
        },
        "product_data": {} if one.kind == "REFUND" else {"payment_link_id": one.payment.fields["id"] or None},
        "business_id": one.payment.merchant, "created": rules.moment(one.created_ms), "updated": rules.moment(one.updated_ms),
    }  # fmt: skip


def _row(one: Movement) -> dict[str, str]:
    currency = one.payment.currency
    return {
        "Status": one.status, "Type": one.kind, "Channel": one.payment.fields["payment_method"],
        "Channel Name": one.payment.fields["payment_channel"], "Currency": currency,
        "Amount": str(rules.major(one.sign * one.amount, currency)), "Total Fee": str(rules.major(one.fee, currency)),
        "Total VAT": str(rules.major(one.vat, currency)), "Net Amount": str(rules.major(one.sign * one.net, currency)),
        "Reference": one.reference, "Transaction ID": f"txn_{one.number}",
        "Invoice ID": "" if one.kind == "REFUND" else one.payment.fields["id"], "Product ID": one.product_id,
        "Payment Date": rules.moment(one.created_ms), "Timestamp - Created": rules.moment(one.created_ms),
        "Timestamp - Updated": rules.moment(one.updated_ms),
        "Actual Settlement Time": rules.moment(one.updated_ms) if one.settlement_status != "PENDING" else "",
        "Timezone": "UTC", "Settlement Status": one.settlement_status or "",
    }  # fmt: skip
