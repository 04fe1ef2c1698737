"""Mekong Pay's side, faked from protocol.md alone: it checks what it is sent as strictly as the document allows."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import html
import json
import re
from collections.abc import Callable, Mapping
from typing import ClassVar, Final
from urllib.parse import quote, urlencode

from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Provider
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, new_token, now_ms
from gateways.sandbox.timetable import MINUTE, Timetable
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response, redirect

FIELDS: Final = {
    "create": "merchant order amount currency description language expires return_url notify_url",
    "query": "merchant order",
    "refund": "merchant refund paid_transaction amount currency",
    "refund_query": "merchant refund",
}
NUMBERS: Final = frozenset({"amount", "expires"})
LIMITS: Final = {"VND": (1_000, 100_000_000), "USD": (50, 1_000_000)}
RESULTS: Final = {Stage.WAITING: "waiting", Stage.PAID: "paid", Stage.EXPIRED: "expired", Stage.PENDING: "processing"}
ENDINGS: Final = {
    Outcome.DECLINE: Stage.DECLINED,
    Outcome.INSUFFICIENT: Stage.INSUFFICIENT,
    Outcome.EXPIRE: Stage.EXPIRED,
}
PAGE: Final = """<!doctype html><meta name="viewport" content="width=device-width"><title>Mekong Pay</title>
<h1>Mekong Pay</h1><p>{price}</p><p>{description}</p><form method="post"><input type="hidden" name="t" value="{token}">
<button name="action" value="pay">Pay</button> <button name="action" value="decline">Decline</button>
<button name="action" value="expire">Let it expire</button></form>"""


def signature(secret: str, fields: Mapping[str, object]) -> str:
    """Section 2."""
    text = "&".join(f"{name}={quote(str(fields[name]), safe='')}" for name in sorted(fields))
    return hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()


class MekongPay(Provider):
    """The whole provider."""

    name: ClassVar[str] = "mekongpay"
    key_names: ClassVar[tuple[str, ...]] = ("secret",)
    impossible: ClassVar[frozenset[Fault]] = frozenset({Fault.WRONG_CURRENCY})
    timetable: ClassVar[Timetable] = Timetable(pauses=(MINUTE,) * 5, answer_seconds=10.0)  # section 5

    def merchants(self) -> list[Merchant]:
        """Two, so that one can be somebody else."""
        keys = {"MK1": "mekong-one-secret", "MK2": "mekong-two-secret"}
        return [Merchant(provider=self.name, code=code, keys={"secret": key}) for code, key in keys.items()]

    def routes(self) -> list[Route]:
        """Sections 3 and 5; the pay page's own addresses are ours."""
        calls = {"create": self.create, "query": self.query, "refund": self.refund, "refund_query": self.refund_query}
        return [
            *(
                Route(method="POST", path=f"/v1/{name.replace('_', '/')}", handler=self._checked(name, handler),
                      operation=name, order_of=_order_of)
                for name, handler in calls.items()
            ),
            Route(method="GET", path="/mekongpay/pay", handler=self.pay_page),
            Route(method="POST", path="/mekongpay/pay", handler=self.pay_form),
        ]  # fmt: skip

    # --- its calls ---------------------------------------------------------------------------------------------------

    def _checked(self, call: str, handler: Callable[[Merchant, dict[str, object]], Response]) -> Callable[[Request], Response]:  # fmt: skip
        def answer(request: Request) -> Response:
            try:
                fields = request.object()
            except BadRequest:
                return self.error(1)
            signed = {name: fields.get(name) for name in FIELDS[call].split()}
            merchant = self.sandbox.world.merchants.get((self.name, str(signed["merchant"])))
            kinds = ((int if name in NUMBERS else str, value) for name, value in signed.items())
            if merchant is None or any(type(value) is not kind for kind, value in kinds):
                return self.error(1)
            if not hmac.compare_digest(signature(merchant.keys["secret"], signed), str(fields.get("signature"))):
                return self.error(1)
            with self.sandbox.world.lock:
                return handler(merchant, signed)

        return answer

    def create(self, merchant: Merchant, asked: dict[str, object]) -> Response:
        """Open a payment."""
        world, order, amount, currency = (
            self.sandbox.world,
            str(asked["order"]),
            asked["amount"],
            str(asked["currency"]),
        )
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", order) or len(str(asked["description"])) > 120:
            return self.error(1)
        if asked["language"] not in ("vi", "en") or currency not in LIMITS or not isinstance(amount, int):
            return self.error(1)
        if (self.name, merchant.code, order) in world.payments:
            return self.error(3)
        if not LIMITS[currency][0] <= amount <= LIMITS[currency][1]:
            return self.error(4)
        payment = Payment(
            provider=self.name, merchant=merchant.code, order=order, amount=amount, currency=currency, token=new_token(),
            created_ms=now_ms(), changed_ms=now_ms(), expires_ms=int(str(asked["expires"])),
            description=str(asked["description"]), return_url=str(asked["return_url"]),
            notify_url=str(asked["notify_url"]), language=str(asked["language"]),
        )  # fmt: skip
        world.keep(payment)
        world.record("created", provider=self.name, order=order, amount=amount)
        if self.sandbox.faults.take("create", order, frozenset({Fault.IPN_BEFORE_REPLY})):
            self._end(payment, Outcome.PAY)
            self.sandbox.courier.deliver_now([self.notification(payment, "genuine")])
        elif self.sandbox.settings.autopay:
            self.settle(payment, Outcome.PAY)
        page = f"{self.sandbox.settings.public_url}/mekongpay/pay?t={payment.token}"
        told = {"merchant": merchant.code, "order": order, "amount": amount, "currency": currency, "pay_url": page}
        return self._signed(merchant, told)

    def query(self, merchant: Merchant, asked: dict[str, object]) -> Response:
        """Tell what became of an order."""
        payment = self.sandbox.world.payments.get((self.name, merchant.code, str(asked["order"])))
        if payment is None:
            return self.error(2)
        self._expire_if_due(payment)
        return self._signed(merchant, self._result(payment))

    def refund(self, merchant: Merchant, asked: dict[str, object]) -> Response:
        """Send money of one transaction back, once."""
        world, order, amount = self.sandbox.world, str(asked["refund"]), int(str(asked["amount"]))
        earlier = world.refunds.get((self.name, merchant.code, order))
        if earlier is not None:
            return self._refund_answer(merchant, earlier) if earlier.amount == amount else self.error(3)
        text = str(asked["paid_transaction"])
        number = int(text) if text.isdigit() else 0
        payment = world.payment_of_transaction(self.name, merchant.code, number)
        if payment is None or payment.currency != asked["currency"]:
            return self.error(2)
        taken = next(one.amount for one in payment.transactions if one.number == number)
        gone = sum(one.amount for one in world.refunds_of(payment) if one.transaction == number)
        if not 0 < amount <= taken - gone:
            return self.error(4)
        slow = self.sandbox.faults.take("refund", order, frozenset({Fault.REFUND_PENDING}))
        wait = slow[Fault.REFUND_PENDING].seconds if slow else 0.0
        refund = Refund(
            provider=self.name, merchant=merchant.code, order=order, payment=payment.order, request=order,
            transaction=number, amount=amount, number=world.next_number(), created_ms=now_ms(), code=0,
            stage=Stage.PENDING if slow else Stage.PAID, done_after_ms=now_ms() + int(wait * 1000),
        )  # fmt: skip
        world.keep(refund)
        world.record("refund", provider=self.name, order=order, payment=payment.order, amount=amount)
        return self._refund_answer(merchant, refund)

    def refund_query(self, merchant: Merchant, asked: dict[str, object]) -> Response:
        """Tell what became of a refund."""
        refund = self.sandbox.world.refunds.get((self.name, merchant.code, str(asked["refund"])))
        return self._refund_answer(merchant, refund) if refund else self.error(2)

    def _refund_answer(self, merchant: Merchant, refund: Refund) -> Response:
        if refund.stage is Stage.PENDING and now_ms() >= refund.done_after_ms:
            refund.stage = Stage.PAID
            self.sandbox.world.keep(refund)
        payment = self.sandbox.world.payments[self.name, merchant.code, refund.payment]
        return self._signed(merchant, {
            "merchant": merchant.code, "refund": refund.order, "transaction": str(refund.number), "amount": refund.amount,
            "currency": payment.currency, "result": RESULTS[refund.stage], "time": refund.created_ms,
        })  # fmt: skip

    def _signed(self, merchant: Merchant, told: Mapping[str, object]) -> Response:
        return json_response({**told, "signature": signature(merchant.keys["secret"], told)})

    def error(self, code: int) -> Response:
        """A refusal: nothing was done."""
        return json_response({"error": code, "message": "refused"}, 400)

    def tamper(self, response: Response) -> Response:
        """The same answer with another amount."""
        answer = json.loads(response.body)
        return json_response({**answer, "amount": int(answer.get("amount") or 0) + 1}, response.status)

    # --- what becomes of a payment -----------------------------------------------------------------------------------

    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let it end so, and notify."""
        self._end(payment, outcome, again=again)
        self.announce(payment)

    def _end(self, payment: Payment, outcome: Outcome, *, again: bool = False) -> None:
        world = self.sandbox.world
        with world.lock:
            self._expire_if_due(payment)
            if payment.stage is not Stage.WAITING and not (again and outcome is Outcome.PAY):
                raise BadRequest(f"the payment has ended: {payment.stage}", status=409)
            payment.stage, payment.changed_ms = ENDINGS.get(outcome, Stage.PAID), now_ms()
            if outcome is Outcome.PAY:
                self.sandbox.take_money(payment)  # or what a fault makes of it
            world.keep(payment)
        world.record(payment.stage, provider=self.name, order=payment.order)

    def _expire_if_due(self, payment: Payment) -> None:
        if payment.stage is Stage.WAITING and now_ms() >= payment.expires_ms:
            payment.stage, payment.changed_ms = Stage.EXPIRED, now_ms()
            self.sandbox.world.keep(payment)

    def _result(self, payment: Payment) -> dict[str, object]:
        """Section 4."""
        moved = payment.transactions[-1] if payment.stage is Stage.PAID else None
        return {
            "merchant": payment.merchant, "order": payment.order, "amount": moved.amount if moved else payment.amount,
            "currency": payment.currency, "result": RESULTS.get(payment.stage, "failed"),
            "transaction": str(moved.number) if moved else "", "time": payment.changed_ms,
        }  # fmt: skip

    # --- telling the merchant ----------------------------------------------------------------------------------------

    def notification(self, payment: Payment, kind: str) -> Parcel:
        """Section 5, or one of its bad likenesses."""
        told, secret = self._result(payment), self._secret(payment)
        if kind == "processing":
            told |= {"result": "processing", "transaction": "", "time": payment.changed_ms - 1500}
        if kind == "forged":
            told |= {"result": "paid", "transaction": str(self.sandbox.world.next_number())}
            secret = "somebody-elses"
        parcel = self._parcel(payment.notify_url, told, signature(secret, told), kind)
        if kind == "tampered":
            changed = json.dumps({**told, "amount": payment.amount * 10}).encode()
            parcel = dataclasses.replace(parcel, body=changed)
        return parcel

    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """A result with these fields, of a payment that is there."""
        known = self.sandbox.world.payments_of_order(str(fields.get("order", "")))
        payment = next((one for one in known if one.provider == self.name), None)
        if payment is None:
            raise BadRequest("needs the order of a payment", status=422)
        told = self._result(payment)
        told |= {name: value for name, value in fields.items() if name in told}
        return self._parcel(payment.notify_url, told, signature(self._secret(payment), told), "custom")

    def _secret(self, payment: Payment) -> str:
        return self.sandbox.world.merchants[self.name, payment.merchant].keys["secret"]

    def _parcel(self, url: str, told: Mapping[str, object], signed: str, kind: str) -> Parcel:
        return Parcel(
            provider=self.name, order=str(told["order"]), url=url, kind=kind, body=json.dumps(told).encode(),
            timetable=self.timetable,
            headers={"Content-Type": "application/json", "X-Mekong-Signature": signed},
            is_taken=lambda status, body: (status, body) == (200, b'{"received": true}'),
        )  # fmt: skip

    # --- the payer ---------------------------------------------------------------------------------------------------

    def pay_page(self, request: Request) -> Response:
        """What the payer sees."""
        payment = self.sandbox.world.payment_by_token(request.query.get("t", ""))
        if payment is None:
            return html_response("There is no such payment.", 404)
        price = f"{payment.amount:,} ₫" if payment.currency == "VND" else f"${payment.amount / 100:,.2f}"
        description = html.escape(payment.description)
        return html_response(PAGE.format(price=price, description=description, token=payment.token))

    def pay_form(self, request: Request) -> Response:
        """What the payer pressed; ends at the shop."""
        form = request.form()
        payment = self.sandbox.world.payment_by_token(form.get("t", ""))
        if payment is None or form.get("action") not in tuple(Outcome):
            return html_response("There is no such payment.", 404)
        if payment.stage is Stage.WAITING:
            self.settle(payment, Outcome(form["action"]))
        told = self._result(payment)
        told["signature"] = signature(self._secret(payment), told)
        return redirect(f"{payment.return_url}{'&' if '?' in payment.return_url else '?'}{urlencode(told)}")


def _order_of(request: Request) -> str:
    try:
        fields = request.object()
    except BadRequest:
        return ""
    return str(fields.get("order") or fields.get("refund") or "")
