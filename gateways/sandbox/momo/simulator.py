"""MoMo's side: its routes, its notifications and its pay page. The calls themselves are in api.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar, Final
from urllib.parse import urlencode

from gateways.sandbox import pages
from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.momo import page as momo_page
from gateways.sandbox.momo import rules
from gateways.sandbox.momo.api import Api
from gateways.sandbox.momo.lifecycle import Lifecycle
from gateways.sandbox.momo.rules import NAME
from gateways.sandbox.momo.settlement import settlements
from gateways.sandbox.provider import Outcome, Provider, Sandbox
from gateways.sandbox.state import Merchant, Payment, Stage, now_ms
from gateways.sandbox.timetable import Timetable
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response, redirect

PUBLISHED: Final = (  # in MoMo's own public samples
    ("MOMO", "F8BBA842ECF85", "K951B6PE1waDMi640xX08PD3vg6EkVlz"),
    ("MOMOBKUN20180529", "klm05TvNBzhg7h7j", "at67qH6mk8w5Y1nAyMoYKMWACiEi2bsa"),
)


class MoMo(Provider):
    """The wallet."""

    name: ClassVar[str] = NAME
    key_names: ClassVar[tuple[str, ...]] = ("accessKey", "secretKey")
    impossible: ClassVar[frozenset[Fault]] = frozenset({Fault.WRONG_CURRENCY})
    timetable: ClassVar[Timetable] = Timetable(
        pauses=(),
        answer_seconds=15.0,
        unconfirmed="whether a message is repeated: once is the least that can be relied on",
    )
    """Payment notification, "HTTP 204 within 15 s"; about repeats MoMo's documents are silent."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.lifecycle = Lifecycle(sandbox)
        self.api = Api(sandbox, self.lifecycle, settle=self.settle, notification=self.notification)
        self.settlements = settlements(sandbox.world, self.lifecycle)

    def routes(self) -> list[Route]:
        """Paths as at MoMo; the pay page's own calls are ours."""
        base = "/v2/gateway/api"
        calls = {
            "create": self.api.create,
            "query": self.api.query,
            "refund": self.api.refund,
            "confirm": self.api.confirm,
        }
        found = [
            Route(method="POST", path=f"{base}/{name}", handler=handler, operation=name, order_of=_order_of)
            for name, handler in calls.items()
        ]
        return [
            *found,
            Route(method="POST", path=f"{base}/refund/query", handler=self.api.refund_query, operation="refund_query", order_of=_order_of),
            Route(method="GET", path="/v2/gateway/pay", handler=self.pay_page),
            Route(method="POST", path="/v2/gateway/pay", handler=self.pay_form),
            Route(method="GET", path="/v2/gateway/pay/state", handler=self.pay_state),
            Route(method="GET", path="/control/momo/settlement", handler=self.settlements.file),
        ]  # fmt: skip

    def merchants(self) -> list[Merchant]:
        """The test merchants whose keys MoMo published."""
        return [
            Merchant(provider=self.name, code=code, keys={"accessKey": access, "secretKey": secret})
            for code, access, secret in PUBLISHED
        ]

    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let it end so, and notify."""
        self.lifecycle.end(payment, outcome, again=again, code=code)
        self.announce(payment)

    def error(self, code: int) -> Response:
        """An answer with this code and nothing of the request."""
        return self.api.refuse(code, {})

    def tamper(self, response: Response) -> Response:
        """The same answer with another amount."""
        answer = json.loads(response.body)
        answer["amount"] = int(answer.get("amount") or 0) + 1
        return json_response(answer, response.status)

    # --- telling the merchant ----------------------------------------------------------------------------------------

    def notification(self, payment: Payment, kind: str) -> Parcel:
        """The IPN about the payment as it is now, or one of its bad likenesses."""
        fields = self._result(payment)
        keys = dict(self.sandbox.world.merchants[self.name, payment.merchant].keys)
        if kind == "processing":
            text = rules.message(7002, payment.language)
            fields |= {"resultCode": 7002, "message": text, "responseTime": payment.changed_ms - 1500}
        if kind == "forged":
            text = rules.message(0, payment.language)
            fields |= {"resultCode": 0, "message": text, "transId": self.sandbox.world.next_number()}
            keys["secretKey"] += "-of-somebody-else"
        fields["signature"] = rules.signature("notify", keys, fields)
        if kind == "tampered":
            fields["amount"] = payment.amount * 10
        return self._parcel(payment.order, payment.notify_url, fields, kind)

    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """An IPN with given fields; what is not given comes from the payment, if there is one."""
        order = str(fields.get("orderId", ""))
        known = self.sandbox.world.payment_of_order(self.name, order)
        base: dict[str, object] = {"orderType": "momo_wallet", "payType": "qr", "extraData": "", "orderInfo": "",
                                   "requestId": order, "responseTime": now_ms(), "partnerCode": PUBLISHED[0][0]}  # fmt: skip
        if known is not None:
            base = self._result(known)
        code = rules.whole(fields.get("resultCode", 0)) or 0
        given = {name: fields[name] for name in rules.SIGNED["notify"].split() if name in fields}
        base |= {"resultCode": code, "message": rules.message(code, "vi")} | given
        base.setdefault("transId", self.sandbox.world.next_number())
        merchant = self.sandbox.world.merchants.get((self.name, str(base["partnerCode"])))
        url = str(fields.get("ipnUrl") or (known.notify_url if known else ""))
        if merchant is None or not url or rules.whole(base.get("amount")) is None:
            raise BadRequest(
                "needs a known partnerCode, an ipnUrl and an amount, or the orderId of a payment", status=422
            )
        base["signature"] = rules.signature("notify", merchant.keys, base)
        return self._parcel(order, url, base, "custom")

    def _result(self, payment: Payment) -> dict[str, object]:
        """The fields of an IPN and of a return. Failures carry a clock value as transId, as MoMo's do."""
        moved = payment.transactions[-1] if payment.code in (0, 9000) and payment.transactions else None
        return {
            "partnerCode": payment.merchant, "orderId": payment.order, "requestId": payment.fields["requestId"],
            "amount": moved.amount if moved else payment.amount, "orderInfo": payment.description,
            "orderType": "momo_wallet", "transId": moved.number if moved else payment.changed_ms,
            "resultCode": payment.code, "message": rules.message(payment.code, payment.language),
            "payType": "qr" if moved else "", "responseTime": payment.changed_ms,
            "extraData": payment.fields["extraData"],
        }  # fmt: skip

    def _parcel(self, order: str, url: str, fields: Mapping[str, object], kind: str) -> Parcel:
        return Parcel(
            provider=self.name, order=order, url=url, kind=kind, timetable=self.timetable, headers={"Content-Type": "application/json; charset=UTF-8"},
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
            return html_response(pages.gone(), 400)
        if payment is None:
            return html_response(pages.gone(), 404)
        code = form.get("otp", "")
        if outcome is Outcome.PAY and not (code.isascii() and code.isdigit() and len(code) == 6):
            return self._page(request, payment.token, wrong_code=True)
        with suppress(BadRequest):  # it has ended meanwhile: the payer goes back with what became of it
            self.settle(payment, outcome)
        return redirect(self.return_address(payment))

    def pay_state(self, request: Request) -> Response:
        """Lets an open page leave when the payment ends elsewhere, say by a scan."""
        payment = self.sandbox.world.payment_by_token(request.query.get("t", ""))
        expire = self.lifecycle.expire_if_due
        return pages.state(self.sandbox.world, payment, expire_if_due=expire, leave=self.return_address)

    def return_address(self, payment: Payment) -> str:
        """The shop's address with the signed result, as the browser carries it."""
        fields = {**self._result(payment), "paymentOption": "momo"}
        keys = self.sandbox.world.merchants[self.name, payment.merchant].keys
        fields["signature"] = rules.signature("notify", keys, fields)
        return f"{payment.return_url}{'&' if '?' in payment.return_url else '?'}{urlencode(fields)}"

    def _page(self, request: Request, token: str, *, wrong_code: bool = False) -> Response:
        payment = self.sandbox.world.payment_by_token(token)
        if payment is None:
            return html_response(pages.gone(), 404)
        with self.sandbox.world.lock:
            self.lifecycle.expire_if_due(payment)
        language = request.query.get("lang") or payment.language
        leave = "" if payment.stage is Stage.WAITING else self.return_address(payment)
        address = f"{self.sandbox.settings.public_url}/v2/gateway/pay?t={payment.token}&scan=1"
        page = momo_page.render(payment, language=language, leave=leave, scan=address, wrong_code=wrong_code)
        return html_response(page, 400 if wrong_code else 200)


def _order_of(request: Request) -> str:
    try:
        return str(request.object().get("orderId", ""))
    except BadRequest:
        return ""
