"""MoMo's messages: what is signed and how, and how they are read into our words.

Source: MoMo's developer manual v3, pages create, notification, query and refund. Nothing here touches the network.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from config.core.money import Money
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.reports import Report, ReportStatus

# The signed names of each message, in the order MoMo signs them (accessKey comes first and is added by `text_to_sign`).
CREATE_REQUEST: Final = (
    "amount", "extraData", "ipnUrl", "orderId", "orderInfo", "partnerCode", "redirectUrl", "requestId", "requestType",
)  # fmt: skip
CREATE_RESPONSE: Final = (
    "amount", "message", "orderId", "partnerCode", "payUrl", "requestId", "responseTime", "resultCode",
)  # fmt: skip
CREATE_RESPONSE_WITHOUT_MESSAGE: Final = tuple(name for name in CREATE_RESPONSE if name != "message")
NOTIFICATION: Final = (
    "amount", "extraData", "message", "orderId", "orderInfo", "orderType", "partnerCode", "payType", "requestId",
    "responseTime", "resultCode", "transId",
)  # fmt: skip
QUERY_REQUEST: Final = ("orderId", "partnerCode", "requestId")
REFUND_REQUEST: Final = ("amount", "description", "orderId", "partnerCode", "requestId", "transId")
CONFIRM_REQUEST: Final = ("amount", "description", "orderId", "partnerCode", "requestId", "requestType")

MAX_TEXT: Final = 255

NUMBERS: Final = frozenset({"amount", "responseTime", "resultCode", "transId"})
_OPTIONAL: Final = frozenset({"extraData", "message", "orderInfo", "orderType", "payType"})
SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")
# The manual's pattern for orderId, written without its nested repeats: those take exponential time on hostile text.
_ORDER_ID: Final = re.compile(r"[0-9a-zA-Z](?:[-_.0-9a-zA-Z]{0,198}[0-9a-zA-Z])?")
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,18}")
# A value that holds "&name=" makes the signed text readable in two ways, and a signature good for both.
_AMBIGUOUS: Final = re.compile("&(?=(?:" + "|".join(sorted({*NOTIFICATION, *CREATE_REQUEST})) + ")=)")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_STORED: Final = frozenset(
    {*NOTIFICATION, *CREATE_REQUEST, *CREATE_RESPONSE, "autoCapture", "deeplink", "description", "lang", "lastUpdated"}
    | {"payUrl", "qrCodeUrl", "refundTrans", "storeName", "subErrors"}
)  # fmt: skip


def text_to_sign(access_key: str, names: Sequence[str], values: Mapping[str, object]) -> str:
    """What MoMo signs: `name=value` joined by `&` in the document's order, values raw, a missing value empty."""
    pairs = (f"{name}={_plain(values.get(name))}" for name in names)
    return "&".join((f"accessKey={access_key}", *pairs))


def sign(secret_key: str, text: str) -> str:
    """HMAC-SHA256 of the UTF-8 text, in lower-case hex."""
    return hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()


def free_text(text: str) -> str:
    """A description within MoMo's length, on one line, that cannot be read as further signed fields."""
    whole = _CONTROLS.sub(" ", text.encode(errors="replace").decode())  # half characters cannot be signed
    return _AMBIGUOUS.sub("& ", whole)[:MAX_TEXT]


def notification_fields(data: Mapping[str, object], number: Callable[[str, object], int]) -> dict[str, object]:
    """The signed fields of a notification and no others, with their types checked. Raises ReportInvalid."""
    values: dict[str, object] = {}
    for name in NOTIFICATION:
        value = data.get(name)
        if name in NUMBERS:
            values[name] = number(name, value)
        elif value is None and name in _OPTIONAL:
            values[name] = ""
        elif not isinstance(value, str) or _AMBIGUOUS.search(value):
            raise ReportInvalid(f"momo: {name} is missing or unusable")
        else:
            values[name] = value
    if not _ORDER_ID.fullmatch(str(values["orderId"])):
        raise ReportInvalid("momo: orderId is malformed")
    return values


def json_number(name: str, value: object) -> int:
    """A number of a JSON body: a whole one, as MoMo writes it. Raises ReportInvalid."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**15:
        raise ReportInvalid(f"momo: {name} is no whole number in range")
    return value


def query_number(name: str, value: object) -> int:
    """A number of a query string, in the one way it can be written. Raises ReportInvalid."""
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise ReportInvalid(f"momo: {name} is no whole number")
    return json_number(name, int(value))


def payment_report(
    values: Mapping[str, object], status_of: Callable[[int], ReportStatus], refunds: tuple[Report, ...] = ()
) -> Report:
    """A payment's report from the fields of a notification; `status_of` knows what a code means in this answer."""
    code, amount, trans_id = result_code(values), number_in(values["amount"]), number_in(values["transId"])
    status = status_of(code)
    moved = status in (ReportStatus.PAID, ReportStatus.AUTHORIZED)
    if moved and 0 in (trans_id, amount):
        status = ReportStatus.UNKNOWN  # money without its number or its amount: ask again rather than book it
    return Report(
        reference=str(values["orderId"]),
        status=status,
        money=Money(amount, "VND"),
        # On failures transId was seen to hold a clock value, so only money that moved has a number.
        gateway_transaction_id=str(trans_id) if moved and trans_id else "",
        occurred_at=time_of(number_in(values["responseTime"])),
        code=str(code),
        message=str(values["message"]),
        channel=text_in(values.get("payType")),
        raw=masked(values),
        refunds=refunds,
    )


def result_code(data: Mapping[str, object]) -> int:
    """The resultCode of an answer. Raises GatewayUnavailable: without one, we know nothing. It never becomes 0 by default."""
    value = data.get("resultCode")
    if not isinstance(value, int) or isinstance(value, bool):
        raise GatewayUnavailable("momo: an answer without a resultCode", code="no_result_code")
    return value


def number_in(value: object) -> int:
    """A whole number given as JSON number or as digits; 0 for anything else."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else 0


def text_in(value: object) -> str:
    """The text, or nothing where there is none."""
    return value if isinstance(value, str) else ""


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def time_of(milliseconds: int) -> datetime | None:
    """The moment of MoMo's clock value; None for what is no clock."""
    # 10**14 ms is the year 5138; what lies beyond is no clock.
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC) if 0 < milliseconds < 10**14 else None


def vnd(money: Money) -> int:
    """Whole đồng, as MoMo counts. Raises GatewayRejected for another currency."""
    if money.currency != "VND":
        raise GatewayRejected(f"MoMo takes VND, not {money.currency}", code="currency")
    return money.minor


def language(locale: str) -> str:
    """MoMo's `lang`."""
    return "vi" if locale.startswith("vi") else "en"


def masked(data: Mapping[str, object]) -> dict[str, object]:
    """Only what is listed is kept: no signature, no key, nothing about the payer."""
    kept = {name: value for name, value in data.items() if name in _STORED}
    if "subErrors" in kept:
        errors = kept["subErrors"]
        kept["subErrors"] = (
            [{"field": one.get("field")} for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        )
    return kept
