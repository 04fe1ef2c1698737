"""What MoMo settles: the money it truly moved, as a table. Its own format is not public; these columns are plain ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from gateways.sandbox.momo_lifecycle import Lifecycle
from gateways.sandbox.momo_rules import NAME, VIETNAM
from gateways.sandbox.state import Payment, Stage, World
from gateways.sandbox.web import BadRequest, Request, Response

HEADER: Final = ("Mã đơn hàng", "Mã giao dịch", "Loại giao dịch", "Thời gian", "Số tiền", "Phí", "Thực nhận")
FEE_BASIS_POINTS: Final = 110  # invented, on payments only


class Settlements:
    """The control route for it."""

    def __init__(self, world: World, lifecycle: Lifecycle) -> None:
        self.world, self.lifecycle = world, lifecycle

    def file(self, request: Request) -> Response:
        """CSV in UTF-8; `?merchant=` and `?day=2026-11-21` (Vietnam's) narrow, `?fee_basis_points=` (110) prices."""
        wanted, day = request.query.get("merchant", ""), request.query.get("day", "")
        rate = request.query.get("fee_basis_points", str(FEE_BASIS_POINTS))
        if not (rate.isascii() and rate.isdigit()):
            raise BadRequest("fee_basis_points must be a whole number", status=422)
        out = io.StringIO()
        table = csv.writer(out)
        table.writerow(HEADER)
        with self.world.lock:
            payments = [one for one in self.world.payments.values() if one.provider == NAME]
            rows = sorted(row for one in payments if wanted in ("", one.merchant) for row in self._rows(one, int(rate)))
        for at_ms, number, order, kind, amount, fee in rows:
            local = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(VIETNAM)
            if day in ("", local.strftime("%Y-%m-%d")):
                time = local.strftime("%d/%m/%Y %H:%M:%S")
                table.writerow([order, number, kind, time, amount, fee, amount - fee])
        return Response(body=out.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=UTF-8")

    def _rows(self, payment: Payment, rate: int) -> Iterator[tuple[int, int, str, str, int, int]]:
        """Held money (9000) has not moved; a refund has its own id and moves when it is decided."""
        for one in () if payment.stage is Stage.AUTHORIZED else payment.transactions:
            fee = (one.amount * rate + 5_000) // 10_000
            yield one.at_ms, one.number, payment.order, "Thanh toán", one.amount, fee
        for refund in self.lifecycle.refunds_of(payment):
            if refund.stage is Stage.PAID:
                yield (
                    max(refund.created_ms, refund.done_after_ms),
                    refund.number,
                    refund.order,
                    "Hoàn tiền",
                    -refund.amount,
                    0,
                )
