"""Balances now, at any booking time and on any effective day, before and after folding; statements in pages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from config.core.errors import InvalidInput
from ledger import chart, selectors
from ledger.errors import ForeignCluster
from ledger.models import Horizon, Posting
from ledger.proof import verify
from ledger.services import Entry, Posted, credit, debit, fold, horizon_age_seconds, post_batch, rebase
from tests.ledger.conftest import NOON, fold_all, quiet, rows, vnd

pytestmark = pytest.mark.django_db(transaction=True)
CLEARING, ESCROW, AVAILABLE = chart.gateway_clearing("momo"), chart.escrow("shop42"), chart.shop_available("shop42")
Book = Callable[..., Posted]


def capture(book: Book, amount: int, **more: object) -> Posted:
    return book(debit(CLEARING, vnd(amount)), credit(ESCROW, vnd(amount)), **more)


def booked_at(posted: Posted) -> datetime:
    return Posting.objects.get(journal_id=posted.journal_id, line=1).booked_at


def test_an_account_nobody_used_has_nothing(transactional_db: None) -> None:
    assert selectors.balance(CLEARING, "VND") == vnd(0)
    assert selectors.balance_at(CLEARING, "VND", NOON) == vnd(0)
    assert selectors.balance_on(CLEARING, "VND", NOON.date()) == vnd(0)
    assert selectors.statement(CLEARING, "VND").lines == ()
    assert selectors.trial_balance().rows == ()


@pytest.mark.parametrize("folds", [(), (1,), (3,), (1, 2, 3)])
def test_the_balance_at_a_moment_is_what_was_booked_by_then(book: Book, folds: tuple[int, ...]) -> None:
    moments = []
    for number in range(4):
        captured = capture(book, 10**number)
        available = book(debit(ESCROW, vnd(1)), credit(AVAILABLE, vnd(1)))
        moments.append((booked_at(captured), booked_at(available)))
        if number in folds:
            fold_all()

    assert [selectors.balance_at(CLEARING, "VND", first) for first, _ in moments] == [
        vnd(1),
        vnd(11),
        vnd(111),
        vnd(1111),
    ]
    assert [selectors.balance_at(AVAILABLE, "VND", second) for _, second in moments] == [vnd(1), vnd(2), vnd(3), vnd(4)]
    just_before = moments[2][0] - timedelta(microseconds=1)
    assert selectors.balance_at(CLEARING, "VND", just_before) == vnd(11)
    assert selectors.balance_at(CLEARING, "VND", NOON) == vnd(0)
    assert selectors.balance_at(CLEARING, "VND", datetime(2100, 1, 1, tzinfo=UTC)) == vnd(1111)


@pytest.mark.parametrize("folded", [False, True])
def test_the_balance_on_a_day_counts_what_became_effective_by_then(book: Book, folded: bool) -> None:
    days = [
        date(2025, 12, 31),
        date(2026, 1, 1),
        date(2026, 10, 31),
        date(2026, 11, 1),
        date(2026, 11, 20),
        date(2026, 11, 21),
    ]
    for number, day in enumerate(days):
        capture(book, 10**number, effective_on=day)
    if folded:
        fold_all()
    capture(book, 5_000_000, effective_on=date(2026, 1, 1))  # backdated, after everything else

    assert [selectors.balance_on(CLEARING, "VND", day).minor for day in days] == [
        1,
        5_000_011,
        5_000_111,
        5_001_111,
        5_011_111,
        5_111_111,
    ]
    assert selectors.balance_on(CLEARING, "VND", date(2025, 12, 30)) == vnd(0)
    assert selectors.balance_on(CLEARING, "VND", date(2026, 6, 1)) == vnd(5_000_011)
    assert [row.debit for row in selectors.trial_balance(as_of=date(2026, 6, 1)).rows if row.code == CLEARING.code] == [
        vnd(5_000_011)
    ]
    assert selectors.balances([CLEARING, ESCROW, AVAILABLE], "VND") == {
        "gw:momo:clearing": vnd(5_111_111), "escrow:shop42": vnd(5_111_111), "shop42:available": vnd(0),
    }  # fmt: skip
    fold_all()
    assert verify().findings == ()


def test_booking_time_of_a_strict_account_never_goes_back(book: Book) -> None:
    capture(book, 1000)
    for _ in range(5):
        book(debit(ESCROW, vnd(1)), credit(AVAILABLE, vnd(1)))
    rows_in_order = list(
        Posting.objects.filter(account__code=AVAILABLE.code).order_by("seq").values_list("booked_at", flat=True)
    )
    assert rows_in_order == sorted(rows_in_order)
    assert len(set(rows_in_order)) == 5


# --- The fold --------------------------------------------------------------------------------------------------------
def test_a_fold_changes_no_balance_and_counts_each_line_once(book: Book) -> None:
    for number in range(1, 8):
        capture(book, number)
    heard: list[int] = []

    assert fold_all(portion=3, on_portion=heard.append) == 14
    assert sum(heard) == 14 and len(heard) == 3
    assert selectors.balance(CLEARING, "VND") == vnd(28)
    assert fold_all() == 0
    assert rows(
        "SELECT debit, credit FROM ledger_rollup r JOIN ledger_account a ON a.id = r.account_id WHERE code = %s",
        (CLEARING.code,),
    ) == [(28, 0)]
    assert verify().findings == ()


def test_a_portion_never_cuts_a_transaction(book: Book) -> None:
    with transaction.atomic():
        post_batch(
            [
                Entry(
                    reference=f"b:{n}",
                    event="e",
                    lines=[debit(CLEARING, vnd(1)), credit(ESCROW, vnd(1))],
                    occurred_at=NOON,
                )
                for n in range(5)
            ]
        )
    capture(book, 10)
    assert fold_all(portion=2) == 12
    assert selectors.balance(CLEARING, "VND") == vnd(15)
    assert verify().findings == ()


@pytest.mark.race
def test_a_journal_that_commits_after_the_fold_is_not_lost(book: Book) -> None:
    """It took its ids before the fold and commits after it: a cursor over ids or times would step over it."""
    capture(book, 1)
    quiet()
    posted, folded = threading.Event(), threading.Event()

    def slow_poster() -> None:
        with transaction.atomic():
            capture(book, 10, reference="slow")
            posted.set()
            folded.wait(10)
        connection.close()

    thread = threading.Thread(target=slow_poster)
    thread.start()
    posted.wait(10)
    capture(book, 100)
    assert horizon_age_seconds() > 0
    assert fold() == 2  # the first one only: the slow transaction holds the horizon back
    folded.set()
    thread.join()

    assert selectors.balance(CLEARING, "VND") == vnd(111)
    assert fold_all() == 4
    assert selectors.balance(CLEARING, "VND") == vnd(111)
    assert verify().findings == ()


def test_a_second_fold_at_the_same_time_does_nothing(book: Book) -> None:
    capture(book, 1)
    done: list[int] = []
    with transaction.atomic():
        rows("SELECT pg_advisory_xact_lock(hashtext('ledger_fold'))")

        def other() -> None:
            done.append(fold())
            connection.close()

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert done == [0]
    assert fold_all() == 2


def test_a_ledger_restored_into_another_cluster_is_re_based_before_it_goes_on(book: Book) -> None:
    capture(book, 1)
    fold_all()
    capture(book, 10)
    with transaction.atomic():
        rows("SELECT set_config('ledger.folding', pg_current_xact_id()::text, true)")
        rows("UPDATE ledger_horizon SET system_identifier = 1, upto = (upto::text::bigint + 1000000)::text::xid8")

    with pytest.raises(ForeignCluster):
        fold()
    with pytest.raises(ForeignCluster):
        capture(book, 100)

    assert rebase() == 4
    assert Horizon.objects.count() == 0
    assert selectors.balance(CLEARING, "VND") == vnd(11)
    capture(book, 100)
    assert fold_all() == 6
    assert selectors.balance(CLEARING, "VND") == vnd(111)
    assert verify().findings == ()


# --- Statements ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("account", [ESCROW, AVAILABLE], ids=["insert-only", "strict"])
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_statement_has_running_balances_on_every_page(
    book: Book, account: chart.AccountRef, newest_first: bool, folded: bool
) -> None:
    expected = []
    with transaction.atomic():  # several lines of one account at one moment
        post_batch(
            [
                Entry(
                    reference=f"b:{n}",
                    event="e",
                    lines=[debit(CLEARING, vnd(n)), credit(account, vnd(n))],
                    occurred_at=NOON,
                )
                for n in (1, 2, 3)
            ]
        )
    expected += [(1, 1), (2, 3), (3, 6)]
    for amount, after in ((10, 16), (20, 36)):
        book(debit(CLEARING, vnd(amount)), credit(account, vnd(amount)), order_ref="1001")
        expected.append((amount, after))
    if folded:
        fold_all()
    book(debit(account, vnd(6)), credit(CLEARING, vnd(6)))
    expected.append((-6, 30))

    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = selectors.statement(account, "VND", after=cursor, limit=2, newest_first=newest_first)
        found += [(line.credit.minor - line.debit.minor, line.balance.minor) for line in page.lines]
        cursor, pages = page.next_cursor, pages + 1

    assert found == (expected[::-1] if newest_first else expected)
    assert pages == 3


def test_a_statement_page_takes_few_queries_and_says_what_happened(book: Book) -> None:
    book(
        debit(CLEARING, vnd(5)),
        credit(ESCROW, vnd(5)),
        reference="cap:1",
        subject="pay_1",
        order_ref="1001",
        event="captured",
        reason="r",
    )
    with CaptureQueriesContext(connection) as queries:
        (line,) = selectors.statement(ESCROW, "VND").lines
    assert len(queries) == 3
    assert (line.reference, line.subject, line.order_ref, line.event, line.reason) == (
        "cap:1",
        "pay_1",
        "1001",
        "captured",
        "r",
    )
    assert (line.debit, line.credit, line.balance) == (vnd(0), vnd(5), vnd(5))


@pytest.mark.parametrize("cursor", ["x", "1", "1-2-3", "99999999999999999999999-1", "'; drop--"])
def test_a_cursor_that_is_none_of_ours_is_refused(transactional_db: None, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        selectors.statement(ESCROW, "VND", after=cursor)


def test_journals_are_found_by_subject_and_by_order(book: Book) -> None:
    first = capture(book, 1, subject="pay_1", order_ref="1001")
    second = capture(book, 2, subject="pay_2", order_ref="1001")
    assert [journal.pk for journal in selectors.journals_of(subject="pay_1")] == [first.journal_id]
    assert [journal.pk for journal in selectors.journals_of(order_ref="1001")] == [first.journal_id, second.journal_id]
    assert [line.account.code for line in selectors.journals_of(subject="pay_2")[0].lines.all()] == [
        "gw:momo:clearing",
        "escrow:shop42",
    ]
