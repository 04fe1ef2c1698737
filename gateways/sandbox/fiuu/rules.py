"""Fiuu's rules as its document states them: hashes, amounts, its channels (some of them), its words for codes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

NAME: Final = "fiuu"
MALAYSIA: Final = timezone(timedelta(hours=8))
NO_DECIMALS: Final = frozenset({"VND", "JPY", "KRW"})
CURRENCIES: Final = frozenset(
    {"MYR", "SGD", "PHP", "THB", "IDR", "VND", "USD", "TWD", "CNY", "HKD", "EUR", "GBP", "AUD"}
)
AMOUNT: Final = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")

VCODE: Final = "amount merchant orderid verify"
VCODE_EXTENDED: Final = "amount merchant orderid verify currency"
HASHES: Final[dict[str, str]] = {  # what is put together, in order; `verify` and `secret` are the keys
    "q_by_oid": "oID domain verify amount",
    "q_by_tid": "txID domain verify amount",
    "q_oid_batch": "oID domain verify",
    "answer_oid": "Amount secret Domain OrderID StatCode",
    "answer_tid": "Amount secret Domain TranID StatCode",
    "refund": "RefundType MerchantID RefID TxnID Amount secret",
    "refund_answer": "RefundType MerchantID RefID RefundID TxnID Amount Status secret",
    "refund_by_reference": "RefID MerchantID verify",
    "refund_by_transaction": "TxnID MerchantID verify",
    "reversal": "txnID domain secret",
    "capture": "tranID amount domain verify",
    "command_answer": "secret Domain TranID StatCode",
}
TEXTS: Final[dict[str, str]] = {
    "P01": "The time to pay is over", "P03": "Wrong vcode", "P04": "Incomplete buyer details", "P05": "Unknown channel",
    "P13": "This currency is not supported", "P14": "The amount is below the minimum", "P404": "Wrong merchant ID",
    "CC_05": "Do not honour", "CC_51": "Insufficient funds", "FPX_1C": "Buyer cancelled", "FPX_51": "Insufficient funds",
    "Q01": "Missing parameter", "Q04": "Merchant not found", "Q99": "Too many requests", "Q202": "Wrong skey",
    "Q203": "Transaction not found", "Q302": "Wrong skey", "Q303": "Transaction not found", "Q402": "Wrong skey",
    "PR001": "Invalid RefundType", "PR002": "Missing field", "PR007": "Merchant not found", "PR008": "Wrong signature",
    "PR009": "Transaction not found", "PR010": "The status does not allow it", "PR011": "More than can be refunded",
    "PR012": "Bank details are not for cards", "PR014": "Bank details are missing", "PR015": "Server busy",
    "PR016": "RefID was used before", "PR020": "Balance too low", "INQ001": "Missing field", "INQ004": "Merchant not found",
    "INQ005": "Wrong signature", "INQ006": "No refund found",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to pay on the page. `kind` is card, bank, wallet or cash; three spellings, as at the gateway."""

    code: str
    file: str
    name: str
    kind: str
    returned: str
    notified: str
    currencies: tuple[str, ...]


CHANNELS: Final = (
    Channel("credit", "index.php", "Visa / Mastercard", "card", "Credit", "credit", ()),
    Channel("MB2U", "MB2U.php", "Maybank2u", "bank", "FPX_MB2U", "maybank2u", ("MYR",)),
    Channel("FPX_B2B_HLB", "FPX_B2B_HLB.php", "Hong Leong business banking", "bank", "FPX_B2B_HLB", "FPX_B2B_HLB", ("MYR",)),
    Channel("TNG-EWALLET", "TNG-EWALLET.php", "Touch 'n Go eWallet", "wallet", "TNG-EWALLET", "TNG-EWALLET", ("MYR",)),
    Channel("GrabPay", "GrabPay.php", "GrabPay", "wallet", "GrabPay", "GrabPay", ("MYR",)),
    Channel("cash", "cash.php", "7-Eleven cash", "cash", "Cash-711", "cash", ("MYR",)),
    Channel("PayNow", "PayNow.php", "PayNow", "wallet", "PayNow", "PayNow", ("SGD",)),
    Channel("GCash", "GCash.php", "GCash", "wallet", "GCash", "GCash", ("PHP",)),
    Channel("KBANK_THQR_Payment", "KBANK_THQR_Payment.php", "PromptPay QR", "wallet", "KBANK_THQR_PAYMENT",
            "KBANK_THQR_PAYMENT", ("THB",)),
    Channel("DK_BCA_VA", "DK_BCA_VA.php", "BCA virtual account", "bank", "DK_BCA_VA", "DK_BCA_VA", ("IDR",)),
    Channel("9PAY_BANKTRANSFER", "9PAY_BANKTRANSFER.php", "9Pay bank transfer", "bank", "9PAY_BANKTRANSFER",
            "9PAY_BANKTRANSFER", ("VND",)),
    Channel("9PAY_EWALLET", "9PAY_EWALLET.php", "9Pay wallet", "wallet", "9PAY_EWALLET", "9PAY_EWALLET", ("VND",)),
)  # fmt: skip


def channels_for(currency: str) -> list[Channel]:
    """What the page offers for a currency; cards take every one."""
    return [one for one in CHANNELS if not one.currencies or currency in one.currencies]


def channel(code: str) -> Channel:
    """The channel of a code; what the sandbox does not draw behaves like a wallet."""
    known = next((one for one in CHANNELS if one.code == code), None)
    return known or Channel(code, f"{code}.php", code, "wallet", code, code, ())


def md5(text: str) -> str:
    """Lower-case hex."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def text_of(formula: str, keys: Mapping[str, str], fields: Mapping[str, object]) -> str:
    """The text that is hashed: the values one after the other with nothing between them."""
    known = {**fields, "verify": keys["verify_key"], "secret": keys["secret_key"]}
    return "".join(str(known.get(name, "")) for name in formula.split())


def hash_of(message: str, keys: Mapping[str, str], fields: Mapping[str, object]) -> str:
    """The hash of a message of the table above."""
    return md5(text_of(HASHES[message], keys, fields))


def vcode(keys: Mapping[str, str], merchant: str, fields: Mapping[str, object]) -> str:
    """The page's hash; accounts have the extended form unless `vcode` says "basic"."""
    formula = VCODE if keys.get("vcode") == "basic" else VCODE_EXTENDED
    return md5(text_of(formula, keys, {**fields, "merchant": merchant}))


def skey(secret_key: str, fields: Mapping[str, object]) -> str:
    """The hash of a notification: a hash inside a hash."""
    inner = md5("".join(str(fields[one]) for one in ("tranID", "orderid", "status", "domain", "amount", "currency")))
    return md5(f"{fields['paydate']}{fields['domain']}{inner}{fields['appcode']}{secret_key}")


def minor(text: str, currency: str) -> int:
    """An amount of the wire in minor units; below zero for what is none."""
    if not AMOUNT.fullmatch(text):
        return -1
    whole, _, part = text.partition(".")
    cents = int(whole) * 100 + int((part + "00")[:2])
    return cents // 100 if currency in NO_DECIMALS else cents


def amount(minor_units: int, currency: str) -> str:
    """Minor units as the wire has them: two decimals for every currency."""
    cents = minor_units * 100 if currency in NO_DECIMALS else minor_units
    return f"{cents // 100}.{cents % 100:02d}"


def local(at_ms: int) -> datetime:
    """A moment on Malaysian clocks."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(MALAYSIA)
