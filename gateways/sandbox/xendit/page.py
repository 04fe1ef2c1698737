"""The pay page of an invoice, drawn from template files."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

from gateways.sandbox import pages
from gateways.sandbox.state import Payment, Stage
from gateways.sandbox.xendit import rules

SIGNS: Final = {"IDR": "Rp {}", "PHP": "₱{}", "THB": "฿{}", "MYR": "RM {}", "USD": "${}", "VND": "{} ₫"}
POINT_FOR_THOUSANDS: Final = ("IDR", "VND")

KINDS: Final = {
    "EWALLET": ("Ví điện tử", "E-wallet"),
    "CREDIT_CARD": ("Thẻ", "Card"),
    "BANK_TRANSFER": ("Chuyển khoản", "Bank transfer"),
    "RETAIL_OUTLET": ("Tại cửa hàng", "At a shop"),
    "QR_CODE": ("Quét mã", "QR code"),
    "QRIS": ("Quét mã", "QR code"),
    "DIRECT_DEBIT": ("Ngân hàng trực tuyến", "Online banking"),
}
"""A payment_method in Vietnamese and English."""

WORDS: Final[dict[str, dict[str, str]]] = {
    "vi": {
        "test": "Môi trường thử nghiệm, không có tiền thật", "amount": "Tổng thanh toán", "order": "Mã tham chiếu",
        "info": "Nội dung", "left": "Hết hạn sau", "choose": "Chọn cách thanh toán", "pay": "Thanh toán",
        "decline": "Ngân hàng từ chối", "insufficient": "Không đủ tiền", "expire": "Để hết hạn",
        "other": "Thử tình huống khác", "switch": "English", "back": "Quay lại cửa hàng",
        "failed_decline": "Thanh toán bị từ chối. Bạn có thể thử lại hoặc chọn cách khác.",
        "failed_insufficient": "Tài khoản không đủ tiền. Bạn có thể thử lại hoặc chọn cách khác.",
        "is_paid": "Đã thanh toán", "is_expired": "Hóa đơn đã hết hạn",
    },
    "en": {
        "test": "Test environment, no real money", "amount": "Total", "order": "Reference", "info": "For",
        "left": "Expires in", "choose": "Choose how to pay", "pay": "Pay", "decline": "The bank declines",
        "insufficient": "Not enough money", "expire": "Let it expire", "other": "Try another ending",
        "switch": "Tiếng Việt", "back": "Back to the shop",
        "failed_decline": "The payment was declined. Try again, or choose another way.",
        "failed_insufficient": "There is not enough money. Try again, or choose another way.",
        "is_paid": "Paid", "is_expired": "The invoice has expired",
    },
}  # fmt: skip


def render(payment: Payment, channels: Sequence[tuple[str, str, str, bool]], *, language: str, leave: str) -> str:
    """The page of an invoice: open, or ended with a way back (`leave`)."""
    language = language if language in WORDS else "vi"
    words = WORDS[language]
    failed = payment.fields.get("last_failure", "") if payment.stage is Stage.WAITING else ""
    values = {
        **words,
        "language": language,
        "other_language": "en" if language == "vi" else "vi",
        "address": f"/web/{payment.token}",
        "amount_text": amount_text(payment.amount, payment.currency),
        "order_text": payment.fields["external_id"],
        "info_text": payment.description,
        "shop_text": payment.fields["merchant_name"],
        "seconds": pages.seconds_left(payment),
        "error": words.get(f"failed_{failed}", ""),
        "error_class": "" if failed else "none",
        "leave": leave,
        "stage_text": words.get(f"is_{payment.stage}", words["is_expired"]),
    }
    if leave:
        return pages.drawn("xendit_ended.html", values, style="xendit.css")
    choices = "".join(_choices(payment, channels, language))
    return pages.drawn("xendit_pay.html", values, style="xendit.css", channels=choices)


def _choices(payment: Payment, channels: Sequence[tuple[str, str, str, bool]], language: str) -> list[str]:
    chosen = payment.fields["payment_channel"] or channels[0][1]
    return [
        f'<label class="way"><input type="radio" name="channel" value="{html.escape(code)}"'
        f"{' checked' if code == chosen else ''}> <span>{html.escape(name)}</span>"
        f"<small>{html.escape(KINDS[method][language == 'en'])}</small></label>"
        for method, code, name, _ in channels
    ]


def amount_text(minor: int, currency: str) -> str:
    """An amount as its country writes it."""
    text = f"{rules.major(minor, currency):,}"
    if currency in POINT_FOR_THOUSANDS:
        text = text.replace(",", ".")
    return SIGNS[currency].format(text)
