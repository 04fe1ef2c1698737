"""MoMo's side, from its document: create, query, refund, refund query, confirm, notifications and the pay page."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar, Final
from urllib.parse import urlencode

from gateways.sandbox import momo_page, momo_rules
from gateways.sandbox.courier import Parcel
from gateways.sandbox.faults import MONEY_FAULTS, Fault
from gateways.sandbox.provider import Outcome, Provider
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, Transaction, new_token, now_ms
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response, redirect

PUBLISHED: Final = (  # in MoMo's own public samples
    ("MOMO", "F8BBA842ECF85", "K951B6PE1waDMi640xX08PD3vg6EkVlz"),
    ("MOMOBKUN20180529", "klm05TvNBzhg7h7j", "at67qH6mk8w5Y1nAyMoYKMWACiEi2bsa"),
)
ENDINGS: Final = {
    Outcome.DECLINE: (Stage.DECLINED, 1006),
    Outcome.INSUFFICIENT: (Stage.INSUFFICIENT, 1001),
    Outcome.EXPIRE: (Stage.EXPIRED, 1005),
}


class MoMo(Provider):
    """The wallet."""

    name: ClassVar[str] = "momo"
    impossible: ClassVar[frozenset[Fault]] = frozenset({Fault.WRONG_CURRENCY})

    def routes(self) -> list[Route]:
        """Paths as at MoMo; the pay page's own calls are ours."""
        api = "/v2/gateway/api"
        calls = {"create": self.create, "query": self.query, "refund": self.refund, "confirm": self.confirm}
        found = [
            Route(method="POST", path=f"{api}/{name}", handler=handler, operation=name, order_of=_order_of)
            for name, handler in calls.items()
        ]
        return [
            *found,
            Route(method="POST", path=f"{api}/refund/query", handler=self.refund_query, operation="refund_query", order_of=_order_of),
            Route(method="GET", path="/v2/gateway/pay", handler=self.pay_page),
            Route(method="POST", path="/v2/gateway/pay", handler=self.pay_form),
            Route(method="GET", path="/v2/gateway/pay/state", handler=self.pay_state),
        ]  # fmt: skip

    def merchants(self) -> list[Merchant]:
        """The test merchants whose keys MoMo published."""
        return [
            Merchant(provider=self.name, code=code, keys={"accessKey": access, "secretKey": secret})
            for code, access, secret in PUBLISHED
        ]

    # --- the API -----------------------------------------------------------------------------------------------------

    def create(self, request: Request) -> Response:
        """Open a payment and hand out its pay page."""
        fields, merchant, refusal = self._received("create", request)
        if refusal or merchant is None:
            return refusal or self.error(13)
        world, settings = self.sandbox.world, self.sandbox.settings
        amount, order = _amount(fields), str(fields["orderId"])
        lowest, highest = momo_rules.LIMITS[str(fields["requestType"])]
        with world.lock:
            if (self.name, merchant.code, order) in world.payments:
                return self._refuse(41, fields)
            if not world.first_time(self.name, merchant.code, "create", str(fields["requestId"])):
                return self._refuse(40, fields)
            if amount <= 0:
                return self._refuse(21, fields)
            if not lowest <= amount <= highest:
                return self._refuse(22, fields)
            kept = ("requestId", "orderInfo", "extraData", "requestType", "storeName", "partnerName")
            payment = Payment(
                provider=self.name, merchant=merchant.code, order=order, amount=amount, currency="VND",
                token=new_token(), created_ms=now_ms(), expires_ms=now_ms() + int(settings.link_minutes * 60_000),
                description=str(fields["orderInfo"]), return_url=str(fields["redirectUrl"]),
                notify_url=str(fields["ipnUrl"]), language=str(fields["lang"]), code=1000, changed_ms=now_ms(),
                fields={**{name: fields.get(name, "") for name in kept}, "autoCapture": fields.get("autoCapture", True)},
            )  # fmt: skip
            world.keep(payment)
        world.record("created", provider=self.name, order=order, amount=amount)
        if self.sandbox.faults.take("create", order, frozenset({Fault.IPN_BEFORE_REPLY})):
            self._end(payment, Outcome.PAY)
            self.sandbox.courier.deliver_now([self.notification(payment, "genuine")])
        elif settings.autopay:
            self.settle(payment, Outcome.PAY)
        return json_response(self._created(payment, fields))

    def _created(self, payment: Payment, fields: Mapping[str, object]) -> dict[str, object]:
        page = f"{self.sandbox.settings.public_url}/v2/gateway/pay?t={payment.token}"
        return {
            "partnerCode": payment.merchant, "orderId": payment.order, "requestId": fields["requestId"],
            "amount": payment.amount, "responseTime": now_ms(), "message": momo_rules.message(0, payment.language),
            "resultCode": 0, "payUrl": page, "qrCodeUrl": f"{page}&scan=1",
            "deeplink": f"momo://app?action=payWithApp&isScanQR=false&serviceType=app&sid={payment.token}&v=3.0",
        }  # fmt: skip

    def query(self, request: Request) -> Response:
        """Tell what became of an order. Unsigned, as at MoMo."""
        fields, merchant, refusal = self._received("query", request)
        if refusal or merchant is None:
            return refusal or self.error(13)
        world = self.sandbox.world
        if not world.first_time(self.name, merchant.code, "query", str(fields["requestId"])):
            return self._refuse(40, fields)
        payment = world.payments.get((self.name, merchant.code, str(fields["orderId"])))
        if payment is None:
            return self._refuse(42, fields)
        with world.lock:
            self._expire_if_due(payment)
            moved = payment.transactions[0] if payment.transactions else None
            return json_response({
                "partnerCode": merchant.code, "orderId": payment.order, "requestId": fields["requestId"],
                "extraData": payment.fields["extraData"], "amount": moved.amount if moved else payment.amount,
                "transId": moved.number if moved else 0, "payType": "qr" if moved else "", "resultCode": payment.code,
                "refundTrans": [_listed(refund) for refund in self._refunds_of(payment)],
                "message": momo_rules.message(payment.code, str(fields["lang"])), "responseTime": now_ms(),
                "lastUpdated": payment.changed_ms, "paymentOption": "momo", "promotionInfo": None,
            })  # fmt: skip

    def refund(self, request: Request) -> Response:
        """Send money of one transaction back. A requestId seen before gets its old answer, or 40 while undecided."""
        fields, merchant, refusal = self._received("refund", request)
        if refusal or merchant is None:
            return refusal or self.error(13)
        world, order, request_id = self.sandbox.world, str(fields["orderId"]), str(fields["requestId"])
        with world.lock:
            earlier = world.refunds.get((self.name, merchant.code, order))
            if earlier is not None and earlier.request == request_id:
                self._decide_if_due(earlier)
                same = (earlier.amount, earlier.transaction) == (_amount(fields), momo_rules.whole(fields["transId"]))
                undecided = earlier.stage is Stage.PENDING
                return self._refuse(40, fields) if undecided or not same else self._refund_answer(earlier, fields)
            if earlier is not None or (self.name, merchant.code, order) in world.payments:
                return self._refuse(41, fields)
            code = self._refund_code(merchant.code, fields)
            if code in (22, 42):
                return self._refuse(code, fields)
            if not world.first_time(self.name, merchant.code, "refund", request_id):
                return self._refuse(40, fields)
            refund = self._book_refund(merchant.code, fields, code)
        world.record(
            "refund", provider=self.name, order=order, payment=refund.payment, amount=refund.amount, code=refund.code
        )
        return self._refund_answer(refund, fields)

    def _refund_code(self, merchant: str, fields: Mapping[str, object]) -> int:
        amount, number = _amount(fields), momo_rules.whole(fields["transId"]) or 0
        lowest, highest = momo_rules.REFUND_LIMITS
        if not lowest <= amount <= highest:
            return 22
        payment = self.sandbox.world.payment_of_transaction(self.name, merchant, number)
        if payment is None:
            return 42
        if payment.stage is not Stage.PAID:
            return 1088
        taken = next(one.amount for one in payment.transactions if one.number == number)
        gone = (Stage.PAID, Stage.PENDING)
        refunded = sum(
            one.amount for one in self._refunds_of(payment) if one.transaction == number and one.stage in gone
        )
        return 0 if refunded + amount <= taken else 1081

    def _book_refund(self, merchant: str, fields: Mapping[str, object], code: int) -> Refund:
        world, order = self.sandbox.world, str(fields["orderId"])
        number = momo_rules.whole(fields["transId"]) or 0
        payment = world.payment_of_transaction(self.name, merchant, number)
        assert payment is not None, "checked by _refund_code"
        slow = self.sandbox.faults.take("refund", order, frozenset({Fault.REFUND_PENDING})) if code == 0 else {}
        wait = slow[Fault.REFUND_PENDING].seconds if slow else 0.0
        stage = Stage.REJECTED if code else Stage.PENDING if slow else Stage.PAID
        refund = Refund(
            provider=self.name, merchant=merchant, order=order, payment=payment.order, request=str(fields["requestId"]),
            transaction=number, amount=_amount(fields), number=world.next_number(), created_ms=now_ms(), stage=stage,
            code=7002 if slow else code, done_after_ms=now_ms() + int(wait * 1000),
        )  # fmt: skip
        world.keep(refund)
        return refund

    def _refund_answer(self, refund: Refund, fields: Mapping[str, object]) -> Response:
        return json_response({
            "partnerCode": refund.merchant, "orderId": refund.order, "requestId": fields["requestId"],
            "amount": refund.amount, "transId": refund.number, "resultCode": refund.code,
            "message": momo_rules.message(refund.code, str(fields["lang"])), "responseTime": now_ms(),
        })  # fmt: skip

    def refund_query(self, request: Request) -> Response:
        """Tell what became of a refund, by the refund's own id."""
        fields, merchant, refusal = self._received("refund_query", request)
        if refusal or merchant is None:
            return refusal or self.error(13)
        world = self.sandbox.world
        if not world.first_time(self.name, merchant.code, "refund_query", str(fields["requestId"])):
            return self._refuse(40, fields)
        refund = world.refunds.get((self.name, merchant.code, str(fields["orderId"])))
        if refund is None:
            return self._refuse(42, fields)
        with world.lock:
            self._decide_if_due(refund)
            answer = json.loads(self._refund_answer(refund, fields).body)
            return json_response({**answer, "refundTrans": [_listed(refund)]})

    def confirm(self, request: Request) -> Response:
        """Capture or cancel an authorised payment."""
        fields, merchant, refusal = self._received("confirm", request)
        if refusal or merchant is None:
            return refusal or self.error(13)
        world, kind, amount = self.sandbox.world, fields["requestType"], _amount(fields)
        with world.lock:
            payment = world.payments.get((self.name, merchant.code, str(fields["orderId"])))
            if payment is None:
                return self._refuse(42, fields)
            if not world.first_time(self.name, merchant.code, "confirm", str(fields["requestId"])):
                return self._refuse(40, fields)
            if payment.stage is not Stage.AUTHORIZED or kind not in ("capture", "cancel"):
                return self._refuse(47, fields)
            if not 0 < amount <= payment.transactions[0].amount:
                return self._refuse(22, fields)
            if kind == "capture":
                payment.stage, payment.code, payment.transactions[0].amount = Stage.PAID, 0, amount
            else:
                payment.stage, payment.code = Stage.CANCELLED, 1017
                payment.transactions.clear()
            payment.changed_ms = now_ms()
            world.keep(payment)
        world.record(str(kind), provider=self.name, order=payment.order, amount=amount)
        number = payment.transactions[0].number if payment.transactions else world.next_number()
        return json_response({
            "partnerCode": merchant.code, "orderId": payment.order, "requestId": fields["requestId"], "amount": amount,
            "transId": number, "resultCode": 0, "message": momo_rules.message(0, str(fields["lang"])),
            "requestType": kind, "responseTime": now_ms(),
        })  # fmt: skip

    def _received(self, call: str, request: Request) -> tuple[dict[str, object], Merchant | None, Response | None]:
        """The fields of a call, whose it is, and MoMo's refusal if it is malformed or wrongly signed."""
        try:
            fields = request.object()
        except BadRequest:
            return {}, None, self._refuse(20, {}, errors=[{"field": "body", "message": "not a JSON object"}])
        wrong = momo_rules.wrong_fields(call, fields)
        if wrong:
            return fields, None, self._refuse(20, fields, errors=wrong)
        merchant = self.sandbox.world.merchants.get((self.name, str(fields["partnerCode"])))
        if merchant is None:
            return fields, None, self._refuse(13, fields)
        expected = momo_rules.signature(call, merchant.keys, fields)
        if not hmac.compare_digest(expected.encode(), str(fields["signature"]).encode()):
            text = momo_rules.signed_text(call, "********", fields)
            error = {"field": "signature", "message": f"Invalid signature. Check raw signature before signed: {text}"}
            return fields, merchant, self._refuse(20, fields, errors=[error])
        return fields, merchant, None

    def _refuse(
        self, code: int, fields: Mapping[str, object], *, errors: list[dict[str, str]] | None = None
    ) -> Response:
        answer: dict[str, object] = {
            "partnerCode": fields.get("partnerCode"), "orderId": fields.get("orderId"),
            "requestId": None if errors else fields.get("requestId"), "responseTime": now_ms(),
            "message": momo_rules.message(code, str(fields.get("lang", "en"))), "resultCode": code,
        }  # fmt: skip
        if "amount" in fields:
            answer["amount"] = momo_rules.whole(fields["amount"]) or 0
        if errors:
            answer["subErrors"] = errors
        return json_response(answer, 400)

    def error(self, code: int) -> Response:
        """An answer with this code and nothing of the request."""
        return self._refuse(code, {})

    def tamper(self, response: Response) -> Response:
        """The same answer with another amount."""
        answer = json.loads(response.body)
        answer["amount"] = int(answer.get("amount") or 0) + 1
        return json_response(answer, response.status)

    # --- what happens to a payment -----------------------------------------------------------------------------------

    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let it end so, and notify."""
        self._end(payment, outcome, again=again, code=code)
        self.announce(payment)

    def _end(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        world = self.sandbox.world
        with world.lock:
            self._expire_if_due(payment)
            if payment.stage is not Stage.WAITING and not (again and outcome is Outcome.PAY):
                raise BadRequest(f"the payment has ended: {payment.stage}", status=409)
            payment.changed_ms = now_ms()
            if outcome is Outcome.PAY:
                self._take_money(payment)
            else:
                payment.stage, payment.code = ENDINGS[outcome]
                payment.code = code or payment.code
            world.keep(payment)
        world.record(payment.stage, provider=self.name, order=payment.order, code=payment.code,
                     transaction=payment.transactions[-1].number if payment.transactions else 0,
                     amount=payment.transactions[-1].amount if payment.transactions else 0)  # fmt: skip

    def _take_money(self, payment: Payment) -> None:
        amount = payment.amount
        struck = self.sandbox.faults.take("pay", payment.order, MONEY_FAULTS)
        if Fault.WRONG_AMOUNT in struck:
            amount = struck[Fault.WRONG_AMOUNT].amount or max(payment.amount - 1000, 1)
            self.sandbox.world.record("fault", provider=self.name, order=payment.order, fault=Fault.WRONG_AMOUNT)
        number = self.sandbox.world.next_number()
        payment.transactions.append(Transaction(number=number, amount=amount, at_ms=payment.changed_ms))
        first_try = payment.fields["autoCapture"] is False and len(payment.transactions) == 1
        payment.stage, payment.code = (Stage.AUTHORIZED, 9000) if first_try else (Stage.PAID, 0)

    def _expire_if_due(self, payment: Payment) -> None:
        if payment.stage is Stage.WAITING and now_ms() >= payment.expires_ms:
            payment.stage, payment.code, payment.changed_ms = Stage.EXPIRED, 1005, now_ms()
            self.sandbox.world.keep(payment)
            self.sandbox.world.record(Stage.EXPIRED, provider=self.name, order=payment.order, code=1005)

    def _decide_if_due(self, refund: Refund) -> None:
        if refund.stage is Stage.PENDING and now_ms() >= refund.done_after_ms:
            refund.stage, refund.code = Stage.PAID, 0
            self.sandbox.world.keep(refund)
            self.sandbox.world.record("refund", provider=self.name, order=refund.order, payment=refund.payment,
                                      amount=refund.amount, code=0)  # fmt: skip

    def _refunds_of(self, payment: Payment) -> list[Refund]:
        refunds = self.sandbox.world.refunds_of(payment)
        for refund in refunds:
            self._decide_if_due(refund)
        return refunds

    # --- telling the merchant ----------------------------------------------------------------------------------------

    def notification(self, payment: Payment, kind: str) -> Parcel:
        """The IPN about the payment as it is now, or one of its bad likenesses."""
        fields = self._result(payment)
        keys = dict(self.sandbox.world.merchants[self.name, payment.merchant].keys)
        if kind == "processing":
            text = momo_rules.message(7002, payment.language)
            fields |= {"resultCode": 7002, "message": text, "responseTime": payment.changed_ms - 1500}
        if kind == "forged":
            text = momo_rules.message(0, payment.language)
            fields |= {"resultCode": 0, "message": text, "transId": self.sandbox.world.next_number()}
            keys["secretKey"] += "-of-somebody-else"
        fields["signature"] = momo_rules.signature("notify", keys, fields)
        if kind == "tampered":
            fields["amount"] = payment.amount * 10
        return self._parcel(payment.order, payment.notify_url, fields, kind)

    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """An IPN with given fields; what is not given comes from the payment, if there is one."""
        order = str(fields.get("orderId", ""))
        known = next((one for one in self.sandbox.world.payments_of_order(order) if one.provider == self.name), None)
        base: dict[str, object] = {"orderType": "momo_wallet", "payType": "qr", "extraData": "", "orderInfo": "",
                                   "requestId": order, "responseTime": now_ms(), "partnerCode": PUBLISHED[0][0]}  # fmt: skip
        if known is not None:
            base = self._result(known)
        code = momo_rules.whole(fields.get("resultCode", 0)) or 0
        given = {name: fields[name] for name in momo_rules.SIGNED["notify"].split() if name in fields}
        base |= {"resultCode": code, "message": momo_rules.message(code, "vi")} | given
        base.setdefault("transId", self.sandbox.world.next_number())
        merchant = self.sandbox.world.merchants.get((self.name, str(base["partnerCode"])))
        url = str(fields.get("ipnUrl") or (known.notify_url if known else ""))
        if merchant is None or not url or momo_rules.whole(base.get("amount")) is None:
            raise BadRequest(
                "needs a known partnerCode, an ipnUrl and an amount, or the orderId of a payment", status=422
            )
        base["signature"] = momo_rules.signature("notify", merchant.keys, base)
        return self._parcel(order, url, base, "custom")

    def _result(self, payment: Payment) -> dict[str, object]:
        """The fields of an IPN and of a return. Failures carry a clock value as transId, as MoMo's do."""
        moved = payment.transactions[-1] if payment.code in (0, 9000) and payment.transactions else None
        return {
            "partnerCode": payment.merchant, "orderId": payment.order, "requestId": payment.fields["requestId"],
            "amount": moved.amount if moved else payment.amount, "orderInfo": payment.description,
            "orderType": "momo_wallet", "transId": moved.number if moved else payment.changed_ms,
            "resultCode": payment.code, "message": momo_rules.message(payment.code, payment.language),
            "payType": "qr" if moved else "", "responseTime": payment.changed_ms,
            "extraData": payment.fields["extraData"],
        }  # fmt: skip

    def _parcel(self, order: str, url: str, fields: Mapping[str, object], kind: str) -> Parcel:
        return Parcel(
            provider=self.name, order=order, url=url, kind=kind, headers={"Content-Type": "application/json; charset=UTF-8"},
            body=json.dumps(fields, ensure_ascii=False).encode(),
        )  # fmt: skip

    # --- the payer ---------------------------------------------------------------------------------------------------

    def pay_page(self, request: Request) -> Response:
        """What the payer sees."""
        return self._page(request, request.query.get("t", ""))

    def pay_form(self, request: Request) -> Response:
        """What the payer pressed; ends at the shop."""
        form = request.form()
        payment = self.sandbox.world.payment_by_token(form.get("t", ""))
        try:
            outcome = Outcome(form.get("action", ""))
        except ValueError:
            return html_response(momo_page.gone(), 400)
        if payment is None:
            return html_response(momo_page.gone(), 404)
        code = form.get("otp", "")
        if outcome is Outcome.PAY and not (code.isascii() and code.isdigit() and len(code) == 6):
            return self._page(request, payment.token, wrong_code=True)
        with suppress(BadRequest):  # it has ended meanwhile: the payer goes back with what became of it
            self.settle(payment, outcome)
        return redirect(self.return_address(payment))

    def pay_state(self, request: Request) -> Response:
        """Lets an open page leave when the payment ends elsewhere, say by a scan."""
        payment = self.sandbox.world.payment_by_token(request.query.get("t", ""))
        if payment is None:
            return json_response({"error": "not_found"}, 404)
        with self.sandbox.world.lock:
            self._expire_if_due(payment)
        waiting = payment.stage is Stage.WAITING
        return json_response({"stage": payment.stage, "leave": "" if waiting else self.return_address(payment)})

    def return_address(self, payment: Payment) -> str:
        """The shop's address with the signed result, as the browser carries it."""
        fields = {**self._result(payment), "paymentOption": "momo"}
        keys = self.sandbox.world.merchants[self.name, payment.merchant].keys
        fields["signature"] = momo_rules.signature("notify", keys, fields)
        return f"{payment.return_url}{'&' if '?' in payment.return_url else '?'}{urlencode(fields)}"

    def _page(self, request: Request, token: str, *, wrong_code: bool = False) -> Response:
        payment = self.sandbox.world.payment_by_token(token)
        if payment is None:
            return html_response(momo_page.gone(), 404)
        with self.sandbox.world.lock:
            self._expire_if_due(payment)
        language = request.query.get("lang") or payment.language
        leave = "" if payment.stage is Stage.WAITING else self.return_address(payment)
        address = f"{self.sandbox.settings.public_url}/v2/gateway/pay?t={payment.token}&scan=1"
        page = momo_page.render(payment, language=language, leave=leave, scan=address, wrong_code=wrong_code)
        return html_response(page, 400 if wrong_code else 200)


def _amount(fields: Mapping[str, object]) -> int:
    return momo_rules.whole(fields.get("amount")) or 0


def _order_of(request: Request) -> str:
    try:
        return str(request.object().get("orderId", ""))
    except BadRequest:
        return ""


def _listed(refund: Refund) -> dict[str, object]:
    return {"orderId": refund.order, "amount": refund.amount, "resultCode": refund.code, "transId": refund.number,
            "createdTime": refund.created_ms}  # fmt: skip
