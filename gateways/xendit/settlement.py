"""Xendit's balance, line by line: the Transactions report (version 2) and GET /transactions.

Columns are found by the names in Xendit's documentation; how the file itself spells them is not confirmed, so case and
spaces do not matter and a file without them is refused. Only what has reached or left the balance is a line: money in
counts once it is settled, which is also when its fee is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from config.core.money import Money
from gateways.settlement.columns import plain
from gateways.settlement.lines import LineKind, SettlementFile, SettlementLine, SettlementUnreadable
from gateways.settlement.sheet import FORMULA, Row, sheets
from gateways.xendit import values

COLUMNS: Final = {
    "status": "Status",
    "type": "Type",
    "currency": "Currency",
    "amount": "Amount",
    "fee": "Total Fee",
    "vat": "Total VAT",
    "net_amount": "Net Amount",
    "reference_id": "Reference",
    "id": "Transaction ID",
    "invoice_id": "Invoice ID",
    "product_id": "Product ID",
    "updated": "Timestamp - Updated",
    "settled": "Actual Settlement Time",
    "settlement_status": "Settlement Status",
}
"""Our name -> the report's column."""
SETTLED: Final = ("SETTLED", "EARLY_SETTLED")
UNSETTLED_STATUSES: Final = ("PENDING", "FAILED", "VOIDED", "REVERSED")
KINDS: Final = {
    "PAYMENT": LineKind.PAYMENT,
    "IN_PERSON_PAYMENT": LineKind.PAYMENT,
    "REFUND": LineKind.REFUND,
    "CHARGEBACK": LineKind.DISPUTE,
    "CASHBACK_FEE": LineKind.FEE,
    "CASHBACK_VAT": LineKind.FEE,
    "RESERVES_HOLD": LineKind.RESERVE,
    "RESERVES_RELEASE": LineKind.RESERVE,
    "WITHDRAWAL": LineKind.PAYOUT,
}
"""Every other type (conversions, transfers, top-ups, disbursements ...) is an adjustment."""
MONEY_OUT: Final = frozenset(
    [
        "ADJUSTMENT_DEDUCT",
        "CASHBACK_FEE",
        "CASHBACK_VAT",
        "CHARGEBACK",
        "DISBURSEMENT",
        "FOREX_DEDUCTION",
        "LOAN_REPAYMENT",
        "REFUND",
        "REMITTANCE",
        "REMITTANCE_PAYOUT",
        "RESERVES_HOLD",
        "TRANSFER_OUT",
        "WITHDRAWAL",
    ]
)
"""Types that leave the balance, for a report that does not say so by its signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One transaction as both sources tell it. Amounts are without sign; `fee` holds its taxes."""

    row: int
    kind: str
    is_out: bool
    amount: Money
    net: Money
    reference: str
    transaction_id: str
    moment: datetime | None
    settled_on: date | None
    raw: Mapping[str, str]

    def line(self) -> SettlementLine:
        """In the shape of all gateways, signed as our balance feels it."""
        gross, net = (-self.amount, -self.net) if self.is_out else (self.amount, self.net)
        kind = KINDS.get(self.kind, LineKind.ADJUSTMENT)
        if kind is LineKind.DISPUTE and not self.is_out:
            kind = LineKind.DISPUTE_REVERSAL
        return SettlementLine(
            row=self.row,
            kind=kind,
            gross=gross,
            fee=gross - net,
            net=net,
            reference=self.reference,
            gateway_transaction_id=self.transaction_id,
            occurred_at=self.moment,
            settled_on=self.settled_on,
            description=self.kind,
            raw=self.raw,
        )


# --- The report ------------------------------------------------------------------------------------------------------
def read(content: bytes, *, name: str) -> SettlementFile:
    """The lines of a Transactions report. Raises SettlementUnreadable naming row and column."""
    lines = []
    rows = [(number, cells) for number, cells in _table(content, name=name) if any(cells.values())]
    is_signed = any(cells["amount"].startswith("-") for _, cells in rows)
    for number, cells in rows:
        found = _of_report(number, cells, is_signed=is_signed)
        lines += [found.line()] if found else []
    days = {one.settled_on for one in lines}
    return SettlementFile(number="", lines=tuple(lines), settled_on=days.pop() if len(days) == 1 else None)


def _table(content: bytes, *, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    for rows in sheets(content, name=name):
        for index, (_, titles) in enumerate(rows[:20]):
            said = [plain(str(title)) if isinstance(title, str) else "" for title in titles]
            if all(plain(column) in said for column in COLUMNS.values()):
                places = {ours: said.index(plain(column)) for ours, column in COLUMNS.items()}
                yield from _cells(rows[index + 1 :], places)
                return
    raise SettlementUnreadable(f"{name} has no header row with the columns {', '.join(COLUMNS.values())}.")


def _cells(rows: Iterable[Row], places: Mapping[str, int]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, cells in rows:
        found = {}
        for ours, place in places.items():
            cell = cells[place] if place < len(cells) else None
            if cell is FORMULA or isinstance(cell, float):
                column = COLUMNS[ours]
                raise SettlementUnreadable(f"Row {number}: {column} is no plain text.", row=number, column=column)
            found[ours] = "" if cell is None else str(cell).strip()
        yield number, found


def _of_report(number: int, cells: Mapping[str, str], *, is_signed: bool) -> Movement | None:
    """`is_signed`: the report has signs, so that what has none came in: a chargeback that was won."""
    kind, currency = cells["type"].upper(), cells["currency"].upper()
    if not _counts(cells["status"], cells["settlement_status"], is_payment=kind in ("PAYMENT", "IN_PERSON_PAYMENT")):
        return None
    amount, fee, vat, net = (
        _amount(cells[name], currency, row=number, column=COLUMNS[name]) for name in ("amount", "fee", "vat", "net_amount")
    )  # fmt: skip
    is_out = cells["amount"].startswith("-") or (kind in MONEY_OUT and not is_signed)
    if (amount - fee - vat if not is_out else amount + fee + vat) != net:
        raise SettlementUnreadable(
            f"Row {number}: amount, fee, VAT and net do not agree.", row=number, column="Net Amount"
        )
    moment = values.time_in(cells["settled"]) or values.time_in(cells["updated"])
    return Movement(
        row=number,
        kind=kind,
        is_out=is_out,
        amount=amount,
        net=net,
        reference=cells["reference_id"],
        transaction_id=cells["invoice_id"] or cells["product_id"],
        moment=moment,
        settled_on=moment.date() if moment else None,
        raw={COLUMNS[name]: value for name, value in cells.items()},
    )


def _amount(text: str, currency: str, *, row: int, column: str) -> Money:
    """An amount without its sign; thousands may be set apart by commas. Nothing is nought."""
    bare = text.lstrip("-").replace(",", "") or "0"
    money = values.amount_in(bare, currency)
    if money is None:
        raise SettlementUnreadable(
            f"Row {row}: {column} is no amount of {currency or 'any currency'}.", row=row, column=column
        )
    return money


# --- The call --------------------------------------------------------------------------------------------------------
def files(rows: Sequence[Mapping[str, Any]]) -> Iterator[SettlementFile]:
    """The rows of GET /transactions as one file per currency and day, oldest first. Xendit numbers no payouts, so the
    number is made of both. Raises SettlementUnreadable for a row that cannot be money.
    """
    days: dict[tuple[date, str], list[SettlementLine]] = {}
    for number, row in enumerate(rows, start=1):
        found = _of_api(number, row)
        if found is not None and found.settled_on is not None:
            days.setdefault((found.settled_on, found.amount.currency), []).append(found.line())
    for (day, currency), lines in sorted(days.items()):
        yield SettlementFile(number=f"{day.isoformat()}-{currency}", lines=tuple(lines), settled_on=day)


def _of_api(number: int, row: Mapping[str, Any]) -> Movement | None:
    kind, currency = values.text_in(row.get("type")), values.text_in(row.get("currency"))
    is_payment = kind in ("PAYMENT", "IN_PERSON_PAYMENT")
    status, settled = values.text_in(row.get("status")), values.text_in(row.get("settlement_status"))
    if not _counts(status, settled, is_payment=is_payment):
        return None
    amount, net = values.amount_in(row.get("amount"), currency), values.amount_in(row.get("net_amount"), currency)
    moment = values.time_in(row.get("updated"))
    if amount is None or net is None or moment is None or row.get("net_amount_currency") not in (None, currency):
        raise SettlementUnreadable(f"Transaction {row.get('id')}: no amount, net or time in {currency}.", row=number)
    product = row.get("product_data")
    link = values.id_in(product.get("payment_link_id")) if isinstance(product, dict) else ""
    return Movement(
        row=number,
        kind=kind,
        is_out=row.get("cashflow") == "MONEY_OUT",
        amount=amount,
        net=net,
        reference=values.text_in(row.get("reference_id")),
        transaction_id=link or values.id_in(row.get("product_id")),
        moment=moment,
        settled_on=moment.astimezone(UTC).date(),
        raw={name: _told(value) for name, value in row.items() if name != "account_identifier"},
    )


def _counts(status: str, settlement_status: str, *, is_payment: bool) -> bool:
    """Whether it moved the balance. Raises SettlementUnreadable for a status that might mean money and is not known."""
    if status in UNSETTLED_STATUSES:
        return False
    if status != "SUCCESS":
        raise SettlementUnreadable(f"A transaction has the unknown status {status[:20]!r}.", column="Status")
    return settlement_status in SETTLED or not is_payment


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_told(one)}" for name, one in value.items())
    return f"{value:f}" if isinstance(value, Decimal) else "" if value is None else str(value)
