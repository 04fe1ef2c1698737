"""Questions to Fiuu about an order, and about all the money that came for it.

Source: Fiuu's API specification 13.39, section 5.
"""

from __future__ import annotations

import dataclasses
import logging
from datetime import UTC, datetime
from typing import Final

from gateways.errors import GatewayUnavailable
from gateways.fiuu import messages, signing
from gateways.fiuu.calls import Calls
from gateways.reports import Report, ReportStatus
from gateways.requests import QueryRequest

log = logging.getLogger(__name__)

ALL_OF_ORDER: Final = "/RMS/query/q_oid_batch.php"


def query(calls: Calls, request: QueryRequest, *, with_others: bool) -> Report:
    """Ask about an order (5), and `with_others` about every payment of it: one can be paid by two channels.

    An order that Fiuu does not know has not been paid yet, and can be until its page closes; then it is EXPIRED. A
    chargeback is UNKNOWN here; its message and the settlement report tell it.
    """
    amount = messages.amount_text(request.money)
    row = calls.by_order(request.reference, amount)
    if row is None:
        is_open = request.expires_at is None or datetime.now(UTC) < request.expires_at
        status = ReportStatus.PENDING if is_open else ReportStatus.EXPIRED
        return Report(reference=request.reference, status=status, money=request.money, code="not_found")
    first = messages.queried_report(row)
    if not with_others:
        return first
    try:
        others = _other_payments(calls, request.reference, row["TranID"])
    except GatewayUnavailable:
        if first.status is not ReportStatus.PAID:
            raise
        log.warning("fiuu query: what else was paid for %s was not told", request.reference)
        return first
    if first.status not in (ReportStatus.PAID, ReportStatus.AUTHORIZED) and others:
        first, *others = others
    return dataclasses.replace(first, others=tuple(others))


def _other_payments(calls: Calls, reference: str, known: str) -> list[Report]:
    """Money that came by further payments of an order. The list is unsigned, so each is asked about by itself."""
    signature = signing.question(reference, calls.merchant, calls.verify_key)
    reply = calls.ask(ALL_OF_ORDER, {"oID": reference, "skey": signature})
    listed = {row.get("TranID", ""): row for row in messages.rows_of(reply.data) if row.get("StatCode") == "00"}
    found = []
    for transaction, row in listed.items():
        if transaction in ("", known):
            continue
        told = calls.by_transaction(transaction, row.get("Amount", ""))
        if told is not None and told["OrderID"] == reference:
            report = messages.queried_report(told)
            found += [report] if report.status is ReportStatus.PAID else []
    return found
