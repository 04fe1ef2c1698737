"""Whatever is posted, held, replayed and reversed: every journal and the whole sum to zero, and a dict would say the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from config.core.money import Money
from ledger import chart, selectors
from ledger.chart import AccountRef
from ledger.errors import AlreadyReversed, HoldExhausted, InsufficientFunds, ReferenceReused
from ledger.proof import verify
from ledger.services import Entry, Line, place_hold, post, post_batch, release_hold, reverse
from tests.ledger.conftest import NOON, rows

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNTS = [
    chart.gateway_clearing("momo"), chart.escrow("shop1"), chart.commission(), chart.fee_gateway(), chart.fx_position(),
    chart.shop_available("shop1"), chart.shop_available("shop2"), chart.shop_receivable("shop1"),
]  # fmt: skip
STRICT = [ref for ref in ACCOUNTS if ref.mode == "S"]
CURRENCIES = ["VND", "USD"]


@dataclass
class Model:
    """What a bookkeeper with a dict would know."""

    balances: Counter[tuple[str, str]] = field(default_factory=Counter)
    holds: dict[str, tuple[AccountRef, str, int]] = field(default_factory=dict)
    journals: dict[str, list[Line]] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    reversed: set[str] = field(default_factory=set)

    def room(self, ref: AccountRef, currency: str) -> int:
        """What can be taken from a strict account: debited where we owe, credited where we own."""
        held = sum(amount for account, unit, amount in self.holds.values() if (account, unit) == (ref, currency))
        signed = self.balances[ref.code, currency]
        return (signed if ref.kind in "AE" else -signed) - held

    def fits(self, lines: list[Line]) -> bool:
        after = Counter(self.balances)
        for line in lines:
            after[line.account.code, line.money.currency] += line.money.minor
        touched = {(line.account, line.money.currency) for line in lines if line.account.mode == "S"}
        for ref, currency in touched:
            held = sum(amount for account, unit, amount in self.holds.values() if (account, unit) == (ref, currency))
            signed = after[ref.code, currency]
            if (signed if ref.kind in "AE" else -signed) < held:
                return False
        return True

    def apply(self, reference: str, lines: list[Line], journal_id: int) -> None:
        for line in lines:
            self.balances[line.account.code, line.money.currency] += line.money.minor
        self.journals[reference], self.ids[reference] = lines, journal_id


def balanced(parts: list[tuple[int, int]], last: int, currency: str) -> list[Line]:
    """Lines from (account, amount) pairs, made whole by one more."""
    lines = [Line(ACCOUNTS[place], Money(amount, currency)) for place, amount in parts if amount]
    rest = -sum(line.money.minor for line in lines)
    return [*lines, Line(ACCOUNTS[last], Money(rest, currency))] if rest else lines


places = st.integers(0, len(ACCOUNTS) - 1)
journals = st.builds(
    balanced, st.lists(st.tuples(places, st.integers(-500, 500)), min_size=1, max_size=4), places, st.sampled_from(CURRENCIES)
).filter(lambda lines: len(lines) >= 2)  # fmt: skip
operations = st.one_of(
    st.tuples(st.just("post"), journals),
    st.tuples(st.just("batch"), st.lists(journals, min_size=1, max_size=3)),
    st.tuples(st.just("replay"), st.integers(0, 30)),
    st.tuples(st.just("reuse"), st.integers(0, 30), journals),
    st.tuples(st.just("reverse"), st.integers(0, 30)),
    st.tuples(st.just("hold"), st.sampled_from(STRICT), st.sampled_from(CURRENCIES), st.integers(1, 300)),
    st.tuples(st.just("release"), st.integers(0, 30), st.integers(1, 300)),
)


class Bookkeeper:
    """Does each operation in the ledger and in the model, and knows which refusal is due."""

    def __init__(self) -> None:
        self.model = Model()
        self.step = 0

    def do(self, operation: tuple) -> None:
        self.step += 1
        with transaction.atomic():
            getattr(self, operation[0])(*operation[1:])

    def post(self, lines: list[Line]) -> None:
        reference = f"p:{self.step}"
        more = {"event": "e", "lines": lines, "occurred_at": NOON + timedelta(days=self.step % 40)}
        if self.model.fits(lines):
            self.model.apply(reference, lines, post(reference=reference, **more).journal_id)
        else:
            with pytest.raises(InsufficientFunds):
                post(reference=reference, **more)

    def batch(self, several: list[list[Line]]) -> None:
        entries = [
            Entry(reference=f"b:{self.step}:{n}", event="e", lines=lines, occurred_at=NOON)
            for n, lines in enumerate(several)
        ]
        if self.model.fits([line for lines in several for line in lines]):
            for entry, posted in zip(entries, post_batch(entries), strict=True):
                self.model.apply(entry.reference, list(entry.lines), posted.journal_id)
        else:
            with pytest.raises(InsufficientFunds):
                post_batch(entries)

    def replay(self, place: int) -> None:
        if reference := self._pick(place):
            again = post(reference=reference, event="e", lines=self.model.journals[reference][::-1], occurred_at=NOON)
            assert (again.journal_id, again.is_new) == (self.model.ids[reference], False)

    def reuse(self, place: int, lines: list[Line]) -> None:
        reference = self._pick(place)
        if reference and Counter(lines) != Counter(self.model.journals[reference]) and self.model.fits(lines):
            with pytest.raises(ReferenceReused):
                post(reference=reference, event="e", lines=lines, occurred_at=NOON)

    def reverse(self, place: int) -> None:
        if not (reference := self._pick(place)):
            return
        undone = [Line(line.account, -line.money) for line in self.model.journals[reference]]
        request = {
            "reference": f"r:{self.step}",
            "journal_id": self.model.ids[reference],
            "occurred_at": NOON,
            "actor": "a",
            "reason": "r",
        }
        if reference in self.model.reversed:
            with pytest.raises(AlreadyReversed):
                reverse(**request)
        elif not self.model.fits(undone):
            with pytest.raises(InsufficientFunds):
                reverse(**request)
        else:
            reverse(**request)
            self.model.reversed.add(reference)
            for line in undone:
                self.model.balances[line.account.code, line.money.currency] += line.money.minor

    def hold(self, ref: AccountRef, currency: str, amount: int) -> None:
        request = {"reference": f"h:{self.step}", "account": ref, "money": Money(amount, currency), "at": NOON,
                   "side": "C" if ref.kind in "AE" else "D"}  # fmt: skip
        if self.model.room(ref, currency) >= amount:
            place_hold(**request)
            self.model.holds[f"h:{self.step}"] = (ref, currency, amount)
        else:
            with pytest.raises(InsufficientFunds):
                place_hold(**request)

    def release(self, place: int, amount: int) -> None:
        if not self.model.holds:
            return
        reference = sorted(self.model.holds)[place % len(self.model.holds)]
        ref, currency, held = self.model.holds[reference]
        if amount > held:
            with pytest.raises(HoldExhausted):
                release_hold(reference=reference, at=NOON, amount_minor=amount)
        else:
            release_hold(reference=reference, at=NOON, amount_minor=amount)
            self.model.holds[reference] = (ref, currency, held - amount)

    def _pick(self, place: int) -> str | None:
        known = sorted(self.model.journals)
        return known[place % len(known)] if known else None


@given(st.lists(operations, max_size=25))
def test_the_books_equal_a_dict_whatever_happens(steps: list[tuple]) -> None:
    bookkeeper = Bookkeeper()
    with transaction.atomic():
        for operation in steps:
            bookkeeper.do(operation)

        assert rows(
            "SELECT count(*) FROM (SELECT 1 FROM ledger_line GROUP BY journal_id, currency HAVING sum(amount) <> 0) s"
        ) == [(0,)]
        trial = {(row.code, row.currency): row.balance_minor for row in selectors.trial_balance().rows}
        assert trial == {key: amount for key, amount in bookkeeper.model.balances.items() if amount}
        assert sum(trial.values()) == 0
        for ref in ACCOUNTS:
            for currency in CURRENCIES:
                signed = bookkeeper.model.balances[ref.code, currency]
                assert selectors.balance(ref, currency).minor == (signed if ref.kind in "AE" else -signed)
        for shop in ("shop1", "shop2"):
            ref = chart.shop_available(shop)
            assert selectors.shop_balances(shop, "VND").available.minor == bookkeeper.model.room(ref, "VND")
        assert verify().findings == ()
        rows("SET CONSTRAINTS ALL IMMEDIATE")
        connection.set_rollback(True)
