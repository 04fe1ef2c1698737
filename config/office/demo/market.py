"""What the demo's marketplace is made of: shops, people, and who carries the parcels."""

from __future__ import annotations

from typing import Final

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
