"""VNPay's settlement files. Their format is not published: the columns are data, to be set from a real file's header.

The default is a guess at its headings (docs/gateways/vnpay.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from gateways.settlement.guess import guessed_columns
from gateways.settlement.lines import LineKind, SettlementFile, SettlementLine
from gateways.settlement.table import ColumnMap, chosen, read_table

DEFAULT_COLUMNS: Final = guessed_columns(
    reference=("Mã đơn hàng", "vnp_TxnRef", "Order ID"),
    gateway_transaction_id=("Mã giao dịch VNPAY", "vnp_TransactionNo", "VNPAY transaction number"),
    time_formats=("%Y%m%d%H%M%S",),
)


def columns_of(settings: Mapping[str, object]) -> ColumnMap:
    """The account's own map, or the default. Raises ValueError naming the setting."""
    return chosen(settings, default=DEFAULT_COLUMNS)


def read(content: bytes, *, name: str, settings: Mapping[str, object]) -> SettlementFile:
    """The lines of a file; VNPay settles in VND only. Raises SettlementUnreadable."""
    file = read_table(content, name=name, columns=columns_of(settings), currency="VND")
    return dataclasses.replace(file, lines=tuple(_without_the_purchases(line) for line in file.lines))


def _without_the_purchases(line: SettlementLine) -> SettlementLine:
    """VNPay knows no reference of a refund: what stands there is the purchase's, so only its number names the refund."""
    if line.kind is not LineKind.REFUND or not line.gateway_transaction_id:
        return line
    return dataclasses.replace(line, reference="", description=line.description or line.reference)
