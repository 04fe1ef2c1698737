"""Payouts by Xendit: our money sent to a bank account or wallet by its Payouts API, version 2.

Source: Xendit's API reference (create a payout, get a payout, payouts by reference id, webhook) and its SDKs. The
idempotency key is ours for ever: the same one with the same body gets the first answer again, and with another body a
DUPLICATE_ERROR, so that a payout that was sent twice moves money once.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from gateways.errors import GatewayRejected
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.requests import PayoutRequest
from gateways.xendit import answers, messages, values
from gateways.xendit.calls import Calls

PATH: Final = "/v2/payouts"
CURRENCIES: Final = ("IDR", "PHP", "THB", "VND", "MYR")
LONGEST_DESCRIPTION: Final = 100
_BEST_FIRST: Final = (
    ReportStatus.PAID, ReportStatus.PROCESSING, ReportStatus.PENDING, ReportStatus.UNKNOWN,
)  # fmt: skip


def create(calls: Calls, request: PayoutRequest) -> Report:
    """Send a payout. Raises GatewayUnavailable (unknown) or GatewayRejected (a definite no)."""
    if request.money.currency not in CURRENCIES:
        raise GatewayRejected(f"Xendit's payouts do not take {request.money.currency}", code="currency")
    body: dict[str, object] = {
        "reference_id": request.reference,
        "channel_code": request.channel,
        "channel_properties": {
            "account_number": request.account_number,
            "account_holder_name": request.account_holder,
        },
        "amount": values.major_units(request.money),
        "currency": request.money.currency,
        "description": values.free_text(request.description, limit=LONGEST_DESCRIPTION) or request.reference,
    }
    reply = calls.post(PATH, body, operation="payout", headers={"idempotency-key": request.reference})
    if reply.status >= 400:
        raise answers.problem("payout", reply)
    report = messages.payout_report(reply.data)
    told = (report.reference, report.money, reply.data.get("channel_code"))
    if told != (request.reference, request.money, request.channel) or not report.gateway_transaction_id:
        raise answers.odd("payout", "the answer is about something else", reply)
    return report


def query(calls: Calls, request: PayoutRequest) -> Report:
    """Ask about a payout by Xendit's id, or look for it by our reference. Raises GatewayUnavailable."""
    if request.gateway_payout_id:
        found = asked(calls, request.gateway_payout_id)
        if found is not None and found.reference == request.reference:
            return found
        return _none(request, ReportStatus.UNKNOWN)  # Xendit told us of it once: that is no end of a payout
    items = calls.listed(PATH, [("reference_id", request.reference)], operation="payout_query")
    reports = [messages.payout_report(one) for one in items]
    return _one_answer(request, [one for one in reports if one.reference == request.reference])


def asked(calls: Calls, identifier: str) -> Report | None:
    """What Xendit says of the payout with this id; None where it has none. Raises GatewayUnavailable."""
    reply = calls.get(f"{PATH}/{identifier}", operation="payout_query")
    if reply is None:
        return None
    if reply.data.get("id") != identifier:
        raise answers.odd("payout_query", "the answer is about another payout", reply)
    return messages.payout_report(reply.data)


def _one_answer(request: PayoutRequest, reports: list[Report]) -> Report:
    """Xendit lets several payouts have one reference. Ours have one key each, so more than one is another's doing:
    the one that moved money is told, with every other that did.
    """
    for status in _BEST_FIRST:
        found = [one for one in reports if one.status is status]
        if found:
            others = tuple(found[1:]) if status is ReportStatus.PAID else ()
            return dataclasses.replace(found[0], others=others)
    return reports[0] if reports else _none(request, ReportStatus.NOT_FOUND)


def _none(request: PayoutRequest, status: ReportStatus) -> Report:
    return Report(reference=request.reference, status=status, about=ReportAbout.PAYOUT)
