"""The run that takes away what is too old: a batch of each rule in turn, until nothing is due or its time is over.

Each batch is a small transaction of its own that skips rows somebody holds, so a run that is cut short or killed has
done what it has done, and the next one goes on. What is due is always found by its index, never remembered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import F

from config.core import audit, clock, jobs, metrics
from config.core.errors import Conflict, DomainError
from config.core.retention import policies, registry
from config.core.retention.models import RetentionRun
from config.core.retention.registry import Rule

LOCK: Final = "core.retention"
SYSTEM: Final = "system:retention"
BATCH: Final = 2000
PAUSE_SECONDS: Final = 0.05
"""Between two rounds: replicas and customers come first."""
WORK_SECONDS: Final = 600.0
"""A run begins no further round after so long: it has one of the worker's few places."""
BATCH_LIMIT: Final = "20s"
LOCK_LIMIT: Final = "2s"
COUNT_LIMIT: Final = "120s"

Outcome = RetentionRun.Outcome
log = structlog.get_logger(__name__)


class PurgeFailed(DomainError):
    """Some rules took nothing, or not all, away; their runs say why."""

    code, status = "retention_failed", 500


class PurgeUnderway(Conflict):
    """Another run is at work."""

    code, status = "retention_underway", 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What one rule's part of a run came to, or in a dry run would come to. Without days nothing is taken away."""

    policy: str
    days: int | None
    cutoff: datetime | None
    rows: int
    outcome: str
    error: str = ""


@dataclass(slots=True)
class _Work:
    """One rule under way."""

    rule: Rule
    run: RetentionRun
    outcome: RetentionRun.Outcome = Outcome.CUT_SHORT
    error: str = ""

    @property
    def is_open(self) -> bool:
        return self.outcome is Outcome.CUT_SHORT


OnBatch = Callable[[str, int], None]


def dry_run(*, at: datetime, only: Iterable[str] = ()) -> list[Purged]:
    """Count exactly what `purge` would take away at this moment; nothing is changed. Raises UnknownPolicy."""
    found = []
    for rule, days in _chosen(only):
        if days is None:
            found.append(Purged(policy=rule.name, days=None, cutoff=None, rows=0, outcome="kept"))
            continue
        cutoff = registry.cutoff(days, at=at)
        with _limits(COUNT_LIMIT):
            rows = rule.due(cutoff=cutoff).count()
        found.append(Purged(policy=rule.name, days=days, cutoff=cutoff, rows=rows, outcome="dry_run"))
    return found


def purge(
    *,
    at: datetime,
    only: Iterable[str] = (),
    actor: str = SYSTEM,
    seconds: float = WORK_SECONDS,
    on_batch: OnBatch = lambda name, rows: None,
) -> list[Purged]:
    """Take away what is too old; a rule that fails does not keep the others from it. Coordinates.

    Raises UnknownPolicy, and PurgeUnderway while another process is at it.
    """
    chosen = _chosen(only)
    with jobs.only_one(LOCK) as is_ours:
        if not is_ours:
            raise PurgeUnderway("Another run is taking old rows away.")
        _close_interrupted()
        works = [_begin(rule, days, actor=actor, at=at) for rule, days in chosen if days is not None]
        _rounds(works, at=at, seconds=seconds, on_batch=on_batch)
        for work in works:
            _finish(work.run, work.outcome, error=work.error)
    return [_purged(work.run) for work in works]


def refuse_failures(found: Iterable[Purged]) -> None:
    """Raise PurgeFailed where a rule failed, so that whoever records the run records that."""
    failed = [one for one in found if one.outcome == Outcome.FAILED]
    if failed:
        raise PurgeFailed("; ".join(f"{one.policy}: {one.error}" for one in failed))


def _chosen(only: Iterable[str]) -> list[tuple[Rule, int | None]]:
    names = list(only)
    standing = policies.standing()
    chosen = [registry.rule(name) for name in names] if names else registry.rules()
    return [(rule, standing[rule.name]) for rule in chosen]


def _rounds(works: list[_Work], *, at: datetime, seconds: float, on_batch: OnBatch) -> None:
    """A batch of each in turn, so that a large backlog of one holds up none of the others."""
    until = time.monotonic() + seconds
    waiting = list(works)
    while waiting:
        for work in waiting:
            try:
                rows = _batch(work, at)
            except DatabaseError as error:
                if connection.connection is None or connection.connection.closed:
                    raise  # and with it went the lock
                work.outcome, work.error = Outcome.FAILED, f"{type(error).__name__}: {error}"[:500]
                log.exception("retention_failed", policy=work.rule.name)
                continue
            if rows < BATCH:  # what is locked now is for the next night
                work.outcome = Outcome.DONE
            on_batch(work.rule.name, rows)
        waiting = [work for work in waiting if work.is_open]
        if time.monotonic() >= until:
            return
        time.sleep(PAUSE_SECONDS if waiting else 0)


def _batch(work: _Work, at: datetime) -> int:
    """Take a batch away and count it, in one commit."""
    rule = work.rule
    with _limits(BATCH_LIMIT):
        due = rule.due(cutoff=work.run.cutoff).select_for_update(of=("self",), skip_locked=True)
        keys = list(due.order_by(rule.age).values_list("pk", flat=True)[:BATCH])
        if not keys:
            return 0
        rows = rule.model._base_manager.filter(pk__in=keys)
        if rule.blank:
            rows.update(**rule.blank, **({rule.stamp: at} if rule.stamp else {}))
        else:
            rows.delete()
        RetentionRun.objects.filter(pk=work.run.pk).update(removed=F("removed") + len(keys))
    metrics.retained(policy=rule.name, rows=len(keys))
    return len(keys)


@contextmanager
def _limits(longest: str) -> Iterator[None]:
    """A transaction that gives up rather than stand in anybody's way."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
                [longest, LOCK_LIMIT],
            )
        yield


def _begin(rule: Rule, days: int, *, actor: str, at: datetime) -> _Work:
    cutoff = registry.cutoff(days, at=at)
    run = RetentionRun.objects.create(policy=rule.name, actor=actor, days=days, cutoff=cutoff, started_at=at)
    return _Work(rule=rule, run=run)


def _close_interrupted() -> None:
    """Runs that nobody ended: we hold the lock, so nobody is at them."""
    for run in RetentionRun.objects.filter(outcome=Outcome.RUNNING):
        _finish(run, Outcome.INTERRUPTED)


@transaction.atomic(durable=True)
def _finish(run: RetentionRun, outcome: RetentionRun.Outcome, *, error: str = "") -> None:
    """Note how it ended; what took something away is in the audit trail."""
    run.refresh_from_db()
    run.outcome, run.error, run.finished_at = outcome, error, clock.now()
    run.save(update_fields=["outcome", "error", "finished_at"])
    if run.removed:
        audit.record(
            actor=run.actor,
            action="retention.purged",
            object_type="retention_policy",
            object_id=run.policy,
            after={"rows": run.removed, "days": run.days, "older_than": run.cutoff, "outcome": outcome.value},
        )


def _purged(run: RetentionRun) -> Purged:
    return Purged(
        policy=run.policy, days=run.days, cutoff=run.cutoff, rows=run.removed, outcome=run.outcome, error=run.error
    )
