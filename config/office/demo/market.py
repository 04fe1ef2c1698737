"""What the demo's marketplace is made of: shops, goods, people, and the methods they pay by."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from payments.models import PaymentMethod
from payments.services import accounts

SHOPS: Final = (
    ("shop-gom-bat-trang", "Gốm Bát Tràng"),
    ("shop-tra-shan-tuyet", "Trà Shan Tuyết"),
    ("shop-vai-linen", "Vải Linen Hội An"),
    ("shop-ca-phe-dalat", "Cà phê Đà Lạt"),
    ("shop-sach-cu", "Sách Cũ Sài Gòn"),
)
BUYERS: Final = (
    ("Nguyễn Minh Anh", "minhanh@example.com", "0901234501"),
    ("Trần Quốc Bảo", "quocbao@example.com", "0901234502"),
    ("Lê Thu Hà", "thuha@example.com", "0901234503"),
    ("Phạm Gia Huy", "giahuy@example.com", "0901234504"),
    ("Võ Ngọc Lan", "ngoclan@example.com", "0901234505"),
)
CARRIER: Final = "ghn"


def ensure_methods() -> None:
    """The first gateway accounts and the methods on them."""
    for account in accounts.ensure_first_accounts():
        fields = _METHODS.get(account.code)
        if fields:
            PaymentMethod.objects.update_or_create(code=account.code, defaults={"account": account, **fields})


_METHODS: Final[dict[str, dict[str, object]]] = {
    "momo": {
        "name_vi": "Ví MoMo",
        "name_en": "MoMo wallet",
        "description_vi": "Quét mã QR hoặc mở ứng dụng MoMo.",
        "description_en": "Scan a QR code or open the MoMo app.",
        "kind": PaymentMethod.Kind.ONLINE,
        "limits": {"VND": [1_000, 50_000_000]},
        "position": 10,
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
}
