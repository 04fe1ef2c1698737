"""The product's web process, as in production: granian, WSGI, two workers."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from config.office.bench.errors import BenchRefused
from config.office.bench.load import Connection
from config.office.bench.processes import Child, cpu_seconds, dies_with_us, free_port

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Web:
    """A running web process."""

    port: int
    child: Child

    def cpu(self) -> float:
        """CPU seconds of it and its workers."""
        return cpu_seconds(self.child.pid)


@contextmanager
def served(*, folder: Path, name: str = "web", application: str = "config.wsgi:application") -> Iterator[Web]:
    """Serve the product in this process's environment; stop it afterwards. Raises BenchRefused."""
    beside = Path(sys.executable).with_name("granian")
    granian = str(beside) if beside.exists() else shutil.which("granian")
    if not granian:
        raise BenchRefused("granian, the web server, is not installed here.")
    port = free_port()
    command = [*dies_with_us("TERM"), granian, "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--blocking-threads", str(settings.WEB_THREADS), "--no-access-log"]
    child = Child(
        name=f"The web process ({name})",
        command=[*command, application],
        log=folder / f"{name}.log",
        env=os.environ,
        folder=Path(settings.BASE_DIR),
    )

    def answers() -> bool:
        try:
            connection = Connection(port)
        except OSError:
            return False
        try:
            return connection.ask(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status == 200
        except (OSError, BenchRefused):
            return False
        finally:
            connection.close()

    try:
        child.wait_until(answers)
        yield Web(port, child)
    finally:
        child.stop()
