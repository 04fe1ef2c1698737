"""The cases by name, and how one is run inside its throw-away surroundings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.office.bench import admin, balances, capture, checkout, ledger, relay, server
from config.office.bench.result import Result
from config.office.bench.run import Run, Size
from config.office.bench.server import ServerClock

CASES: Final = ("ledger", "capture", "checkout", "relay", "admin")
NEEDS_KAFKA: Final = frozenset({"relay"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for on the command line."""

    case: str
    hot: bool = False
    batch: int = 0
    balance: bool = False
    compare: str = ""


def run_inside(
    wanted: Wanted, *, size: Size, folder: Path, binaries: Path, on_step: Callable[[str, int, int], None]
) -> Result:
    """Measure on the server of this folder. Raises BenchRefused on any other one, NotDurable on a forgetful one."""
    server.refuse_unless_ours(folder)
    server.refuse_unless_durable()
    run = Run(
        size=size,
        folder=folder,
        binaries=binaries,
        port=int(os.environ["DATABASE_URL"].rpartition(":")[2].partition("/")[0]),
        clock=ServerClock(folder),
        on_step=on_step,
    )
    facts = server.facts()
    result = _measure(wanted, run)
    result.facts = {**facts, "rounds": str(size.rounds), "load average after": server.facts()["load average"]}
    return result


def _measure(wanted: Wanted, run: Run) -> Result:
    if wanted.case == "ledger" and wanted.hot:
        return ledger.measure_hot(run)
    if wanted.case == "ledger" and wanted.batch:
        return ledger.measure_batch(run, size=wanted.batch)
    if wanted.case == "ledger" and wanted.balance:
        return balances.measure(run)
    if wanted.case == "capture":
        return capture.compare_with_orm(run) if wanted.compare else capture.measure(run)
    if wanted.case == "checkout":
        return checkout.measure(run)
    if wanted.case == "relay":
        return relay.measure(run)
    if wanted.case == "admin":
        return admin.measure(run)
    return ledger.measure(run)
