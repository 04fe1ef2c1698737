"""Retention in the back office: all policies at a glance, their runs, and days that staff change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from config.core.clock import now
from config.core.models import Approval, AuditEntry, JobRun, RetentionPolicy
from config.core.retention import policies, purge, registry
from config.office.doctor import State, work
from payments.models import EmailMessageLog, Notification, Order, Payment
from tests.office.conftest import Day, deed

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "admin:core_retentionpolicy_changelist"


@pytest.fixture
def ops(login: Callable[..., Client], person: Callable[..., object]) -> Client:
    return login(user=person("ops", language="en"))


def test_every_policy_is_listed_with_what_waits_and_what_went(ops: Client, day: Day) -> None:
    Notification.objects.update(received_at=now() - timedelta(days=91))
    before = ops.get(reverse(LIST)).text
    assert "never ran" in before

    purge.purge(at=now())
    after = ops.get(reverse(LIST)).text

    assert all(str(rule.title) in after for rule in registry.rules())
    assert "Every policy stands as it came." in after
    assert "never ran" not in after.split("Published events")[0]
    runs = ops.get(reverse("admin:core_retentionrun_changelist"), {"q": "refused_messages"}).text
    assert "Refused gateway messages" in runs


def test_a_policy_says_what_it_takes_and_why(ops: Client) -> None:
    answer = ops.get(reverse("admin:core_retentionpolicy_change", args=["gateway_messages"]))

    assert answer.status_code == 200
    assert "By the fingerprint the same message is still recognised" in answer.text
    assert "It has not run yet." in answer.text
    assert ops.get(reverse("admin:core_retentionpolicy_change", args=["nonsense"])).status_code == 302


def test_ops_changes_days_and_goes_back(ops: Client) -> None:
    page = deed("core_retentionpolicy", "refused_messages", "days")

    assert ops.post(page, {"days": "13", "reason": "too few"}).status_code == 422
    assert ops.post(page, {"days": "14", "reason": ""}).status_code == 422
    assert RetentionPolicy.objects.count() == 0
    assert ops.post(page, {"days": "14", "reason": "a smaller disk"}).status_code == 302

    assert policies.standing()["refused_messages"] == 14
    shown = ops.get(reverse(LIST)).text
    assert "a smaller disk" in shown
    reset = deed("core_retentionpolicy", "refused_messages", "reset")
    assert ops.post(reset, {"reason": "a larger disk"}).status_code == 302
    assert policies.standing()["refused_messages"] == 90
    assert AuditEntry.objects.filter(action="retention.changed").count() == 2


def test_who_only_sees_changes_nothing(login: Callable[..., Client]) -> None:
    auditor = login("auditor")

    assert auditor.get(reverse(LIST)).status_code == 200
    page = deed("core_retentionpolicy", "refused_messages", "days")
    assert auditor.post(page, {"days": "14", "reason": "why not"}).status_code == 403
    assert RetentionPolicy.objects.count() == 0
    assert login("support").get(reverse(LIST)).status_code == 403


def test_ops_asks_that_a_customer_is_forgotten_and_another_person_agrees(
    ops: Client, login: Callable[..., Client], paid: Payment
) -> None:
    EmailMessageLog.objects.update(status="sent", next_try_at=None)

    asked = ops.post(deed("payments_order", paid.order_id, "forget"), {"reason": "they wrote to us"}, follow=True)

    approval = Approval.objects.get(action="customer.forget")
    assert f"{approval.pk} waits for another person" in asked.text
    approver = login("finance_approver")
    assert approver.post(deed("core_approval", approval.pk, "approve"), {"reason": "seen"}).status_code == 302
    order = Order.objects.get()
    assert (order.buyer_name, order.buyer_email, order.buyer_phone) == ("", "", "")


def test_a_customer_whose_other_payment_is_open_is_not_forgotten(ops: Client, day: Day) -> None:
    order = day.paid.order

    answer = ops.post(deed("payments_order", order.pk, "forget"), {"reason": "they wrote to us"}, follow=True)

    assert answer.status_code == 422  # the other payment of this customer is open
    assert "still under way" in answer.text
    assert not Approval.objects.filter(action="customer.forget").exists()


def test_an_emptied_message_offers_neither_its_bytes_nor_a_replay(ops: Client, day: Day) -> None:
    Notification.objects.update(purged_at=now(), body="")

    answer = ops.get(reverse("admin:payments_notification_change", args=[day.message.pk]))

    assert "Emptied by retention" in answer.text
    assert "/do/raw/" not in answer.text
    assert "/do/replay/" not in answer.text


def test_doctor_warns_when_the_nightly_run_stays_away(day: Day) -> None:
    (fine,) = work.retention(now())
    Notification.objects.update(received_at=now() - timedelta(days=94))
    (ill,) = work.retention(now())

    assert (fine.state, ill.state) == (State.OK, State.WARNING)
    assert "Refused gateway messages" in ill.sentence
    JobRun.objects.create(name="purge_expired", started_at=now(), last_success_at=now())
    assert [one.state for one in work.retention(now())] == [State.OK]
