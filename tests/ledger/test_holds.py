"""Holds reserve what a strict account has, and give it back or are consumed by a journal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from config.core.errors import NotFound
from ledger import chart, selectors
from ledger.errors import HoldExhausted, InsufficientFunds, ReferenceReused
from ledger.models import Hold, HoldEvent
from ledger.proof import verify
from ledger.services import Entry, Held, Posted, consume_hold, credit, debit, lock_balances, place_hold, release_hold
from tests.ledger.conftest import NOON, fingerprint, vnd

pytestmark = pytest.mark.django_db(transaction=True)
CLEARING, ESCROW = chart.gateway_clearing("momo"), chart.escrow("shop42")
AVAILABLE, IN_PAYOUT = chart.shop_available("shop42"), chart.shop_in_payout("shop42")
Book = Callable[..., Posted]


@pytest.fixture
def shop_with_400(book: Book) -> Book:
    book(debit(CLEARING, vnd(1000)), credit(ESCROW, vnd(1000)))
    book(debit(ESCROW, vnd(400)), credit(AVAILABLE, vnd(400)))
    return book


def hold(amount: int, reference: str = "po:1") -> Held:
    with transaction.atomic():
        return place_hold(
            reference=reference, account=AVAILABLE, money=vnd(amount), at=NOON, actor="anna", reason="payout"
        )


def payout(amount: int, reference: str = "po:1:sent") -> Entry:
    return Entry(
        reference=reference,
        event="payout.sent",
        lines=[debit(AVAILABLE, vnd(amount)), credit(IN_PAYOUT, vnd(amount))],
        occurred_at=NOON,
    )


def available() -> int:
    return selectors.shop_balances("shop42", "VND").available.minor


def test_what_is_held_is_not_available_and_not_spent(shop_with_400: Book) -> None:
    assert hold(300).is_new
    assert available() == 100
    assert selectors.balance(AVAILABLE, "VND") == vnd(400)
    with pytest.raises(InsufficientFunds):
        shop_with_400(debit(AVAILABLE, vnd(101)), credit(IN_PAYOUT, vnd(101)))
    with pytest.raises(InsufficientFunds):
        hold(101, "po:2")
    shop_with_400(debit(AVAILABLE, vnd(100)), credit(IN_PAYOUT, vnd(100)))
    assert available() == 0


def test_the_same_hold_again_is_the_first_one(shop_with_400: Book) -> None:
    first = hold(300)
    assert hold(300) == Held(first.hold_id, is_new=False)
    with pytest.raises(ReferenceReused):
        hold(299)
    assert Hold.objects.get().remaining_minor == 300


def test_a_hold_on_an_account_that_was_never_used_is_refused(transactional_db: None) -> None:
    with pytest.raises(InsufficientFunds):
        hold(1)
    assert Hold.objects.count() == 0


def test_a_released_hold_is_available_again(shop_with_400: Book) -> None:
    hold(300)
    with transaction.atomic():
        assert release_hold(reference="po:1", at=NOON, amount_minor=120) == 120
    assert available() == 220
    with transaction.atomic():
        assert release_hold(reference="po:1", at=NOON) == 180
        assert release_hold(reference="po:1", at=NOON) == 0
    assert available() == 400
    assert list(HoldEvent.objects.order_by("pk").values_list("kind", "amount_minor")) == [
        ("placed", 300),
        ("released", 120),
        ("released", 180),
    ]


def test_a_hold_gives_no_more_than_it_has(shop_with_400: Book) -> None:
    hold(300)
    before = fingerprint()
    with pytest.raises(HoldExhausted), transaction.atomic():
        release_hold(reference="po:1", at=NOON, amount_minor=301)
    with pytest.raises(HoldExhausted), transaction.atomic():
        consume_hold(reference="po:1", entry=payout(301), at=NOON)
    with pytest.raises(NotFound), transaction.atomic():
        consume_hold(reference="po:9", entry=payout(1), at=NOON)
    with pytest.raises(NotFound), transaction.atomic():
        release_hold(reference="po:9", at=NOON)
    assert fingerprint() == before


def test_a_consumed_hold_posts_its_journal_once(shop_with_400: Book) -> None:
    hold(400)
    with transaction.atomic():
        first = consume_hold(reference="po:1", entry=payout(400), at=NOON)
    with transaction.atomic():
        again = consume_hold(reference="po:1", entry=payout(400), at=NOON)

    assert first.balances == {("shop42:available", "VND"): vnd(0), ("shop42:in_payout", "VND"): vnd(400)}
    assert again == Posted(first.journal_id, False, {})
    assert HoldEvent.objects.get(kind="consumed").journal_reference == "po:1:sent"
    assert Hold.objects.get().remaining_minor == 0
    assert verify().findings == ()


def test_a_hold_consumed_in_part_keeps_the_rest(shop_with_400: Book) -> None:
    hold(300)
    with transaction.atomic():
        consume_hold(reference="po:1", entry=payout(100), at=NOON)
    assert Hold.objects.get().remaining_minor == 200
    assert available() == 100


def test_locked_balances_say_what_can_be_taken(shop_with_400: Book) -> None:
    receivable = chart.shop_receivable("shop42")
    shop_with_400(debit(receivable, vnd(70)), credit(ESCROW, vnd(70)))
    hold(300)
    with transaction.atomic():
        free = lock_balances([(AVAILABLE, "VND"), (receivable, "VND"), (chart.shop_reserve("shop42"), "VND")])
    assert free == {
        ("shop42:available", "VND"): vnd(100),
        ("shop42:receivable", "VND"): vnd(70),
        ("shop42:reserve", "VND"): vnd(0),
    }


def test_a_hold_on_the_credit_side_keeps_a_debt_from_being_paid_off(book: Book) -> None:
    receivable = chart.shop_receivable("shop42")
    book(debit(receivable, vnd(100)), credit(CLEARING, vnd(100)))
    with transaction.atomic():
        place_hold(reference="wo:1", account=receivable, money=vnd(60), at=NOON, side="C")
    with pytest.raises(InsufficientFunds):
        book(debit(CLEARING, vnd(41)), credit(receivable, vnd(41)))
    write_off = Entry(
        reference="wo:1",
        event="written_off",
        lines=[debit(chart.loss_baddebt(), vnd(60)), credit(receivable, vnd(60))],
        occurred_at=NOON,
    )
    with transaction.atomic():
        assert consume_hold(reference="wo:1", entry=write_off, at=NOON).balances == {
            ("shop42:receivable", "VND"): vnd(40)
        }
