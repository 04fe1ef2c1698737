"""VNPay's side: the redirect it takes, its pay page and its notifications. The calls are in api.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar, Final

from gateways.sandbox import pages
from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Provider, Sandbox
from gateways.sandbox.state import Merchant, Payment, Stage, new_token, now_ms
from gateways.sandbox.timetable import MINUTE, Timetable
from gateways.sandbox.vnpay import page as vnpay_page
from gateways.sandbox.vnpay import rules
from gateways.sandbox.vnpay.api import BANK, STATUS, Api
from gateways.sandbox.vnpay.lifecycle import SUSPICIOUS, Lifecycle
from gateways.sandbox.vnpay.rules import NAME
from gateways.sandbox.vnpay.settlement import settlements
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response, redirect

INVENTED: Final = (  # VNPay publishes no test merchant; these are nobody's
    ("SHOPTST1", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"),
    ("SHOPTST2", "QK7ZL0M5VX1N8RT4WB6YC3HD9FJ2GSPA"),
)
PAGE: Final = "/paymentv2/Transaction/PaymentMethod.html"


def is_taken(status: int, body: bytes) -> bool:
    """VNPay comes again unless the answer is JSON with RspCode 00 or 02."""
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return status == 200 and isinstance(answer, dict) and answer.get("RspCode") in ("00", "02")


class VNPay(Provider):
    """The bank cards' and QR gateway."""

    name: ClassVar[str] = NAME
    key_names: ClassVar[tuple[str, ...]] = ("hashSecret", "ipnUrl")
    impossible: ClassVar[frozenset[Fault]] = frozenset({Fault.WRONG_CURRENCY})
    timetable: ClassVar[Timetable] = Timetable(
        pauses=(5 * MINUTE,) * 9, answer_seconds=15.0, unconfirmed="how long an answer is waited for"
    )
    """IPN URL: at most 10 calls, 5 minutes apart, on RspCode 01, 04, 97, 99 or a time-out."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.lifecycle = Lifecycle(sandbox)
        self.api = Api(sandbox, self.lifecycle)
        self.settlements = settlements(sandbox.world, self.lifecycle)

    def routes(self) -> list[Route]:
        """Paths as at VNPay; what the pay page itself calls is ours."""
        return [
            Route(method="GET", path="/paymentv2/vpcpay.html", handler=self.arrive, operation="create",
                  order_of=lambda request: request.query.get("vnp_TxnRef", "")),
            Route(method="GET", path=PAGE, handler=self.pay_page),
            Route(method="POST", path=PAGE, handler=self.pay_form),
            Route(method="GET", path=f"{PAGE}/state", handler=self.pay_state),
            Route(method="POST", path="/merchant_webapi/api/transaction", handler=self.api.transaction,
                  operation_of=_operation_of, order_of=_order_of),
            Route(method="GET", path="/control/vnpay/settlement", handler=self.settlements.file),
        ]  # fmt: skip

    def merchants(self) -> list[Merchant]:
        """Two invented terminals. Where their IPN goes is registered, not sent: the key `ipnUrl`."""
        return [
            Merchant(provider=self.name, code=code, keys={"hashSecret": secret, "ipnUrl": ""})
            for code, secret in INVENTED
        ]

    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let it end so, and notify."""
        self.lifecycle.end(payment, outcome, again=again, code=code)
        self.announce(payment)

    def error(self, code: int) -> Response:
        """An answer with this code, unsigned, and nothing of the request."""
        return self.api.refuse(f"{code:02}")

    def tamper(self, response: Response) -> Response:
        """The same answer with another amount."""
        answer = json.loads(response.body)
        answer["vnp_Amount"] = str(int(answer.get("vnp_Amount") or 0) + 100)
        return json_response(answer, response.status)

    # --- telling the merchant ----------------------------------------------------------------------------------------

    def notification(self, payment: Payment, kind: str) -> Parcel:
        """The IPN about the payment as it is now, or one of its bad likenesses."""
        fields = self._result(payment)
        secret = self._secret(payment.merchant)
        if kind == "processing":  # suspicious first, then released: the older message
            fields |= {"vnp_ResponseCode": "07", "vnp_TransactionStatus": "07"}
            fields["vnp_PayDate"] = rules.stamp(payment.changed_ms - 2_000)
        if kind == "forged":
            number = str(self.sandbox.world.next_number())
            fields |= {"vnp_ResponseCode": "00", "vnp_TransactionStatus": "00", "vnp_TransactionNo": number}
            secret += "-of-somebody-else"
        fields["vnp_SecureHash"] = rules.query_hash(secret, fields)
        if kind == "tampered":
            fields["vnp_Amount"] = str(payment.amount * 1000)
        return self._parcel(payment.order, payment.notify_url, fields, kind)

    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """An IPN with given fields; what is not given comes from the payment, if there is one."""
        order = str(fields.get("vnp_TxnRef", ""))
        known = self.sandbox.world.payment_of_order(self.name, order)
        base = {"vnp_TmnCode": INVENTED[0][0], "vnp_TxnRef": order, "vnp_BankCode": BANK, "vnp_CardType": "ATM",
                "vnp_OrderInfo": order, "vnp_PayDate": rules.stamp(now_ms()), "vnp_ResponseCode": "00",
                "vnp_TransactionStatus": "00", "vnp_TransactionNo": str(self.sandbox.world.next_number())}  # fmt: skip
        base |= self._result(known) if known else {}
        base |= {name: str(value) for name, value in fields.items() if name.startswith("vnp_")}
        merchant = self.sandbox.world.merchants.get((self.name, base["vnp_TmnCode"]))
        url = str(fields.get("ipnUrl") or (merchant.keys.get("ipnUrl", "") if merchant else ""))
        if merchant is None or not url or not base.get("vnp_Amount", "").isdigit():
            raise BadRequest("needs a known vnp_TmnCode, an ipnUrl and a vnp_Amount (đồng times 100), or the vnp_TxnRef "
                             "of a payment", status=422)  # fmt: skip
        base["vnp_SecureHash"] = rules.query_hash(merchant.keys["hashSecret"], base)
        return self._parcel(order, url, base, "custom")

    def _result(self, payment: Payment) -> dict[str, str]:
        """The fields of an IPN and of a return. A number is there only where the bank was asked for money."""
        moved = payment.transactions[-1] if payment.stage is Stage.PAID else None
        number = moved.number if moved else payment.fields.get("number", 0)
        status = "02" if payment.stage is Stage.EXPIRED else STATUS[payment.stage]
        return {
            "vnp_TmnCode": payment.merchant, "vnp_Amount": str((moved.amount if moved else payment.amount) * 100),
            "vnp_BankCode": BANK, "vnp_BankTranNo": f"VNP{number}" if moved else "", "vnp_CardType": "ATM",
            "vnp_OrderInfo": payment.description, "vnp_PayDate": rules.stamp(payment.changed_ms),
            "vnp_ResponseCode": f"{payment.code:02}", "vnp_TransactionNo": str(number), "vnp_TransactionStatus": status,
            "vnp_TxnRef": payment.order,
        }  # fmt: skip

    def _parcel(self, order: str, url: str, fields: Mapping[str, str], kind: str) -> Parcel:
        query = f"{rules.query_string(fields)}&vnp_SecureHash={fields['vnp_SecureHash']}"
        return Parcel(provider=self.name, order=order, url=_joined(url, query), body=b"", kind=kind, method="GET",
                      timetable=self.timetable, is_taken=is_taken)  # fmt: skip

    def _secret(self, merchant: str) -> str:
        return self.sandbox.world.merchants[self.name, merchant].keys["hashSecret"]

    # --- the payer ---------------------------------------------------------------------------------------------------

    def arrive(self, request: Request) -> Response:
        """A browser comes with a signed redirect: only now does VNPay learn of the payment."""
        values = dict(request.query)
        locale = values.get("vnp_Locale", "vn")
        merchant = self.sandbox.world.merchants.get((NAME, values.get("vnp_TmnCode", "")))
        if merchant is None:
            return html_response(vnpay_page.refused("72", "vnp_TmnCode", locale=locale), 400)
        if not rules.is_hash(values.get("vnp_SecureHash"), rules.query_hash(merchant.keys["hashSecret"], values)):
            return html_response(vnpay_page.refused("70", "vnp_SecureHash", locale=locale), 400)
        wrong = rules.wrong_fields("pay", values)
        if wrong:
            return html_response(vnpay_page.refused("03", ", ".join(wrong), locale=locale), 400)
        with self.sandbox.world.lock:
            payment = self._opened(values, merchant)
        if payment is None:
            return html_response(vnpay_page.refused("01", "vnp_TxnRef", locale=locale), 400)
        return redirect(f"{self.sandbox.settings.public_url}{PAGE}?token={payment.token}&locale={locale}")

    def _opened(self, values: dict[str, str], merchant: Merchant) -> Payment | None:
        """The payment of a redirect, the same for the same one; None where another one has its reference."""
        world, order, digest = self.sandbox.world, values["vnp_TxnRef"], values["vnp_SecureHash"].lower()
        known = world.payments.get((NAME, merchant.code, order))
        if known is not None:
            return known if known.fields["hash"] == digest else None
        payment = Payment(
            provider=NAME, merchant=merchant.code, order=order, amount=int(values["vnp_Amount"]) // 100, currency="VND",
            token=new_token(), created_ms=now_ms(), expires_ms=rules.at_ms(values["vnp_ExpireDate"]),
            description=values["vnp_OrderInfo"], return_url=values["vnp_ReturnUrl"],
            notify_url=merchant.keys.get("ipnUrl", ""), language=values["vnp_Locale"], changed_ms=now_ms(),
            fields={"createDate": values["vnp_CreateDate"], "hash": digest, "bank": values.get("vnp_BankCode", "")},
        )  # fmt: skip
        world.keep(payment)
        world.record("created", provider=NAME, order=order, amount=payment.amount)
        if self.sandbox.faults.take("create", order, frozenset({Fault.IPN_BEFORE_REPLY})):
            self.lifecycle.end(payment, Outcome.PAY)
            self.sandbox.courier.deliver_now([self.notification(payment, "genuine")])
        elif self.sandbox.settings.autopay:
            self.settle(payment, Outcome.PAY)
        return payment

    def pay_page(self, request: Request) -> Response:
        """What the payer sees."""
        return self._page(request, request.query.get("token", ""))

    def pay_form(self, request: Request) -> Response:
        """What the payer pressed; ends at the shop."""
        form = request.form()
        payment = self.sandbox.world.payment_by_token(form.get("token", ""))
        if payment is None:
            return html_response(pages.gone(), 404)
        action = form.get("action", "")
        if action == "pay":
            code = rules.TEST_CARDS.get(form.get("card", "").replace(" ", ""))
            if code is None or form.get("otp") != "123456":
                return self._page(request, payment.token, problem="otp_wrong" if code else "card_wrong")
            action = {"00": "pay", "51": "insufficient"}.get(code, "decline")
            number = int(code) if action == "decline" else None
        else:
            number = SUSPICIOUS if action == "suspicious" else None
            action = "pay" if action == "suspicious" else action
        try:
            outcome = Outcome(action)
        except ValueError:
            return html_response(pages.gone(), 400)
        with suppress(BadRequest):  # it has ended meanwhile: the payer goes back with what became of it
            self.settle(payment, outcome, code=number)
        return redirect(self.return_address(payment))

    def pay_state(self, request: Request) -> Response:
        """Lets an open page leave when the payment ends elsewhere, say by a scan."""
        payment = self.sandbox.world.payment_by_token(request.query.get("token", ""))
        expire = self.lifecycle.expire_if_due
        return pages.state(self.sandbox.world, payment, expire_if_due=expire, leave=self.return_address)

    def return_address(self, payment: Payment) -> str:
        """The shop's address with the signed result, as the browser carries it."""
        fields = self._result(payment)
        signature = rules.query_hash(self._secret(payment.merchant), fields)
        return _joined(payment.return_url, f"{rules.query_string(fields)}&vnp_SecureHash={signature}")

    def _page(self, request: Request, token: str, *, problem: str = "") -> Response:
        payment = self.sandbox.world.payment_by_token(token)
        if payment is None:
            return html_response(pages.gone(), 404)
        with self.sandbox.world.lock:
            self.lifecycle.expire_if_due(payment)
        locale = request.query.get("locale") or payment.language
        leave = "" if payment.stage is Stage.WAITING else self.return_address(payment)
        address = f"{self.sandbox.settings.public_url}{PAGE}?token={payment.token}"
        page = vnpay_page.render(payment, locale=locale, leave=leave, address=address, problem=problem)
        return html_response(page, 400 if problem else 200)


def _joined(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _operation_of(request: Request) -> str:
    return {"querydr": "query", "refund": "refund"}.get(_field(request, "vnp_Command"), "query")


def _order_of(request: Request) -> str:
    return _field(request, "vnp_TxnRef")


def _field(request: Request, name: str) -> str:
    try:
        return str(request.object().get(name, ""))
    except BadRequest:
        return ""
