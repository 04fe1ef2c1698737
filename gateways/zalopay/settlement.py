"""ZaloPay's settlement files. Their format is not public: the columns are data, to be set from a real file's header.

Public is only that reconciliation goes by Vietnamese calendar days and by app_trans_id, zp_trans_id and, for refunds,
refund_id. The default is a guess at its headings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from gateways.settlement.guess import guessed_columns
from gateways.settlement.lines import LineKind, SettlementFile
from gateways.settlement.table import ColumnMap, chosen, read_table
from gateways.zalopay.messages import reference_of_refund

DEFAULT_COLUMNS: Final = guessed_columns(
    reference=("Mã giao dịch đối tác", "app_trans_id", "App Trans ID"),
    gateway_transaction_id=("Mã giao dịch Zalopay", "zp_trans_id", "ZP Trans ID"),
)


def columns_of(settings: Mapping[str, object]) -> ColumnMap:
    """The account's own map, or the default. Raises ValueError naming the setting."""
    return chosen(settings, default=DEFAULT_COLUMNS)


def read(content: bytes, *, name: str, settings: Mapping[str, object], app_id: str) -> SettlementFile:
    """The lines of a file; ZaloPay settles in VND only. Raises SettlementUnreadable.

    A refund is listed under its m_refund_id, which is our reference with the app's id in it.
    """
    file = read_table(content, name=name, columns=columns_of(settings), currency="VND")
    lines = (
        dataclasses.replace(line, reference=reference_of_refund(line.reference, app_id))
        if line.kind is LineKind.REFUND
        else line
        for line in file.lines
    )
    return dataclasses.replace(file, lines=tuple(lines))
