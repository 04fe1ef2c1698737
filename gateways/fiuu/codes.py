"""Fiuu's codes as data: what a status with its name says, and why something was refused.

`data/fiuu_codes.json` holds the 619 codes of the specification 13.39 with our reading of each. `status` and `StatCode`
decide; a code only explains. The page says P01, cards CC_51, online banking FPX_1C; other channels write as they like.

No refusal of Fiuu's API is the payer's own (`GatewayRejected.by_payer`): nothing is sent to open a payment, and the
payer's codes come in notifications and queries. PR014 (bank details missing) and PR019 (only full, only part) of a
refund are rules of the channel, PR020 is our balance; the codes of a capture or a void are about what was authorised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from gateways.reports import ReportStatus

FILE: Final = Path(__file__).with_name("codes.json")


class Meaning(StrEnum):
    """What a code says, in our words."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    DECLINED = "declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    BY_CUSTOMER = "failed_by_customer"
    LIMIT_EXCEEDED = "limit_exceeded"
    FRAUD_SUSPECTED = "fraud_suspected"
    EXPIRED = "expired"
    CANCELLED = "canceled"
    REFUNDED = "refunded"
    DUPLICATE = "duplicate"
    INVALID_REQUEST = "invalid_request"
    AUTH_ERROR = "auth_error"
    SIGNATURE_ERROR = "signature_error"
    RATE_LIMITED = "rate_limited"
    GATEWAY_ERROR = "gateway_error"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the table."""

    namespace: str
    code: str
    text: str
    meaning: Meaning


UNLISTED: Final = Code("", "", "not in Fiuu's table", Meaning.UNLISTED)
_PREFIXES: Final = {"CC_": ("CC_host", "CC_3D", "CC_MIGS"), "FPX_": ("FPX_",)}
_CHANNELS: Final = (  # how a channel's name begins, in small letters, and whose codes it then speaks
    ("gupop", "UPOP"), ("upop", "UPOP"), ("unionpay", "UPOP"), ("alipay", "Alipay"), ("boost", "Boost"),
    ("grabpay", "GrabPay"), ("mb2u_qrpay", "MAE"), ("tng", "TnG"), ("wechat", "WeChat"), ("enets", "eNETS"),
    ("kbank", "KBank"), ("ktb", "KTB"), ("th_ktb", "KTB"), ("scb_ib", "SCB"), ("th_scb", "SCB"),
    ("shopeepay", "ShopeePay"), ("rpp_", "DuitNow"), ("molpoints", "RazerGold"),
)  # fmt: skip


@cache
def table() -> Mapping[tuple[str, str], Code]:
    """All codes by namespace and code."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["codes"]
    codes = (Code(row["namespace"], row["code"], row["meaning"], Meaning(row["class"])) for row in rows)
    return {(one.namespace, one.code): one for one in codes}


def look_up(code: str, channel: str = "") -> Code:
    """The row of a code as a message writes it, first among those of its channel; UNLISTED where there is none."""
    for prefix, namespaces in _PREFIXES.items():
        if code.startswith(prefix):
            found = (table().get((namespace, code.removeprefix(prefix))) for namespace in namespaces)
            return next((one for one in found if one), UNLISTED)
    spoken = tuple(namespace for start, namespace in _CHANNELS if channel.lower().startswith(start))
    found = (table().get((namespace, code)) for namespace in (*spoken, "page", "query", "account"))
    return next((one for one in found if one), UNLISTED)


_NAMES: Final[Mapping[str, Mapping[str, ReportStatus]]] = {  # StatCode -> StatName in small letters
    "00": {
        "captured": ReportStatus.PAID,
        "settled": ReportStatus.PAID,
        "authorized": ReportStatus.AUTHORIZED,
    },
    "22": {"pending": ReportStatus.PENDING, "unknown": ReportStatus.PENDING},
    "11": {
        **dict.fromkeys(("failed", "blocked", "reject", "hold"), ReportStatus.FAILED),
        **dict.fromkeys(("cancelled", "reqcancel", "release"), ReportStatus.CANCELLED),
    },
}
SECOND_APPROVER: Final = "FPX_99"
"""Business banking: the payer has done their part, a colleague of theirs has up to seven days."""
CHARGEBACKS: Final = frozenset({"chargeback", "reqchargeback"})


def queried_status(stat_code: str, stat_name: str, error_code: str, channel: str) -> ReportStatus:
    """What the answer to a query says of a payment. A name outside the table, or a chargeback, is UNKNOWN here.

    A refusal is refined by its code: a page that timed out is EXPIRED; a code that says "in progress" beside a status
    that says "failed" is UNKNOWN, for the two cannot both be true.
    """
    status = _NAMES.get(stat_code, {}).get(stat_name.lower(), ReportStatus.UNKNOWN)
    if status is ReportStatus.PENDING and error_code == SECOND_APPROVER:
        return ReportStatus.PROCESSING
    if status is not ReportStatus.FAILED:
        return status
    meaning = look_up(error_code, channel).meaning
    refined = {Meaning.EXPIRED: ReportStatus.EXPIRED, Meaning.CANCELLED: ReportStatus.CANCELLED}
    refined |= {Meaning.PENDING: ReportStatus.UNKNOWN, Meaning.SUCCEEDED: ReportStatus.UNKNOWN}
    return refined.get(meaning, status)


_PROVES_NOTHING_HAPPENED: Final = frozenset(
    {
        Meaning.INVALID_REQUEST, Meaning.AUTH_ERROR, Meaning.SIGNATURE_ERROR, Meaning.EXPIRED,
        Meaning.INSUFFICIENT_FUNDS, Meaning.DECLINED, Meaning.LIMIT_EXCEEDED,
    }
)  # fmt: skip


def command(namespace: str, code: str) -> Code:
    """The row of a refund's (`refund`) or a reversal's (`reversal`) refusal."""
    return table().get((namespace, code), UNLISTED)


def is_refusal(row: Code) -> bool:
    """Whether this answer to a command proves that nothing happened and nothing will."""
    return row.meaning in _PROVES_NOTHING_HAPPENED


CAPTURE_REFUSALS: Final[Mapping[str, str]] = {  # 6.3; 18, 22, 24 and 99 prove nothing
    "11": "failed", "12": "hash wrong", "13": "cannot be captured", "15": "settlement day, not possible today",
    "16": "forbidden", "17": "transaction not found", "19": "merchant not found", "20": "parameter missing",
    "21": "authorisation expired", "23": "no partial capture", "25": "above the authorised amount",
}  # fmt: skip
