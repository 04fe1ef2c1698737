"""dev.py: processes that come back, and that stop in the right order with nothing left running."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dev

Start = Callable[..., dev.Child]

SAYS_WHEN_STOPPED = """
import signal, sys, time
name, file = sys.argv[1:]
def stop(*_):
    time.sleep(0.2)
    open(file, "a").write(name + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
while True:
    time.sleep(10)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start Python code as a supervised child and wait until it has printed a line."""
    children: list[dev.Child] = []

    def start_child(code: str, *arguments: str, name: str = "child", patience: float = 10) -> dev.Child:
        child = dev.Child(
            name=name,
            command=[sys.executable, "-c", code, *arguments],
            env=dict(os.environ),
            log=tmp_path / f"{name}.log",
            patience=patience,
        )
        child.start()
        children.append(child)
        dev.wait_ready(child, lambda: bool(child.log.read_text()), seconds=10)
        return child

    yield start_child
    for child in children:
        child.signal_group(signal.SIGKILL)
        child.wait_stopped(0)


def test_everything_that_uses_the_stores_stops_before_the_stores_and_those_in_reverse(
    start: Start, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    postgres, valkey, web, worker = (
        start(SAYS_WHEN_STOPPED, name, str(order), name=name) for name in ("postgres", "valkey", "web", "worker")
    )

    dev.stop_in_order([web, worker], [postgres, valkey])

    stopped = order.read_text().split()
    assert sorted(stopped[:2]) == ["web", "worker"]
    assert stopped[2:] == ["valkey", "postgres"]
    assert not any(child.alive() for child in (postgres, valkey, web, worker))


def test_who_ignores_the_request_to_stop_is_killed_when_its_time_is_over(start: Start) -> None:
    deaf = start(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)", patience=0.3
    )

    began = time.monotonic()
    dev.stop_in_order([deaf], [])

    assert not deaf.alive()
    assert 0.3 <= time.monotonic() - began < 5


def test_children_of_a_child_go_with_it(start: Start) -> None:
    parent = start(
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
    )
    (_, grandchild) = parent.pids()

    dev.stop_in_order([parent], [])

    with pytest.raises(ProcessLookupError):
        wait_gone(grandchild)


def wait_gone(pid: int) -> None:
    """Raises ProcessLookupError as soon as the process is gone."""
    for _ in range(100):
        os.kill(pid, 0)
        time.sleep(0.05)


def test_a_child_that_dies_at_the_start_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('port 80 is taken'); raise SystemExit(3)"]
    child = dev.Child(name="web", command=command, env=dict(os.environ), log=tmp_path / "web.log")
    child.start()

    with pytest.raises(dev.Trouble, match=r"web stopped at once(.|\n)*port 80 is taken"):
        dev.wait_ready(child, lambda: False, seconds=10)


def test_a_child_comes_back_at_once_but_at_most_ten_times_a_minute() -> None:
    child = dev.Child(name="web", command=[], env={}, log=Path("unused"))

    child.starts = [100.0 + second for second in range(9)]
    assert child.may_restart(now=109.0)

    child.starts = [100.0 + second for second in range(10)]
    assert not child.may_restart(now=110.0)
    assert child.may_restart(now=160.5)
