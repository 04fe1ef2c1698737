"""What the database refuses, attacked with raw SQL as the tables' own user (LEDGER.md 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import DataError, transaction

from ledger import chart
from ledger.refusals import constraint_of
from ledger.services import Posted, credit, debit, open_period
from tests.ledger.conftest import fingerprint, refused, rows, usd, vnd

pytestmark = pytest.mark.django_db(transaction=True)
TYPES = {"xid": "xid8", "booked_at": "timestamptz", "effective_on": "date", "currency": "text", "mode": "text"}
HASH = hashlib.sha256(b"x").digest()


@pytest.fixture
def books(book: Callable[..., Posted]) -> Callable[..., Posted]:
    """1,000 captured, of which 400 are available to shop42."""
    book(
        debit(chart.gateway_clearing("momo"), vnd(1000)),
        credit(chart.escrow("shop42"), vnd(1000)),
        reference="captured",
    )
    book(
        debit(chart.escrow("shop42"), vnd(400)), credit(chart.shop_available("shop42"), vnd(400)), reference="available"
    )
    return book


def account(code: str, currency: str = "VND") -> int:
    return rows("SELECT id FROM ledger_account WHERE code = %s AND currency = %s", (code, currency))[0][0]


def journal(reference: str = "attack", lines: int = 2, **columns: Any) -> int:
    values = {"reference": reference, "request_hash": HASH, "event": "attack", "actor": "attacker", "lines": lines,
              "effective_on": date(2026, 11, 20), **columns}  # fmt: skip
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    booked = "" if "booked_at" in values else ", booked_at"
    now = "" if "booked_at" in values else ", clock_timestamp()"
    sql = f"INSERT INTO ledger_journal ({names}{booked}) VALUES ({marks}{now}) RETURNING id"
    return rows(sql, tuple(values.values()))[0][0]


def insert_lines(journal_id: int, *lines: dict[str, Any]) -> None:
    """All lines in one INSERT, dated as their journal unless they say otherwise."""
    selects, parameters = [], []
    for number, line in enumerate(lines, 1):
        values = {"line": number, "currency": "VND", "mode": "H", **line}
        names = [*values, *(name for name in ("booked_at", "effective_on") if name not in values)]
        cells = [f"%s::{TYPES.get(name, 'bigint')}" for name in values]
        cells += [f"j.{name}" for name in ("booked_at", "effective_on") if name not in values]
        order = sorted(zip(names, cells, strict=True))
        selects.append(f"SELECT j.id, {', '.join(cell for _, cell in order)} FROM ledger_journal j WHERE j.id = %s")
        parameters += [values[name] for name, _ in order if name in values] + [journal_id]
        header = ", ".join(name for name, _ in order)
    rows(f"INSERT INTO ledger_line (journal_id, {header}) {' UNION ALL '.join(selects)}", parameters)


def pair(amount: int = 100, other: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    gateway, escrow = account("gw:momo:clearing"), account("escrow:shop42")
    return {"account_id": gateway, "amount": amount}, {
        "account_id": escrow,
        "amount": -amount if other is None else other,
    }


# --- A journal is whole ----------------------------------------------------------------------------------------------
def test_raw_sql_that_keeps_every_rule_is_accepted(books):
    with transaction.atomic():
        insert_lines(journal(), *pair())

    assert rows("SELECT count(*), sum(amount) FROM ledger_line") == [(6, 0)]


def test_a_journal_that_does_not_sum_to_zero_is_refused(books):
    with refused(by="ledger_journal_is_balanced"):
        insert_lines(journal(), *pair(100, -99))


def test_a_journal_that_balances_only_across_currencies_is_refused(books):
    books(debit(chart.gateway_clearing("momo"), usd(5)), credit(chart.escrow("shop42"), usd(5)))
    dollars = account("escrow:shop42", "USD")
    with refused(by="ledger_journal_is_balanced"):
        insert_lines(journal(), pair()[0], {"account_id": dollars, "amount": -100, "currency": "USD"})


def test_a_journal_without_lines_is_refused_at_commit(books):
    before = fingerprint()
    with pytest.raises(Exception) as caught, transaction.atomic():
        journal()
    assert constraint_of(caught.value) == "ledger_journal_has_its_lines"
    assert fingerprint() == before


def test_a_journal_of_one_line_is_refused(books):
    with refused(by="ledger_journal_has_two_lines_or_more"):
        journal(lines=1)


@pytest.mark.parametrize("said", [3, 4])
def test_a_journal_with_fewer_lines_than_it_says_is_refused(books, said):
    with refused(by="ledger_journal_has_its_lines"):
        insert_lines(journal(lines=said), *pair())


def test_a_journal_with_more_lines_than_it_says_is_refused(books):
    with refused(by="ledger_journal_has_its_lines"):
        insert_lines(journal(lines=2), *pair(), *({**line, "line": number} for number, line in enumerate(pair(), 3)))


def test_lines_that_are_not_numbered_from_one_without_gaps_are_refused(books):
    first, second = pair()
    with refused(by="ledger_journal_has_its_lines"):
        insert_lines(journal(), first, {**second, "line": 3})
    with refused(by="ledger_line_is_numbered"):
        insert_lines(journal(), {**first, "line": 0}, second)


def test_lines_that_come_in_two_statements_are_refused_even_when_they_balance(books):
    with refused(by="ledger_journal_has_its_lines"):
        number = journal(lines=4)
        insert_lines(number, *pair())
        insert_lines(number, *({**line, "line": place} for place, line in enumerate(pair(), 3)))


def test_lines_added_later_to_a_journal_of_the_same_transaction_are_refused(books):
    with refused(by="ledger_journal_has_its_lines"):
        number = journal()
        insert_lines(number, *pair())
        insert_lines(number, *({**line, "line": place} for place, line in enumerate(pair(), 3)))


def test_lines_added_to_a_journal_of_an_earlier_transaction_are_refused(books):
    number = rows("SELECT id FROM ledger_journal WHERE reference = 'captured'")[0][0]
    with refused(by="ledger_line_is_of_this_transaction"):
        insert_lines(number, *({**line, "line": place} for place, line in enumerate(pair(), 3)))


def test_a_line_that_claims_another_transaction_is_refused(books):
    with refused(by="ledger_line_is_of_this_transaction"):
        insert_lines(journal(), *({**line, "xid": "7"} for line in pair()))
    with refused(by="ledger_line_is_of_this_transaction"):
        insert_lines(journal(xid="7"), *({**line, "xid": "7"} for line in pair()))


def test_lines_of_no_journal_are_refused(books):
    with refused(by="ledger_line_is_of_a_journal"):
        first, second = pair()
        rows(
            "INSERT INTO ledger_line (journal_id, line, account_id, amount, currency, mode, booked_at, effective_on)"
            " VALUES (999999, 1, %s, 5, 'VND', 'H', now(), '2026-11-20'), (999999, 2, %s, -5, 'VND', 'H', now(), '2026-11-20')",
            (first["account_id"], second["account_id"]),
        )


def test_lines_dated_otherwise_than_their_journal_are_refused(books):
    first, second = pair()
    with refused(by="ledger_line_has_its_journals_dates"):
        insert_lines(journal(), first, {**second, "effective_on": date(2026, 11, 21)})
    with refused(by="ledger_line_has_its_journals_dates"):
        insert_lines(journal(), first, {**second, "booked_at": "2026-11-20 00:00:00Z"})


@pytest.mark.parametrize("moment", ["2020-01-01 00:00:00Z", "2199-01-01 00:00:00Z"])
def test_a_booking_time_in_the_past_or_far_future_is_refused(books, moment):
    with refused(by="ledger_line_has_its_journals_dates"):
        insert_lines(journal(booked_at=moment), *pair())


# --- Nothing changes afterwards --------------------------------------------------------------------------------------
@pytest.mark.parametrize("table", ["ledger_journal", "ledger_line"])
def test_update_delete_and_truncate_of_posted_rows_are_refused(books, table):
    column = "event" if table == "ledger_journal" else "amount"
    with refused(by="ledger_append_only"):
        rows(f"UPDATE {table} SET {column} = {column}")
    with refused(by="ledger_append_only"):
        rows(f"DELETE FROM {table}")
    with refused(by="ledger_append_only"):
        rows(f"TRUNCATE {table} CASCADE")


def test_moving_a_line_to_another_journal_is_refused(books):
    with refused(by="ledger_append_only"):
        rows("UPDATE ledger_line SET journal_id = journal_id + 1")


def test_upsert_cannot_rewrite_a_posted_row(books):
    with refused(by="ledger_append_only"):
        rows(
            "INSERT INTO ledger_journal (reference, request_hash, event, actor, lines, effective_on, booked_at)"
            " VALUES ('captured', %s, 'x', 'x', 2, now(), now()) ON CONFLICT (reference) DO UPDATE SET event = 'stolen'",
            (HASH,),
        )


@pytest.mark.parametrize("table", ["ledger_account", "ledger_balance", "ledger_hold", "ledger_period"])
def test_accounts_balances_holds_and_periods_are_not_deleted(books, table):
    open_period(starts_on=date(2026, 10, 1), ends_on=date(2026, 10, 31))
    with transaction.atomic():
        rows("SELECT ledger_place_hold('h', 'shop42:available', 'VND', 'D', 5, 'x', '', now())")
    with refused(by="ledger_append_only"):
        rows(f"DELETE FROM {table}")
    with refused(by="ledger_append_only"):
        rows(f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize(
    "change", ["code = 'x'", "kind = 'E'", "currency = 'USD'", "mode = 'S'", "owner_id = 'shop43'"]
)
def test_an_account_keeps_its_identity(books, change):
    with refused(by="ledger_account_keeps_identity"):
        rows(f"UPDATE ledger_account SET {change} WHERE code = 'escrow:shop42'")


@pytest.mark.parametrize("table", ["ledger_rollup", "ledger_period_balance", "ledger_horizon"])
def test_folded_sums_are_written_by_the_fold_alone(books, table):
    with refused(by="ledger_only_the_fold_writes"):
        rows(f"DELETE FROM {table}")
    with refused(by="ledger_only_the_fold_writes"):
        rows(f"TRUNCATE {table}")


# --- Strict accounts -------------------------------------------------------------------------------------------------
def strict(amount: int, **numbers: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A line on shop42:available (at number 1 and 400 credit) and its counterpart."""
    known = {"seq": 2, "prev_seq": 1, "prev_bal": -400, "bal_after": -400 + amount, **numbers}
    return (
        {"account_id": account("shop42:available"), "amount": amount, "mode": "S", **known},
        {"account_id": account("escrow:shop42"), "amount": -amount, "seq": None, "prev_seq": None, "prev_bal": None, "bal_after": None},
    )  # fmt: skip


def test_a_line_on_a_strict_account_without_its_balance_row_moving_is_refused(books):
    with refused(by="ledger_line_continues_its_account"):
        insert_lines(journal(), *strict(-50))


def test_a_line_that_skips_a_number_is_refused(books):
    with refused(by="ledger_line_continues_its_account"):
        insert_lines(journal(), *strict(-50, seq=3, prev_seq=2))


def test_a_line_whose_number_does_not_follow_is_refused(books):
    with refused(by="ledger_line_follows_the_one_before"):
        insert_lines(journal(), *strict(-50, seq=3))


def test_a_line_whose_running_balance_is_wrong_is_refused(books):
    with refused(by="ledger_line_follows_the_one_before"):
        insert_lines(journal(), *strict(-50, bal_after=-9999))


def test_a_line_that_lies_about_the_balance_before_is_refused(books):
    with refused(by="ledger_line_continues_its_account"):
        insert_lines(journal(), *strict(-50, prev_bal=-1_000_000, bal_after=-1_000_050))


def test_a_second_line_with_the_same_number_is_refused(books):
    with refused(by="ledger_line_seq_once"):
        insert_lines(journal(), *strict(-50, seq=1, prev_seq=0, prev_bal=0, bal_after=-50))


def test_a_chain_that_starts_at_something_is_refused(books):
    with refused(by="ledger_line_chain_has_a_start"):
        insert_lines(journal(), *strict(-50, seq=1, prev_seq=0, prev_bal=-10, bal_after=-60))


def test_a_strict_line_without_running_balance_is_refused(books):
    with refused(by="ledger_line_runs_on_strict_accounts"):
        insert_lines(journal(), *strict(-50, seq=None, prev_seq=None, prev_bal=None, bal_after=None))


def test_passing_a_strict_account_off_as_insert_only_is_refused(books):
    first, second = strict(-50, seq=None, prev_seq=None, prev_bal=None, bal_after=None)
    with refused(by="ledger_line_fits_its_account"):
        insert_lines(journal(), {**first, "mode": "H"}, second)


def test_passing_an_insert_only_account_off_as_strict_is_refused(books):
    number = account("gw:momo:clearing")
    line = {"account_id": number, "amount": 5, "mode": "S", "seq": 1, "prev_seq": 0, "prev_bal": 0, "bal_after": 5}
    other = {**line, "amount": -5, "seq": 2, "prev_seq": 1, "prev_bal": 5, "bal_after": 0}
    with refused(by="ledger_line_fits_its_account"):
        insert_lines(journal(), line, other)


@pytest.mark.parametrize(
    "change", ["bal = bal - 1", "bal = 0, seq = 0", "seq = seq + 1", "seq = 0", "last_at = '2199-01-01'"]
)
def test_a_balance_row_that_is_not_the_last_line_is_refused(books, change):
    before = fingerprint()
    with pytest.raises(Exception) as caught, transaction.atomic():
        rows(f"UPDATE ledger_balance SET {change}")
    assert constraint_of(caught.value) in {"ledger_balance_is_the_last_line", "ledger_balance_starts_at_nothing"}
    assert fingerprint() == before


def test_a_balance_row_set_back_to_an_older_line_is_refused(books):
    books(debit(chart.shop_available("shop42"), vnd(100)), credit(chart.shop_in_payout("shop42"), vnd(100)))
    with refused(by="ledger_balance_is_the_last_line"):
        rows(
            "UPDATE ledger_balance b SET seq = 1, bal = -400, last_at = (SELECT booked_at FROM ledger_line l"
            " WHERE l.account_id = b.account_id AND l.seq = 1) WHERE b.account_id = %s",
            (account("shop42:available"),),
        )


@pytest.mark.parametrize("change", ["max_bal = 999999", "min_bal = 0", "account_id = account_id + 100"])
def test_the_limits_of_a_balance_do_not_move(books, change):
    with refused(by="ledger_balance_limits_follow_kind"):
        rows(f"UPDATE ledger_balance SET {change}")


def test_a_balance_row_that_starts_with_money_or_other_limits_is_refused(books):
    rows("INSERT INTO ledger_account (code, kind, currency, mode) VALUES ('fresh', 'L', 'VND', 'S')")
    number = account("fresh")
    wide = 4 * 10**18
    for columns, values in [("min_bal, max_bal", (-wide, wide)), ("min_bal, max_bal, bal, seq", (-wide, 0, -5, 1))]:
        with refused(by="ledger_balance_limits_follow_kind"):
            marks = ", ".join(["%s"] * len(values))
            rows(f"INSERT INTO ledger_balance (account_id, {columns}) VALUES (%s, {marks})", (number, *values))


def move_available(amount: int, *, prev_bal: int = -400) -> None:
    """Line and balance row of shop42:available move in one statement, as the posting function does it."""
    number = journal()
    first, second = strict(amount)
    rows(
        "WITH moved AS (UPDATE ledger_balance b SET seq = 2, bal = %(after)s, last_at = j.booked_at FROM ledger_journal j"
        "               WHERE j.id = %(journal)s AND b.account_id = %(available)s)"
        " INSERT INTO ledger_line (journal_id, line, account_id, amount, currency, mode, booked_at, effective_on,"
        "                          seq, prev_seq, prev_bal, bal_after)"
        " SELECT j.id, 1, %(available)s, %(amount)s, 'VND', 'S', j.booked_at, j.effective_on, 2, 1, %(before)s, %(after)s"
        " FROM ledger_journal j WHERE j.id = %(journal)s UNION ALL"
        " SELECT j.id, 2, %(escrow)s, -%(amount)s, 'VND', 'H', j.booked_at, j.effective_on, NULL, NULL, NULL, NULL"
        " FROM ledger_journal j WHERE j.id = %(journal)s",
        {
            "journal": number, "available": first["account_id"], "escrow": second["account_id"], "amount": amount,
            "before": prev_bal, "after": prev_bal + amount,
        },
    )  # fmt: skip


def test_line_and_balance_row_that_move_together_are_accepted(books):
    with transaction.atomic():
        move_available(400)

    assert rows("SELECT bal, seq FROM ledger_balance") == [(0, 2)]


def test_an_overdraft_is_refused_by_the_check_even_when_line_and_balance_agree(books):
    """Every number is right, only the money is not there."""
    with refused(by="ledger_balance_is_not_overdrawn"):
        move_available(401)


def test_a_fork_is_refused_even_when_line_and_balance_agree(books):
    """The line claims a balance before it that the line before does not have, and the balance row follows the lie."""
    with refused(by="ledger_line_continues_its_account"):
        move_available(-50, prev_bal=-1_000_000)


def test_reserving_more_than_there_is_is_refused(books):
    with refused(by="ledger_balance_is_not_overdrawn"):
        rows("UPDATE ledger_balance SET hold_debit = 401")


def test_a_reservation_without_a_hold_is_refused(books):
    with refused(by="ledger_balance_is_the_last_line"):
        rows("UPDATE ledger_balance SET hold_debit = 5")


# --- Currency, zero, overflow ----------------------------------------------------------------------------------------
def test_a_line_in_another_currency_than_its_account_is_refused(books):
    with refused(by="ledger_line_fits_its_account"):
        insert_lines(journal(), *({**line, "currency": "USD"} for line in pair()))


def test_a_line_on_an_account_that_does_not_exist_is_refused(books):
    with refused(by="ledger_line_fits_its_account"):
        insert_lines(journal(), pair()[0], {"account_id": 999999, "amount": -100})


def test_a_line_of_nothing_is_refused(books):
    with refused(by="ledger_line_is_not_zero"):
        insert_lines(journal(), *pair(0))


def test_a_balance_that_would_wrap_is_an_error(books):
    before = fingerprint()
    with pytest.raises(DataError), transaction.atomic():
        insert_lines(journal(), *strict(-(2**63 - 1), prev_bal=-400, bal_after=-400))
    assert fingerprint() == before


def test_sums_beyond_64_bits_do_not_wrap(books):
    huge = 9 * 10**18
    with transaction.atomic():
        for attempt in range(3):
            insert_lines(journal(f"huge:{attempt}"), *pair(huge))

    number = account("gw:momo:clearing")
    assert rows("SELECT ledger_balance_now(%s)", (number,)) == [(3 * huge + 1000,)]


def test_a_line_on_a_closed_account_is_refused(books):
    rows("UPDATE ledger_account SET closed_at = now() WHERE code = 'escrow:shop42'")
    with refused(by="ledger_account_is_open"):
        insert_lines(journal(), *pair())


# --- Once ------------------------------------------------------------------------------------------------------------
def test_a_second_journal_with_the_same_reference_is_refused(books):
    with refused(by="ledger_journal_reference_once"):
        insert_lines(journal(reference="captured"), *pair())


def test_a_second_reversal_is_refused(books):
    number = rows("SELECT id FROM ledger_journal WHERE reference = 'captured'")[0][0]
    with transaction.atomic():
        insert_lines(journal("first", reverses_id=number), *pair(-1000))
    with refused(by="ledger_journal_reversed_once"):
        insert_lines(journal("second", reverses_id=number), *pair(-1000))


def test_a_reversal_that_is_not_exact_is_refused(books):
    number = rows("SELECT id FROM ledger_journal WHERE reference = 'captured'")[0][0]
    with refused(by="ledger_reversal_is_exact"):
        insert_lines(journal(reverses_id=number), *pair(-999))
    with refused(by="ledger_reversal_is_exact"):
        insert_lines(journal(reverses_id=number), *pair(1000))
    with refused(by="ledger_reversal_is_exact"):
        insert_lines(
            journal(lines=4, reverses_id=number),
            *pair(-1000),
            *({**line, "line": n} for n, line in enumerate(pair(), 3)),
        )
    with refused(by="ledger_reversal_is_exact"):
        clearing = account("gw:momo:clearing")
        insert_lines(
            journal(reverses_id=number),
            {"account_id": clearing, "amount": 1000},
            {"account_id": clearing, "amount": -1000},
        )


def test_a_reversal_of_nothing_is_refused(books):
    with refused(by="ledger_journal_reverses_a_journal"):
        insert_lines(journal(reverses_id=999999), *pair())


# --- Time ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["closing", "closed"])
def test_a_journal_in_a_period_that_is_closing_or_closed_is_refused(books, state):
    period = open_period(starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 30))
    rows("UPDATE ledger_period SET state = 'closing' WHERE id = %s", (period.pk,))
    if state == "closed":
        rows("UPDATE ledger_period SET state = 'closed', closed_at = now(), totals = '{}' WHERE id = %s", (period.pk,))
    with refused(by="ledger_period_is_open"):
        insert_lines(journal(), *pair())
    with transaction.atomic():
        insert_lines(journal(effective_on=date(2026, 12, 1)), *({**line} for line in pair()))


@pytest.mark.parametrize("change", ["state = 'open'", "state = 'closing'", "ends_on = '2026-12-31'"])
def test_a_closed_period_stays_as_it_is(books, change):
    period = open_period(starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 30))
    rows("UPDATE ledger_period SET state = 'closing' WHERE id = %s", (period.pk,))
    rows("UPDATE ledger_period SET state = 'closed', closed_at = now(), totals = '{}' WHERE id = %s", (period.pk,))
    with refused(by="ledger_period_moves_forward"):
        rows(f"UPDATE ledger_period SET {change}")


def test_periods_that_share_a_day_are_refused(books):
    open_period(starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 30))
    with refused(by="ledger_period_does_not_overlap"):
        rows("INSERT INTO ledger_period (starts_on, ends_on) VALUES ('2026-11-30', '2026-12-31')")


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_posting_in_another_isolation_level_is_refused(books, level):
    first, second = pair()
    before = fingerprint()
    with pytest.raises(Exception) as caught, transaction.atomic():
        rows(f"SET TRANSACTION ISOLATION LEVEL {level}")
        insert_lines(journal(), first, second)
    assert constraint_of(caught.value) == "ledger_posts_read_committed"
    with pytest.raises(Exception) as caught, transaction.atomic():
        rows(f"SET TRANSACTION ISOLATION LEVEL {level}")
        books(debit(chart.gateway_clearing("momo"), vnd(5)), credit(chart.escrow("shop42"), vnd(5)))
    assert constraint_of(caught.value) == "ledger_posts_read_committed"
    assert fingerprint() == before


# --- Holds -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def hold(books) -> int:
    """100 of shop42's 400 are held."""
    with transaction.atomic():
        return rows("SELECT hold_id FROM ledger_place_hold('h', 'shop42:available', 'VND', 'D', 100, 'x', '', now())")[
            0
        ][0]


@pytest.mark.parametrize(
    "change", ["amount = 50", "remaining = 100, side = 'C'", "reference = 'x'", "account_id = account_id + 1"]
)
def test_a_hold_keeps_its_identity(hold, change):
    with refused(by="ledger_hold_keeps_identity"):
        rows(f"UPDATE ledger_hold SET {change}")


def test_a_hold_that_shrinks_without_an_event_is_refused(hold):
    with refused(by="ledger_hold_equals_its_events"):
        rows("UPDATE ledger_hold SET remaining = 0")


def test_an_event_without_its_hold_shrinking_is_refused(hold):
    with refused(by="ledger_hold_equals_its_events"):
        rows(
            "INSERT INTO ledger_hold_event (hold_id, kind, amount, actor, at) VALUES (%s, 'released', 100, 'x', now())",
            (hold,),
        )


def test_a_hold_without_events_and_reservation_is_refused(hold):
    with refused(by="ledger_hold_equals_its_events"):
        rows(
            "INSERT INTO ledger_hold (reference, account_id, side, amount, remaining, placed_at) VALUES ('y', %s, 'D', 5, 5, now())",
            (account("shop42:available"),),
        )


def test_giving_back_a_reservation_while_the_hold_stands_is_refused(hold):
    with refused(by="ledger_balance_is_the_last_line"):
        rows("UPDATE ledger_balance SET hold_debit = 0")


def test_hold_events_are_append_only(hold):
    with refused(by="ledger_append_only"):
        rows("UPDATE ledger_hold_event SET amount = 1")
    with refused(by="ledger_append_only"):
        rows("DELETE FROM ledger_hold_event")


def test_a_savepoint_that_is_rolled_back_leaves_nothing(books):
    before = fingerprint()
    with transaction.atomic():
        point = transaction.savepoint()
        books(debit(chart.shop_available("shop42"), vnd(100)), credit(chart.shop_in_payout("shop42"), vnd(100)))
        transaction.savepoint_rollback(point)
    assert fingerprint()[1:4] == before[1:4]
