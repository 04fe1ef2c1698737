"""Why a measurement is refused."""

from __future__ import annotations

from config.core.errors import DomainError


class BenchRefused(DomainError):
    """A measurement here would say nothing, or would touch what is not ours."""

    code, status = "bench_refused", 409


class NotDurable(BenchRefused):
    """The server is set to forget commits: whatever is measured there is no figure for money."""

    code, status = "bench_not_durable", 409
