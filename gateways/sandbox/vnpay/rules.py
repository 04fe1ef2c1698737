"""VNPay's rules as its document states them: what it signs, what it wants in each message, and its words."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from urllib.parse import quote

NAME: Final = "vnpay"
VIETNAM: Final = timezone(timedelta(hours=7))

PIPED: Final[dict[str, str]] = {
    "querydr": "RequestId Version Command TmnCode TxnRef TransactionDate CreateDate IpAddr OrderInfo",
    "refund": "RequestId Version Command TmnCode TransactionType TxnRef Amount TransactionNo TransactionDate CreateBy "
    "CreateDate IpAddr OrderInfo",
    "querydr_answer": "ResponseId Command ResponseCode Message TmnCode TxnRef Amount BankCode PayDate TransactionNo "
    "TransactionType TransactionStatus OrderInfo PromotionCode PromotionAmount",
    "refund_answer": "ResponseId Command ResponseCode Message TmnCode TxnRef Amount BankCode PayDate TransactionNo "
    "TransactionType TransactionStatus OrderInfo",
}

_STAMP = r"20[0-9]{12}"
_FORMS: Final[dict[str, str]] = {
    "vnp_Version": r"2\.1\.0",
    "vnp_Command": r"pay|querydr|refund",
    "vnp_TmnCode": r"[0-9A-Za-z]{8}",
    "vnp_Amount": r"[1-9][0-9]{0,9}00",
    "vnp_BankCode": r"[0-9A-Za-z]{3,20}",
    "vnp_CreateDate": _STAMP,
    "vnp_ExpireDate": _STAMP,
    "vnp_TransactionDate": _STAMP,
    "vnp_CurrCode": r"VND",
    "vnp_IpAddr": r"[0-9a-fA-F.:]{7,45}",
    "vnp_Locale": r"vn|en",
    "vnp_OrderInfo": r"[0-9A-Za-z .,:-]{1,255}",
    "vnp_OrderType": r"[0-9A-Za-z]{1,100}",
    "vnp_ReturnUrl": r"https?://\S{3,247}",
    "vnp_TxnRef": r"[0-9A-Za-z._-]{1,100}",
    "vnp_RequestId": r"[0-9A-Za-z._-]{1,32}",
    "vnp_TransactionType": r"02|03",
    "vnp_TransactionNo": r"[0-9]{1,15}",
    "vnp_CreateBy": r"[0-9A-Za-z.:@_-]{1,245}",
}
_OPTIONAL: Final[dict[str, frozenset[str]]] = {
    "pay": frozenset({"vnp_BankCode"}),
    "querydr": frozenset({"vnp_TransactionNo"}),
    "refund": frozenset({"vnp_TransactionNo"}),
}
_REQUIRED: Final[dict[str, str]] = {
    "pay": "Version Command TmnCode Amount CreateDate ExpireDate CurrCode IpAddr Locale OrderInfo OrderType ReturnUrl TxnRef",
    "querydr": PIPED["querydr"],
    "refund": PIPED["refund"],
}

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "00": ("Giao dịch thành công", "Successful"),
    "07": ("Giao dịch bị nghi ngờ, đang được kiểm tra", "Suspicious, being checked"),
    "09": ("Thẻ/tài khoản chưa đăng ký dịch vụ InternetBanking", "The card is not registered for online banking"),
    "11": ("Đã hết thời gian chờ thanh toán", "The time to pay is over"),
    "12": ("Thẻ/tài khoản bị khóa", "The card or account is locked"),
    "13": ("Nhập sai mật khẩu xác thực giao dịch (OTP)", "The one-time code is wrong"),
    "24": ("Khách hàng đã hủy giao dịch", "Cancelled by the payer"),
    "51": ("Tài khoản không đủ số dư", "The balance is not sufficient"),
    "99": ("Lỗi khác", "Another error"),
}
"""Of a payment's result, in Vietnamese and English."""
ANSWERS: Final[dict[str, str]] = {
    "00": "Success",
    "02": "Invalid merchant or refund total exceeded",
    "03": "Invalid data format",
    "04": "Full refund is not allowed after a partial refund",
    "13": "Only partial refund is allowed",
    "16": "Refund is not possible at the moment",
    "91": "Transaction not found",
    "93": "Invalid amount",
    "94": "Duplicate request",
    "95": "The payment was not successful",
    "97": "Invalid signature",
    "98": "Timeout",
    "99": "Unknown error",
}
"""Of a call's answer."""

TEST_CARDS: Final[dict[str, str]] = {
    "9704198526191432198": "00",
    "9704195798459170488": "51",
    "9704192181368742": "09",
    "9704193370791314": "12",
    "9704194841945513": "99",
}
"""VNPay's published test cards of the bank NCB, and how a payment by each ends."""


def query_string(values: Mapping[str, str]) -> str:
    """Names and values as PHP's urlencode writes them, sorted, without empty ones: what is sent and what is signed."""
    kept = {name: value for name, value in values.items() if value and not name.startswith("vnp_SecureHash")}
    return "&".join(f"{_urlencoded(name)}={_urlencoded(kept[name])}" for name in sorted(kept))


def _urlencoded(text: str) -> str:
    return quote(text, safe=" ").replace("~", "%7E").replace(" ", "+")


def query_hash(secret: str, values: Mapping[str, str]) -> str:
    """The vnp_SecureHash of a redirect, return or IPN."""
    return _hmac(secret, query_string({name: one for name, one in values.items() if name.startswith("vnp_")}))


def piped_text(message: str, values: Mapping[str, object]) -> str:
    """What is signed of a call or an answer."""
    named = (values.get(f"vnp_{name}") for name in PIPED[message].split())
    return "|".join("" if value is None else str(value) for value in named)


def piped_hash(secret: str, message: str, values: Mapping[str, object]) -> str:
    """The vnp_SecureHash of a call or an answer."""
    return _hmac(secret, piped_text(message, values))


def _hmac(secret: str, text: str) -> str:
    return hmac.digest(secret.encode(), text.encode(errors="replace"), hashlib.sha512).hex()


def is_hash(given: object, expected: str) -> bool:
    """Whether a hash that came is the expected one, whatever its case."""
    return isinstance(given, str) and hmac.compare_digest(given.lower().encode(), expected.encode())


def wrong_fields(command: str, values: Mapping[str, object]) -> list[str]:
    """Names of fields that are missing, malformed or not wanted."""
    optional = _OPTIONAL[command]
    names = {f"vnp_{name}" for name in _REQUIRED[command].split()} | optional
    wrong = [name for name in sorted(names) if not _fits(name, values.get(name), optional=name in optional)]
    if "vnp_SecureHashType" in values:  # belongs to older versions
        wrong.append("vnp_SecureHashType")
    if command == "pay" and not wrong and str(values["vnp_ExpireDate"]) <= str(values["vnp_CreateDate"]):
        wrong.append("vnp_ExpireDate")
    return wrong


def _fits(name: str, value: object, *, optional: bool) -> bool:
    if value is None or value == "":
        return optional
    return isinstance(value, str) and re.fullmatch(_FORMS[name], value) is not None


def message(code: str, language: str) -> str:
    """What VNPay says of a payment's result."""
    vietnamese, english = MESSAGES.get(code, MESSAGES["99"])
    return english if language == "en" else vietnamese


def stamp(at_ms: int) -> str:
    """A moment as VNPay writes it."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(VIETNAM).strftime("%Y%m%d%H%M%S")


def at_ms(stamp: str) -> int:
    """The moment that VNPay means. Raises ValueError for what is none."""
    return int(datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=VIETNAM).timestamp() * 1000)
