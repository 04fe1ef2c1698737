"""MoMo's answers to our calls, read into our words. They are unsigned, so what they repeat must be ours.

Source: MoMo's developer manual v3, pages create, query, refund and confirm.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.core.money import Money
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.http import Reply
from gateways.momo import codes, messages
from gateways.reports import Report, ReportAbout, ReportStatus


def check_echo(reply: Reply, *, operation: str, expected: Mapping[str, object]) -> None:
    """Answers are unsigned: what they repeat must be ours. Raises GatewayUnavailable."""
    for name, value in expected.items():
        got = reply.data.get(name)
        if got != value and not (isinstance(value, int) and messages.number_in(got) == value):
            raise GatewayUnavailable(
                f"momo {operation}: the answer has another {name}",
                code="echo",
                raw=messages.masked(reply.data),
            )


def refusal(operation: str, reply: Reply, code: int) -> GatewayRejected | GatewayUnavailable:
    """A definite no where the code proves one, else an unknown outcome."""
    row = codes.look_up(code)
    text = f"momo {operation}: {code} {row.text}{_field_errors(reply)}"
    if code == 1080:
        seconds = codes.RETRY_REFUND_AFTER_SECONDS
        return GatewayRejected(text, code=str(code), raw=messages.masked(reply.data), retry_after_seconds=seconds)
    if codes.is_refusal(code):
        by_payer = row.meaning in codes.BY_PAYER
        return GatewayRejected(text, code=str(code), raw=messages.masked(reply.data), by_payer=by_payer)
    return GatewayUnavailable(text, code=str(code), raw=messages.masked(reply.data))


def queried_fields(reply: Reply) -> dict[str, object]:
    """A query's answer in the shape of a notification. The time is when the payment last changed, if told."""
    data = reply.data
    values: dict[str, object] = {
        name: messages.text_in(data.get(name)) for name in messages.NOTIFICATION if name not in messages.NUMBERS
    }
    for name in ("amount", "transId"):
        values[name] = messages.number_in(data.get(name))
    values["resultCode"] = messages.result_code(reply.data)
    values["responseTime"] = messages.number_in(data.get("lastUpdated")) or messages.number_in(data.get("responseTime"))
    return values


def refund_items(reply: Reply) -> list[dict[str, object]]:
    """The refunds that an answer lists."""
    items = reply.data.get("refundTrans")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def listed_refund(item: Mapping[str, object]) -> Report:
    """The report of one refund in such a list."""
    return refund_report(messages.text_in(item.get("orderId")), {**item, "responseTime": item.get("createdTime")})


def refund_report(reference: str, data: Mapping[str, object]) -> Report:
    """The report of a refund, from its own answer or from a list."""
    code, trans_id = messages.result_code(data), messages.number_in(data.get("transId"))
    status = codes.refund_status(code)
    if status is ReportStatus.PAID and trans_id == 0:
        status = ReportStatus.UNKNOWN
    return Report(
        reference=reference,
        status=status,
        about=ReportAbout.REFUND,
        money=Money(messages.number_in(data.get("amount")), "VND"),
        gateway_transaction_id=str(trans_id) if status is ReportStatus.PAID else "",
        occurred_at=messages.time_of(messages.number_in(data.get("responseTime"))),
        code=str(code),
        message=messages.text_in(data.get("message")),
        raw=messages.masked(data),
    )


def unanswered(
    reference: str, reply: Reply, code: int, *, about: ReportAbout, status: ReportStatus | None = None
) -> Report:
    """MoMo answered, but not about this thing."""
    return Report(
        reference=reference,
        status=status or codes.queried_status(code),
        about=about,
        code=str(code),
        message=messages.text_in(reply.data.get("message")),
        raw=messages.masked(reply.data),
    )


def _field_errors(reply: Reply) -> str:
    """The names of the fields MoMo found wrong; not its texts, which repeat what was signed."""
    errors = reply.data.get("subErrors")
    names = (
        [messages.text_in(one.get("field")) for one in errors if isinstance(one, dict)]
        if isinstance(errors, list)
        else []
    )
    return f" ({', '.join(names)})" if names else ""
