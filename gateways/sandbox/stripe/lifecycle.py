"""What can happen to a payment at Stripe: tried, proven, paid, held, captured, given up, expired."""

from __future__ import annotations

from typing import Any, Final

from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Payment, Stage, now_ms
from gateways.sandbox.stripe.objects import Book
from gateways.sandbox.stripe.rules import CARDS, NAME, WORDS, Card
from gateways.sandbox.web import BadRequest

OPEN: Final = frozenset({"none", "requires_payment_method", "requires_confirmation", "requires_action"})
"""States in which a card may be tried."""


class Lifecycle:
    """The only lines that change a payment after it was opened. `told` is what to tell the merchant then."""

    def __init__(self, sandbox: Sandbox, book: Book) -> None:
        self.sandbox, self.book = sandbox, book

    def is_open(self, payment: Payment) -> bool:
        """Whether a card may be tried."""
        self.expire_if_due(payment)
        return payment.stage is Stage.WAITING and payment.fields["intent_status"] in OPEN

    def try_card(self, payment: Payment, number: str, *, proven: bool = False) -> None:
        """Put a card to it. Raises BadRequest (409) where it has ended."""
        with self.sandbox.world.lock:
            if not self.is_open(payment):
                raise BadRequest(f"the payment has ended: {payment.stage}", status=409)
            card, fields = CARDS[number], payment.fields
            fields["card"], fields["payment_method"] = number, f"pm_3Sbx{self.sandbox.world.next_number()}"
            fields["error"], fields["next"] = {}, {}
            payment.changed_ms = now_ms()
            if card.needs_proof and not proven:
                self._ask_for_proof(payment)
            elif card.code:
                self._refuse(payment, card)
            else:
                self._take_money(payment, number)
            self._keep(payment)

    def refuse_proof(self, payment: Payment) -> None:
        """The cardholder did not prove who they are."""
        with self.sandbox.world.lock:
            if payment.fields["intent_status"] != "requires_action":
                raise BadRequest("nobody asked for proof", status=409)
            payment.changed_ms, payment.fields["next"] = now_ms(), {}
            self._note_error(
                payment, {"code": "payment_intent_authentication_failure", "message": WORDS["authentication"]}
            )
            self._keep(payment)

    def _ask_for_proof(self, payment: Payment) -> None:
        url = f"{self.sandbox.settings.public_url}/c/3ds/{payment.token}"
        payment.fields["intent_status"] = "requires_action"
        payment.fields["next"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": url, "return_url": payment.return_url},
        }
        payment.fields["told"] = ["payment_intent.requires_action"]

    def _refuse(self, payment: Payment, card: Card) -> None:
        error = {
            "code": card.code,
            "decline_code": card.decline,
            "message": WORDS.get(card.decline, WORDS["generic_decline"]),
        }
        if card.decline in ("lost_card", "stolen_card", "fraudulent"):
            error["message"] = WORDS["generic_decline"]
        made = self._charge(payment, status="failed", code=card.code, amount=payment.amount)
        self._note_error(payment, {**error, "charge": made["id"]})
        payment.fields["told"].append("charge.failed")

    def _note_error(self, payment: Payment, error: dict[str, Any]) -> None:
        payment.fields["error"] = {"type": "card_error", **error}
        payment.fields["intent_status"] = "requires_payment_method"
        payment.fields["told"] = ["payment_intent.payment_failed"]

    def _take_money(self, payment: Payment, number: str) -> None:
        fields = payment.fields
        moved = self.sandbox.take_money(payment, number=fields["number"])
        self._charge(payment, status="succeeded", amount=moved.amount)
        done = ["checkout.session.completed"] if fields["session"] else []
        fields["session_status"] = "complete" if fields["session"] else ""
        if fields["manual"]:
            payment.stage, fields["intent_status"] = Stage.AUTHORIZED, "requires_capture"
            fields["told"] = ["payment_intent.amount_capturable_updated", "charge.succeeded", *done]
        else:
            payment.stage, fields["intent_status"] = Stage.PAID, "succeeded"
            fields["told"] = ["payment_intent.succeeded", "charge.succeeded", *done]

    def _charge(self, payment: Payment, *, status: str, amount: int, code: str = "") -> dict[str, Any]:
        is_taken = status == "succeeded" and not payment.fields["manual"]
        made = {
            "id": f"ch_3Sbx{self.sandbox.world.next_number():016d}", "created_ms": payment.changed_ms, "amount": amount,
            "captured": is_taken, "captured_amount": amount if is_taken else 0, "captured_ms": payment.changed_ms,
            "status": status, "code": code, "card": payment.fields["card"],
        }  # fmt: skip
        payment.fields["charges"].append(made)
        return made

    def capture(self, payment: Payment, amount: int) -> None:
        """Take what was held, or a part of it."""
        made = payment.fields["charges"][-1]
        payment.changed_ms = now_ms()
        made |= {"captured": True, "captured_amount": amount, "captured_ms": payment.changed_ms}
        payment.transactions[-1].amount = amount
        payment.stage, payment.fields["intent_status"] = Stage.PAID, "succeeded"
        payment.fields["told"] = ["payment_intent.succeeded", "charge.captured"]
        self._keep(payment)

    def cancel(self, payment: Payment, reason: str) -> None:
        """Give it up, held money included."""
        payment.changed_ms = now_ms()
        payment.stage, payment.fields["intent_status"] = Stage.CANCELLED, "canceled"
        payment.fields["cancellation_reason"] = reason
        payment.transactions.clear()
        payment.fields["told"] = ["payment_intent.canceled"]
        self._keep(payment)

    def expire(self, payment: Payment) -> None:
        """Close a hosted page; a PaymentIntent has no life of its own and is given up by its merchant."""
        with self.sandbox.world.lock:
            if payment.stage is not Stage.WAITING:
                raise BadRequest(f"the payment has ended: {payment.stage}", status=409)
            if not payment.fields["session"]:
                self.cancel(payment, "expired")
                return
            payment.changed_ms, payment.stage = now_ms(), Stage.EXPIRED
            payment.fields["session_status"] = "expired"
            if payment.fields["intent_status"] != "none":
                payment.fields["intent_status"], payment.fields["cancellation_reason"] = "canceled", "expired"
            payment.fields["told"] = ["checkout.session.expired"]
            self._keep(payment)

    def expire_if_due(self, payment: Payment) -> None:
        """A page that nobody used in time is closed; who looks at it sees it first."""
        with self.sandbox.world.lock:
            if payment.fields["session"] and payment.stage is Stage.WAITING and now_ms() >= payment.expires_ms:
                self.expire(payment)

    def _keep(self, payment: Payment) -> None:
        self.sandbox.world.keep(payment)
        self.book.place(payment)
        moved = payment.transactions[-1] if payment.transactions else None
        self.sandbox.world.record(
            payment.stage, provider=NAME, order=payment.order, intent=payment.fields["intent_status"],
            transaction=moved.number if moved else 0, amount=moved.amount if moved else 0,
        )  # fmt: skip
