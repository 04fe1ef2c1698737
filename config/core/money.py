"""Money: exact, in minor units, of one currency.

The number of decimals of each currency is ISO 4217's exponent (VND 0, USD 2, KWD 3). Decimals exist only where a
human or a provider reads them; everything between counts minor units in integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from config.core.errors import DomainError

# ISO 4217, the currencies our gateways take. A currency that is missing here is refused, never guessed.
EXPONENTS: Final[dict[str, int]] = {
    "VND": 0, "JPY": 0, "KRW": 0,
    "USD": 2, "EUR": 2, "GBP": 2, "AUD": 2, "SGD": 2, "MYR": 2, "THB": 2, "PHP": 2, "IDR": 2, "CNY": 2, "HKD": 2, "TWD": 2,
    "KWD": 3, "BHD": 3, "JOD": 3, "OMR": 3, "TND": 3,
    "AED": 2, "BGN": 2, "BRL": 2, "CAD": 2, "CHF": 2, "CZK": 2, "DKK": 2, "HUF": 2, "INR": 2, "MXN": 2, "NOK": 2, "NZD": 2,
    "PLN": 2, "RON": 2, "SEK": 2, "MGA": 2, "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "KMF": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
}  # fmt: skip
MAX_MINOR: Final = 10**15
"""A single amount is below this many minor units, so that sums of millions stay inside a bigint."""


class MoneyError(DomainError):
    """An amount that cannot be read as money."""

    code, status = "amount_invalid", 422


class AmountPrecision(MoneyError):
    """The amount has more decimals than its currency."""

    code, status = "amount_precision", 422


class UnknownCurrency(MoneyError):
    """A currency we have no exponent for."""

    code, status = "currency_unknown", 422


class CurrencyMismatch(MoneyError):
    """Two currencies in one sum."""

    code, status = "currency_mismatch", 422


def exponent(currency: str) -> int:
    """Decimals of a currency (ISO 4217). Raises UnknownCurrency."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(f"We do not know the currency {currency!r}.", field="currency") from None


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units of one currency. May be negative; refuses to mix currencies."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        assert isinstance(self.minor, int), f"minor units are whole: {self.minor!r}"
        exponent(self.currency)

    @classmethod
    def parse(cls, text: str | int | float | Decimal, currency: str) -> Money:
        """Money of major units as a human writes them: "12.50" USD is 1250 minor units.

        Raises MoneyError for what is no finite number or too large, AmountPrecision for more decimals than the
        currency has, UnknownCurrency. A float is read by its shortest text, as JSON wrote it.
        """
        places = exponent(currency)
        try:
            value = Decimal(str(text).strip())
        except InvalidOperation:
            raise MoneyError("The amount is not a number.", field="amount") from None
        # The exponent is looked at before any arithmetic: 1e999999 must not be multiplied out.
        if not value.is_finite() or value.adjusted() > 18:
            raise MoneyError("The amount is not a usable number.", field="amount")
        scaled = value.scaleb(places)
        if scaled != scaled.to_integral_value():
            raise AmountPrecision(f"{currency} has {places} decimals.", field="amount")
        minor = int(scaled)
        if abs(minor) >= MAX_MINOR:
            raise MoneyError("The amount is too large.", field="amount")
        return cls(minor, currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in a currency."""
        return cls(0, currency)

    @property
    def decimal(self) -> Decimal:
        """Major units, with exactly the currency's decimals."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        """Major units as plain text, without the currency: 960000 or 12.50."""
        return f"{self.decimal:f}"

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def share(self, numerator: int, denominator: int) -> Money:
        """This amount times numerator / denominator, half away from zero. Raises ZeroDivisionError."""
        product = self.minor * numerator
        sign = -1 if (product < 0) != (denominator < 0) else 1
        quotient, rest = divmod(abs(product), abs(denominator))
        return Money(sign * (quotient + (2 * rest >= abs(denominator))), self.currency)

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Parts by weight that add up to this amount to the last unit (largest remainder, first wins a tie).

        Weights are not negative and at least one is positive; asserts so.
        """
        total = sum(weights)
        assert total > 0 and min(weights) >= 0, f"weights must be positive: {weights!r}"
        sign = -1 if self.minor < 0 else 1
        pairs = [divmod(abs(self.minor) * weight, total) for weight in weights]
        parts = [quotient for quotient, _ in pairs]
        by_remainder = sorted(range(len(weights)), key=lambda i: (-pairs[i][1], i))
        for i in by_remainder[: abs(self.minor) - sum(parts)]:
            parts[i] += 1
        return [Money(sign * part, self.currency) for part in parts]

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix.", field="currency")
        return other.minor


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of amounts of one currency; zero of it when there are none. Raises CurrencyMismatch."""
    result = Money.zero(currency)
    for amount in amounts:
        result += amount
    return result
