"""What VNPay settles: its own format is not published; these columns are plain ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateways.sandbox.settlement import Movement, Settlements
from gateways.sandbox.state import Payment, Stage, World
from gateways.sandbox.vnpay.lifecycle import Lifecycle
from gateways.sandbox.vnpay.rules import NAME

COLUMNS: Final = {
    "Mã giao dịch VNPAY": "number", "Mã đơn hàng": "order", "Thời gian": "time", "Loại giao dịch": "kind",
    "Số tiền": "amount", "Phí": "fee", "Thực nhận": "net",
}  # fmt: skip


def settlements(world: World, lifecycle: Lifecycle) -> Settlements:
    """VNPay's files."""

    def movements(payment: Payment) -> Iterator[Movement]:
        """A refund has a number of its own and the purchase's reference."""
        for one in payment.transactions:
            yield Movement(at_ms=one.at_ms, number=one.number, order=payment.order, amount=one.amount)
        for refund in lifecycle.refunds_of(payment):
            if refund.stage is Stage.PAID:
                at_ms, number = refund.created_ms, refund.number
                yield Movement(at_ms=at_ms, number=number, order=payment.order, amount=-refund.amount)

    return Settlements(world=world, provider=NAME, columns=COLUMNS, movements=movements)
