"""`manage.py events` and `create_topics`: doors that ops use without reading code."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.core import deadletters, kafka
from config.core.management.commands import create_topics
from config.core.models import AuditEntry, DeadLetter, OutboxEvent, User
from tests.core.brokers import AT, Brokers, Teller

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("events", "--json", *arguments, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def told(tell: Teller) -> list[str]:
    """Two events, the first of them published."""
    ids = [tell("order-1", type="payment.completed"), tell("order-2")]
    OutboxEvent.objects.filter(event_id=ids[0]).update(published_at=AT, partition=0, offset=41)
    return ids


def test_events_are_listed_newest_first_and_filtered(told: list[str]):
    assert [row["event_id"] for row in run("list")] == told[::-1]
    assert [row["event_id"] for row in run("list", "--unpublished")] == [told[1]]
    (row,) = run("list", "--key", "order-1", "--since", "2026-11-21T03:00:00Z", "--until", "2026-11-21T03:00:01Z")
    assert (row["type"], row["offset"]) == ("payment.completed", 41)
    assert run("list", "--until", "2026-11-21T03:00:00Z") == []


def test_one_event_is_shown_whole(told: list[str]):
    out = StringIO()
    call_command("events", "show", told[0], stdout=out)

    shown = json.loads(out.getvalue())
    assert (shown["event_id"], shown["data"], shown["key"]) == (told[0], {"n": 1}, "order-1")


def test_a_replay_by_type_tells_published_events_again(told: list[str], checker: User):
    who = ("--actor", "MINH@example.com", "--reason", "consumer lost a day")

    assert run("replay", "--type", "payment.completed", *who) == [{"replayed": 1}]

    assert OutboxEvent.objects.filter(published_at=None).count() == 2
    assert AuditEntry.objects.get().actor == "user:minh@example.com"


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "--actor", "minh@example.com", "--reason", "all of it"),
        ("replay", "--type", "payment.completed", "--actor", "nobody@example.com", "--reason", "x"),
        ("replay", "--type", "payment.completed", "--actor", "minh@example.com", "--reason", " "),
        ("show", "evt_x"),
        ("discard", "dl_x", "--actor", "minh@example.com", "--reason", "x"),
    ],
)
def test_what_is_refused_says_so_with_code_four(told: list[str], checker: User, arguments: tuple[str, ...]):
    with pytest.raises(CommandError) as refused:
        run(*arguments)

    assert refused.value.returncode == 4
    assert OutboxEvent.objects.filter(published_at=None).count() == 1
    assert AuditEntry.objects.count() == 0


def test_dead_letters_are_listed_and_discarded(checker: User):
    letter = deadletters.bury(
        source="consumer",
        topic="order.created",
        key="order-1",
        reference="0:1",
        payload={},
        headers={},
        error="odd",
        attempts=3,
    )

    assert [(row["id"], row["error"]) for row in run("dead", "--source", "consumer")] == [(letter.pk, "odd")]
    assert run("dead", "--source", "outbox") == []
    assert run("discard", letter.pk, "--actor", "minh@example.com", "--reason", "test order") == [
        {"id": letter.pk, "status": "discarded"}
    ]
    assert (run("dead"), DeadLetter.objects.get().reason) == ([], "test order")


# --- Topics ----------------------------------------------------------------------------------------------------------
def test_the_manifest_names_aliases_and_dead_letters(settings: Any):
    topics = kafka.all_topics()

    assert len(topics) == len(set(topics))
    assert {"payment.completed", "payment.success", "payment-success", "payment-failed", "payment-refunded",
            "payment-events", "order.created", "dlq.payment.completed", "dlq.order.created"} <= set(topics)  # fmt: skip
    settings.EVENT_TOPIC_ALIASES_OFF = frozenset({"payment-success"})
    assert "payment-success" not in kafka.all_topics()


def test_topics_that_are_missing_are_said(brokers: Brokers):
    for topic in kafka.all_topics():
        if topic != "payout.paid":
            brokers.create_topic(topic)
    out = StringIO()

    call_command("create_topics", "--json", "--dry-run", stdout=out)

    outcome = json.loads(out.getvalue())
    assert {topic for topic, word in outcome.items() if word == "missing"} == {"payout.paid"}
    assert {word for topic, word in outcome.items() if topic != "payout.paid"} == {"exists"}


def test_without_brokers_create_topics_says_so(brokers: Brokers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(create_topics, "ANSWER_SECONDS", 0.5)
    brokers.down()

    with pytest.raises(CommandError, match="do not answer") as failed:
        call_command("create_topics")

    assert failed.value.returncode == 6
