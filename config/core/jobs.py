"""Scheduled work: one run at a time, and the last run of each job kept for health, metrics and the admin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Final, ParamSpec

import structlog
from django.db import connection
from django.utils import timezone

from config.core.models import JobRun

Arguments = ParamSpec("Arguments")

RUNNING: Final = "running"
OK: Final = "ok"
FAILED: Final = "failed"
MAX_ERROR: Final = 2000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Run:
    """A run at hand; the job counts here what it handled."""

    name: str
    started_at: datetime
    handled: int = 0


@contextmanager
def running(name: str) -> Iterator[Run]:
    """Record one run of a job: when, how it ended, how much it handled. What the block raises is recorded and goes on.

    Opens and closes its own small transactions around the block, never one around the work.
    """
    run = Run(name, timezone.now())
    JobRun.objects.update_or_create(
        name=name, defaults={"started_at": run.started_at, "finished_at": None, "outcome": RUNNING, "error": ""}
    )
    clock = time.monotonic()
    try:
        yield run
    except Exception as error:  # whatever a job dies of is recorded, then raised again
        _finish(run, time.monotonic() - clock, FAILED, f"{type(error).__name__}: {error}"[:MAX_ERROR])
        raise
    _finish(run, time.monotonic() - clock, OK, "")


def job(name: str) -> Callable[[Callable[Arguments, int | None]], Callable[Arguments, int]]:
    """Record every call of a function as a run of this job; what it returns is how much it handled."""

    def decorate(work: Callable[Arguments, int | None]) -> Callable[Arguments, int]:
        @wraps(work)
        def recorded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
            with running(name) as run:
                run.handled = work(*args, **kwargs) or 0
            return run.handled

        return recorded

    return decorate


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Hold the house's lock of this name for the block; False when another process, or connection, holds it.

    A session-level advisory lock: it outlives the transactions of the block and ends with the connection, so nothing is
    left behind by a crash. It needs a session of PostgreSQL of its own (no transaction pooling in between).
    """
    held = _ask("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)
    try:
        yield held
    finally:
        # A connection that broke took the lock with it, and a new one never had it.
        if held and connection.connection is not None and not connection.connection.closed:
            _ask("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", name)


def _ask(sql: str, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, (name,))
        (answer,) = cursor.fetchone()
    return bool(answer)


def _finish(run: Run, seconds: float, outcome: str, error: str) -> None:
    finished_at = timezone.now()
    changes: dict[str, object] = {
        "finished_at": finished_at,
        "duration_ms": round(seconds * 1000),
        "outcome": outcome,
        "handled": run.handled,
        "error": error,
    }
    if outcome == OK:
        changes["last_success_at"] = finished_at
    JobRun.objects.filter(name=run.name).update(**changes)
    if outcome == OK:
        log.info("job finished", job=run.name, handled=run.handled, duration_ms=changes["duration_ms"])
    else:
        log.error("job failed", job=run.name, error=error, duration_ms=changes["duration_ms"])
