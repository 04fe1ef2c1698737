"""What must not reach a log, a trace or an error page: people, secrets and card numbers.

Fields are known by name: those in SAFE pass as they are, those that sound secret or personal are dropped, and the text
of all others is searched for what looks like an e-mail address, a phone number, a token or a card number. Imports no
Django, so that gateways may mask what they keep.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "[masked]"
MAX_TEXT: Final = 4_000
MAX_LEVELS: Final = 8

SAFE: Final = frozenset(
    [
        "ts",
        "level",
        "event",
        "logger",
        "service",
        "version",
        "env",
        "request_id",
        "trace_id",
        "span_id",
        "actor_type",
        "client_id",
        "surface",
        "route",
        "method",
        "status_code",
        "duration_ms",
        "payment_id",
        "order_id",
        "attempt_id",
        "refund_id",
        "dispute_id",
        "shop_id",
        "settlement_id",
        "payout_id",
        "batch_id",
        "case_id",
        "invoice_id",
        "event_id",
        "dead_letter_id",
        "notification_id",
        "approval_id",
        "run_id",
        "journal_id",
        "gateway",
        "gateway_ref",
        "account",
        "gateway_transaction_id",
        "amount_minor",
        "currency",
        "from_status",
        "to_status",
        "status",
        "outcome",
        "kind",
        "type",
        "topic",
        "partition",
        "offset",
        "sequence",
        "error_code",
        "error_type",
        "reason",
        "attempt",
        "attempts",
        "count",
        "handled",
        "source",
        "scope",
        "task",
        "job_name",
        "field",
        "path_name",
        "fingerprint",
        "digest",
        "action",
        "object_type",
        "object_id",
    ]
)
"""Fields of log lines that hold ids, closed words and numbers only."""
SECRET: Final = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|signature|^sig$|_sig$|authoriz|credential|api_?key|access_?key|private|cookie"
    r"|session|(^|_)otp|(^|_)pin($|_)|cvc|cvv|card_?(number|no)|^number$|^pan$|exp_(month|year)|skey|vcode|vrfkey|checksum|hmac|^mac$",
    re.IGNORECASE,
)
PERSONAL: Final = re.compile(
    r"(^|_)((ip|tel|dob)($|_)|e?mail|phone|mobile|address|street|buyer|payer|customer|holder|first_?name|last_?name|full_?name|bill_"
    r"|birth|user_?agent|account_?(number|no|name|holder)|iban)|^name$|customer_?name|user_?info",
    re.IGNORECASE,
)

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_PHONE = re.compile(r"(?<![\w.])(?:\+\d{1,3}[ .-]?|0)(?:\d[ .-]?){8,11}\d?(?![\w])")
_TOKEN = re.compile(
    r"eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"  # JWT
    r"|\b(?:sk|pk|rk|whsec|xnd)_[A-Za-z0-9_-]{8,}"  # keys by their usual prefixes
    r"|\b[0-9a-fA-F]{40,}\b"  # signatures and digests in hex
    r"|(?i:\bbearer\s+)[^\s\"',]+"
)
_CREDENTIALS = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]*(?=@)")
_ASSIGNED = re.compile(  # lengths are bounded: this runs over whatever strangers made us log
    r"(?i)\b(\w{0,40}?(?:password|passwd|secret|token|signature|api_?key|access_?key|authorization|cvc|cvv|otp)\w{0,20}"
    r"[\"']?\s{0,3}[=:]\s{0,3}[\"']?)(?!\[masked\])[^\s\"'&,;)}\]]+"
)
_CARD = re.compile(r"(?<![\w.])(?:\d[ -]?){12,18}\d(?![\w])")


def text(value: str, *, limit: int = MAX_TEXT) -> str:
    """A text without what looks personal or secret; long ones are cut."""
    value = value if len(value) <= limit else value[:limit] + "…"
    value = _CREDENTIALS.sub(MASK, value)
    value = _TOKEN.sub(MASK, value)
    value = _ASSIGNED.sub(rf"\1{MASK}", value)
    value = _EMAIL.sub("[e-mail]", value)
    value = _CARD.sub(_card, value)
    return _PHONE.sub("[phone]", value)


def value(name: str, item: Any, *, levels: int = MAX_LEVELS) -> Any:
    """The value of a field as it may be seen, by the field's name and by what it looks like."""
    if name in SAFE and not isinstance(item, (Mapping, list, tuple)):
        return item
    if item is None or isinstance(item, bool):
        return item
    if SECRET.search(name) or PERSONAL.search(name):
        return MASK if item != "" else ""
    if isinstance(item, (int, float)):
        return text(str(item)) if isinstance(item, int) and abs(item) >= 10**11 and is_card(str(item)) else item
    if isinstance(item, Mapping):
        return mapping(item, levels=levels - 1) if levels else MASK
    if isinstance(item, (list, tuple)):
        return [value(name, each, levels=levels - 1) for each in item] if levels else MASK
    return text(str(item))


def mapping(data: Mapping[Any, Any], *, levels: int = MAX_LEVELS) -> dict[str, Any]:
    """A copy with every field masked as its name and value ask for: requests and answers as we keep them."""
    return {str(name): value(str(name), item, levels=levels) for name, item in data.items()}


def pseudonym(name: str) -> str:
    """A name in 16 hex digits, the same everywhere: lines and rows about one person can be joined, not read."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def is_card(digits: str) -> bool:
    """Whether this may be a card number: 12 to 19 digits of a card scheme with a right check digit (ISO/IEC 7812)."""
    if not 12 <= len(digits) <= 19 or (digits[0] not in "23456" and not digits.startswith("9704")):
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + position % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _card(found: re.Match[str]) -> str:
    return "[card]" if is_card(re.sub(r"\D", "", found[0])) else found[0]
