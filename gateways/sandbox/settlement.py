"""What a provider settles: the money it truly moved, as a plain table, where its own format is not public."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from gateways.sandbox.state import Payment, World
from gateways.sandbox.web import BadRequest, Request, Response

FEE_BASIS_POINTS: Final = 110  # invented, on payments only
VIETNAM: Final = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Movement:
    """Money that moved, as the provider names it; what went back is negative."""

    at_ms: int
    number: int
    order: str
    amount: int

    def cells(self, *, fee_basis_points: int) -> dict[str, str]:
        """What can be in a column, by its name in a `columns` mapping."""
        fee = (self.amount * fee_basis_points + 5_000) // 10_000 if self.amount > 0 else 0
        return {
            "number": str(self.number), "order": self.order, "kind": "Thanh toán" if self.amount > 0 else "Hoàn tiền",
            "time": local(self.at_ms).strftime("%d/%m/%Y %H:%M:%S"), "amount": str(self.amount), "fee": str(fee),
            "net": str(self.amount - fee),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlements:
    """The control route of one provider's files. `columns`: heading to cell."""

    world: World
    provider: str
    columns: Mapping[str, str]
    movements: Callable[[Payment], Iterable[Movement]]

    def file(self, request: Request) -> Response:
        """CSV in UTF-8; `?merchant=` and `?day=2026-11-21` (Vietnam's) narrow, `?fee_basis_points=` (110) prices."""
        wanted, day = request.query.get("merchant", ""), request.query.get("day", "")
        rate = request.query.get("fee_basis_points", str(FEE_BASIS_POINTS))
        if not (rate.isascii() and rate.isdigit()):
            raise BadRequest("fee_basis_points must be a whole number", status=422)
        return csv_answer(self.columns, self.of(wanted, day), fee_basis_points=int(rate))

    def of(self, merchant: str, day: str) -> list[Movement]:
        """What moved for a merchant on a day (yyyy-mm-dd), oldest first; empty is any."""
        with self.world.lock:
            payments = [one for one in self.world.payments.values() if one.provider == self.provider]
            found = [row for one in payments if merchant in ("", one.merchant) for row in self.movements(one)]
        return sorted(one for one in found if day in ("", local(one.at_ms).date().isoformat()))


def csv_answer(
    columns: Mapping[str, str], movements: Iterable[Movement], *, fee_basis_points: int, name: str = ""
) -> Response:
    """The table, as a download where it has a `name`."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(columns)
    for one in movements:
        cells = one.cells(fee_basis_points=fee_basis_points)
        table.writerow([cells[cell] for cell in columns.values()])
    headers = {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
    return Response(body=text.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=UTF-8", headers=headers)


def local(at_ms: int) -> datetime:
    """A moment in Vietnam."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(VIETNAM)
