"""The first merchant accounts and payment methods of a new installation, from its settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from payments.models import PaymentMethod
from payments.services import accounts

METHODS: Final[dict[str, dict[str, object]]] = {
    "momo": {
        "name_vi": "Ví MoMo",
        "name_en": "MoMo wallet",
        "description_vi": "Quét mã QR hoặc mở ứng dụng MoMo.",
        "description_en": "Scan a QR code or open the MoMo app.",
        "kind": PaymentMethod.Kind.ONLINE,
        "limits": {"VND": [1_000, 50_000_000]},
        "position": 10,
    },
    "vnpay": {
        "name_vi": "VNPAY (thẻ ATM, thẻ quốc tế, QR)",
        "name_en": "VNPAY (bank card, international card, QR)",
        "description_vi": "Thanh toán bằng thẻ, tài khoản ngân hàng hoặc quét VNPAY-QR.",
        "description_en": "Pay by card, bank account or VNPAY-QR.",
        "kind": PaymentMethod.Kind.ONLINE,
        "limits": {"VND": [5_000, 999_999_999]},
        "position": 12,
    },
    "xendit": {
        "name_vi": "Thẻ và ví Đông Nam Á (Xendit)",
        "name_en": "South East Asian cards and wallets (Xendit)",
        "description_vi": "Thẻ, ví điện tử, QR và ngân hàng trên trang của Xendit.",
        "description_en": "Cards, wallets, QR and banks on Xendit's page.",
        "kind": PaymentMethod.Kind.ONLINE,
        "limits": {
            "VND": [1_000, 50_000_000],
            "IDR": [1_000_000, 100_000_000_000],  # minor units: 10,000 to 1,000,000,000 rupiah
            "PHP": [100, 70_000_000],
            "THB": [2_000, 70_000_000],
            "MYR": [100, 3_000_000],
            "USD": [100, 1_000_000],
        },
        "position": 60,
    },
    "fiuu": {
        "name_vi": "Thẻ, ngân hàng, ví Đông Nam Á (Fiuu)",
        "name_en": "Cards, banks and wallets of South-East Asia (Fiuu)",
        "description_vi": "Chọn cách trả tiền trên trang của Fiuu.",
        "description_en": "Choose how to pay on Fiuu's page.",
        "kind": PaymentMethod.Kind.ONLINE,
        "limits": {
            "MYR": [101, 3_000_000],
            "SGD": [101, 1_000_000],
            "PHP": [10_001, 10_000_000],
            "THB": [101, 50_000_000],
            "IDR": [1_000_001, 1_000_000_000],
            "VND": [10_001, 500_000_000],
        },
        "position": 16,
    },
    "stripe": {
        "name_vi": "Thẻ quốc tế (Stripe)",
        "name_en": "International card (Stripe)",
        "description_vi": "Thanh toán bằng thẻ Visa, Mastercard, JCB hoặc American Express.",
        "description_en": "Pay by Visa, Mastercard, JCB or American Express.",
        "kind": PaymentMethod.Kind.ONLINE,
        "limits": {
            "VND": [13_000, 99_999_999],  # half a dollar: what the charge must be worth where Stripe settles in dollars
            "USD": [50, 99_999_999],
            "EUR": [50, 99_999_999],
            "SGD": [60, 99_999_999],
            "MYR": [200, 99_999_999],
        },
        "position": 18,
    },
    "cod": {
        "name_vi": "Thanh toán khi nhận hàng",
        "name_en": "Cash on delivery",
        "description_vi": "Trả tiền mặt cho người giao hàng.",
        "description_en": "Pay the carrier in cash.",
        "kind": PaymentMethod.Kind.OFFLINE,
        "limits": {"VND": [1_000, 20_000_000]},
        "lifetime": timedelta(days=30),
        "position": 20,
    },
    "zalopay": {
        "name_vi": "Ví Zalopay",
        "name_en": "Zalopay wallet",
        "description_vi": "Quét mã QR bằng Zalopay, Zalo hoặc ứng dụng ngân hàng; thẻ ATM và thẻ quốc tế.",
        "description_en": "Scan a QR code with Zalopay, Zalo or a bank's app; ATM and international cards.",
        "kind": PaymentMethod.Kind.ONLINE,
        "limits": {"VND": [1_000, 50_000_000]},
        "position": 14,
    },
    "bank_transfer": {
        "name_vi": "Chuyển khoản ngân hàng (VietQR)",
        "name_en": "Bank transfer (VietQR)",
        "description_vi": "Quét mã VietQR bằng ứng dụng ngân hàng bất kỳ.",
        "description_en": "Scan the VietQR code with any Vietnamese banking app.",
        "kind": PaymentMethod.Kind.OFFLINE,
        "limits": {"VND": [2_000, 499_999_999]},
        "lifetime": timedelta(days=3),  # finance books transfers on working days: it must span a weekend
        "position": 60,
    },
}


def ensure_methods() -> list[PaymentMethod]:
    """Take over the accounts of settings.GATEWAYS, and make a method on each that has none. Safe to repeat.

    An account's settings and keys follow the environment each time (so this is how rotated keys arrive); a method that
    is there keeps what staff made of it.
    """
    made = []
    for account in accounts.ensure_first_accounts():
        fields = METHODS.get(account.code)
        if fields and not PaymentMethod.objects.filter(account=account).exists():
            made.append(PaymentMethod.objects.create(code=account.code, account=account, **fields))
    return made
