"""What can be paid with at a gateway that has many channels: one shape for the catalogues of all of them.

The files in `data/` are as their providers' documents were read; names and limits are hints for people, never rules
that refuse a payment. What an account truly has switched on, only its provider knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).parent / "data"
SOUTH_EAST_ASIA: Final = ("MY", "SG", "PH", "TH", "ID", "VN")


class ChannelKind(StrEnum):
    """What the customer pays with."""

    CARD = "card"
    BANK = "bank_transfer"  # online banking: FPX, DuitNow, mobile banking
    WALLET = "e_wallet"
    QR = "qr"
    PAY_LATER = "bnpl"
    INSTALMENT = "instalment"
    VIRTUAL_ACCOUNT = "virtual_account"
    CASH = "cash"  # over a counter or at a machine
    DIRECT_DEBIT = "direct_debit"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to pay at one gateway. `code` is what a payment method's `channel` holds; it is unique with the country.

    Limits are in major units of the first currency, None where nothing is known; `is_above_minimum`: the minimum itself
    is too little. `refundable` tells whether money can go back by the gateway without the customer's bank details; None
    where the document does not say. `spellings` are other codes that messages of the gateway use for it.
    """

    gateway: str
    code: str
    name: str
    country: str  # ISO 3166 alpha-2; "" where it is not bound to one
    currencies: tuple[str, ...]  # () is many
    kind: ChannelKind
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    is_above_minimum: bool = False
    refundable: bool | None = None
    spellings: tuple[str, ...] = ()
    page: str = ""  # the file of the hosted page that goes straight to it
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """What a gateway says of one channel that an account has switched on, just now.

    `is_up` is None where it says neither. `codes` are what a request calls the channel, on whichever of its pages.
    """

    title: str
    is_up: bool | None
    currencies: tuple[str, ...]
    codes: tuple[str, ...]


@cache
def of(gateway: str) -> tuple[Channel, ...]:
    """The catalogue of a gateway, in its file's order; nothing for a gateway that has none."""
    read = _READERS.get(gateway)
    file = DATA / f"{gateway}_channels.json"
    if read is None or not file.exists():
        return ()
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["channels"]
    return tuple(read(row) for row in rows)


def every() -> tuple[Channel, ...]:
    """All catalogues, one after the other."""
    return tuple(channel for gateway in _READERS for channel in of(gateway))


def find(gateway: str, code: str) -> Channel | None:
    """The channel of a code, or of a code that messages spell otherwise; None for one that nobody listed."""
    return _index(gateway).get(code)


@cache
def _index(gateway: str) -> Mapping[str, Channel]:
    """By code first: a spelling never hides another channel's code."""
    spelled = {spelling: channel for channel in reversed(of(gateway)) for spelling in channel.spellings}
    return {**spelled, **{channel.code: channel for channel in reversed(of(gateway))}}


# --- Fiuu: the specification 13.39 and the vendor's seamless plugin ---------------------------------------------------
_FIUU_KINDS: Final = {
    "card": ChannelKind.CARD,
    "fpx_b2c": ChannelKind.BANK,
    "fpx_b2b": ChannelKind.BANK,
    "duitnow_obw": ChannelKind.BANK,
    "online_banking": ChannelKind.BANK,
    "ewallet": ChannelKind.WALLET,
    "qr": ChannelKind.QR,
    "bnpl": ChannelKind.PAY_LATER,
    "installment": ChannelKind.INSTALMENT,
    "virtual_account": ChannelKind.VIRTUAL_ACCOUNT,
    "otc": ChannelKind.CASH,
    "direct_debit": ChannelKind.DIRECT_DEBIT,
}
_FIUU_REFUNDS: Final = {
    ChannelKind.CARD: True,
    ChannelKind.INSTALMENT: True,
    ChannelKind.WALLET: True,
    ChannelKind.BANK: False,  # the refund call wants the customer's bank details (PR014)
    ChannelKind.VIRTUAL_ACCOUNT: False,
    ChannelKind.CASH: False,
    ChannelKind.DIRECT_DEBIT: False,
}
_LIMIT: Final = re.compile(r"(?P<sign>[<>]=?)?(?:(?P<currency>[A-Z]{3}) )?(?P<amount>[0-9]+\.[0-9]{2})")


def _fiuu(row: Mapping[str, Any]) -> Channel:
    kind = _FIUU_KINDS.get(row["type"], ChannelKind.OTHER)
    minimum, sign = _limit(row["min"])
    spellings = dict.fromkeys([*row["return_codes"], *row["notify_codes"]])
    return Channel(
        gateway="fiuu",
        code=row["request_code"],
        name=row["name"],
        country="" if row["country"] == "INTL" else row["country"],
        currencies=tuple(row["currencies"]),
        kind=kind,
        minimum=minimum,
        maximum=_limit(row["max"])[0],
        is_above_minimum=sign == ">",
        refundable=_FIUU_REFUNDS.get(kind),
        spellings=tuple(one for one in spellings if one != row["request_code"]),
        page=row["hosted_file"] or "",
        note=row["note"],
    )


def _limit(text: str | None) -> tuple[Decimal | None, str]:
    """The number of a limit and the sign before it. Raises ValueError for what is neither."""
    if text is None:
        return None, ""
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise ValueError(f"no limit: {text!r}")
    return Decimal(found["amount"]), found["sign"] or ""


# --- Xendit: its channel list of 2026-04 -------------------------------------------------------------------------------
_XENDIT_KINDS: Final = (  # the first that fits the code
    (r"CARDS", ChannelKind.CARD),
    (r".*_VIRTUAL_ACCOUNT", ChannelKind.VIRTUAL_ACCOUNT),
    (r".*_DIRECT_DEBIT|.*_RECURRING|UBP_EADA", ChannelKind.DIRECT_DEBIT),
    (r".*_FPX|.*_FPX_BUSINESS|.*_ONLINE_BANKING|.*_MOBILE_BANKING|BANK_TRANSFER", ChannelKind.BANK),
    (r"QRIS|QRPH|PROMPTPAY", ChannelKind.QR),
    (r"AKULAKU|ATOME|BILLEASE|INDODANA|KREDIVO", ChannelKind.PAY_LATER),
    (
        r"ALFAMART|INDOMARET|7ELEVEN|7ELEVEN_CLIQQ|CEBUANA|CVM|ECPAY.*|LBC|MLHUILLIER|PALAWAN|RD_PAWNSHOP|"
        r".*_BILLS_PAYMENT|USSC",
        ChannelKind.CASH,
    ),
    (
        r"APPOTA|ASTRAPAY|DANA|GCASH|GOPAY|GRABPAY|JENIUSPAY|LINEPAY|LINKAJA|MOMO|NEXCASH|OVO|PAYMAYA|SHOPEEPAY|"
        r"TOUCHNGO|TRUEMONEY|VNPTWALLET|WECHATPAY|ZALOPAY",
        ChannelKind.WALLET,
    ),
)


def _xendit(row: Mapping[str, Any]) -> Channel:
    code = str(row["channel_code"])
    kinds = (kind for pattern, kind in _XENDIT_KINDS if re.fullmatch(pattern, code))
    return Channel(
        gateway="xendit",
        code=code,
        name=" ".join(word if word in _SHORT else word.capitalize() for word in code.split("_")),
        country=row["country"],
        currencies=(row["currency"],),
        kind=next(kinds, ChannelKind.OTHER),
        minimum=_limit(row["min"])[0],
        maximum=_limit(row["max"])[0],
        refundable=row["refund"] is True,  # what is "coming soon" is not there
        spellings=_xendit_spellings(code),
        note=f"Settled {row['settlement']}; refunds: {row['refund_days']}.",
    )


def _xendit_spellings(code: str) -> tuple[str, ...]:
    """What invoices call it: a bank's name alone, and their own word for cards."""
    if code == "CARDS":
        return ("CREDIT_CARD",)
    bank = code.removesuffix("_VIRTUAL_ACCOUNT")
    return () if bank == code else (bank,)


_SHORT: Final = frozenset(
    {"BCA", "BDO", "BIDV", "BJB", "BNC", "BNI", "BNP", "BOC", "BPI", "BRI", "BSI", "BSN", "BSS", "BBL", "CIMB", "CVM"}
    | {"FPX", "HLB", "HSBC", "KFH", "KTB", "LBC", "MSB", "OCBC", "OVO", "PNB", "PV", "QRIS", "RCBC", "RD", "RHB", "SCB"}
    | {"SCH", "SM", "UBP", "UOB", "USSC", "VPB"}
)

_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Channel]]] = {"fiuu": _fiuu, "xendit": _xendit}
