"""Who may see and do what: every role against every page and every deed (RELIABILITY T27)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from config.office import roles
from payments.models import Refund
from tests.office.conftest import Day

ORDERS: Final = {
    "payment",
    "attempt",
    "capture",
    "refund",
    "dispute",
    "order",
    "shop",
    "emailmessagelog",
    "paymentmethod",
    "webhookdelivery",
}
MONEY: Final = ORDERS | {
    "moneycase",
    "notification",
    "gatewayaccount",
    "routingrule",
    "approval",
    "account",
    "journalentry",
}
ACT: Final = {
    "payment.refresh", "payment.collected", "payment.confirm-transfer", "payment.import-statement", "payment.not-collected", "payment.capture", "payment.pay-link",
    "payment.cancel", "attempt.ask",
}  # fmt: skip
DECIDE: Final = {
    f"{thing}.{word}" for thing in ("approval", "refund", "dispute", "moneycase") for word in ("approve", "reject")
}
HAND: Final = {"refund.settle", "refund.retry", "refund.ask"}
DISPUTES: Final = {
    f"dispute.{deed}"
    for deed in ("read-settlement", "open", "evidence", "contest", "accept", "end", "platform", "attach", "ask")
}
RULES: Final = {f"routingrule.{word}" for word in ("new", "edit", "remove")}
HOOKS: Final = {
    *(f"webhookendpoint.{deed}" for deed in ("new", "edit", "test", "rotate", "disable", "enable", "remove")),
    "webhookdelivery.again",
}
LETTERS: Final = {"payment.resend", "emailmessagelog.resend"}

SEES: Final[dict[str, set[str]]] = {
    "finance_viewer": MONEY,
    "finance_operator": MONEY,
    "finance_approver": MONEY,
    "treasury": MONEY,
    "accountant": MONEY,
    "support": ORDERS,
    "ops": ORDERS
    | {
        "notification",
        "gatewayaccount",
        "routingrule",
        "webhookendpoint",
        "deadletter",
        "outboxevent",
        "jobrun",
        "retentionpolicy",
        "retentionrun",
    },
    "auditor": {page.opts.model_name for page in admin.site._registry.values()},
    "api_admin": {"apikey"},
}
DOES: Final[dict[str, set[str]]] = {
    "finance_viewer": set(),
    "finance_operator": ACT | HAND | DISPUTES | LETTERS | {
        "payment.refund", "moneycase.propose", "moneycase.name-payment", "order.forget",
    },
    "finance_approver": DECIDE,
    "treasury": HAND | DISPUTES | RULES,
    "accountant": set(),
    "support": LETTERS | {"payment.refund"},
    "ops": {
        "notification.replay", "notification.raw", "deadletter.requeue", "deadletter.discard", "outboxevent.tell-again",
        "gatewayaccount.new", "gatewayaccount.edit", "gatewayaccount.test", "gatewayaccount.hold-open",
        "gatewayaccount.hold-closed", "gatewayaccount.release", "paymentmethod.new", "paymentmethod.edit", *RULES, *HOOKS,
        "order.forget", "retentionpolicy.days", "retentionpolicy.reset",
    },
    "auditor": set(),
    "api_admin": {"apikey.new", "apikey.revoke"},
}  # fmt: skip


def _pages() -> list[Any]:
    ours = ("core", "payments", "ledger")
    return [page for page in admin.site._registry.values() if page.opts.app_label in ours]


def test_every_role_of_the_table_is_expected_here() -> None:
    assert set(SEES) == set(DOES) == set(roles.ROLES)


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_a_role_sees_its_pages_and_no_other(role: str, login: Callable[..., Client]) -> None:
    client = login(role)
    seen = {
        page.opts.model_name
        for page in _pages()
        if client.get(reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")).status_code == 200
    }

    assert seen == {name for name in SEES[role] if any(page.opts.model_name == name for page in _pages())}


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_a_role_does_its_deeds_and_no_other(role: str, login: Callable[..., Client], day: Day) -> None:
    client = login(role)
    allowed = set()
    for page in _pages():
        for deed in page.deeds:
            row = None if deed.is_of_list else page.model._default_manager.first()
            if row is None and not deed.is_of_list:
                allowed |= {f"{page.opts.model_name}.{deed.name}"} & DOES[role]  # there is no such row to try it on
                continue
            status = client.get(page.deed_url(deed, row)).status_code
            assert status in (200, 302, 403)
            if status != 403:
                allowed.add(f"{page.opts.model_name}.{deed.name}")

    assert allowed == DOES[role]


@pytest.mark.parametrize("role", ["finance_viewer", "accountant", "auditor", "support", "ops"])
def test_a_deed_that_is_not_theirs_changes_nothing(role: str, login: Callable[..., Client], day: Day) -> None:
    client = login(role)

    for model, key, name in (
        ("core_approval", day.approval.pk, "approve"),
        ("payments_refund", day.refund.pk, "approve"),
        ("payments_moneycase", day.case.pk, "propose"),
    ):
        assert client.post(reverse(f"admin:{model}_{name}", args=[key]), {"reason": "why not"}).status_code == 403
    day.approval.refresh_from_db()
    assert day.approval.status == "pending"
    assert Refund.objects.get().status == "pending_approval"


def test_exports_need_their_own_permission(login: Callable[..., Client], day: Day) -> None:
    address = reverse("admin:payments_payment_export", args=["csv"])

    assert login("finance_viewer").get(address).status_code == 403
    assert login("accountant").get(address).status_code == 200


def test_the_groups_are_exactly_what_the_table_says(db: None) -> None:
    before = {group.name: _permissions(group) for group in Group.objects.all()}
    roles.ensure(Group, Permission)

    assert {group.name: _permissions(group) for group in Group.objects.all()} == before
    assert set(before) == set(roles.ROLES)
    for role, names in roles.ROLES.items():
        if roles.VIEW_EVERYTHING not in names:
            assert before[role] == set(names), role


def test_an_auditor_reads_everything_and_nothing_raw(db: None) -> None:
    names = _permissions(Group.objects.get(name="auditor"))

    assert "core.view_auditentry" in names and "ledger.view_journalentry" in names
    assert all(".view_" in name for name in names)
    assert "payments.view_raw_notification" not in names


def _permissions(group: Group) -> set[str]:
    return {f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.select_related("content_type")}


def test_somebody_who_is_not_staff_sees_nothing(login: Callable[..., Client], person: Callable[..., Any]) -> None:
    client = login(user=person("finance_approver", is_staff=False))

    assert client.get(reverse("admin:index")).status_code == 302
    assert client.get(reverse("admin:payments_payment_changelist")).status_code == 302
