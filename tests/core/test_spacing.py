"""Turns: some doors open only once in so many seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from config.core import spacing


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    spacing.forget()
    yield
    spacing.forget()


def turn(patience: float = 0.0, name: str = "fiuu.query") -> tuple[bool, float]:
    return spacing.turn(name, every_seconds=0.3, patience_seconds=patience)


def test_the_first_goes_at_once_and_the_second_is_told_when() -> None:
    assert turn() == (True, 0.0)

    given, wait = turn()
    assert (given, 0.2 < wait <= 0.3) == (False, True)
    time.sleep(wait)
    assert turn() == (True, 0.0)


def test_who_can_wait_gets_the_next_free_moment_each_his_own() -> None:
    waits = [turn(patience=1.0) for _ in range(4)]

    assert [given for given, _ in waits] == [True, True, True, True]
    assert [round(wait, 1) for _, wait in waits] == [0.0, 0.3, 0.6, 0.9]
    assert turn(patience=1.0)[0] is False  # 1.2 s is more than it would wait; its wish left no trace
    assert round(turn(patience=2.0)[1], 1) == 1.2


def test_other_doors_have_their_own_turns() -> None:
    turn()

    assert turn(name="momo.query") == (True, 0.0)


def test_without_redis_nobody_waits(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    spacing.forget()

    assert [turn() for _ in range(2)] == [(True, 0.0)] * 2
