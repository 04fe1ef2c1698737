"""Fixtures of the flows: the whole product in processes of its own, and somebody who listens to its events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.flows.stack import Stack
from tests.flows.truth import Listener


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Stores, web, worker and relay for all flows of this process."""
    running = Stack.begin(tmp_path_factory.mktemp("flows"), kafka_brokers=settings.KAFKA_BROKERS)
    yield running
    running.end()


@pytest.fixture(scope="session")
def listener(stack: Stack) -> Iterator[Listener]:
    """Another service, which hears every event from now on."""
    listening = Listener(stack.services.urls["KAFKA_BROKERS"])
    yield listening
    listening.close()


@pytest.fixture(autouse=True)
def _gateway_behaves(request: pytest.FixtureRequest) -> Iterator[None]:
    """No fault of the sandbox outlives its test."""
    yield
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").sandbox.app.sandbox.faults.clear()
