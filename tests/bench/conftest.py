"""Running the bench as people do: as a command, which makes its own server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of the bench ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """What it printed with --json."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def figure(self, name: str) -> dict[str, Any]:
        """The one figure whose name begins so."""
        (found,) = [figure for figure in self.result["figures"] if figure["name"].startswith(name)]
        return dict(found)


@pytest.fixture
def surroundings() -> Iterator[Path]:
    """Where the bench makes its throw-away server: a folder that any user can enter, since PostgreSQL may not be root."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def bench(surroundings: Path) -> Callable[..., Outcome]:
    """`manage.py bench ...`, in a process of its own; small, so that the figures say nothing and the checks everything."""

    def run(*arguments: str) -> Outcome:
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench", *arguments]
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test", "TMPDIR": str(surroundings)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=300)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
