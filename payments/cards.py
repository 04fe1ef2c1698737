"""Whether a card may be real, by its digits alone: check digit, brand, length, expiry, security code. Asks nobody.

Sources: ISO/IEC 7812-1 (numbers of 8 to 19 digits, the Luhn check digit), the ranges and lengths that the schemes
publish, and 9704, NAPAS's range of domestic Vietnamese cards. Nothing here stores or logs a number, and neither may
whoever calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Final


class Brand(StrEnum):
    """Whose card it is."""

    VISA = "visa"
    MASTERCARD = "mastercard"
    AMEX = "amex"
    JCB = "jcb"
    UNIONPAY = "unionpay"
    DISCOVER = "discover"
    DINERS = "diners"
    MAESTRO = "maestro"
    NAPAS = "napas"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """What is wrong. Part of the API: words are added, never changed."""

    NUMBER_CHARACTERS = "number_characters"  # something else than digits, single spaces and hyphens
    NUMBER_LENGTH = "number_length"
    NUMBER_CHECK_DIGIT = "number_check_digit"
    BRAND_UNKNOWN = "brand_unknown"
    EXPIRY_FORMAT = "expiry_format"
    EXPIRED = "expired"
    CVC_FORMAT = "cvc_format"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card as somebody typed it. Shows neither its number nor its code."""

    number: str = field(repr=False)
    exp_month: str
    exp_year: str
    cvc: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a card's digits say. `last4` is empty where there are no four digits to show."""

    brand: Brand
    last4: str
    reasons: tuple[Reason, ...]

    @property
    def is_valid(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Rule:
    """A brand's ranges as first and last prefix of equal length, its lengths, and those of its security code."""

    ranges: tuple[tuple[str, str], ...]
    lengths: frozenset[int]
    cvc_lengths: frozenset[int] = frozenset({3})


_LONG: Final = frozenset(range(16, 20))
RULES: Final[Mapping[Brand, Rule]] = {
    Brand.VISA: Rule((("4", "4"),), frozenset({13, 16, 19})),
    Brand.MASTERCARD: Rule((("51", "55"), ("2221", "2720")), frozenset({16})),
    Brand.AMEX: Rule((("34", "34"), ("37", "37")), frozenset({15}), frozenset({4})),
    Brand.JCB: Rule((("3528", "3589"),), _LONG),
    Brand.UNIONPAY: Rule((("62", "62"), ("81", "81")), _LONG),
    Brand.DISCOVER: Rule((("6011", "6011"), ("644", "649"), ("65", "65")), _LONG),
    Brand.DINERS: Rule((("300", "305"), ("3095", "3095"), ("36", "36"), ("38", "39")), frozenset(range(14, 20))),
    # Older ones have no security code on the back.
    Brand.MAESTRO: Rule((("50", "50"), ("56", "58"), ("63", "63"), ("67", "67")), frozenset(range(12, 20)), frozenset({0, 3})),
    Brand.NAPAS: Rule((("9704", "9704"),), frozenset({16, 19}), frozenset({0, 3})),
}  # fmt: skip
LONGEST: Final = 19
MAX_YEARS: Final = 50
"""No card is valid for longer; a year beyond is a typing error."""
LAST_ZONE: Final = timezone(-timedelta(hours=12))
"""Where a month ends last: a card that is still good somewhere is not called expired."""
_TYPED: Final = re.compile(r"[0-9]+(?:[ -][0-9]+)*")
_MONTH: Final = re.compile(r"0?[1-9]|1[0-2]")
_YEAR: Final = re.compile(r"[0-9]{2}|[0-9]{4}")
_CVC: Final = re.compile(r"[0-9]*")


def validate(card: Card, *, at: datetime) -> Verdict:
    """Everything that is wrong with a card at this moment, in the order of its fields."""
    digits = digits_of(card.number)
    if digits is None:
        reasons = [Reason.NUMBER_CHARACTERS, *_wrong_expiry(card, at=at)]
        return Verdict(brand=Brand.UNKNOWN, last4="", reasons=tuple(reasons))
    brand = brand_of(digits)
    reasons = [*_wrong_number(digits, brand), *_wrong_expiry(card, at=at), *_wrong_cvc(card, brand)]
    return Verdict(brand=brand, last4=digits[-4:] if len(digits) >= 12 else "", reasons=tuple(reasons))


def digits_of(number: str) -> str | None:
    """The digits of a number that may be written in groups; None for anything else."""
    typed = number.strip(" ")
    if len(typed) > 3 * LONGEST or not _TYPED.fullmatch(typed):
        return None
    return typed.replace(" ", "").replace("-", "")


def brand_of(digits: str) -> Brand:
    """The brand of the longest range that a number begins with."""
    found = [
        (len(first), brand)
        for brand, rule in RULES.items()
        for first, last in rule.ranges
        if len(digits) >= len(first) and first <= digits[: len(first)] <= last
    ]
    return max(found)[1] if found else Brand.UNKNOWN


def passes_luhn(digits: str) -> bool:
    """Whether the check digit fits (ISO/IEC 7812-1, annex B): every second digit from the right counts double."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _wrong_number(digits: str, brand: Brand) -> list[Reason]:
    wrong = []
    lengths = RULES[brand].lengths if brand in RULES else frozenset(range(12, LONGEST + 1))
    if len(digits) not in lengths:
        wrong.append(Reason.NUMBER_LENGTH)
    if not passes_luhn(digits):
        wrong.append(Reason.NUMBER_CHECK_DIGIT)
    if brand is Brand.UNKNOWN:
        wrong.append(Reason.BRAND_UNKNOWN)
    return wrong


def _wrong_expiry(card: Card, *, at: datetime) -> list[Reason]:
    """A card is good until its month is over; a year of two digits is one of this century."""
    if not _MONTH.fullmatch(card.exp_month) or not _YEAR.fullmatch(card.exp_year):
        return [Reason.EXPIRY_FORMAT]
    year, now = int(card.exp_year) + (2000 if len(card.exp_year) == 2 else 0), at.astimezone(LAST_ZONE)
    if year > now.year + MAX_YEARS:
        return [Reason.EXPIRY_FORMAT]
    return [Reason.EXPIRED] if (year, int(card.exp_month)) < (now.year, now.month) else []


def _wrong_cvc(card: Card, brand: Brand) -> list[Reason]:
    lengths = RULES[brand].cvc_lengths if brand in RULES else frozenset({3, 4})
    return [] if _CVC.fullmatch(card.cvc) and len(card.cvc) in lengths else [Reason.CVC_FORMAT]
