"""PostgreSQL, Redis and Kafka: reachable, set as we need them, and ours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from config.core import health, kafka
from config.office.doctor.finding import Finding, ok, problem, warning

OLDEST_VERSION: Final = 14
LONG_TRANSACTION_SECONDS: Final = 300.0
KAFKA_SECONDS: Final = 5.0
MUST_BE_ON: Final = ("fsync", "synchronous_commit", "full_page_writes")


def postgresql(at: datetime) -> Iterator[Finding]:
    """Reachable, migrated, durable, and not held up by somebody."""
    part = "PostgreSQL"
    health.postgres.forget()
    answer = health.postgres()
    if not answer.up:
        given = connection.settings_dict
        where = f"{given['HOST'] or 'the local socket'}:{given['PORT'] or 5432}"
        words = _("PostgreSQL at %(where)s does not answer (%(error)s).") % {"where": where, "error": answer.detail}
        yield problem(part, words, _("Start it, or correct DATABASE_URL (host, port, user, password, database)."))
        return
    version = int(_rows("SELECT current_setting(%s)", "server_version_num")[0][0]) // 10_000
    if version < OLDEST_VERSION:
        words = _("PostgreSQL %(version)d is too old.") % {"version": version}
        yield problem(part, words, _("Upgrade to %(oldest)d or later.") % {"oldest": OLDEST_VERSION})
    else:
        yield ok(part, _("version %(version)d answers") % {"version": version})
    schema = health.migrated()
    if not schema.up:
        words = _("Migrations are missing, the first is %(name)s.") % {"name": schema.detail}
        yield problem(_("migrations"), words, "manage.py migrate")
    yield from _durability()
    yield from _long_transactions()


def _durability() -> Iterator[Finding]:
    off = [
        row[0] for row in _rows("SELECT name FROM pg_settings WHERE name = ANY (%s) AND setting = 'off'", [*MUST_BE_ON])
    ]
    if off:
        words = _("%(names)s off: a crash of the server may lose money that was acknowledged.") % {
            "names": ", ".join(off)
        }
        kind = problem if settings.ENVIRONMENT in ("production", "staging") else warning
        yield kind(_("durability"), words, _("Switch it on in postgresql.conf and reload."))


def _long_transactions() -> Iterator[Finding]:
    rows = _rows(
        "SELECT pid, coalesce(nullif(application_name, ''), usename, '?'), state,"
        " extract(epoch FROM clock_timestamp() - xact_start)::int FROM pg_stat_activity"
        " WHERE datname = current_database() AND xact_start < clock_timestamp() - make_interval(secs => %s)"
        " AND backend_type = 'client backend' ORDER BY xact_start",
        LONG_TRANSACTION_SECONDS,
    )
    for pid, name, state, seconds in rows:
        told = {"name": name, "pid": pid, "state": state, "minutes": seconds // 60}
        words = _("A transaction of %(name)s (pid %(pid)d, %(state)s) has been open for %(minutes)d minutes.") % told
        yield problem(
            _("long transaction"),
            words,
            _("It holds up folding and vacuum: SELECT pg_terminate_backend(%(pid)d)") % told,
        )


def redis_server(at: datetime) -> Iterator[Finding]:
    """Reachable, and not set to forget tasks when memory runs out."""
    parts = urlsplit(settings.REDIS_URL)
    where = f"{parts.hostname}:{parts.port or 6379}"
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
            memory: Any = client.info("memory")
    except (redis.RedisError, ValueError) as error:
        words = _("Redis at %(where)s does not answer (%(error)s).") % {"where": where, "error": type(error).__name__}
        yield problem("Redis", words, _("Start it, or correct REDIS_URL. Payments go on; tasks and rate limits wait."))
        return
    policy = str(memory.get("maxmemory_policy", ""))
    if int(memory.get("maxmemory", 0)) and policy not in ("", "noeviction"):
        words = _("Redis forgets keys when its memory is full (%(policy)s).") % {"policy": policy}
        yield warning("Redis", words, _("Set maxmemory-policy noeviction: queues live there."))
    yield ok("Redis", _("%(where)s answers") % {"where": where})


def kafka_brokers(at: datetime) -> Iterator[Finding]:
    """Reachable, with the topics we write and read."""
    if not settings.KAFKA_BROKERS:
        yield warning("Kafka", _("KAFKA_BROKERS is not set: events stay in the outbox."), _("Set it to host:port."))
        return
    client = AdminClient({**kafka.common_options(), "log_level": 0})
    try:
        found = client.list_topics(timeout=KAFKA_SECONDS)
    except KafkaException as error:
        told = {"brokers": settings.KAFKA_BROKERS, "error": error.args[0].name()}
        words = _("No broker of %(brokers)s answers (%(error)s).") % told
        yield problem("Kafka", words, _("Start them, or correct KAFKA_BROKERS. Events wait in the outbox meanwhile."))
        return
    yield ok("Kafka", _("%(count)d broker(s) answer") % {"count": len(found.brokers)})
    missing = [topic for topic in kafka.all_topics() if topic not in found.topics]
    if missing:
        told = {"count": len(missing), "first": ", ".join(missing[:3])}
        words = _("%(count)d topics are missing: %(first)s ...") % told
        yield warning(_("topics"), words, _("manage.py create_topics, unless the brokers create them."))


def _rows(sql: str, parameter: str | float | list[str]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [parameter])
        rows: list[Any] = cursor.fetchall()
    return rows
