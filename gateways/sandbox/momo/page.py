"""The wallet's pay page, drawn from template files."""

from __future__ import annotations

from typing import Final

from gateways.sandbox import pages
from gateways.sandbox.state import Payment

WORDS: Final[dict[str, dict[str, str]]] = {
    "vi": {
        "title": "Thanh toán đơn hàng", "amount": "Số tiền", "order": "Mã đơn hàng", "info": "Nội dung",
        "shop": "Nhà cung cấp", "scan": "Hoặc quét mã bằng điện thoại khác", "left": "Hết hạn sau", "otp": "Mã OTP",
        "otp_hint": "Ví thử nghiệm: 6 chữ số bất kỳ", "otp_wrong": "Mã OTP gồm đúng 6 chữ số.", "pay": "Thanh toán",
        "decline": "Từ chối thanh toán", "insufficient": "Ví không đủ tiền", "expire": "Để hết hạn",
        "test": "Môi trường thử nghiệm, không có tiền thật", "ended": "Giao dịch đã kết thúc",
        "is_paid": "Đã thanh toán", "is_authorized": "Đã giữ tiền", "is_declined": "Đã từ chối thanh toán",
        "is_insufficient": "Ví không đủ tiền, chưa thanh toán", "is_expired": "Liên kết đã hết hạn", "is_cancelled": "Đã hủy",
        "back": "Quay lại cửa hàng", "other": "Thử tình huống khác", "switch": "English", "created": "Tạo lúc",
    },
    "en": {
        "title": "Pay for your order", "amount": "Amount", "order": "Order", "info": "For", "shop": "Merchant",
        "scan": "Or scan with another phone", "left": "Expires in", "otp": "One-time code",
        "otp_hint": "Test wallet: any 6 digits", "otp_wrong": "The one-time code has exactly 6 digits.", "pay": "Pay",
        "decline": "Decline", "insufficient": "Not enough money", "expire": "Let it expire",
        "test": "Test environment, no real money", "ended": "This payment has ended",
        "is_paid": "Paid", "is_authorized": "Authorised", "is_declined": "Declined",
        "is_insufficient": "Not paid: not enough money", "is_expired": "The link has expired", "is_cancelled": "Cancelled",
        "back": "Back to the shop",
        "other": "Try another ending", "switch": "Tiếng Việt", "created": "Created",
    },
}  # fmt: skip


def render(payment: Payment, *, language: str, leave: str, scan: str, wrong_code: bool) -> str:
    """The page of a payment: open, or ended with a way back (`leave`)."""
    language = language if language in WORDS else "vi"
    words = WORDS[language]
    values = {
        **words,
        "language": language,
        "other_language": "en" if language == "vi" else "vi",
        "token": payment.token,
        "amount_text": f"{pages.dong(payment.amount)} ₫",
        "order_text": payment.order,
        "info_text": payment.description,
        "shop_text": payment.fields.get("storeName") or payment.merchant,
        "created_text": pages.vietnamese_moment(payment.created_ms),
        "seconds": pages.seconds_left(payment),
        "error": words["otp_wrong"] if wrong_code else "",
        "error_class": "" if wrong_code else "none",
        "leave": leave,
        "stage_text": words.get(f"is_{payment.stage}", words["ended"]),
    }
    if leave:
        return pages.drawn("momo_ended.html", values, style="momo.css")
    return pages.drawn("momo_pay.html", values, style="momo.css", qr=pages.qr(scan, dark="#1f1a24"))
