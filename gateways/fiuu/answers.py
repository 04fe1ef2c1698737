"""Fiuu's answers to our calls: verified, and read into our words.

Source: Fiuu's API specification 13.39, sections 5 and 6. An answer counts only if it is about what was asked, of our
merchant, and its hash holds; it leaves the order or the transaction unsigned, which TLS and our own question cover.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.core.money import Money
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.fiuu import codes, messages, signing
from gateways.http import Reply
from gateways.reports import DisputeReport, DisputeStatus, Report, ReportAbout, ReportStatus
from gateways.requests import RefundRequest

NO_SUCH_PAYMENT: Final = ("Q203", "Q303")
NO_SUCH_REFUND: Final = "INQ006"
KNOWN_REFUND: Final = "PR016"
RETRY_WITHOUT_BALANCE_AFTER_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True, repr=False)
class Trusted:
    """Whose answers count: our merchant's, signed with one of its secret keys."""

    merchant: str
    secret_keys: tuple[str, ...]


def payment_row(reply: Reply, about: str, asked: str, trusted: Trusted) -> dict[str, str] | None:
    """A verified row about what was asked (`about` is OrderID or TranID); None where Fiuu has none.

    Raises GatewayUnavailable for all else: a refused question (Q99 is too many of them) says nothing about a payment.
    """
    (row, *more) = messages.rows_of(reply.data) or [{}]
    error = messages.error_in(row)
    if not row.get("VrfKey") and error in NO_SUCH_PAYMENT:
        return None
    amount, code = row.get("Amount", ""), row.get("StatCode", "")
    expected = [signing.answer(amount, key, trusted.merchant, asked, code) for key in trusted.secret_keys]
    is_ours = row.get("Domain") == trusted.merchant and row.get(about) == asked and not more
    is_whole = is_ours and all(row.get(name) for name in ("TranID", "OrderID", "StatCode"))
    if not is_whole or not signing.is_one_of(row.get("VrfKey"), expected):
        text = codes.look_up(error).text if error else "the answer is unsigned or about something else"
        raise GatewayUnavailable(f"fiuu query: {error} {text}", code=error or "answer", raw=messages.masked(row))
    return row


def is_known_refund(reply: Reply) -> bool:
    """Whether this RefID has been used before: then its state is the answer."""
    return messages.error_in(_only_row(reply)) == KNOWN_REFUND


def refund_report(reply: Reply, request: RefundRequest, trusted: Trusted) -> Report:
    """What Fiuu says to a refund. Raises GatewayRejected for a definite no, else GatewayUnavailable."""
    row = _only_row(reply)
    code = messages.error_in(row)
    if code:
        raise refused("refund", codes.command("refund", code), code, row)
    asked = {
        "MerchantID": trusted.merchant,
        "RefID": request.reference,
        "TxnID": request.gateway_transaction_id,
        "Amount": messages.amount_text(request.money),
    }
    expected = [signing.refund_answer(row, key) for key in trusted.secret_keys]
    is_ours = all(row.get(name) == value for name, value in asked.items())
    if not is_ours or not signing.is_one_of(row.get("Signature"), expected):
        raise GatewayUnavailable("fiuu refund: the answer is unsigned or about something else", code="answer")
    return messages.refund_report(row, reference=request.reference, money=request.money)


def refund_state(reply: Reply, reference: str, transaction: str, money: Money | None) -> Report:
    """What Fiuu says of a refund that was asked about. Unsigned, so both ids must be ours."""
    for row in messages.rows_of(reply.data):
        if (row.get("RefID"), row.get("TxnID")) == (reference, transaction):
            return messages.refund_report(row, reference=reference, money=money)
        if messages.error_in(row) == NO_SUCH_REFUND:
            return Report(
                about=ReportAbout.REFUND, reference=reference, status=ReportStatus.NOT_FOUND, code=NO_SUCH_REFUND
            )
    raise GatewayUnavailable("fiuu refund query: no answer about this refund", code="answer")


def command_code(reply: Reply, transaction: str, trusted: Trusted, *, operation: str) -> str:
    """The StatCode of a verified answer to a capture or a void. Raises GatewayUnavailable."""
    row = _only_row(reply)
    code = row.get("StatCode", "")
    expected = [signing.command_answer(key, trusted.merchant, transaction, code) for key in trusted.secret_keys]
    is_ours = row.get("TranID") == transaction and row.get("Domain") == trusted.merchant
    if not code or not is_ours or not signing.is_one_of(row.get("VrfKey"), expected):
        raise GatewayUnavailable(f"fiuu {operation}: the answer is unsigned or about something else", code="answer")
    return code


def refused(
    operation: str, row: codes.Code, code: str, answer: Mapping[str, str]
) -> GatewayRejected | GatewayUnavailable:
    """A definite no where the code proves one, else an unknown outcome."""
    text = f"fiuu {operation}: {code} {row.text}"
    if not codes.is_refusal(row):
        return GatewayUnavailable(text, code=code, raw=messages.masked(answer))
    later = RETRY_WITHOUT_BALANCE_AFTER_SECONDS if code == "PR020" else 0
    return GatewayRejected(text, code=code, raw=messages.masked(answer), retry_after_seconds=later)


def dispute(row: Mapping[str, str], report: Report) -> DisputeReport:
    """A chargeback (6.5): it has no number and no time of its own, no deadline and no fee; those come by e-mail."""
    return DisputeReport(
        dispute_id=f"{row['TranID']}-chargeback",
        status=DisputeStatus.NEEDS_RESPONSE,
        money=messages.queried_report(row).money,
        reference=report.reference,
        gateway_transaction_id=row["TranID"],
        reason=row["StatName"],
        raw=messages.masked(row),
    )


def _only_row(reply: Reply) -> dict[str, str]:
    rows = messages.rows_of(reply.data)
    return rows[0] if rows else {}
