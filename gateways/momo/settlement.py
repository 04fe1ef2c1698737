"""MoMo's settlement files. Their format is not public: the columns are data, to be set from a real file's header.

The default is a guess at its headings (docs/gateways/momo.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateways.settlement.guess import guessed_columns
from gateways.settlement.lines import SettlementFile
from gateways.settlement.table import ColumnMap, chosen, read_table

DEFAULT_COLUMNS: Final = guessed_columns(
    reference=("Mã đơn hàng", "orderId", "Order ID"),
    gateway_transaction_id=("Mã giao dịch", "transId", "Transaction ID"),
)


def columns_of(settings: Mapping[str, object]) -> ColumnMap:
    """The account's own map, or the default. Raises ValueError naming the setting."""
    return chosen(settings, default=DEFAULT_COLUMNS)


def read(content: bytes, *, name: str, settings: Mapping[str, object]) -> SettlementFile:
    """The lines of a file; MoMo settles in VND only. Raises SettlementUnreadable."""
    return read_table(content, name=name, columns=columns_of(settings), currency="VND")
