"""Health: what stops traffic, what only degrades, and how fast we know."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from config.core import health
from config.core.models import DeadLetter, JobRun, OutboxEvent

pytestmark = pytest.mark.django_db


def use_database_at(monkeypatch: pytest.MonkeyPatch, host: str, port: int) -> None:
    given = {**connections["default"].settings_dict, "HOST": host, "PORT": port}
    monkeypatch.setattr(connections["default"], "settings_dict", given)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose queue is full: connecting to it hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", port))
            waiting.append(other)
        yield port
        for other in waiting:
            other.close()


def test_live_answers_without_touching_anything(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_postgresql_answers_and_its_tables_are_ours(client: Client) -> None:
    answer = client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"postgres": {"status": "ok"}, "migrations": {"status": "ok"}}}


def test_health_says_who_we_are_and_in_one_word_how_it_goes(client: Client, settings: Any) -> None:
    settings.BUILD_ID = "abc123"
    answer = client.get("/health").json()

    assert answer.pop("time").endswith("+00:00")
    assert answer == {
        "status": "ok",
        "service": "reckoner",
        "build": "abc123",
        "environment": "test",
        "checks": {"postgres": "ok", "redis": "ok", "kafka": "ok"},
    }


def test_without_redis_and_kafka_we_stay_ready_and_say_so(client: Client, settings: Any) -> None:
    settings.REDIS_URL, settings.KAFKA_BROKERS = "redis://127.0.0.1:1/0", "127.0.0.1:1"
    began = time.monotonic()

    overall, ready, deps = (client.get(f"/health{path}") for path in ("", "/ready", "/deps"))

    assert (overall.status_code, overall.json()["status"]) == (200, "degraded")
    assert overall.json()["checks"] == {"postgres": "ok", "redis": "down", "kafka": "down"}
    assert (ready.status_code, ready.json()["status"]) == (200, "ok")
    assert (deps.status_code, deps.json()["checks"]["kafka"]["status"]) == (200, "down")
    assert time.monotonic() - began < 3.0


def test_without_kafka_configured_it_is_off_and_nothing_is_degraded(client: Client, settings: Any) -> None:
    settings.KAFKA_BROKERS = ""

    assert client.get("/health").json()["checks"]["kafka"] == "off"
    assert client.get("/health").json()["status"] == "ok"


def test_without_postgresql_traffic_is_sent_elsewhere_within_two_seconds(
    client: Client, monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    for port in (1, silent_port):
        health.postgres.forget()
        with monkeypatch.context() as patched:
            use_database_at(patched, "127.0.0.1", port)
            patched.setitem(health._migrated, "yes", False)
            began = time.monotonic()
            answer = client.get("/health/ready")
            took = time.monotonic() - began

        assert (answer.status_code, answer.json()["status"]) == (503, "down")
        assert answer.json()["checks"]["postgres"]["status"] == "down"
        assert took < 2.0


def test_without_postgresql_health_and_deps_still_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    use_database_at(monkeypatch, "127.0.0.1", 1)

    for path in ("/health", "/health/deps"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert client.get("/health/live").status_code == 200


def test_a_database_that_hangs_is_not_waited_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBE", "SELECT pg_sleep(5)")
    began = time.monotonic()

    assert client.get("/health/ready").status_code == 503
    assert 0.4 < time.monotonic() - began < 2.0


def test_a_missing_migration_keeps_traffic_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Graph:
        def leaf_nodes(self) -> list[tuple[str, str]]:
            return [("core", "0001_initial"), ("core", "9999_not_yet")]

    class Loader:
        graph = Graph()

        def __init__(self, *args: object, **kwargs: object) -> None: ...

    monkeypatch.setitem(health._migrated, "yes", False)
    monkeypatch.setattr(health, "MigrationLoader", Loader)

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == {"status": "down", "detail": "core.9999_not_yet", "count": 1}


def test_deps_tell_ages(client: Client) -> None:
    now = timezone.now()
    JobRun.objects.create(name="a", started_at=now - timedelta(seconds=30))
    JobRun.objects.create(name="b", started_at=now - timedelta(days=1))
    event = OutboxEvent.objects.create(
        type="t", key="k", aggregate_type="a", aggregate_id="1", sequence=1, data={}, occurred_at=now
    )
    OutboxEvent.objects.filter(pk=event.pk).update(created_at=now - timedelta(seconds=90))
    DeadLetter.objects.create(source="task", topic="t", reference="1", payload={}, error="e", attempts=3)

    answer = client.get("/health/deps").json()

    assert answer["status"] == "degraded"
    assert answer["checks"]["beat"]["status"] == "ok"
    assert 30 <= answer["checks"]["beat"]["age_seconds"] < 35
    assert answer["checks"]["relay"]["status"] == "down"
    assert 90 <= answer["checks"]["relay"]["age_seconds"] < 95
    assert answer["checks"]["dead_letters"] == {"status": "down", "count": 1}


def test_a_beat_that_stopped_is_seen(client: Client) -> None:
    assert client.get("/health/deps").json()["checks"]["beat"] == {"status": "down", "detail": "no job has run yet"}
    JobRun.objects.create(name="a", started_at=timezone.now() - timedelta(seconds=181))
    assert client.get("/health/deps").json()["checks"]["beat"]["status"] == "down"


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/deps", "/metrics"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.head(path).status_code == 200
