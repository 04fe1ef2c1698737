"""The columns of a settlement file whose format its gateway does not publish: a plain guess at the headings.

A file with these names works at once, and any other is refused with the names that were not found; then the account
gets a map of its own (docs/gateways/settlement-files.md).
"""

from __future__ import annotations

from gateways.settlement.columns import ColumnMap
from gateways.settlement.lines import LineKind


def guessed_columns(
    *, reference: tuple[str, ...], gateway_transaction_id: tuple[str, ...], time_formats: tuple[str, ...] = ()
) -> ColumnMap:
    """Vietnamese and English headings around a gateway's own names for its references; `time_formats` are further ones."""
    return ColumnMap(
        reference=reference,
        gateway_transaction_id=gateway_transaction_id,
        gross=("Số tiền", "Amount"),
        fee=("Phí", "Fee"),
        net=("Thực nhận", "Net", "Net amount"),
        kind=("Loại giao dịch", "Type", "Transaction type"),
        time=("Thời gian", "Time", "Transaction time"),
        optional=("fee", "net"),
        kinds={
            LineKind.PAYMENT: ("Thanh toán", "Payment"),
            LineKind.REFUND: ("Hoàn tiền", "Refund"),
            LineKind.FEE: ("Phí", "Fee"),
            LineKind.ADJUSTMENT: ("Điều chỉnh", "Adjustment"),
        },
        signs="signed",
        time_formats=("%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", *time_formats),
    )
