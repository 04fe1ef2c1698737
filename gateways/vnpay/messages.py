"""VNPay's messages: what is signed and how, and how they are read into our words.

Source: VNPay's manual PAY 2.1.0 (pay, return, IPN) and its page on querydr and refund. Nothing here touches the network.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final
from urllib.parse import quote_plus, unquote_plus

from config.core.money import Money
from gateways.errors import GatewayRejected, ReportInvalid

VERSION: Final = "2.1.0"
VIETNAM: Final = timezone(
    timedelta(hours=7)
)  # no daylight saving since 1975; never by the name "Etc/GMT+7": that is -7

# The signed names of the calls to the transaction address and of their answers, in VNPay's order.
QUERY_REQUEST: Final = (
    "vnp_RequestId", "vnp_Version", "vnp_Command", "vnp_TmnCode", "vnp_TxnRef", "vnp_TransactionDate", "vnp_CreateDate",
    "vnp_IpAddr", "vnp_OrderInfo",
)  # fmt: skip
REFUND_REQUEST: Final = (
    "vnp_RequestId", "vnp_Version", "vnp_Command", "vnp_TmnCode", "vnp_TransactionType", "vnp_TxnRef", "vnp_Amount",
    "vnp_TransactionNo", "vnp_TransactionDate", "vnp_CreateBy", "vnp_CreateDate", "vnp_IpAddr", "vnp_OrderInfo",
)  # fmt: skip
REFUND_RESPONSE: Final = (
    "vnp_ResponseId", "vnp_Command", "vnp_ResponseCode", "vnp_Message", "vnp_TmnCode", "vnp_TxnRef", "vnp_Amount",
    "vnp_BankCode", "vnp_PayDate", "vnp_TransactionNo", "vnp_TransactionType", "vnp_TransactionStatus", "vnp_OrderInfo",
)  # fmt: skip
QUERY_RESPONSE: Final = (*REFUND_RESPONSE, "vnp_PromotionCode", "vnp_PromotionAmount")

UNSIGNED: Final = frozenset({"vnp_SecureHash", "vnp_SecureHashType"})
HASH: Final = re.compile(r"[0-9a-fA-F]{128}")
MAX_TEXT: Final = 255

_STAMP: Final = re.compile(r"[0-9]{14}")
_AMOUNT: Final = re.compile(r"[1-9][0-9]{0,9}00|0")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}")
_REFERENCE: Final = re.compile(r"[-_.0-9A-Za-z]{1,100}")
_BANK: Final = re.compile(r"[0-9A-Z]{3,20}")
_UNUSABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # control characters and halves of surrogate pairs
_SPECIAL: Final = re.compile(r"[^0-9A-Za-z.,:-]+")
_NOT_IN_NAMES: Final = re.compile(r"[^0-9A-Za-z.:@_-]+")
_URL: Final = re.compile(r"https?://[^\s~*!'()]{3,247}")
_STORED: Final = frozenset(
    {*QUERY_REQUEST, *REFUND_REQUEST, *QUERY_RESPONSE, "vnp_BankTranNo", "vnp_CardType", "vnp_CurrCode", "vnp_ExpireDate"}
    | {"vnp_Locale", "vnp_OrderType", "vnp_ReturnUrl"}
) - {"vnp_IpAddr"}  # fmt: skip


# --- signing ---------------------------------------------------------------------------------------------------------


def query_text(values: Mapping[str, str]) -> str:
    """What VNPay signs of a redirect, return or IPN, and the query string itself: without empty values, sorted by name
    in byte order, form-encoded (a space becomes "+")."""
    kept = sorted((name, value) for name, value in values.items() if name not in UNSIGNED and value != "")
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in kept)


def query_text_as_it_came(query: str) -> str:
    """The same from a received query without decoding it: VNPay's samples encode `~ * ! ' ( )` differently by language,
    and whichever its servers use is what they sent."""
    pairs = [(unquote_plus(name), name, value) for name, _, value in (one.partition("=") for one in query.split("&"))]
    kept = sorted((name, raw, value) for name, raw, value in pairs if _is_signed(name) and value != "")
    return "&".join(f"{raw}={value}" for _, raw, value in kept)


def pipe_text(names: Sequence[str], values: Mapping[str, object]) -> str:
    """What VNPay signs of a call or its answer: the values as they are, in the document's order, joined by `|`."""
    return "|".join(plain(values.get(name)) for name in names)


def sign(hash_secret: str, text: str) -> str:
    """HMAC-SHA512 of the UTF-8 text, in lower-case hex."""
    return hmac.new(hash_secret.encode(), text.encode(errors="replace"), hashlib.sha512).hexdigest()


def is_signed(signature: object, secrets: Iterable[str], texts: Iterable[str]) -> bool:
    """Whether the signature fits one of the texts under one of the secrets; in constant time, whatever its case."""
    if not isinstance(signature, str) or not HASH.fullmatch(signature):
        return False
    given, texts = signature.lower(), tuple(texts)
    expected = [sign(secret, text) for secret in secrets for text in texts]
    return any(hmac.compare_digest(given, one) for one in expected)


def _is_signed(name: str) -> bool:
    return name.startswith("vnp_") and name not in UNSIGNED


# --- writing ---------------------------------------------------------------------------------------------------------


def wire_amount(money: Money) -> str:
    """Đồng times 100, without separators. Raises GatewayRejected for another currency or a sum VNPay cannot write."""
    if money.currency != "VND":
        raise GatewayRejected(f"VNPay takes VND, not {money.currency}", code="currency")
    if not 0 < money.minor < 10**10:
        raise GatewayRejected("VNPay cannot take this sum", code="amount")
    return str(money.minor * 100)


def stamp(at: datetime) -> str:
    """A moment as VNPay writes it: yyyyMMddHHmmss in Vietnam's time, without an offset."""
    return at.astimezone(VIETNAM).strftime("%Y%m%d%H%M%S")


def plain_text(text: str, *, otherwise: str) -> str:
    """A description as VNPay allows it: no accents, no special characters, at most 255."""
    return _SPECIAL.sub(" ", _without_accents(text)).strip()[:MAX_TEXT].strip() or otherwise


def user_name(text: str) -> str:
    """Who asks for a refund, as VNPay's portal shows it."""
    return _NOT_IN_NAMES.sub(".", _without_accents(text)).strip(".")[:MAX_TEXT] or "system"


def _without_accents(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(one for one in letters if not unicodedata.combining(one))


def ip_address(text: str, *, otherwise: str) -> str:
    """The payer's address, v4 or v6 in 7 to 45 characters; ours where there is none or not exactly one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return otherwise
    short = str(address)
    return short if len(short) >= 7 else address.exploded


def bank_code(channel: str) -> str:
    """vnp_BankCode of a channel; "" lets the payer choose. Raises GatewayRejected."""
    if channel and not _BANK.fullmatch(channel):
        raise GatewayRejected(f"VNPay has no channel {channel!r}", code="channel")
    return channel


def return_url(url: str) -> str:
    """The address for the browser. Raises GatewayRejected: characters that VNPay's samples encode differently would
    make the hash a matter of luck."""
    if not _URL.fullmatch(url):
        raise GatewayRejected("VNPay cannot take this return address", code="return_url")
    return url


def language(locale: str) -> str:
    """VNPay's `vnp_Locale`."""
    return "vn" if locale.startswith("vi") else "en"


# --- reading ---------------------------------------------------------------------------------------------------------


def notification_fields(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The `vnp_` parameters of a return or an IPN, each at most once. Raises ReportInvalid."""
    ours = [(name, value) for name, value in pairs if name.startswith("vnp_")]
    values = dict(ours)
    if len(values) != len(ours):
        raise ReportInvalid("vnpay: a parameter occurs twice")
    if any(_UNUSABLE.search(value) for value in values.values()):
        raise ReportInvalid("vnpay: a parameter holds unusable characters")
    return values


def check_notification(values: Mapping[str, str]) -> None:
    """A signed message has what we must know of it. Raises ReportInvalid."""
    if not _REFERENCE.fullmatch(values.get("vnp_TxnRef", "")):
        raise ReportInvalid("vnpay: vnp_TxnRef is malformed")
    if amount_in(values.get("vnp_Amount")) is None:
        raise ReportInvalid("vnpay: vnp_Amount is no whole sum in đồng")


def amount_in(value: object) -> Money | None:
    """The money of a vnp_Amount, which is đồng times 100 in every direction; None for what is no whole sum."""
    text = plain(value)
    return Money(int(text) // 100, "VND") if _AMOUNT.fullmatch(text) else None


def number_in(value: object) -> str:
    """VNPay's number of a transaction; "" where nothing moved (it says 0)."""
    text = plain(value)
    return text if _NUMBER.fullmatch(text) else ""


def time_in(value: object) -> datetime | None:
    """The moment of a vnp_PayDate; None for what is none."""
    text = plain(value)
    if not _STAMP.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=VIETNAM)
    except ValueError:
        return None


def plain(value: object) -> str:
    """A value of an answer as text: real ones carry numbers as text or as JSON numbers. "" for what is neither."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def masked(data: Mapping[str, object]) -> dict[str, object]:
    """Only what is listed is kept: no hash, no address of the payer."""
    return {name: value for name, value in data.items() if name in _STORED}
