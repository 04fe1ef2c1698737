"""Amounts as people read them: 1.234.567 ₫ in Vietnamese, ₫1,234,567 in English."""

from __future__ import annotations

from typing import Final

from config.core.money import Money, exponent

SIGNS: Final = {"VND": "₫", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
NO_BREAK_SPACE: Final = "\u00a0"
MINUS: Final = "\u2212"


def shown(money: Money, language: str) -> str:
    """An amount with its currency in a language ("vi" or "en"), as CLDR writes it; it never breaks over two lines."""
    sign = MINUS if money.minor < 0 else ""
    number = f"{abs(money.decimal):,.{exponent(money.currency)}f}"
    symbol = SIGNS.get(money.currency, "")
    if language.startswith("vi"):
        number = number.translate(str.maketrans(",.", ".,"))
        return f"{sign}{number}{NO_BREAK_SPACE}{symbol or money.currency}"
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{money.currency}{NO_BREAK_SPACE}{number}"
