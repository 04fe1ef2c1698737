"""What Fiuu sends by itself: proved by its hash, and asked about where a hash proves too little.

Source: Fiuu's API specification 13.39, sections 3, 4 and 6.1.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Mapping

from gateways.errors import ReportInvalid
from gateways.fiuu import answers, codes, messages, refunds, signing
from gateways.fiuu.calls import Calls
from gateways.notifications import HttpMessage
from gateways.reports import DisputeReport, Report, ReportAbout, ReportStatus


def read(calls: Calls, message: HttpMessage) -> tuple[Report, ...]:
    """Read a notification or callback (4), the result of a refund (6.1), or a reference system's JSON."""
    if "json" in message.headers.get("content-type", ""):
        return (_read_json(calls, message),)
    fields = messages.form_fields(message.body)
    if "RefID" in fields:
        return (_read_refund(calls, fields),)
    return (_verified(calls, fields),)


def read_return(calls: Calls, message: HttpMessage) -> Report:
    """Read what the browser posted: the notification's fields and hash (3). It is shown, never believed."""
    return _verified(calls, messages.form_fields(message.body or message.query.encode()))


def _verified(calls: Calls, fields: Mapping[str, str]) -> Report:
    values = messages.signed_fields(fields, calls.merchant)
    expected = [signing.notification(values, key) for key in calls.secret_keys]
    if not signing.is_one_of(fields.get("skey"), expected):
        raise ReportInvalid("fiuu: the skey does not hold")
    return messages.payment_report(values)


def _read_json(calls: Calls, message: HttpMessage) -> Report:
    """Proved by X-Fiuu-Signature: the HMAC-SHA256 of the body as it came, in hex, with the secret key."""
    given = message.headers.get("x-fiuu-signature", "").encode()
    expected = [hmac.new(key.encode(), message.body, "sha256").hexdigest() for key in calls.secret_keys]
    if not any(hmac.compare_digest(given, one.encode()) for one in expected):
        raise ReportInvalid("fiuu: X-Fiuu-Signature does not hold")
    values = messages.json_fields(message.body, calls.merchant)
    return messages.payment_report(messages.signed_fields(values, calls.merchant))


def _read_refund(calls: Calls, fields: Mapping[str, str]) -> Report:
    """A refund's result. How it is signed is not published, so a hash that holds only makes us ask."""
    expected = [signing.refund_answer(fields, key) for key in calls.secret_keys]
    if fields.get("MerchantID") != calls.merchant or not messages.OUR_REFERENCE.fullmatch(fields["RefID"]):
        raise ReportInvalid("fiuu: the refund is not ours")
    if not signing.is_one_of(fields.get("Signature"), expected):
        raise ReportInvalid("fiuu: the refund's Signature does not hold")
    return messages.refund_report(fields, reference=fields["RefID"], money=None)


def confirm(calls: Calls, report: Report, *, authorize_first: bool) -> Report | DisputeReport:
    """Ask about what a message alone does not prove: a refusal, a refund's end, an order that is none of ours.

    A refusal may come years after the money: a cancellation or a chargeback has the same status 11. Of an order
    that is not ours, the signed text could be cut in another place. On accounts that authorise first, even a
    success leaves open whether the money was taken.
    """
    if report.about is ReportAbout.REFUND:
        return refunds.state(calls, report.reference, str(report.raw["TxnID"]), report.money)
    proved = messages.OUR_REFERENCE.fullmatch(report.reference) and not authorize_first
    if report.status is ReportStatus.PENDING or (report.status is ReportStatus.PAID and proved):
        return report
    assert report.money is not None, "every message names an amount"
    transaction = str(report.raw["tranID"])
    row = calls.by_transaction(transaction, str(report.raw["amount"]))
    if row is None or row["OrderID"] != report.reference:
        return dataclasses.replace(report, status=ReportStatus.UNKNOWN, gateway_transaction_id="", code="not_found")
    if row.get("StatName", "").lower() in codes.CHARGEBACKS:
        return answers.dispute(row, report)
    return dataclasses.replace(messages.queried_report(row), occurred_at=report.occurred_at)
