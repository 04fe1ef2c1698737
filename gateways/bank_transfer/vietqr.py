"""VietQR: a transfer order as a QR text that every Vietnamese banking app reads.

EMVCo QR Code Specification for Payment Systems, merchant-presented mode 1.1, in the profile of NAPAS (Technical
specifications on NAPAS QR switching, part IV: QR code format, 1.5.2): data object 38 names bank and account.
"""

from __future__ import annotations

from typing import Final

GUID: Final = "A000000727"  # NAPAS
TO_ACCOUNT: Final = "QRIBFTTA"  # fast transfer 247 to an account (QRIBFTTC: to a card)
ONE_TIME: Final = "12"
DONG: Final = "704"  # ISO 4217
MAX_TEXT: Final = 25
MAX_AMOUNT_DIGITS: Final = 13


def payload(*, bank_bin: str, account_number: str, amount_minor: int, text: str) -> str:
    """The QR text of one transfer of đồng. `text` is ASCII of at most 25 characters; asserts so."""
    assert text.isascii() and 0 < len(text) <= MAX_TEXT, "banks refuse other texts"
    assert 0 < amount_minor < 10**MAX_AMOUNT_DIGITS, "an amount that fits"
    beneficiary = _field("00", bank_bin) + _field("01", account_number)
    body = (
        _field("00", "01")
        + _field("01", ONE_TIME)
        + _field("38", _field("00", GUID) + _field("01", beneficiary) + _field("02", TO_ACCOUNT))
        + _field("53", DONG)
        + _field("54", str(amount_minor))
        + _field("58", "VN")
        + _field("62", _field("08", text))
        + "6304"
    )
    return f"{body}{crc16(body.encode()):04X}"


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021, from FFFF (EMVCo, data object 63)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def _field(identifier: str, value: str) -> str:
    """Identifier, two digits of length, value."""
    assert 0 < len(value) < 100, "a field holds 1 to 99 characters"
    return f"{identifier}{len(value):02}{value}"
