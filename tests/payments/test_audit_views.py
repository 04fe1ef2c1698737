"""The views that auditors and BI rely on: their columns are a promise, and they tell the truth."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

PROMISED = {
    "payment": "id order_id gateway amount_minor captured_minor refunded_minor currency status created_at updated_at",
    "attempt": "id payment_id gateway gateway_transaction_id status amount_minor currency created_at updated_at",
    "ledger_entry": "journal_id idem_key event account currency amount_minor ref_type ref_id effective_on booked_at",
    "account_balance": "account currency balance_minor",
    "event": "event_id type aggregate_id sequence created_at published_at partition offset",
    "notification": "id gateway dedupe_key payment_id outcome received_at",
    "refund": "id payment_id amount_minor currency status maker checker created_at",
    "dispute": "id payment_id gateway gateway_dispute_id amount_minor withdrawn_minor currency status respond_by created_at",
    "otp_challenge": "id payment_id channel amount_minor currency status tries created_at expires_at ended_at",
    "approval": "id action object_type object_id maker checker status created_at decided_at",
    "audit_event": "id actor action object_type object_id reason request_id trace_id created_at",
    "money_case": "id kind payment_id amount_minor currency status",
    "dead_letter": "id source topic key error attempts status",
}


@pytest.mark.parametrize(("view", "columns"), PROMISED.items())
def test_every_promised_column_is_there(view: str, columns: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM audit_v1.{view} LIMIT 0")
        have = [column.name for column in cursor.description]
    assert set(columns.split()) <= set(have)


def test_a_paid_order_can_be_followed_through_the_views(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    opened = pay(order(order_id="ORD-9"))
    hear(momo.paid_ipn(opened.attempt))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.status, p.captured_minor, sum(l.amount_minor) FILTER (WHERE l.account = 'gw:momo:clearing'),"
            " sum(l.amount_minor) FROM audit_v1.payment p JOIN audit_v1.ledger_entry l ON l.ref_id = p.id"
            " WHERE p.order_id = 'ORD-9' GROUP BY 1, 2"
        )
        assert cursor.fetchall() == [("succeeded", 100_000, 100_000, 0)]
        cursor.execute("SELECT balance_minor FROM audit_v1.account_balance WHERE account = 'gw:momo:clearing'")
        assert cursor.fetchall() == [(100_000,)]
        cursor.execute("SELECT type FROM audit_v1.event WHERE aggregate_id = %s ORDER BY sequence", [opened.payment.id])
        assert [row[0] for row in cursor.fetchall()] == [
            "transaction.created", "payment.completed", "order.payment.received",
        ]  # fmt: skip
