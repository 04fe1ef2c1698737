"""Whoever switches the guards off and changes a row is found, and the first bad journal is named."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import transaction

from ledger import chart
from ledger.proof import verify
from ledger.services import Posted, credit, debit, place_hold, reverse
from tests.ledger.conftest import NOON, fold_all, rows, vnd

pytestmark = pytest.mark.django_db(transaction=True)
CLEARING, ESCROW, AVAILABLE = chart.gateway_clearing("momo"), chart.escrow("shop42"), chart.shop_available("shop42")
Book = Callable[..., Posted]


@pytest.fixture
def journals(book: Book) -> list[int]:
    """Six journals (captured, available, payout, captured, its reversal, captured) and a hold, all but the last folded."""
    made = [
        book(debit(CLEARING, vnd(1000)), credit(ESCROW, vnd(1000))),
        book(debit(ESCROW, vnd(400)), credit(AVAILABLE, vnd(400))),
        book(debit(AVAILABLE, vnd(100)), credit(chart.shop_in_payout("shop42"), vnd(100))),
        book(debit(CLEARING, vnd(50)), credit(ESCROW, vnd(50))),
    ]
    with transaction.atomic():
        made.append(
            reverse(reference="undo", journal_id=made[3].journal_id, occurred_at=NOON, actor="anna", reason="mistake")
        )
        place_hold(reference="h", account=AVAILABLE, money=vnd(30), at=NOON)
    fold_all()
    made.append(book(debit(CLEARING, vnd(7)), credit(ESCROW, vnd(7))))
    assert verify().findings == ()
    return [posted.journal_id for posted in made]


def tamper(sql: str, *parameters: object) -> None:
    """As a superuser with all triggers and foreign keys asleep."""
    with transaction.atomic():
        rows("SET LOCAL session_replication_role = replica")
        rows(sql, parameters)


def test_a_clean_ledger_is_clean(journals: list[int]) -> None:
    proof = verify()
    assert (proof.journals, proof.lines, proof.is_clean, proof.first_bad_journal) == (6, 12, True, None)


def test_an_empty_ledger_is_clean(transactional_db: None) -> None:
    assert verify().is_clean


@pytest.mark.parametrize(
    ("sql", "at_fault"),
    [
        ("UPDATE ledger_line SET amount = amount + 1 WHERE journal_id = %s AND line = 1", 0),
        ("UPDATE ledger_line SET amount = amount * 2 WHERE journal_id = %s", 0),  # still balanced
        ("UPDATE ledger_line SET amount = amount * 2 WHERE journal_id = %s", 5),  # not folded yet
        ("UPDATE ledger_line SET amount = amount * 2, bal_after = bal_after - 400 WHERE journal_id = %s", 1),
        ("UPDATE ledger_line SET account_id = (SELECT id FROM ledger_account WHERE code = 'escrow:shop42') WHERE journal_id = %s AND line = 1", 0),
        ("UPDATE ledger_line SET journal_id = journal_id + 1, line = line + 2 WHERE journal_id = %s AND line = 2", 0),
        ("UPDATE ledger_line SET currency = 'USD' WHERE journal_id = %s", 3),
        ("UPDATE ledger_line SET effective_on = effective_on - 1 WHERE journal_id = %s", 0),
        ("UPDATE ledger_line SET booked_at = booked_at - interval '1 day' WHERE journal_id = %s", 2),
        ("UPDATE ledger_line SET xid = '5' WHERE journal_id = %s", 5),
        ("UPDATE ledger_line SET bal_after = bal_after - 1, prev_bal = prev_bal - 1 WHERE journal_id = %s AND seq = 2", 2),
        ("UPDATE ledger_line SET seq = seq + 9, prev_seq = prev_seq + 9 WHERE journal_id = %s AND mode = 'S'", 1),
        ("UPDATE ledger_line SET line = line + 5 WHERE journal_id = %s", 4),
        ("DELETE FROM ledger_line WHERE journal_id = %s AND line = 2", 0),
        ("DELETE FROM ledger_line WHERE journal_id = %s", 0),
        ("DELETE FROM ledger_journal WHERE id = %s", 0),
        ("UPDATE ledger_journal SET lines = 3 WHERE id = %s", 0),
        ("UPDATE ledger_journal SET reverses_id = NULL WHERE id = %s", 4),
        ("UPDATE ledger_journal SET effective_on = effective_on + 1 WHERE id = %s", 2),
    ],
)  # fmt: skip
def test_a_changed_row_is_found_and_its_journal_named(journals: list[int], sql: str, at_fault: int) -> None:
    tamper(sql, journals[at_fault])
    assert verify().first_bad_journal == journals[at_fault]


def test_a_reversal_that_was_made_to_differ_is_found(journals: list[int]) -> None:
    tamper("UPDATE ledger_journal SET reverses_id = %s WHERE id = %s", journals[0], journals[4])
    assert {finding.check for finding in verify().findings} == {"journal_lines", "reversals"}
    assert verify().first_bad_journal == journals[4]


def test_a_forged_journal_is_found(journals: list[int]) -> None:
    """Balanced and numbered, but nobody's request."""
    tamper(
        "WITH j AS (INSERT INTO ledger_journal (reference, request_hash, event, actor, lines, effective_on, booked_at)"
        " VALUES ('forged', sha256('x'), 'e', 'a', 2, '2026-11-20', now()) RETURNING *)"
        " INSERT INTO ledger_line (journal_id, line, account_id, amount, currency, mode, booked_at, effective_on)"
        " SELECT j.id, n, (SELECT id FROM ledger_account WHERE code = c), a, 'VND', 'H', j.booked_at, j.effective_on"
        " FROM j, (VALUES (1, 'gw:momo:clearing', 9), (2, 'escrow:shop42', -9)) AS v (n, c, a)"
    )
    forged = rows("SELECT id FROM ledger_journal WHERE reference = 'forged'")[0][0]
    assert verify().first_bad_journal == forged


@pytest.mark.parametrize(
    ("sql", "check"),
    [
        ("UPDATE ledger_balance SET bal = bal - 5 WHERE seq = 2", "balances"),
        ("UPDATE ledger_balance SET seq = 1, bal = -400 WHERE seq = 2", "balances"),
        ("UPDATE ledger_balance SET max_bal = 1000", "balances"),
        ("DELETE FROM ledger_balance WHERE seq = 1", "balances"),
        ("UPDATE ledger_balance SET hold_debit = 0", "holds"),
        ("UPDATE ledger_hold SET remaining = 0", "holds"),
        ("DELETE FROM ledger_hold_event", "holds"),
        ("DELETE FROM ledger_hold", "holds"),
        ("UPDATE ledger_rollup SET debit = debit + 1", "rollups"),
        ("DELETE FROM ledger_rollup", "rollups"),
        ("UPDATE ledger_period_balance SET credit = credit + 1 WHERE grain = 'd'", "period_balances"),
        ("DELETE FROM ledger_period_balance WHERE grain = 'h'", "period_balances"),
    ],
)  # fmt: skip
def test_a_changed_sum_is_found(journals: list[int], sql: str, check: str) -> None:
    tamper(sql)
    assert {finding.check for finding in verify().findings} == {check}


def test_a_deleted_journal_with_its_lines_is_found_by_the_folded_sums(journals: list[int]) -> None:
    tamper("DELETE FROM ledger_line WHERE journal_id = %s", journals[0])
    tamper("DELETE FROM ledger_journal WHERE id = %s", journals[0])
    assert {finding.check for finding in verify().findings} == {"rollups", "period_balances"}


def test_guards_that_are_switched_off_are_found(journals: list[int]) -> None:
    rows("ALTER TABLE ledger_line DISABLE TRIGGER ledger_check_lines")
    try:
        assert [finding.subject for finding in verify().findings] == ["ledger_check_lines"]
    finally:
        rows("ALTER TABLE ledger_line ENABLE TRIGGER ledger_check_lines")
    assert verify().is_clean


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("verify_ledger", *arguments, stdout=out)
    except SystemExit as stopped:
        return int(stopped.code), out.getvalue()
    return 0, out.getvalue()


def test_the_command_says_clean_or_names_the_first_bad_journal(journals: list[int]) -> None:
    assert run() == (0, "Clean: 6 journals, 12 lines.\n")
    assert json.loads(run("--json")[1]) == {
        "clean": True,
        "journals": 6,
        "lines": 12,
        "first_bad_journal": None,
        "findings": [],
    }

    tamper("UPDATE ledger_line SET amount = amount * 2 WHERE journal_id = ANY(%s)", [journals[0], journals[5]])

    code, text = run()
    assert code == 7
    assert text.startswith(f"BROKEN: the first bad journal is {journals[0]}.\n")
    code, text = run("--json")
    assert (code, json.loads(text)["first_bad_journal"]) == (7, journals[0])
