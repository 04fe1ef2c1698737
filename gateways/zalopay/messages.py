"""ZaloPay's messages: what is signed and how, its ids and their dates, and how answers are read into our words.

Source: ZaloPay's manual of the v2 API (create, callback, redirect, query, refund). Nothing here touches the network.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from config.core import ids
from config.core.money import Money
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import Report, ReportStatus
from gateways.zalopay.codes import Call, Verdict

# The signed values of each message in ZaloPay's order, joined by "|". A query's third part is the key itself.
CREATE: Final = ("app_id", "app_trans_id", "app_user", "amount", "app_time", "embed_data", "item")
QUERY: Final = ("app_id", "app_trans_id")
REFUND: Final = ("app_id", "zp_trans_id", "amount", "description", "timestamp")
REFUND_WITH_FEE: Final = ("app_id", "zp_trans_id", "amount", "refund_fee_amount", "description", "timestamp")
REFUND_QUERY: Final = ("app_id", "m_refund_id", "timestamp")
REDIRECT: Final = ("appid", "apptransid", "pmcid", "bankcode", "amount", "discountamount", "status")

VIETNAM: Final = ZoneInfo("Asia/Ho_Chi_Minh")
MAC: Final = re.compile(r"[0-9a-f]{64}")
MAX_DESCRIPTION: Final = 256
MAX_REFUND_DESCRIPTION: Final = 100

_REFERENCE: Final = re.compile(r"[0-9]{6}_[-_.0-9A-Za-z]{1,33}")
_REFUND_ID: Final = re.compile(r"([0-9]{6})_([0-9]{1,11})_([-_.0-9A-Za-z]{1,26})")
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_LARGEST: Final = 10**18
_STORED: Final = frozenset(
    {*CREATE, *REDIRECT, "app_time", "bank_code", "callback_url", "channel", "description", "discount_amount"}
    | {"expire_duration_seconds", "is_processing", "m_refund_id", "order_url", "qr_code", "refund_id", "return_code"}
    | {"return_message", "server_time", "sub_return_code", "sub_return_message", "timestamp", "user_fee_amount"}
    | {"zp_trans_id"}
) - {"app_user"}  # fmt: skip


def text_to_sign(names: Sequence[str], values: Mapping[str, object]) -> str:
    """What ZaloPay signs: the raw values joined by `|` in the document's order, a missing one empty."""
    return "|".join("" if values.get(name) is None else str(values[name]) for name in names)


def query_text(values: Mapping[str, object], key1: str) -> str:
    """What a query of an order is signed over: its two values and the key itself (manual: "query order")."""
    return f"{text_to_sign(QUERY, values)}|{key1}"


def sign(key: str, text: str) -> str:
    """HMAC-SHA256 of the UTF-8 text, in lower-case hex."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


# --- ids -------------------------------------------------------------------------------------------------------------


def vietnamese_day(at: datetime) -> date:
    """The calendar day in Vietnam, by which ZaloPay checks ids and reconciles."""
    return at.astimezone(VIETNAM).date()


def reference(number: int, at: datetime) -> str:
    """33 of at most 40 characters: the Vietnamese day of `at`, which ZaloPay demands, and our 26 characters."""
    return f"{vietnamese_day(at):%y%m%d}_{ids.crockford(number)}"


def refund_id(reference: str, app_id: str, day: date) -> str:
    """The m_refund_id under which a refund is known when it is sent on that day: `yymmdd_appid_...`, at most 45.

    The reference was made when the refund was asked for; ZaloPay wants the date of the day on which it is sent.
    """
    return f"{day:%y%m%d}_{app_id}_{reference.partition('_')[2]}"


def reference_of_refund(m_refund_id: str, app_id: str) -> str:
    """The refund's reference, if it was sent on the day it was asked for; what is no id of ours stays as it is."""
    found = _REFUND_ID.fullmatch(m_refund_id)
    return f"{found[1]}_{found[3]}" if found and found[2] == app_id else m_refund_id


def days_sent(requested_at: datetime, now: datetime) -> tuple[date, ...]:
    """The Vietnamese days on which a refund may have been sent, oldest first; the last is today."""
    first, today = vietnamese_day(requested_at), vietnamese_day(now)
    return tuple(first + timedelta(days=more) for more in range(max((today - first).days, 0) + 1))


# --- values ----------------------------------------------------------------------------------------------------------


def is_reference(value: object) -> bool:
    """Whether this can be an app_trans_id: a date, an underline and something, at most 40 characters."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def is_redirect(values: Mapping[str, str]) -> bool:
    """Whether a return's signed values are of their kinds; without bars in them they can be read in one way only."""
    return (
        all(_DIGITS.fullmatch(values.get(name, "")) for name in ("appid", "amount"))
        and all(re.fullmatch(r"[0-9]{0,18}", values.get(name, "")) for name in ("pmcid", "discountamount"))
        and is_reference(values.get("apptransid"))
        and re.fullmatch(r"[0-9A-Za-z_.-]{0,20}", values.get("bankcode", "")) is not None
        and re.fullmatch(r"-?[0-9]{1,6}", values.get("status", "")) is not None
    )


def number_in(value: object) -> int:
    """A whole number given as JSON number or as digits; 0 for anything else."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST else 0


def transaction_id(value: object) -> str:
    """zp_trans_id as text: a JSON number in all samples, "String(64)" in the newest manual; "" where there is none.

    Digits are one number however they are written, or the same money would be counted twice.
    """
    if isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z_-]{1,64}", value):
        return value.lstrip("0") if value.isdigit() else value
    return str(number_in(value) or "")


def text_in(value: object) -> str:
    """The text, or nothing where there is none."""
    return value if isinstance(value, str) else ""


def time_of(milliseconds: int) -> datetime | None:
    """The moment of ZaloPay's clock value; None for what is no clock."""
    # 10**14 ms is the year 5138; what lies beyond is no clock.
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC) if 0 < milliseconds < 10**14 else None


def milliseconds(at: datetime) -> int:
    """A moment as ZaloPay counts time."""
    return int(at.timestamp() * 1000)


def vnd(money: Money) -> int:
    """Whole đồng, as ZaloPay counts. Raises GatewayRejected for another currency."""
    if money.currency != "VND":
        raise GatewayRejected(f"ZaloPay takes VND, not {money.currency}", code="currency")
    return money.minor


def free_text(text: str, limit: int) -> str:
    """A description within ZaloPay's length, on one line, without the bar that separates signed values."""
    whole = _CONTROLS.sub(" ", text.encode(errors="replace").decode())  # half characters cannot be signed
    return whole.replace("|", "/")[:limit]


# --- answers ---------------------------------------------------------------------------------------------------------


def verdict(call: Call, data: Mapping[str, object]) -> Verdict:
    """The codes of an answer. Raises GatewayUnavailable: without a return_code we know nothing, it never becomes 1."""
    return_code, sub_code = data.get("return_code"), data.get("sub_return_code", 0)
    if not isinstance(return_code, int) or isinstance(return_code, bool):
        raise GatewayUnavailable(f"zalopay {call}: an answer without a return_code", code="no_return_code")
    if not isinstance(sub_code, int) or isinstance(sub_code, bool):
        sub_code = 0
    return Verdict.of(call, return_code, sub_code)


def payment_report(reference: str, status: ReportStatus, data: Mapping[str, object], *, code: str) -> Report:
    """A payment's report from a callback's data or a query's answer, which name the same things alike.

    `amount` is the order's; what ZaloPay pays of it by itself (`discount_amount`) is in it.
    """
    amount, number = number_in(data.get("amount")), transaction_id(data.get("zp_trans_id"))
    is_paid = status is ReportStatus.PAID
    if is_paid and not (amount and number):
        status, is_paid = ReportStatus.UNKNOWN, False  # money without its number or its amount: ask again
    return Report(
        reference=reference,
        status=status,
        money=Money(amount, "VND") if amount else None,
        gateway_transaction_id=number if is_paid else "",
        occurred_at=time_of(number_in(data.get("server_time"))),
        code=code,
        message=text_in(data.get("sub_return_message")) or text_in(data.get("return_message")),
        channel=str(number_in(data.get("channel")) or ""),
        raw=masked(data),
    )


def masked(data: Mapping[str, object]) -> dict[str, object]:
    """Only what is listed is kept: no mac, no key, no token, nothing about the payer."""
    return {name: value for name, value in data.items() if name in _STORED}
