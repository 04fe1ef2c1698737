"""What can happen to a payment and to a refund at VNPay."""

from __future__ import annotations

from typing import Final

from gateways.sandbox.provider import Outcome, Sandbox
from gateways.sandbox.state import Payment, Refund, Stage, now_ms
from gateways.sandbox.vnpay.rules import NAME
from gateways.sandbox.web import BadRequest

ENDINGS: Final = {
    Outcome.DECLINE: (Stage.DECLINED, 24),
    Outcome.INSUFFICIENT: (Stage.INSUFFICIENT, 51),
    Outcome.EXPIRE: (Stage.EXPIRED, 11),
}
SUSPICIOUS: Final = 7
"""The bank took the money, VNPay's people look at it first: neither paid nor failed."""


class Lifecycle:
    """The only lines that change the stage of a payment after it was opened, and of a refund after it was accepted."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def end(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let a payment end so; 7 with `pay` leaves it suspicious. Raises BadRequest (409) where it has ended, unless it
        is paid `again`."""
        world = self.sandbox.world
        with world.lock:
            self.expire_if_due(payment)
            if payment.stage not in (Stage.WAITING, Stage.PENDING) and not (again and outcome is Outcome.PAY):
                raise BadRequest(f"the payment has ended: {payment.stage}", status=409)
            payment.changed_ms = now_ms()
            if outcome is Outcome.PAY and code == SUSPICIOUS:
                payment.stage, payment.code = Stage.PENDING, SUSPICIOUS
            elif outcome is Outcome.PAY:
                self._take_money(payment)
            else:
                payment.stage, payment.code = ENDINGS[outcome]
                payment.code = code or payment.code
            world.keep(payment)
        world.record(payment.stage, provider=NAME, order=payment.order, code=payment.code,
                     transaction=payment.transactions[-1].number if payment.transactions else 0,
                     amount=payment.transactions[-1].amount if payment.transactions else 0)  # fmt: skip

    def _take_money(self, payment: Payment) -> None:
        self.sandbox.take_money(payment)
        payment.stage, payment.code = Stage.PAID, 0

    def expire_if_due(self, payment: Payment) -> None:
        """A page that nobody used until vnp_ExpireDate is dead from then on; nobody is told."""
        if payment.stage is Stage.WAITING and now_ms() >= payment.expires_ms:
            payment.stage, payment.code, payment.changed_ms = Stage.EXPIRED, 11, now_ms()
            self.sandbox.world.keep(payment)
            self.sandbox.world.record(Stage.EXPIRED, provider=NAME, order=payment.order, code=11)

    def refunds_of(self, payment: Payment) -> list[Refund]:
        """A payment's refunds as they are now, oldest first. An accepted one is done once its time has come."""
        refunds = self.sandbox.world.refunds_of(payment)
        for refund in refunds:
            if refund.stage is Stage.PENDING and now_ms() >= refund.done_after_ms:
                refund.stage, refund.code = Stage.PAID, 0
                self.sandbox.world.keep(refund)
                self.sandbox.world.record("refund", provider=NAME, order=refund.order, payment=refund.payment,
                                          amount=refund.amount, code=0)  # fmt: skip
        return refunds
