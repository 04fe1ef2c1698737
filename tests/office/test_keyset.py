"""Walking a long list: every row once, whatever is inserted meanwhile, forwards and back."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from config.core.admin import keyset
from config.core.clock import now
from config.core.models import OutboxEvent
from payments.models import Payment, PaymentMethod
from tests.office.conftest import open_payment

ORDER = ("-created_at", "-id")


@pytest.fixture
def rows(momo: PaymentMethod) -> list[str]:
    """Twenty-three payments, several of the same moment, newest first."""
    at = now() - timedelta(days=1)
    for number in range(23):
        open_payment(momo, at=at + timedelta(seconds=number // 4))
    return list(Payment.objects.order_by(*ORDER).values_list("pk", flat=True))


def _walk(after: str = "", before: str = "", size: int = 5) -> keyset.Page:
    return keyset.walk(Payment.objects.all(), order=ORDER, after=after, before=before, size=size)


def test_a_walk_covers_every_row_once_while_rows_are_inserted(rows: list[str], momo: PaymentMethod) -> None:
    seen: list[str] = []
    page = _walk()
    while True:
        seen += [row.pk for row in page.rows]
        open_payment(momo)  # newer than all: must not shift the pages that follow
        if not page.next_cursor:
            break
        page = _walk(after=page.next_cursor)

    assert seen == rows


def test_a_walk_goes_back_the_way_it_came(rows: list[str]) -> None:
    first = _walk()
    second = _walk(after=first.next_cursor)
    third = _walk(after=second.next_cursor)

    back = _walk(before=third.previous_cursor)
    assert [row.pk for row in back.rows] == [row.pk for row in second.rows]
    start = _walk(before=back.previous_cursor)
    assert [row.pk for row in start.rows] == rows[:5]
    assert start.previous_cursor == ""


def test_the_last_page_has_no_next(rows: list[str]) -> None:
    page = _walk(size=len(rows))

    assert (page.next_cursor, page.previous_cursor) == ("", "")
    assert len(page.rows) == len(rows)


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WzEsMl0", "bnVsbA", "é", "A" * 500, "WyJ4IiwieSJd", "WyIyMDI2LTAxLTAxIiwieCJd"]
)
def test_an_odd_cursor_is_the_first_page(cursor: str, rows: list[str]) -> None:
    assert [row.pk for row in _walk(after=cursor).rows] == rows[:5]


def test_a_list_of_one_ascending_column_walks_too(rows: list[str]) -> None:
    seen: list[int] = []
    page = keyset.walk(OutboxEvent.objects.all(), order=("-position",), after="", before="", size=3)
    while page.rows:
        seen += [row.pk for row in page.rows]
        if not page.next_cursor:
            break
        page = keyset.walk(OutboxEvent.objects.all(), order=("-position",), after=page.next_cursor, before="", size=3)

    assert seen == list(OutboxEvent.objects.order_by("-position").values_list("pk", flat=True))


def test_the_list_in_the_browser_keeps_its_filters_from_page_to_page(
    rows: list[str], boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from payments.admin.payments import PaymentAdmin

    monkeypatch.setattr(PaymentAdmin, "list_per_page", 10)
    address = reverse("admin:payments_payment_changelist") + "?status=awaiting_payment"
    seen: list[str] = []
    while address:
        page = boss.get(address).context["cl"]
        seen += [row.pk for row in page.result_list]
        address = page.next_url and reverse("admin:payments_payment_changelist") + page.next_url
        assert not address or parse_qs(urlsplit(address).query)["status"] == ["awaiting_payment"]

    assert seen == rows


def test_a_filtered_count_stops_where_it_would_cost(
    rows: list[str], boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "MAX_COUNTED", 10)

    page = boss.get(reverse("admin:payments_payment_changelist"), {"status": "awaiting_payment"}).context["cl"]

    assert (page.result_count, page.count_text) == (10, "more than 10")
