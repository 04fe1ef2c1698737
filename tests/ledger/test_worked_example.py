"""The worked example of the design, journal by journal, to the last đồng (docs/accounts.md explains each)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from ledger import chart, selectors
from ledger.chart import AccountRef
from ledger.errors import InsufficientFunds
from ledger.models import JournalEntry
from ledger.proof import verify
from ledger.services import Entry, Line, Posted, credit, debit, post_batch
from tests.ledger.conftest import fingerprint, fold_all, vnd

pytestmark = pytest.mark.django_db(transaction=True)

Sides = Sequence[tuple[AccountRef, int]]
SHOP42, SHOP43 = "shop42", "shop43"
momo, stripe = chart.gateway_clearing("momo"), chart.gateway_clearing("stripe")
vcb, ghn = chart.bank("vcb"), chart.cod_receivable("ghn")
pending, available, in_payout = chart.shop_pending(SHOP42), chart.shop_available(SHOP42), chart.shop_in_payout(SHOP42)
escrow, clawback, dispute_hold = chart.escrow(SHOP42), chart.clawback(SHOP42), chart.shop_dispute_hold(SHOP42)


def sold_as_1001(order: str) -> list[tuple[str, Sides, Sides]]:
    """Journals 1 to 5: captured, carrier's invoice, delivered, tax, available."""
    return [
        (f"cap:momo:{order}", [(momo, 960_000), (chart.promo_site(), 50_000)],
         [(escrow, 980_000), (chart.shipping_held(), 30_000)]),
        (f"so:{order}:shipping", [(chart.shipping_held(), 30_000)],
         [(chart.carrier_payable("ghn"), 28_000), (chart.shipping_margin(), 2_000)]),
        (f"so:{order}:delivered", [(escrow, 980_000)],
         [(pending, 901_600), (chart.commission(), 71_273), (chart.vat_output(), 7_127)]),
        (f"so:{order}:tax", [(pending, 14_700)], [(chart.tax_withheld(), 14_700)]),
        (f"so:{order}:available", [(pending, 886_900)], [(available, 886_900)]),
    ]  # fmt: skip


def payout_of_1001() -> list[tuple[str, Sides, Sides]]:
    """Journals 6 to 15: part refund, gateway fee, settlement, payouts."""
    return [
        ("re:1:booked", [(clawback, 105_208)], [(chart.refund_payable(), 100_000), (chart.promo_site(), 5_208)]),
        ("cb:1:allocated", [(available, 95_213), (chart.commission(), 7_652), (chart.vat_output(), 765), (chart.tax_withheld(), 1_578)],
         [(clawback, 105_208)]),
        ("re:1:executed", [(chart.refund_payable(), 100_000)], [(momo, 100_000)]),
        ("fee:momo:1", [(chart.fee_gateway(), 10_560), (chart.vat_input(), 1_056)], [(momo, 11_616)]),
        ("set:momo:1", [(vcb, 848_380), (chart.suspense_short(), 4)], [(momo, 848_384)]),
        ("set:momo:1:rounding", [(chart.rounding(), 4)], [(chart.suspense_short(), 4)]),
        ("po:1:sent", [(available, 791_687)], [(in_payout, 791_687)]),
        ("po:1:failed", [(in_payout, 791_687)], [(available, 791_687)]),
        ("po:2:sent", [(available, 791_687)], [(in_payout, 791_687)]),
        ("po:2:paid", [(in_payout, 791_687), (chart.fee_bank(), 2_200)], [(vcb, 793_887)]),
    ]  # fmt: skip


def cod_of_1002() -> list[tuple[str, Sides, Sides]]:
    """Journals 16 to 20: cash on delivery, fully refunded before delivery."""
    return [
        ("cod:1002:collected", [(ghn, 500_000)], [(chart.escrow(SHOP43), 470_000), (chart.shipping_held(), 30_000)]),
        ("cod:1002:remitted", [(vcb, 488_000), (chart.fee_cod(), 12_000)], [(ghn, 500_000)]),
        ("re:2:booked", [(chart.clawback(SHOP43), 470_000), (chart.shipping_held(), 30_000)], [(chart.refund_payable(), 500_000)]),
        ("cb:2:allocated", [(chart.escrow(SHOP43), 470_000)], [(chart.clawback(SHOP43), 470_000)]),
        ("re:2:executed", [(chart.refund_payable(), 500_000)], [(vcb, 500_000)]),
    ]  # fmt: skip


def dispute_of_1003() -> list[tuple[str, Sides, Sides]]:
    """Journals 21 to 27: a card payment charged back and lost."""
    return [
        ("cap:stripe:1003", [(stripe, 200_000)], [(escrow, 200_000)]),
        ("so:1003:delivered", [(escrow, 200_000)], [(pending, 184_000), (chart.commission(), 14_545), (chart.vat_output(), 1_455)]),
        ("so:1003:available", [(pending, 184_000)], [(available, 184_000)]),
        ("dp:1:opened", [(chart.disputed(), 200_000), (chart.fee_chargeback(), 30_000)], [(stripe, 230_000)]),
        ("dp:1:reserved", [(available, 184_000)], [(dispute_hold, 184_000)]),
        ("dp:1:lost", [(clawback, 200_000)], [(chart.disputed(), 200_000)]),
        ("cb:3:allocated", [(dispute_hold, 184_000), (chart.commission(), 14_545), (chart.vat_output(), 1_455)], [(clawback, 200_000)]),
    ]  # fmt: skip


def refund_of_1004() -> list[tuple[str, Sides, Sides]]:
    """Journals 33 to 35: refunded in full after settlement, the platform bears shipping."""
    return [
        ("re:3:booked", [(clawback, 980_000), (chart.shipping_loss(), 30_000)],
         [(chart.refund_payable(), 960_000), (chart.promo_site(), 50_000)]),
        ("cb:4:allocated", [(available, 886_900), (chart.commission(), 71_273), (chart.vat_output(), 7_127), (chart.tax_withheld(), 14_700)],
         [(clawback, 980_000)]),
        ("re:3:executed", [(chart.refund_payable(), 960_000)], [(momo, 960_000)]),
    ]  # fmt: skip


def whole_example() -> list[tuple[str, Sides, Sides]]:
    return [
        *sold_as_1001("1001"), *payout_of_1001(), *cod_of_1002(), *dispute_of_1003(), *sold_as_1001("1004"), *refund_of_1004(),
    ]  # fmt: skip


def as_lines(debits: Sides, credits: Sides) -> list[Line]:
    return [
        *(debit(ref, vnd(amount)) for ref, amount in debits),
        *(credit(ref, vnd(amount)) for ref, amount in credits),
    ]


EXPECTED_DEBITS = {
    "bank:vcb": 42_493, "fee:bank": 2_200, "fee:chargeback": 30_000, "fee:cod": 12_000, "fee:gateway": 10_560,
    "promo:site": 44_792, "rounding": 4, "shipping:loss": 30_000, "vat:input": 1_056,
}  # fmt: skip
EXPECTED_CREDITS = {
    "carrier:ghn:payable": 56_000, "commission": 63_621, "gw:stripe:clearing": 30_000, "shipping:margin": 4_000,
    "tax:withheld": 13_122, "vat:output": 6_362,
}  # fmt: skip


@pytest.mark.parametrize("folded", ["never", "at the end", "after every journal"])
def test_the_worked_example_ends_in_its_trial_balance(book: Callable[..., Posted], folded: str) -> None:
    for reference, debits, credits in whole_example():
        book(*as_lines(debits, credits), reference=reference)
        if folded == "after every journal":
            fold_all()
    if folded == "at the end":
        fold_all()

    result = selectors.trial_balance()

    assert JournalEntry.objects.count() == 35
    assert {row.code: row.debit.minor for row in result.rows if row.debit} == EXPECTED_DEBITS
    assert {row.code: row.credit.minor for row in result.rows if row.credit} == EXPECTED_CREDITS
    assert result.totals == {"VND": (vnd(173_105), vnd(173_105))}
    assert result.is_balanced
    assert verify().findings == ()


def test_the_shop_sees_its_money_move(book: Callable[..., Posted]) -> None:
    seen = []
    for reference, debits, credits in [*sold_as_1001("1001"), *payout_of_1001()]:
        book(*as_lines(debits, credits), reference=reference)
        now = selectors.shop_balances(SHOP42, "VND")
        seen.append(
            (reference, now.pending.minor, now.available.minor, now.in_payout.minor, now.reserved.minor, now.debt.minor)
        )

    assert [seen[i] for i in (0, 2, 3, 4, 6, 11, 12, 14)] == [
        ("cap:momo:1001", 980_000, 0, 0, 0, 0),
        ("so:1001:delivered", 901_600, 0, 0, 0, 0),
        ("so:1001:tax", 886_900, 0, 0, 0, 0),
        ("so:1001:available", 0, 886_900, 0, 0, 0),
        ("cb:1:allocated", 0, 791_687, 0, 0, 0),
        ("po:1:sent", 0, 0, 791_687, 0, 0),
        ("po:1:failed", 0, 791_687, 0, 0, 0),
        ("po:2:paid", 0, 0, 0, 0, 0),
    ]


def test_one_dong_more_than_available_is_not_paid_out(book: Callable[..., Posted]) -> None:
    for reference, debits, credits in [*sold_as_1001("1001"), *payout_of_1001()[:2]]:
        book(*as_lines(debits, credits), reference=reference)
    before = fingerprint()

    with pytest.raises(InsufficientFunds):
        book(*as_lines([(available, 791_688)], [(in_payout, 791_688)]), reference="po:1:sent")

    assert fingerprint() == before
    book(*as_lines([(available, 791_687)], [(in_payout, 791_687)]), reference="po:1:sent")


def test_cash_flow_says_what_came_and_went_per_day_and_account(book: Callable[..., Posted]) -> None:
    day = datetime(2026, 11, 1, 5, tzinfo=UTC)
    for place, (reference, debits, credits) in enumerate(whole_example()):
        book(*as_lines(debits, credits), reference=reference, at=day + timedelta(days=place // 20))
    fold_all()

    first, last = day.date(), (day + timedelta(days=1)).date()
    flow = {
        (row.day, row.code): (row.cash_in.minor, row.cash_out.minor, row.net.minor)
        for row in selectors.cash_flow(first, last)
    }

    assert flow == {
        (first, "gw:momo:clearing"): (960_000, 960_000, 0),
        (first, "bank:vcb"): (1_336_380, 1_293_887, 42_493),
        (first, "cod:ghn:receivable"): (500_000, 500_000, 0),
        (last, "gw:momo:clearing"): (960_000, 960_000, 0),
        (last, "gw:stripe:clearing"): (200_000, 230_000, -30_000),
    }
    assert [row.code for row in selectors.cash_flow(last, last, owner_types=("gateway",))] == [
        "gw:momo:clearing",
        "gw:stripe:clearing",
    ]


def test_a_batch_books_the_same_as_one_after_the_other(book: Callable[..., Posted]) -> None:

    with transaction.atomic():
        posted = post_batch(
            [
                Entry(
                    reference=reference,
                    event="test",
                    lines=as_lines(debits, credits),
                    occurred_at=datetime(2026, 11, 1, tzinfo=UTC),
                )
                for reference, debits, credits in whole_example()
            ]
        )

    assert [result.is_new for result in posted] == [True] * 35
    assert [result.journal_id for result in posted] == sorted(result.journal_id for result in posted)
    assert {row.code: row.debit.minor for row in selectors.trial_balance().rows if row.debit} == EXPECTED_DEBITS
    assert verify().findings == ()
