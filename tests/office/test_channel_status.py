"""What the channel catalogue says of now: asked seldom, never waited for long, and silence is called silence."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
import requests
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from gateways.sandbox.fiuu.simulator import INVENTED
from gateways.sandbox.server import RunningSandbox
from payments.models import GatewayAccount

pytestmark = pytest.mark.django_db
NAME: Final = "admin:payments_channel_catalogue"
MERCHANT, VERIFY, SECRET = INVENTED[0]


@pytest.fixture(autouse=True)
def _as_it_was(sandbox: RunningSandbox) -> Iterator[None]:
    cache.clear()
    yield
    switch(sandbox, "up")
    requests.delete(f"{sandbox.url}/control/faults", timeout=5).raise_for_status()


@pytest.fixture
def account(sandbox: RunningSandbox) -> Callable[..., GatewayAccount]:
    def make(code: str = "fiuu-my", **fields: Any) -> GatewayAccount:
        values = {"merchant_id": MERCHANT, "pay_endpoint": sandbox.url, "api_endpoint": sandbox.url}
        secrets = {"verify_key": VERIFY, "secret_key": SECRET}
        row = {"gateway": "fiuu", "settings": values, "secrets": secrets, **fields}
        made: GatewayAccount = GatewayAccount.objects.create(code=code, **row)
        return made

    return make


def switch(sandbox: RunningSandbox, state: str) -> None:
    requests.post(f"{sandbox.url}/control/fiuu/channels/MB2U/{state}", timeout=5).raise_for_status()


def page(client: Client, **query: str) -> tuple[list[str], dict[str, str]]:
    """The sentences about the accounts, and the words of the last column by channel."""
    answer = client.get(reverse(NAME), query)
    assert answer.status_code == 200
    (table,) = answer.context["panels"]
    codes = [re.findall(r'data-copy="([^"]*)"', str(row[1]))[0] for row in table.rows]
    now = [" ".join(re.findall(r">(up|down|unclear)<", str(row[-1]))) for row in table.rows]
    return list(answer.context["told"]), {code: word for code, word in zip(codes, now, strict=True) if word}


def test_an_enabled_account_shows_what_is_up_and_when_it_was_asked(boss: Client, account: Any, sandbox: Any) -> None:
    account()
    switch(sandbox, "down")

    sentences, now = page(boss, gateway="fiuu")

    (sentence,) = sentences
    assert re.fullmatch(r"fiuu-my: asked at \d\d:\d\d \d\d/\d\d/\d{4}; up: \d+, down: 1\.", sentence)
    assert (now["MB2U"], now["credit"]) == ("down", "up")
    assert sentence in boss.get(reverse(NAME)).text


def test_it_is_asked_once_in_ten_minutes_whoever_looks(
    boss: Client, account: Any, sandbox: RunningSandbox, redis_client: Any
) -> None:
    made = account()
    first, _ = page(boss)
    switch(sandbox, "down")

    again, now = page(boss)
    assert (again, now["MB2U"]) == (first, "up")
    assert 590 <= redis_client.ttl(cache.make_key(f"channel-status:{made.pk}:turn")) <= 600

    cache.clear()  # ten minutes later
    assert page(boss)[1]["MB2U"] == "down"


def test_two_accounts_are_told_apart_and_asked_at_once(boss: Client, account: Any) -> None:
    account("fiuu-a")
    account("fiuu-b", secrets={"verify_key": "w" * 32, "secret_key": SECRET})

    sentences, now = page(boss)

    assert sentences[0].startswith("fiuu-a: asked at ") and sentences[0].endswith(", down: 0.")
    assert sentences[1].startswith("fiuu-b: asked at ") and sentences[1].endswith(", without a usable answer: Q202.")
    assert now["MB2U"] == "up"


def test_a_gateway_that_does_not_answer_holds_no_page_up(boss: Client, account: Any, sandbox: RunningSandbox) -> None:
    account("fiuu-a")
    account("fiuu-b")
    fault = {"fault": "slow", "scope": "always", "operation": "channel_status", "seconds": 3.5}
    requests.post(f"{sandbox.url}/control/faults", json=fault, timeout=5).raise_for_status()
    page(boss, gateway="xendit")  # templates are compiled, and Fiuu is not asked

    began = time.monotonic()
    sentences, now = page(boss, q="MB2U")
    took = time.monotonic() - began
    began = time.monotonic()
    again, _ = page(boss, q="MB2U")

    assert 2.0 < took < 3.5
    assert len(sentences) == 2 and all(one.endswith(", and nobody answered.") for one in sentences)
    assert (again, now) == (sentences, {})
    assert time.monotonic() - began < 1.5


def test_while_somebody_elses_question_is_on_its_way_nobody_waits(boss: Client, account: Any) -> None:
    made = account()
    cache.add(f"channel-status:{made.pk}:turn", datetime(2026, 11, 21, 3, 5, tzinfo=UTC), 600)

    assert page(boss) == (["fiuu-my: asked at 10:05 21/11/2026, and there is no answer yet."], {})


@pytest.mark.parametrize(
    ("fields", "query"), [({"is_enabled": False}, {}), ({}, {"gateway": "xendit"}), ({"gateway": "momo"}, {})]
)
def test_what_is_disabled_not_looked_at_or_cannot_tell_is_not_asked(
    boss: Client, account: Any, fields: dict[str, Any], query: dict[str, str]
) -> None:
    made = account(**fields)

    assert page(boss, **query) == ([], {})
    assert cache.get(f"channel-status:{made.pk}:turn") is None


def test_an_account_with_odd_settings_is_named_and_the_page_is_there(boss: Client, account: Any) -> None:
    account(settings={})

    assert page(boss) == (["fiuu-my: not asked, because its settings are unusable."], {})


def test_without_redis_nobody_is_asked_and_the_page_is_there(boss: Client, account: Any, settings: Any) -> None:
    account()
    here = settings.CACHES
    settings.CACHES = {"default": {**here["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    try:
        found = page(boss)
    finally:
        settings.CACHES = here

    assert found == (["fiuu-my: not asked, because Redis is away."], {})
    assert page(boss)[1]["MB2U"] == "up"
