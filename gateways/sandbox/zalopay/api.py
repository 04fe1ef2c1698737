"""ZaloPay's OpenAPI v2, from its document: create, query, refund and refund query."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping

from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Sandbox
from gateways.sandbox.state import Merchant, Payment, Stage, new_token, now_ms
from gateways.sandbox.web import BadRequest, Request, Response, json_response
from gateways.sandbox.zalopay import rules
from gateways.sandbox.zalopay.lifecycle import Lifecycle
from gateways.sandbox.zalopay.rules import DONE, FAILED, IN_WORK, NAME


class Api:
    """The four calls. `settle` ends a payment and tells the merchant, `notification` is the message about one."""

    def __init__(
        self,
        sandbox: Sandbox,
        lifecycle: Lifecycle,
        *,
        settle: Callable[[Payment, Outcome], None],
        notification: Callable[[Payment, str], Parcel],
    ) -> None:
        self.sandbox, self.lifecycle = sandbox, lifecycle
        self._settle, self._notification = settle, notification

    def create(self, request: Request) -> Response:
        """Open an order and hand out its pay page. 1 says that it is there, not that it is paid."""
        fields, merchant, refusal = self._received("create", request)
        if refusal or merchant is None:
            return refusal or self.refuse(-402)
        world, order, at_ms = self.sandbox.world, str(fields["app_trans_id"]), now_ms()
        amount = rules.whole(fields["amount"]) or 0
        seconds = rules.whole(fields.get("expire_duration_seconds", rules.DEFAULT_EXPIRY_SECONDS)) or 0
        shortest, longest = rules.EXPIRY_SECONDS
        if rules.order_id_problem(order, at_ms):
            return self.refuse(-92)
        if amount <= 0 or rules.is_off(fields["app_time"], at_ms) or not shortest <= seconds <= longest:
            return self.refuse(-401)
        with world.lock:
            if (NAME, merchant.code, order) in world.payments:
                return self.refuse(-68)
            embedded = json.loads(str(fields["embed_data"]))
            link_seconds = (
                self.sandbox.settings.link_minutes * 60
            )  # shorter than ZaloPay's own 15 minutes: a tester's wish
            life_ms = (
                int(min(seconds, link_seconds) * 1000)
                if link_seconds < rules.DEFAULT_EXPIRY_SECONDS
                else seconds * 1000
            )
            kept = ("app_user", "app_time", "embed_data", "item", "bank_code")
            payment = Payment(
                provider=NAME, merchant=merchant.code, order=order, amount=amount, currency="VND", token=new_token(),
                created_ms=at_ms, expires_ms=at_ms + life_ms, description=str(fields["description"]),
                return_url=str(embedded.get("redirecturl") or ""), notify_url=str(fields.get("callback_url") or ""),
                language="vi", code=IN_WORK, changed_ms=at_ms,
                fields={**{name: fields.get(name, "") for name in kept}, "pmcid": 38, "bankcode": ""},
            )  # fmt: skip
            world.keep(payment)
        world.record("created", provider=NAME, order=order, amount=amount)
        if self.sandbox.faults.take("create", order, frozenset({Fault.IPN_BEFORE_REPLY})):
            self.lifecycle.end(payment, Outcome.PAY)
            self.sandbox.courier.deliver_now([self._notification(payment, "genuine")])
        elif self.sandbox.settings.autopay:
            self._settle(payment, Outcome.PAY)
        page = f"{self.sandbox.settings.public_url}/openinapp?t={payment.token}"
        return json_response(
            rules.answer(
                DONE, DONE, order_url=page, zp_trans_token=payment.token, order_token=payment.token, qr_code=page
            )
        )

    def query(self, request: Request) -> Response:
        """Tell what became of an order. Unsigned, as at ZaloPay, and without repeating what was asked."""
        fields, merchant, refusal = self._received("query", request)
        if refusal or merchant is None:
            return refusal or self.refuse(-402)
        world = self.sandbox.world
        payment = world.payments.get((NAME, merchant.code, str(fields["app_trans_id"])))
        if payment is None:
            return self.refuse(-101)
        with world.lock:
            self.lifecycle.expire_if_due(payment)
            moved = payment.transactions[0] if payment.transactions else None
            more = {
                "is_processing": False, "amount": moved.amount if moved else payment.amount, "discount_amount": 0,
                "zp_trans_id": moved.number if moved else 0, "server_time": moved.at_ms if moved else now_ms(),
            }  # fmt: skip
            if moved:
                return json_response(rules.answer(DONE, DONE, **more))
            if payment.stage is Stage.WAITING:
                return json_response(rules.answer(IN_WORK, -49, **more))
            return json_response(rules.answer(FAILED, payment.code, **more))

    def refund(self, request: Request) -> Response:
        """Send money of one transaction back. A good one is "in work"; an m_refund_id counts once."""
        fields, merchant, refusal = self._received("refund", request)
        if refusal or merchant is None:
            return refusal or self.refuse(-402)
        world, order, at_ms = self.sandbox.world, str(fields["m_refund_id"]), now_ms()
        if rules.is_off(fields["timestamp"], at_ms):
            return self.refuse(-13)
        problem = rules.refund_id_problem(order, merchant.code, at_ms)
        if problem:
            return self.refuse(problem)
        with world.lock:
            if (NAME, merchant.code, order) in world.refunds:
                return self.refuse(-23)
            number, amount = rules.whole(fields["zp_trans_id"]) or 0, rules.whole(fields["amount"]) or 0
            payment = world.payment_of_transaction(NAME, merchant.code, number)
            if payment is None:
                return self.refuse(-101)
            if not 0 < amount <= self._left(payment, number):
                return self.refuse(-14)
            refund = self.lifecycle.book_refund(payment, order=order, transaction=number, amount=amount)
        return json_response(rules.answer(IN_WORK, IN_WORK, refund_id=refund.number))

    def _left(self, payment: Payment, number: int) -> int:
        taken = next(one.amount for one in payment.transactions if one.number == number)
        refunds = self.sandbox.world.refunds_of(payment)
        return taken - sum(
            one.amount for one in refunds if one.transaction == number and one.stage is not Stage.REJECTED
        )

    def query_refund(self, request: Request) -> Response:
        """Tell what became of a refund: only codes, neither amount nor refund_id."""
        fields, merchant, refusal = self._received("query_refund", request)
        if refusal or merchant is None:
            return refusal or self.refuse(-402)
        if rules.is_off(fields["timestamp"], now_ms()):
            return self.refuse(-13)
        refund = self.sandbox.world.refunds.get((NAME, merchant.code, str(fields["m_refund_id"])))
        if refund is None:
            return self.refuse(-101)
        with self.sandbox.world.lock:
            self.lifecycle.decide_if_due(refund)
            if refund.stage is Stage.PENDING:
                return json_response(rules.answer(IN_WORK, FAILED))  # sub code 2 is "in work" here
            if refund.stage is Stage.REJECTED:
                return json_response(rules.answer(FAILED, 0))
            return json_response(rules.answer(DONE, DONE))

    def _received(self, call: str, request: Request) -> tuple[Mapping[str, object], Merchant | None, Response | None]:
        """The fields of a call, whose it is, and ZaloPay's refusal if it is malformed or wrongly signed."""
        fields = fields_of(request)
        if rules.is_malformed(call, fields):
            return fields, None, self.refuse(-401)
        merchant = self.sandbox.world.merchants.get((NAME, str(fields["app_id"])))
        if merchant is None:
            return fields, None, self.refuse(-402)
        key1 = merchant.keys["key1"]
        expected = rules.mac(key1, rules.signed_text(call, fields, key1))
        if not hmac.compare_digest(expected.encode(), str(fields["mac"]).encode()):
            return fields, None, self.refuse(-402)
        return fields, merchant, None

    def refuse(self, sub_code: int) -> Response:
        """ZaloPay's answer when it refuses a call: HTTP 200, and what is wrong in the sub code."""
        return json_response(rules.answer(FAILED, sub_code))


def fields_of(request: Request) -> Mapping[str, object]:
    """A call's fields: JSON or a form, as it comes; nothing where it is neither."""
    try:
        if "json" in request.headers.get("content-type", ""):
            return request.object()
        return dict(request.form())
    except (BadRequest, UnicodeDecodeError):
        return {}
