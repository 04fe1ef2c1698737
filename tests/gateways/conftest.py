"""A sandbox and a merchant's inbox for the gateways' tests; both are real HTTP servers in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateways import http
from gateways.notifications import HttpReply
from gateways.sandbox.server import RunningSandbox, start
from tests.gateways.driver import Driver, Inbox
from tests.gateways.drivers.momo import MoMoDriver
from tests.gateways.drivers.xendit import XenditDriver


@pytest.fixture(autouse=True)
def _no_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters are looked at alone: what one of them heard five times is not kept from being asked a sixth time."""
    monkeypatch.setattr(http, "admit", None)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[RunningSandbox]:
    running = start(retry_delays=(0.02, 0.05))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def one_inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    yield inbox
    inbox.close()


@pytest.fixture
def sandbox(running_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The providers, behaving."""
    yield running_sandbox
    running_sandbox.app.sandbox.faults.clear()
    running_sandbox.app.sandbox.settings.autopay = False
    running_sandbox.app.sandbox.settings.link_minutes = 15.0
    assert running_sandbox.drain()


@pytest.fixture
def inbox(one_inbox: Inbox) -> Inbox:
    """Where notifications arrive; taken gladly unless a test says otherwise."""
    one_inbox.messages.clear()
    one_inbox.reply = lambda message: HttpReply(204)
    return one_inbox


@pytest.fixture
def driver(request: pytest.FixtureRequest, sandbox: RunningSandbox, inbox: Inbox) -> Driver:
    """The gateway that the test class is about."""
    made: Driver = request.cls.driver_class(sandbox, inbox)
    return made


@pytest.fixture
def momo(sandbox: RunningSandbox, inbox: Inbox) -> MoMoDriver:
    """MoMo alone."""
    return MoMoDriver(sandbox, inbox)


@pytest.fixture
def xendit(sandbox: RunningSandbox, inbox: Inbox) -> XenditDriver:
    """Xendit alone."""
    return XenditDriver(sandbox, inbox)
