"""Disputes at Stripe: read, answered with documents, given up.

Source: Stripe's API reference (Dispute, File). A dispute is charged back and paid back by balance transactions that
hang on it; their fees are what it costs us besides.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from config.core.money import CurrencyMismatch, Money
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import DisputeReport
from gateways.requests import Evidence, EvidenceFile
from gateways.stripe import codes, messages
from gateways.stripe.calls import Calls, segment
from gateways.stripe.currencies import from_wire
from gateways.stripe.messages import Unreadable

FIELDS: Final[Mapping[str, str]] = {
    "receipt": "receipt",
    "shipping": "shipping_documentation",
    "communication": "customer_communication",
    "policy": "refund_policy",
    "other": "uncategorized_file",
}
"""Where a document of ours goes among Stripe's fields; each takes one file."""
MAX_TEXT: Final = 20_000
CONTENT_TYPES: Final = frozenset({"application/pdf", "image/jpeg", "image/png"})


def dispute_report(
    data: Mapping[str, object], *, kind: str = "", happened: int = 0, event_id: str = ""
) -> DisputeReport | None:
    """What a dispute says; None where its status is new to us. `kind` is the event's type. Raises Unreadable."""
    word = messages.text_in(data.get("status"))
    status, identifier = codes.DISPUTE_STATUS.get(word), messages.text_in(data.get("id"))
    if not identifier:
        raise Unreadable("a dispute without an id")
    if status is None:
        return None
    details = data.get("evidence_details")
    due = messages.number_in(details.get("due_by")) if isinstance(details, Mapping) else 0
    try:
        money = from_wire(data.get("amount"), data.get("currency"))
        fee = _fee(data.get("balance_transactions"))
    except (ValueError, CurrencyMismatch) as error:
        raise Unreadable(str(error)) from error
    return DisputeReport(
        dispute_id=identifier,
        status=status,
        money=money,
        gateway_transaction_id=messages.id_in(data.get("payment_intent")),
        fee=fee,
        reason=messages.text_in(data.get("reason"))[:100],
        is_inquiry=word.startswith("warning_"),
        withdrawn=_is_withdrawn(data.get("balance_transactions"), kind),
        respond_by=messages.time_of(due),
        occurred_at=messages.time_of(happened or messages.number_in(data.get("created"))),
        event_id=event_id,
        raw=messages.masked(data),
    )


def _rows(transactions: object) -> list[Mapping[str, object]]:
    return [one for one in transactions if isinstance(one, Mapping)] if isinstance(transactions, list) else []


def _is_withdrawn(transactions: object, kind: str) -> bool | None:
    """Whether the money is with the bank now: its withdrawal and its return are one balance transaction each."""
    if kind in ("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"):
        return kind.endswith("withdrawn")
    if not isinstance(transactions, list):
        return None
    amounts = [one.get("amount") for one in _rows(transactions)]
    return sum(amount for amount in amounts if isinstance(amount, int)) < 0


def _fee(transactions: object) -> Money | None:
    """What the dispute has cost so far, in the currency Stripe settles in; None where it names none."""
    total: Money | None = None
    for row in _rows(transactions):
        fee = from_wire(row.get("fee"), row.get("currency"))
        total = fee if total is None else total + fee
    return total


# --- Answering -------------------------------------------------------------------------------------------------------


def query(calls: Calls, dispute_id: str) -> DisputeReport:
    """Ask. Raises GatewayUnavailable or GatewayRejected."""
    return _answer(calls.get(f"/v1/disputes/{segment(dispute_id)}", operation="dispute_query"), dispute_id)


def submit(calls: Calls, dispute_id: str, evidence: Evidence) -> DisputeReport:
    """Upload the documents and send the answer. Raises GatewayUnavailable or GatewayRejected; documents that were
    uploaded before a failure prove nothing to anybody and may be sent again."""
    fields = _places(evidence.files)
    values = [("evidence[uncategorized_text]", evidence.text[:MAX_TEXT])] if evidence.text.strip() else []
    for number, (name, file) in enumerate(fields):
        body, content_type = _multipart(file)
        stored = calls.upload(
            body, content_type=content_type, operation="file", key=f"{evidence.reference}-file-{number}"
        )
        values.append((f"evidence[{name}]", messages.text_in(stored.get("id"))))
    if not values:
        raise GatewayRejected("stripe: evidence without a text or a document", code="no_evidence")
    answer = calls.post(
        f"/v1/disputes/{segment(dispute_id)}", [*values, ("submit", "true")], operation="evidence",
        key=evidence.reference,
    )  # fmt: skip
    return _answer(answer, dispute_id)


def accept(calls: Calls, dispute_id: str) -> DisputeReport:
    """Give the dispute up. Raises GatewayUnavailable or GatewayRejected."""
    answer = calls.post(
        f"/v1/disputes/{segment(dispute_id)}/close", (), operation="dispute_close", key=f"{dispute_id}-close"
    )
    return _answer(answer, dispute_id)


def _answer(data: Mapping[str, object], dispute_id: str) -> DisputeReport:
    try:
        report = dispute_report(data)
    except Unreadable as error:
        raise GatewayUnavailable(f"stripe dispute: {error}", code="unreadable") from error
    if report is None or report.dispute_id != dispute_id:
        raise GatewayUnavailable("stripe dispute: the answer is about something else", code="echo")
    return report


def _places(files: Sequence[EvidenceFile]) -> list[tuple[str, EvidenceFile]]:
    """Which of Stripe's fields takes which document. Raises GatewayRejected for what has no place."""
    placed = [(FIELDS.get(file.purpose, FIELDS["other"]), file) for file in files]
    twice = sorted(name for name, count in Counter(name for name, _ in placed).items() if count > 1)
    if twice:
        raise GatewayRejected(
            f"stripe takes one document as {', '.join(twice)}; join them into one", code="one_document"
        )
    wrong = sorted(file.name for file in files if file.content_type not in CONTENT_TYPES)
    if wrong:
        raise GatewayRejected(f"stripe takes PDF, JPEG and PNG, not {', '.join(wrong)}", code="content_type")
    return placed


def _multipart(file: EvidenceFile) -> tuple[bytes, str]:
    """A form of two parts, and its content type. The boundary comes of the content, so that a repeated try is equal."""
    boundary = f"----{hashlib.sha256(file.content).hexdigest()[:40]}"
    name = "".join(sign for sign in file.name if sign.isalnum() or sign in "._- ").strip() or "document"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\ndispute_evidence\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {file.content_type}\r\n\r\n"
    )
    return (
        head.encode() + file.content + f"\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )
