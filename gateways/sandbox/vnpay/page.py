"""VNPay's pay page, drawn from template files."""

from __future__ import annotations

from typing import Final

from gateways.sandbox import pages
from gateways.sandbox.state import Payment

WORDS: Final[dict[str, dict[str, str]]] = {
    "vn": {
        "title": "Thông tin đơn hàng", "amount": "Số tiền thanh toán", "order": "Mã đơn hàng", "info": "Nội dung",
        "shop": "Nhà cung cấp", "left": "Giao dịch hết hạn sau", "card_title": "Thẻ nội địa · ngân hàng NCB",
        "card": "Số thẻ", "holder": "Tên chủ thẻ", "issued": "Ngày phát hành", "otp": "Mã OTP",
        "otp_hint": "thẻ thử nghiệm: 123456", "otp_wrong": "Mã OTP không đúng.", "pay": "Thanh toán",
        "decline": "Hủy thanh toán", "insufficient": "Tài khoản không đủ số dư", "expire": "Để hết hạn",
        "suspicious": "Giao dịch bị nghi ngờ", "other": "Thử tình huống khác", "scan": "Quét mã qua ứng dụng ngân hàng",
        "card_wrong": "Đây không phải là thẻ thử nghiệm.", "test": "Môi trường thử nghiệm, không có tiền thật",
        "ended": "Giao dịch đã kết thúc", "is_paid": "Giao dịch thành công", "is_pending": "Giao dịch đang được kiểm tra",
        "is_declined": "Giao dịch không thành công", "is_insufficient": "Tài khoản không đủ số dư",
        "is_expired": "Giao dịch đã quá thời gian chờ thanh toán", "back": "Quay lại cửa hàng", "switch": "English",
        "error": "Thông báo lỗi", "code": "Mã lỗi", "language": "vi",
    },
    "en": {
        "title": "Order", "amount": "Amount to pay", "order": "Order number", "info": "For", "shop": "Merchant",
        "left": "This transaction expires in", "card_title": "Domestic card · bank NCB", "card": "Card number",
        "holder": "Card holder", "issued": "Date of issue", "otp": "One-time code", "otp_hint": "test cards: 123456",
        "otp_wrong": "The one-time code is wrong.", "pay": "Pay", "decline": "Cancel the payment",
        "insufficient": "Not enough money", "expire": "Let it expire", "suspicious": "A suspicious transaction",
        "other": "Try another ending", "scan": "Scan with your banking app", "card_wrong": "This is no test card.",
        "test": "Test environment, no real money", "ended": "This transaction has ended", "is_paid": "Paid",
        "is_pending": "The transaction is being checked", "is_declined": "Not paid", "is_insufficient": "Not paid: not enough money",
        "is_expired": "The time to pay is over", "back": "Back to the shop", "switch": "Tiếng Việt",
        "error": "Something is wrong with this payment", "code": "Error code", "language": "en",
    },
}  # fmt: skip


def render(payment: Payment, *, locale: str, leave: str, address: str, problem: str = "") -> str:
    """The page to pay on, or how the payment ended with the way back (`leave`). `problem` names a wrong input."""
    words = WORDS["en" if locale == "en" else "vn"]
    values = words | {
        "token": payment.token,
        "locale": "en" if locale == "en" else "vn",
        "other_locale": "vn" if locale == "en" else "en",
        "amount_text": f"{pages.dong(payment.amount)} VND",
        "order_text": payment.order,
        "info_text": payment.description,
        "shop_text": payment.merchant,
        "created_text": pages.vietnamese_moment(payment.created_ms),
        "seconds": pages.seconds_left(payment),
        "problem": words.get(problem, ""),
        "problem_class": "" if problem else "none",
        "leave": leave,
        "stage_text": words.get(f"is_{payment.stage}", words["ended"]),
    }
    if leave:
        return pages.drawn("vnpay_ended.html", values, style="vnpay.css")
    return pages.drawn("vnpay_pay.html", values, style="vnpay.css", qr=pages.qr(address, dark="#14233a"))


def refused(code: str, why: str, *, locale: str) -> str:
    """VNPay's own error page for a redirect it cannot take. The merchant hears nothing of it."""
    words = WORDS["en" if locale == "en" else "vn"]
    return pages.drawn("vnpay_error.html", words | {"code_text": code, "why": why}, style="vnpay.css")
