"""The page Prometheus reads: our names, the reference systems' names, and nobody else may read it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from config.core import apikeys, metrics, scrape
from config.core.metrics import Gauge
from config.core.models import DeadLetter, JobRun, User

pytestmark = pytest.mark.django_db

REFERENCE_NAMES = [
    "payments_total",
    "payment_duration_seconds",
    "payment_success_rate",
    "fiuu_circuit_breaker_state",
    "http_requests_total",
    "http_request_duration_seconds",
    "db_connections_active",
    "memory_usage_bytes",
    "revenue_total",
    "active_users",
    "top_payment_methods",
    "failed_auth_total",
    "error_total",
]


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return samples(text).get((name, tuple(sorted(labels.items()))), 0.0)


def page() -> str:
    scrape.forget()
    return scrape.page().decode()


def test_every_name_of_the_reference_systems_is_there(client: Client) -> None:
    metrics.payment_created("momo", "wallet")
    metrics.payment_moved(gateway="momo", method="wallet", from_status="awaiting_payment", to_status="succeeded")
    metrics.payment_captured(gateway="momo", currency="VND", amount_minor=1, seconds=1.0)
    metrics.auth_failed(surface="api", reason="token")
    client.get("/health/live")
    metrics.request_answered(surface="api", route="r", method="GET", status=500, seconds=0.1)

    text = page()

    sampled = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name, _ in samples(text)}
    for name in REFERENCE_NAMES:
        assert f"# HELP {name} " in text
        assert f"# TYPE {name} " in text
        assert name in sampled
    assert value(text, "fiuu_circuit_breaker_state") == 0.0
    assert value(text, "memory_usage_bytes") > 10_000_000


def test_more_than_fifty_metrics_of_ours_are_named_and_explained() -> None:
    named = [line.split(maxsplit=3) for line in page().splitlines() if line.startswith("# HELP reckoner_")]

    assert len({name for _, _, name, _ in named}) == len(named) > 50
    assert all(text.endswith((".", "alarm.", "1.")) for *_, text in named)


def test_an_http_request_is_counted_once_under_both_names(client: Client) -> None:
    labels = {"surface": "health", "route": "health/live", "method": "GET", "status_class": "2xx"}
    before = value(page(), "reckoner_http_requests_total", **labels)

    client.get("/health/live")

    text = page()
    assert value(text, "reckoner_http_requests_total", **labels) == before + 1
    assert value(text, "http_requests_total", **labels) == before + 1
    count = value(text, "http_request_duration_seconds_count", surface="health", route="health/live")
    assert count == value(text, "reckoner_http_request_duration_seconds_count", surface="health", route="health/live")


def test_unknown_paths_and_methods_do_not_make_new_series(edge: Client) -> None:
    edge.get("/api/v1/first-unknown")
    before = len(samples(page()))

    for number in range(20):
        edge.generic(f"METHOD{number}", f"/api/v1/unknown-{number}")
        edge.get(f"/api/v1/unknown-{number}")

    # One series of counters and its page twice (the reference name), for the method OTHER.
    assert len(samples(page())) - before <= 4


def test_refused_credentials_are_counted_by_reason(edge: Client, token: Callable[..., str]) -> None:
    before = value(page(), "reckoner_auth_failures_total", surface="api", reason="expired")

    edge.get("/api/v1/me", headers={"authorization": f"Bearer {token(exp=1)}"})

    text = page()
    assert value(text, "reckoner_auth_failures_total", surface="api", reason="expired") == before + 1
    assert value(text, "failed_auth_total", surface="api", reason="expired") == before + 1


def test_business_figures_are_worked_out_of_what_was_counted() -> None:
    for status in ("succeeded", "succeeded", "succeeded", "expired"):
        metrics.payment_moved(gateway="g", method="figures", from_status="awaiting_payment", to_status=status)
    metrics.payment_moved(gateway="g", method="figures", from_status="pending", to_status="awaiting_payment")
    metrics.payment_captured(gateway="figures", currency="USD", amount_minor=12_50, seconds=3.0)
    metrics.payment_captured(gateway="figures", currency="VND", amount_minor=960_000, seconds=3.0)

    text = page()

    assert value(text, "payment_success_rate", method="figures") == 0.75
    assert value(text, "top_payment_methods", method="figures") == 3
    assert value(text, "revenue_total", gateway="figures", currency="USD") == 12.5
    assert value(text, "revenue_total", gateway="figures", currency="VND") == 960_000
    assert value(text, "payment_duration_seconds_sum", gateway="figures") == 6.0


def test_gauges_of_the_floor_are_read_from_the_database() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    DeadLetter.objects.create(source="outbox", topic="t", reference="1", payload={}, error="e", attempts=3)
    JobRun.objects.create(name="relay_events", started_at=at, last_success_at=at)

    text = page()

    assert value(text, "reckoner_failed_events_open", source="outbox") == 1
    assert value(text, "reckoner_job_last_success_timestamp_seconds", job_name="relay_events") == at.timestamp()
    assert value(text, "reckoner_outbox_unpublished") == 0
    assert value(text, "reckoner_build_info", version="1.0.0", commit="unknown") == 1
    assert value(text, "db_connections_active") == value(text, "reckoner_db_connections_in_use") > 0


def test_gauges_are_asked_at_most_once_in_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    asked = []
    monkeypatch.setattr(metrics, "gauge_sources", [lambda: asked.append(1) or [Gauge("active_users", 7)]])

    for _ in range(3):
        assert value(scrape.page().decode(), "active_users") == 7
    assert len(asked) == 1
    monkeypatch.setattr(scrape._gauges, "_seconds", 0.0)
    scrape.page()
    assert len(asked) == 2


def test_a_broken_source_loses_only_its_own_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Gauge]:
        raise RuntimeError("no such table")

    monkeypatch.setattr(metrics, "gauge_sources", [broken, lambda: [Gauge("active_users", 3)]])

    assert value(page(), "active_users") == 3


def test_a_source_registers_once() -> None:
    before = len(metrics.gauge_sources)

    metrics.register_gauges(metrics.gauge_sources[0])

    assert len(metrics.gauge_sources) == before


COUNT_IN_A_PROCESS = """
from config.core import metrics
metrics.journal_posted(kind="cap", lines=2, seconds=0.01)
metrics.request_answered(surface="api", route="r", method="GET", status=200, seconds=0.01)
"""


def test_counts_of_all_processes_are_added_up(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(3):
        subprocess.run([sys.executable, "-c", COUNT_IN_A_PROCESS], env=env, check=True, cwd=Path.cwd())

    text = scrape.page(multiprocess_dir=str(tmp_path)).decode()

    assert value(text, "reckoner_ledger_journals_total", kind="cap") == 3
    assert value(text, "reckoner_ledger_entries_total") == 6
    assert value(text, "reckoner_ledger_post_seconds_count") == 3
    assert value(text, "http_request_duration_seconds_bucket", surface="api", route="r", le="+Inf") == 3


# --- Who may look ------------------------------------------------------------------------------------------------------


@pytest.fixture
def outside(settings: Any) -> dict[str, str]:
    settings.TRUSTED_PROXIES = 1
    return {"x-forwarded-for": "203.0.113.9"}


@pytest.mark.parametrize("path", ["/metrics", "/health/deps"])
def test_strangers_may_not_look_inside(client: Client, outside: dict[str, str], settings: Any, path: str) -> None:
    settings.METRICS_TOKEN = "a token of the scraper"

    assert client.get(path).status_code == 200
    for headers in (outside, {**outside, "authorization": "Bearer wrong"}, {**outside, "authorization": "Bearer "}):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_proxy_that_nobody_told_us_about_does_not_make_strangers_local(client: Client) -> None:
    assert client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 403


def test_the_scrapers_token_staff_and_keys_with_the_scope_open_it(
    client: Client, outside: dict[str, str], settings: Any
) -> None:
    settings.METRICS_TOKEN = "a token of the scraper"
    owner = User.objects.create_user("an@example.com", "a password of tests")
    _, good = apikeys.create(name="p", scopes=["metrics:read"], mode="test", created_by=owner)
    _, other = apikeys.create(name="q", scopes=["reports:read"], mode="test", created_by=owner)

    def status(token: str) -> int:
        return client.get("/metrics", headers={**outside, "authorization": f"Bearer {token}"}).status_code

    assert (status("a token of the scraper"), status(good), status(other)) == (200, 200, 403)
    client.force_login(owner)
    assert client.get("/metrics", headers=outside).status_code == 200


def test_an_unset_token_opens_nothing(client: Client, outside: dict[str, str]) -> None:
    assert client.get("/metrics", headers={**outside, "authorization": "Bearer "}).status_code == 403
