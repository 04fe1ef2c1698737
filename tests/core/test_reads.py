"""A compiled read brings what its queryset would, with one query, and without working the SQL out again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db import connection, transaction
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from config.core.models import AuditEntry, User
from config.core.reads import Read

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> list[User]:
    return [User.objects.create(email=f"{name}@shop.vn", name="An", is_staff=name != "c") for name in "abc"]


def test_it_brings_what_the_queryset_would(people: list[User]) -> None:
    read = Read(lambda name: User.objects.filter(name=name, is_staff=True).order_by("-email"))

    assert [one.email for one in read.all("An")] == ["b@shop.vn", "a@shop.vn"]
    assert [one.email for one in read.all("Binh")] == []
    found = read.first("An")
    assert found is not None and found == people[1]
    assert (found._state.adding, found._state.db) == (False, "default")
    assert vars(found).keys() == vars(User.objects.get(pk=found.pk)).keys()


def test_the_same_sql_serves_every_key(people: list[User]) -> None:
    built: list[Any] = []

    def build(email: Any) -> Any:
        built.append(email)
        return User.objects.filter(email=email)

    read = Read(build)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert [read.one(one.email).pk for one in people] == [one.pk for one in people]

    assert len(built) == 1 and "@" not in built[0]
    assert [query["sql"].rpartition("= ")[2] for query in asked.captured_queries] == [
        "'a@shop.vn'",
        "'b@shop.vn'",
        "'c@shop.vn'",
    ]


def test_joined_rows_are_at_hand_and_a_missing_one_is_none() -> None:
    permission = Permission.objects.select_related("content_type").first()
    assert permission is not None
    read = Read(
        lambda codename, app: Permission.objects.select_related("content_type").filter(
            codename=codename, content_type__app_label=app
        )
    )

    with CaptureQueriesContext(connection) as asked:
        found = read.one(permission.codename, permission.content_type.app_label)
        assert found.content_type == permission.content_type
    assert len(asked.captured_queries) == 1


def test_a_number_is_a_key_too_and_may_stand_twice(people: list[User]) -> None:
    read = Read(lambda pk: User.objects.filter(pk__gte=pk).exclude(pk=pk).order_by("pk"))

    assert read.all(people[0].pk) == people[1:]


def test_values_are_converted_as_fields_do_it() -> None:
    row = AuditEntry.objects.create(
        actor="system", action="tested", object_type="thing", object_id="1", before={"a": 1}, after={"b": [2]}
    )
    read = Read(lambda object_id: AuditEntry.objects.filter(object_id=object_id))

    found = read.one("1")

    assert (found.pk, found.before, found.after) == (row.pk, {"a": 1}, {"b": [2]})


def test_one_means_one(people: list[User]) -> None:
    read = Read(lambda name: User.objects.filter(name=name))

    with pytest.raises(ObjectDoesNotExist):
        read.one("Binh")
    with pytest.raises(MultipleObjectsReturned):
        read.one("An")


@pytest.mark.django_db(transaction=True)
def test_a_lock_is_taken_and_only_inside_a_transaction(people: list[User]) -> None:
    read = Read(lambda pk: User.objects.select_for_update().filter(pk=pk))
    with transaction.atomic(), CaptureQueriesContext(connection) as asked:
        assert read.one(people[0].pk) == people[0]
    assert asked.captured_queries[-1]["sql"].endswith("FOR UPDATE")

    with pytest.raises(AssertionError, match="to the end of a transaction"):
        read.one(people[0].pk)


def test_a_key_that_has_no_place_and_annotations_are_refused() -> None:
    with pytest.raises(AssertionError, match="has its place"):
        Read(lambda name, other: Group.objects.filter(name=name)).all("a", "b")
    with pytest.raises(AssertionError, match="annotations"):
        Read(lambda name: Group.objects.annotate(n=Count("user")).filter(name=name)).all("a")
