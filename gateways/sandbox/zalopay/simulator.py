"""ZaloPay's side: its routes, its callbacks and its pay page. The calls themselves are in api.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar, Final
from urllib.parse import urlencode

from gateways.sandbox import pages
from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Provider, Sandbox
from gateways.sandbox.state import Merchant, Payment, Stage, now_ms
from gateways.sandbox.timetable import MINUTE, Timetable
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, json_response, redirect
from gateways.sandbox.zalopay import page as zalopay_page
from gateways.sandbox.zalopay import rules, statement
from gateways.sandbox.zalopay.api import Api, fields_of
from gateways.sandbox.zalopay.lifecycle import Lifecycle
from gateways.sandbox.zalopay.rules import DONE, NAME

PUBLISHED: Final = (  # in ZaloPay's own public samples
    ("2553", "PcY4iZIKFCIdgZvA6ueMcMHHUbRLYjPL", "kLtgPl8HHhfvMuDHPwKfgfsY4Ydm9eIz"),
    ("2554", "sdngKKJmqEMzvh5QQcdD2A9XBSKUNaYn", "trMrHtvjo6myautxDUiAcYsVtaeQ8nhf"),
)
LEFT: Final = -49
"""What a redirect carries when the payer left or the order was not paid."""


class ZaloPay(Provider):
    """The wallet and gateway."""

    name: ClassVar[str] = NAME
    key_names: ClassVar[tuple[str, ...]] = ("key1", "key2")
    impossible: ClassVar[frozenset[Fault]] = frozenset({Fault.WRONG_CURRENCY, Fault.OUT_OF_ORDER})
    timetable: ClassVar[Timetable] = Timetable(
        pauses=(5 * MINUTE,) * 3, answer_seconds=15.0, unconfirmed="the pauses; how long an answer is waited for"
    )
    """Callback, in ZaloPay's SDK: on return_code 0 it calls again, at most 3 times."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.lifecycle = Lifecycle(sandbox)
        self.api = Api(sandbox, self.lifecycle, settle=self.settle, notification=self.notification)

    def routes(self) -> list[Route]:
        """Paths as at ZaloPay; the pay page's own calls are ours."""
        calls = {
            "create": self.api.create,
            "query": self.api.query,
            "refund": self.api.refund,
            "query_refund": self.api.query_refund,
        }
        return [
            *(
                Route(method="POST", path=f"/v2/{name}", handler=handler, operation=name, order_of=_order_of)
                for name, handler in calls.items()
            ),
            Route(method="GET", path="/openinapp", handler=self.pay_page),
            Route(method="POST", path="/openinapp", handler=self.pay_form),
            Route(method="GET", path="/openinapp/state", handler=self.pay_state),
            Route(method="GET", path="/control/zalopay/settlement", handler=self.settlement),
        ]

    def merchants(self) -> list[Merchant]:
        """The test apps whose keys ZaloPay published."""
        return [
            Merchant(provider=self.name, code=code, keys={"key1": key1, "key2": key2}) for code, key1, key2 in PUBLISHED
        ]

    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let it end so, and call back if it was paid."""
        self.lifecycle.end(payment, outcome, again=again, code=code)
        self.announce(payment)

    def error(self, code: int) -> Response:
        """A refusal by sub code; control addresses name codes without their minus."""
        return self.api.refuse(-code)

    def tamper(self, response: Response) -> Response:
        """The same answer with another amount, or with a page of somebody else's."""
        answer = json.loads(response.body)
        if "order_url" in answer:
            answer["order_url"] = "https://gateway.zalopay.vn.pay.example/openinapp?order=1"
        else:
            answer["amount"] = int(answer.get("amount") or 0) + 1
        return json_response(answer, response.status)

    # --- telling the merchant ----------------------------------------------------------------------------------------

    def parcels(self, payment: Payment) -> tuple[list[Parcel], float]:
        """Callbacks for paid orders only: of a failure nobody hears, whatever somebody else forges."""
        parcels, after_seconds = super().parcels(payment)
        if payment.stage is not Stage.PAID:
            parcels = [one for one in parcels if one.kind == "forged"]
        return [one for one in parcels if one.kind != "processing"], after_seconds

    def notification(self, payment: Payment, kind: str) -> Parcel:
        """The callback about the order as it is now, or one of its bad likenesses."""
        data, key2 = self._data(payment), self.sandbox.world.merchants[self.name, payment.merchant].keys["key2"]
        if kind == "forged":
            data["zp_trans_id"] = self.sandbox.world.next_number()
            key2 += "-of-somebody-else"
        text = _compact(data)
        signature = rules.mac(key2, text)
        if kind == "tampered":
            text = _compact({**data, "amount": payment.amount * 10})
        return self._parcel(payment.order, payment.notify_url, text, signature, kind)

    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """A callback with given fields; what is not given comes from the order, if there is one."""
        order = str(fields.get("app_trans_id", ""))
        known = self.sandbox.world.payment_of_order(self.name, order)
        data: dict[str, object] = {
            "app_id": int(PUBLISHED[0][0]), "app_time": now_ms(), "app_user": "customer", "embed_data": "{}", "item": "[]",
            "server_time": now_ms(), "channel": 38, "merchant_user_id": "sandbox", "user_fee_amount": 0,
            "discount_amount": 0, "zp_trans_id": self.sandbox.world.next_number(),
        }  # fmt: skip
        data = (self._data(known) if known else data) | {
            name: one for name, one in fields.items() if name != "callback_url"
        }
        merchant = self.sandbox.world.merchants.get((self.name, str(data["app_id"])))
        url = str(fields.get("callback_url") or (known.notify_url if known else ""))
        if merchant is None or not url:
            raise BadRequest("needs a known app_id and a callback_url, or the app_trans_id of a payment", status=422)
        text = _compact(data)
        return self._parcel(order, url, text, rules.mac(merchant.keys["key2"], text), "custom")

    def _data(self, payment: Payment) -> dict[str, object]:
        moved = payment.transactions[-1] if payment.transactions else None
        kept = payment.fields
        return {
            "app_id": int(payment.merchant), "app_trans_id": payment.order, "app_time": rules.whole(kept["app_time"]),
            "app_user": kept["app_user"], "amount": moved.amount if moved else payment.amount,
            "embed_data": kept["embed_data"], "item": kept["item"], "zp_trans_id": moved.number if moved else 0,
            "server_time": moved.at_ms if moved else payment.changed_ms, "channel": kept["pmcid"],
            "merchant_user_id": "sandbox", "zp_user_id": "sandbox", "user_fee_amount": 0, "discount_amount": 0,
        }  # fmt: skip

    def _parcel(self, order: str, url: str, data: str, signature: str, kind: str) -> Parcel:
        body = json.dumps({"data": data, "mac": signature, "type": 1}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        return Parcel(
            provider=self.name, order=order, url=url, kind=kind, timetable=self.timetable,
            headers=headers, body=body, is_taken=is_taken,
        )  # fmt: skip

    def settlement(self, request: Request) -> Response:
        """The settlement file of `?app_id=` and `?day=` (yyyy-mm-dd in Vietnam, today): what truly moved."""
        return statement.answer(self.sandbox.world, request)

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
        means = zalopay_page.MEANS.get(form.get("means", ""), zalopay_page.MEANS["wallet"])
        if payment.stage is Stage.WAITING:
            payment.fields["pmcid"], payment.fields["bankcode"] = means
        with suppress(BadRequest):  # it has ended meanwhile: the payer goes back with what became of it
            self.settle(payment, outcome)
        return redirect(self.return_address(payment))

    def pay_state(self, request: Request) -> Response:
        """Lets an open page leave when the order ends elsewhere, say by a scan."""
        payment = self.sandbox.world.payment_by_token(request.query.get("t", ""))
        expire = self.lifecycle.expire_if_due
        return pages.state(self.sandbox.world, payment, expire_if_due=expire, leave=self.return_address)

    def return_address(self, payment: Payment) -> str:
        """The shop's address with the checksum, as the browser carries it: names as in the first API, without lines."""
        is_paid = payment.stage is Stage.PAID
        values: dict[str, object] = {
            "appid": payment.merchant, "apptransid": payment.order, "pmcid": payment.fields["pmcid"] if is_paid else 0,
            "bankcode": payment.fields["bankcode"] if is_paid else "", "amount": payment.amount, "discountamount": 0,
            "status": DONE if is_paid else LEFT,
        }  # fmt: skip
        keys = self.sandbox.world.merchants[self.name, payment.merchant].keys
        values["checksum"] = rules.mac(keys["key2"], rules.checksum_text(values))
        return f"{payment.return_url}{'&' if '?' in payment.return_url else '?'}{urlencode(values)}"

    def _page(self, request: Request, token: str, *, wrong_code: bool = False) -> Response:
        payment = self.sandbox.world.payment_by_token(token)
        if payment is None:
            return html_response(pages.gone(), 404)
        with self.sandbox.world.lock:
            self.lifecycle.expire_if_due(payment)
        language = request.query.get("lang") or payment.language
        leave = "" if payment.stage is Stage.WAITING else self.return_address(payment)
        address = f"{self.sandbox.settings.public_url}/openinapp?t={payment.token}"
        page = zalopay_page.render(payment, language=language, leave=leave, scan=address, wrong_code=wrong_code)
        return html_response(page, 400 if wrong_code else 200)


def is_taken(status: int, body: bytes) -> bool:
    """Whether the merchant's answer ends the tries: 0 asks for another, and so does what cannot be read."""
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return status == 200 and isinstance(answer, dict) and answer.get("return_code", 0) != 0


def _compact(data: Mapping[str, object]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _order_of(request: Request) -> str:
    fields = fields_of(request)
    return str(fields.get("app_trans_id") or fields.get("m_refund_id") or "")
