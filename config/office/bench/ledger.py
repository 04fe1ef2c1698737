"""The case `ledger`: what posting through Django costs beside what PostgreSQL does at best."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from django.db import transaction

from config.core.money import Money
from config.office.bench import crew, server
from config.office.bench.result import Check, Measured, Result, figure, of_rounds
from config.office.bench.run import Run
from config.office.bench.yardstick import Yardstick
from ledger import chart, proof
from ledger import services as ledger
from ledger.lines import Entry, Line, credit, debit

GATEWAYS: Final = 500
SHOPS: Final = 5_000
TARGETS: Final = {1: (0.5, 0.8), 4: (0.4, 0.6)}
"""Clients -> floor and goal (docs/performance.md)."""


def measure(run: Run) -> Result:
    """`ledger.post` with two lines on random accounts, as a fraction of TPC-B."""
    clients = run.size.clients or 1
    result = Result(case="ledger", about=f"one journal of two lines per transaction, {clients} client(s)")
    posting = _Posting(run, clients)
    rounds = run.alternate(Yardstick(run, clients=clients), posting.ones, what="journals beside TPC-B")
    floor, goal = TARGETS.get(clients, (None, None))
    result.figures = of_rounds(rounds, name="journals", floor=floor, goal=goal)
    result.checks = posting.checks()
    return result


def measure_hot(run: Run) -> Result:
    """One platform account in every journal, against random accounts."""
    clients = run.size.clients or 4
    result = Result(case="ledger --hot", about=f"one account in every journal, {clients} client(s)")
    posting = _Posting(run, clients)
    rounds = run.alternate(posting.ones, posting.hot_ones, what="one hot account beside random ones")
    result.figures = [
        figure("hot / random accounts", [one.ratio for one in rounds], unit="x", floor=0.8, goal=0.9),
        figure("hot journals per second", [one.case.rate for one in rounds], unit="/s"),
        figure("application CPU per operation", [one.case.app_cpu_ms for one in rounds], unit="ms"),
        figure("PostgreSQL CPU per operation", [one.case.server_cpu_ms for one in rounds], unit="ms"),
    ]
    result.checks = posting.checks()
    return result


def measure_batch(run: Run, *, size: int) -> Result:
    """Many journals per transaction, in journals per second beside TPC-B."""
    clients = run.size.clients or 1
    result = Result(case=f"ledger --batch {size}", about=f"{size} journals per transaction, {clients} client(s)")
    posting = _Posting(run, clients)
    rounds = run.alternate(
        Yardstick(run, clients=clients), lambda _: posting.batches(size), what="batches beside TPC-B"
    )
    result.figures = of_rounds(rounds, name="journals", floor=5.0, goal=10.0)
    result.checks = posting.checks()
    return result


class _Posting:
    """Accounts to post on, and how much was posted."""

    def __init__(self, run: Run, clients: int) -> None:
        self._run, self._clients, self._posted = run, clients, 0
        run.on_step("opening accounts", 0, 1)
        refs = [chart.gateway_clearing(f"bench{number}") for number in range(GATEWAYS)]
        refs += [chart.escrow(f"bench{number}") for number in range(SHOPS)]
        ledger.open_accounts((ref, "VND") for ref in refs)
        server.execute("ANALYZE ledger_account")
        run.on_step("opening accounts", 1, 1)

    def ones(self, _number: int) -> Measured:
        """A journal a transaction, on random accounts."""
        return self._work(lambda client: _one_by_one(client, gateways=GATEWAYS))

    def hot_ones(self, _number: int) -> Measured:
        """A journal a transaction, all of them on one account."""
        return self._work(lambda client: _one_by_one(client, gateways=1))

    def batches(self, size: int) -> Measured:
        """So many journals a transaction."""
        return self._work(lambda client: _in_batches(client, size))

    def checks(self) -> list[Check]:
        """What the books must say after all rounds."""
        found, proved = server.count("ledger_journal"), proof.verify()
        return [
            Check(f"{found} journals in the table, as many as were acknowledged", found == self._posted),
            Check("the ledger proves from its rows: every journal and every account", proved.is_clean),
            Check("no deadlock", server.deadlocks() == 0),
        ]

    def _work(self, job: crew.Job) -> Measured:
        measured = crew.work(job, clients=self._clients, seconds=self._run.size.seconds, clock=self._run.clock)
        self._posted += measured.operations + measured.warm_up
        return measured


def _one_by_one(client: int, *, gateways: int) -> Callable[[], int]:
    entries = _entries(client, gateways=gateways)

    def act() -> int:
        entry = next(entries)
        with transaction.atomic(durable=True):
            ledger.post(reference=entry.reference, event=entry.event, lines=entry.lines, occurred_at=entry.occurred_at)
        return 1

    return act


def _in_batches(client: int, size: int) -> Callable[[], int]:
    entries = _entries(client, gateways=GATEWAYS)

    def act() -> int:
        batch = list(itertools.islice(entries, size))
        with transaction.atomic(durable=True):
            ledger.post_batch(batch)
        return size

    return act


def _entries(client: int, *, gateways: int) -> Iterator[Entry]:
    dice = random.Random()  # noqa: S311 - which account, not a secret
    word = f"{client}:{dice.getrandbits(48):x}"
    for number in itertools.count():
        yield Entry(
            reference=f"bench:{word}:{number}",
            event="bench",
            lines=_lines(dice, gateways),
            occurred_at=datetime.now(UTC),
        )


def _lines(dice: random.Random, gateways: int) -> Sequence[Line]:
    money = Money(dice.randrange(1_000, 5_000_000), "VND")
    return [
        debit(chart.gateway_clearing(f"bench{dice.randrange(gateways)}"), money),
        credit(chart.escrow(f"bench{dice.randrange(SHOPS)}"), money),
    ]
