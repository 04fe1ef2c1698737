"""VNPay's answers to querydr and refund, read into our words.

Source: VNPay's page on querydr and refund; the order of the signed names in answers from several independent
implementations, as no official page shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from config.core.money import Money
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.http import Reply
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.requests import RefundRequest
from gateways.vnpay import codes, messages

PAYMENT, FULL_REFUND, PARTIAL_REFUND = "01", "02", "03"
"""vnp_TransactionType."""


def verified_code(reply: Reply, names: Sequence[str], secrets: Iterable[str], *, operation: str) -> str:
    """The response code of an answer whose hash holds. Raises GatewayUnavailable.

    VNPay may leave the hash out where it refuses; an answer with 00 must have one, and no hash may be wrong.
    """
    data = reply.data
    code = messages.plain(data.get("vnp_ResponseCode"))
    if not code:
        raise GatewayUnavailable(f"vnpay {operation}: an answer without vnp_ResponseCode", code="no_response_code")
    signature = data.get("vnp_SecureHash")
    if code != codes.SUCCESS and signature in (None, ""):
        return code
    values = [messages.plain(data.get(name)) for name in names]
    if any("|" in value for value in values):  # the signed text could be read in two ways
        raise GatewayUnavailable(f"vnpay {operation}: a value holds the separator", code="ambiguous")
    if not messages.is_signed(signature, secrets, [messages.pipe_text(names, data)]):
        raise GatewayUnavailable(f"vnpay {operation}: the hash of the answer does not hold", code="hash")
    return code


def check_echo(reply: Reply, *, operation: str, expected: Mapping[str, str]) -> None:
    """The answer is about what we asked. Raises GatewayUnavailable."""
    for name, value in expected.items():
        if messages.plain(reply.data.get(name)) != value:
            raise GatewayUnavailable(
                f"vnpay {operation}: the answer has another {name}", code="echo", raw=messages.masked(reply.data)
            )


def told_payment(values: Mapping[str, object], *, code: str, state: str) -> Report:
    """The report of a return or an IPN, from its two codes."""
    shown = state if code == codes.SUCCESS else code
    text = codes.PAYMENT_CODES.get(code, codes.UNLISTED).text if shown == code else _text_of(state)
    return payment_report(
        messages.plain(values.get("vnp_TxnRef")), values, status=codes.told_status(code, state), code=shown, text=text
    )


def payment_report(reference: str, data: Mapping[str, object], *, status: ReportStatus, code: str, text: str) -> Report:
    """A payment's report; money without its number or its sum is unknown rather than booked."""
    money, number = messages.amount_in(data.get("vnp_Amount")), messages.number_in(data.get("vnp_TransactionNo"))
    is_paid = status is ReportStatus.PAID
    if is_paid and (not number or money is None or money.minor == 0):
        status, is_paid = ReportStatus.UNKNOWN, False
    return Report(
        reference=reference,
        status=status,
        money=money,
        # A failed payment may have a number too; only money that moved has one with us.
        gateway_transaction_id=number if is_paid else "",
        occurred_at=messages.time_in(data.get("vnp_PayDate")),
        code=code,
        message=text,
        channel=messages.plain(data.get("vnp_BankCode")) or messages.plain(data.get("vnp_CardType")),
        raw=messages.masked(data),
    )


def queried_payment(reference: str, reply: Reply) -> Report:
    """The report of a querydr's answer. One that shows a refund proves that there was a payment, not which: unknown."""
    status = messages.plain(reply.data.get("vnp_TransactionStatus"))
    if messages.plain(reply.data.get("vnp_TransactionType")) not in (PAYMENT, ""):
        return unanswered(reference, reply, "shows_refund", about=ReportAbout.PAYMENT)
    return payment_report(
        reference, reply.data, status=codes.queried_status(status), code=status, text=_text_of(status)
    )


def refund_report(request: RefundRequest, reply: Reply) -> Report:
    """The report of a refund from an answer that is about it."""
    data = reply.data
    status_code = messages.plain(data.get("vnp_TransactionStatus"))
    status, number = codes.refund_status(status_code), messages.number_in(data.get("vnp_TransactionNo"))
    if status is ReportStatus.PAID and not number:
        status = ReportStatus.UNKNOWN
    return Report(
        reference=request.reference,
        status=status,
        about=ReportAbout.REFUND,
        money=messages.amount_in(data.get("vnp_Amount")),
        gateway_transaction_id=number
        if status in (ReportStatus.PAID, ReportStatus.PENDING, ReportStatus.PROCESSING)
        else "",
        occurred_at=messages.time_in(data.get("vnp_PayDate")),
        code=status_code,
        message=_text_of(status_code),
        raw=messages.masked(data),
    )


def queried_refund(request: RefundRequest, reply: Reply) -> Report:
    """What a querydr of the purchase says of one refund.

    VNPay keeps no refund id of ours, and shows one transaction of the purchase. It is our refund where it has the number
    that VNPay gave us; without one, where type and sum fit and no other refund of ours could be meant. A refusal without
    the number may be an earlier refund's. All else tells nothing: what VNPay accepted stays pending, the rest unknown.
    """
    data, known = reply.data, request.gateway_refund_id
    kind = messages.plain(data.get("vnp_TransactionType"))
    fits = kind == (FULL_REFUND if request.is_full else PARTIAL_REFUND) and _same_sum(data, request.money)
    if fits and known and known == messages.number_in(data.get("vnp_TransactionNo")):
        return refund_report(request, reply)
    if fits and not known and not request.has_twin:
        report = refund_report(request, reply)
        if report.status in (ReportStatus.PAID, ReportStatus.PENDING):
            return report
    return unanswered(
        request.reference, reply, "not_shown", about=ReportAbout.REFUND,
        status=ReportStatus.PENDING if known else ReportStatus.UNKNOWN,
    )  # fmt: skip


def refusal(reply: Reply, code: str) -> GatewayRejected | GatewayUnavailable:
    """A definite no to a refund where the code proves one, else an unknown outcome (94 and 98 among them)."""
    text, raw = f"vnpay refund: {code} {codes.REFUND_CODES.get(code, codes.UNLISTED).text}", messages.masked(reply.data)
    if not codes.refuses_refund(code):
        return GatewayUnavailable(text, code=code, raw=raw)
    is_retryable = codes.REFUND_CODES[code].meaning is codes.Meaning.REFUND_RETRYABLE
    seconds = codes.RETRY_REFUND_AFTER_SECONDS if is_retryable else 0
    return GatewayRejected(text, code=code, raw=raw, retry_after_seconds=seconds)


def unanswered(
    reference: str, reply: Reply, code: str, *, about: ReportAbout, status: ReportStatus = ReportStatus.UNKNOWN
) -> Report:
    """VNPay answered, but not about this thing."""
    text = codes.QUERY_CODES[code].text if code in codes.QUERY_CODES else _OWN_TEXTS.get(code, codes.UNLISTED.text)
    return Report(
        reference=reference, status=status, about=about, code=code, message=text, raw=messages.masked(reply.data)
    )


_OWN_TEXTS = {
    "shows_refund": "the answer shows a refund of the payment",
    "not_shown": "the answer shows another transaction of the payment",
}


def _same_sum(data: Mapping[str, object], money: Money) -> bool:
    return messages.amount_in(data.get("vnp_Amount")) == money


def _text_of(code: str) -> str:
    return codes.TRANSACTION_STATUS.get(code, codes.UNLISTED).text
