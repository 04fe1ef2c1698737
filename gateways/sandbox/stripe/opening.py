"""What opening a PaymentIntent and opening a Checkout Session have in common at Stripe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Payment, new_token, now_ms
from gateways.sandbox.stripe import form, rules
from gateways.sandbox.stripe.gate import Call
from gateways.sandbox.stripe.lifecycle import Lifecycle
from gateways.sandbox.stripe.objects import Book
from gateways.sandbox.stripe.rules import NAME, error
from gateways.sandbox.web import Response


class Opening:
    """Makes payments. `announce` tells the merchant; `deliver` does so while the call still waits."""

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

    def opened(
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
        """A payment as it is at first."""
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

    def pay_at_once(self, payment: Payment) -> None:
        """Pay it already, where a fault or a setting wants that."""
        early = self.sandbox.faults.take("create", payment.order, frozenset({Fault.IPN_BEFORE_REPLY}))
        if early:
            self.lifecycle.try_card(payment, rules.GOOD)
            self._deliver(payment)
        elif self.sandbox.settings.autopay:
            self.lifecycle.try_card(payment, rules.GOOD)
            self._announce(payment)


def expanded(call: Call) -> list[str]:
    """What the call wants whole instead of by its id."""
    return [str(name) for name in form.items_of(call.fields.get("expand"))]


def unknown(fields: dict[str, Any], known: frozenset[str]) -> Response | None:
    """Stripe's refusal of a parameter that it does not know."""
    names = sorted(set(fields) - known)
    if not names:
        return None
    return error(400, code="parameter_unknown", message=f"Received unknown parameter: {names[0]}", param=names[0])


def metadata_error(metadata: object) -> Response | None:
    """Stripe's refusal of metadata that is too large."""
    if metadata is None:
        return None
    is_good = isinstance(metadata, dict) and len(metadata) <= 50
    is_good = is_good and all(
        isinstance(value, str) and len(value) <= 500 and len(name) <= 40
        for name, value in (metadata.items() if isinstance(metadata, dict) else ())
    )
    return None if is_good else error(400, message="Metadata is too large or no set of texts.", param="metadata")
