"""Lists: every row once, in order, at any depth, whatever is written meanwhile."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from config.core.models import DeadLetter

pytestmark = pytest.mark.django_db

LETTERS = "/api/v1/letters"
AT = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def letter(number: int, *, seconds: int) -> DeadLetter:
    """created_at is Django's to set, so it is changed afterwards."""
    row = DeadLetter.objects.create(
        id=f"dl_{number:03}", source="task", topic="t", reference=str(number), payload={}, error="e", attempts=3
    )
    DeadLetter.objects.filter(pk=row.pk).update(created_at=AT + timedelta(seconds=seconds))
    return row


def walk(client: Client, limit: int) -> list[list[str]]:
    pages: list[list[str]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        answer = client.get(LETTERS, query).json()
        pages.append(answer["data"])
        assert answer["has_more"] == (answer["next_cursor"] is not None)
        if not answer["has_more"]:
            return pages
        query = {"limit": limit, "cursor": answer["next_cursor"]}


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 100])
def test_every_row_comes_once_newest_first_also_when_times_are_equal(edge: Client, limit: int) -> None:
    for number, seconds in enumerate([0, 5, 5, 5, 9, 1]):
        letter(number, seconds=seconds)

    pages = walk(edge, limit)

    assert [row for page in pages for row in page] == ["dl_004", "dl_003", "dl_002", "dl_001", "dl_005", "dl_000"]
    assert {len(page) for page in pages[:-1]} <= {limit}


def test_an_empty_list_has_no_next_page(edge: Client) -> None:
    assert edge.get(LETTERS).json() == {"data": [], "next_cursor": None, "has_more": False}


def test_rows_written_meanwhile_do_not_shift_the_pages(edge: Client) -> None:
    for number in range(4):
        letter(number, seconds=number)
    first = edge.get(LETTERS, {"limit": 2}).json()
    letter(9, seconds=100)

    second = edge.get(LETTERS, {"limit": 2, "cursor": first["next_cursor"]}).json()

    assert (first["data"], second["data"]) == (["dl_003", "dl_002"], ["dl_001", "dl_000"])


def test_twenty_rows_unless_told_otherwise(edge: Client) -> None:
    for number in range(21):
        letter(number, seconds=number)

    assert len(edge.get(LETTERS).json()["data"]) == 20
    assert len(edge.get(LETTERS, {"page_size": 7}).json()["data"]) == 7


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!",
        "é",
        "A" * 301,
        "AAAA",
        encoded([]),
        encoded(None),
        encoded({}),
        encoded(["2026-11-21T03:00:00+00:00"]),
        encoded(["yesterday", "dl_1"]),
        encoded(["2026-11-21T03:00:00", "dl_1"]),
        encoded([1, "dl_1"]),
        encoded(["2026-11-21T03:00:00+00:00", 7]),
        encoded(["2026-11-21T03:00:00+00:00", None]),
        encoded(["2026-11-21T03:00:00+00:00", ["dl_1"]]),
        encoded(["2026-11-21T03:00:00+00:00", "dl\x00"]),
        encoded(["2026-11-21T03:00:00+00:00", "dl_1", "more"]),
        encoded(["9999-12-31T23:59:59-23:59", "dl_1"]),
    ],
)
def test_a_bad_cursor_is_named(edge: Client, cursor: str) -> None:
    answer = edge.get(LETTERS, {"cursor": cursor})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/cursor")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "", "٣", "99999999999999999999"])
def test_a_bad_limit_is_named(edge: Client, limit: str) -> None:
    answer = edge.get(LETTERS, {"limit": limit})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/limit")


def test_a_cursor_that_somebody_made_up_is_only_a_place_in_the_list(edge: Client) -> None:
    letter(1, seconds=1)

    answer = edge.get(LETTERS, {"cursor": encoded(["2030-01-01T00:00:00+07:00", "'; DROP TABLE core_deadletter; --"])})

    assert answer.json()["data"] == ["dl_001"]
