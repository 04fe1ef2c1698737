"""Four eyes: nobody decides what they asked for, and what was decided is what was asked for."""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from config.core import approvals, deadletters, inbox
from config.core.errors import Conflict, InvalidInput, NotFound
from config.core.models import Approval, AuditEntry, DeadLetter, User
from config.core.money import Money
from tests.core.people import person

AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db(transaction=True)


class Owner:
    """An app that owns the deed `test.pay`: does it once per approval, and hears when it is not done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.given_up: list[tuple[str, str]] = []
        self.payload: dict[str, object] = {"amount": "960000", "to": "VCB 0123"}
        self.failure: Conflict | None = None

    def execute(self, approval: Approval, at: datetime) -> None:
        if self.failure is not None:
            raise self.failure
        with transaction.atomic(durable=True):
            if inbox.claim(approvals.approval_cause(approval)):
                self.done.append(approval.pk)

    def current(self, approval: Approval) -> dict[str, object]:
        return self.payload

    def give_up(self, approval: Approval, at: datetime) -> None:
        self.given_up.append((approval.pk, approval.status))


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Owner:
    owner = Owner()
    monkeypatch.setattr(approvals, "_deeds", {})
    approvals.register_executor("test.pay", owner.execute, current=owner.current, on_refusal=owner.give_up)
    return owner


def ask(maker: User | None, **changes: Any) -> Approval:
    fields: dict[str, Any] = {
        "action": "test.pay",
        "object_type": "refund",
        "object_id": "re_1",
        "payload": {"to": "VCB 0123", "amount": "960000"},
        "maker": maker,
        "reason": "customer sent it back",
        "amount": Money(960000, "VND"),
        "at": AT,
    }
    with transaction.atomic():
        return approvals.request(**{**fields, **changes})


def state(approval: Approval) -> tuple[str, object, object]:
    approval.refresh_from_db()
    return approval.status, approval.checker_id, approval.decided_at


UNDECIDED = ("pending", None, None)


def test_a_request_keeps_who_asked_for_what_and_until_when(owner: Owner, maker: User):
    approval = ask(maker)

    assert (approval.maker, approval.maker_name, approval.status, approval.expires_at) == (
        maker, "lan@example.com", "pending", AT + timedelta(hours=72),
    )  # fmt: skip
    assert (approval.amount_minor, approval.currency) == (960000, "VND")
    assert approvals.matches(approval, {"amount": "960000", "to": "VCB 0123"})
    assert not approvals.matches(approval, {"amount": "960001", "to": "VCB 0123"})
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object_id) == ("user:lan@example.com", "approval.requested", "re_1")


def test_another_person_approves_and_the_deed_is_done(owner: Owner, maker: User, checker: User):
    approval = ask(maker)

    approved = approvals.approve(approval_id=approval.pk, checker=checker, reason="checked", at=AT + HOUR)

    assert state(approval) == ("approved", checker.pk, AT + HOUR)
    assert (owner.done, approved.executed_at, approved.execution_error) == ([approval.pk], AT + HOUR, "")
    assert list(AuditEntry.objects.order_by("id").values_list("actor", "action", "reason")) == [
        ("user:lan@example.com", "approval.requested", "customer sent it back"),
        ("user:minh@example.com", "approval.approved", "checked"),
    ]


def test_a_request_of_a_service_may_be_decided_by_anyone_permitted(owner: Owner, checker: User):
    approval = ask(None, maker_name="key:order-service")

    assert approvals.approve(approval_id=approval.pk, checker=checker, at=AT).status == "approved"


@pytest.mark.parametrize("decide", [approvals.approve, approvals.reject])
def test_nobody_decides_what_they_asked_for(owner: Owner, maker: User, decide: Any):
    approval = ask(maker)

    with pytest.raises(approvals.SelfApprovalRefused) as refused:
        decide(approval_id=approval.pk, checker=maker, reason="trust me", at=AT)

    assert (refused.value.code, refused.value.status) == ("self_approval_refused", 403)
    assert (state(approval), owner.done) == (UNDECIDED, [])


def test_a_superuser_does_not_either(owner: Owner):
    root = User.objects.create_superuser("root@example.com", "a long enough password")
    approval = ask(root)

    with pytest.raises(approvals.SelfApprovalRefused):
        approvals.approve(approval_id=approval.pk, checker=root, at=AT)

    assert (state(approval), owner.done) == (UNDECIDED, [])


@pytest.mark.parametrize("fields", [{}, {"is_active": False, "is_superuser": True}])
def test_who_has_no_permission_or_is_gone_does_not_decide(owner: Owner, maker: User, fields: dict[str, bool]):
    approval = ask(maker)
    stranger = person("stranger@example.com", **fields)

    with pytest.raises(approvals.ApprovalNotPermitted):
        approvals.approve(approval_id=approval.pk, checker=stranger, at=AT)

    assert state(approval) == UNDECIDED


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE core_approval SET checker_id = maker_id",
        "UPDATE core_approval SET checker_id = maker_id, status = 'approved', decided_at = now()",
        "UPDATE core_approval SET status = 'approved'",
        "UPDATE core_approval SET status = 'approved', decided_at = now()",
        "UPDATE core_approval SET maker_id = NULL",
        "UPDATE core_approval SET maker_id = NULL, checker_id = maker_id, status = 'approved', decided_at = now()",
        "UPDATE core_approval SET payload = jsonb_set(payload, '{amount}', '\"99\"')",
        "UPDATE core_approval SET payload_hash = ''",
        "UPDATE core_approval SET amount_minor = 1",
        "UPDATE core_approval SET object_id = 're_2'",
        "DELETE FROM core_approval",
        "TRUNCATE core_approval CASCADE",
    ],
)
def test_raw_sql_cannot_get_around_four_eyes(owner: Owner, maker: User, statement: str):
    approval = ask(maker)
    before = Approval.objects.values().get()

    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute(statement)

    assert Approval.objects.values().get() == before
    assert state(approval) == UNDECIDED


def test_a_decision_is_final_even_in_raw_sql(owner: Owner, maker: User, checker: User):
    approval = ask(maker)
    approvals.reject(approval_id=approval.pk, checker=checker, reason="no receipt", at=AT)

    with pytest.raises(IntegrityError, match="a decision is final"), connection.cursor() as cursor:
        cursor.execute("UPDATE core_approval SET status = 'approved'")

    assert state(approval) == ("rejected", checker.pk, AT)


def test_a_rejection_is_told_to_the_owner_and_nothing_is_done(owner: Owner, maker: User, checker: User):
    approval = ask(maker)

    approvals.reject(approval_id=approval.pk, checker=checker, reason="no receipt", at=AT)

    assert state(approval) == ("rejected", checker.pk, AT)
    assert (owner.done, owner.given_up) == ([], [(approval.pk, "rejected")])
    assert approvals.execute_approved(at=AT + HOUR) == 0


def test_a_rejection_needs_a_reason(owner: Owner, maker: User, checker: User):
    approval = ask(maker)

    with pytest.raises(InvalidInput):
        approvals.reject(approval_id=approval.pk, checker=checker, reason="", at=AT)

    assert state(approval) == UNDECIDED


def test_what_is_decided_is_not_decided_again(owner: Owner, maker: User, checker: User):
    approval = ask(maker)
    approvals.approve(approval_id=approval.pk, checker=checker, at=AT)

    for decide in (approvals.approve, approvals.reject):
        with pytest.raises(approvals.ApprovalDecided):
            decide(approval_id=approval.pk, checker=checker, reason="again", at=AT)

    assert owner.done == [approval.pk]


def test_a_request_nobody_decided_in_time_is_over(owner: Owner, maker: User, checker: User):
    approval = ask(maker, lifetime=HOUR)

    with pytest.raises(approvals.ApprovalExpired):
        approvals.approve(approval_id=approval.pk, checker=checker, at=AT + HOUR)

    assert state(approval) == ("expired", None, AT + HOUR)
    assert (owner.done, owner.given_up) == ([], [(approval.pk, "expired")])


def test_the_sweep_ends_overdue_requests_only(owner: Owner, maker: User):
    old, young = ask(maker, lifetime=HOUR), ask(maker, object_id="re_2", lifetime=HOUR * 2)

    assert (approvals.expire_overdue(at=AT + HOUR), approvals.expire_overdue(at=AT + HOUR)) == (1, 0)

    assert (state(old)[0], state(young)[0]) == ("expired", "pending")


def test_what_changed_after_it_was_asked_for_is_void(owner: Owner, maker: User, checker: User):
    approval = ask(maker)
    owner.payload["amount"] = "9600000"

    with pytest.raises(approvals.ApprovalChanged) as changed:
        approvals.approve(approval_id=approval.pk, checker=checker, at=AT)

    assert (changed.value.code, changed.value.status) == ("approval_changed", 409)
    assert state(approval) == ("void", None, AT)
    assert (owner.done, owner.given_up) == ([], [(approval.pk, "void")])


def test_asking_again_gives_the_request_that_waits(owner: Owner, maker: User):
    first, again = ask(maker), ask(maker)

    assert first.pk == again.pk
    assert (Approval.objects.count(), AuditEntry.objects.count()) == (1, 1)


def test_asking_for_something_else_about_the_same_thing_is_refused(owner: Owner, maker: User):
    ask(maker)

    with pytest.raises(approvals.ApprovalPending):
        ask(maker, payload={"amount": "1"})

    assert Approval.objects.count() == 1


def test_asking_outside_a_transaction_is_refused(owner: Owner, maker: User):
    with pytest.raises(AssertionError):
        approvals.request(
            action="test.pay", object_type="refund", object_id="re_1", payload={}, maker=maker, reason="x", at=AT
        )

    assert Approval.objects.count() == 0


def test_approving_inside_a_transaction_is_refused(owner: Owner, maker: User, checker: User):
    approval = ask(maker)

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        approvals.approve(approval_id=approval.pk, checker=checker, at=AT)

    assert state(approval) == UNDECIDED


def test_an_unknown_approval_is_not_found(owner: Owner, checker: User):
    with pytest.raises(NotFound):
        approvals.approve(approval_id="apr_x", checker=checker, at=AT)


def test_an_approved_deed_that_was_not_done_is_found_by_the_sweep_and_done_once(
    owner: Owner, maker: User, checker: User
):
    approval = ask(maker)
    approvals._approve(approval.pk, checker, "", AT)  # the process ends between the decision and the deed

    assert (approvals.execute_approved(at=AT + HOUR), approvals.execute_approved(at=AT + HOUR)) == (1, 0)
    Approval.objects.update(executed_at=None)  # and another ended between the deed and its mark
    assert approvals.execute_approved(at=AT + HOUR) == 1

    assert owner.done == [approval.pk]


def test_a_deed_that_keeps_failing_becomes_a_dead_letter_and_can_be_requeued(owner: Owner, maker: User, checker: User):
    approval = ask(maker)
    owner.failure = Conflict("The gateway account is closed.")
    approvals.approve(approval_id=approval.pk, checker=checker, at=AT)
    assert [approvals.execute_approved(at=AT) for _ in range(6)] == [0] * 6

    approval.refresh_from_db()
    assert (approval.status, approval.execution_attempts, approval.execution_error) == (
        "approved", 5, "conflict: The gateway account is closed.",
    )  # fmt: skip
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.reference, letter.attempts) == ("approval", approval.pk, 5)

    owner.failure = None
    deadletters.requeue(dead_letter_id=letter.pk, actor=checker, reason="account reopened", at=AT)
    assert approvals.execute_approved(at=AT + HOUR) == 1
    assert owner.done == [approval.pk]


@pytest.mark.race
def test_eight_people_decide_at_once_and_one_decision_counts(owner: Owner, maker: User):
    approval = ask(maker)
    people = [person(f"checker{number}@example.com", "decide_approval") for number in range(8)]
    gate = threading.Barrier(8)

    def decide(number: int) -> str:
        decide = approvals.approve if number % 2 else approvals.reject
        gate.wait(10)
        try:
            return decide(approval_id=approval.pk, checker=people[number], reason="decided", at=AT).status
        except approvals.ApprovalDecided as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(decide, range(8)))

    approval.refresh_from_db()
    assert sorted(outcomes) == sorted([approval.status, *["approval_decided"] * 7])
    assert owner.done == ([approval.pk] if approval.status == "approved" else [])


def test_the_hash_is_that_of_canonical_json():
    """Computed by hand, so that an approval of today still matches after a change of our encoder."""
    text = '{"a":{"x":"đ","y":[1,2]},"b":null}'
    assert json.loads(text) == {"b": None, "a": {"y": [1, 2], "x": "đ"}}

    assert (
        approvals.payload_hash({"b": None, "a": {"y": [1, 2], "x": "đ"}}) == hashlib.sha256(text.encode()).hexdigest()
    )
