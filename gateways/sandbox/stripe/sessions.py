"""Stripe's API of Checkout Sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateways.sandbox.state import Payment, Stage, now_ms
from gateways.sandbox.stripe import form, objects, rules
from gateways.sandbox.stripe.gate import Call
from gateways.sandbox.stripe.opening import Opening, expanded, metadata_error, unknown
from gateways.sandbox.stripe.rules import error, missing
from gateways.sandbox.web import Response, json_response

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


class Sessions:
    """Calls about hosted pages."""

    def __init__(self, opening: Opening, *, announce: Callable[[Payment], None]) -> None:
        self.opening, self._announce = opening, announce
        self.sandbox, self.book, self.lifecycle = opening.sandbox, opening.book, opening.lifecycle

    def create(self, call: Call) -> Response:
        """POST /v1/checkout/sessions."""
        fields = call.fields
        items = form.items_of(fields.get("line_items"))
        wrong = unknown(fields, SESSION_FIELDS) or _session_error(fields, items)
        if wrong is not None:
            return wrong
        currency = form.text_of(items[0], "price_data", "currency")
        amount = sum(int(item["price_data"]["unit_amount"]) * int(item.get("quantity", "1")) for item in items)
        problem = rules.wrong_amount(str(amount), currency)
        if problem is not None:
            return error(400, code=problem[0], message=problem[1], param="line_items")
        expires = form.text_of(fields, "expires_at")
        data = fields.get("payment_intent_data", {})
        payment = self.opening.opened(
            call, amount=amount, currency=currency, metadata=fields.get("metadata", {}),
            intent_metadata=data.get("metadata", {}), manual=data.get("capture_method") == "manual",
            description=data.get("description", "") or form.text_of(items[0], "price_data", "product_data", "name"),
            return_url=form.text_of(fields, "success_url"), session=True,
            expires_ms=int(expires) * 1000 if expires else now_ms() + 86_400_000,
        )  # fmt: skip
        answer = json_response(self.session(payment, call))
        self.opening.pay_at_once(payment)
        return answer

    def list(self, call: Call) -> Response:
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

    def get(self, call: Call) -> Response:
        """GET /v1/checkout/sessions/{id}."""
        payment = self._session(call)
        if payment is None:
            return missing("checkout.session", call.id)
        self.lifecycle.expire_if_due(payment)
        return json_response(self.session(payment, call))

    def expire(self, call: Call) -> Response:
        """POST /v1/checkout/sessions/{id}/expire."""
        payment = self._session(call)
        if payment is None:
            return missing("checkout.session", call.id)
        with self.sandbox.world.lock:
            self.lifecycle.expire_if_due(payment)
            if payment.stage is not Stage.WAITING:
                status = payment.fields["session_status"]
                return error(400, message=f"Only Checkout Sessions that are open can be expired. This one is {status}.")
            self.lifecycle.expire(payment)
        self._announce(payment)
        return json_response(self.session(payment, call))

    def session(self, payment: Payment, call: Call | None = None) -> dict[str, Any]:
        """A session as it is shown now."""
        page = f"{self.sandbox.settings.public_url}/c/pay/{payment.token}"
        return objects.session(payment, page=page, expand=expanded(call) if call else ())

    def _session(self, call: Call) -> Payment | None:
        payment = self.book.find(call.merchant, call.id)
        return payment if payment is not None and payment.fields["session"] == call.id else None


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
    return metadata_error(fields.get("metadata")) or metadata_error(inner)
