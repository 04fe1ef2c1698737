"""What a scrape asks of payments."""

from __future__ import annotations

from typing import Any

import pytest

from payments import gauges

pytestmark = pytest.mark.django_db


def test_what_waits_is_counted(pay: Any, order: Any, momo: Any, hear: Any) -> None:
    pay(order())
    hear(momo.custom_ipn(orderId="nobodys", amount=7_000))
    found = {(gauge.name, *gauge.labels): gauge.value for gauge in gauges.read()}

    assert found["reckoner_payments_in_status", "awaiting_payment"] == 1
    assert found["reckoner_payment_anomalies_open", "unknown_order"] == 1
    assert found["reckoner_ledger_suspense_minor_units", "VND"] == 7_000
    assert (found["reckoner_ipn_backlog",], found["active_users",]) == (0, 1)
