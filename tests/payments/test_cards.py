"""Cards by their digits: brands, check digits, expiry to the end of the month, security codes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import cards
from payments.cards import RULES, Brand, Card, Reason

AT = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
GOOD = {
    "4242424242424242": Brand.VISA,
    "4000002500003155": Brand.VISA,
    "4000000000000002": Brand.VISA,
    "4222222222222": Brand.VISA,
    "5555555555554444": Brand.MASTERCARD,
    "2223003122003222": Brand.MASTERCARD,
    "378282246310005": Brand.AMEX,
    "3566002020360505": Brand.JCB,
    "6200000000000005": Brand.UNIONPAY,
    "6011111111111117": Brand.DISCOVER,
    "3056930009020004": Brand.DINERS,
    "36227206271667": Brand.DINERS,
    "6759649826438453": Brand.MAESTRO,
    "9704198526191432198": Brand.NAPAS,
}
"""Numbers that schemes and gateways publish for tests."""


def card(number: str = "4242424242424242", month: str = "12", year: str = "2030", cvc: str = "123") -> Card:
    return Card(number=number, exp_month=month, exp_year=year, cvc=cvc)


def reasons(shown: Card, at: datetime = AT) -> list[str]:
    return [str(reason) for reason in cards.validate(shown, at=at).reasons]


def with_check_digit(start: str) -> str:
    """The number of these digits and the one that makes it right."""
    (found,) = [start + digit for digit in "0123456789" if cards.passes_luhn(start + digit)]
    return found


@st.composite
def numbers(draw: st.DrawFn) -> tuple[Brand, str]:
    """A number of a brand, by its table."""
    brand = draw(st.sampled_from(list(RULES)))
    first, last = draw(st.sampled_from(RULES[brand].ranges))
    prefix = str(draw(st.integers(int(first), int(last))))
    length = draw(st.sampled_from(sorted(RULES[brand].lengths)))
    middle = length - len(prefix) - 1
    return brand, with_check_digit(prefix + draw(st.text("0123456789", min_size=middle, max_size=middle)))


@pytest.mark.parametrize(("number", "brand"), GOOD.items())
def test_published_test_cards_are_good(number: str, brand: Brand) -> None:
    verdict = cards.validate(card(number, cvc="1234" if brand is Brand.AMEX else "123"), at=AT)

    assert (verdict.is_valid, verdict.brand, verdict.last4) == (True, brand, number[-4:])


@given(numbers())
def test_every_range_belongs_to_its_brand_alone(made: tuple[Brand, str]) -> None:
    brand, number = made
    cvc = "1234" if brand is Brand.AMEX else "123"

    assert cards.validate(card(number, cvc=cvc), at=AT) == cards.Verdict(brand=brand, last4=number[-4:], reasons=())


@given(numbers(), st.integers(0, 18), st.integers(1, 9))
def test_one_wrong_digit_is_always_seen(made: tuple[Brand, str], place: int, change: int) -> None:
    _, number = made
    place %= len(number)
    wrong = number[:place] + str((int(number[place]) + change) % 10) + number[place + 1 :]

    assert Reason.NUMBER_CHECK_DIGIT in cards.validate(card(wrong), at=AT).reasons


@given(numbers(), st.integers(0, 17))
def test_two_neighbours_that_changed_places_are_seen_but_for_0_and_9(made: tuple[Brand, str], place: int) -> None:
    _, number = made
    place %= len(number) - 1
    pair = number[place : place + 2]
    swapped = number[:place] + pair[::-1] + number[place + 2 :]

    assert cards.passes_luhn(swapped) == (pair[0] == pair[1] or set(pair) == {"0", "9"})


@given(numbers(), st.sampled_from([" ", "-"]), st.integers(2, 6))
def test_groups_change_nothing(made: tuple[Brand, str], gap: str, size: int) -> None:
    _, number = made
    written = gap.join(number[start : start + size] for start in range(0, len(number), size))

    assert cards.digits_of(written) == number
    assert cards.validate(card(written), at=AT) == cards.validate(card(number), at=AT)


@given(st.text(max_size=80), st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_whatever_is_typed_gets_a_verdict(number: str, month: str, year: str, cvc: str) -> None:
    verdict = cards.validate(card(number, month, year, cvc), at=AT)

    assert len(set(verdict.reasons)) == len(verdict.reasons)
    assert verdict.last4 == "" or verdict.last4.isascii()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("4242424242424241", ["number_check_digit"]),
        ("42424242424242", ["number_length"]),
        ("424242424242424242424", ["number_length", "number_check_digit"]),
        ("4242x24242424242", ["number_characters"]),
        ("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", ["number_characters"]),
        ("4242  4242 4242 4242", ["number_characters"]),
        ("", ["number_characters"]),
        ("1234567812345670", ["brand_unknown"]),
        ("0" * 16, ["brand_unknown"]),
    ],
)
def test_each_fault_of_a_number_has_its_word(number: str, expected: list[str]) -> None:
    assert reasons(card(number)) == expected


@pytest.mark.parametrize(
    ("month", "year", "expected"),
    [
        ("11", "2026", []),
        ("11", "26", []),
        ("1", "27", []),
        ("01", "2027", []),
        ("10", "2026", ["expired"]),
        ("12", "25", ["expired"]),
        ("13", "2027", ["expiry_format"]),
        ("0", "2027", ["expiry_format"]),
        ("00", "2027", ["expiry_format"]),
        ("12", "027", ["expiry_format"]),
        ("12", "2077", ["expiry_format"]),
        ("12", "2076", []),
        ("", "", ["expiry_format"]),
    ],
)
def test_a_card_is_good_until_its_month_is_over(month: str, year: str, expected: list[str]) -> None:
    assert reasons(card(month=month, year=year)) == expected


def test_the_month_ends_when_it_has_ended_everywhere() -> None:
    assert reasons(card(month="11", year="26"), datetime(2026, 12, 1, 11, 59, tzinfo=UTC)) == []
    assert reasons(card(month="11", year="26"), datetime(2026, 12, 1, 12, 0, tzinfo=UTC)) == ["expired"]


@pytest.mark.parametrize(
    ("number", "cvc", "is_good"),
    [
        ("4242424242424242", "123", True),
        ("4242424242424242", "1234", False),
        ("4242424242424242", "", False),
        ("4242424242424242", "12a", False),
        ("4242424242424242", "１２３", False),
        ("378282246310005", "1234", True),
        ("378282246310005", "123", False),
        ("9704198526191432198", "", True),
        ("6759649826438453", "", True),
    ],
)
def test_security_codes_are_as_long_as_the_brand_wants(number: str, cvc: str, is_good: bool) -> None:
    assert (reasons(card(number, cvc=cvc)) == []) is is_good


def test_a_card_shows_neither_its_number_nor_its_code() -> None:
    assert "4242" not in repr(card()) and "123" not in repr(card())
