"""Genuine messages, changed at random, against the real view: none pays anything, none makes us fail."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import requests
from django.test import Client
from django.utils import timezone

from gateways import registry
from gateways.notifications import HttpMessage
from gateways.sandbox.server import RunningSandbox, start
from ledger.models import JournalEntry
from payments.models import Attempt, Capture, Payment, PaymentMethod
from payments.services import accounts, checkout
from tests import factories
from tests.gateways.driver import Driver, Inbox
from tests.payments.conftest import NOWHERE

pytestmark = pytest.mark.django_db(transaction=True)
CODES: Final = sorted(code for code, adapter in registry.GATEWAYS.items() if adapter.notifies)
FEW, MANY = 40, 50_000 // len(CODES)
"""How many changed messages per gateway: in every run, and in the long one."""


@pytest.fixture(scope="module")
def providers() -> Iterator[RunningSandbox]:
    running = start(retry_delays=())
    yield running
    running.stop()


@pytest.fixture(params=CODES)
def driver(request: pytest.FixtureRequest, providers: RunningSandbox, settings: Any, db: None) -> Iterator[Driver]:
    """A gateway whose notifications we keep instead of hearing them."""
    code, inbox = request.param, Inbox()
    module = importlib.import_module(f"tests.gateways.drivers.{code}")
    made = next(one for one in vars(module).values() if isinstance(one, type) and getattr(one, "code", "") == code)
    settings.PUBLIC_URL, settings.GATEWAY_HOSTS = NOWHERE, ["127.0.0.1"]
    settings.GATEWAY_ADDRESSES = {code: {"notify": inbox.url}}
    found: Driver = made(providers, inbox)
    yield found
    inbox.close()


@pytest.fixture
def opened(driver: Driver) -> Callable[[], Attempt]:
    """Open a payment by this gateway, its page visited."""
    (account,) = accounts.ensure_first_accounts({driver.code: driver.settings()})
    money = driver.money
    method: PaymentMethod = factories.PaymentMethodFactory(
        code=f"by-{driver.code}", account=account, limits={money.currency: [1, 10 * money.minor]}
    )

    def start_one() -> Attempt:
        order = factories.make_order(amount_minor=money.minor, currency=money.currency)
        wish = checkout.NewPayment(order_id=order.order_id, method=method, client="shop", actor="customer:1")
        attempt = checkout.create_payment(wish=wish, at=timezone.now()).attempt
        assert requests.get(attempt.pay_url, timeout=5).status_code == 200
        return attempt

    return start_one


def told_of(driver: Driver, attempt: Attempt) -> HttpMessage:
    """The payer pays; the message that says so."""
    driver.inbox.messages.clear()
    driver.control("POST", f"/payments/{attempt.gateway_reference}/pay")
    assert driver.sandbox.drain()
    return next(message for message in driver.inbox.messages if driver.gateway.read_notification(message))


def changed(text: bytes, dice: random.Random, *, swap: tuple[bytes, bytes]) -> bytes:
    """The same text with one to three small things changed."""
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(text) + 1)
        kind = dice.randrange(7)
        if kind == 0:
            text = text[:place] + bytes([dice.randrange(256)]) + text[place + 1 :]
        elif kind == 1:
            text = text[:place] + bytes([dice.randrange(32, 127)]) + text[place:]
        elif kind == 2:
            text = text[:place] + text[place + dice.randint(1, 9) :]
        elif kind == 3:
            text = text[:place] + text[max(0, place - dice.randint(1, 40)) : place] + text[place:]
        elif kind == 4:
            text = text[:place]
        elif kind == 5:
            text = text.replace(*swap)
        else:
            digits = [at for at, one in enumerate(text) if 48 <= one <= 57]
            if digits:
                at = dice.choice(digits)
                text = text[:at] + str(dice.randrange(10)).encode() + text[at + 1 :]
    return text


def deliver(code: str, message: HttpMessage, *, body: bytes, query: bytes, headers: Mapping[str, str]) -> int:
    """Bring a message to the view; the status it answers."""
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    answer = Client(raise_request_exception=False).generic(
        message.method, f"/api/v1/webhooks/{code}/{code}", body,
        content_type=message.headers.get("content-type", "application/json"),
        QUERY_STRING=query.decode("latin-1"), **named,
    )  # fmt: skip
    return answer.status_code


@pytest.mark.parametrize("count", [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.soak)])
def test_no_changed_message_pays_or_breaks_anything(driver: Driver, opened: Callable[[], Attempt], count: int) -> None:
    mine, other = opened(), opened()
    message = told_of(driver, mine)
    proof = {name: message.headers[name] for name in driver.gateway.proof_headers if name in message.headers}
    whole = {"body": message.body, "query": message.query.encode(), "headers": proof}
    assert deliver(driver.code, message, **whole) < 300
    booked = list(Capture.objects.values_list("id", "amount_minor"))
    assert (len(booked), JournalEntry.objects.count()) == (1, 1)
    dice = random.Random(f"{driver.code} {count}")
    swap = mine.gateway_reference.encode(), other.gateway_reference.encode()

    statuses = set()
    for _ in range(count):
        part = dice.choice([name for name in ("body", "query") if whole[name]] + ["headers"] * bool(proof))
        if part == "headers":
            name = dice.choice(sorted(proof))
            value = changed(proof[name].encode(), dice, swap=swap).decode("latin-1")
            parts = {**whole, "headers": {**proof, name: value}}
        else:
            parts = {**whole, part: changed(whole[part], dice, swap=swap)}
        statuses.add(deliver(driver.code, message, **parts))

    assert {status for status in statuses if status >= 500} == set()
    assert list(Capture.objects.values_list("id", "amount_minor")) == booked
    assert JournalEntry.objects.count() == 1
    assert Payment.objects.get(id=other.payment_id).status == "awaiting_payment"
