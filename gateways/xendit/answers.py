"""Xendit's answers to our calls: what is a refusal, what proves nothing, and lists.

Source: Xendit's API reference, the error tables of invoices and refunds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from config.core import strict_json
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.http import Reply
from gateways.xendit import codes, values
from gateways.xendit.codes import Refusal

LIST: Final = "list"


def read(body: bytes) -> Mapping[str, object]:
    """An answer's body: an object as it is, a bare list under the name `list`. Raises InvalidJson."""
    value = strict_json.loads(body)
    if isinstance(value, list):
        return {LIST: value}
    if not isinstance(value, dict):
        raise strict_json.InvalidJson("The text is neither an object nor a list.")
    return value


def items(data: Mapping[str, object]) -> list[dict[str, Any]]:
    """The objects of a list, bare or in its envelope. Raises GatewayUnavailable for what is no list."""
    found = data.get(LIST, data.get("data"))
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise GatewayUnavailable("xendit: an answer without the list that was asked for", code="no_list")
    return found


def error_code(reply: Reply) -> str:
    """The refusal's name, or its HTTP status where it has none."""
    return values.text_in(reply.data.get("error_code")) or f"http_{reply.status}"


def problem(operation: str, reply: Reply) -> GatewayRejected | GatewayUnavailable:
    """A definite no where the answer proves one, else an unknown outcome."""
    code = error_code(reply)
    text, raw = f"xendit {operation}: {code}{_wrong_fields(reply)}", values.masked(reply.data)
    meaning = codes.refusal(code)
    if meaning is Refusal.RATE_LIMITED and operation == "create":
        seconds = reply.headers.get("rate-limit-reset", "")
        return GatewayRejected(text, code=code, raw=raw, retry_after_seconds=int(seconds) if seconds.isdigit() else 60)
    if meaning in (Refusal.INVALID_REQUEST, Refusal.AUTH_ERROR):
        later = codes.RETRY_REFUND_AFTER_SECONDS if code == "INSUFFICIENT_BALANCE" else 0
        return GatewayRejected(text, code=code, raw=raw, retry_after_seconds=later)
    return GatewayUnavailable(text, code=code, raw=raw)


def unanswered(operation: str, reply: Reply) -> GatewayUnavailable:
    """A question that was not answered, whatever the reason: nothing is known."""
    return GatewayUnavailable(
        f"xendit {operation}: {error_code(reply)}", code=error_code(reply), raw=values.masked(reply.data)
    )


def odd(operation: str, what: str, reply: Reply) -> GatewayUnavailable:
    """An answer about something else than what was asked: nothing is known."""
    return GatewayUnavailable(f"xendit {operation}: {what}", code="echo", raw=values.masked(reply.data))


def _wrong_fields(reply: Reply) -> str:
    """The paths of the fields that Xendit found wrong; not its texts, which repeat what was sent."""
    errors = reply.data.get("errors")
    listed = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    found = [values.text_in(one.get("path")) for one in listed]
    return f" ({', '.join(found)})" if any(found) else ""
