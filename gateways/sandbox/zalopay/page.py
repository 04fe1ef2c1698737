"""ZaloPay's pay page, drawn from template files."""

from __future__ import annotations

from typing import Final

from gateways.sandbox import pages
from gateways.sandbox.state import Payment, Stage

MEANS: Final[dict[str, tuple[int, str]]] = {"wallet": (38, ""), "atm": (39, "SBIS"), "card": (36, "CC")}
"""What the payer pays with: its pmcid and bank code in the redirect."""

WORDS: Final[dict[str, dict[str, str]]] = {
    "vi": {
        "title": "Thanh toán đơn hàng", "order": "Mã giao dịch", "info": "Nội dung", "shop": "Ứng dụng",
        "created": "Tạo lúc", "left": "Giao dịch kết thúc trong", "choose": "Phương thức thanh toán",
        "wallet": "Ví Zalopay", "wallet_hint": "Số dư và ngân hàng liên kết", "atm": "Thẻ ATM / tài khoản ngân hàng",
        "atm_hint": "Ngân hàng thử nghiệm SBIS", "card": "Thẻ quốc tế", "card_hint": "Visa, Mastercard, JCB",
        "scan": "Quét mã bằng điện thoại khác để thanh toán", "otp": "Mã xác thực",
        "otp_hint": "6 chữ số bất kỳ", "otp_wrong": "Mã xác thực gồm đúng 6 chữ số.", "pay": "Thanh toán",
        "decline": "Hủy giao dịch", "other": "Thử tình huống khác", "insufficient": "Số dư ví không đủ",
        "expire": "Để hết hạn", "test": "Môi trường thử nghiệm, không có tiền thật", "ended": "Giao dịch đã kết thúc",
        "is_paid": "Thanh toán thành công", "is_declined": "Giao dịch đã hủy", "is_expired": "Đơn hàng đã hết hạn",
        "is_insufficient": "Số dư ví không đủ, chưa thanh toán", "back": "Quay lại cửa hàng", "switch": "English",
    },
    "en": {
        "title": "Pay for your order", "order": "Transaction", "info": "For", "shop": "App", "created": "Created",
        "left": "Time left", "choose": "Payment method", "wallet": "Zalopay wallet",
        "wallet_hint": "Balance and linked banks", "atm": "ATM card / bank account", "atm_hint": "Test bank SBIS",
        "card": "International card", "card_hint": "Visa, Mastercard, JCB", "scan": "Scan with another phone to pay",
        "otp": "Verification code", "otp_hint": "any 6 digits",
        "otp_wrong": "The verification code has exactly 6 digits.", "pay": "Pay", "decline": "Cancel",
        "other": "Try another ending", "insufficient": "Not enough money", "expire": "Let it expire",
        "test": "Test environment, no real money", "ended": "This payment has ended", "is_paid": "Paid",
        "is_declined": "Cancelled", "is_expired": "The order has expired",
        "is_insufficient": "Not paid: not enough money", "back": "Back to the shop", "switch": "Tiếng Việt",
    },
}  # fmt: skip


def render(payment: Payment, *, language: str, leave: str, scan: str, wrong_code: bool) -> str:
    """The page of an order: open, or ended with a way back (`leave`)."""
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
        "shop_text": payment.merchant,
        "created_text": pages.vietnamese_moment(payment.created_ms),
        "seconds": pages.seconds_left(payment),
        "error": words["otp_wrong"] if wrong_code else "",
        "error_class": "" if wrong_code else "none",
        "leave": leave,
        "stage": payment.stage,
        "mark": "✓" if payment.stage is Stage.PAID else "!",
        "stage_text": words.get(f"is_{payment.stage}", words["ended"]),
    }
    if leave:
        return pages.drawn("zalopay_ended.html", values, style="zalopay.css")
    return pages.drawn("zalopay_pay.html", values, style="zalopay.css", qr=pages.qr(scan, dark="#0b1f4b", border=0))
