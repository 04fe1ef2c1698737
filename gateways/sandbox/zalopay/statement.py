"""ZaloPay's settlement file of one day. Its real columns are not public; these are as plain as can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateways.sandbox.settlement import FEE_BASIS_POINTS, Movement, Settlements, csv_answer, local
from gateways.sandbox.state import Payment, Stage, World, now_ms
from gateways.sandbox.web import Request, Response
from gateways.sandbox.zalopay.rules import NAME

COLUMNS: Final = {
    "Mã giao dịch đối tác": "order", "Mã giao dịch Zalopay": "number", "Loại giao dịch": "kind", "Thời gian": "time",
    "Số tiền": "amount", "Phí": "fee", "Thực nhận": "net",
}  # fmt: skip


def answer(world: World, request: Request) -> Response:
    """A CSV file of the payments and refunds of `?app_id=` (2553) on `?day=` (yyyy-mm-dd in Vietnam, today)."""
    app_id = request.query.get("app_id", "2553")
    day = request.query.get("day") or local(now_ms()).date().isoformat()

    def movements(payment: Payment) -> Iterator[Movement]:
        for one in payment.transactions:
            yield Movement(at_ms=one.at_ms, number=one.number, order=payment.order, amount=one.amount)
        for refund in world.refunds_of(payment):
            if refund.stage is Stage.PAID:
                at_ms, number = refund.created_ms, refund.number
                yield Movement(at_ms=at_ms, number=number, order=refund.order, amount=-refund.amount)

    found = Settlements(world=world, provider=NAME, columns=COLUMNS, movements=movements).of(app_id, day)
    return csv_answer(COLUMNS, found, fee_basis_points=FEE_BASIS_POINTS, name=f"zalopay-{app_id}-{day}.csv")
