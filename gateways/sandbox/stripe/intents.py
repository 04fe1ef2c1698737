"""Stripe's API of PaymentIntents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateways.sandbox.state import Payment, now_ms
from gateways.sandbox.stripe import form, objects, rules
from gateways.sandbox.stripe.gate import Call
from gateways.sandbox.stripe.lifecycle import OPEN
from gateways.sandbox.stripe.opening import Opening, expanded, metadata_error, unknown
from gateways.sandbox.stripe.rules import BY_TOKEN, error, missing
from gateways.sandbox.web import Response, json_response

INTENT_FIELDS: Final = frozenset(
    [
        "amount",
        "automatic_payment_methods",
        "capture_method",
        "confirm",
        "confirmation_method",
        "currency",
        "customer",
        "description",
        "error_on_requires_action",
        "expand",
        "metadata",
        "off_session",
        "payment_method",
        "payment_method_types",
        "receipt_email",
        "return_url",
        "setup_future_usage",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
    ]
)
LIVE: Final = frozenset({"requires_capture", *OPEN})
"""States in which an intent may be cancelled."""


class Intents:
    """Calls about PaymentIntents."""

    def __init__(self, opening: Opening, *, announce: Callable[[Payment], None]) -> None:
        self.opening, self._announce = opening, announce
        self.sandbox, self.book, self.lifecycle = opening.sandbox, opening.book, opening.lifecycle

    def create(self, call: Call) -> Response:
        """POST /v1/payment_intents."""
        fields = call.fields
        wrong = unknown(fields, INTENT_FIELDS) or metadata_error(fields.get("metadata"))
        amount, currency = form.text_of(fields, "amount"), form.text_of(fields, "currency")
        if wrong is None and not amount:
            wrong = error(400, code="parameter_missing", message="Missing required param: amount.", param="amount")
        problem = rules.wrong_amount(amount, currency) if wrong is None else None
        if problem is not None:
            wrong = error(400, code=problem[0], message=problem[1], param=problem[2])
        if wrong is None and form.text_of(fields, "statement_descriptor"):
            wrong = error(400, message="Cards take statement_descriptor_suffix instead.", param="statement_descriptor")
        if wrong is not None:
            return wrong
        payment = self.opening.opened(
            call, amount=int(amount), currency=currency, metadata={}, intent_metadata=fields.get("metadata", {}),
            manual=form.text_of(fields, "capture_method") == "manual", description=form.text_of(fields, "description"),
            return_url=form.text_of(fields, "return_url"), expires_ms=now_ms() + 365 * 86_400_000,
        )  # fmt: skip
        if form.text_of(fields, "confirm") == "true":
            return self._confirm(call, payment)
        answer = json_response(objects.intent(payment, expand=expanded(call)))
        self.opening.pay_at_once(payment)
        return answer

    def list(self, call: Call) -> Response:
        """GET /v1/payment_intents."""
        found = [
            objects.intent(one, expand=[name.removeprefix("data.") for name in expanded(call)])
            for one in self.book.of(call.merchant)
            if one.fields["intent_status"] != "none" and objects.within(one.created_ms // 1000, call.fields)
        ]
        return json_response(objects.listed(found, call.fields, path="/v1/payment_intents"))

    def get(self, call: Call) -> Response:
        """GET /v1/payment_intents/{id}; a browser may, with the client_secret."""
        payment = self._intent(call)
        if payment is None or (call.public and call.fields.get("client_secret") != payment.fields["secret"]):
            return missing("payment_intent", call.id)
        return json_response(objects.intent(payment, expand=expanded(call)))

    def confirm(self, call: Call) -> Response:
        """POST /v1/payment_intents/{id}/confirm."""
        payment = self._intent(call)
        if payment is None or (call.public and call.fields.get("client_secret") != payment.fields["secret"]):
            return missing("payment_intent", call.id)
        return self._confirm(call, payment)

    def _confirm(self, call: Call, payment: Payment) -> Response:
        if payment.fields["session"]:
            return error(400, message="A PaymentIntent of a Checkout Session is confirmed on its page only.")
        token = form.text_of(call.fields, "payment_method")
        number = BY_TOKEN.get(token)
        if number is None:
            if not token:
                return error(
                    400, code="parameter_missing", message="A payment method is needed.", param="payment_method"
                )
            return missing("payment_method", token)
        payment.return_url = form.text_of(call.fields, "return_url") or payment.return_url
        if rules.CARDS[number].needs_proof and not payment.return_url:
            return error(400, code="parameter_missing", message="A return_url is needed.", param="return_url")
        with self.sandbox.world.lock:
            if not self.lifecycle.is_open(payment):
                return _unexpected(payment)
            self.lifecycle.try_card(payment, number)
        self._announce(payment)
        return self._card_answer(call, payment)

    def _card_answer(self, call: Call, payment: Payment) -> Response:
        problem = payment.fields["error"]
        if not problem:
            return json_response(objects.intent(payment, expand=expanded(call)))
        return error(
            402, kind="card_error", code=problem["code"], message=problem["message"],
            **({"decline_code": problem["decline_code"]} if problem.get("decline_code") else {}),
            **({"charge": problem["charge"]} if problem.get("charge") else {}),
            payment_intent=objects.intent(payment),
        )  # fmt: skip

    def capture(self, call: Call) -> Response:
        """POST /v1/payment_intents/{id}/capture."""
        payment = self._intent(call)
        if payment is None:
            return missing("payment_intent", call.id)
        wanted = form.text_of(call.fields, "amount_to_capture")
        with self.sandbox.world.lock:
            if payment.fields["intent_status"] != "requires_capture":
                return _unexpected(payment)
            held = payment.transactions[-1].amount
            amount = int(wanted) if wanted.isdigit() else held
            if not 0 < amount <= held:
                return error(400, code="amount_too_large", message="More than is held.", param="amount_to_capture")
            self.lifecycle.capture(payment, amount)
        self._announce(payment)
        return json_response(objects.intent(payment, expand=expanded(call)))

    def cancel(self, call: Call) -> Response:
        """POST /v1/payment_intents/{id}/cancel."""
        payment = self._intent(call)
        if payment is None:
            return missing("payment_intent", call.id)
        with self.sandbox.world.lock:
            if payment.fields["session_status"] == "open":
                return error(400, message="A PaymentIntent of an open Checkout Session is cancelled by expiring that.")
            if payment.fields["intent_status"] not in LIVE:
                return _unexpected(payment)
            self.lifecycle.cancel(payment, form.text_of(call.fields, "cancellation_reason"))
        self._announce(payment)
        return json_response(objects.intent(payment, expand=expanded(call)))

    def _intent(self, call: Call) -> Payment | None:
        payment = self.book.find(call.merchant, call.id)
        return payment if payment is not None and payment.fields["intent"] == call.id else None


def _unexpected(payment: Payment) -> Response:
    state = payment.fields["intent_status"]
    return error(
        400, code="payment_intent_unexpected_state", message=f"The PaymentIntent's status is {state}.",
        payment_intent=objects.intent(payment),
    )  # fmt: skip
