"""An answer that is good for a while."""

from __future__ import annotations

import threading
import time

import pytest

from config.core.remembered import Remembered, remembered


def test_it_is_asked_once_until_it_is_forgotten_or_too_old() -> None:
    numbers = iter(range(10))

    @remembered(0.05)
    def number() -> int:
        return next(numbers)

    assert (number(), number()) == (0, 0)
    number.forget()
    assert (number(), number()) == (1, 1)
    time.sleep(0.06)
    assert number() == 2


def test_threads_that_come_at_once_hear_one_answer() -> None:
    asked: list[int] = []

    def slow() -> int:
        asked.append(1)
        time.sleep(0.05)
        return len(asked)

    answer, heard = Remembered(slow, seconds=60), []
    threads = [threading.Thread(target=lambda: heard.append(answer())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert heard == [1] * 5


def test_what_failed_is_asked_again() -> None:
    answers = iter([ZeroDivisionError(), 7])

    def ask() -> int:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    answer = Remembered(ask, seconds=60)
    with pytest.raises(ZeroDivisionError):
        answer()

    assert answer() == 7
