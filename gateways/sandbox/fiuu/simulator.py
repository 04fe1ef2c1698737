"""Fiuu's side: its routes, its notifications and its hosted page. The calls are in api.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar, Final
from urllib.parse import urlencode

from gateways.sandbox import pages
from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.fiuu import page as fiuu_page
from gateways.sandbox.fiuu import report as fiuu_report
from gateways.sandbox.fiuu import rules
from gateways.sandbox.fiuu.api import Api, received, refuse
from gateways.sandbox.fiuu.channels import Channels
from gateways.sandbox.fiuu.lifecycle import Lifecycle, Try
from gateways.sandbox.fiuu.rules import NAME
from gateways.sandbox.provider import Outcome, Provider, Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, new_token, now_ms
from gateways.sandbox.timetable import MINUTE, Timetable
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response

INVENTED: Final = (  # nobody's: Fiuu publishes no test merchant
    ("SB_reckoner", "8d1f6d1d0c5b4a7e9f3a2b1c0d9e8f70", "51c2e3d4f5a60718293a4b5c6d7e8f90"),
    ("SB_somebody", "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"),
)
TOKEN: Final = b"CBTOKEN:MPSTATOK"


class Fiuu(Provider):
    """The hosted page and what stands behind it."""

    name: ClassVar[str] = NAME
    key_names: ClassVar[tuple[str, ...]] = ("verify_key", "secret_key")
    timetable: ClassVar[Timetable] = Timetable(
        pauses=(15 * MINUTE,) * 3,
        answer_seconds=15.0,
        unconfirmed="3 repeats (specification) or 4 (cheat sheet of 2026); how long an answer is waited for",
    )
    """Callback: 15 minutes apart. A notification is repeated as a callback, so that three of them follow it here."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.lifecycle = Lifecycle(sandbox)
        self.api = Api(sandbox, self.lifecycle, self.tell_refund)
        self.channels = Channels(sandbox.world)

    def routes(self) -> list[Route]:
        """Paths as at Fiuu; what is under /RMS/sandbox and /control is ours."""
        calls = (
            ("/RMS/query/q_by_oid.php", "query", self.api.by_order),
            ("/RMS/query/q_oid_batch.php", "query_all", self.api.all_of_order),
            ("/RMS/q_by_tid.php", "query_one", self.api.by_transaction),
            ("/RMS/API/gate-query/index.php", "query_one", self.api.by_transaction),
            ("/RMS/API/refundAPI/index.php", "refund", self.api.refund),
            ("/RMS/API/refundAPI/q_by_refID.php", "refund_query", self.api.refunds_by_reference),
            ("/RMS/API/refundAPI/q_by_txn.php", "refund_query", self.api.refunds_by_transaction),
            ("/RMS/API/refundAPI/refund.php", "reversal", self.api.reverse),
            ("/RMS/API/capstxn/index.php", "capture", self.api.capture),
            ("/RMS/API/chkstat/returnipn.php", "echo", self.take_echo),
            ("/RMS/API/chkstat/channel_status.php", "channel_status", self.channels.status),
            ("/RMS/API/settlement/report.php", "settlement", self.settlement),
        )
        both = [
            Route(method=method, path=path, handler=handler, operation=operation, order_of=_order_of)
            for path, operation, handler in calls
            for method in ("GET", "POST")
        ]
        pages = [
            Route(method=method, path=path, handler=self.open, operation="create", order_of=_order_of)
            for path in ("/RMS/pay/{merchant}/", "/RMS/pay/{merchant}/{file}")
            for method in ("GET", "POST")
        ]
        return [
            *both,
            *pages,
            Route(method="POST", path="/RMS/sandbox/pay", handler=self.pay_form),
            Route(method="GET", path="/RMS/sandbox/back", handler=self.back),
            Route(method="GET", path="/RMS/sandbox/state", handler=self.state),
            Route(method="POST", path="/control/fiuu/channels/{channel}/{state}", handler=self.channels.switch),
            Route(method="POST", path="/control/fiuu/{order}/{change}", handler=self.change),
            Route(method="GET", path="/control/fiuu/settlement", handler=self.settlement_file),
        ]

    def merchants(self) -> list[Merchant]:
        """Two of nobody."""
        return [
            Merchant(provider=self.name, code=code, keys={"verify_key": verify, "secret_key": secret})
            for code, verify, secret in INVENTED
        ]

    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let it end so, and notify."""
        self.lifecycle.end(payment, outcome, again=again, code=code)
        self.announce(payment)

    def error(self, code: int) -> Response:
        """Its refusal: 99 is Q99, 1015 is PR015."""
        return refuse(f"PR{code - 1000:03d}" if code >= 1000 else f"Q{code:02d}")

    def tamper(self, response: Response) -> Response:
        """The same answer with another amount."""
        answer = json.loads(response.body)
        for row in answer if isinstance(answer, list) else [answer]:
            row["Amount"] = "1" + str(row.get("Amount", "0.00"))
        return json_response(answer, response.status)

    # --- the page ----------------------------------------------------------------------------------------------------
    def open(self, request: Request) -> Response:
        """The hosted page: whoever opens it first makes the order known here."""
        fields, world = received(request), self.sandbox.world
        merchant = world.merchants.get((NAME, request.arguments["merchant"]))
        if merchant is None:
            return _page_error("P404")
        chosen = next((one for one in rules.CHANNELS if one.file == request.arguments.get("file")), None)
        code = _wrong_page(fields, merchant, has_file="file" in request.arguments, knows_file=chosen is not None)
        if code:
            return _page_error(code)
        with world.lock:
            payment = world.payments.get((NAME, merchant.code, fields["orderid"]))
            is_new = payment is None
            if payment is None:
                payment = self._new(merchant, fields, chosen.code if chosen else fields.get("channel", ""))
        if is_new:
            self._welcome(payment)
        return self._page(payment)

    def _new(self, merchant: Merchant, fields: Mapping[str, str], channel: str) -> Payment:
        world, currency = self.sandbox.world, fields["currency"]
        wait = float(fields.get("waittime") or "3600")
        lifetime = min(wait, self.sandbox.settings.link_minutes * 60)
        payment = Payment(
            provider=NAME, merchant=merchant.code, order=fields["orderid"], amount=rules.minor(fields["amount"], currency),
            currency=currency, token=new_token(), created_ms=now_ms(), expires_ms=now_ms() + int(lifetime * 1000),
            description=fields.get("bill_desc", ""), return_url=fields.get("returnurl", ""),
            notify_url=fields.get("callbackurl", ""), language="en", changed_ms=now_ms(),
            fields={"channel": channel or "credit", "fixed": bool(channel), "tcctype": fields.get("tcctype", "SALS"), "tries": []},
        )  # fmt: skip
        world.keep(payment)
        world.record("created", provider=NAME, order=payment.order, amount=payment.amount)
        return payment

    def _welcome(self, payment: Payment) -> None:
        if self.sandbox.faults.take("create", payment.order, frozenset({Fault.IPN_BEFORE_REPLY})):
            self.lifecycle.end(payment, Outcome.PAY, again=False, code=None)
            self.sandbox.courier.deliver_now([self.notification(payment, "genuine")])
        elif self.sandbox.settings.autopay:
            self.settle(payment, Outcome.PAY)

    def pay_form(self, request: Request) -> Response:
        """What the payer pressed; the browser then posts the result to the shop."""
        form = request.form()
        payment = self.sandbox.world.payment_by_token(form.get("t", ""))
        if payment is None:
            return _page_error("P403", 404)
        try:
            outcome = Outcome(form.get("action", ""))
        except ValueError:
            return _page_error("P403")
        with suppress(BadRequest):  # it has ended meanwhile: the payer goes back with what became of it
            self.lifecycle.end(payment, outcome, again=False, code=None, by=form.get("channel", ""))
            self.announce(payment)
        return self._leave(payment)

    def back(self, request: Request) -> Response:
        """The way back of a page whose order ended elsewhere."""
        payment = self.sandbox.world.payment_by_token(request.query.get("t", ""))
        return self._leave(payment) if payment else _page_error("P403", 404)

    def state(self, request: Request) -> Response:
        """Lets an open page leave when the order ends elsewhere."""
        payment = self.sandbox.world.payment_by_token(request.query.get("t", ""))
        return pages.state(
            self.sandbox.world, payment, expire_if_due=self.lifecycle.expire_if_due,
            leave=lambda ended: f"/RMS/sandbox/back?t={ended.token}",
        )  # fmt: skip

    def _page(self, payment: Payment) -> Response:
        with self.sandbox.world.lock:
            self.lifecycle.expire_if_due(payment)
        if payment.stage is not Stage.WAITING:
            return html_response(fiuu_page.ended(payment))
        return html_response(fiuu_page.render(payment))

    def _leave(self, payment: Payment) -> Response:
        tries = payment.fields["tries"]
        fields = self.result(payment, tries[-1], returned=True) if tries else {}
        return html_response(fiuu_page.leave(payment, fields))

    # --- telling the merchant ----------------------------------------------------------------------------------------
    def result(self, payment: Payment, one: Try, *, returned: bool = False) -> dict[str, str]:
        """The fields of a notification or a return about one try, signed."""
        known = rules.channel(one["channel"])
        fields = {
            "amount": rules.amount(one["amount"], one["currency"]), "orderid": payment.order, "tranID": str(one["tran"]),
            "domain": payment.merchant, "status": one["stat"], "appcode": one["app"], "error_code": one["error"],
            "error_desc": rules.TEXTS.get(one["error"], ""), "currency": one["currency"],
            "channel": known.returned if returned else known.notified,
            "paydate": f"{rules.local(one['at_ms']):%Y-%m-%d %H:%M:%S}", "extraP": "",
        }  # fmt: skip
        if not returned:
            fields["nbcb"] = "1" if known.kind == "cash" or payment.changed_ms > one["at_ms"] + 60_000 else "2"
        return {**fields, "skey": rules.skey(self._keys(payment)["secret_key"], fields)}

    def notification(self, payment: Payment, kind: str) -> Parcel:
        """The message about the last try, or one of its bad likenesses."""
        tries = payment.fields["tries"]
        one = dict(tries[-1]) if tries else {}
        secret = self._keys(payment)["secret_key"]
        if kind == "processing":
            one |= {"stat": "22", "at_ms": one["at_ms"] - 60_000, "error": ""}
        if kind == "forged":
            one |= {"stat": "00", "tran": self.sandbox.world.next_number(), "error": "", "app": "654321"}
            secret += "-of-somebody-else"
        fields = self.result(payment, one)
        fields["skey"] = rules.skey(secret, fields)
        if kind == "tampered":
            fields["amount"] = "9" + fields["amount"]
        return self._parcel(payment.order, payment.notify_url, fields, kind)

    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """A message with given fields; what is not given comes from the order's last try, if there is one."""
        order = str(fields.get("orderid", ""))
        known = self.sandbox.world.payment_of_order(NAME, order)
        base: dict[str, str] = {
            "nbcb": "2", "domain": INVENTED[0][0], "status": "00", "appcode": "", "currency": "MYR", "channel": "credit",
            "paydate": f"{rules.local(now_ms()):%Y-%m-%d %H:%M:%S}", "error_code": "", "error_desc": "", "extraP": "",
        }  # fmt: skip
        if known is not None and known.fields["tries"]:
            base = self.result(known, known.fields["tries"][-1])
        base |= {name: str(value) for name, value in fields.items() if name in (*base, "orderid", "tranID", "amount")}
        base.setdefault("tranID", str(self.sandbox.world.next_number()))
        merchant = self.sandbox.world.merchants.get((NAME, base["domain"]))
        url = str(fields.get("callbackurl") or (known.notify_url if known else ""))
        if merchant is None or not url or "amount" not in base or not order:
            raise BadRequest("needs orderid, amount and callbackurl, or the orderid of an order", status=422)
        base["skey"] = rules.skey(merchant.keys["secret_key"], base)
        return self._parcel(order, url, base, "custom")

    def tell_refund(self, refund: Refund, url: str, after_seconds: float) -> None:
        """Send the end of a refund to its notify_url."""
        status = "11" if refund.stage is Stage.REJECTED else "00"
        parcel = self._parcel(refund.order, url, self.api.refund_result(refund, status), "refund")
        self.sandbox.courier.send([parcel], after_seconds=after_seconds)

    def change(self, request: Request) -> Response:
        """Ours: what became of paid money later (chargeback, cancelled, ...), or the rejection of a slow refund."""
        order, change = request.arguments["order"], request.arguments["change"]
        refund = next((one for one in self.sandbox.world.refunds.values() if one.order == order), None)
        if refund is not None and change == "reject":
            self.lifecycle.decide(refund, Stage.REJECTED)
            return json_response({"stage": refund.stage})
        found = [one for one in self.sandbox.world.payments_of_order(order) if one.provider == NAME]
        if not found:
            raise BadRequest("no order with this id", status=404)
        self.lifecycle.change(found[0], change)
        self.announce(found[0])
        return json_response({"changed": change})

    def take_echo(self, request: Request) -> Response:
        """A merchant's IPN confirmation: everything it received, and treq=1."""
        fields = received(request)
        merchant = self.sandbox.world.merchants.get((NAME, fields.get("domain", "")))
        is_true = merchant is not None and rules.skey(merchant.keys["secret_key"], fields) == fields.get("skey")
        self.sandbox.world.record(
            "echo", provider=NAME, order=fields.get("orderid", ""), good=is_true and fields.get("treq") == "1"
        )
        return Response(body=b"OK", content_type="text/plain")

    # --- settlement --------------------------------------------------------------------------------------------------
    def settlement(self, request: Request) -> Response:
        """The settlement report of a day."""
        return fiuu_report.answer(self.sandbox.world, received(request))

    def settlement_file(self, request: Request) -> Response:
        """Ours: the same without a token. `?merchant=&date=&format=`; every merchant's own day."""
        return fiuu_report.download(self.sandbox.world, received(request))

    def _keys(self, payment: Payment) -> dict[str, str]:
        return self.sandbox.world.merchants[NAME, payment.merchant].keys

    def _parcel(self, order: str, url: str, fields: Mapping[str, str], kind: str) -> Parcel:
        again = {**fields, "nbcb": "1"} if "nbcb" in fields else fields  # repeats are callbacks, and nobody signs that
        return Parcel(
            provider=NAME, order=order, url=url, kind=kind, timetable=self.timetable,
            body=urlencode(fields).encode(), body_again=urlencode(again).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
            is_taken=lambda status, body: status == 200 and body == TOKEN,
        )  # fmt: skip


def _wrong_page(fields: Mapping[str, str], merchant: Merchant, *, has_file: bool, knows_file: bool) -> str:
    """The code of the page's error; nothing where all is well."""
    currency, amount = fields.get("currency", ""), fields.get("amount", "")
    if not rules.AMOUNT.fullmatch(amount) or not 0 < len(fields.get("orderid", "")) <= 40:
        return "P04"
    if any(not fields.get(name) for name in ("bill_name", "bill_desc", "country")):
        return "P04"
    if rules.vcode(merchant.keys, merchant.code, fields) != fields.get("vcode"):
        return "P03"
    if currency not in rules.CURRENCIES:
        return "P13"
    if float(amount) < 1.01:
        return "P14"
    return "P05" if has_file and not knows_file else ""


def _page_error(code: str, status: int = 400) -> Response:
    return html_response(fiuu_page.error(code, rules.TEXTS.get(code, "This address is wrong")), status)


def _order_of(request: Request) -> str:
    try:
        fields = received(request)
    except ValueError:
        return ""
    return next((fields[name] for name in ("oID", "orderid", "RefID", "txID", "tranID", "txnID") if name in fields), "")
