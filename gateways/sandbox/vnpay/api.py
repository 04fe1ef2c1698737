"""VNPay's transaction address, from its document: querydr and refund, both JSON over one path."""

from __future__ import annotations

import uuid
from typing import Final

from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, now_ms
from gateways.sandbox.vnpay import rules
from gateways.sandbox.vnpay.lifecycle import Lifecycle
from gateways.sandbox.vnpay.rules import NAME
from gateways.sandbox.web import BadRequest, Request, Response, json_response

DUPLICATE_MS: Final = 5 * 60_000
"""So long VNPay knows a request id again. Afterwards the same request is a new one: a refund would be paid twice."""
STATUS: Final = {
    Stage.WAITING: "01", Stage.PENDING: "07", Stage.PAID: "00", Stage.DECLINED: "02", Stage.INSUFFICIENT: "02",
    Stage.EXPIRED: "08",
}  # fmt: skip
"""vnp_TransactionStatus of a payment."""
REFUND_STATUS: Final = {Stage.PENDING: "05", Stage.PAID: "00", Stage.REJECTED: "09"}
"""vnp_TransactionStatus of a refund."""
BANK: Final = "NCB"


class Api:
    """The two calls."""

    def __init__(self, sandbox: Sandbox, lifecycle: Lifecycle) -> None:
        self.sandbox, self.lifecycle = sandbox, lifecycle
        self._seen: dict[tuple[str, str], int] = {}

    def transaction(self, request: Request) -> Response:
        """Either call, by its vnp_Command."""
        try:
            fields = request.object()
        except BadRequest:
            return self.refuse("03")
        command = str(fields.get("vnp_Command"))
        if command not in ("querydr", "refund") or rules.wrong_fields(command, fields):
            return self.refuse("03", fields)
        merchant = self.sandbox.world.merchants.get((NAME, str(fields["vnp_TmnCode"])))
        if merchant is None:
            return self.refuse("02", fields)
        expected = rules.piped_hash(merchant.keys["hashSecret"], command, fields)
        if not rules.is_hash(fields.get("vnp_SecureHash"), expected):
            return self.refuse("97", fields)
        values = {name: str(value) for name, value in fields.items()}
        with self.sandbox.world.lock:
            return self._query(values, merchant) if command == "querydr" else self._refund(values, merchant)

    def refuse(self, code: str, fields: dict[str, object] | None = None) -> Response:
        """VNPay's answer when it refuses without knowing whom to sign for: it has no hash."""
        given = fields or {}
        return json_response({
            "vnp_ResponseId": uuid.uuid4().hex, "vnp_Command": given.get("vnp_Command", ""), "vnp_ResponseCode": code,
            "vnp_Message": rules.ANSWERS.get(code, rules.ANSWERS["99"]), "vnp_TmnCode": given.get("vnp_TmnCode", ""),
            "vnp_TxnRef": given.get("vnp_TxnRef", ""),
        })  # fmt: skip

    def _query(self, values: dict[str, str], merchant: Merchant) -> Response:
        if self._was_seen(merchant, values["vnp_RequestId"]):
            return self._answer(merchant, values, "94")
        self._seen[merchant.code, values["vnp_RequestId"]] = now_ms()
        payment = self._find(values, merchant)
        if payment is None:
            return self._answer(merchant, values, "91")
        self.lifecycle.expire_if_due(payment)
        refunds = self.lifecycle.refunds_of(payment)
        if refunds and merchant.keys.get("querydr") != "payment":  # not published which it is; a key lets a test choose
            return self._answer(merchant, values, "00", **_refund_fields(refunds[-1], payment))
        moved = payment.transactions[-1] if payment.transactions else None
        return self._answer(
            merchant, values, "00", vnp_Amount=str((moved.amount if moved else payment.amount) * 100), vnp_BankCode=BANK,
            vnp_PayDate=rules.stamp(moved.at_ms) if moved else "", vnp_TransactionNo=str(moved.number) if moved else "0",
            vnp_TransactionType="01", vnp_TransactionStatus=STATUS[payment.stage], vnp_OrderInfo=payment.description,
        )  # fmt: skip

    def _refund(self, values: dict[str, str], merchant: Merchant) -> Response:
        payment = self._find(values, merchant)
        if payment is None:
            return self._answer(merchant, values, "91")
        if self._was_seen(merchant, values["vnp_RequestId"]):
            return self._answer(merchant, values, "94")
        code = self._refund_code(payment, values)
        if code != "00":
            return self._answer(merchant, values, code)
        self._seen[merchant.code, values["vnp_RequestId"]] = now_ms()
        slow = self.sandbox.faults.take("refund", payment.order, frozenset({Fault.REFUND_PENDING}))
        wait = slow[Fault.REFUND_PENDING].seconds if slow else 0.0
        number = self.sandbox.world.next_number()
        moved = int(values.get("vnp_TransactionNo") or payment.transactions[0].number)
        refund = Refund(
            provider=NAME, merchant=merchant.code, order=str(number), payment=payment.order,
            request=values["vnp_RequestId"], transaction=moved,
            amount=int(values["vnp_Amount"]) // 100, number=number, created_ms=now_ms(), stage=Stage.PENDING, code=5,
            done_after_ms=now_ms() + int(wait * 1000),
        )  # fmt: skip
        self.sandbox.world.keep(refund)
        self.sandbox.world.record("refund", provider=NAME, order=refund.order, payment=payment.order,
                                  amount=refund.amount, code=5, by=values["vnp_CreateBy"])  # fmt: skip
        return self._answer(merchant, values, "00", **_refund_fields(refund, payment))

    def _refund_code(self, payment: Payment, values: dict[str, str]) -> str:
        if payment.stage is not Stage.PAID:
            return "95"
        amount, number = int(values["vnp_Amount"]) // 100, values.get("vnp_TransactionNo", "")
        moved = next((one for one in payment.transactions if number in ("", str(one.number))), None)
        if moved is None:
            return "91"
        is_full = values["vnp_TransactionType"] == "02"
        if amount > moved.amount or (is_full and amount != moved.amount):
            return "93"
        refunds = [one for one in self.lifecycle.refunds_of(payment) if one.transaction == moved.number]
        refunded = sum(one.amount for one in refunds if one.stage is not Stage.REJECTED)
        if is_full and 0 < refunded < moved.amount:
            return "04"
        return "02" if refunded + amount > moved.amount else "00"

    def _was_seen(self, merchant: Merchant, request_id: str) -> bool:
        return now_ms() - self._seen.get((merchant.code, request_id), 0) < DUPLICATE_MS

    def _find(self, values: dict[str, str], merchant: Merchant) -> Payment | None:
        """VNPay knows a payment by reference and the create date of its pay request together."""
        payment = self.sandbox.world.payments.get((NAME, merchant.code, values["vnp_TxnRef"]))
        is_meant = payment is not None and payment.fields["createDate"] == values["vnp_TransactionDate"]
        return payment if is_meant else None

    def _answer(self, merchant: Merchant, values: dict[str, str], code: str, **more: str) -> Response:
        answer: dict[str, object] = {
            "vnp_ResponseId": uuid.uuid4().hex, "vnp_Command": values["vnp_Command"], "vnp_ResponseCode": code,
            "vnp_Message": rules.ANSWERS[code], "vnp_TmnCode": merchant.code, "vnp_TxnRef": values["vnp_TxnRef"], **more,
        }  # fmt: skip
        if values["vnp_Command"] == "refund":
            answer["vnp_OrderInfo"] = values["vnp_OrderInfo"]
        kind = f"{values['vnp_Command']}_answer"
        answer["vnp_SecureHash"] = rules.piped_hash(merchant.keys["hashSecret"], kind, answer)
        return json_response(answer)


def _refund_fields(refund: Refund, payment: Payment) -> dict[str, str]:
    paid = next(one.amount for one in payment.transactions if one.number == refund.transaction)
    return {
        "vnp_Amount": str(refund.amount * 100), "vnp_BankCode": BANK, "vnp_PayDate": rules.stamp(refund.created_ms),
        "vnp_TransactionNo": str(refund.number), "vnp_TransactionType": "02" if refund.amount == paid else "03",
        "vnp_TransactionStatus": REFUND_STATUS[refund.stage],
    }  # fmt: skip
