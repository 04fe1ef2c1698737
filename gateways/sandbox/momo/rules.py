"""MoMo's rules as its document states them: what it signs, what it limits, and its words for each result."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Final

NAME: Final = "momo"
VIETNAM: Final = timezone(timedelta(hours=7))

SIGNED: Final[dict[str, str]] = {
    "create": "accessKey amount extraData ipnUrl orderId orderInfo partnerCode redirectUrl requestId requestType",
    "created": "accessKey amount message orderId partnerCode payUrl requestId responseTime resultCode",
    "created_short": "accessKey amount orderId partnerCode payUrl requestId responseTime resultCode",
    "notify": "accessKey amount extraData message orderId orderInfo orderType partnerCode payType requestId "
    "responseTime resultCode transId",
    "query": "accessKey orderId partnerCode requestId",
    "refund": "accessKey amount description orderId partnerCode requestId transId",
    "refund_query": "accessKey orderId partnerCode requestId",
    "confirm": "accessKey amount description orderId partnerCode requestId requestType",
}
REQUIRED: Final[dict[str, str]] = {
    "create": "partnerCode requestId orderId orderInfo redirectUrl ipnUrl requestType lang signature",
    "query": "partnerCode requestId orderId lang signature",
    "refund": "partnerCode requestId orderId lang signature",
    "refund_query": "partnerCode requestId orderId lang signature",
    "confirm": "partnerCode requestId orderId requestType lang signature",
}
LIMITS: Final[dict[str, tuple[int, int]]] = {
    "captureWallet": (1_000, 50_000_000),
    "payWithMethod": (1_000, 50_000_000),
    "payWithATM": (10_000, 50_000_000),
    "payWithCC": (1_000, 10_000_000),
}
REFUND_LIMITS: Final = (1_000, 50_000_000)
LENGTHS: Final[dict[str, int]] = {
    "orderId": 200,
    "requestId": 50,
    "orderInfo": 255,
    "extraData": 1000,
    "partnerCode": 50,
}
ORDER_ID: Final = re.compile(r"[0-9a-zA-Z]([-_.0-9a-zA-Z]*[0-9a-zA-Z])?")
PLAIN_URL: Final = re.compile(r"https?://[-A-Za-z0-9._~:\[\]/%]+")

MESSAGES: Final[dict[int, tuple[str, str]]] = {
    0: ("Thành công.", "Successful."),
    10: ("Hệ thống đang bảo trì.", "The system is under maintenance."),
    11: ("Truy cập bị từ chối.", "Access denied."),
    13: ("Xác thực doanh nghiệp thất bại.", "Merchant authentication failed."),
    20: ("Yêu cầu sai định dạng.", "Bad format request."),
    21: ("Số tiền giao dịch không hợp lệ.", "The transaction amount is invalid."),
    22: ("Số tiền giao dịch ngoài hạn mức.", "The transaction amount is out of range."),
    40: ("Yêu cầu bị từ chối vì trùng requestId.", "Duplicated requestId."),
    41: ("Yêu cầu bị từ chối vì trùng orderId.", "Duplicated orderId."),
    42: ("orderId không hợp lệ hoặc không tồn tại.", "The orderId is invalid or not found."),
    47: ("Thông tin không áp dụng cho giao dịch này.", "The data does not apply to this transaction."),
    99: ("Lỗi không xác định.", "Unknown error."),
    1000: ("Giao dịch đã khởi tạo, chờ người dùng xác nhận.", "The transaction is initiated, waiting for the payer."),
    1001: ("Tài khoản không đủ số dư.", "Insufficient funds."),
    1002: ("Giao dịch bị tổ chức phát hành từ chối.", "Rejected by the issuer of the payment method."),
    1005: ("Đường dẫn thanh toán hoặc mã QR đã hết hạn.", "The payment link or QR code has expired."),
    1006: ("Người dùng từ chối xác nhận thanh toán.", "The payer refused to confirm."),
    1017: ("Giao dịch bị hủy bởi doanh nghiệp.", "Cancelled by the merchant."),
    1080: ("Hoàn tiền thất bại, vui lòng thử lại sau.", "The refund failed, try again later."),
    1081: ("Hoàn tiền bị từ chối.", "The refund is rejected."),
    1088: ("Giao dịch gốc không được hoàn tiền.", "The original transaction cannot be refunded."),
    7002: ("Giao dịch đang được xử lý.", "The transaction is being processed."),
    9000: ("Giao dịch đã được xác nhận.", "The transaction is authorised."),
}


def signed_text(message: str, access_key: str, fields: Mapping[str, object]) -> str:
    """The text of a message that MoMo signs or wants signed."""
    known = {**fields, "accessKey": access_key}
    return "&".join(f"{name}={'' if known.get(name) is None else known[name]}" for name in SIGNED[message].split())


def signature(message: str, keys: Mapping[str, str], fields: Mapping[str, object]) -> str:
    """HMAC-SHA256 of that text with the merchant's secret key."""
    text = signed_text(message, keys["accessKey"], fields)
    return hmac.digest(keys["secretKey"].encode(), text.encode(), hashlib.sha256).hex()


def message(code: int, language: str) -> str:
    """What MoMo says of a code, in Vietnamese or English."""
    vietnamese, english = MESSAGES.get(code, MESSAGES[99])
    return vietnamese if language == "vi" else english


def whole(value: object) -> int | None:
    """MoMo's "long": a JSON number or its digits as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    return value if isinstance(value, int) else None


def wrong_fields(call: str, fields: Mapping[str, object]) -> list[dict[str, str]]:
    """What MoMo would list under subErrors, apart from the signature."""
    errors = {}
    for name in REQUIRED[call].split():
        if not isinstance(fields.get(name), str) or not fields[name]:
            errors[name] = f"{name} must not be blank"
    for name, limit in LENGTHS.items():
        value = fields.get(name)
        if isinstance(value, str) and len(value) > limit:
            errors[name] = f"{name} is longer than {limit}"
    if fields.get("lang") not in ("vi", "en"):
        errors["lang"] = "lang must be vi or en"
    if "orderId" not in errors and not ORDER_ID.fullmatch(str(fields["orderId"])):
        errors["orderId"] = "orderId has an invalid format"
    if call in ("create", "refund", "confirm") and whole(fields.get("amount")) is None:
        errors["amount"] = "amount must be a whole number"
    if call == "refund" and whole(fields.get("transId")) is None:
        errors["transId"] = "transId must be a whole number"
    if call == "create":
        if fields.get("extraData") is not None and not isinstance(fields["extraData"], str):
            errors["extraData"] = "extraData must be text"
        if fields.get("requestType") not in LIMITS:
            errors["requestType"] = "requestType is not supported"
        if "ipnUrl" not in errors and not PLAIN_URL.fullmatch(str(fields["ipnUrl"])):
            errors["ipnUrl"] = "ipnUrl must be a plain address"
    return [{"field": name, "message": text} for name, text in errors.items()]
