"""The order in which things are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from django.db import DatabaseError

from config.office.doctor import books, gateways, installation, mail, stores, work
from config.office.doctor.finding import Finding, State, problem

Part = Callable[[datetime], Iterator[Finding]]

FIRST: Final[tuple[Part, ...]] = (installation.settings_are_safe, stores.postgresql)
ANYWAY: Final[tuple[Part, ...]] = (stores.redis_server, stores.kafka_brokers, installation.web, installation.disk)
WITH_DATABASE: Final[tuple[Part, ...]] = (
    gateways.accounts_work,
    gateways.notifications_arrive,
    gateways.breakers_are_closed,
    mail.letters_leave,
    work.beat,
    work.outbox,
    work.queued_payments,
    work.dead_letters,
    work.retention,
    books.keys_decrypt,
    books.ledger_balances,
)


def examine(*, at: datetime, on_part: Callable[[str], None] = lambda name: None) -> list[Finding]:
    """Look at everything. What needs PostgreSQL is left out while that is away, and said so."""
    found: list[Finding] = []
    for part in FIRST:
        found += _look(part, at, on_part)
    is_down = any(one.part == "PostgreSQL" and one.state is State.PROBLEM for one in found)
    for part in ANYWAY:
        found += _look(part, at, on_part)
    if is_down:
        names = "gateways, e-mail, jobs, outbox, keys and ledger"
        found.append(problem("database", f"Not looked at: {names}.", "Bring PostgreSQL back, then run doctor again."))
        return found
    for part in WITH_DATABASE:
        found += _look(part, at, on_part)
    return found


def _look(part: Part, at: datetime, on_part: Callable[[str], None]) -> list[Finding]:
    name = part.__name__.replace("_", " ")
    on_part(name)
    try:
        return list(part(at))
    except DatabaseError as error:
        words = str(error).strip().splitlines() or [""]
        return [problem(name, f"A query failed: {type(error).__name__}: {words[0]}", "Are the migrations applied?")]
