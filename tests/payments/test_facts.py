"""What the database itself refuses about payments, attacked with raw SQL."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from payments.models import Capture

pytestmark = pytest.mark.django_db


@pytest.fixture
def captured(pay: Any, order: Any, momo: Any, hear: Any) -> Capture:
    """One paid order."""
    hear(momo.paid_ipn(pay(order()).attempt))
    return Capture.objects.get()


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE payments_attemptevent SET to_status = 'failed'",
        "DELETE FROM payments_attemptevent",
        "TRUNCATE payments_attemptevent",
        "UPDATE payments_capture SET amount_minor = amount_minor + 1",
        "UPDATE payments_capture SET disposition = 'held'",
        "UPDATE payments_capture SET payment_id = NULL, attempt_id = NULL",
        "UPDATE payments_capture SET payment_id = (SELECT max(id) FROM payments_payment), attempt_id = attempt_id",
        "DELETE FROM payments_capture",
        "TRUNCATE payments_capture CASCADE",
        "UPDATE payments_payment SET captured_minor = 1",
        "UPDATE payments_payment SET refunded_minor = captured_minor + 1",
        "UPDATE payments_payment SET amount_minor = 0",
        'INSERT INTO payments_payment SELECT (jsonb_populate_record(p, \'{"id": "pay_2"}\')).* FROM payments_payment p',
    ],
)
def test_raw_sql_is_refused(captured: Capture, attack: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(attack)
