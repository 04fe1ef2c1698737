"""The yardstick: pgbench's TPC-B with prepared statements, what PostgreSQL itself does for a comparable write."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

from config.office.bench.errors import BenchRefused
from config.office.bench.processes import run
from config.office.bench.result import Measured
from config.office.bench.run import Run
from config.office.bench.stores import YARDSTICK

DONE: Final = re.compile(r"number of transactions actually processed: (\d+)")
TPS: Final = re.compile(r"tps = ([0-9.]+) \(without initial connection time\)")
MAX_JOBS: Final = 2


class Yardstick:
    """TPC-B on a database beside the product's, in the same server."""

    def __init__(self, at_hand: Run, *, clients: int) -> None:
        """Fill its tables. Scale 1 would flatter whoever is compared with it: all clients wait for one row."""
        self._run, self._clients = at_hand, clients
        at_hand.on_step(f"filling the yardstick's tables (scale {at_hand.size.scale})", 0, 1)
        self._pgbench("-i", "-q", "-s", str(at_hand.size.scale))
        at_hand.on_step("filling the yardstick's tables", 1, 1)

    def __call__(self, number: int) -> Measured:
        """One round."""
        before, began = self._run.clock.read(), time.perf_counter()
        seconds = max(round(self._run.size.seconds), 1)
        words = self._pgbench(
            "-n", "-M", "prepared", "-T", str(seconds),
            "-c", str(self._clients), "-j", str(min(self._clients, MAX_JOBS)),
        )  # fmt: skip
        done, rate = DONE.search(words), TPS.search(words)
        if not done or not rate or not int(done[1]):
            raise BenchRefused(f"pgbench said nothing to count:\n{words[-500:]}")
        count = int(done[1])
        assert time.perf_counter() - began >= seconds, "pgbench ran for its whole time"
        return Measured(
            operations=count,
            seconds=count / float(rate[1]),
            server_cpu=self._run.clock.read() - before,
        )

    def _pgbench(self, *options: str) -> str:
        command: list[str | Path] = [
            self._run.binaries / "pgbench",
            "-h",
            "127.0.0.1",
            "-p",
            str(self._run.port),
            "-U",
            "postgres",
        ]
        done = run([*command, *options, YARDSTICK])
        if done.returncode:
            raise BenchRefused(f"pgbench failed: {done.stderr.strip()[-500:]}")
        return done.stdout
