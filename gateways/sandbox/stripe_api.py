"""Stripe's API of payments: PaymentIntents and Checkout Sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateways.sandbox import stripe_form as form
from gateways.sandbox import stripe_objects as objects
from gateways.sandbox import stripe_rules as rules
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Sandbox
from gateways.sandbox.state import Payment, Stage, new_token, now_ms
from gateways.sandbox.stripe_gate import Call
from gateways.sandbox.stripe_lifecycle import OPEN, Lifecycle
from gateways.sandbox.stripe_objects import Book
from gateways.sandbox.stripe_rules import BY_TOKEN, NAME, error, missing
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
SESSION_FIELDS: Final = frozenset(
    [
        "adaptive_pricing",
        "automatic_tax",
        "cancel_url",
        "client_reference_id",
        "currency",
        "customer",
        "customer_email",
        "expand",
        "expires_at",
        "invoice_creation",
        "line_items",
        "locale",
        "metadata",
        "mode",
        "payment_intent_data",
        "payment_method_types",
        "success_url",
        "ui_mode",
    ]
)
LIVE: Final = frozenset({"requires_capture", *OPEN})
"""States in which an intent may be cancelled."""


class Api:
    """Calls about payments. `announce` tells the merchant; `deliver` does so while the call still waits."""

    def __init__(
        self,
        sandbox: Sandbox,
        book: Book,
        lifecycle: Lifecycle,
        *,
        announce: Callable[[Payment], None],
        deliver: Callable[[Payment], None],
    ) -> None:
        self.sandbox, self.book, self.lifecycle = sandbox, book, lifecycle
        self._announce, self._deliver = announce, deliver

    # --- PaymentIntents ----------------------------------------------------------------------------------------------

    def create_intent(self, call: Call) -> Response:
        """POST /v1/payment_intents."""
        fields = call.fields
        wrong = _unknown(fields, INTENT_FIELDS) or _metadata_error(fields.get("metadata"))
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
        payment = self._opened(
            call, amount=int(amount), currency=currency, metadata={}, intent_metadata=fields.get("metadata", {}),
            manual=form.text_of(fields, "capture_method") == "manual", description=form.text_of(fields, "description"),
            return_url=form.text_of(fields, "return_url"), expires_ms=now_ms() + 365 * 86_400_000,
        )  # fmt: skip
        if form.text_of(fields, "confirm") == "true":
            return self._confirm(call, payment)
        answer = json_response(objects.intent(payment, expand=_expand(call)))
        self._pay_at_once(payment)
        return answer

    def list_intents(self, call: Call) -> Response:
        """GET /v1/payment_intents."""
        found = [
            objects.intent(one, expand=[name.removeprefix("data.") for name in _expand(call)])
            for one in self.book.of(call.merchant)
            if one.fields["intent_status"] != "none" and objects.within(one.created_ms // 1000, call.fields)
        ]
        return json_response(objects.listed(found, call.fields, path="/v1/payment_intents"))

    def get_intent(self, call: Call) -> Response:
        """GET /v1/payment_intents/{id}; a browser may, with the client_secret."""
        payment = self._intent(call)
        if payment is None or (call.public and call.fields.get("client_secret") != payment.fields["secret"]):
            return missing("payment_intent", call.id)
        return json_response(objects.intent(payment, expand=_expand(call)))

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
            return json_response(objects.intent(payment, expand=_expand(call)))
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
        return json_response(objects.intent(payment, expand=_expand(call)))

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
        return json_response(objects.intent(payment, expand=_expand(call)))

    # --- Checkout Sessions -------------------------------------------------------------------------------------------

    def create_session(self, call: Call) -> Response:
        """POST /v1/checkout/sessions."""
        fields = call.fields
        items = form.items_of(fields.get("line_items"))
        wrong = _unknown(fields, SESSION_FIELDS) or _session_error(fields, items)
        if wrong is not None:
            return wrong
        currency = form.text_of(items[0], "price_data", "currency")
        amount = sum(int(item["price_data"]["unit_amount"]) * int(item.get("quantity", "1")) for item in items)
        problem = rules.wrong_amount(str(amount), currency)
        if problem is not None:
            return error(400, code=problem[0], message=problem[1], param="line_items")
        expires = form.text_of(fields, "expires_at")
        data = fields.get("payment_intent_data", {})
        payment = self._opened(
            call, amount=amount, currency=currency, metadata=fields.get("metadata", {}),
            intent_metadata=data.get("metadata", {}), manual=data.get("capture_method") == "manual",
            description=data.get("description", "") or form.text_of(items[0], "price_data", "product_data", "name"),
            return_url=form.text_of(fields, "success_url"), session=True,
            expires_ms=int(expires) * 1000 if expires else now_ms() + 86_400_000,
        )  # fmt: skip
        answer = json_response(self.session(payment, call))
        self._pay_at_once(payment)
        return answer

    def list_sessions(self, call: Call) -> Response:
        """GET /v1/checkout/sessions; `payment_intent` narrows."""
        wanted = call.fields.get("payment_intent")
        found = [
            self.session(one, call)
            for one in self.book.of(call.merchant)
            if one.fields["session"]
            and wanted in (None, one.fields["intent"])
            and objects.within(one.created_ms // 1000, call.fields)
        ]
        return json_response(objects.listed(found, call.fields, path="/v1/checkout/sessions"))

    def get_session(self, call: Call) -> Response:
        """GET /v1/checkout/sessions/{id}."""
        payment = self._session(call)
        if payment is None:
            return missing("checkout.session", call.id)
        self.lifecycle.expire_if_due(payment)
        return json_response(self.session(payment, call))

    def expire_session(self, call: Call) -> Response:
        """POST /v1/checkout/sessions/{id}/expire."""
        payment = self._session(call)
        if payment is None:
            return missing("checkout.session", call.id)
        if payment.stage is not Stage.WAITING:
            return error(400, message="Only Checkout Sessions that are open can be expired.")
        self.lifecycle.expire(payment)
        self._announce(payment)
        return json_response(self.session(payment, call))

    def session(self, payment: Payment, call: Call | None = None) -> dict[str, Any]:
        """A session as it is shown now."""
        page = f"{self.sandbox.settings.public_url}/c/pay/{payment.token}"
        return objects.session(payment, page=page, expand=_expand(call) if call else ())

    # --- What both do ------------------------------------------------------------------------------------------------

    def _opened(
        self,
        call: Call,
        *,
        amount: int,
        currency: str,
        metadata: dict[str, str],
        intent_metadata: dict[str, str],
        manual: bool,
        description: str,
        return_url: str,
        expires_ms: int,
        session: bool = False,
    ) -> Payment:
        world, number, token = self.sandbox.world, self.sandbox.world.next_number(), new_token()
        intent = f"pi_3Sbx{number:016d}"
        reference = form.text_of(call.fields, "client_reference_id") or intent_metadata.get("attempt_id", "")
        order = reference or intent
        if (NAME, call.merchant.code, order) in world.payments:
            order = f"{order}.{number}"  # a reference is the merchant's own affair: it may come again
        payment = Payment(
            provider=NAME, merchant=call.merchant.code, order=order, amount=amount, currency=currency.upper(),
            token=token, created_ms=now_ms(), expires_ms=expires_ms, description=description, return_url=return_url,
            notify_url=call.merchant.keys["webhookUrl"], language=form.text_of(call.fields, "locale") or "en",
            changed_ms=now_ms(),
            fields={
                "number": number, "reference": reference, "intent": intent, "secret": f"{intent}_secret_{new_token()}",
                "intent_status": "none" if session else "requires_payment_method", "intent_metadata": intent_metadata,
                "session": f"cs_test_{token.replace('-', 'A').replace('_', 'B')}" if session else "",
                "session_status": "open" if session else "", "metadata": metadata, "manual": manual, "error": {},
                "next": {}, "charges": [], "card": "", "payment_method": "", "cancellation_reason": "", "refunded": 0,
                "disputes": [], "told": ["payment_intent.created"], "email": form.text_of(call.fields, "customer_email"),
                "cancel_url": form.text_of(call.fields, "cancel_url"),
            },
        )  # fmt: skip
        with world.lock:
            world.keep(payment)
            self.book.place(payment)
        world.record("created", provider=NAME, order=order, amount=amount)
        return payment

    def _pay_at_once(self, payment: Payment) -> None:
        early = self.sandbox.faults.take("create", payment.order, frozenset({Fault.IPN_BEFORE_REPLY}))
        if early:
            self.lifecycle.try_card(payment, rules.GOOD)
            self._deliver(payment)
        elif self.sandbox.settings.autopay:
            self.lifecycle.try_card(payment, rules.GOOD)
            self._announce(payment)

    def _intent(self, call: Call) -> Payment | None:
        payment = self.book.find(call.merchant, call.id)
        return payment if payment is not None and payment.fields["intent"] == call.id else None

    def _session(self, call: Call) -> Payment | None:
        payment = self.book.find(call.merchant, call.id)
        return payment if payment is not None and payment.fields["session"] == call.id else None


OUTCOME_CARDS: Final = {
    Outcome.PAY: rules.GOOD,
    Outcome.DECLINE: rules.DECLINED,
    Outcome.INSUFFICIENT: rules.POOR,
}


def _expand(call: Call) -> list[str]:
    return [str(name) for name in form.items_of(call.fields.get("expand"))]


def _unknown(fields: dict[str, Any], known: frozenset[str]) -> Response | None:
    names = sorted(set(fields) - known)
    if not names:
        return None
    return error(400, code="parameter_unknown", message=f"Received unknown parameter: {names[0]}", param=names[0])


def _metadata_error(metadata: object) -> Response | None:
    if metadata is None:
        return None
    is_good = isinstance(metadata, dict) and len(metadata) <= 50
    is_good = is_good and all(
        isinstance(value, str) and len(value) <= 500 and len(name) <= 40
        for name, value in (metadata.items() if isinstance(metadata, dict) else ())
    )
    return None if is_good else error(400, message="Metadata is too large or no set of texts.", param="metadata")


def _session_error(fields: dict[str, Any], items: list[Any]) -> Response | None:
    if form.text_of(fields, "mode") != "payment":
        return error(400, code="parameter_invalid_string", message="Only mode payment is played here.", param="mode")
    well_formed = all(
        form.text_of(item, "price_data", "unit_amount").isdigit()
        and form.text_of(item, "price_data", "product_data", "name")
        and (form.text_of(item, "quantity") or "1").isdigit()
        for item in items
        if isinstance(item, dict)
    )
    if not items or len(items) > 100 or not well_formed:
        return error(
            400, code="parameter_missing", message="Line items need a price, a name and a quantity.", param="line_items"
        )
    if not form.text_of(fields, "success_url").startswith(("http://", "https://")):
        return error(400, code="url_invalid", message="Not a valid URL", param="success_url")
    expires, (least, most) = form.text_of(fields, "expires_at"), rules.LINK_MINUTES
    if expires:
        minutes = (int(expires) - now_ms() / 1000) / 60 if expires.isdigit() else 0
        if not least <= minutes <= most:
            return error(
                400, message=f"expires_at must be {least} minutes to {most // 60} hours from now.", param="expires_at"
            )
    data = fields.get("payment_intent_data")
    inner = data.get("metadata") if isinstance(data, dict) else None
    return _metadata_error(fields.get("metadata")) or _metadata_error(inner)


def _unexpected(payment: Payment) -> Response:
    state = payment.fields["intent_status"]
    return error(
        400, code="payment_intent_unexpected_state", message=f"The PaymentIntent's status is {state}.",
        payment_intent=objects.intent(payment),
    )  # fmt: skip
