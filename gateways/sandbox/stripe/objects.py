"""Stripe's objects as its API shows them, drawn from what the sandbox keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateways.sandbox.state import Merchant, Payment, Refund, Stage, World
from gateways.sandbox.stripe.rules import CARDS, NAME, VERSION

API_NAMES: Final = {Stage.PAID: "succeeded", Stage.PENDING: "pending", Stage.REJECTED: "failed"}


class Book:
    """Which payment an id of Stripe's belongs to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._by_id: dict[str, Payment] = {}
        for payment in world.payments.values():
            if payment.provider == NAME:
                self.place(payment)

    def place(self, payment: Payment) -> None:
        """Learn a payment's ids."""
        fields = payment.fields
        known = [fields["session"], fields["intent"]]
        known += [one["id"] for one in [*fields["charges"], *fields["disputes"]]]
        self._by_id.update({identifier: payment for identifier in known if identifier})

    def find(self, merchant: Merchant, identifier: str) -> Payment | None:
        """A merchant's payment by the id of anything in it."""
        payment = self._by_id.get(identifier)
        return payment if payment is not None and payment.merchant == merchant.code else None

    def order_of(self, identifier: str) -> str:
        """The order that an id belongs to, for faults and the log."""
        payment = self._by_id.get(identifier)
        return payment.order if payment else ""

    def of(self, merchant: Merchant) -> list[Payment]:
        """A merchant's payments, newest first."""
        with self.world.lock:
            found = [
                one for one in self.world.payments.values() if (one.provider, one.merchant) == (NAME, merchant.code)
            ]
        return sorted(found, key=lambda one: (-one.created_ms, -one.fields["number"]))

    def refunds_of(self, merchant: Merchant) -> list[Refund]:
        """A merchant's refunds, newest first."""
        with self.world.lock:
            found = [
                one for one in self.world.refunds.values() if (one.provider, one.merchant) == (NAME, merchant.code)
            ]
        return sorted(found, key=lambda one: (-one.created_ms, -one.number))


def intent(payment: Payment, *, expand: Sequence[str] = ()) -> dict[str, Any]:
    """A PaymentIntent."""
    fields = payment.fields
    last = fields["charges"][-1] if fields["charges"] else None
    latest: object = last["id"] if last else None
    if last and "latest_charge" in expand:
        latest = charge(payment, last)
    status = fields["intent_status"]
    return {
        "id": fields["intent"], "object": "payment_intent", "amount": payment.amount,
        "amount_capturable": payment.transactions[-1].amount if status == "requires_capture" else 0,
        "amount_received": payment.transactions[-1].amount if status == "succeeded" else 0,
        "cancellation_reason": fields["cancellation_reason"] or None,
        "canceled_at": payment.changed_ms // 1000 if status == "canceled" else None,
        "capture_method": "manual" if fields["manual"] else "automatic_async", "client_secret": fields["secret"],
        "created": payment.created_ms // 1000, "currency": payment.currency.lower(), "customer": None,
        "description": payment.description, "last_payment_error": fields["error"] or None, "latest_charge": latest,
        "livemode": False, "metadata": fields["intent_metadata"], "next_action": fields["next"] or None,
        "payment_method": fields["payment_method"] or None, "payment_method_types": ["card"], "receipt_email": None,
        "status": status,
    }  # fmt: skip


def charge(payment: Payment, data: dict[str, Any]) -> dict[str, Any]:
    """A charge: one try of a card that reached its bank."""
    number, is_good = data["card"], data["status"] == "succeeded"
    return {
        "id": data["id"], "object": "charge", "amount": data["amount"],
        "amount_captured": data["captured_amount"], "amount_refunded": 0, "balance_transaction": None,
        "captured": data["captured"], "created": data["created_ms"] // 1000, "currency": payment.currency.lower(),
        "description": payment.description, "disputed": bool(payment.fields["disputes"]),
        "failure_code": data.get("code") or None, "livemode": False, "metadata": payment.fields["intent_metadata"],
        "outcome": {"network_status": "approved_by_network" if is_good else "declined_by_network",
                    "type": "authorized" if is_good else "issuer_declined"},
        "paid": is_good, "payment_intent": payment.fields["intent"],
        "payment_method_details": {"type": "card", "card": {"brand": CARDS[number].brand, "last4": number[-4:]}},
        "refunded": payment.fields["refunded"] >= data["captured_amount"] > 0, "status": data["status"],
    }  # fmt: skip


def session(payment: Payment, *, page: str, expand: Sequence[str] = ()) -> dict[str, Any]:
    """A Checkout Session. Its PaymentIntent is there once somebody has tried to pay."""
    fields = payment.fields
    made: object = fields["intent"] if fields["intent_status"] != "none" else None
    if made and any(name.startswith("payment_intent") for name in expand):
        made = intent(payment, expand=["latest_charge"] if "payment_intent.latest_charge" in expand else [])
    is_paid = payment.stage is Stage.PAID
    total = payment.transactions[0].amount if is_paid else payment.amount
    return {
        "id": fields["session"], "object": "checkout.session", "amount_subtotal": total, "amount_total": total,
        "cancel_url": fields["cancel_url"] or None, "client_reference_id": fields["reference"] or None,
        "created": payment.created_ms // 1000, "currency": payment.currency.lower(), "customer": None,
        "customer_details": {"email": fields["email"] or None, "name": None} if fields["email"] else None,
        "expires_at": payment.expires_ms // 1000, "livemode": False, "locale": payment.language,
        "metadata": fields["metadata"], "mode": "payment", "payment_intent": made,
        "payment_method_types": ["card"], "payment_status": "paid" if is_paid else "unpaid",
        "status": fields["session_status"], "success_url": payment.return_url, "ui_mode": "hosted_page",
        "url": page if fields["session_status"] == "open" else None,
    }  # fmt: skip


def refund(one: Refund, payment: Payment, *, status: str = "") -> dict[str, Any]:
    """A refund. `status` overrules what it is now, for events of another moment."""
    status = status or one.fields.get("canceled") or API_NAMES[one.stage]
    return {
        "id": one.fields["id"], "object": "refund", "amount": one.amount,
        "balance_transaction": f"txn_{one.fields['id'].replace('_', '')}", "charge": one.fields["charge"],
        "created": one.created_ms // 1000, "currency": payment.currency.lower(),
        "metadata": one.fields["metadata"], "payment_intent": payment.fields["intent"],
        "reason": one.fields["reason"] or None, "status": status,
        **({"pending_reason": "processing"} if status == "pending" else {}),
        **({"failure_reason": "expired_or_canceled_card",
            "failure_balance_transaction": f"txn_failed{one.fields['id'].replace('_', '')}"} if status == "failed" else {}),
    }  # fmt: skip


def dispute(payment: Payment, data: dict[str, Any]) -> dict[str, Any]:
    """A dispute, with the movements that hang on it."""
    return {
        "id": data["id"], "object": "dispute", "amount": data["amount"],
        "balance_transactions": [movement(payment, data, one) for one in data["movements"]],
        "charge": data["charge"], "created": data["created_ms"] // 1000, "currency": payment.currency.lower(),
        "evidence": data["evidence"],
        "evidence_details": {"due_by": data["due_by"], "has_evidence": bool(data["evidence"]), "past_due": False,
                             "submission_count": data["submissions"]},
        "is_charge_refundable": data["status"].startswith("warning_"), "livemode": False, "metadata": {},
        "network_reason_code": "10.4", "payment_intent": payment.fields["intent"], "reason": data["reason"],
        "status": data["status"],
    }  # fmt: skip


def movement(payment: Payment, data: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """A balance transaction of a dispute: the withdrawal, or the money's return."""
    return transaction(
        payment, identifier=one["id"], kind="adjustment", amount=one["amount"], fee=one["fee"], source=data["id"],
        at_ms=one["at_ms"], category="dispute" if one["amount"] < 0 else "dispute_reversal",
        text=f"Chargeback {'withdrawal' if one['amount'] < 0 else 'reversal'} for {data['charge']}",
    )  # fmt: skip


def transaction(
    payment: Payment,
    *,
    identifier: str,
    kind: str,
    amount: int,
    fee: int,
    source: str,
    at_ms: int,
    category: str,
    text: str,
) -> dict[str, Any]:
    """A movement of the merchant's balance."""
    currency = payment.currency.lower()
    details = [{"type": "stripe_fee", "amount": fee, "currency": currency, "description": "Stripe processing fees"}]
    return {
        "id": identifier, "object": "balance_transaction", "amount": amount, "available_on": at_ms // 1000,
        "balance_type": "payments", "created": at_ms // 1000, "currency": currency, "description": text,
        "exchange_rate": None, "fee": fee, "fee_details": details if fee else [], "net": amount - fee,
        "reporting_category": category, "source": source, "status": "available", "type": kind,
    }  # fmt: skip


def event(number: int, kind: str, about: dict[str, Any], *, at_ms: int) -> dict[str, Any]:
    """A webhook event around a snapshot."""
    return {
        "id": f"evt_3Sbx{number:016d}", "object": "event", "api_version": VERSION, "created": at_ms // 1000,
        "data": {"object": about}, "livemode": False, "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None}, "type": kind,
    }  # fmt: skip


def listed(rows: Sequence[dict[str, Any]], fields: dict[str, Any], *, path: str) -> dict[str, Any]:
    """One page of a list."""
    limit = int(fields["limit"]) if str(fields.get("limit", "")).isdigit() else 10
    after = fields.get("starting_after", "")
    places = {row["id"]: place for place, row in enumerate(rows)}
    start = places[after] + 1 if after in places else 0
    page = list(rows[start : start + max(1, min(limit, 100))])
    return {"object": "list", "data": page, "has_more": start + len(page) < len(rows), "url": path}


def within(created: int, fields: dict[str, Any]) -> bool:
    """Whether a moment passes a list's `created` filter."""
    bounds = fields.get("created", {})
    tests = {
        "gte": created.__ge__, "gt": created.__gt__, "lte": created.__le__, "lt": created.__lt__,
    }  # fmt: skip
    given = bounds.items() if isinstance(bounds, dict) else [("gte", bounds), ("lte", bounds)]
    return all(tests[name](int(value)) for name, value in given if name in tests and str(value).isdigit())
