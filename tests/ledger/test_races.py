"""Real threads on real locks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from ledger import chart, selectors
from ledger.errors import InsufficientFunds, LedgerError
from ledger.models import Account, JournalEntry
from ledger.proof import verify
from ledger.retry import retry_conflicts
from ledger.services import Entry, Posted, credit, debit, fold, place_hold, post, post_batch
from tests.ledger.conftest import NOON, fold_all, rows, vnd

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]
CLEARING, ESCROW = chart.gateway_clearing("momo"), chart.escrow("shop42")
AVAILABLE, IN_PAYOUT = chart.shop_available("shop42"), chart.shop_in_payout("shop42")
Book = Callable[..., Posted]


def together(number: int, work: Callable[[int], object]) -> list[object]:
    """Run `work` in threads that start at once; what each returned or raised."""
    barrier, results = threading.Barrier(number), [None] * number

    def run(place: int) -> None:
        barrier.wait()
        try:
            results[place] = work(place)
        except Exception as error:  # the test looks at every kind
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def fund(book: Book, amount: int) -> None:
    book(debit(CLEARING, vnd(amount)), credit(ESCROW, vnd(amount)))
    book(debit(ESCROW, vnd(amount)), credit(AVAILABLE, vnd(amount)))


def deadlocks() -> int:
    rows("SELECT pg_stat_clear_snapshot()")
    return rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]


def test_eight_threads_cannot_overdraw_a_strict_account(book: Book) -> None:
    fund(book, 1000)

    def pay_out(place: int) -> int:
        done = 0
        for turn in range(10):
            try:
                book(debit(AVAILABLE, vnd(30)), credit(IN_PAYOUT, vnd(30)), reference=f"po:{place}:{turn}")
                done += 1
            except InsufficientFunds:
                pass
        return done

    results = together(8, pay_out)

    assert sum(results) == 33
    assert selectors.balance(AVAILABLE, "VND") == vnd(10)
    assert selectors.balance(IN_PAYOUT, "VND") == vnd(990)
    assert rows(
        "SELECT count(*), max(seq) FROM ledger_line l JOIN ledger_account a ON a.id = account_id WHERE code = %s",
        (AVAILABLE.code,),
    ) == [(34, 34)]
    assert verify().findings == ()


def test_eight_threads_cannot_hold_more_than_there_is(book: Book) -> None:
    fund(book, 100)

    def hold(place: int) -> None:
        with transaction.atomic():
            place_hold(reference=f"h:{place}", account=AVAILABLE, money=vnd(30), at=NOON)

    results = together(8, hold)

    assert sum(result is None for result in results) == 3
    assert sum(isinstance(result, InsufficientFunds) for result in results) == 5
    assert selectors.shop_balances("shop42", "VND").available == vnd(10)
    assert verify().findings == ()


def test_eight_threads_with_one_reference_post_once(book: Book) -> None:
    results = together(8, lambda _: book(debit(CLEARING, vnd(5)), credit(ESCROW, vnd(5)), reference="cap:1"))

    assert len({result.journal_id for result in results}) == 1
    assert sum(result.is_new for result in results) == 1
    assert JournalEntry.objects.count() == 1


def test_eight_threads_with_one_reference_and_other_lines_post_one_of_them(book: Book) -> None:
    results = together(
        8, lambda place: book(debit(CLEARING, vnd(1 + place)), credit(ESCROW, vnd(1 + place)), reference="cap:1")
    )

    refusals = [result for result in results if isinstance(result, LedgerError)]
    assert [refusal.code for refusal in refusals] == ["ledger_reference_reused"] * 7
    assert JournalEntry.objects.count() == 1


def test_an_account_is_opened_once_however_many_need_it_first(book: Book) -> None:
    results = together(
        8, lambda place: book(debit(CLEARING, vnd(1)), credit(AVAILABLE, vnd(1)), credit(chart.escrow("s"), vnd(0)))
    )

    assert all(isinstance(result, Posted) for result in results)
    assert sorted(Account.objects.values_list("code", flat=True)) == ["gw:momo:clearing", "shop42:available"]
    assert selectors.balance(AVAILABLE, "VND") == vnd(8)


def test_strict_accounts_in_any_order_do_not_deadlock(book: Book) -> None:
    """Every thread moves money between the same five accounts, each journal naming them in its own order."""
    shops = [chart.shop_available(f"shop{n}") for n in range(5)]
    book(debit(CLEARING, vnd(5_000_000)), *(credit(shop, vnd(1_000_000)) for shop in shops))
    before = deadlocks()

    def shuffle(place: int) -> None:
        dice = random.Random(place)
        for turn in range(15):
            giver, taker, other = dice.sample(shops, 3)
            lines = [debit(giver, vnd(10)), credit(taker, vnd(7)), credit(other, vnd(3))]
            dice.shuffle(lines)
            book(*lines, reference=f"{place}:{turn}")

    results = together(8, shuffle)

    assert results == [None] * 8
    assert deadlocks() == before
    assert sum(selectors.balance(shop, "VND").minor for shop in shops) == 5_000_000
    assert verify().findings == ()


def test_batches_in_any_order_do_not_deadlock(book: Book) -> None:
    shops = [chart.shop_available(f"shop{n}") for n in range(6)]
    before = deadlocks()

    def settle(place: int) -> None:
        order = random.Random(place).sample(shops, 6)
        with transaction.atomic():
            post_batch([
                Entry(reference=f"{place}:{n}", event="e", lines=[debit(ESCROW, vnd(1)), credit(shop, vnd(1))], occurred_at=NOON)
                for n, shop in enumerate(order)
            ])  # fmt: skip

    assert together(8, settle) == [None] * 8
    assert deadlocks() == before
    assert [selectors.balance(shop, "VND").minor for shop in shops] == [8] * 6
    assert verify().findings == ()


def test_insert_only_accounts_do_not_wait_for_each_other(book: Book) -> None:
    """Another transaction that posted to the same accounts is still open; a strict account would wait for it."""
    fund(book, 100)
    posted, go_on = threading.Event(), threading.Event()

    def slow_poster() -> None:
        with transaction.atomic():
            book(debit(CLEARING, vnd(1)), credit(ESCROW, vnd(1)), reference="slow")
            posted.set()
            go_on.wait(20)
        connection.close()

    thread = threading.Thread(target=slow_poster)
    thread.start()
    posted.wait(10)
    try:
        started = time.monotonic()
        book(debit(CLEARING, vnd(2)), credit(ESCROW, vnd(2)))
        assert time.monotonic() - started < 1
        assert selectors.balance(CLEARING, "VND") == vnd(102)
    finally:
        go_on.set()
        thread.join()
    assert selectors.balance(CLEARING, "VND") == vnd(103)


def test_waiting_for_a_strict_account_ends_after_two_seconds(book: Book) -> None:
    fund(book, 100)
    posted, go_on = threading.Event(), threading.Event()

    def slow_poster() -> None:
        with transaction.atomic():
            book(debit(AVAILABLE, vnd(1)), credit(IN_PAYOUT, vnd(1)), reference="slow")
            posted.set()
            go_on.wait(20)
        connection.close()

    thread = threading.Thread(target=slow_poster)
    thread.start()
    posted.wait(10)
    try:
        started = time.monotonic()
        with pytest.raises(OperationalError):
            book(debit(AVAILABLE, vnd(1)), credit(IN_PAYOUT, vnd(1)))
        assert 1.9 < time.monotonic() - started < 5
    finally:
        go_on.set()
        thread.join()
    assert selectors.balance(AVAILABLE, "VND") == vnd(99)


def test_folding_beside_posters_loses_nothing(book: Book) -> None:
    stop = threading.Event()
    book(debit(CLEARING, vnd(1)), credit(ESCROW, vnd(1)))

    def folding_or_posting(place: int) -> int:
        if place == 0:
            folded = 0
            while not stop.is_set():
                folded += fold(portion=7)
            return folded
        for turn in range(25):
            with transaction.atomic():
                post(
                    reference=f"{place}:{turn}",
                    event="e",
                    lines=[debit(CLEARING, vnd(1)), credit(ESCROW, vnd(1))],
                    occurred_at=NOON,
                )
                if turn % 5 == 0:
                    time.sleep(0.01)
        if place == 1:
            time.sleep(0.3)
            stop.set()
        return 0

    together(6, folding_or_posting)
    fold_all()

    assert selectors.balance(CLEARING, "VND") == vnd(126)
    assert rows("SELECT sum(debit), sum(credit) FROM ledger_rollup") == [(126, 126)]
    assert verify().findings == ()


def test_a_service_that_lost_a_conflict_of_locks_begins_again(book: Book) -> None:
    fund(book, 100)
    posted, go_on = threading.Event(), threading.Event()

    def slow_poster() -> None:
        with transaction.atomic():
            book(debit(AVAILABLE, vnd(1)), credit(IN_PAYOUT, vnd(1)), reference="slow")
            posted.set()
            go_on.wait(20)
        connection.close()

    calls: list[int] = []

    @retry_conflicts()
    @transaction.atomic(durable=True)
    def service() -> Posted:
        calls.append(1)
        if len(calls) == 2:
            go_on.set()
        return post(
            reference="mine", event="e", lines=[debit(AVAILABLE, vnd(2)), credit(IN_PAYOUT, vnd(2))], occurred_at=NOON
        )

    thread = threading.Thread(target=slow_poster)
    thread.start()
    posted.wait(10)
    try:
        assert service().is_new
    finally:
        go_on.set()
        thread.join()
    assert len(calls) == 2
    assert selectors.balance(AVAILABLE, "VND") == vnd(97)


def test_what_is_no_conflict_is_not_tried_again(transactional_db: None) -> None:
    calls: list[int] = []

    @retry_conflicts()
    def service() -> None:
        calls.append(1)
        rows("SELECT 1 / 0")

    with pytest.raises(DatabaseError):
        service()
    assert len(calls) == 1
