"""Beat's table names tasks that exist, and every sweep runs with nothing to do, as a task and as a command."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from confluent_kafka import Producer
from django.core.management import call_command

from config.celery import SCHEDULE, app
from config.core.models import JobRun
from payments import tasks


def test_every_line_of_the_schedule_names_a_task_that_exists() -> None:
    app.loader.import_default_modules()

    assert {line.task for line in SCHEDULE} - set(app.tasks) == set()
    assert len({line.task for line in SCHEDULE}) == len(SCHEDULE)
    assert all(line.expires_seconds > 0 and line.why for line in SCHEDULE)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("task", "job"),
    [
        ("ask_due", "ask_due"),
        ("open_queued", "open_payments"),
        ("expire_overdue", "expire_payments"),
        ("close_due", "close_due"),
        ("process_waiting", "process_notifications"),
        ("advance_refunds", "advance_refunds"),
        ("send_emails", "send_emails"),
        ("take_up_requeued", "take_up_messages"),
        ("settle_approvals", "approvals"),
        ("fold_ledger", "fold_ledger"),
        ("relay_events", "relay_events_backstop"),
    ],
)
def test_a_sweep_with_nothing_to_do_is_recorded_as_done(task: str, job: str, kafka_brokers: str) -> None:
    assert getattr(tasks, task)() == 0

    run = JobRun.objects.get(name=job)
    assert (run.outcome, run.handled) == ("ok", 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("command", "expected"), [("expire_payments", {"asked": 0, "ended": 0}), ("send_emails", {"sent": 0})]
)
def test_a_sweep_is_a_command_too(command: str, expected: dict[str, int]) -> None:
    out = StringIO()

    call_command(command, "--json", stdout=out)

    assert json.loads(out.getvalue()) == expected


def test_a_process_keeps_one_producer(kafka_brokers: str) -> None:
    assert isinstance(tasks._producer(), Producer)
    assert tasks._producer() is tasks._producer()
