"""What Fiuu signs and how: MD5 over fields without anything between them, which is the gateway's rule and not ours
(one question alone has an HMAC).

Source: Fiuu's API specification 13.39 and its public samples. What we send is signed with the verify key, what they
send and what moves money back with the secret key. Nothing separates the fields, so a message may only be believed
where each field has a form that leaves one reading (messages.py).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Final

HEX: Final = re.compile(r"[0-9a-fA-F]{32}")


def md5(*parts: str) -> str:
    """Lower-case hex of the parts, one after the other, in UTF-8."""
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def is_one_of(presented: object, expected: Iterable[str]) -> bool:
    """Whether a hash is one of those we expect: in constant time, in either case of its letters."""
    if not isinstance(presented, str) or not HEX.fullmatch(presented):
        return False
    given = presented.lower().encode()
    return any(hmac.compare_digest(given, one.encode()) for one in expected)


# --- what we send -----------------------------------------------------------------------------------------------------
def vcode(amount: str, merchant: str, order: str, verify_key: str, currency: str = "") -> str:
    """Of the payment page; `currency` in the extended form only."""
    return md5(amount, merchant, order, verify_key, currency)


def question(about: str, merchant: str, verify_key: str, amount: str = "") -> str:
    """Of a query about a transaction, an order, all payments of an order (no amount) or a refund (no amount)."""
    return md5(about, merchant, verify_key, amount)


def refund(merchant: str, reference: str, transaction: str, amount: str, secret_key: str) -> str:
    """Of a refund of type P."""
    return md5("P", merchant, reference, transaction, amount, secret_key)


def capture(transaction: str, amount: str, merchant: str, verify_key: str) -> str:
    """Of a capture of authorised money."""
    return md5(transaction, amount, merchant, verify_key)


def reversal(transaction: str, merchant: str, secret_key: str) -> str:
    """Of a void."""
    return md5(transaction, merchant, secret_key)


def settlement_token(merchant: str, key: str, day: str) -> str:
    """Of the settlement report; which key, the sources disagree about."""
    return md5(merchant, key, day)


def channel_status(stamp: str, merchant: str, verify_key: str) -> str:
    """Of the question what is up: an HMAC-SHA256."""
    return hmac.digest(verify_key.encode(), (stamp + merchant).encode(), hashlib.sha256).hex()


# --- what they send ---------------------------------------------------------------------------------------------------
def notification(fields: Mapping[str, str], secret_key: str) -> str:
    """`skey` of a notification, a callback and a return. A missing field is empty text."""
    inner = md5(*(fields.get(name, "") for name in ("tranID", "orderid", "status", "domain", "amount", "currency")))
    return md5(fields.get("paydate", ""), fields.get("domain", ""), inner, fields.get("appcode", ""), secret_key)


def answer(amount: str, secret_key: str, merchant: str, about: str, stat_code: str) -> str:
    """`VrfKey` of an answer to a query; `about` is the TranID or the OrderID that was asked for."""
    return md5(amount, secret_key, merchant, about, stat_code)


def command_answer(secret_key: str, merchant: str, transaction: str, stat_code: str) -> str:
    """`VrfKey` of an answer to a capture or a void."""
    return md5(secret_key, merchant, transaction, stat_code)


REFUND_ANSWER: Final = ("RefundType", "MerchantID", "RefID", "RefundID", "TxnID", "Amount", "Status")


def refund_answer(fields: Mapping[str, str], secret_key: str) -> str:
    """`Signature` of an answer to a refund."""
    return md5(*(fields.get(name, "") for name in REFUND_ANSWER), secret_key)
