"""The audit trail: written with the deed, never changed."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from config.core import audit, context
from config.core.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def entry() -> AuditEntry:
    with transaction.atomic(), context.bind(request_id="req-1", trace_id="c" * 32, ip="2001:db8::1"):
        audit.record(
            actor="user:lan@example.com",
            action="refund.requested",
            object_type="refund",
            object_id="re_1",
            reason="khách trả hàng",
            before={"status": "requested"},
            after={"status": "pending_approval"},
        )
    return AuditEntry.objects.get()


def test_an_entry_says_who_did_what_why_and_from_where(entry: AuditEntry):
    assert (entry.actor, entry.action, entry.object_type, entry.object_id, entry.reason) == (
        "user:lan@example.com", "refund.requested", "refund", "re_1", "khách trả hàng",
    )  # fmt: skip
    assert (entry.before, entry.after) == ({"status": "requested"}, {"status": "pending_approval"})
    assert (entry.request_id, entry.trace_id, entry.ip) == ("req-1", "c" * 32, "2001:db8::1")


def test_an_entry_without_before_and_after_has_nulls():
    with transaction.atomic():
        audit.record(actor="system", action="day.closed", object_type="day", object_id="2026-11-21")

    entry = AuditEntry.objects.get()
    assert (entry.before, entry.after, entry.ip, entry.request_id) == (None, None, None, "")


def test_recording_outside_a_transaction_is_refused():
    with pytest.raises(AssertionError, match="in the transaction of the deed"):
        audit.record(actor="system", action="x", object_type="y", object_id="z")

    assert AuditEntry.objects.count() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE core_auditentry SET reason = 'nothing happened'",
        "DELETE FROM core_auditentry",
        "TRUNCATE core_auditentry",
        "TRUNCATE core_auditentry CASCADE",
    ],
)
def test_raw_sql_of_the_owner_cannot_change_an_entry(entry: AuditEntry, statement: str):
    with pytest.raises(IntegrityError, match="core_auditentry is append-only"), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEntry.objects.get().reason == "khách trả hàng"
