"""Posting through Django: once per reference, whole or not at all, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from config.core.errors import NotFound
from ledger import chart, selectors
from ledger.errors import (
    AccountClosed,
    AccountNotEmpty,
    AlreadyReversed,
    InsufficientFunds,
    PeriodClosed,
    ReferenceReused,
    Unbalanced,
)
from ledger.models import Account, JournalEntry, Posting
from ledger.services import (
    Entry,
    Posted,
    begin_close,
    close_account,
    close_period,
    credit,
    debit,
    open_period,
    post,
    post_batch,
    reopen_account,
    reverse,
)
from tests.ledger.conftest import NOON, fingerprint, rows, usd, vnd

pytestmark = pytest.mark.django_db(transaction=True)
CLEARING, ESCROW = chart.gateway_clearing("momo"), chart.escrow("shop42")
AVAILABLE, IN_PAYOUT = chart.shop_available("shop42"), chart.shop_in_payout("shop42")
Book = Callable[..., Posted]


def captured(amount: int = 1000) -> tuple:
    return debit(CLEARING, vnd(amount)), credit(ESCROW, vnd(amount))


# --- One journal -----------------------------------------------------------------------------------------------------
def test_a_journal_carries_what_it_was_told(book: Book) -> None:
    posted = book(*captured(), reference="cap:1", event="captured", subject="pay_1", order_ref="1001", actor="anna",
                  reason="because", meta={"a": [1, "ü"]})  # fmt: skip

    journal = JournalEntry.objects.get()
    assert (journal.pk, posted.is_new) == (posted.journal_id, True)
    assert (journal.reference, journal.event, journal.subject, journal.order_ref) == (
        "cap:1",
        "captured",
        "pay_1",
        "1001",
    )
    assert (journal.actor, journal.reason, journal.meta, journal.line_count) == ("anna", "because", {"a": [1, "ü"]}, 2)
    assert [(line.account.code, line.debit, line.credit) for line in journal.lines.order_by("line")] == [
        ("gw:momo:clearing", vnd(1000), vnd(0)),
        ("escrow:shop42", vnd(0), vnd(1000)),
    ]


def test_lines_of_nothing_are_dropped(book: Book) -> None:
    book(*captured(), debit(chart.promo_site(), vnd(0)), credit(chart.shipping_held(), vnd(0)))

    assert JournalEntry.objects.get().line_count == 2
    assert not Account.objects.filter(code__in=["promo:site", "shipping:held"]).exists()


def test_negative_money_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        debit(CLEARING, vnd(-1))
    with pytest.raises(AssertionError):
        credit(CLEARING, vnd(-1))


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (debit(CLEARING, vnd(1)),),
        (debit(CLEARING, vnd(2)), credit(ESCROW, vnd(1))),
        (debit(CLEARING, vnd(0)), credit(ESCROW, vnd(0))),
        (debit(CLEARING, vnd(5)), credit(ESCROW, usd(5))),
    ],
)
def test_an_unbalanced_journal_is_refused(book: Book, lines: tuple) -> None:
    before = fingerprint()
    with pytest.raises(Unbalanced):
        book(*lines)
    assert fingerprint() == before


def test_a_journal_in_two_currencies_balances_in_each(book: Book) -> None:
    position = chart.fx_position()
    book(
        debit(chart.bank("vcb"), vnd(25_000)),
        credit(position, vnd(25_000)),
        debit(position, usd(100)),
        credit(chart.bank("vcb"), usd(100)),
    )

    assert selectors.balance(chart.bank("vcb"), "VND") == vnd(25_000)
    assert selectors.balance(chart.bank("vcb"), "USD") == usd(-100)
    assert (selectors.balance(position, "VND"), selectors.balance(position, "USD")) == (vnd(25_000), usd(-100))
    assert selectors.trial_balance().is_balanced


def test_posting_asks_for_a_transaction_of_the_caller(transactional_db: None) -> None:
    with pytest.raises(AssertionError):
        post(reference="r", event="e", lines=captured(), occurred_at=NOON)
    assert JournalEntry.objects.count() == 0


def test_posting_is_rolled_back_with_the_caller(book: Book) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        book(*captured())
        raise ZeroDivisionError
    assert JournalEntry.objects.count() == 0
    assert Account.objects.count() == 0
    book(*captured())
    assert selectors.balance(CLEARING, "VND") == vnd(1000)


def test_posting_is_one_round_trip(book: Book) -> None:
    book(*captured())
    book(debit(ESCROW, vnd(500)), credit(AVAILABLE, vnd(500)))
    for lines in (captured(5), (debit(AVAILABLE, vnd(5)), credit(IN_PAYOUT, vnd(5)))):
        book(*lines)
        with (
            transaction.atomic(),
            CaptureQueriesContext(
                connection,
            ) as queries,
        ):
            post(reference=f"once:{lines[0].account.code}", event="e", lines=lines, occurred_at=NOON)
        assert len(queries) == 1


def test_strict_accounts_answer_their_balance(book: Book) -> None:
    book(*captured())
    book(debit(ESCROW, vnd(400)), credit(AVAILABLE, vnd(400)))
    posted = book(debit(AVAILABLE, vnd(150)), credit(IN_PAYOUT, vnd(100)), credit(CLEARING, vnd(50)))

    assert posted.balances == {("shop42:available", "VND"): vnd(250), ("shop42:in_payout", "VND"): vnd(100)}


def test_one_account_may_occur_several_times(book: Book) -> None:
    book(*captured())
    posted = book(debit(ESCROW, vnd(30)), credit(AVAILABLE, vnd(10)), credit(AVAILABLE, vnd(20)))

    assert posted.balances == {("shop42:available", "VND"): vnd(30)}
    assert list(
        Posting.objects.filter(account__code="shop42:available").order_by("seq").values_list("seq", "bal_after")
    ) == [
        (1, -10),
        (2, -30),
    ]


def test_shops_whose_ids_look_like_codes_of_ours_have_accounts_of_their_own(book: Book) -> None:
    codes = {
        chart.shop_available(name).code for name in ("bank", "escrow:shop42", "a b", "shop/42", "42", "%62ank", "Ü")
    }
    assert len(codes) == 7
    assert chart.shop_available("bank").code != chart.bank("available").code
    book(*captured())
    for name in ("bank", "a b", "x:y,{z}", "Ü"):
        book(debit(ESCROW, vnd(1)), credit(chart.shop_available(name), vnd(1)))
        assert selectors.balance(chart.shop_available(name), "VND") == vnd(1)


# --- Once ------------------------------------------------------------------------------------------------------------
def test_the_same_reference_with_the_same_lines_is_the_first_journal(book: Book) -> None:
    first = book(*captured(), reference="cap:1")
    before = fingerprint()
    again = book(*reversed(captured()), reference="cap:1", at=datetime(2027, 1, 1, tzinfo=UTC), actor="someone else")

    assert (again.journal_id, again.is_new, again.balances) == (first.journal_id, False, {})
    assert fingerprint() == before


def test_the_same_reference_with_other_lines_is_refused_and_the_transaction_goes_on(book: Book) -> None:
    book(*captured(), reference="cap:1")
    with transaction.atomic():
        with pytest.raises(ReferenceReused) as caught:
            book(*captured(999), reference="cap:1")
        book(*captured(7), reference="cap:2")
    assert caught.value.status == 409
    assert selectors.balance(CLEARING, "VND") == vnd(1007)


def test_a_replay_is_answered_although_the_money_is_gone_by_now(book: Book) -> None:
    book(*captured())
    book(debit(ESCROW, vnd(100)), credit(AVAILABLE, vnd(100)))
    first = book(debit(AVAILABLE, vnd(100)), credit(IN_PAYOUT, vnd(100)), reference="po:1")
    assert book(debit(AVAILABLE, vnd(100)), credit(IN_PAYOUT, vnd(100)), reference="po:1") == Posted(
        first.journal_id, False, {}
    )


# --- Overdraft -------------------------------------------------------------------------------------------------------
def test_an_overdraft_is_refused_and_the_transaction_goes_on(book: Book) -> None:
    book(*captured())
    book(debit(ESCROW, vnd(100)), credit(AVAILABLE, vnd(100)))
    with transaction.atomic():
        with pytest.raises(InsufficientFunds) as caught:
            book(debit(AVAILABLE, vnd(101)), credit(IN_PAYOUT, vnd(101)))
        book(debit(AVAILABLE, vnd(100)), debit(chart.shop_receivable("shop42"), vnd(1)), credit(IN_PAYOUT, vnd(101)))
    assert caught.value.facts == {"account": "shop42:available"}
    assert selectors.shop_balances("shop42", "VND").debt == vnd(1)


def test_a_debt_cannot_be_paid_back_twice(book: Book) -> None:
    receivable = chart.shop_receivable("shop42")
    book(debit(receivable, vnd(50)), credit(CLEARING, vnd(50)))
    with pytest.raises(InsufficientFunds):
        book(debit(CLEARING, vnd(51)), credit(receivable, vnd(51)))
    assert selectors.balance(receivable, "VND") == vnd(50)


# --- Days and periods ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 11, 20, 16, 59, 59, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 20, 17, 0, 0, tzinfo=UTC), date(2026, 11, 21)),
    ],
)
def test_a_journal_counts_for_the_day_in_viet_nam(book: Book, moment: datetime, day: date) -> None:
    book(*captured(), at=moment)
    assert JournalEntry.objects.get().effective_on == day


def test_a_late_fact_counts_for_the_next_open_day_when_its_period_is_closed(book: Book) -> None:
    for first, last in ((date(2026, 11, 1), date(2026, 11, 30)), (date(2026, 12, 1), date(2026, 12, 5))):
        close_period(period_id=open_period(starts_on=first, ends_on=last).pk, at=NOON, actor="anna")

    book(*captured(), at=NOON)

    assert JournalEntry.objects.get().effective_on == date(2026, 12, 6)
    assert Posting.objects.filter(effective_on=date(2026, 12, 6)).count() == 2


def test_a_given_day_in_a_closed_period_is_refused(book: Book) -> None:
    begin_close(period_id=open_period(starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 30)).pk, actor="anna")
    before = fingerprint()
    with pytest.raises(PeriodClosed):
        book(*captured(), effective_on=date(2026, 11, 20))
    assert fingerprint() == before
    book(*captured(), effective_on=date(2026, 10, 31))


def test_a_replay_into_a_closed_period_is_the_first_journal(book: Book) -> None:
    first = book(*captured(), reference="cap:1", effective_on=date(2026, 11, 20))
    close_period(
        period_id=open_period(starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 30)).pk, at=NOON, actor="anna"
    )
    assert book(*captured(), reference="cap:1", effective_on=date(2026, 11, 20)).journal_id == first.journal_id


# --- Accounts --------------------------------------------------------------------------------------------------------
def test_a_closed_account_takes_nothing_until_it_is_opened_again(book: Book) -> None:
    first = book(*captured(), reference="cap:1")
    book(*reversed([credit(CLEARING, vnd(1000)), debit(ESCROW, vnd(1000))]))
    close_account(code="escrow:shop42", currency="VND", at=NOON)
    before = fingerprint()

    with pytest.raises(AccountClosed):
        book(*captured(), reference="cap:2")

    assert fingerprint() == before
    assert book(*captured(), reference="cap:1").journal_id == first.journal_id
    reopen_account(code="escrow:shop42", currency="VND")
    assert book(*captured(), reference="cap:2").is_new


def test_an_account_with_money_is_not_closed(book: Book) -> None:
    book(*captured())
    with pytest.raises(AccountNotEmpty):
        close_account(code="escrow:shop42", currency="VND", at=NOON)
    with pytest.raises(NotFound):
        close_account(code="escrow:shop42", currency="USD", at=NOON)


# --- Reversal --------------------------------------------------------------------------------------------------------
def test_a_reversal_negates_every_line_and_keeps_the_context(book: Book) -> None:
    book(*captured())
    book(debit(ESCROW, vnd(300)), credit(AVAILABLE, vnd(300)))
    sent = book(
        debit(AVAILABLE, vnd(200)), credit(IN_PAYOUT, vnd(200)), event="payout.sent", subject="po_1", order_ref="1001"
    )

    with transaction.atomic():
        undone = reverse(
            reference="po_1:failed", journal_id=sent.journal_id, occurred_at=NOON, actor="anna", reason="returned"
        )

    journal = JournalEntry.objects.get(pk=undone.journal_id)
    assert (journal.reverses_id, journal.event, journal.subject, journal.order_ref) == (
        sent.journal_id,
        "payout.sent.reversed",
        "po_1",
        "1001",
    )
    assert list(journal.lines.values_list("amount_minor", flat=True)) == [-200, 200]
    assert undone.balances == {("shop42:available", "VND"): vnd(300), ("shop42:in_payout", "VND"): vnd(0)}


def test_a_journal_is_reversed_once(book: Book) -> None:
    posted = book(*captured())

    def undo(reference: str) -> Posted:
        with transaction.atomic():
            return reverse(
                reference=reference, journal_id=posted.journal_id, occurred_at=NOON, actor="anna", reason="mistake"
            )

    first = undo("undo:1")
    assert undo("undo:1") == Posted(first.journal_id, False, {})
    with pytest.raises(AlreadyReversed):
        undo("undo:2")
    assert JournalEntry.objects.count() == 2
    assert selectors.balance(CLEARING, "VND") == vnd(0)


def test_a_reversal_cannot_take_what_was_spent(book: Book) -> None:
    book(*captured())
    made_available = book(debit(ESCROW, vnd(300)), credit(AVAILABLE, vnd(300)))
    book(debit(AVAILABLE, vnd(300)), credit(IN_PAYOUT, vnd(300)))
    with pytest.raises(InsufficientFunds), transaction.atomic():
        reverse(reference="undo", journal_id=made_available.journal_id, occurred_at=NOON, actor="anna", reason="")
    with pytest.raises(NotFound), transaction.atomic():
        reverse(reference="undo", journal_id=10**9, occurred_at=NOON, actor="anna", reason="")


# --- Batch -----------------------------------------------------------------------------------------------------------
def entry(reference: str, *lines, **more) -> Entry:
    return Entry(reference=reference, event="test", lines=lines, occurred_at=NOON, **more)


def test_a_batch_is_one_round_trip_and_knows_which_were_new(book: Book) -> None:
    old = book(*captured(), reference="b:1")
    book(debit(ESCROW, vnd(1)), credit(AVAILABLE, vnd(1)))
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        posted = post_batch(
            [entry(f"b:{n}", *captured()) for n in range(3)]
            + [entry("s", debit(ESCROW, vnd(9)), credit(AVAILABLE, vnd(9)))]
        )

    assert len(queries) == 1
    assert [result.is_new for result in posted] == [True, False, True, True]
    assert posted[1] == Posted(old.journal_id, False, {})
    assert posted[3].balances == {("shop42:available", "VND"): vnd(10)}
    assert selectors.balance(CLEARING, "VND") == vnd(3000)


def test_a_batch_is_all_or_nothing(book: Book) -> None:
    book(*captured(), reference="b:1")
    book(debit(ESCROW, vnd(5)), credit(AVAILABLE, vnd(5)))
    before = fingerprint()
    with pytest.raises(ReferenceReused), transaction.atomic():
        post_batch([entry("b:0", *captured()), entry("b:1", *captured(77))])
    with pytest.raises(InsufficientFunds), transaction.atomic():
        post_batch([entry("b:0", *captured()), entry("b:2", debit(AVAILABLE, vnd(6)), credit(IN_PAYOUT, vnd(6)))])
    with pytest.raises(Unbalanced), transaction.atomic():
        post_batch([entry("b:0", *captured()), entry("b:2", debit(AVAILABLE, vnd(6)))])
    with pytest.raises(AssertionError), transaction.atomic():
        post_batch([entry("b:0", *captured()), entry("b:0", *captured())])
    assert fingerprint() == before


def test_an_empty_batch_is_nothing(transactional_db: None) -> None:
    with transaction.atomic():
        assert post_batch([]) == []


def test_running_balances_in_a_batch_follow_the_order_of_its_journals(book: Book) -> None:
    book(*captured())
    with transaction.atomic():
        post_batch([entry(f"b:{n}", debit(ESCROW, vnd(n)), credit(AVAILABLE, vnd(n))) for n in (3, 1, 2)])
    assert rows("SELECT seq, bal_after FROM ledger_line WHERE mode = 'S' ORDER BY journal_id") == [
        (1, -3),
        (2, -4),
        (3, -6),
    ]
