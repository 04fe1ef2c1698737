"""Fiuu's API, from its document: queries, refunds, capture, void."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from gateways.sandbox.faults import Fault
from gateways.sandbox.fiuu import rules
from gateways.sandbox.fiuu.lifecycle import Lifecycle, Try
from gateways.sandbox.fiuu.rules import NAME
from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, now_ms
from gateways.sandbox.web import Request, Response, json_response

REFUND_WORDS = {Stage.PENDING: "pending", Stage.PAID: "success", Stage.REJECTED: "rejected"}


class Api:
    """The calls. `tell_refund` sends the result of a refund to its notify_url after so many seconds."""

    def __init__(
        self, sandbox: Sandbox, lifecycle: Lifecycle, tell_refund: Callable[[Refund, str, float], None]
    ) -> None:
        self.sandbox, self.lifecycle, self._tell_refund = sandbox, lifecycle, tell_refund

    # --- queries -----------------------------------------------------------------------------------------------------
    def by_order(self, request: Request) -> Response:
        """The latest try of an order."""
        fields = received(request)
        merchant, wrong = self._asker(fields, "q_by_oid", ("oID", "amount", "domain", "skey"), "Q202")
        if wrong or merchant is None:
            return wrong or refuse("Q04")
        payment = self.sandbox.world.payments.get((NAME, merchant.code, fields["oID"]))
        if payment is None or not payment.fields["tries"]:
            return refuse("Q203")
        return shown(fields, self._row(merchant, payment, payment.fields["tries"][-1], "answer_oid"))

    def by_transaction(self, request: Request) -> Response:
        """One try, by its number."""
        fields = received(request)
        merchant, wrong = self._asker(fields, "q_by_tid", ("txID", "amount", "domain", "skey"), "Q302")
        if wrong or merchant is None:
            return wrong or refuse("Q04")
        found = self.lifecycle.find(merchant.code, fields["txID"])
        return shown(fields, self._row(merchant, *found, "answer_tid")) if found else refuse("Q303")

    def all_of_order(self, request: Request) -> Response:
        """The ten latest tries of an order, unsigned."""
        fields = received(request)
        merchant, wrong = self._asker(fields, "q_oid_batch", ("oID", "domain", "skey"), "Q402")
        if wrong or merchant is None:
            return wrong or refuse("Q04")
        payment = self.sandbox.world.payments.get((NAME, merchant.code, fields["oID"]))
        tries = payment.fields["tries"][-10:] if payment else []
        rows = [self._row(merchant, payment, one, "") for one in tries] if payment else []
        if fields.get("type") == "2":
            return json_response(rows)
        names = list(rows[0]) if rows else []
        lines = ["\t".join(names), *("\t".join(row.values()) for row in rows)]
        return Response(body="\n".join(lines).encode(), content_type="text/plain")

    def _row(self, merchant: Merchant, payment: Payment, one: Try, signed_as: str) -> dict[str, str]:
        row = {
            "StatCode": one["stat"], "StatName": one["name"], "TranID": str(one["tran"]),
            "Amount": rules.amount(one["amount"], one["currency"]), "Domain": merchant.code, "OrderID": payment.order,
            "Channel": rules.channel(one["channel"]).returned, "Currency": one["currency"], "ErrorCode": one["error"],
            "ErrorDesc": rules.TEXTS.get(one["error"], "Refused" if one["error"] else ""),
        }  # fmt: skip
        return {**row, "VrfKey": rules.hash_of(signed_as, merchant.keys, row)} if signed_as else row

    def _asker(
        self, fields: Mapping[str, str], message: str, required: tuple[str, ...], wrong: str
    ) -> tuple[Merchant | None, Response | None]:
        if any(not fields.get(name) for name in required):
            return None, refuse("Q01")
        merchant = self.sandbox.world.merchants.get((NAME, fields["domain"]))
        if merchant is None:
            return None, refuse("Q04")
        return merchant, None if same(rules.hash_of(message, merchant.keys, fields), fields["skey"]) else refuse(wrong)

    # --- refunds -----------------------------------------------------------------------------------------------------
    def refund(self, request: Request) -> Response:
        """Accept a refund: always pending at first, done at once unless a fault slows it."""
        fields, world = received(request), self.sandbox.world
        code = self._wrong_refund(fields)
        if code:
            return refuse(code)
        merchant = world.merchants[NAME, fields["MerchantID"]]
        with world.lock:
            if (NAME, merchant.code, fields["RefID"]) in world.refunds:
                return refuse("PR016")
            found = self.lifecycle.find(merchant.code, fields["TxnID"])
            if found is None:
                return refuse("PR009")
            payment, one = found
            code = self._impossible_refund(payment, one, fields)
            if code:
                return refuse(code)
            struck = self.sandbox.faults.take("refund", fields["RefID"], frozenset({Fault.REFUND_PENDING}))
            wait = struck[Fault.REFUND_PENDING].seconds if struck else 0.0
            refund = Refund(
                provider=NAME, merchant=merchant.code, order=fields["RefID"], payment=payment.order, request="",
                transaction=one["tran"], amount=rules.minor(fields["Amount"], one["currency"]), number=world.next_number(),
                created_ms=now_ms(), stage=Stage.PENDING, code=22, done_after_ms=now_ms() + int(wait * 1000),
            )  # fmt: skip
            world.keep(refund)
            self.lifecycle.decide_if_due(refund)
        if fields.get("notify_url"):
            self._tell_refund(refund, fields["notify_url"], wait)
        return json_response(self.refund_result(refund, "22"))

    def refund_result(self, refund: Refund, status: str) -> dict[str, str]:
        """A refund's answer, signed."""
        payment = self.sandbox.world.payments[NAME, refund.merchant, refund.payment]
        fields = {
            "RefundType": "P", "MerchantID": refund.merchant, "RefID": refund.order, "RefundID": str(refund.number),
            "TxnID": str(refund.transaction), "Amount": rules.amount(refund.amount, payment.currency), "Status": status,
            "reason": "",
        }  # fmt: skip
        keys = self.sandbox.world.merchants[NAME, refund.merchant].keys
        return {**fields, "Signature": rules.hash_of("refund_answer", keys, fields)}

    def _wrong_refund(self, fields: Mapping[str, str]) -> str:
        if fields.get("RefundType") != "P":
            return "PR001"
        if any(not fields.get(name) for name in ("MerchantID", "RefID", "TxnID", "Amount", "Signature")):
            return "PR002"
        merchant = self.sandbox.world.merchants.get((NAME, fields["MerchantID"]))
        if merchant is None:
            return "PR007"
        return "" if same(rules.hash_of("refund", merchant.keys, fields), fields["Signature"]) else "PR008"

    def _impossible_refund(self, payment: Payment, one: Try, fields: Mapping[str, str]) -> str:
        kind, amount = rules.channel(one["channel"]).kind, rules.minor(fields["Amount"], one["currency"])
        has_bank = all(fields.get(name) for name in ("BankCode", "BeneficiaryName", "BeneficiaryAccNo"))
        if one["stat"] != "00" or one["name"] == "authorized":
            return "PR010"
        if kind == "card" and has_bank:
            return "PR012"
        if kind in ("bank", "cash") and not has_bank:
            return "PR014"
        gone = [r for r in self.sandbox.world.refunds_of(payment) if r.transaction == one["tran"]]
        refunded = sum(refund.amount for refund in gone if refund.stage is not Stage.REJECTED)
        return "" if 0 < amount <= one["amount"] - refunded else "PR011"

    def refunds_by_reference(self, request: Request) -> Response:
        """Tell what became of a refund, by the merchant's id."""
        return self._listed(received(request), "RefID", "refund_by_reference")

    def refunds_by_transaction(self, request: Request) -> Response:
        """All refunds of a transaction."""
        return self._listed(received(request), "TxnID", "refund_by_transaction")

    def _listed(self, fields: Mapping[str, str], name: str, message: str) -> Response:
        if any(not fields.get(one) for one in (name, "MerchantID", "Signature")):
            return refuse("INQ001")
        merchant = self.sandbox.world.merchants.get((NAME, fields["MerchantID"]))
        if merchant is None:
            return refuse("INQ004")
        if not same(rules.hash_of(message, merchant.keys, fields), fields["Signature"]):
            return refuse("INQ005")
        with self.sandbox.world.lock:
            ours = [r for r in self.sandbox.world.refunds.values() if (r.provider, r.merchant) == (NAME, merchant.code)]
        found = [r for r in ours if fields[name] == (r.order if name == "RefID" else str(r.transaction))]
        for refund in found:
            self.lifecycle.decide_if_due(refund)
        rows = [
            {"TxnID": str(one.transaction), "RefID": one.order, "RefundID": str(one.number),
             "Status": REFUND_WORDS[one.stage], "LastUpdate": f"{rules.local(now_ms()):%Y-%m-%d %H:%M:%S}"}
            for one in found
        ]  # fmt: skip
        return json_response(rows) if rows else refuse("INQ006")

    # --- authorised money --------------------------------------------------------------------------------------------
    def capture(self, request: Request) -> Response:
        """Take authorised money, all or part."""
        fields = received(request)
        return self._command("capture", fields, fields.get("tranID", ""))

    def reverse(self, request: Request) -> Response:
        """Void: the whole amount."""
        fields = received(request)
        return self._command("reversal", fields, fields.get("txnID", ""))

    def _command(self, kind: str, fields: Mapping[str, str], transaction: str) -> Response:
        world = self.sandbox.world
        merchant = world.merchants.get((NAME, fields.get("domain", "")))
        if merchant is None:
            return json_response({"StatCode": "19", "TranID": transaction})
        with world.lock:
            code = self._carry_out(kind, fields, transaction, merchant)
        answer = {"TranID": transaction, "Domain": merchant.code, "StatCode": code,
                  "StatDate": f"{rules.local(now_ms()):%Y-%m-%d %H:%M:%S}"}  # fmt: skip
        return json_response({**answer, "VrfKey": rules.hash_of("command_answer", merchant.keys, answer)})

    def _carry_out(self, kind: str, fields: Mapping[str, str], transaction: str, merchant: Merchant) -> str:
        found = self.lifecycle.find(merchant.code, transaction)
        if not same(rules.hash_of(kind, merchant.keys, fields), fields.get("skey", "")):
            return "12"
        if found is None:
            return "17"
        payment, one = found
        if kind == "capture":
            return self._take(payment, one, rules.minor(fields.get("amount", ""), one["currency"]))
        if one["stat"] != "00":
            return "18" if one["name"] in ("release", "cancelled") else "21"
        one |= {"stat": "11", "name": "release" if one["name"] == "authorized" else "cancelled"}
        payment.stage = Stage.CANCELLED
        payment.transactions[:] = [moved for moved in payment.transactions if moved.number != one["tran"]]
        return self._changed(payment, "voided", 0)

    def _take(self, payment: Payment, one: Try, amount: int) -> str:
        if one["name"] != "authorized":
            return "24" if one["name"] == "captured" else "13"
        if amount > one["amount"]:
            return "25"
        one |= {"name": "captured", "amount": amount}
        payment.stage, payment.transactions[0].amount = Stage.PAID, amount
        return self._changed(payment, "capture", amount)

    def _changed(self, payment: Payment, event: str, amount: int) -> str:
        payment.changed_ms = now_ms()
        self.sandbox.world.keep(payment)
        self.sandbox.world.record(event, provider=NAME, order=payment.order, amount=amount)
        return "00"


def received(request: Request) -> dict[str, str]:
    """The fields of a call; what was posted wins over what stands in the address."""
    return {**request.query, **request.form()}


def refuse(code: str) -> Response:
    """An answer that is none, under both names that the documents use for it."""
    text = rules.TEXTS.get(code, "Error")
    return json_response({"ErrorCode": code, "ErrorDesc": text, "error_code": code, "error_desc": text})


def shown(fields: Mapping[str, str], row: Mapping[str, str]) -> Response:
    """The answer in the form that was asked for: JSON, or lines of text."""
    if fields.get("type") == "2":
        return json_response(row)
    text = "\n".join(f"{name}: {value}" for name, value in row.items())
    return Response(body=text.encode(), content_type="text/plain")


def same(expected: str, presented: str) -> bool:
    """Whether two hashes are equal."""
    return hmac.compare_digest(expected.encode(), presented.encode())
