"""What a scrape asks of payments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from config.core.money import Money
from payments import gauges
from payments.services import dispute_by_hand

pytestmark = pytest.mark.django_db


def test_what_waits_is_counted(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    pay(order())
    hear(momo.custom_ipn(orderId="nobodys", amount=7_000))
    found = {(gauge.name, *gauge.labels): gauge.value for gauge in gauges.read()}

    assert found["reckoner_payments_in_status", "awaiting_payment"] == 1
    assert found["reckoner_payment_anomalies_open", "unknown_order"] == 1
    assert found["reckoner_ledger_suspense_minor_units", "VND"] == 7_000
    assert (found["reckoner_ipn_backlog",], found["active_users",]) == (0, 1)


def test_disputes_are_counted_and_those_due_soon_too(
    pay: Any, order: Any, momo: Any, hear: Any, momo_account: Any, at: datetime
) -> None:
    opened = pay(order())
    hear(momo.paid_ipn(opened.attempt))
    for number, due_in in (("CB-1", timedelta(hours=47)), ("CB-2", timedelta(hours=49))):
        dispute_by_hand.open_by_hand(
            wish=dispute_by_hand.NewDispute(
                account=momo_account, gateway_dispute_id=number, money=Money(1_000, "VND"),
                payment_id=opened.payment.id, respond_by=at + due_in,
            ),
            actor="user:a@x", why="e-mail", at=at,
        )  # fmt: skip
    found = {(gauge.name, *gauge.labels): gauge.value for gauge in gauges.read()}

    assert found["reckoner_disputes_open", "needs_response"] == 2
    assert found["reckoner_disputes_due_48h",] == 1


def test_payments_in_the_background_are_counted_by_gateway(pay: Any, order: Any, settings: Any, at: datetime) -> None:
    settings.INVOICE_MODE = "batch"
    for minutes in (3, 1):
        pay(order(), at=at - timedelta(minutes=minutes))
    found = {(gauge.name, *gauge.labels): gauge.value for gauge in gauges.read()}

    assert found["reckoner_payments_queued", "momo"] == 2
    assert 180 <= found["reckoner_payment_oldest_queued_age_seconds", "momo"] < 240
