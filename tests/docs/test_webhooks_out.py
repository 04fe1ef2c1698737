"""docs/webhooks-out.md: its receiver verifies what we send, and its pauses are those of the code."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from payments import webhook_signing
from payments.services import webhooks
from payments.services.webhook_endpoints import TOLD_TO_NOTIFY_URLS, TOLD_TO_THE_ORDER_SERVICE
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "webhooks-out.md").read_text()


@pytest.fixture
def is_genuine() -> Callable[..., bool]:
    """The page's receiver."""
    names: dict[str, Any] = {}
    exec(PAGE.split("```python\n")[1].split("```")[0], names)
    found: Callable[..., bool] = names["is_genuine"]
    return found


def test_the_receiver_of_the_page_believes_us_and_nobody_else(is_genuine: Callable[..., bool]) -> None:
    old, new = webhook_signing.new_secret(), webhook_signing.new_secret()
    now, body = int(time.time()), "đồng".encode()
    headers = webhook_signing.headers([new, old], message_id="evt_1", timestamp=now, body=body)
    stale = webhook_signing.headers([new], message_id="evt_1", timestamp=now - 301, body=body)

    assert is_genuine(new, headers, body)
    assert is_genuine(old, headers, body)
    assert not is_genuine(webhook_signing.new_secret(), headers, body)
    assert not is_genuine(new, headers, body + b" ")
    assert not is_genuine(new, {**headers, "webhook-id": "evt_2"}, body)
    assert not is_genuine(new, stale, body)


def test_the_pauses_are_those_of_the_code() -> None:
    assert "after 5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours, ten tries" in PAGE
    hours = [2, 5, 10, 14, 20, 24]
    assert [pause.total_seconds() for pause in webhooks.RETRY_AFTER] == [5, 300, 1800, *(hour * 3600 for hour in hours)]
    assert webhooks.MAX_TRIES == 10


def test_the_types_that_are_told_are_those_of_the_code() -> None:
    told = re.search(r"\*\*`notify_url`\*\* \| (.+?) of that payment", PAGE)
    assert told is not None
    assert tuple(re.findall(r"`([\w.]+)`", told[1])) == TOLD_TO_NOTIFY_URLS == TOLD_TO_THE_ORDER_SERVICE
