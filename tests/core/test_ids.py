"""Ids sort by time, say what they are, and hold 128 bits."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core import ids


@given(st.integers(0, 2**128 - 1))
def test_a_number_written_is_read_back(number: int) -> None:
    assert ids.number_of(f"pay_{ids.crockford(number)}") == number


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_ids_sort_as_their_numbers_do(one: int, other: int) -> None:
    assert (ids.crockford(one) < ids.crockford(other)) == (one < other)


def test_an_id_is_a_version_7_uuid_of_now() -> None:
    before = time.time_ns() // 1_000_000
    number = ids.number_of(ids.payment_id())
    after = time.time_ns() // 1_000_000

    assert before <= number >> 80 <= after
    assert number >> 76 & 0xF == 7
    assert number >> 62 & 0b11 == 0b10


def test_ids_of_later_milliseconds_sort_after(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for second in range(5):
        at = int(datetime(2026, 11, 21, 3, 0, second, tzinfo=UTC).timestamp() * 10**9)
        monkeypatch.setattr(ids.time, "time_ns", lambda at=at: at)
        made.append(ids.event_id())

    assert made == sorted(made)


def test_ten_thousand_ids_are_ten_thousand() -> None:
    assert len({ids.refund_id() for _ in range(10_000)}) == 10_000


def test_every_id_says_what_it_is() -> None:
    for make, prefix in (
        (ids.payment_id, "pay"),
        (ids.attempt_id, "att"),
        (ids.refund_id, "re"),
        (ids.dispute_id, "dp"),
        (ids.case_id, "case"),
        (ids.event_id, "evt"),
        (ids.dead_letter_id, "dl"),
        (ids.approval_id, "apr"),
        (ids.api_key_id, "key"),
    ):
        assert re.fullmatch(rf"{prefix}_[0-9a-hjkmnp-tv-z]{{26}}", make())


@pytest.mark.parametrize(
    "wrong", ["", "pay_", "pay_" + "0" * 25, "pay_" + "0" * 27, "pay_" + "u" * 26, "PAY_" + "A" * 26]
)
def test_what_is_no_id_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        ids.number_of(wrong)
