"""Money is exact: parsing, sums, shares and splits."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.money import (
    EXPONENTS,
    MAX_MINOR,
    AmountPrecision,
    CurrencyMismatch,
    Money,
    MoneyError,
    UnknownCurrency,
    exponent,
    total,
)

CURRENCIES = st.sampled_from(sorted(EXPONENTS))
MINORS = st.integers(-(MAX_MINOR - 1), MAX_MINOR - 1)


@st.composite
def moneys(draw: st.DrawFn, currency: str | None = None) -> Money:
    return Money(draw(MINORS), currency or draw(CURRENCIES))


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("960000", "VND", 960_000),
        ("960000.00", "VND", 960_000),
        (" 12.50 ", "USD", 1250),
        ("0.01", "USD", 1),
        ("1.234", "KWD", 1234),
        (12.5, "USD", 1250),
        (0.1, "USD", 10),
        (99.99, "USD", 9999),
        (7, "JPY", 7),
        (Decimal("1E+2"), "VND", 100),
        ("-5", "VND", -5),
        ("0", "VND", 0),
        ("999999999999999", "VND", MAX_MINOR - 1),
    ],
)
def test_major_units_become_minor_units(text: str | float | Decimal, currency: str, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "error"),
    [
        ("1.5", "VND", AmountPrecision),
        ("0.001", "USD", AmountPrecision),
        ("1e-30", "USD", AmountPrecision),
        ("", "VND", MoneyError),
        ("abc", "VND", MoneyError),
        ("1,000", "VND", MoneyError),
        ("NaN", "VND", MoneyError),
        ("sNaN", "VND", MoneyError),
        ("Infinity", "VND", MoneyError),
        ("-inf", "VND", MoneyError),
        ("1e999999", "VND", MoneyError),
        ("1e19", "VND", MoneyError),
        ("1000000000000000", "VND", MoneyError),
        ("10000000000000", "USD", MoneyError),
        ("1", "XXX", UnknownCurrency),
        ("1", "vnd", UnknownCurrency),
        ("1", "", UnknownCurrency),
    ],
)
def test_what_is_no_amount_is_refused_with_its_reason(text: str, currency: str, error: type[MoneyError]) -> None:
    with pytest.raises(error) as raised:
        Money.parse(text, currency)

    assert raised.value.status == 422


@given(moneys())
def test_what_is_written_is_read_back(money: Money) -> None:
    assert Money.parse(str(money), money.currency) == money
    assert Money.parse(money.decimal, money.currency) == money
    assert "E" not in str(money)
    assert len(str(money).partition(".")[2]) == exponent(money.currency)


@given(st.text(max_size=30), CURRENCIES)
def test_any_text_is_money_or_a_money_error(text: str, currency: str) -> None:
    try:
        money = Money.parse(text, currency)
    except MoneyError:
        return
    assert abs(money.minor) < MAX_MINOR


@given(CURRENCIES.flatmap(lambda currency: st.tuples(moneys(currency), moneys(currency), moneys(currency))))
def test_sums_obey_arithmetic(three: tuple[Money, Money, Money]) -> None:
    a, b, c = three

    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a - b == a + -b
    assert a + Money.zero(a.currency) == a
    assert not a - a
    assert total(three, a.currency) == a + b + c
    assert (a < b) == (a.minor < b.minor) == (b > a)
    assert (a <= b) == (b >= a)


def test_currencies_do_not_mix() -> None:
    dong, dollar = Money(1, "VND"), Money(1, "USD")

    for mix in (
        lambda: dong + dollar,
        lambda: dong - dollar,
        lambda: dong < dollar,
        lambda: dong <= dollar,
        lambda: dong > dollar,
        lambda: dong >= dollar,
        lambda: total([dong, dollar], "VND"),
    ):
        with pytest.raises(CurrencyMismatch):
            mix()
    assert dong != dollar


def test_the_sum_of_nothing_is_zero() -> None:
    assert total([], "VND") == Money(0, "VND")


def test_a_part_of_a_minor_unit_does_not_exist() -> None:
    with pytest.raises(AssertionError):
        Money(1.5, "VND")


@pytest.mark.parametrize(
    ("minor", "numerator", "denominator", "share"),
    [
        (100, 1, 3, 33),
        (101, 1, 2, 51),
        (-101, 1, 2, -51),
        (101, -1, 2, -51),
        (101, 1, -2, -51),
        (1, 1, 2, 1),
        (-1, 1, 2, -1),
        (960_000, 250, 10_000, 24_000),
        (10, 0, 7, 0),
        (0, 5, 7, 0),
    ],
)
def test_a_share_is_rounded_half_away_from_zero(minor: int, numerator: int, denominator: int, share: int) -> None:
    assert Money(minor, "VND").share(numerator, denominator) == Money(share, "VND")


@given(moneys(), st.integers(-10_000, 10_000), st.integers(1, 10_000))
def test_a_share_is_never_off_by_more_than_half_a_unit(money: Money, numerator: int, denominator: int) -> None:
    exact = Fraction(money.minor * numerator, denominator)

    assert abs(money.share(numerator, denominator).minor - exact) <= Fraction(1, 2)


def test_a_share_of_nothing_cannot_be_taken() -> None:
    with pytest.raises(ZeroDivisionError):
        Money(1, "VND").share(1, 0)


@given(
    moneys(),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(lambda weights: sum(weights) > 0),
)
def test_a_split_loses_and_invents_nothing(money: Money, weights: list[int]) -> None:
    parts = money.split(weights)

    assert total(parts, money.currency) == money
    assert len(parts) == len(weights)
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(money.minor * weight, sum(weights))
        assert abs(part.minor - exact) < 1
        assert part.minor * money.minor >= 0
        assert weight > 0 or part.minor == 0


@pytest.mark.parametrize(
    ("minor", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (1, [1, 1], [1, 0]),
        (10, [0, 3, 7], [0, 3, 7]),
        (5, [3, 3, 3, 1], [2, 2, 1, 0]),
        (0, [1, 2], [0, 0]),
    ],
)
def test_the_remainder_lands_on_the_largest_fraction_first_wins(
    minor: int, weights: list[int], parts: list[int]
) -> None:
    assert [part.minor for part in Money(minor, "VND").split(weights)] == parts


@pytest.mark.parametrize("weights", [[0, 0], [1, -1, 5]])
def test_weights_must_make_sense(weights: list[int]) -> None:
    with pytest.raises(AssertionError):
        Money(1, "VND").split(weights)
