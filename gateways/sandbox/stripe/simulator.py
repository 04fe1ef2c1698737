"""Stripe's side: its routes, its webhooks and its card page. The calls and pages are in its neighbours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Provider, Sandbox
from gateways.sandbox.state import Merchant, Payment, Stage, now_ms
from gateways.sandbox.stripe import objects, rules
from gateways.sandbox.stripe.balance import Balance
from gateways.sandbox.stripe.gate import Gate
from gateways.sandbox.stripe.intents import Intents
from gateways.sandbox.stripe.lifecycle import Lifecycle
from gateways.sandbox.stripe.money import Returns
from gateways.sandbox.stripe.objects import Book
from gateways.sandbox.stripe.opening import Opening
from gateways.sandbox.stripe.payer import Payer
from gateways.sandbox.stripe.rules import CARDS, NAME
from gateways.sandbox.stripe.sessions import Sessions
from gateways.sandbox.timetable import HOUR, Timetable
from gateways.sandbox.web import BadRequest, Request, Response, Route, json_response

KNOWN: Final = (  # invented, and plainly so
    ("acct_sandbox_one", "sk_test_sandbox_one", "pk_test_sandbox_one", "whsec_sandbox_one", ""),
    ("acct_sandbox_two", "sk_test_sandbox_two", "pk_test_sandbox_two", "whsec_sandbox_two", ""),
)


LIVE: Final = Timetable(
    pauses=tuple(hours * HOUR for hours in (1, 2, 4, 8, 16, 32)),
    answer_seconds=15.0,
    unconfirmed="the pauses; how long an answer is waited for",
)
"""Webhooks, automatic retries, live mode: for up to three days with an exponential back-off."""
OUTCOME_CARDS: Final = {
    Outcome.PAY: rules.GOOD,
    Outcome.DECLINE: rules.DECLINED,
    Outcome.INSUFFICIENT: rules.POOR,
}


class Stripe(Provider):
    """Cards."""

    name: ClassVar[str] = NAME
    key_names: ClassVar[tuple[str, ...]] = ("secretKey", "publishableKey", "webhookSecret", "webhookUrl")
    impossible: ClassVar[frozenset[Fault]] = frozenset({Fault.WRONG_CURRENCY})
    timetable: ClassVar[Timetable] = Timetable(
        pauses=(0.5 * HOUR, HOUR, 2 * HOUR),
        answer_seconds=15.0,
        unconfirmed="the pauses; how long an answer is waited for",
    )
    """Webhooks, automatic retries, sandboxes: three times in a few hours. An account with a live key has LIVE's."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.book = Book(sandbox.world)
        self.gate = Gate(sandbox.world)
        self.lifecycle = Lifecycle(sandbox, self.book)
        opening = Opening(sandbox, self.book, self.lifecycle, announce=self.announce, deliver=self._deliver)
        self.intents = Intents(opening, announce=self.announce)
        self.sessions = Sessions(opening, announce=self.announce)
        self.payer = Payer(sandbox, self.lifecycle, announce=self.announce)
        self.returns = Returns(sandbox, self.book, tell=self.tell)
        self.balance = Balance(sandbox, self.book, self.returns)

    def routes(self) -> list[Route]:
        """Paths as at Stripe; those under /c and /control are ours."""
        gate, returns, balance = self.gate, self.returns, self.balance
        calls = [
            ("POST", "/v1/payment_intents", "create", gate.post(self.intents.create)),
            ("GET", "/v1/payment_intents", "query", gate.get(self.intents.list)),
            ("GET", "/v1/payment_intents/{id}", "query", gate.get(self.intents.get, public=True)),
            ("POST", "/v1/payment_intents/{id}/confirm", "confirm", gate.post(self.intents.confirm, public=True)),
            ("POST", "/v1/payment_intents/{id}/capture", "capture", gate.post(self.intents.capture)),
            ("POST", "/v1/payment_intents/{id}/cancel", "cancel", gate.post(self.intents.cancel)),
            ("POST", "/v1/checkout/sessions", "create", gate.post(self.sessions.create)),
            ("GET", "/v1/checkout/sessions", "query", gate.get(self.sessions.list)),
            ("GET", "/v1/checkout/sessions/{id}", "query", gate.get(self.sessions.get)),
            ("POST", "/v1/checkout/sessions/{id}/expire", "close", gate.post(self.sessions.expire)),
            ("POST", "/v1/refunds", "refund", gate.post(returns.create_refund)),
            ("GET", "/v1/refunds", "refund_query", gate.get(returns.list_refunds)),
            ("GET", "/v1/refunds/{id}", "refund_query", gate.get(returns.get_refund)),
            ("GET", "/v1/disputes/{id}", "dispute_query", gate.get(returns.get_dispute)),
            ("POST", "/v1/disputes/{id}", "evidence", gate.post(returns.answer_dispute)),
            ("POST", "/v1/disputes/{id}/close", "dispute_close", gate.post(returns.close_dispute)),
            ("POST", "/v1/files", "file", gate.post(returns.create_file)),
            ("GET", "/v1/balance_transactions", "balance", gate.get(balance.list_transactions)),
            ("GET", "/v1/payouts", "payouts", gate.get(balance.list_payouts)),
            ("GET", "/v1/payouts/{id}", "payouts", gate.get(balance.get_payout)),
        ]
        return [
            *(
                Route(method=method, path=path, operation=operation, handler=handler, order_of=self._order_of)
                for method, path, operation, handler in calls
            ),
            *self.payer.routes(),
            Route(method="POST", path="/control/stripe/payments/{order}/dispute", handler=self.control_dispute),
            Route(method="POST", path="/control/stripe/disputes/{id}/{end}", handler=self.control_judgement),
            Route(method="POST", path="/control/stripe/payouts", handler=self.control_payout),
        ]

    def merchants(self) -> list[Merchant]:
        """Two accounts with invented keys. Where webhooks go is registered, not sent: the key `webhookUrl`."""
        return [
            Merchant(provider=NAME, code=code, keys=dict(zip(self.key_names, keys, strict=True)))
            for code, *keys in KNOWN
        ]

    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let it end so, and tell. A refused card leaves it open; what has ended takes no money `again`."""
        if outcome is Outcome.EXPIRE:
            self.lifecycle.expire(payment)
        else:
            self.lifecycle.try_card(payment, OUTCOME_CARDS[outcome], proven=True)
        self.announce(payment)

    def error(self, code: int) -> Response:
        """Stripe's error with this HTTP status; 99 is any mistake in the call."""
        if code == 402:
            text = rules.WORDS["generic_decline"]
            answer = rules.error(
                402, kind="card_error", code="card_declined", decline_code="generic_decline", message=text
            )
        elif code == 429:
            answer = rules.error(429, code="rate_limit", message="Too many requests")
        else:
            answer = rules.error(code if 400 <= code < 600 else 400, message="Something is wrong with this call")
        return self.gate.marked(answer)

    def tamper(self, response: Response) -> Response:
        """The same answer with another amount."""
        answer = json.loads(response.body)
        name = "amount_total" if "amount_total" in answer else "amount"
        answer[name] = int(answer.get(name) or 0) + 1
        return json_response(answer, response.status)

    def _order_of(self, request: Request) -> str:
        return self.book.order_of(request.arguments.get("id", ""))

    # --- telling the merchant ----------------------------------------------------------------------------------------

    def announce(self, payment: Payment) -> None:
        """Tell a result; some cards have a dispute in them."""
        super().announce(payment)
        card = CARDS.get(payment.fields["card"])
        if payment.stage is Stage.PAID and card is not None and card.dispute and not payment.fields["disputes"]:
            self.returns.open_dispute(payment, reason=card.dispute, inquiry=card.inquiry)

    def parcels(self, payment: Payment) -> tuple[list[Parcel], float]:
        """All events that tell one result. What a fault does to the first of them, it does to no other."""
        parcels, after_seconds = super().parcels(payment)
        if all(parcel.kind == "genuine" for parcel in parcels) and parcels:
            parcels += [self._about(payment, kind) for kind in payment.fields["told"][1:]]
        return parcels, after_seconds

    def notification(self, payment: Payment, kind: str) -> Parcel:
        """The event about the payment as it is now, or one of its bad likenesses."""
        told: str = payment.fields["told"][0]
        if kind == "processing":
            about = {**objects.intent(payment), "status": "processing", "amount_received": 0}
            return self._parcel(payment, "payment_intent.processing", about, kind=kind, at_ms=payment.changed_ms - 1500)
        if kind == "forged":
            about = {**objects.intent(payment), "status": "succeeded", "amount_received": payment.amount}
            return self._parcel(
                payment, "payment_intent.succeeded", about, kind=kind, at_ms=now_ms(), key="whsec_of_somebody_else"
            )
        parcel = self._about(payment, told)
        if kind != "tampered":
            return parcel
        name = "amount_total" if told.startswith("checkout") else "amount_received"
        event = json.loads(parcel.body)
        event["data"]["object"][name] = payment.amount * 10
        return self._sent(payment, json.dumps(event).encode(), kind=kind, signed=parcel.body)

    def _about(self, payment: Payment, kind: str) -> Parcel:
        about = objects.intent(payment)
        if kind.startswith("checkout.session"):
            about = self.sessions.session(payment)
        elif kind.startswith("charge"):
            about = objects.charge(payment, payment.fields["charges"][-1])
        return self._parcel(payment, kind, about, at_ms=payment.changed_ms)

    def tell(self, payment: Payment, kind: str, about: dict[str, Any], after_seconds: float = 0.0) -> None:
        """Send an event about something that hangs on a payment."""
        if payment.notify_url:
            at_ms = now_ms() + int(after_seconds * 1000)
            self.sandbox.courier.send([self._parcel(payment, kind, about, at_ms=at_ms)], after_seconds=after_seconds)

    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """An event {type, object, url?}, truly signed; `order` names the payment that it is sent like."""
        order, kind, about = str(fields.get("order", "")), fields.get("type"), fields.get("object")
        known = self.sandbox.world.payment_of_order(NAME, order)
        if known is None or not isinstance(kind, str) or not isinstance(about, dict):
            raise BadRequest("needs the order of a payment, a type and an object", status=422)
        return self._parcel(known, kind, about, kind="custom", at_ms=now_ms(), url=str(fields.get("url", "")))

    def _deliver(self, payment: Payment) -> None:
        self.sandbox.courier.deliver_now([self.notification(payment, "genuine")])

    def _parcel(
        self,
        payment: Payment,
        event: str,
        about: dict[str, Any],
        *,
        at_ms: int,
        kind: str = "genuine",
        key: str = "",
        url: str = "",
    ) -> Parcel:
        """An event in its envelope. Nobody hears a client_secret less for it: it is in real events too."""
        body = json.dumps(objects.event(self.sandbox.world.next_number(), event, about, at_ms=at_ms)).encode()
        return self._sent(payment, body, kind=kind, key=key, url=url)

    def _sent(
        self, payment: Payment, body: bytes, *, kind: str, key: str = "", url: str = "", signed: bytes | None = None
    ) -> Parcel:
        keys = self.sandbox.world.merchants[NAME, payment.merchant].keys

        def sign(content: bytes) -> dict[str, str]:
            """Anew for every try, as Stripe does."""
            what = content if signed is None else signed
            return {"Stripe-Signature": rules.signed_header(key or keys["webhookSecret"], now_ms() // 1000, what)}

        return Parcel(
            provider=NAME, order=payment.order, url=url or payment.notify_url, body=body, kind=kind, sign=sign,
            timetable=LIVE if keys["secretKey"].startswith(("sk_live_", "rk_live_")) else self.timetable,
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (sandbox)"},
        )  # fmt: skip

    # --- the tester --------------------------------------------------------------------------------------------------

    def control_dispute(self, request: Request) -> Response:
        """{reason?, inquiry?}: the cardholder disputes a payment."""
        order, body = request.arguments["order"], request.object()
        payment = self.sandbox.world.payment_of_order(NAME, order)
        if payment is None:
            raise BadRequest("no payment with this order id", status=404)
        reason = str(body.get("reason") or "fraudulent")
        return json_response(
            self.returns.open_dispute(payment, reason=reason, inquiry=body.get("inquiry") is True), 201
        )

    def control_judgement(self, request: Request) -> Response:
        """won or lost: the bank decides a dispute."""
        identifier, end = request.arguments["id"], request.arguments["end"]
        order = self.book.order_of(identifier)
        payment = self.sandbox.world.payment_of_order(NAME, order)
        if payment is None or end not in ("won", "lost"):
            raise BadRequest("no such dispute, or neither won nor lost", status=404)
        data = next(one for one in payment.fields["disputes"] if one["id"] == identifier)
        self.returns.end_dispute(payment, data, end)
        return json_response(objects.dispute(payment, data))

    def control_payout(self, request: Request) -> Response:
        """{merchant?, currency?, reconciliation?}: pay out all there is, by default in the first merchant's VND."""
        body = request.object()
        merchant = self.sandbox.world.merchants.get((NAME, str(body.get("merchant") or KNOWN[0][0])))
        if merchant is None:
            raise BadRequest("no such merchant", status=404)
        currency = str(body.get("currency") or "vnd").lower()
        payout = self.balance.pay_out(merchant, currency, reconciliation=str(body.get("reconciliation") or "completed"))
        latest = next((one for one in self.book.of(merchant) if one.notify_url), None)
        if latest is not None:
            for kind in ("payout.created", "payout.paid", "payout.reconciliation_completed"):
                self.tell(latest, kind, payout)
        return json_response(payout, 201)
