"""Several writes as one statement: all of them or none, and what was wanted is what was changed."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from config.core import audit, ids, writes
from config.core.models import AuditEntry, DeadLetter

pytestmark = pytest.mark.django_db(transaction=True)


def letter(**changes: object) -> DeadLetter:
    """A row whose key is made in Python."""
    values = {
        "source": "test",
        "topic": "t",
        "key": "k",
        "payload": {"a": "ế"},
        "headers": {},
        "error": "",
        "attempts": 1,
    }
    return DeadLetter(id=ids.dead_letter_id(), **{**values, **changes})


def test_the_writes_of_a_block_are_one_statement_at_its_end() -> None:
    first = letter()
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        with writes.together():
            writes.insert(first)
            audit.record(actor="system", action="a", object_type="o", object_id="1")
            assert len(queries) == 0
        assert len(queries) == 1

    assert DeadLetter.objects.get().payload == {"a": "ế"}
    assert AuditEntry.objects.get().action == "a"


def test_a_second_write_of_a_table_comes_after_the_first() -> None:
    with transaction.atomic(), writes.together():
        for number in range(3):
            audit.record(actor="system", action=f"a{number}", object_type="o", object_id="1")

    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == ["a0", "a1", "a2"]


def test_a_block_that_raises_writes_nothing() -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), writes.together():
            audit.record(actor="system", action="a", object_type="o", object_id="1")
            raise RuntimeError("no")
        audit.record(actor="system", action="after", object_type="o", object_id="1")

    assert AuditEntry.objects.get().action == "after"


def test_a_write_that_changes_nothing_is_found_out() -> None:
    gone = letter()
    with pytest.raises(AssertionError, match="0 rows"), transaction.atomic():
        writes.update(gone, "error")
    with pytest.raises(AssertionError, match="0 rows"), transaction.atomic(), writes.together():
        audit.record(actor="system", action="a", object_type="o", object_id="1")
        writes.update(gone, "error")

    assert AuditEntry.objects.count() == 0


def test_a_row_that_is_there_is_refused_or_left_as_it_is() -> None:
    first = letter(error="first")
    with transaction.atomic():
        writes.insert(first)
    again = letter(error="again")
    again.id = first.id
    with pytest.raises(IntegrityError), transaction.atomic():
        writes.insert(again)
    with transaction.atomic():
        writes.insert(again, once=True)

    assert DeadLetter.objects.get().error == "first"


def test_only_the_named_fields_are_written() -> None:
    row = letter()
    with transaction.atomic():
        writes.insert(row)
        row.error, row.attempts = "changed", 7
        writes.update(row, "error")

    kept = DeadLetter.objects.get()
    assert (kept.error, kept.attempts) == ("changed", 1)


def test_a_write_outside_a_transaction_is_refused() -> None:
    with pytest.raises(AssertionError, match="joins the transaction"):
        writes.insert(letter())

    assert DeadLetter.objects.count() == 0
