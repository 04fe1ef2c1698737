"""Beginning again after a conflict of locks. Only who owns the transaction can: what it had done is rolled back."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from django.db import OperationalError, connection

P = ParamSpec("P")
R = TypeVar("R")

CONFLICTS: Final = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL's serialization_failure, deadlock_detected and lock_not_available (`lock_timeout`)."""


def retry_conflicts(*, attempts: int = 3) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run a service that owns its transaction again when it lost a conflict of locks, after a moment of its own.

    Goes outside of `@transaction.atomic(durable=True)`. Any other error, and the last conflict, is raised as it came.
    """

    def decorate(service: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(service)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            for attempt in range(1, attempts):
                try:
                    return service(*args, **kwargs)
                except OperationalError as error:
                    if connection.in_atomic_block or getattr(error.__cause__, "sqlstate", None) not in CONFLICTS:
                        raise
                    time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311 - spreads waiters, guards nothing
            return service(*args, **kwargs)

        return run

    return decorate
