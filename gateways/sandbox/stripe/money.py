"""Stripe's API of money that goes back: refunds, disputes and the files that answer them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, now_ms
from gateways.sandbox.stripe import form, objects, rules
from gateways.sandbox.stripe.gate import Call
from gateways.sandbox.stripe.objects import Book
from gateways.sandbox.stripe.rules import CARDS, NAME, error, missing
from gateways.sandbox.web import BadRequest, Response, json_response

SLOW_SECONDS: Final = 1.0
"""How long a refund to a card that is slow, or that fails later, takes."""
RESPONSE_DAYS: Final = 7
GONE: Final = (Stage.PAID, Stage.PENDING)

Tell = Callable[[Payment, str, dict[str, Any], float], None]
"""Sends the merchant an event about an object, after so many seconds."""


class Returns:
    """Calls about refunds, disputes and files."""

    def __init__(self, sandbox: Sandbox, book: Book, *, tell: Tell) -> None:
        self.sandbox, self.book, self._tell = sandbox, book, tell
        self._files: dict[tuple[str, str], str] = {}

    # --- Refunds -----------------------------------------------------------------------------------------------------

    def create_refund(self, call: Call) -> Response:
        """POST /v1/refunds."""
        target = form.text_of(call.fields, "payment_intent") or form.text_of(call.fields, "charge")
        payment = self.book.find(call.merchant, target)
        if payment is None:
            return missing("payment_intent", target)
        wanted = form.text_of(call.fields, "amount")
        with self.sandbox.world.lock:
            refusal = self._refusal(payment, wanted)
            if refusal is not None:
                return refusal
            left = payment.fields["charges"][-1]["captured_amount"] - self._refunded(payment)
            refund = self._booked(call, payment, int(wanted) if wanted else left)
        self._tell_refund(payment, refund)
        return json_response(objects.refund(refund, payment))

    def _refusal(self, payment: Payment, wanted: str) -> Response | None:
        if payment.stage is not Stage.PAID:
            return error(400, message="This PaymentIntent does not have a successful charge to refund.")
        if any(
            not one["status"].startswith("warning_") and one["status"] != "won" for one in payment.fields["disputes"]
        ):
            return error(400, code="charge_disputed", message="The charge has been charged back.")
        left = payment.fields["charges"][-1]["captured_amount"] - self._refunded(payment)
        if left <= 0:
            return error(400, code="charge_already_refunded", message="The charge has been refunded already.")
        if wanted and (not wanted.isdigit() or int(wanted) <= 0):
            return error(400, code="parameter_invalid_integer", message="Invalid positive integer", param="amount")
        if wanted and int(wanted) > left:
            return error(400, message=f"The refund is greater than the unrefunded amount ({left}).", param="amount")
        return None

    def _booked(self, call: Call, payment: Payment, amount: int) -> Refund:
        world, number = self.sandbox.world, self.sandbox.world.next_number()
        card = CARDS[payment.fields["charges"][-1]["card"]]
        metadata = call.fields.get("metadata", {})
        reference = str(metadata.get("refund_id", "")) or f"re_3Sbx{number:016d}"
        slow = self.sandbox.faults.take("refund", reference, frozenset({Fault.REFUND_PENDING}))
        wait = slow[Fault.REFUND_PENDING].seconds if slow else SLOW_SECONDS if card.refund else 0.0
        refund = Refund(
            provider=NAME, merchant=payment.merchant, order=reference, payment=payment.order,
            request=call.request.headers.get("idempotency-key", ""), transaction=payment.fields["number"], amount=amount,
            number=number, created_ms=now_ms(), stage=Stage.PENDING if slow or card.refund == "pending" else Stage.PAID,
            code=0, done_after_ms=now_ms() + int(wait * 1000),
            fields={"id": f"re_3Sbx{number:016d}", "charge": payment.fields["charges"][-1]["id"], "metadata": metadata,
                    "reason": form.text_of(call.fields, "reason"), "fails": card.refund == "fails", "wait": wait},
        )  # fmt: skip
        world.keep(refund)
        payment.fields["refunded"] += amount
        world.keep(payment)
        world.record("refund", provider=NAME, order=reference, payment=payment.order, amount=amount)
        return refund

    def _tell_refund(self, payment: Payment, refund: Refund) -> None:
        self._tell(payment, "refund.created", objects.refund(refund, payment), 0.0)
        if refund.stage is Stage.PENDING:
            self._tell(
                payment, "refund.updated", objects.refund(refund, payment, status="succeeded"), refund.fields["wait"]
            )
        elif refund.fields["fails"]:
            failed = objects.refund(refund, payment, status="failed")
            self._tell(payment, "refund.failed", failed, refund.fields["wait"])

    def get_refund(self, call: Call) -> Response:
        """GET /v1/refunds/{id}."""
        for refund in self.book.refunds_of(call.merchant):
            if refund.fields["id"] == call.id:
                return json_response(self._shown(refund))
        return missing("refund", call.id)

    def list_refunds(self, call: Call) -> Response:
        """GET /v1/refunds; `payment_intent` and `charge` narrow."""
        wanted = call.fields.get("payment_intent") or call.fields.get("charge")
        payment = self.book.find(call.merchant, wanted) if wanted else None
        found = [
            self._shown(one)
            for one in self.book.refunds_of(call.merchant)
            if (payment is None or one.payment == payment.order) and objects.within(one.created_ms // 1000, call.fields)
        ]
        return json_response(objects.listed(found, call.fields, path="/v1/refunds"))

    def decide_if_due(self, refund: Refund) -> None:
        """A slow refund is done, or an optimistic one fails, once its time has come."""
        if now_ms() < refund.done_after_ms:
            return
        if refund.stage is Stage.PENDING:
            refund.stage = Stage.PAID
        elif refund.stage is Stage.PAID and refund.fields["fails"]:
            refund.stage = Stage.REJECTED
            payment = self._payment_of(refund)
            payment.fields["refunded"] -= refund.amount
        else:
            return
        self.sandbox.world.keep(refund)

    def _shown(self, refund: Refund) -> dict[str, Any]:
        with self.sandbox.world.lock:
            self.decide_if_due(refund)
        return objects.refund(refund, self._payment_of(refund))

    def _payment_of(self, refund: Refund) -> Payment:
        return self.sandbox.world.payments[NAME, refund.merchant, refund.payment]

    def _refunded(self, payment: Payment) -> int:
        refunds = self.sandbox.world.refunds_of(payment)
        for refund in refunds:
            self.decide_if_due(refund)
        return sum(refund.amount for refund in refunds if refund.stage in GONE)

    # --- Disputes ----------------------------------------------------------------------------------------------------

    def open_dispute(self, payment: Payment, *, reason: str = "fraudulent", inquiry: bool = False) -> dict[str, Any]:
        """The cardholder disputes. Raises BadRequest (409) where nothing was paid or it is disputed already."""
        with self.sandbox.world.lock:
            if payment.stage is not Stage.PAID or payment.fields["disputes"]:
                raise BadRequest("only a paid and undisputed payment can be disputed", status=409)
            charge = payment.fields["charges"][-1]
            data: dict[str, Any] = {
                "id": f"du_3Sbx{self.sandbox.world.next_number():016d}", "charge": charge["id"], "reason": reason,
                "amount": charge["captured_amount"], "created_ms": now_ms(), "movements": [], "evidence": {},
                "status": "warning_needs_response" if inquiry else "needs_response", "submissions": 0,
                "due_by": now_ms() // 1000 + RESPONSE_DAYS * 86_400,
            }  # fmt: skip
            payment.fields["disputes"].append(data)
            if not inquiry:
                fee = rules.dispute_fee(payment.currency.lower())
                self._move(data, -data["amount"], fee=fee)
            self._keep(payment)
        self.sandbox.world.record("dispute", provider=NAME, order=payment.order, amount=data["amount"])
        self._say(payment, data, "charge.dispute.created")
        if not inquiry:
            self._say(payment, data, "charge.dispute.funds_withdrawn")
        return objects.dispute(payment, data)

    def get_dispute(self, call: Call) -> Response:
        """GET /v1/disputes/{id}."""
        found = self._dispute(call.merchant, call.id)
        return json_response(objects.dispute(*found)) if found else missing("dispute", call.id)

    def answer_dispute(self, call: Call) -> Response:
        """POST /v1/disputes/{id}: evidence; with submit=true it is decided by Stripe's test texts."""
        found = self._dispute(call.merchant, call.id)
        if found is None:
            return missing("dispute", call.id)
        payment, data = found
        given = call.fields.get("evidence", {})
        files = {value for name, value in given.items() if not name.endswith("_text")}
        if any((call.merchant.code, value) not in self._files for value in files):
            return error(400, code="resource_missing", message="No such file upload", param="evidence")
        with self.sandbox.world.lock:
            if not data["status"].endswith("needs_response"):
                return error(400, message=f"The dispute is {data['status']} and takes no evidence.")
            data["evidence"] |= given
            if form.text_of(call.fields, "submit") == "true":
                data["submissions"] += 1
                data["status"] = data["status"].replace("needs_response", "under_review")
            self._keep(payment)
        self._say(payment, data, "charge.dispute.updated")
        if data["status"].endswith("under_review"):
            self._judge(payment, data, str(data["evidence"].get("uncategorized_text", "")))
        return json_response(objects.dispute(payment, data))

    def close_dispute(self, call: Call) -> Response:
        """POST /v1/disputes/{id}/close: the merchant gives it up."""
        found = self._dispute(call.merchant, call.id)
        if found is None:
            return missing("dispute", call.id)
        payment, data = found
        if not data["status"].endswith("needs_response"):
            return error(400, message=f"The dispute is {data['status']} and cannot be closed.")
        self.end_dispute(payment, data, "lost")
        return json_response(objects.dispute(payment, data))

    def end_dispute(self, payment: Payment, data: dict[str, Any], end: str) -> None:
        """The bank decides: won (the money comes back) or lost."""
        with self.sandbox.world.lock:
            was_inquiry = data["status"].startswith("warning_")
            data["status"] = "warning_closed" if was_inquiry and end == "won" else end
            gone = sum(one["amount"] for one in data["movements"])
            if end == "won" and gone < 0:
                self._move(data, -gone, fee=0)
            self._keep(payment)
        if end == "won" and gone < 0:
            self._say(payment, data, "charge.dispute.funds_reinstated")
        self._say(payment, data, "charge.dispute.closed")

    def _judge(self, payment: Payment, data: dict[str, Any], text: str) -> None:
        if rules.WINNING in text:
            self.end_dispute(payment, data, "won")
        elif rules.LOSING in text:
            self.end_dispute(payment, data, "lost")
        elif rules.ESCALATING in text and data["status"].startswith("warning_"):
            with self.sandbox.world.lock:
                data["status"] = "needs_response"
                self._move(data, -data["amount"], fee=rules.dispute_fee(payment.currency.lower()))
                self._keep(payment)
            self._say(payment, data, "charge.dispute.funds_withdrawn")

    def _move(self, data: dict[str, Any], amount: int, *, fee: int) -> None:
        identifier = f"txn_3Sbx{self.sandbox.world.next_number():016d}"
        data["movements"].append({"id": identifier, "amount": amount, "fee": fee, "at_ms": now_ms()})

    def _say(self, payment: Payment, data: dict[str, Any], kind: str) -> None:
        self._tell(payment, kind, objects.dispute(payment, data), 0.0)

    def _dispute(self, merchant: Merchant, identifier: str) -> tuple[Payment, dict[str, Any]] | None:
        payment = self.book.find(merchant, identifier)
        data = next((one for one in payment.fields["disputes"] if one["id"] == identifier), None) if payment else None
        return (payment, data) if payment is not None and data is not None else None

    def _keep(self, payment: Payment) -> None:
        self.sandbox.world.keep(payment)
        self.book.place(payment)

    # --- Files -------------------------------------------------------------------------------------------------------

    def create_file(self, call: Call) -> Response:
        """POST /v1/files, as multipart."""
        parts = form.parts_of(call.request.body, call.request.headers.get("content-type", ""))
        purpose = parts.get("purpose", b"").decode()
        if not purpose or not parts.get("file"):
            return error(400, code="parameter_missing", message="A purpose and a file are needed.", param="file")
        identifier = f"file_3Sbx{self.sandbox.world.next_number():016d}"
        self._files[call.merchant.code, identifier] = purpose
        size = len(parts["file"])
        return json_response(
            {"id": identifier, "object": "file", "created": now_ms() // 1000, "purpose": purpose, "size": size}
        )
