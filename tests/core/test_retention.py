"""Retention: what a run takes away, what it leaves, and what happens when it is cut short, killed or not alone."""

from __future__ import annotations

import json
import re
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from config.core import deadletters, jobs, scrape
from config.core.errors import InvalidInput
from config.core.models import AuditEntry, DeadLetter, InboxClaim, JobRun, RetentionPolicy, RetentionRun, User
from config.core.retention import overdue, policies, purge, registry
from payments import tasks
from tests.core.people import person

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
DAYS = 180
CUTOFF = NOW - timedelta(days=DAYS)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "PAUSE_SECONDS", 0)


@pytest.fixture
def boss() -> User:
    return person("boss@example.com")


def letter(name: str, *, decided_at: datetime | None = CUTOFF - SECOND) -> DeadLetter:
    """A dead letter, decided then; an open one without a moment."""
    made = deadletters.bury(
        source="outbox", topic="t", key="", reference=name, payload={}, headers={}, error="e", attempts=3
    )
    if decided_at is not None:
        DeadLetter.objects.filter(pk=made.pk).update(status="discarded", decided_at=decided_at)
    return made


def left() -> set[str]:
    return set(DeadLetter.objects.values_list("reference", flat=True))


# --- What goes ---------------------------------------------------------------------------------------------------------
def test_what_is_older_goes_and_what_is_exactly_as_old_stays() -> None:
    letter("older")
    letter("as old", decided_at=CUTOFF)
    letter("younger", decided_at=CUTOFF + SECOND)
    letter("undecided", decided_at=None)

    (counted,) = purge.dry_run(at=NOW, only=["dead_letters"])
    assert (counted.rows, left()) == (1, {"older", "as old", "younger", "undecided"})
    (done,) = purge.purge(at=NOW, only=["dead_letters"])

    assert (done.rows, done.outcome, done.days, done.cutoff) == (1, "done", DAYS, CUTOFF)
    assert left() == {"as old", "younger", "undecided"}
    (again,) = purge.purge(at=NOW, only=["dead_letters"])
    assert again.rows == 0


def test_a_run_that_took_something_is_in_the_trail_and_one_that_did_not_is_only_listed() -> None:
    letter("older")

    purge.purge(at=NOW)
    purge.purge(at=NOW)

    entry = AuditEntry.objects.get(action="retention.purged")
    assert (entry.actor, entry.object_id, entry.after["rows"], entry.after["days"]) == (
        "system:retention", "dead_letters", 1, DAYS,
    )  # fmt: skip
    assert RetentionRun.objects.filter(policy="dead_letters").count() == 2
    assert (
        RetentionRun.objects.filter(outcome="done", finished_at__isnull=False).count() == RetentionRun.objects.count()
    )


def test_a_dry_run_leaves_no_trace() -> None:
    letter("older")

    purge.dry_run(at=NOW)

    assert (RetentionRun.objects.count(), AuditEntry.objects.count(), left()) == (0, 0, {"older"})


def test_only_marks_of_events_go_and_those_of_approvals_stay() -> None:
    for cause in ("kafka:evt_1", "requeued:dl_1", "approval:apr_1"):
        InboxClaim.objects.create(cause=cause)
    InboxClaim.objects.update(claimed_at=NOW - timedelta(days=400) - SECOND)

    purge.purge(at=NOW, only=["consumed_events"])

    assert list(InboxClaim.objects.values_list("cause", flat=True)) == ["approval:apr_1"]


# --- Cut short, killed, not alone ----------------------------------------------------------------------------------------
def test_a_run_whose_time_is_over_has_done_a_batch_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 2)
    for number in range(5):
        letter(f"older {number}", decided_at=CUTOFF - SECOND * (number + 1))

    (first,) = purge.purge(at=NOW, only=["dead_letters"], seconds=0)
    assert (first.rows, first.outcome, left()) == (2, "cut_short", {"older 0", "older 1", "older 2"})  # oldest first
    (second,) = purge.purge(at=NOW, only=["dead_letters"])

    assert (second.rows, second.outcome, left()) == (3, "done", set())


def test_a_backlog_of_one_policy_holds_up_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 1)
    for number in range(3):
        InboxClaim.objects.create(cause=f"kafka:{number}")
    InboxClaim.objects.update(claimed_at=NOW - timedelta(days=500))
    letter("older")
    order: list[str] = []

    purge.purge(at=NOW, only=["consumed_events", "dead_letters"], on_batch=lambda name, rows: order.append(name))

    assert order[:4] == ["consumed_events", "dead_letters", "consumed_events", "dead_letters"]


def test_a_killed_run_is_closed_by_the_next_with_what_it_had_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 2)
    for number in range(3):
        letter(f"older {number}")

    def die(name: str, rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        purge.purge(at=NOW, only=["dead_letters"], on_batch=die)
    assert RetentionRun.objects.get().outcome == "running"
    purge.purge(at=NOW, only=["dead_letters"])

    assert list(RetentionRun.objects.order_by("id").values_list("outcome", "removed")) == [
        ("interrupted", 2), ("done", 1),
    ]  # fmt: skip
    assert [entry.after["rows"] for entry in AuditEntry.objects.order_by("id")] == [2, 1]
    assert left() == set()


def test_two_runs_at_once_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    letter("older")
    answers: list[str] = []

    def other() -> None:
        try:
            purge.purge(at=NOW)
        except purge.PurgeUnderway as error:
            answers.append(error.code)
        connection.close()

    with jobs.only_one(purge.LOCK):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)

    assert (answers, left(), RetentionRun.objects.count()) == (["retention_underway"], {"older"}, 0)


def test_a_row_that_somebody_holds_is_left_for_the_next_night() -> None:
    held = letter("held")
    letter("free")
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            DeadLetter.objects.select_for_update().get(pk=held.pk)
            ready.set()
            done.wait(10)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(10)
    try:
        (found,) = purge.purge(at=NOW, only=["dead_letters"])
    finally:
        done.set()
        thread.join(10)

    assert (found.rows, found.outcome, left()) == (1, "done", {"held"})


def test_a_policy_that_fails_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    letter("older")
    monkeypatch.setattr(purge, "BATCH_LIMIT", "odd")

    found = purge.purge(at=NOW, only=["dead_letters"])

    assert (found[0].outcome, found[0].rows, left()) == ("failed", 0, {"older"})
    with pytest.raises(purge.PurgeFailed, match="dead_letters"):
        purge.refuse_failures(found)


# --- Days --------------------------------------------------------------------------------------------------------------
def test_staff_change_days_within_the_least_and_that_is_in_the_trail(boss: User) -> None:
    letter("younger", decided_at=NOW - timedelta(days=31))

    policies.change(name="dead_letters", days=30, actor=boss, reason="a smaller disk", at=NOW)

    entry = AuditEntry.objects.get(action="retention.changed")
    assert (entry.actor, entry.before, entry.after, entry.reason) == (
        "user:boss@example.com", {"days": DAYS}, {"days": 30}, "a smaller disk",
    )  # fmt: skip
    purge.purge(at=NOW, only=["dead_letters"])
    assert left() == set()


@pytest.mark.parametrize(("days", "reason"), [(29, "too short"), (0, "nothing"), (60, " ")])
def test_too_few_days_or_no_reason_change_nothing(boss: User, days: int, reason: str) -> None:
    with pytest.raises(InvalidInput):
        policies.change(name="dead_letters", days=days, actor=boss, reason=reason, at=NOW)

    assert policies.standing()["dead_letters"] == DAYS
    assert (RetentionPolicy.objects.count(), AuditEntry.objects.count()) == (0, 0)


def test_the_database_refuses_fewer_days_than_the_least(boss: User) -> None:
    with pytest.raises(IntegrityError):
        RetentionPolicy.objects.create(
            name="dead_letters", days=29, least_days=30, changed_by=boss, changed_at=NOW, reason="by hand"
        )


def test_a_policy_without_days_takes_nothing_and_back_to_the_default_it_does(boss: User) -> None:
    letter("older")

    policies.change(name="dead_letters", days=None, actor=boss, reason="an audit", at=NOW)
    assert purge.purge(at=NOW, only=["dead_letters"]) == []
    assert left() == {"older"}
    assert "dead_letters" not in overdue.counts(at=NOW)

    policies.reset(name="dead_letters", actor=boss, reason="the audit is over")
    assert [one.rows for one in purge.purge(at=NOW, only=["dead_letters"])] == [1]
    with pytest.raises(InvalidInput):
        policies.reset(name="dead_letters", actor=boss, reason="again")


def test_history_that_customers_read_is_kept_unless_somebody_decides_otherwise() -> None:
    assert policies.standing()["published_events"] is None


# --- Doors -------------------------------------------------------------------------------------------------------------
def test_the_command_counts_takes_and_names_its_exit_codes() -> None:
    old = datetime.now(UTC) - timedelta(days=DAYS, seconds=1)
    letter("older", decided_at=old)
    out = StringIO()
    call_command("purge_expired", "--dry-run", "--only", "dead_letters", stdout=out)
    assert out.getvalue() == "dead_letters: 1 rows older than 180 days would go\n"
    assert left() == {"older"}

    out = StringIO()
    call_command("purge_expired", "--json", stdout=out)
    found = {one["policy"]: one for one in json.loads(out.getvalue())}
    assert (found["dead_letters"]["rows"], found["dead_letters"]["outcome"], left()) == (1, "done", set())
    assert JobRun.objects.get(name="purge_expired").outcome == "ok"

    with pytest.raises(CommandError) as unknown:
        call_command("purge_expired", "--only", "nonsense")
    assert unknown.value.returncode == 2


def test_the_command_says_that_another_run_is_at_work() -> None:
    codes: list[int] = []

    def other() -> None:
        try:
            call_command("purge_expired", "--only", "dead_letters")
        except CommandError as error:
            codes.append(error.returncode)
        connection.close()

    with jobs.only_one(purge.LOCK):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)

    assert codes == [5]


def test_the_nightly_job_is_recorded_with_what_it_took() -> None:
    letter("older", decided_at=datetime.now(UTC) - timedelta(days=DAYS, seconds=1))

    assert tasks.purge_expired() == 1

    run = JobRun.objects.get(name="purge_expired")
    assert (run.outcome, run.handled) == ("ok", 1)


def test_a_missed_night_counts_only_while_something_waits_for_it() -> None:
    assert overdue.missed(at=NOW) == []
    letter("older", decided_at=CUTOFF - timedelta(days=3) + SECOND)
    assert overdue.missed(at=NOW) == []  # due for less than three days
    letter("old", decided_at=CUTOFF - timedelta(days=3) - SECOND)
    assert overdue.missed(at=NOW) == ["dead_letters"]

    JobRun.objects.create(name="purge_expired", started_at=NOW, last_success_at=NOW - timedelta(days=3) + SECOND)
    assert overdue.missed(at=NOW) == []
    JobRun.objects.update(last_success_at=NOW - timedelta(days=3))
    assert overdue.missed(at=NOW) == ["dead_letters"]


def test_what_went_and_when_is_a_metric() -> None:
    letter("older")
    purge.purge(at=NOW, only=["dead_letters"])
    finished = RetentionRun.objects.get().finished_at
    assert finished is not None

    scrape.forget()
    page = scrape.page().decode()

    assert re.search(r'^reckoner_retention_rows_total\{policy="dead_letters"\} [1-9]', page, re.M)
    (told,) = re.findall(r'^reckoner_retention_last_run_timestamp_seconds\{policy="dead_letters"\} (\S+)', page, re.M)
    assert float(told) == pytest.approx(finished.timestamp(), abs=1)


# --- Every model -------------------------------------------------------------------------------------------------------
def test_every_model_is_in_a_policy_or_kept_for_a_reason() -> None:
    """Who adds a model decides what becomes of its old rows: a rule, or `registry.keep` with the reason."""
    models = {model._meta.label for model in apps.get_models() if not model._meta.proxy}
    governed = {rule.model._meta.label for rule in registry.rules()}

    assert models - governed - set(registry.kept()) == set()
    assert set(registry.kept()) - models == set()
    assert all(registry.kept().values())


def test_money_books_and_the_trail_have_no_policy() -> None:
    never = {
        *(model._meta.label for model in apps.get_app_config("ledger").get_models()),
        "core.AuditEntry", "core.Approval", "payments.Capture", "payments.Order", "payments.ShopOrder",
        "payments.MoneyCase", "payments.Dispute", "payments.DisputeEvent", "payments.DisputeEvidence",
        "payments.AttemptEvent", "payments.RefundLine", "payments.ClawBack",
    }  # fmt: skip

    assert never <= set(registry.kept())
    assert {rule.model._meta.label for rule in registry.rules()} & set(registry.kept()) == set()


def test_of_payments_refunds_and_attempts_only_named_columns_are_emptied() -> None:
    facts: dict[str, set[str]] = {}
    for rule in registry.rules():
        if rule.model._meta.label in ("payments.Payment", "payments.Refund", "payments.Attempt"):
            facts[rule.model._meta.label] = set(rule.blank)

    key = {"idempotency_key", "fingerprint"}
    assert facts == {
        "payments.Payment": key, "payments.Refund": key, "payments.Attempt": {"request", "response"},
    }  # fmt: skip


@pytest.mark.parametrize("rule", [rule.name for rule in registry.rules()])
def test_what_is_due_is_found_by_an_index(rule: str) -> None:
    due = registry.rule(rule).due(cutoff=NOW)
    ordered = due.order_by(registry.rule(rule).age).values_list("pk", flat=True)[:10]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
        plan: Any = ordered.explain()
    table = registry.rule(rule).model._meta.db_table

    assert re.search(rf"Index Cond: .*{registry.rule(rule).age} <", plan), plan
    assert f"Seq Scan on {table}" not in plan
    assert "Sort" not in plan  # the index has the order of age
