"""Child processes of a measurement: started, timed by the kernel's own clocks, and stopped for certain."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from config.office.bench.errors import BenchRefused

PATIENCE_SECONDS: Final = 20.0


def free_port() -> int:
    """A TCP port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dies_with_us(signal_name: str) -> list[str]:
    """On Linux the kernel stops a child whose parent was killed, so nothing is left behind."""
    return ["setpriv", "--pdeathsig", signal_name, "--"] if shutil.which("setpriv") else []


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of our own to its end, with its words kept."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, env=env)  # noqa: S603 - our own


class Child:
    """One process in a group of its own, with its words in a log file."""

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name, self.log, self._stop_signal = name, log, stop_signal
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(env) if env is not None else None,
                cwd=folder,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process at the root of its tree."""
        return self._process.pid

    def wait_until(self, is_ready: Callable[[], bool], *, seconds: float = 60.0) -> None:
        """Poll until it is ready. Raises BenchRefused with the end of its log when it dies or takes too long."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = self.log.read_text(errors="replace")[-1500:]
                raise BenchRefused(f"{self.name} did not start:\n{words}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to stop; kill the whole group if it does not."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of all that it started, and of those of them that have ended (proc(5)).

    Raises BenchRefused where there is no /proc.
    """
    ticks = sum(_ticks(one) for one in _tree(pid))
    return ticks / os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:  # grows while it is read
        for task in Path(f"/proc/{parent}/task").glob("*"):
            try:
                found += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                continue  # ended while we looked
    return found


def _ticks(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        if not Path("/proc/self/stat").exists():
            raise BenchRefused("CPU time is read from /proc, which this system does not have; use Linux.") from None
        return 0  # it ended; its parent has its time now
    # utime, stime, cutime, cstime are fields 14 to 17; the split begins at field 3.
    return sum(int(after_name[index]) for index in (11, 12, 13, 14))
