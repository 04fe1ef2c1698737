"""docs/events.md shows the payloads that the code announces, and names every topic."""

from __future__ import annotations

import json
import re

import pytest

from config.core import kafka
from payments.services.consuming import HANDLERS
from tests.docs.facts import announced
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "events.md").read_text()
SHOWN = {
    kind: json.loads(data) for kind, data in re.findall(r"^### `([\w.]+)`\n.*?```json\n(.*?)```", PAGE, re.S | re.M)
}


def test_every_payload_shown_is_what_the_code_announces() -> None:
    made = {kind: dict(event.data) for kind, event in announced().items()}
    assert made == SHOWN


@pytest.mark.parametrize(
    "topic", sorted({*kafka.PRODUCED, *kafka.CONSUMED, kafka.FIREHOSE, *sum(kafka.ALIASES.values(), ())})
)
def test_every_topic_is_named(topic: str) -> None:
    assert f"`{topic}`" in PAGE


def test_every_topic_we_act_on_has_its_row() -> None:
    heard = PAGE.split("## What we listen to")[1]
    rows = set(re.findall(r"^\| `([\w.]+)` \|", heard, re.M))
    assert rows == set(HANDLERS)


def test_every_envelope_field_is_shown_as_the_relay_writes_it() -> None:
    shown = json.loads(PAGE.split("```json\n")[1].split("```")[0])
    assert list(shown) == ["event_id", "type", "version", "occurred_at", "sequence", "producer", "trace_id", "data"]
