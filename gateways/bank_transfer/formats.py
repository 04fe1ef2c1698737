"""Columns of bank statements, as data. GENERIC is ours; those of banks are to be checked against a real export first.

Banks change their exports without notice and differ by product: what does not fit is refused with the missing names,
and an account's own `statement_columns` go before all of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateways.settlement.columns import ColumnMap

_TIMES: Final = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%d-%m-%Y")

GENERIC: Final = ColumnMap(
    gateway_transaction_id=("bank reference", "reference", "transaction id", "số tham chiếu", "mã giao dịch"),
    credit=("credit", "money in", "ghi có", "số tiền ghi có"),
    debit=("debit", "money out", "ghi nợ", "số tiền ghi nợ"),
    description=("description", "details", "nội dung", "diễn giải"),
    time=("date", "value date", "ngày", "ngày giao dịch"),
    optional=("debit",),
    time_formats=_TIMES,
)
"""What finance can always make by hand in a spreadsheet: date, bank reference, credit, debit, description."""

VCB: Final = ColumnMap(  # to be checked
    gateway_transaction_id=("Số tham chiếu", "Số chứng từ", "Reference No"),
    credit=("Số tiền ghi có", "Ghi có", "Credit"),
    debit=("Số tiền ghi nợ", "Ghi nợ", "Debit"),
    description=("Mô tả", "Nội dung chi tiết", "Description"),
    time=("Ngày giao dịch", "Ngày", "Transaction date"),
    time_formats=_TIMES,
)
TCB: Final = ColumnMap(  # to be checked
    gateway_transaction_id=("Số bút toán", "Transaction No"),
    credit=("Có/ Credit", "Có", "Credit"),
    debit=("Nợ/ Debit", "Nợ", "Debit"),
    description=("Diễn giải", "Nội dung", "Details"),
    time=("Ngày giao dịch", "Transaction date", "Ngày"),
    time_formats=_TIMES,
)
MB: Final = ColumnMap(  # to be checked
    gateway_transaction_id=("Số bút toán", "Mã giao dịch", "Transaction Number"),
    credit=("Phát sinh có", "Credit amount", "Ghi có"),
    debit=("Phát sinh nợ", "Debit amount", "Ghi nợ"),
    description=("Nội dung", "Diễn giải", "Transaction detail"),
    time=("Ngày giao dịch", "Transaction date", "Posting date"),
    time_formats=_TIMES,
)

FORMATS: Final[Mapping[str, ColumnMap]] = {"generic": GENERIC, "vcb": VCB, "tcb": TCB, "mb": MB}
"""By the short name that people type."""
