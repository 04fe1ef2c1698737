"""What MoMo settles: its own format is not public; these columns are plain ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateways.sandbox.momo.lifecycle import Lifecycle
from gateways.sandbox.momo.rules import NAME
from gateways.sandbox.settlement import Movement, Settlements
from gateways.sandbox.state import Payment, Stage, World

COLUMNS: Final = {
    "Mã đơn hàng": "order", "Mã giao dịch": "number", "Loại giao dịch": "kind", "Thời gian": "time",
    "Số tiền": "amount", "Phí": "fee", "Thực nhận": "net",
}  # fmt: skip


def settlements(world: World, lifecycle: Lifecycle) -> Settlements:
    """MoMo's files."""

    def movements(payment: Payment) -> Iterator[Movement]:
        """Held money (9000) has not moved; a refund has its own id and moves when it is decided."""
        for one in () if payment.stage is Stage.AUTHORIZED else payment.transactions:
            yield Movement(at_ms=one.at_ms, number=one.number, order=payment.order, amount=one.amount)
        for refund in lifecycle.refunds_of(payment):
            if refund.stage is Stage.PAID:
                at_ms = max(refund.created_ms, refund.done_after_ms)
                yield Movement(at_ms=at_ms, number=refund.number, order=refund.order, amount=-refund.amount)

    return Settlements(world=world, provider=NAME, columns=COLUMNS, movements=movements)
