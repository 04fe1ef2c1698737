"""The hosted card page and the bank's 3-D Secure step, drawn from template files."""

from __future__ import annotations

import html
from typing import Final

from gateways.sandbox import pages
from gateways.sandbox.state import Payment, now_ms
from gateways.sandbox.stripe.rules import CARDS, shown_amount

WORDS: Final[dict[str, dict[str, str]]] = {
    "vi": {
        "test": "Môi trường thử nghiệm, không có tiền thật", "pay": "Thanh toán", "for": "Đơn hàng", "card": "Thông tin thẻ",
        "number": "Số thẻ", "expiry": "MM / YY", "expiry_label": "Ngày hết hạn", "cvc": "CVC", "email": "Email",
        "back": "Quay lại cửa hàng", "choose": "Chọn một thẻ thử", "left": "Hết hạn sau", "switch": "English",
        "other": "Tình huống khác", "expire": "Để trang hết hạn", "ended": "Trang này đã đóng",
        "is_paid": "Đã thanh toán", "is_authorized": "Đã giữ tiền", "is_expired": "Trang thanh toán đã hết hạn",
        "is_cancelled": "Đã hủy", "bad_number": "Sandbox chỉ biết các thẻ thử của Stripe.",
        "bad_expiry": "Ngày hết hạn phải ở tương lai, dạng MM / YY.", "bad_cvc": "CVC có 3 hoặc 4 chữ số.",
        "proof_title": "Xác thực với ngân hàng", "proof_text": "Ngân hàng muốn biết đây có đúng là bạn không.",
        "proof_good": "Xác nhận: là tôi", "proof_bad": "Xác thực thất bại", "powered": "Trang thẻ giả lập",
    },
    "en": {
        "test": "Test environment, no real money", "pay": "Pay", "for": "Order", "card": "Card details",
        "number": "Card number", "expiry": "MM / YY", "expiry_label": "Expiry", "cvc": "CVC", "email": "Email",
        "back": "Back to the shop", "choose": "Choose a test card", "left": "Expires in", "switch": "Tiếng Việt",
        "other": "Other endings", "expire": "Let the page expire", "ended": "This page is closed",
        "is_paid": "Paid", "is_authorized": "Authorised", "is_expired": "The page has expired",
        "is_cancelled": "Cancelled", "bad_number": "The sandbox knows Stripe's test cards only.",
        "bad_expiry": "The expiry must lie ahead, as MM / YY.", "bad_cvc": "A CVC has 3 or 4 digits.",
        "proof_title": "Your bank asks", "proof_text": "The bank wants to know that it is you who pays.",
        "proof_good": "Yes, it is me", "proof_bad": "Fail the check", "powered": "A make-believe card page",
    },
}  # fmt: skip
REFUSALS: Final[dict[str, str]] = {
    "insufficient_funds": "Thẻ không đủ tiền.",
    "expired_card": "Thẻ đã hết hạn.",
    "incorrect_cvc": "Mã CVC không đúng.",
    "processing_error": "Lỗi khi xử lý thẻ. Vui lòng thử lại sau.",
    "card_velocity_exceeded": "Thẻ bị từ chối: quá nhiều lần thanh toán trong thời gian ngắn.",
    "payment_intent_authentication_failure": "Không xác thực được chủ thẻ. Vui lòng chọn thẻ khác.",
}
"""Why a card was refused, in Vietnamese; what is not here is a plain refusal. English comes with the error."""
CHOICES: Final[dict[str, tuple[str, str]]] = {
    "4242424242424242": ("Thành công", "Succeeds"),
    "4000000000003220": ("3-D Secure", "3-D Secure"),
    "4000008400001629": ("3-D Secure, rồi bị từ chối", "3-D Secure, then declined"),
    "4000000000000002": ("Bị từ chối", "Declined"),
    "4000000000009995": ("Không đủ tiền", "Not enough money"),
    "4000000000000069": ("Thẻ hết hạn", "Expired card"),
    "4000000000000127": ("Sai CVC", "Wrong CVC"),
    "4000000000000119": ("Lỗi xử lý", "Processing error"),
    "4000000000009979": ("Thẻ bị mất cắp", "Stolen card"),
    "4000000000000259": ("Thành công, rồi bị khiếu nại", "Succeeds, then disputed"),
    "4000000000007726": ("Thành công, hoàn tiền chậm", "Succeeds, slow refund"),
    "4000000000005126": ("Thành công, hoàn tiền thất bại", "Succeeds, refund fails later"),
}
assert set(CHOICES) <= set(CARDS)


def open_page(payment: Payment, *, language: str, merchant: str, problem: str = "", typed: str = "") -> str:
    """The card form."""
    language, words = _words(language)
    options = "".join(
        f'<option value="{number}">{html.escape(names[language == "en"])} · {number[-4:]}</option>'
        for number, names in CHOICES.items()
    )
    values = {
        "seconds": pages.seconds_left(payment),
        "typed": typed or "4242 4242 4242 4242",
        "problem": words.get(problem, problem),
        "problem_class": "" if problem else "none",
        "mail": payment.fields["email"],
        "year": f"{(now_ms() // 31_556_952_000 + 1970 + 3) % 100:02d}",
        "back_url": payment.fields["cancel_url"] or payment.return_url,
    }
    return _drawn("stripe_pay.html", payment, language, values, merchant=merchant, options=options)


def refusal(error: dict[str, str], *, language: str) -> str:
    """What the page says of a refused card."""
    if _words(language)[0] == "en":
        return error["message"]
    return REFUSALS.get(error.get("decline_code") or error["code"], "Thẻ bị từ chối.")


def closed_page(payment: Payment, *, language: str, merchant: str, leave: str) -> str:
    """What is left of a page that ended, with a way back."""
    language, words = _words(language)
    values = {"leave": leave, "stage_text": words.get(f"is_{payment.stage}", words["ended"])}
    return _drawn("stripe_closed.html", payment, language, values, merchant=merchant)


def proof_page(payment: Payment, *, language: str, merchant: str) -> str:
    """The bank's question."""
    return _drawn("stripe_proof.html", payment, _words(language)[0], {}, merchant=merchant)


def _words(language: str) -> tuple[str, dict[str, str]]:
    known = language if language in WORDS else "en"
    return known, WORDS[known]


def _drawn(
    template: str, payment: Payment, language: str, values: dict[str, str], *, merchant: str, options: str = ""
) -> str:
    whole = {
        **WORDS[language], **values, "language": language, "other_language": "en" if language == "vi" else "vi",
        "token": payment.token, "amount_text": shown_amount(payment.amount, payment.currency.lower()),
        "info_text": payment.description, "shop_text": merchant,
    }  # fmt: skip
    return pages.drawn(template, whole, style="stripe.css", options=options)
