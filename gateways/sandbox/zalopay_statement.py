"""ZaloPay's settlement file of one day. Its real columns are not public; these are as plain as can be."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Final

from gateways.sandbox.state import Stage, World, now_ms
from gateways.sandbox.web import Request, Response
from gateways.sandbox.zalopay_rules import NAME, VIETNAM

COLUMNS: Final = (
    "Mã giao dịch đối tác", "Mã giao dịch Zalopay", "Loại giao dịch", "Thời gian", "Số tiền", "Phí", "Thực nhận",
)  # fmt: skip
FEE_BASIS_POINTS: Final = 110


def answer(world: World, request: Request) -> Response:
    """A CSV file of the payments and refunds of `?app_id=` (2553) on `?day=` (yyyy-mm-dd in Vietnam, today)."""
    app_id = request.query.get("app_id", "2553")
    day = request.query.get("day") or _local(now_ms()).date().isoformat()
    rows = [row for at_ms, row in sorted(_movements(world, app_id)) if _local(at_ms).date().isoformat() == day]
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    headers = {"Content-Disposition": f'attachment; filename="zalopay-{app_id}-{day}.csv"'}
    return Response(body=text.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=UTF-8", headers=headers)


def _movements(world: World, app_id: str) -> list[tuple[int, list[str]]]:
    with world.lock:
        payments = [one for one in world.payments.values() if (one.provider, one.merchant) == (NAME, app_id)]
        found = [
            _row(
                one.at_ms, payment.order, one.number, "Thanh toán", one.amount, one.amount * FEE_BASIS_POINTS // 10_000
            )
            for payment in payments
            for one in payment.transactions
        ]
        return found + [
            _row(refund.created_ms, refund.order, refund.number, "Hoàn tiền", -refund.amount, 0)
            for payment in payments
            for refund in world.refunds_of(payment)
            if refund.stage is Stage.PAID
        ]


def _row(at_ms: int, order: str, number: int, kind: str, amount: int, fee: int) -> tuple[int, list[str]]:
    moment = _local(at_ms).strftime("%d/%m/%Y %H:%M:%S")
    return at_ms, [order, str(number), kind, moment, str(amount), str(fee), str(amount - fee)]


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(VIETNAM)
