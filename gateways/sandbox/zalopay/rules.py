"""ZaloPay's rules as its v2 document states them: what it signs, what it demands, and its words for each code."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

NAME: Final = "zalopay"
VIETNAM: Final = timezone(timedelta(hours=7))
CLOCK_TOLERANCE_MS: Final = 15 * 60 * 1000
EXPIRY_SECONDS: Final = (300, 2_592_000)
DEFAULT_EXPIRY_SECONDS: Final = 900

DONE, FAILED, IN_WORK = 1, 2, 3

MESSAGES: Final[dict[int, str]] = {
    1: "Giao dịch thành công",
    2: "Giao dịch thất bại",
    3: "Giao dịch chưa được thực hiện hoặc đang xử lý",
    -1: "Hoàn tiền đang chờ phê duyệt",
    -13: "Hết hạn hoàn tiền hoặc sai thời gian",
    -14: "Số tiền hoàn không hợp lệ",
    -23: "Trùng m_refund_id",
    -24: "m_refund_id sai định dạng",
    -25: "Ngày trong m_refund_id không hợp lệ",
    -26: "app_id trong m_refund_id không hợp lệ",
    -32: "Giao dịch không được hỗ trợ hoàn tiền",
    -49: "Không tìm thấy thông tin thanh toán",
    -54: "Đơn hàng đã hết hạn",
    -63: "Số dư ví không đủ",
    -68: "Trùng mã giao dịch",
    -92: "app_trans_id không hợp lệ",
    -101: "Giao dịch không tồn tại",
    -217: "Ngân hàng báo lỗi",
    -329: "Người dùng hủy giao dịch",
    -401: "Dữ liệu yêu cầu không hợp lệ",
    -402: "Thông tin xác thực không hợp lệ",
    -429: "Quá giới hạn yêu cầu",
    -500: "Lỗi hệ thống",
    -999: "Hệ thống đang bảo trì",
}

TEXT, NUMBER = str, int
FIELDS: Final[dict[str, dict[str, type]]] = {
    "create": {"app_id": NUMBER, "app_user": TEXT, "app_trans_id": TEXT, "app_time": NUMBER, "amount": NUMBER,
               "description": TEXT, "item": TEXT, "embed_data": TEXT, "mac": TEXT},
    "query": {"app_id": NUMBER, "app_trans_id": TEXT, "mac": TEXT},
    "refund": {"app_id": NUMBER, "m_refund_id": TEXT, "zp_trans_id": TEXT, "amount": NUMBER, "timestamp": NUMBER,
               "description": TEXT, "mac": TEXT},
    "query_refund": {"app_id": NUMBER, "m_refund_id": TEXT, "timestamp": NUMBER, "mac": TEXT},
}  # fmt: skip
"""The required fields of each call and their kinds."""
LENGTHS: Final[dict[str, int]] = {
    "app_user": 50, "app_trans_id": 40, "description": 256, "item": 2048, "embed_data": 2048, "m_refund_id": 45,
}  # fmt: skip


def mac(key: str, text: str) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.digest(key.encode(), text.encode(), hashlib.sha256).hex()


def signed_text(call: str, fields: Mapping[str, object], key1: str) -> str:
    """The text that a call's mac is over."""
    order = {
        "create": "app_id app_trans_id app_user amount app_time embed_data item",
        "query": "app_id app_trans_id",
        "refund": "app_id zp_trans_id amount description timestamp",
        "query_refund": "app_id m_refund_id timestamp",
    }[call].split()
    if call == "refund" and "refund_fee_amount" in fields:
        order.insert(order.index("description"), "refund_fee_amount")
    parts = [str(fields[name]) for name in order]
    return "|".join([*parts, key1] if call == "query" else parts)


def checksum_text(values: Mapping[str, object]) -> str:
    """The text that the redirect's checksum is over."""
    names = ("appid", "apptransid", "pmcid", "bankcode", "amount", "discountamount", "status")
    return "|".join(str(values[name]) for name in names)


def whole(value: object) -> int | None:
    """A long: a JSON number, or its digits in a form."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    return value if isinstance(value, int) else None


def is_malformed(call: str, fields: Mapping[str, object]) -> bool:
    """Whether a required field is missing, of another kind or too long, or JSON that must be text is none."""
    for name, kind in FIELDS[call].items():
        value = fields.get(name)
        if whole(value) is None if kind is int else not isinstance(value, str) or not value:
            return True
        if isinstance(value, str) and len(value) > LENGTHS.get(name, 4096):
            return True
    if call == "refund" and len(str(fields["description"])) > 100:
        return True
    return call == "create" and not (_is_json(fields["embed_data"], dict) and _is_json(fields["item"], list))


def _is_json(text: object, kind: type) -> bool:
    try:
        return isinstance(json.loads(str(text)), kind)
    except ValueError:
        return False


def today(at_ms: int) -> str:
    """yymmdd in Vietnam."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(VIETNAM).strftime("%y%m%d")


def order_id_problem(app_trans_id: str, at_ms: int) -> int:
    """-92 for an app_trans_id that does not begin with today's date, else 0."""
    is_good = re.fullmatch(r"[0-9]{6}_[^|\s]{1,33}", app_trans_id) and app_trans_id.startswith(today(at_ms))
    return 0 if is_good else -92


def refund_id_problem(m_refund_id: str, app_id: str, at_ms: int) -> int:
    """-24, -25 or -26 for the m_refund_id's form, its date, its app; else 0."""
    found = re.fullmatch(r"([0-9]{6})_([0-9]+)_([^|\s]+)", m_refund_id)
    if found is None:
        return -24
    if found[1] != today(at_ms):
        return -25
    return 0 if found[2] == app_id else -26


def is_off(timestamp: object, at_ms: int) -> bool:
    """Whether a clock is more than 15 minutes off."""
    return abs((whole(timestamp) or 0) - at_ms) > CLOCK_TOLERANCE_MS


def answer(return_code: int, sub_code: int, **more: object) -> dict[str, object]:
    """The four fields every answer begins with."""
    return {
        "return_code": return_code, "return_message": MESSAGES[return_code],
        "sub_return_code": sub_code, "sub_return_message": MESSAGES.get(sub_code, MESSAGES[return_code]), **more,
    }  # fmt: skip
