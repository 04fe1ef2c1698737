"""MoMo's settlement files. Their format is not public: the columns are data, to be set from a real file's header.

The default is a plain guess at Vietnamese and English headings, so that a file with these names works at once and any
other is refused with the names that were not found (docs/gateways/momo.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateways.settlement import LineKind, SettlementFile
from gateways.settlement_table import ColumnMap, chosen, read_table

DEFAULT_COLUMNS: Final = ColumnMap(
    reference=("Mã đơn hàng", "orderId", "Order ID"),
    gateway_transaction_id=("Mã giao dịch", "transId", "Transaction ID"),
    gross=("Số tiền", "amount", "Amount"),
    fee=("Phí", "fee", "Fee"),
    net=("Thực nhận", "net", "Net amount"),
    kind=("Loại giao dịch", "type", "Transaction type"),
    time=("Thời gian", "time", "Transaction time"),
    optional=("fee", "net"),
    kinds={
        LineKind.PAYMENT: ("Thanh toán", "Payment"),
        LineKind.REFUND: ("Hoàn tiền", "Refund"),
        LineKind.FEE: ("Phí", "Fee"),
        LineKind.ADJUSTMENT: ("Điều chỉnh", "Adjustment"),
    },
    signs="signed",
    time_formats=("%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"),
)


def columns_of(settings: Mapping[str, object]) -> ColumnMap:
    """The account's own map, or the default. Raises ValueError naming the setting."""
    return chosen(settings, default=DEFAULT_COLUMNS)


def read(content: bytes, *, name: str, settings: Mapping[str, object]) -> SettlementFile:
    """The lines of a file; MoMo settles in VND only. Raises SettlementUnreadable."""
    return read_table(content, name=name, columns=columns_of(settings), currency="VND")
