"""Fixtures of the floor: people, brokers of one test alone, and events to tell."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from confluent_kafka import Producer

from config.core import kafka
from config.core.models import User
from tests.core.brokers import Brokers, Teller
from tests.core.edge_fixtures import claims, edge, nothing_remembered, token  # noqa: F401 - fixtures
from tests.core.people import person


@pytest.fixture
def brokers(settings: Any) -> Iterator[Brokers]:
    """Brokers of this test alone; KAFKA_BROKERS points at them."""
    cluster = Brokers()
    settings.KAFKA_BROKERS = cluster.address
    yield cluster
    cluster.close()


@pytest.fixture
def producer(brokers: Brokers) -> Producer:
    """A producer as the product makes it."""
    return kafka.producer()


@pytest.fixture
def tell() -> Teller:
    """Publish an event: `tell("order-1")`."""
    return Teller(count(1))


@pytest.fixture
def maker(db: None) -> User:
    """Asks for things; may decide the requests of others."""
    return person("lan@example.com", "decide_approval")


@pytest.fixture
def checker(db: None) -> User:
    """Decides what others ask for."""
    return person("minh@example.com", "decide_approval")
