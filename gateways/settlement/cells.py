"""What one cell of a settlement or bank file says: text, money, a moment, a day. Each raises ValueError saying why."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from config.core.money import Money, MoneyError
from gateways.settlement.columns import EPOCH_FORMATS, FACTORS, ColumnMap
from gateways.settlement.sheet import FORMULA, Cell

DONG_SIGNS: Final = ("₫", "đ", "Đ", "vnđ", "VNĐ")
EXACT_FLOAT: Final = 10**15
"""Above it a spreadsheet has rounded digits away."""
LONGEST_NUMBER: Final = 30


def is_blank(cell: Cell) -> bool:
    """Whether nothing is written there."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def text_of(cell: Cell) -> str:
    """The cell as it was meant to be read: an id keeps all its digits."""
    if cell is FORMULA:
        raise ValueError("holds a formula: paste it as a value")
    if isinstance(cell, float):
        if not cell.is_integer() or abs(cell) >= EXACT_FLOAT:
            raise ValueError("is a number that lost digits: format the column as text")
        return str(int(cell))
    return "" if cell is None else " ".join(str(cell).split())


def money_of(cell: Cell, *, columns: ColumnMap, currency: str) -> Money:
    """The cell as money; an empty one is nothing. Never rounded."""
    if cell is FORMULA:
        raise ValueError("holds a formula: paste it as a value")
    if is_blank(cell):
        return Money.zero(currency)
    if isinstance(cell, str):
        value = _number(cell, columns=columns, currency=currency)
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        if abs(cell) >= EXACT_FLOAT:
            raise ValueError("is too large")
        value = Decimal(repr(cell))
    else:
        raise ValueError("is no amount")
    try:
        return Money.parse(value.scaleb(-FACTORS[columns.factor]), currency)
    except MoneyError as error:
        raise ValueError(f"is no amount: {error.message}") from error


def _number(text: str, *, columns: ColumnMap, currency: str) -> Decimal:
    """1.234.567,89 or (1,234.50) or -5 ₫: groups of three or none, so that no sign is taken for the other."""
    bare = text.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2212", "-").strip()
    in_brackets = bare.startswith("(") and bare.endswith(")")
    bare = bare[1:-1] if in_brackets else bare
    for sign in (*DONG_SIGNS, currency) if currency == "VND" else (currency,):
        bare = bare.strip().removeprefix(sign).removesuffix(sign)
    group, point = re.escape(columns.thousands), re.escape(columns.decimal)
    grouped = rf"\d{{1,3}}(?:{group}\d{{3}})+|" if columns.thousands else ""
    found = re.fullmatch(rf"([+-]?)\s*({grouped}\d+)(?:{point}(\d+))?", bare.strip(), re.ASCII)
    if not found or len(bare) > LONGEST_NUMBER or (in_brackets and found[1]):
        raise ValueError(f"is no amount as this file writes them: {text[:40]!r}")
    whole = found[2].replace(columns.thousands, "") if columns.thousands else found[2]
    value = Decimal(f"{whole}.{found[3] or '0'}")
    return -value if in_brackets or found[1] == "-" else value


def moment_of(day: Cell, clock: Cell, *, columns: ColumnMap) -> datetime:
    """When, in UTC; `clock` is the time of day where it has a cell of its own."""
    zone = ZoneInfo(columns.zone)
    if isinstance(day, date):
        return _together(day, clock).replace(tzinfo=zone).astimezone(UTC)
    text = f"{text_of(day)} {clock.isoformat() if isinstance(clock, time) else text_of(clock)}".strip()
    for pattern in columns.time_formats:
        if pattern in EPOCH_FORMATS:
            if re.fullmatch(r"\d{9,14}", text, re.ASCII):
                seconds, rest = divmod(int(text), 1000 if pattern == EPOCH_FORMATS[1] else 1)
                return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
            continue
        try:
            read = datetime.strptime(text, pattern)  # noqa: DTZ007  # the file's zone is added where it names none
        except ValueError:
            continue
        return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)
    raise ValueError(f"is no time as this file writes them: {text[:40]!r}")


def _together(day: date, clock: Cell) -> datetime:
    if isinstance(clock, str) and clock.strip():
        clock = time.fromisoformat(clock.strip())
    if isinstance(clock, time):
        return datetime.combine(day, clock)
    return day if isinstance(day, datetime) else datetime.combine(day, time())


def day_of(cell: Cell, *, columns: ColumnMap) -> date:
    """A calendar day."""
    if isinstance(cell, date):
        return cell.date() if isinstance(cell, datetime) else cell
    for pattern in columns.date_formats:
        try:
            return datetime.strptime(text_of(cell), pattern).date()  # noqa: DTZ007  # a day has no zone
        except ValueError:
            continue
    raise ValueError(f"is no date as this file writes them: {text_of(cell)[:40]!r}")
