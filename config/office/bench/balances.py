"""The case `ledger --balance`: what an account is worth, now and then, however long its history is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.utils import timezone

from config.core.money import Money
from config.office.bench import ground, server
from config.office.bench.result import Check, Figure, Result, percentile
from config.office.bench.run import Run, settle
from ledger import chart, selectors
from ledger import services as ledger

LINES: Final = 10_000_000
ASKED: Final = 200
AGE: Final = timedelta(seconds=62_000_000)
ACCOUNT: Final = chart.gateway_clearing("bench")
OTHER: Final = chart.suspense_over()
EACH: Final = Money(1_000, "VND")


def measure(run: Run) -> Result:
    """Milliseconds of one answer, on one account with so many lines."""
    count = run.size.rows or LINES
    result = Result(case="ledger --balance", about=f"one account with {count:,} lines")
    run.on_step(f"loading {count:,} lines", 0, 1)
    ledger.open_accounts([(ACCOUNT, "VND"), (OTHER, "VND")])
    ground.run("lines.sql", count=count, code=ACCOUNT.code, other=OTHER.code)
    ledger.fold(on_portion=lambda lines: run.on_step("folding", 0, 1))
    ground.tidy()
    settle()
    dice, now = random.Random(7), timezone.now()  # noqa: S311 - which moment, not a secret
    asked: dict[str, Callable[[], Money]] = {
        "balance now": lambda: selectors.balance(ACCOUNT, "VND"),
        "balance at a booking time": lambda: selectors.balance_at(ACCOUNT, "VND", now - dice.random() * AGE),
        "balance on an effective date": lambda: selectors.balance_on(
            ACCOUNT, "VND", (now - dice.random() * AGE).date()
        ),
    }
    for number, (name, ask) in enumerate(asked.items()):
        run.on_step(name, number, len(asked))
        result.figures.append(_timed(name, ask))
    result.checks = [
        Check(f"{count} lines on the account", server.count("ledger_line", "amount > 0") == count),
        Check("the balance is their sum", selectors.balance(ACCOUNT, "VND") == Money(count * EACH.minor, "VND")),
    ]
    return result


def _timed(name: str, ask: Callable[[], Money]) -> Figure:
    taken: list[float] = []
    ask()
    for _ in range(ASKED):
        began = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - began))
    return Figure(
        name=f"{name} (the highest is the p95)",
        median=percentile(taken, 0.5),
        low=min(taken),
        high=percentile(taken, 0.95),
        unit="ms",
        floor=5.0,
        goal=1.0,
        smaller_is_better=True,
    )
