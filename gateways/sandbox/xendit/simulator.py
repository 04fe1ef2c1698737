"""Xendit's side: its routes, its webhooks and its pay page. The calls themselves are in api.py."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, ClassVar, Final

from gateways.sandbox import pages
from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Provider, Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, now_ms
from gateways.sandbox.timetable import HOUR, MINUTE, Timetable
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response, redirect
from gateways.sandbox.xendit import objects, page, rules
from gateways.sandbox.xendit.api import Api
from gateways.sandbox.xendit.lifecycle import Lifecycle, offered
from gateways.sandbox.xendit.payouts import Payouts
from gateways.sandbox.xendit.reports import Reports
from gateways.sandbox.xendit.rules import NAME

INVENTED: Final = (  # Xendit publishes no test merchants: these are made up, and good for nothing else
    ("sandbox-shop-one", "xnd_development_sandbox_shop_one", "sandbox-callback-token-Of-Shop-One"),
    ("sandbox-shop-two", "xnd_development_sandbox_shop_two", "sandbox-callback-token-Of-Shop-Two"),
)


class Xendit(Provider):
    """Invoices, and what else of it speaks to merchants."""

    name: ClassVar[str] = NAME
    key_names: ClassVar[tuple[str, ...]] = ("secretKey", "callbackToken", "webhookUrl")
    impossible: ClassVar[frozenset[Fault]] = frozenset({Fault.WRONG_CURRENCY})
    timetable: ClassVar[Timetable] = Timetable(
        pauses=(15 * MINUTE, 45 * MINUTE, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR), answer_seconds=30.0
    )
    """Webhooks: any 2xx within 30 s (an older page); else six times more, the last a day after the first."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.lifecycle = Lifecycle(sandbox)
        self.reports = Reports(sandbox)
        self.payouts = Payouts(sandbox, tell=self.tell_payout)
        self.api = Api(
            sandbox, self.lifecycle, settle=self.settle, notification=self.notification, tell_refund=self.tell_refund
        )

    def routes(self) -> list[Route]:
        """Paths as at Xendit; what is under /control and /web is ours."""
        by_id, of_refund = self._order_of_invoice, self._order_of_refund
        return [
            Route(method="POST", path="/v2/invoices", handler=self.api.create, operation="create", order_of=_in_body("external_id")),
            Route(method="GET", path="/v2/invoices", handler=self.api.invoices, operation="query", order_of=lambda request: request.query.get("external_id", "")),
            Route(method="GET", path="/v2/invoices/{id}", handler=self.api.invoice, operation="query", order_of=by_id),
            Route(method="POST", path="/invoices/{id}/expire!", handler=self.api.expire, operation="close", order_of=by_id),
            Route(method="GET", path="/v3/payments/{id}", handler=self.api.v3_payment, operation="query"),
            Route(method="GET", path="/sessions/{id}", handler=self.api.session, operation="query"),
            Route(method="POST", path="/refunds", handler=self.api.refund, operation="refund", order_of=_in_body("reference_id")),
            Route(method="GET", path="/refunds", handler=self.api.refunds, operation="refund_query"),
            Route(method="GET", path="/refunds/{id}", handler=self.api.refund_by_id, operation="refund_query", order_of=of_refund),
            *self.payouts.routes(),
            Route(method="GET", path="/transactions", handler=self.transactions, operation="transactions"),
            Route(method="GET", path="/web/{id}", handler=self.pay_page),
            Route(method="POST", path="/web/{id}", handler=self.pay_form),
            Route(method="GET", path="/web/{id}/state", handler=self.pay_state),
            Route(method="GET", path="/control/xendit/settlement", handler=self.settlement),
            Route(method="POST", path="/control/xendit/settled/{order}", handler=self.money_settles),
            Route(method="POST", path="/control/xendit/refunds/{order}/fail", handler=self.refund_fails),
            Route(method="POST", path="/control/xendit/disputes/{order}/{what}", handler=self.money_disputed),
            Route(method="POST", path="/control/xendit/v3", handler=self.v3_paid),
        ]  # fmt: skip

    def merchants(self) -> list[Merchant]:
        """Two made-up accounts. Where their webhooks go is set in the dashboard, not by a call: the key `webhookUrl`."""
        return [
            Merchant(provider=self.name, code=code, keys={"secretKey": key, "callbackToken": token, "webhookUrl": ""})
            for code, key, token in INVENTED
        ]

    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let it end so, and notify; a declined payer goes on, and nobody hears of it."""
        if self.lifecycle.end(payment, outcome, again=again):
            self.announce(payment)

    def error(self, code: int) -> Response:
        """A refusal, by HTTP status or number (xendit_rules.number_of_error)."""
        return objects.refusal(rules.error_of_number(code))

    def tamper(self, response: Response) -> Response:
        """The same answer with another amount."""
        answer = json.loads(response.body, parse_float=Decimal)
        if isinstance(answer, dict) and "amount" in answer:
            answer["amount"] = Decimal(answer["amount"]) + 1
        return objects.answer(answer, response.status)

    # --- telling the merchant ----------------------------------------------------------------------------------------

    def notification(self, payment: Payment, kind: str) -> Parcel:
        """The webhook about an invoice as it is now, or one of its bad likenesses. The body is protected by nothing."""
        fields = objects.callback(payment, self._url)
        token = self._token(payment.merchant)
        if kind == "processing":
            fields |= {"status": "PENDING", "updated": rules.moment(payment.created_ms)}
        if kind == "forged":
            fields |= {"status": "PAID", "paid_amount": fields["amount"], "paid_at": rules.moment(now_ms())}
            token = token.swapcase()
        if kind == "tampered":
            fields |= {name: Decimal(str(fields[name])) * 10 for name in ("amount", "paid_amount") if name in fields}
        return self._parcel(payment.order, payment.notify_url, fields, kind, token=token)

    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """A webhook with these fields and the true token; `merchant` and `url` say whose and where. What is not given
        comes from the invoice of the `external_id`, if there is one; an `event` is sent as it is.
        """
        given = {name: value for name, value in fields.items() if name not in ("merchant", "url")}
        order = str(fields.get("external_id", ""))
        known = self.sandbox.world.payment_of_order(NAME, order)
        code = str(fields.get("merchant") or (known.merchant if known else INVENTED[0][0]))
        merchant = self.sandbox.world.merchants.get((NAME, code))
        url = str(fields.get("url") or (merchant.keys.get("webhookUrl", "") if merchant else ""))
        if merchant is None or not url or not ({"event", "external_id"} & set(given)):
            raise BadRequest("needs a known merchant, a url, and an event or an external_id", status=422)
        base = objects.callback(known, self._url) if known and "event" not in given else {}
        return self._parcel(order, url, {**base, **given}, "custom", token=self._token(code))

    def tell_refund(self, refund: Refund, payment: Payment, after_seconds: float, *, ended: str = "SUCCEEDED") -> None:
        """Send a refund's end once it has come."""
        lost = self.sandbox.faults.take("ipn", refund.order, frozenset({Fault.LOST_IPN}))
        if not payment.notify_url or lost:
            return
        body = objects.envelope(
            "refund.succeeded" if ended == "SUCCEEDED" else "refund.failed",
            objects.refund(refund, payment, status=ended), business=payment.merchant, at_ms=now_ms(),
        )  # fmt: skip
        parcel = self._parcel(refund.order, payment.notify_url, body, "refund", token=self._token(payment.merchant))
        self.sandbox.courier.send([parcel], after_seconds=after_seconds)

    def tell_payout(self, merchant: str, order: str, event: str, payout: dict[str, object]) -> None:
        """Send what became of a payout."""
        url = self.sandbox.world.merchants[NAME, merchant].keys.get("webhookUrl", "")
        if url and not self.sandbox.faults.take("ipn", order, frozenset({Fault.LOST_IPN})):
            body = objects.envelope(event, payout, business=merchant, at_ms=now_ms())
            self.sandbox.courier.send([self._parcel(order, url, body, "payout", token=self._token(merchant))])

    def _parcel(self, order: str, url: str, fields: Mapping[str, object], kind: str, *, token: str) -> Parcel:
        headers = {"Content-Type": "application/json", "x-callback-token": token}
        body = objects.text(dict(fields)).encode()
        return Parcel(
            provider=NAME, order=order, url=url, kind=kind, timetable=self.timetable, headers=headers, body=body
        )

    def _token(self, merchant: str) -> str:
        return self.sandbox.world.merchants[NAME, merchant].keys["callbackToken"]

    # --- the payer ---------------------------------------------------------------------------------------------------

    def pay_page(self, request: Request) -> Response:
        """What the payer sees."""
        payment = self._invoice_of(request)
        if payment is None:
            return html_response(pages.gone(), 404)
        with self.sandbox.world.lock:
            self.lifecycle.expire_if_due(payment)
        language = request.query.get("lang") or payment.language
        leave = "" if payment.stage is Stage.WAITING else self.way_back(payment)
        return html_response(page.render(payment, offered(payment), language=language, leave=leave))

    def pay_form(self, request: Request) -> Response:
        """What the payer pressed. After a decline the page shows it and stays; else the payer goes back to the shop."""
        payment, form = self._invoice_of(request), request.form()
        try:
            outcome = Outcome(form.get("action", ""))
        except ValueError:
            return html_response(pages.gone(), 400)
        if payment is None:
            return html_response(pages.gone(), 404)
        self._choose(payment, form.get("channel", ""))
        with suppress(BadRequest):  # it has ended meanwhile: the payer goes back with what became of it
            self.settle(payment, outcome)
        if payment.stage is Stage.WAITING:
            return redirect(f"/web/{payment.token}?lang={request.query.get('lang') or payment.language}")
        return redirect(self.way_back(payment))

    def _choose(self, payment: Payment, channel: str) -> None:
        chosen = next((one for one in offered(payment) if one[1] == channel), None)
        if chosen and payment.stage is Stage.WAITING:
            payment.fields |= {"payment_method": chosen[0], "payment_channel": chosen[1]}

    def pay_state(self, request: Request) -> Response:
        """Lets an open page leave when the invoice ends elsewhere."""
        payment = self._invoice_of(request)
        expire = self.lifecycle.expire_if_due
        return pages.state(self.sandbox.world, payment, expire_if_due=expire, leave=self.way_back)

    def way_back(self, payment: Payment) -> str:
        """One of the merchant's two addresses, as they are: Xendit adds nothing to them."""
        return payment.return_url if payment.stage is Stage.PAID else str(payment.fields["failure_redirect_url"])

    # --- the tester --------------------------------------------------------------------------------------------------

    def money_settles(self, request: Request) -> Response:
        """POST /control/xendit/settled/{order}: the money reaches the balance, SETTLED is told."""
        payment = self._of_order(request)
        self.lifecycle.settle_money(payment)
        self.announce(payment)
        return json_response({"status": "SETTLED"})

    def money_disputed(self, request: Request) -> Response:
        """POST /control/xendit/disputes/{order}/taken or /returned: a bank takes the money or gives it back, untold."""
        payment = self._of_order(request)
        self.lifecycle.charge_back(payment, request.arguments["what"])
        return json_response({"chargebacks": payment.fields["chargebacks"]})

    def refund_fails(self, request: Request) -> Response:
        """POST /control/xendit/refunds/{order}/fail: the channel sends a refund back, even one that was done."""
        world, order = self.sandbox.world, request.arguments["order"]
        refund = next((one for one in world.refunds.values() if one.provider == NAME and one.order == order), None)
        if refund is None:
            raise BadRequest("no refund with this reference_id", status=404)
        refund.stage, refund.done_after_ms = Stage.REJECTED, now_ms()
        world.keep(refund)
        self.tell_refund(refund, world.payments[NAME, refund.merchant, refund.payment], 0.0, ended="FAILED")
        return json_response(dataclasses.asdict(refund))

    def v3_paid(self, request: Request) -> Response:
        """POST /control/xendit/v3 {reference_id, amount, currency, merchant?}: money by API v3, with no invoice.

        Answers the payment and its session, which is what webhooks about it hold.
        """
        fields: dict[str, Any] = request.object()
        merchant, currency = str(fields.get("merchant") or INVENTED[0][0]), str(fields.get("currency", "IDR"))
        amount = rules.minor(fields.get("amount"), currency) if currency in rules.DECIMALS else None
        if amount is None or not fields.get("reference_id") or (NAME, merchant) not in self.sandbox.world.merchants:
            raise BadRequest("needs reference_id, amount, currency and a known merchant", status=422)
        payment = Payment(
            provider=NAME, merchant=merchant, order=str(fields["reference_id"]), amount=amount, currency=currency,
            token=secrets.token_hex(12), created_ms=now_ms(), expires_ms=now_ms() + 1_800_000, description="",
            return_url="", notify_url=self.sandbox.world.merchants[NAME, merchant].keys.get("webhookUrl", ""), language="en",
            fields={"id": "", "external_id": str(fields["reference_id"]), "payment_methods": [], "is_v3": True,
                    "payment_method": "EWALLET", "payment_channel": "GCASH", "failure_redirect_url": "", "merchant_name": ""},
        )  # fmt: skip
        self.lifecycle.end(payment, Outcome.PAY)
        return objects.answer({"payment": objects.v3_payment(payment), "session": objects.session(payment)}, 201)

    def transactions(self, request: Request) -> Response:
        """GET /transactions: what moved the balance."""
        key = rules.key_of(request.headers)
        known = self.sandbox.world.merchants.values()
        merchant = next((one for one in known if one.provider == NAME and one.keys["secretKey"] == key), None)
        return self.reports.transactions(request, merchant) if merchant else objects.refusal("INVALID_API_KEY")

    def settlement(self, request: Request) -> Response:
        """GET /control/xendit/settlement?merchant=: the Transactions report as CSV, as the dashboard gives it."""
        return self.reports.csv(request.query.get("merchant") or INVENTED[0][0])

    # --- finding -----------------------------------------------------------------------------------------------------

    def _invoice_of(self, request: Request) -> Payment | None:
        payment = self.sandbox.world.payment_by_token(request.arguments["id"])
        return payment if payment and payment.provider == NAME and "is_v3" not in payment.fields else None

    def _of_order(self, request: Request) -> Payment:
        for payment in self.sandbox.world.payments_of_order(request.arguments["order"]):
            if payment.provider == NAME:
                return payment
        raise BadRequest("no invoice with this external_id", status=404)

    def _order_of_invoice(self, request: Request) -> str:
        payment = self._invoice_of(request)
        return payment.order if payment else ""

    def _order_of_refund(self, request: Request) -> str:
        refund = self.api.refund_of_id(request.arguments["id"])
        return refund.order if refund else ""

    @property
    def _url(self) -> str:
        return self.sandbox.settings.public_url


def _in_body(name: str) -> Any:
    """Reads which payment a call is about from its body."""

    def order_of(request: Request) -> str:
        try:
            return str(request.object().get(name, ""))
        except BadRequest:
            return ""

    return order_of
