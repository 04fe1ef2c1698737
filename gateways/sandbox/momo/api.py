"""MoMo's API, from its document: create, query, refund, refund query and confirm."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping

from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.momo import rules
from gateways.sandbox.momo.lifecycle import Lifecycle
from gateways.sandbox.momo.rules import NAME
from gateways.sandbox.provider import Outcome, Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, new_token, now_ms
from gateways.sandbox.web import BadRequest, Request, Response, json_response


class Api:
    """The five calls. `settle` ends a payment and tells the merchant, `notification` is the message about one."""

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
        """Open a payment and hand out its pay page."""
        fields, merchant, refusal = self._received("create", request)
        if refusal or merchant is None:
            return refusal or self.refuse(13, {})
        world, settings = self.sandbox.world, self.sandbox.settings
        amount, order = _amount(fields), str(fields["orderId"])
        lowest, highest = rules.LIMITS[str(fields["requestType"])]
        with world.lock:
            if (NAME, merchant.code, order) in world.payments:
                return self.refuse(41, fields)
            if not world.first_time(NAME, merchant.code, "create", str(fields["requestId"])):
                return self.refuse(40, fields)
            if amount <= 0:
                return self.refuse(21, fields)
            if not lowest <= amount <= highest:
                return self.refuse(22, fields)
            kept = ("requestId", "orderInfo", "extraData", "requestType", "storeName", "partnerName")
            payment = Payment(
                provider=NAME, merchant=merchant.code, order=order, amount=amount, currency="VND",
                token=new_token(), created_ms=now_ms(), expires_ms=now_ms() + int(settings.link_minutes * 60_000),
                description=str(fields["orderInfo"]), return_url=str(fields["redirectUrl"]),
                notify_url=str(fields["ipnUrl"]), language=str(fields["lang"]), code=1000, changed_ms=now_ms(),
                fields={**{name: fields.get(name, "") for name in kept}, "autoCapture": fields.get("autoCapture", True)},
            )  # fmt: skip
            world.keep(payment)
        world.record("created", provider=NAME, order=order, amount=amount)
        if self.sandbox.faults.take("create", order, frozenset({Fault.IPN_BEFORE_REPLY})):
            self.lifecycle.end(payment, Outcome.PAY)
            self.sandbox.courier.deliver_now([self._notification(payment, "genuine")])
        elif settings.autopay:
            self._settle(payment, Outcome.PAY)
        return json_response(self._created(payment, fields))

    def _created(self, payment: Payment, fields: Mapping[str, object]) -> dict[str, object]:
        page = f"{self.sandbox.settings.public_url}/v2/gateway/pay?t={payment.token}"
        return {
            "partnerCode": payment.merchant, "orderId": payment.order, "requestId": fields["requestId"],
            "amount": payment.amount, "responseTime": now_ms(), "message": rules.message(0, payment.language),
            "resultCode": 0, "payUrl": page, "qrCodeUrl": f"{page}&scan=1",
            "deeplink": f"momo://app?action=payWithApp&isScanQR=false&serviceType=app&sid={payment.token}&v=3.0",
        }  # fmt: skip

    def query(self, request: Request) -> Response:
        """Tell what became of an order. Unsigned, as at MoMo."""
        fields, merchant, refusal = self._received("query", request)
        if refusal or merchant is None:
            return refusal or self.refuse(13, {})
        world = self.sandbox.world
        if not world.first_time(NAME, merchant.code, "query", str(fields["requestId"])):
            return self.refuse(40, fields)
        payment = world.payments.get((NAME, merchant.code, str(fields["orderId"])))
        if payment is None:
            return self.refuse(42, fields)
        with world.lock:
            self.lifecycle.expire_if_due(payment)
            moved = payment.transactions[0] if payment.transactions else None
            return json_response({
                "partnerCode": merchant.code, "orderId": payment.order, "requestId": fields["requestId"],
                "extraData": payment.fields["extraData"], "amount": moved.amount if moved else payment.amount,
                "transId": moved.number if moved else 0, "payType": "qr" if moved else "", "resultCode": payment.code,
                "refundTrans": [_listed(refund) for refund in self.lifecycle.refunds_of(payment)],
                "message": rules.message(payment.code, str(fields["lang"])), "responseTime": now_ms(),
                "lastUpdated": payment.changed_ms, "paymentOption": "momo", "promotionInfo": None,
            })  # fmt: skip

    def refund(self, request: Request) -> Response:
        """Send money of one transaction back. A requestId seen before gets its old answer, or 40 while undecided."""
        fields, merchant, refusal = self._received("refund", request)
        if refusal or merchant is None:
            return refusal or self.refuse(13, {})
        world, order, request_id = self.sandbox.world, str(fields["orderId"]), str(fields["requestId"])
        with world.lock:
            earlier = world.refunds.get((NAME, merchant.code, order))
            if earlier is not None and earlier.request == request_id:
                self.lifecycle.decide_if_due(earlier)
                same = (earlier.amount, earlier.transaction) == (_amount(fields), rules.whole(fields["transId"]))
                undecided = earlier.stage is Stage.PENDING
                return self.refuse(40, fields) if undecided or not same else self._refund_answer(earlier, fields)
            if earlier is not None or (NAME, merchant.code, order) in world.payments:
                return self.refuse(41, fields)
            code = self._refund_code(merchant.code, fields)
            if code in (22, 42):
                return self.refuse(code, fields)
            if not world.first_time(NAME, merchant.code, "refund", request_id):
                return self.refuse(40, fields)
            refund = self._book_refund(merchant.code, fields, code)
        world.record(
            "refund", provider=NAME, order=order, payment=refund.payment, amount=refund.amount, code=refund.code
        )
        return self._refund_answer(refund, fields)

    def _refund_code(self, merchant: str, fields: Mapping[str, object]) -> int:
        amount, number = _amount(fields), rules.whole(fields["transId"]) or 0
        lowest, highest = rules.REFUND_LIMITS
        if not lowest <= amount <= highest:
            return 22
        payment = self.sandbox.world.payment_of_transaction(NAME, merchant, number)
        if payment is None:
            return 42
        if payment.stage is not Stage.PAID:
            return 1088
        taken = next(one.amount for one in payment.transactions if one.number == number)
        gone = (Stage.PAID, Stage.PENDING)
        refunded = sum(
            one.amount for one in self.lifecycle.refunds_of(payment) if one.transaction == number and one.stage in gone
        )
        return 0 if refunded + amount <= taken else 1081

    def _book_refund(self, merchant: str, fields: Mapping[str, object], code: int) -> Refund:
        world, order = self.sandbox.world, str(fields["orderId"])
        number = rules.whole(fields["transId"]) or 0
        payment = world.payment_of_transaction(NAME, merchant, number)
        assert payment is not None, "checked by _refund_code"
        slow = self.sandbox.faults.take("refund", order, frozenset({Fault.REFUND_PENDING})) if code == 0 else {}
        wait = slow[Fault.REFUND_PENDING].seconds if slow else 0.0
        stage = Stage.REJECTED if code else Stage.PENDING if slow else Stage.PAID
        refund = Refund(
            provider=NAME, merchant=merchant, order=order, payment=payment.order, request=str(fields["requestId"]),
            transaction=number, amount=_amount(fields), number=world.next_number(), created_ms=now_ms(), stage=stage,
            code=7002 if slow else code, done_after_ms=now_ms() + int(wait * 1000),
        )  # fmt: skip
        world.keep(refund)
        return refund

    def _refund_answer(self, refund: Refund, fields: Mapping[str, object]) -> Response:
        return json_response({
            "partnerCode": refund.merchant, "orderId": refund.order, "requestId": fields["requestId"],
            "amount": refund.amount, "transId": refund.number, "resultCode": refund.code,
            "message": rules.message(refund.code, str(fields["lang"])), "responseTime": now_ms(),
        })  # fmt: skip

    def refund_query(self, request: Request) -> Response:
        """Tell what became of a refund, by the refund's own id."""
        fields, merchant, refusal = self._received("refund_query", request)
        if refusal or merchant is None:
            return refusal or self.refuse(13, {})
        world = self.sandbox.world
        if not world.first_time(NAME, merchant.code, "refund_query", str(fields["requestId"])):
            return self.refuse(40, fields)
        refund = world.refunds.get((NAME, merchant.code, str(fields["orderId"])))
        if refund is None:
            return self.refuse(42, fields)
        with world.lock:
            self.lifecycle.decide_if_due(refund)
            answer = json.loads(self._refund_answer(refund, fields).body)
            return json_response({**answer, "refundTrans": [_listed(refund)]})

    def confirm(self, request: Request) -> Response:
        """Capture or cancel an authorised payment."""
        fields, merchant, refusal = self._received("confirm", request)
        if refusal or merchant is None:
            return refusal or self.refuse(13, {})
        world, kind, amount = self.sandbox.world, fields["requestType"], _amount(fields)
        with world.lock:
            payment = world.payments.get((NAME, merchant.code, str(fields["orderId"])))
            if payment is None:
                return self.refuse(42, fields)
            if not world.first_time(NAME, merchant.code, "confirm", str(fields["requestId"])):
                return self.refuse(40, fields)
            if payment.stage is not Stage.AUTHORIZED or kind not in ("capture", "cancel"):
                return self.refuse(47, fields)
            if not 0 < amount <= payment.transactions[0].amount:
                return self.refuse(22, fields)
            if kind == "capture":
                payment.stage, payment.code, payment.transactions[0].amount = Stage.PAID, 0, amount
                payment.transactions[0].at_ms = now_ms()  # until now it was only held
            else:
                payment.stage, payment.code = Stage.CANCELLED, 1017
                payment.transactions.clear()
            payment.changed_ms = now_ms()
            world.keep(payment)
        world.record(str(kind), provider=NAME, order=payment.order, amount=amount)
        number = payment.transactions[0].number if payment.transactions else world.next_number()
        return json_response({
            "partnerCode": merchant.code, "orderId": payment.order, "requestId": fields["requestId"], "amount": amount,
            "transId": number, "resultCode": 0, "message": rules.message(0, str(fields["lang"])),
            "requestType": kind, "responseTime": now_ms(),
        })  # fmt: skip

    def _received(self, call: str, request: Request) -> tuple[dict[str, object], Merchant | None, Response | None]:
        """The fields of a call, whose it is, and MoMo's refusal if it is malformed or wrongly signed."""
        try:
            fields = request.object()
        except BadRequest:
            return {}, None, self.refuse(20, {}, errors=[{"field": "body", "message": "not a JSON object"}])
        wrong = rules.wrong_fields(call, fields)
        if wrong:
            return fields, None, self.refuse(20, fields, errors=wrong)
        merchant = self.sandbox.world.merchants.get((NAME, str(fields["partnerCode"])))
        if merchant is None:
            return fields, None, self.refuse(13, fields)
        expected = rules.signature(call, merchant.keys, fields)
        if not hmac.compare_digest(expected.encode(), str(fields["signature"]).encode()):
            text = rules.signed_text(call, "********", fields)
            error = {"field": "signature", "message": f"Invalid signature. Check raw signature before signed: {text}"}
            return fields, merchant, self.refuse(20, fields, errors=[error])
        return fields, merchant, None

    def refuse(
        self, code: int, fields: Mapping[str, object], *, errors: list[dict[str, str]] | None = None
    ) -> Response:
        """MoMo's answer when it refuses a call with these fields."""
        answer: dict[str, object] = {
            "partnerCode": fields.get("partnerCode"), "orderId": fields.get("orderId"),
            "requestId": None if errors else fields.get("requestId"), "responseTime": now_ms(),
            "message": rules.message(code, str(fields.get("lang", "en"))), "resultCode": code,
        }  # fmt: skip
        if "amount" in fields:
            answer["amount"] = rules.whole(fields["amount"]) or 0
        if errors:
            answer["subErrors"] = errors
        return json_response(answer, 400)


def _amount(fields: Mapping[str, object]) -> int:
    return rules.whole(fields.get("amount")) or 0


def _listed(refund: Refund) -> dict[str, object]:
    return {"orderId": refund.order, "amount": refund.amount, "resultCode": refund.code, "transId": refund.number,
            "createdTime": refund.created_ms}  # fmt: skip
