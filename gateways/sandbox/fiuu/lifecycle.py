"""What can happen to an order at Fiuu: each try to pay is a transaction of its own, and some of them are money."""

from __future__ import annotations

from typing import Any, Final

from gateways.sandbox.faults import MONEY_FAULTS, Fault
from gateways.sandbox.fiuu.rules import NAME, channel
from gateways.sandbox.provider import Outcome, Sandbox
from gateways.sandbox.state import Payment, Refund, Stage, Transaction, now_ms
from gateways.sandbox.web import BadRequest

Try = dict[str, Any]
"""tran, stat, name, amount (minor), currency, channel, at_ms, error, app."""
ENDINGS: Final = {
    Outcome.DECLINE: (Stage.DECLINED, "05", "1C"),
    Outcome.INSUFFICIENT: (Stage.INSUFFICIENT, "51", "51"),
}
CHANGES: Final = {
    "chargeback": "11", "ReqChargeback": "11", "cancelled": "11", "ReqCancel": "11", "release": "11", "settled": "00",
}  # fmt: skip


class Lifecycle:
    """The only lines that change an order after it was opened, except capture and void."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def end(self, payment: Payment, outcome: Outcome, *, again: bool, code: int | None, by: str = "") -> None:
        """Let the payer end so. Raises BadRequest (409) where it has ended, unless it is paid `again`."""
        world = self.sandbox.world
        with world.lock:
            self.expire_if_due(payment)
            if payment.stage is not Stage.WAITING and not (again and outcome is Outcome.PAY):
                raise BadRequest(f"the payment has ended: {payment.stage}", status=409)
            payment.changed_ms = now_ms()
            chosen = channel(by or payment.fields["channel"])
            one: Try = {
                "tran": world.next_number(), "stat": "11", "name": "failed", "amount": payment.amount,
                "currency": payment.currency, "channel": chosen.code, "at_ms": payment.changed_ms, "error": "", "app": "",
            }  # fmt: skip
            if outcome is Outcome.PAY:
                self._take_money(payment, one)
            elif outcome is Outcome.EXPIRE:
                payment.stage, one["error"] = Stage.EXPIRED, "P01"
            else:
                payment.stage, card, bank = ENDINGS[outcome]
                reason = f"{code:02d}" if code is not None else ""
                one["error"] = f"FPX_{reason or bank}" if chosen.kind == "bank" else f"CC_{reason or card}"
            payment.fields["tries"].append(one)
            world.keep(payment)
        world.record(payment.stage, provider=NAME, order=payment.order, transaction=one["tran"], code=one["error"],
                     amount=one["amount"] if one["stat"] == "00" else 0)  # fmt: skip

    def _take_money(self, payment: Payment, one: Try) -> None:
        struck = self.sandbox.faults.take("pay", payment.order, MONEY_FAULTS)
        for fault in struck:
            self.sandbox.world.record("fault", provider=NAME, order=payment.order, fault=fault)
        if Fault.WRONG_AMOUNT in struck:
            one["amount"] = struck[Fault.WRONG_AMOUNT].amount or max(payment.amount - 1000, 1)
        if Fault.WRONG_CURRENCY in struck:
            one["currency"] = "USD" if payment.currency != "USD" else "MYR"
        moved = Transaction(number=one["tran"], amount=one["amount"], at_ms=payment.changed_ms)
        is_held = payment.fields["tcctype"] == "AUTH" and not payment.transactions
        payment.transactions.append(moved)
        payment.stage = Stage.AUTHORIZED if is_held else Stage.PAID
        one |= {"stat": "00", "name": "authorized" if is_held else "captured", "app": f"{one['tran'] % 1_000_000:06d}"}

    def change(self, payment: Payment, name: str) -> None:
        """Give the last money of an order another name, such as a chargeback. Raises BadRequest."""
        paid = [one for one in payment.fields["tries"] if one["app"]]
        if name not in CHANGES or not paid:
            raise BadRequest(f"needs a paid order and one of {', '.join(CHANGES)}", status=409)
        with self.sandbox.world.lock:
            paid[-1] |= {"stat": CHANGES[name], "name": name}
            payment.changed_ms = now_ms()
            self.sandbox.world.keep(payment)
        self.sandbox.world.record(name, provider=NAME, order=payment.order, transaction=paid[-1]["tran"])

    def expire_if_due(self, payment: Payment) -> None:
        """A page that nobody used in time is dead from then on; nobody is told, and no transaction exists."""
        if payment.stage is Stage.WAITING and now_ms() >= payment.expires_ms:
            payment.stage, payment.changed_ms = Stage.EXPIRED, now_ms()
            self.sandbox.world.keep(payment)
            self.sandbox.world.record(Stage.EXPIRED, provider=NAME, order=payment.order)

    def decide_if_due(self, refund: Refund) -> None:
        """A slow refund is done once its time has come."""
        if refund.stage is Stage.PENDING and now_ms() >= refund.done_after_ms:
            self.decide(refund, Stage.PAID)

    def decide(self, refund: Refund, stage: Stage) -> None:
        """The end of a refund."""
        refund.stage = stage
        self.sandbox.world.keep(refund)
        self.sandbox.world.record("refund", provider=NAME, order=refund.order, payment=refund.payment,
                                  amount=refund.amount, stage=stage)  # fmt: skip

    def find(self, merchant: str, transaction: str) -> tuple[Payment, Try] | None:
        """The order in which a transaction happened, paid or not."""
        with self.sandbox.world.lock:
            orders = [
                one for one in self.sandbox.world.payments.values() if (one.provider, one.merchant) == (NAME, merchant)
            ]
        for payment in orders:
            for one in payment.fields["tries"]:
                if str(one["tran"]) == transaction:
                    return payment, one
        return None
