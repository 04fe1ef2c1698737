"""What can happen to an order and to a refund at ZaloPay."""

from __future__ import annotations

from typing import Final

from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Sandbox
from gateways.sandbox.state import Payment, Refund, Stage, now_ms
from gateways.sandbox.web import BadRequest
from gateways.sandbox.zalopay.rules import DONE, IN_WORK, NAME

ENDINGS: Final = {
    Outcome.DECLINE: (Stage.DECLINED, -329),
    Outcome.INSUFFICIENT: (Stage.INSUFFICIENT, -63),
    Outcome.EXPIRE: (Stage.EXPIRED, -54),
}
"""Stage and sub code of what was not paid. A payment's code is 3 while it waits and 1 when it is paid."""


class Lifecycle:
    """The only lines that change an order's stage after it was opened."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def end(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let an order end so. Raises BadRequest (409) where it has ended, unless it is paid `again`.

        Control addresses name failure codes without their minus: `code` 217 is -217.
        """
        world = self.sandbox.world
        with world.lock:
            self.expire_if_due(payment)
            if payment.stage is not Stage.WAITING and not (again and outcome is Outcome.PAY):
                raise BadRequest(f"the payment has ended: {payment.stage}", status=409)
            payment.changed_ms = now_ms()
            if outcome is Outcome.PAY:
                self._take_money(payment)
            else:
                payment.stage, payment.code = ENDINGS[outcome]
                payment.code = -abs(code) if code else payment.code
            world.keep(payment)
        moved = payment.transactions[-1] if payment.transactions else None
        world.record(payment.stage, provider=NAME, order=payment.order, code=payment.code,
                     transaction=moved.number if moved else 0, amount=moved.amount if moved else 0)  # fmt: skip

    def _take_money(self, payment: Payment) -> None:
        self.sandbox.take_money(payment)
        payment.stage, payment.code = Stage.PAID, DONE

    def expire_if_due(self, payment: Payment) -> None:
        """An order that nobody paid in time is dead from then on; nobody is told."""
        if payment.stage is Stage.WAITING and now_ms() >= payment.expires_ms:
            payment.stage, payment.code, payment.changed_ms = Stage.EXPIRED, -54, now_ms()
            self.sandbox.world.keep(payment)
            self.sandbox.world.record(Stage.EXPIRED, provider=NAME, order=payment.order, code=-54)

    def decide_if_due(self, refund: Refund) -> None:
        """A slow refund is done once its time has come."""
        if refund.stage is Stage.PENDING and now_ms() >= refund.done_after_ms:
            refund.stage, refund.code = Stage.PAID, DONE
            self.sandbox.world.keep(refund)
            self.sandbox.world.record("refund", provider=NAME, order=refund.order, payment=refund.payment,
                                      amount=refund.amount, code=DONE)  # fmt: skip

    def book_refund(self, payment: Payment, *, order: str, transaction: int, amount: int) -> Refund:
        """Take a good refund. It is done at once unless a fault keeps it in work; the answer says "in work" of both."""
        world = self.sandbox.world
        slow = self.sandbox.faults.take("refund", order, frozenset({Fault.REFUND_PENDING}))
        wait = slow[Fault.REFUND_PENDING].seconds if slow else 0.0
        refund = Refund(
            provider=NAME, merchant=payment.merchant, order=order, payment=payment.order, request=order,
            transaction=transaction, amount=amount, number=world.next_number(), created_ms=now_ms(),
            stage=Stage.PENDING if slow else Stage.PAID, code=IN_WORK if slow else DONE,
            done_after_ms=now_ms() + int(wait * 1000),
        )  # fmt: skip
        world.keep(refund)
        world.record("refund", provider=NAME, order=order, payment=payment.order, amount=amount, code=refund.code)
        return refund
