"""What PostgreSQL says about itself: whether it keeps its promises, how it is set, what went wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from django.db import connection

from config.office.bench.errors import BenchRefused, NotDurable
from config.office.bench.processes import cpu_seconds

MUST_BE_ON: Final = ("fsync", "synchronous_commit", "full_page_writes")
TOLD: Final = (
    *MUST_BE_ON, "server_version", "shared_buffers", "max_wal_size", "checkpoint_timeout", "wal_sync_method",
    "random_page_cost", "jit",
)  # fmt: skip


def refuse_unless_durable() -> None:
    """Raises NotDurable when the server, or this session of it, may forget a commit."""
    off = [name for name, value in _settings(MUST_BE_ON).items() if value != "on"]
    if off:
        raise NotDurable(f"{', '.join(off)} must be on: a commit that may be lost is no yardstick for money.")


def refuse_unless_ours(folder: Path) -> None:
    """Raises BenchRefused when the database is not the throw-away one of this folder."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (where,) = cursor.fetchone()
    if Path(where) != folder / "postgres":
        raise BenchRefused("This is not the bench's own server: it measures on a throw-away one and nowhere else.")


def facts() -> dict[str, str]:
    """Settings of the server, and how busy the machine is."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {**_settings(TOLD), "cores": str(os.cpu_count()), "load average": load}


def deadlocks() -> int:
    """How many deadlocks the server has seen in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def count(table: str, condition: str = "true") -> int:
    """Rows of a table, counted; names and conditions are the bench's own words."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {condition}")  # noqa: S608 - our own text
        return int(cursor.fetchone()[0])


def execute(sql: str, parameters: Mapping[str, str | int | float] | None = None) -> None:
    """Run statements of the bench's own, and commit them."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def postmaster_pid(folder: Path) -> int:
    """The server's process, from its own file."""
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


class ServerClock:
    """CPU seconds that the server has used: all its processes, those that ended included."""

    def __init__(self, folder: Path) -> None:
        self._pid = postmaster_pid(folder)

    def read(self) -> float:
        """Seconds since the server was started."""
        return cpu_seconds(self._pid)


def _settings(names: tuple[str, ...]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY (%s)", [list(names)])
        found = dict(cursor.fetchall())
    return {name: found[name] for name in names if name in found}
