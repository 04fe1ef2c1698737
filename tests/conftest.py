"""Fixtures that every area of the tests may lean on: empty stores, a browser, a web server, the gateways' sandbox."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from typing import Any, Final

import hypothesis
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase

from gateways import http
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.server import start as start_sandbox
from tests import stores

# Playwright's synchronous door keeps an event loop in the thread of the test, where Django would refuse to query.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

hypothesis.settings.register_profile(
    "quick",
    deadline=None,
    max_examples=20,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("soak", hypothesis.settings.get_profile("quick"), max_examples=500)


# --- Which tests run -------------------------------------------------------------------------------------------------
def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the long tests too (marked soak)")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("soak" if config.getoption("--soak") else "quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests wait for --soak; what needs a browser or a broker says so when there is none.

    The longest of all, in tests/properties, begin first: a worker that came to them at the end would work on alone.
    """
    items.sort(key=lambda item: "properties" not in item.path.parts)
    long = [item for item in items if item.get_closest_marker("soak")]
    if long and not config.getoption("--soak"):
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    for item in items:
        if item.get_closest_marker("browser") and not CHROMIUM:
            item.add_marker(pytest.mark.skip(reason="chromium is not installed"))
        if item.get_closest_marker("kafka") and not settings.KAFKA_BROKERS:
            item.add_marker(pytest.mark.skip(reason="KAFKA_BROKERS is not set"))


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: the garbage collector need not look at it after every few tests."""
    gc.collect()
    gc.freeze()


# --- Empty stores (tests/stores.py) ----------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The migrated database of this worker, with a copy of the rows its migrations made."""
    with django_db_blocker.unblock():
        stores.keep_initial_rows()
    TransactionTestCase._fixture_teardown = lambda _case: stores.back_to_initial_rows()  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def redis_client() -> Iterator[redis.Redis]:
    """This worker's own database of Redis or Valkey."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client


@pytest.fixture(autouse=True)
def _empty_redis(redis_client: redis.Redis) -> None:
    """Rate limits, breakers and caches of one test are not there for the next."""
    redis_client.flushdb()


@pytest.fixture(scope="session")
def kafka_brokers() -> str:
    """host:port of the brokers, a mock cluster unless KAFKA_BROKERS named real ones."""
    if not settings.KAFKA_BROKERS:
        pytest.skip("KAFKA_BROKERS is not set")
    return str(settings.KAFKA_BROKERS)


# --- The outside world -----------------------------------------------------------------------------------------------
def _assert_no_transaction_of_ours() -> None:
    """The transaction that a plain test is wrapped in does not count; one that a service opened does."""
    opened = [block for block in connection.atomic_blocks if not block._from_testcase]  # type: ignore[attr-defined]
    assert not opened, "a gateway was called inside a database transaction: commit the intent first"


@pytest.fixture(autouse=True)
def _no_network_in_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any call to a gateway while a service holds a transaction open fails the test."""
    monkeypatch.setattr(http, "before_request", _assert_no_transaction_of_ours)


@pytest.fixture(autouse=True)
def _no_pause_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that a gateway left open is repeated at once; tests/gateways/test_http.py looks at the pauses."""
    monkeypatch.setattr(http, "sleep", lambda seconds: None)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[RunningSandbox]:
    """The gateways' side, faked over real HTTP, for journeys through the whole product."""
    running = start_sandbox(retry_delays=(0.05, 0.2))
    yield running
    running.stop()


# --- A browser -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium, silent: it calls nobody but the page under test."""
    switches = ["no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
    switches += ["disable-component-update", "disable-sync"]
    return {
        **browser_type_launch_args,
        "executable_path": CHROMIUM,
        "args": [f"--{switch}" for switch in switches],
    }
