"""Encrypted model fields: plain on the instance, sealed in the database, bound to their row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.core.management import CommandError, call_command
from django.db import connection, models

from config.core import crypto, ids, rotation
from config.core.fields import (
    BlindIndexField,
    EncryptedBytesField,
    EncryptedJSONField,
    EncryptedTextField,
    Sealed,
)

pytestmark = pytest.mark.django_db(transaction=True)
K1, K2 = b"1" * 32, b"2" * 32


class Secret(models.Model):
    """A table of this test alone."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.case_id)
    text = EncryptedTextField(default="", blank=True)
    text_index = BlindIndexField(source="text", purpose="secret-text", normalise=str.lower)
    facts = EncryptedJSONField(default=dict, blank=True)
    body = EncryptedBytesField(null=True)
    other = models.CharField(max_length=10, default="")

    class Meta:
        app_label = "core"
        db_table = "core_secret"
        apps = Apps()  # of its own: nobody else's test shall find a model without a table


@pytest.fixture(autouse=True)
def table(settings: Any, transactional_db: None) -> Iterator[None]:
    settings.ENCRYPTION_KEYS = {"k1": K1}
    with connection.schema_editor() as editor:
        editor.create_model(Secret)
    apps.register_model("core", Secret)
    yield
    del apps.all_models["core"]["secret"]
    apps.clear_cache()
    with connection.schema_editor() as editor:
        editor.delete_model(Secret)


@pytest.fixture
def secret() -> Secret:
    return Secret.objects.create(text="Nguyễn Thị Lan", facts={"account": "0123456789"}, body=b"\x00\xff")


def stored(secret: Secret, column: str) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM core_secret WHERE id = %s', [secret.pk])
        (value,) = cursor.fetchone()
    return value


def test_values_are_sealed_in_the_database_and_plain_on_the_instance(secret: Secret):
    for column in ("text", "facts", "body"):
        token = stored(secret, column)
        assert token.startswith("v1:k1:")
        assert "Lan" not in token and "0123456789" not in token

    again = Secret.objects.get()
    assert (again.text, again.facts, again.body) == ("Nguyễn Thị Lan", {"account": "0123456789"}, b"\x00\xff")


def test_empty_values_are_stored_empty(secret: Secret):
    empty = Secret.objects.create()

    assert (stored(empty, "text"), stored(empty, "facts"), stored(empty, "body")) == ("", "", None)
    again = Secret.objects.get(pk=empty.pk)
    assert (again.text, again.facts, again.body, again.text_index) == ("", {}, None, "")


def test_a_value_moved_to_another_row_does_not_open(secret: Secret):
    thief = Secret.objects.create(text="nothing")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_secret SET text = %s WHERE id = %s", [stored(secret, "text"), thief.pk])

    with pytest.raises(crypto.CannotDecrypt, match="moved here"):
        _ = Secret.objects.get(pk=thief.pk).text


def test_a_value_moved_to_another_column_does_not_open(secret: Secret):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_secret SET text = facts")

    with pytest.raises(crypto.CannotDecrypt):
        _ = Secret.objects.get().text


def test_a_copy_under_another_id_is_refused_before_it_is_stored():
    Secret.objects.create(body=b"raw")
    copy = Secret.objects.get()
    copy.pk = ids.case_id()

    with pytest.raises(crypto.CannotDecrypt):
        copy.save(force_insert=True)

    assert Secret.objects.count() == 1


def test_nothing_is_decrypted_before_it_is_read_and_a_damaged_value_harms_nobody_else(secret: Secret):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_secret SET text = 'v1:k1:damaged:value'")

    again = Secret.objects.get()

    assert again.facts == {"account": "0123456789"}
    with pytest.raises(crypto.CannotDecrypt):
        _ = again.text


def test_saving_another_field_keeps_the_token(secret: Secret):
    before = stored(secret, "text")
    again = Secret.objects.get()
    again.other = "x"
    again.save()

    assert stored(secret, "text") == before


def test_a_changed_value_is_saved_with_its_index(secret: Secret):
    again = Secret.objects.get()
    again.text = "Trần Minh"
    again.facts["bank"] = "VCB"
    again.save()

    found = Secret.objects.get(text_index__in=crypto.blind_indexes("trần minh", purpose="secret-text"))
    assert (found.text, found.facts) == ("Trần Minh", {"account": "0123456789", "bank": "VCB"})
    assert not Secret.objects.filter(text_index=crypto.blind_index("nguyễn thị lan", purpose="secret-text")).exists()


def test_deferred_and_refreshed_values_open_too(secret: Secret):
    deferred = Secret.objects.defer("text").get()
    assert deferred.text == "Nguyễn Thị Lan"
    deferred.text = "changed here only"
    deferred.refresh_from_db()
    assert deferred.text == "Nguyễn Thị Lan"
    assert Secret.objects.only("facts").get().facts == {"account": "0123456789"}


def test_bulk_create_seals_too():
    Secret.objects.bulk_create([Secret(text="a"), Secret(text="b")])

    assert sorted(row.text for row in Secret.objects.all()) == ["a", "b"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_secret WHERE text LIKE 'v1:k1:%'")
        assert cursor.fetchone() == (2,)


def test_values_show_nothing(secret: Secret):
    (sealed,) = Secret.objects.values_list("text", flat=True)

    assert isinstance(sealed, Sealed)
    assert (repr(sealed), str(sealed), f"{sealed}") == ("<encrypted>", "<encrypted>", "<encrypted>")
    assert "Lan" not in repr(Secret.objects.values())


def test_plain_text_in_a_query_is_refused(secret: Secret):
    for attempt in (
        lambda: Secret.objects.update(text="plain"),
        lambda: Secret.objects.filter(text="Nguyễn Thị Lan").exists(),
        lambda: Secret.objects.bulk_update([Secret(pk=secret.pk, text="plain")], ["text"]),
    ):
        with pytest.raises(TypeError, match="takes part in no query"):
            attempt()

    assert Secret.objects.get().text == "Nguyễn Thị Lan"


def test_a_row_without_an_id_cannot_be_sealed():
    field = Secret._meta.get_field("text")

    with pytest.raises(TypeError, match="needs its id"):
        field.pre_save(Secret(pk=None, text="x"), add=True)


# --- Rotation --------------------------------------------------------------------------------------------------------
def rotate(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("rotate_keys", "--json", *arguments, stdout=out)
    (table,) = [table for table in json.loads(out.getvalue())["tables"] if table["table"] == "core_secret"]
    return table


def test_rotation_brings_everything_under_the_newest_key(settings: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rotation, "BATCH", 3)
    for number in range(7):
        Secret.objects.create(text=f"text {number}", facts={"n": number}, body=b"x" if number % 2 else None)
    Secret.objects.create()
    settings.ENCRYPTION_KEYS = {"k2": K2, "k1": K1}
    Secret.objects.create(text="new")

    assert rotate("--dry-run") == {"table": "core_secret", "rows": 9, "reencrypted": 17}
    assert {crypto.key_id_of(row.token) for row in Secret.objects.exclude(text="").values_list("text", flat=True)} == {
        "k1", "k2",
    }  # fmt: skip
    assert rotate() == {"table": "core_secret", "rows": 9, "reencrypted": 17}
    assert rotate() == {"table": "core_secret", "rows": 9, "reencrypted": 0}

    settings.ENCRYPTION_KEYS = {"k2": K2}
    assert sorted(row.text for row in Secret.objects.all()) == ["", "new", *(f"text {n}" for n in range(7))]
    found = Secret.objects.get(text_index=crypto.blind_index("text 3", purpose="secret-text"))
    assert (found.facts, found.body) == ({"n": 3}, b"x")


def test_rotation_stops_at_a_value_that_does_not_open(settings: Any, secret: Secret):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_secret SET text = facts")
    settings.ENCRYPTION_KEYS = {"k2": K2, "k1": K1}
    before = [stored(secret, column) for column in ("text", "facts", "body")]

    with pytest.raises(CommandError) as failed:
        rotate()

    assert failed.value.returncode == 7
    assert [stored(secret, column) for column in ("text", "facts", "body")] == before
