"""Fetching Fiuu's settlement reports, one of each day.

Source: Fiuu's API specification 13.39, section 9.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from gateways.errors import GatewayUnavailable
from gateways.fiuu import messages, signing
from gateways.fiuu import settlement as fiuu_settlement
from gateways.fiuu.calls import Calls
from gateways.settlement.lines import SettlementFile, SettlementUnreadable

SETTLEMENT: Final = "/RMS/API/settlement/report.php"
MAX_REPORT_BYTES: Final = 50_000_000


def files(calls: Calls, *, key: str, since: datetime, until: datetime) -> Iterator[SettlementFile]:
    """The report of each Malaysian day that the span touches, oldest first; a day without lines is left out.

    `key` signs the question. Raises GatewayUnavailable, also for a report that cannot be read.
    """
    day, last = (moment.astimezone(messages.MALAYSIA).date() for moment in (since, until))
    while day <= last:
        file = _of_day(calls, key, day)
        if file.lines:
            yield file
        day += timedelta(days=1)


def _of_day(calls: Calls, key: str, day: date) -> SettlementFile:
    query = {
        "version": "5.0",
        "merchant_id": calls.merchant,
        "token": signing.settlement_token(calls.merchant, key, day.isoformat()),
        "date": day.isoformat(),
        "format": "json",
        "page": "0",
    }
    reply = dataclasses.replace(calls.client, max_reply_bytes=MAX_REPORT_BYTES).get(
        calls.api + SETTLEMENT, query, operation="settlement", read=lambda content: {"content": content}
    )
    content = reply.data["content"]
    assert isinstance(content, bytes), "the reader above"
    try:
        return fiuu_settlement.read(content, name=f"settlement of {day}", merchant=calls.merchant)
    except SettlementUnreadable as error:
        raise GatewayUnavailable(f"fiuu settlement of {day}: {error}", code="settlement") from error
