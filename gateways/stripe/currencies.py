"""How Stripe counts money, as data: the places of each currency on the wire, what an amount must end with, and the
smallest and largest charges.

From Stripe's page on currencies. Its places are not ISO 4217's: MGA has none, ISK and UGX have two that must be 00.
"""

from __future__ import annotations

from typing import Final

from config.core.money import Money, UnknownCurrency, exponent

ZERO_DECIMAL: Final = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]  # an amount is in whole units
)
WHOLE_IN_HUNDREDTHS: Final = frozenset({"ISK", "UGX"})  # 5 ISK are sent as 500
THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})  # the last digit must be 0 (not confirmed)

MINIMUM: Final[dict[str, int]] = {
    "USD": 50, "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50,
    "GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50, "PLN": 200,
    "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000,
}  # fmt: skip
"""Smallest charge in minor units, by the currency Stripe settles in: a charge in another must be worth as much."""
NEWER_MINIMUM: Final[dict[str, int]] = {
    "AUD": 60, "CAD": 60, "SGD": 60, "NZD": 80, "BRL": 200, "JPY": 80, "THB": 1500, "NOK": 500, "SEK": 500, "DKK": 300,
    "PLN": 250, "INR": 4000,
}  # fmt: skip
"""Where a second list of Stripe's asks for more; which of the two is in force is not confirmed."""
MAX_DIGITS: Final[dict[str, int]] = {"IDR": 12, "INR": 9}
"""Digits of the largest amount on the wire; 8 elsewhere. Cards in COP, HUF, JPY and LBP may go higher."""


def to_wire(money: Money) -> int:
    """An amount as Stripe wants it. Raises ValueError where Stripe cannot take exactly this amount."""
    more, fewer = _shift(_places(money.currency) - exponent(money.currency))
    amount, rest = divmod(money.minor * more, fewer)
    if rest or amount % _step(money.currency):
        raise ValueError(f"Stripe cannot take {money} {money.currency} exactly")
    return amount


def from_wire(amount: object, currency: object) -> Money:
    """An amount of Stripe's, which may be negative. Raises ValueError for what is no money we can count."""
    if not isinstance(amount, int) or isinstance(amount, bool) or not isinstance(currency, str):
        raise ValueError("an amount or a currency is missing")
    code = currency.upper()
    try:
        places, ours = _places(code), exponent(code)
    except UnknownCurrency as error:
        raise ValueError(f"an amount in {code[:8]}, which we do not know") from error
    more, fewer = _shift(ours - places)
    minor, rest = divmod(amount * more, fewer)
    if rest:
        raise ValueError(f"{amount} {code} has a part smaller than our smallest unit")
    return Money(minor, code)


def largest(currency: str) -> Money:
    """The largest charge of a currency."""
    step = _step(currency)
    return from_wire((10 ** MAX_DIGITS.get(currency, 8) - 1) // step * step, currency)


def _places(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def _shift(places: int) -> tuple[int, int]:
    """What to multiply with and what to divide by for so many more places."""
    return int("1" + "0" * max(0, places)), int("1" + "0" * max(0, -places))


def _step(currency: str) -> int:
    """What an amount on the wire must be a multiple of."""
    if currency in WHOLE_IN_HUNDREDTHS:
        return 100
    return 10 if currency in THREE_DECIMAL else 1
