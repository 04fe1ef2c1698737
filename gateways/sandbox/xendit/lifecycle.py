"""What can happen to an invoice and to a refund at Xendit."""

from __future__ import annotations

from gateways.sandbox.provider import Outcome, Sandbox
from gateways.sandbox.state import Payment, Refund, Stage, now_ms
from gateways.sandbox.web import BadRequest
from gateways.sandbox.xendit import rules
from gateways.sandbox.xendit.rules import NAME


class Lifecycle:
    """The only lines that change an invoice's stage after it was opened."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def end(self, payment: Payment, outcome: Outcome, *, again: bool = False) -> bool:
        """Let an invoice end so; False where it goes on: a payer who was declined may try again, and nobody is told.

        Raises BadRequest (409) where it has ended. `again` brings late money to an expired one; a paid invoice is
        closed and takes no second payment.
        """
        world = self.sandbox.world
        with world.lock:
            self.expire_if_due(payment)
            is_late = again and outcome is Outcome.PAY and payment.stage is Stage.EXPIRED
            if payment.stage is not Stage.WAITING and not is_late:
                raise BadRequest(f"the invoice has ended: {payment.stage}", status=409)
            goes_on = outcome in (Outcome.DECLINE, Outcome.INSUFFICIENT)
            if outcome is Outcome.PAY:
                self._take_money(payment)
            elif outcome is Outcome.EXPIRE:
                payment.stage, payment.changed_ms = Stage.EXPIRED, now_ms()
            else:
                payment.fields["last_failure"] = outcome.value
            world.keep(payment)
        world.record(outcome.value if goes_on else payment.stage, provider=NAME, order=payment.order)
        return not goes_on

    def _take_money(self, payment: Payment) -> None:
        payment.changed_ms = now_ms()
        self.sandbox.take_money(payment)
        payment.stage = Stage.PAID
        if not payment.fields["payment_channel"]:
            method, channel, _, _ = offered(payment)[0]
            payment.fields |= {"payment_method": method, "payment_channel": channel}

    def settle_money(self, payment: Payment) -> None:
        """The money arrives in the merchant's balance: PAID becomes SETTLED. Raises BadRequest (409)."""
        with self.sandbox.world.lock:
            if payment.stage is not Stage.PAID:
                raise BadRequest("the invoice is not paid", status=409)
            payment.fields["settled"] = payment.changed_ms = now_ms()
            self.sandbox.world.keep(payment)
        self.sandbox.world.record("settled", provider=NAME, order=payment.order)

    def charge_back(self, payment: Payment, what: str) -> None:
        """The customer's bank takes the money of a paid invoice ("taken"), or gives it back ("returned").

        Only the balance moves: nothing is told. Raises BadRequest (409) where there is nothing to take or to return.
        """
        with self.sandbox.world.lock:
            moves: list[dict[str, int]] = payment.fields.setdefault("chargebacks", [])
            is_gone = sum(one["amount"] for one in moves) < 0
            if payment.stage is not Stage.PAID or what != ("returned" if is_gone else "taken"):
                raise BadRequest("needs a paid invoice: its money can be taken, and then returned", status=409)
            amount = payment.transactions[-1].amount if is_gone else -payment.transactions[-1].amount
            moves.append({"amount": amount, "at_ms": now_ms(), "number": self.sandbox.world.next_number()})
            self.sandbox.world.keep(payment)
        self.sandbox.world.record(f"chargeback_{what}", provider=NAME, order=payment.order)

    def expire_if_due(self, payment: Payment) -> None:
        """An invoice that nobody paid in time is dead from then on."""
        if payment.stage is Stage.WAITING and now_ms() >= payment.expires_ms:
            payment.stage, payment.changed_ms = Stage.EXPIRED, now_ms()
            self.sandbox.world.keep(payment)
            self.sandbox.world.record(Stage.EXPIRED, provider=NAME, order=payment.order)

    def decide_if_due(self, refund: Refund) -> None:
        """A refund is done once its time has come."""
        if refund.stage is Stage.PENDING and now_ms() >= refund.done_after_ms:
            refund.stage = Stage.PAID
            self.sandbox.world.keep(refund)
            self.sandbox.world.record("refund", provider=NAME, order=refund.order, payment=refund.payment,
                                      amount=refund.amount, done=True)  # fmt: skip

    def refunds_of(self, payment: Payment) -> list[Refund]:
        """An invoice's refunds as they are now, oldest first."""
        refunds = self.sandbox.world.refunds_of(payment)
        for refund in refunds:
            self.decide_if_due(refund)
        return refunds


def offered(payment: Payment) -> list[tuple[str, str, str, bool]]:
    """What a payer may choose: the currency's channels, or those of them that the merchant asked for."""
    wanted = payment.fields["payment_methods"]
    known = [one for one in rules.CHANNELS[payment.currency] if not wanted or one[1] in wanted]
    return known or [("BANK_TRANSFER", code, code.replace("_", " ").title(), False) for code in wanted]
