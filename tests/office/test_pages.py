"""Every page of the back office opens, empty and with data, in both languages, with few queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.core.admin.deeds import Deed
from config.core.admin.readonly import ReadOnlyAdmin
from payments.models import PaymentMethod
from tests.office.conftest import Day, open_payment

PAGES: list[Any] = sorted(admin.site._registry.values(), key=lambda page: page.model._meta.label)
BESIDE = (
    "admin:index", "admin:find", "admin:ledger_trial_balance", "admin:payments_channel_catalogue",
    "admin:payments_routing_simulate", "admin:password_change",
)  # fmt: skip


def _name(page: Any, word: str) -> str:
    return f"admin:{page.opts.app_label}_{page.opts.model_name}_{word}"


def test_every_registered_page_is_one_of_ours() -> None:
    assert [page.model for page in PAGES if not isinstance(page, ReadOnlyAdmin)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.model._meta.label_lower)
def test_an_empty_list_opens_and_says_so(page: Any, boss: Client) -> None:
    answer = boss.get(reverse(_name(page, "changelist")))

    assert answer.status_code == 200
    assert str(page.empty_list or "Nothing here yet") in answer.text or page.model.objects.exists()


@pytest.mark.parametrize("name", BESIDE)
def test_a_page_beside_the_lists_opens_empty_and_with_data(name: str, boss: Client, request: Any) -> None:
    assert boss.get(reverse(name)).status_code == 200
    request.getfixturevalue("day")
    assert boss.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("language", ["en", "vi"])
def test_every_list_page_and_deed_opens_with_data(language: str, boss: Client, day: Day) -> None:
    boss.get(reverse("admin:language", args=[language]))
    for page in PAGES:
        assert boss.get(reverse(_name(page, "changelist"))).status_code == 200, page
        for row in page.model._default_manager.all()[:5]:
            assert boss.get(reverse(_name(page, "change"), args=[row.pk])).status_code == 200, row
            for one in page.deeds:
                if not one.is_of_list:
                    assert boss.get(page.deed_url(one, row)).status_code == (200 if one.is_offered(row) else 302), one
        for one in page.deeds:
            if one.is_of_list:
                assert boss.get(page.deed_url(one, None)).status_code == 200, one


def test_nothing_can_be_added_changed_or_deleted_by_a_form(boss: Client, day: Day) -> None:
    for page in PAGES:
        row = page.model._default_manager.first()
        if row is None:
            continue
        assert boss.post(reverse(_name(page, "add")), {}).status_code == 403, page
        assert boss.post(reverse(_name(page, "change"), args=[row.pk]), {}).status_code == 405, page
        assert boss.post(reverse(_name(page, "delete"), args=[row.pk]), {"post": "yes"}).status_code == 403, page
        assert page.get_actions(boss.get("/admin/").wsgi_request) == {}


LISTS = ("payments_payment", "payments_attempt", "payments_capture", "payments_order", "payments_refund", "ledger_account", "ledger_journalentry", "core_auditentry")  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_ten_queries_at_most_however_many_rows(
    name: str, boss: Client, day: Day, momo: PaymentMethod
) -> None:
    address = reverse(f"admin:{name}_changelist")
    few = _queries(boss, address)
    for _ in range(12):
        open_payment(momo)

    assert _queries(boss, address) == few
    assert few <= 10


def test_a_payments_page_takes_as_many_queries_with_one_attempt_as_with_none_of_its_messages(
    boss: Client, day: Day
) -> None:
    assert _queries(boss, reverse("admin:payments_payment_change", args=[day.held.pk])) <= 30


def _queries(client: Client, address: str) -> int:
    client.get(address)  # sessions and content types are warm
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def test_a_filter_that_is_none_of_ours_is_refused(boss: Client) -> None:
    address = reverse("admin:payments_payment_changelist")

    assert boss.get(address, {"customer__icontains": "x"}).status_code == 400
    assert boss.get(address, {"amount_minor__gt": "1"}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"status": "succeeded"},
        {"status": "nonsense"},
        {"method": "x"},
        {"gateway": "momo"},
        {"day_from": "2026-13-45", "day_to": "tomorrow"},
        {"amount_from": "1.000", "amount_to": "many"},
        {"note": "case"},
        {"note": "late"},
        {"note": "refunded"},
        {"note": "unknown"},
        {"q": "\x00"},
        {"q": "%' OR 1=1"},
        {"after": "not a cursor", "before": "bm90"},
        {"hours": "24"},
    ],
)
def test_odd_filters_never_break_the_payment_list(query: dict[str, str], boss: Client, day: Day) -> None:
    assert boss.get(reverse("admin:payments_payment_changelist"), query).status_code in (200, 400)


def test_the_payment_list_filters_by_amount_as_it_is_written_here(
    boss: Client, momo: PaymentMethod, shown: Callable[..., list[str]]
) -> None:
    small, large = open_payment(momo, amount=90_000), open_payment(momo, amount=2_000_000)

    assert shown(boss, "payments_payment", amount_from="1.000.000") == [large.pk]
    assert shown(boss, "payments_payment", amount_to="100.000") == [small.pk]


def test_noteworthy_payments_are_found(boss: Client, day: Day, shown: Callable[..., list[str]]) -> None:
    assert shown(boss, "payments_payment", note="case") == [day.held.pk]
    assert shown(boss, "payments_payment", note="late") == []


@pytest.fixture
def shown() -> Callable[..., list[str]]:
    """The keys of the rows a list shows."""

    def read(client: Client, name: str, **query: str) -> list[str]:
        answer = client.get(reverse(f"admin:{name}_changelist"), query)
        return [row.pk for row in answer.context["cl"].result_list]

    return read


def test_the_search_box_leads_to_any_id(boss: Client, day: Day) -> None:
    attempt = day.held.attempts.get()
    held = reverse("admin:payments_payment_change", args=[day.held.pk])
    find = reverse("admin:find")

    assert boss.get(find, {"q": day.held.pk}).url == held
    assert boss.get(find, {"q": attempt.pk}).url == reverse("admin:payments_attempt_change", args=[attempt.pk])
    assert boss.get(find, {"q": attempt.gateway_reference}).url == held
    assert boss.get(find, {"q": attempt.gateway_transaction_id}).url == held
    assert boss.get(find, {"q": day.refund.pk}).url == reverse("admin:payments_refund_change", args=[day.refund.pk])
    assert boss.get(find, {"q": day.case.pk}).url == reverse("admin:payments_moneycase_change", args=[day.case.pk])
    several = boss.get(find, {"q": day.paid.order.order_id})
    assert several.context["hits"][0].name == day.paid.order.order_id
    assert len(several.context["hits"]) == 2
    assert boss.get(find, {"q": "nobody"}).context["hits"] == []


def test_the_search_box_shows_nobody_what_they_may_not_see(login: Callable[..., Client], day: Day) -> None:
    answer = login("api_admin").get(reverse("admin:find"), {"q": day.held.pk})

    assert answer.status_code == 200
    assert answer.context["hits"] == []


def test_a_deed_is_named_once_per_page() -> None:
    for page in PAGES:
        names = [one.name for one in page.deeds]
        assert len(names) == len(set(names)), page
        assert all(isinstance(one, Deed) for one in page.deeds)
