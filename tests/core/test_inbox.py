"""The inbox: an outside cause counts once, whoever comes at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from config.core import inbox
from config.core.models import InboxClaim

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_cause_counts_the_first_time_only():
    with transaction.atomic():
        assert (inbox.claim("kafka:evt_1"), inbox.claim("kafka:evt_1"), inbox.claim("kafka:evt_2")) == (
            True,
            False,
            True,
        )
    with transaction.atomic():
        assert inbox.claim("kafka:evt_1") is False


def test_a_rolled_back_claim_may_be_made_again():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert inbox.claim("kafka:evt_1")
        raise ZeroDivisionError

    with transaction.atomic():
        assert inbox.claim("kafka:evt_1") is True


def test_a_claim_outside_a_transaction_is_refused():
    with pytest.raises(AssertionError, match="in the transaction of the service"):
        inbox.claim("kafka:evt_1")

    assert InboxClaim.objects.count() == 0


@pytest.mark.race
def test_eight_threads_claim_fifty_causes_and_each_counts_once():
    gate = threading.Barrier(8)

    def claim_all(_number: int) -> int:
        won = 0
        for cause in range(50):
            gate.wait(10)
            with transaction.atomic():
                won += inbox.claim(f"kafka:evt_{cause}")
        connection.close()
        return won

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(claim_all, range(8)))

    assert sum(won) == 50
    assert InboxClaim.objects.count() == 50


@pytest.mark.race
def test_the_second_claimer_waits_and_wins_when_the_first_rolls_back():
    claimed, outcome = threading.Event(), []

    def second() -> None:
        claimed.wait(10)
        with transaction.atomic():
            outcome.append(inbox.claim("kafka:evt_1"))
        connection.close()

    thread = threading.Thread(target=second)
    thread.start()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert inbox.claim("kafka:evt_1")
        claimed.set()
        thread.join(0.3)
        assert thread.is_alive(), "the second claim has to wait for the first transaction"
        raise ZeroDivisionError
    thread.join(10)

    assert outcome == [True]
