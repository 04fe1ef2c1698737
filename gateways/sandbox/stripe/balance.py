"""The merchant's balance at Stripe: every movement, and the payouts that empty it."""

from __future__ import annotations

from typing import Any

from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, now_ms
from gateways.sandbox.stripe import form, objects, rules
from gateways.sandbox.stripe.gate import Call
from gateways.sandbox.stripe.money import Returns
from gateways.sandbox.stripe.objects import Book
from gateways.sandbox.stripe.rules import NAME, missing
from gateways.sandbox.web import BadRequest, Response, json_response


class Balance:
    """Calls about balance transactions and payouts. Payouts are kept as entries of the log, which outlives a restart."""

    def __init__(self, sandbox: Sandbox, book: Book, returns: Returns) -> None:
        self.sandbox, self.book, self.returns = sandbox, book, returns

    def list_transactions(self, call: Call) -> Response:
        """GET /v1/balance_transactions; `payout`, `type`, `source`, `currency` and `created` narrow."""
        fields, merchant = call.fields, call.merchant
        rows = self.transactions(merchant)
        wanted = fields.get("payout")
        if wanted is not None:
            payout = next((one for one in self._payouts(merchant) if one["id"] == wanted), None)
            if payout is None:
                return missing("payout", str(wanted))
            inside = set(payout["transactions"])
            rows = [row for row in rows if row["id"] in inside] + [_own_row(payout)]
        rows = [
            row
            for row in rows
            if objects.within(row["created"], fields)
            and all(fields.get(name) in (None, row[name]) for name in ("type", "source", "currency"))
        ]
        rows.sort(key=lambda row: (row["created"], row["id"]), reverse=True)
        if "data.source" in form.items_of(fields.get("expand")):
            rows = [{**row, "source": self._source(row["source"], merchant)} for row in rows]
        return json_response(objects.listed(rows, fields, path="/v1/balance_transactions"))

    def list_payouts(self, call: Call) -> Response:
        """GET /v1/payouts."""
        rows = [_shown(one) for one in reversed(self._payouts(call.merchant))]
        rows = [row for row in rows if objects.within(row["created"], call.fields)]
        return json_response(objects.listed(rows, call.fields, path="/v1/payouts"))

    def get_payout(self, call: Call) -> Response:
        """GET /v1/payouts/{id}."""
        for one in self._payouts(call.merchant):
            if one["id"] == call.id:
                return json_response(_shown(one))
        return missing("payout", call.id)

    def pay_out(self, merchant: Merchant, currency: str, *, reconciliation: str) -> dict[str, Any]:
        """Pay out all that is there in a currency. Raises BadRequest (409) where that is nothing."""
        with self.sandbox.world.lock:
            gone = {identifier for one in self._payouts(merchant) for identifier in one["transactions"]}
            rows = [row for row in self.transactions(merchant) if row["id"] not in gone and row["currency"] == currency]
            total = sum(row["net"] for row in rows)
            if total <= 0:
                raise BadRequest(f"there is nothing to pay out in {currency}", status=409)
            payout = {
                "id": f"po_3Sbx{self.sandbox.world.next_number():016d}", "merchant": merchant.code, "amount": total,
                "currency": currency, "created": now_ms() // 1000, "reconciliation_status": reconciliation,
                "transactions": [row["id"] for row in rows],
            }  # fmt: skip
            self.sandbox.world.record("payout", provider=NAME, payout=payout)
        return _shown(payout)

    def transactions(self, merchant: Merchant) -> list[dict[str, Any]]:
        """Every movement of a merchant's balance."""
        rows: list[dict[str, Any]] = []
        for payment in self.book.of(merchant):
            rows += [_charged(payment, one) for one in payment.fields["charges"] if one["captured_amount"]]
            rows += [
                objects.movement(payment, data, one) for data in payment.fields["disputes"] for one in data["movements"]
            ]
        for refund in self.book.refunds_of(merchant):
            self.returns.decide_if_due(refund)
            payment = self.sandbox.world.payments[NAME, merchant.code, refund.payment]
            rows += _refunded(payment, refund)
        return rows

    def _payouts(self, merchant: Merchant) -> list[dict[str, Any]]:
        with self.sandbox.world.lock:
            found = [
                one["payout"] for one in self.sandbox.world.log if one["event"] == "payout" and one["provider"] == NAME
            ]
        return [one for one in found if isinstance(one, dict) and one["merchant"] == merchant.code]

    def _source(self, identifier: str, merchant: Merchant) -> object:
        """The object that moved the balance."""
        payment = self.book.find(merchant, identifier)
        if payment is not None:
            for one in payment.fields["charges"]:
                if one["id"] == identifier:
                    return objects.charge(payment, one)
            for one in payment.fields["disputes"]:
                if one["id"] == identifier:
                    return objects.dispute(payment, one)
        for refund in self.book.refunds_of(merchant):
            if refund.fields["id"] == identifier:
                return objects.refund(refund, self.sandbox.world.payments[NAME, merchant.code, refund.payment])
        return next((_shown(one) for one in self._payouts(merchant) if one["id"] == identifier), identifier)


def _charged(payment: Payment, one: dict[str, Any]) -> dict[str, Any]:
    amount = one["captured_amount"]
    return objects.transaction(
        payment, identifier=f"txn_{one['id'].replace('_', '')}", kind="charge", amount=amount,
        fee=rules.fee_of(amount, payment.currency.lower()), source=one["id"], at_ms=one["captured_ms"], category="charge",
        text=payment.description,
    )  # fmt: skip


def _refunded(payment: Payment, refund: Refund) -> list[dict[str, Any]]:
    if refund.stage is Stage.PENDING:
        return []
    name = refund.fields["id"].replace("_", "")
    out = objects.transaction(
        payment, identifier=f"txn_{name}", kind="refund", amount=-refund.amount, fee=0, source=refund.fields["id"],
        at_ms=refund.created_ms, category="refund", text=f"REFUND FOR CHARGE ({payment.description})",
    )  # fmt: skip
    if refund.stage is not Stage.REJECTED:
        return [out]
    back = objects.transaction(
        payment, identifier=f"txn_failed{name}", kind="refund_failure", amount=refund.amount, fee=0,
        source=refund.fields["id"], at_ms=refund.done_after_ms, category="refund_failure",
        text=f"REFUND FAILURE ({payment.description})",
    )  # fmt: skip
    return [out, back]


def _shown(payout: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": payout["id"], "object": "payout", "amount": payout["amount"], "arrival_date": payout["created"],
        "automatic": True, "balance_transaction": f"txn_{payout['id'].replace('_', '')}", "created": payout["created"],
        "currency": payout["currency"], "livemode": False, "metadata": {}, "method": "standard",
        "reconciliation_status": payout["reconciliation_status"], "status": "paid", "type": "bank_account",
    }  # fmt: skip


def _own_row(payout: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"txn_{payout['id'].replace('_', '')}", "object": "balance_transaction", "amount": -payout["amount"],
        "available_on": payout["created"], "created": payout["created"], "currency": payout["currency"],
        "description": "STRIPE PAYOUT", "exchange_rate": None, "fee": 0, "fee_details": [], "net": -payout["amount"],
        "reporting_category": "payout", "source": payout["id"], "status": "available", "type": "payout",
    }  # fmt: skip
