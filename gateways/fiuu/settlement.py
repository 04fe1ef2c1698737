"""Fiuu's settlement report, version 5.0, as JSON or CSV (specification 13.39, 9.2): rows H, D, R, G and F.

Amounts are whole numbers of hundredths, for every currency. The money of a payment is its net amount in the processing
currency; its fee is what lacks there from the gross, for the text of the document and its own sample compute the
commission's tax differently. A row for which neither holds is read and says so.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from config.core import strict_json
from config.core.money import Money, MoneyError, exponent
from gateways.fiuu.messages import MALAYSIA, text_in
from gateways.settlement.lines import LineKind, SettlementFile, SettlementLine, SettlementUnreadable

IDENTIFIER: Final = "RecordIdentifier"
HEADER: Final = (
    IDENTIFIER, "SettlementCurrency", "SettlementNetAmount", "SettlementCommissionAmount", "NumberOfTransactions",
    "BatchReferenceNumber", "SettlementDate", "SettlementGSTAmount", "BankAccount", "RefundNetAmount", "RefundGSTAmount",
)  # fmt: skip
DETAIL: Final = (
    IDENTIFIER, "MerchantId", "OrderId", "Channel", "AcquirerReference", "RefundID", "MerchantRefID", "RefundFees",
    "TransactionNetAmount", "TransactionCommissionAmount", "TransactionDate", "TransactionTime", "TransactionGrossAmount",
    "TransactionCurrency", "TransactionGST", "SettlementNetAmountInProcessingCurrency", "SettlementNetAmount",
    "SettlementCurrency", "Forex", "Status",
)  # fmt: skip
FOOTER: Final = (
    IDENTIFIER, "NumberOfTransactionsTotal", "NumberOfTransactionsShown", "FilterTransactionsTotalPages",
    "FilterTransactionsLimitPerPage",
)  # fmt: skip
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {"H": HEADER, "D": DETAIL, "R": DETAIL, "G": DETAIL, "F": FOOTER}
NET: Final = "SettlementNetAmountInProcessingCurrency"
ODD: Final = "Neither formula of the report holds for this row."
_NUMBER: Final = re.compile(r"-?[0-9]{1,17}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file, as it was read."""

    number: int
    values: Mapping[str, str]

    @property
    def kind(self) -> str:
        """H, D, R, G or F."""
        return self.values[IDENTIFIER]

    def amount(self, column: str) -> int:
        """Hundredths; nothing written is nothing. Raises SettlementUnreadable."""
        text = self.values.get(column, "") or "0"
        if not _NUMBER.fullmatch(text):
            raise SettlementUnreadable("is no whole number", row=self.number, column=column)
        return int(text)

    def money(self, hundredths: int, *, column: str, currency_in: str) -> Money:
        """Hundredths as money. Raises SettlementUnreadable for a currency or a fraction we cannot hold."""
        try:
            scale = 10 ** (2 - exponent(self.values.get(currency_in, "")))
            money = Money(hundredths // scale, self.values[currency_in])
        except (MoneyError, TypeError) as error:
            raise SettlementUnreadable("is a currency we cannot hold", row=self.number, column=currency_in) from error
        if money.minor * scale != hundredths:
            raise SettlementUnreadable("is a fraction of this currency", row=self.number, column=column)
        return money

    def day(self, column: str) -> date | None:
        """YYYYMMDD. Raises SettlementUnreadable."""
        text = self.values.get(column, "")
        try:
            return datetime.strptime(text, "%Y%m%d").replace(tzinfo=MALAYSIA).date() if text else None
        except ValueError as error:
            raise SettlementUnreadable("is no date", row=self.number, column=column) from error

    def moment(self) -> datetime | None:
        """When the payment or refund was made, by Malaysian clocks. Raises SettlementUnreadable."""
        text = f"{self.values.get('TransactionDate', '')}{self.values.get('TransactionTime', '')}"
        try:
            return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=MALAYSIA).astimezone(UTC) if text else None
        except ValueError as error:
            raise SettlementUnreadable("is no date and time", row=self.number, column="TransactionTime") from error


def read(content: bytes, *, name: str, merchant: str) -> SettlementFile:
    """The lines of one report. Raises SettlementUnreadable naming row and column."""
    rows = _rows(content)
    headers = [row for row in rows if row.kind == "H"]
    if len(headers) != 1:
        raise SettlementUnreadable(f"{name}: a report has one row H, this one has {len(headers)}")
    for row in rows:
        if row.kind == "F" and row.amount("FilterTransactionsTotalPages") > 1:
            raise SettlementUnreadable("is one page of several: fetch the report with page=0", row=row.number)
        if row.kind in "DRG" and row.values.get("MerchantId", merchant) != merchant:
            raise SettlementUnreadable("is another merchant's", row=row.number, column="MerchantId")
    (header,) = headers
    settled_on = header.day("SettlementDate")
    net = header.amount("SettlementNetAmount")
    return SettlementFile(
        number=header.values.get("BatchReferenceNumber", ""),
        lines=tuple(_line(row, settled_on) for row in rows if row.kind in "DRG"),
        settled_on=settled_on,
        total=header.money(net, column="SettlementNetAmount", currency_in="SettlementCurrency"),
    )


def _line(row: Row, settled_on: date | None) -> SettlementLine:
    """D and G (refunded before it was settled; its R follows) are payments. An R without a refund is a chargeback."""
    is_back = row.kind == "R"
    gross, net = row.amount("TransactionGrossAmount"), row.amount(NET)
    if is_back:  # negative by the document; written without a sign, it still went back
        gross, net = -abs(gross), -abs(net)
    is_refund = is_back and bool(row.values.get("MerchantRefID") or row.values.get("RefundID", "").strip("0"))
    kind = LineKind.REFUND if is_refund else LineKind.DISPUTE if is_back else LineKind.PAYMENT
    return SettlementLine(
        row=row.number,
        kind=kind,
        gross=row.money(gross, column="TransactionGrossAmount", currency_in="TransactionCurrency"),
        fee=row.money(gross - net, column=NET, currency_in="TransactionCurrency"),
        net=row.money(net, column=NET, currency_in="TransactionCurrency"),
        reference=row.values.get("MerchantRefID" if is_refund else "OrderId", ""),
        gateway_transaction_id=row.values.get("RefundID" if is_refund else "AcquirerReference", ""),
        occurred_at=row.moment(),
        settled_on=settled_on,
        description="" if is_back or _adds_up(row, gross, net) else ODD,
        raw=row.values,
    )


def _adds_up(row: Row, gross: int, net: int) -> bool:
    """By the document's text the tax comes on top of the commission, in its samples it is inside."""
    commission, tax = row.amount("TransactionCommissionAmount"), row.amount("TransactionGST")
    return net in (gross - commission - tax, gross - commission)


# --- the file ---------------------------------------------------------------------------------------------------------
def _rows(content: bytes) -> list[Row]:
    try:
        text = content.decode("utf-8-sig")
        rows = _of_json(text) if text.lstrip().startswith(("{", "[")) else _of_csv(text)
    except (UnicodeDecodeError, strict_json.InvalidJson, csv.Error) as error:
        raise SettlementUnreadable(f"is neither JSON nor CSV: {error}") from error
    for row in rows:
        if row.values.get(IDENTIFIER) not in COLUMNS:
            raise SettlementUnreadable("is none of H, D, R, G and F", row=row.number, column=IDENTIFIER)
    return rows


def _of_json(text: str) -> list[Row]:
    """Every object with a RecordIdentifier, wherever it stands: public samples nest them differently."""
    data = strict_json.loads(text)
    if isinstance(data, dict) and data.get("success") is False:
        reason = ", ".join(f"{name}: {text_in(value)}" for name, value in data.items() if name != "success")
        raise SettlementUnreadable(f"is a refusal of Fiuu's, no report ({reason})")
    found = _records(data)
    return [Row(number, {n: text_in(v).strip() for n, v in one.items()}) for number, one in enumerate(found, start=1)]


def _records(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict) and IDENTIFIER in data:
        yield data
    elif isinstance(data, dict | list):
        for one in data.values() if isinstance(data, dict) else data:
            yield from _records(one)


def _of_csv(text: str) -> list[Row]:
    """Lines that begin with a record's letter; a line that begins with the heading names the columns of those below."""
    rows, named = [], dict(COLUMNS)
    for number, cells in enumerate(csv.reader(io.StringIO(text)), start=1):
        values = [cell.strip() for cell in cells]
        if not any(values):
            continue
        if values[0] == IDENTIFIER:
            kinds = [kind for kind, columns in COLUMNS.items() if set(columns[1:]) & set(values[1:])]
            named.update(dict.fromkeys(kinds, tuple(values)))
            continue
        names = named.get(values[0], ())
        if len(values) != len(names):
            raise SettlementUnreadable(f"has {len(values)} columns, not {len(names)}", row=number)
        rows.append(Row(number, dict(zip(names, values, strict=True))))
    return rows
