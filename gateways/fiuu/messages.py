"""Fiuu's messages and answers, read into our words. Nothing here touches the network.

Source: Fiuu's API specification 13.39, sections 3 to 6. Every signed field must have a form that leaves one way to cut
the signed text apart: `tranID=12` with `orderid=3A` and `tranID=1` with `orderid=23A` have the same hash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from urllib.parse import parse_qsl

from config.core import strict_json
from config.core.money import Money, MoneyError, exponent
from gateways.errors import GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.fiuu import codes
from gateways.reports import Report, ReportAbout, ReportStatus

MALAYSIA: Final = timezone(timedelta(hours=8))
SIGNED: Final = ("tranID", "orderid", "status", "domain", "amount", "currency", "appcode", "paydate")
OUR_REFERENCE: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
"""Of a fixed length: a message about it has one reading only."""

_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "tranID": re.compile(r"[1-9][0-9]{0,19}"),
    "orderid": re.compile(r"[\x21-\x7e]{1,40}"),
    "status": re.compile(r"00|11|22"),
    "amount": re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?"),
    "currency": re.compile(r"[A-Z]{2,3}"),
    "appcode": re.compile(r"[\x20-\x7e]{0,64}"),
    "paydate": re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})?"),
}
_STATUS: Final = {"00": ReportStatus.PAID, "11": ReportStatus.FAILED, "22": ReportStatus.PENDING}
_OLD_CURRENCIES: Final = {"RM": "MYR"}  # old accounts write it so


def amount_text(money: Money) -> str:
    """Major units with exactly two decimals, for every currency. Raises GatewayRejected for three-decimal ones."""
    places = exponent(money.currency)
    if places > 2 or money.minor <= 0:
        raise GatewayRejected(f"Fiuu does not take {money.currency} with {places} decimals", code="currency")
    cents = money.minor * 10 ** (2 - places)
    return f"{cents // 100}.{cents % 100:02d}"


def money_of(amount: str, currency: str) -> Money:
    """Money of an amount as Fiuu writes it. Raises ValueError for what we cannot hold exactly."""
    if not _FORMS["amount"].fullmatch(amount):
        raise ValueError("the amount is malformed")
    try:
        return Money.parse(amount, _OLD_CURRENCIES.get(currency, currency))
    except MoneyError as error:
        raise ValueError(f"the amount cannot be held: {error.code}") from None


def time_of(text: str) -> datetime | None:
    """The moment of a date and time in Malaysia (the zone is not confirmed). Raises ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=MALAYSIA).astimezone(UTC) if text else None


# --- what comes to us -------------------------------------------------------------------------------------------------
def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a posted form, each once. Raises ReportInvalid."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise ReportInvalid("fiuu: the form cannot be read") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ReportInvalid("fiuu: a field occurs twice")
    return fields


def signed_fields(fields: Mapping[str, str], merchant: str) -> dict[str, str]:
    """The signed fields and no others, their forms checked, of this merchant. Raises ReportInvalid."""
    values = {name: fields.get(name, "") for name in SIGNED}
    if values["domain"] != merchant:
        raise ReportInvalid("fiuu: the message is about another merchant")
    for name, form in _FORMS.items():
        if not form.fullmatch(values[name]):
            raise ReportInvalid(f"fiuu: {name} is missing or malformed")
    return values


def payment_report(values: Mapping[str, str]) -> Report:
    """What a verified message says. A refusal names no transaction: only money that moved has one. Raises ReportInvalid.

    The transaction stays in `raw`, by which a doubtful message is asked about.
    """
    status = _STATUS[values["status"]]
    try:
        money, occurred_at = money_of(values["amount"], values["currency"]), time_of(values["paydate"])
    except ValueError as error:
        raise ReportInvalid(f"fiuu: {error}") from error
    return Report(
        reference=values["orderid"],
        status=status,
        money=money,
        gateway_transaction_id=values["tranID"] if status is ReportStatus.PAID else "",
        occurred_at=occurred_at,
        code=values["status"],
        raw=dict(values),
    )


def json_fields(body: bytes, merchant: str) -> dict[str, str]:
    """The JSON message of a reference system in the names of the form. Raises ReportInvalid."""
    try:
        data = strict_json.read_object(body)
    except strict_json.InvalidJson as error:
        raise ReportInvalid(f"fiuu: {error}") from error
    known = {"1": "00", "00": "00", "22": "22"}  # "1" is paid in that system; what it calls otherwise is not
    values = {
        "tranID": data.get("transaction_id"),
        "orderid": data.get("order_id"),
        "status": known.get(str(data.get("payment_status")), "11"),
        "amount": data.get("amount"),
        "currency": data.get("currency"),
    }
    return {"domain": merchant, **{name: "" if value is None else str(value) for name, value in values.items()}}


# --- what they answer -------------------------------------------------------------------------------------------------
_LINE: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,40}) ?[:=] ?(.*)")


def read_answer(content: bytes) -> dict[str, object]:
    """An answer as JSON or as lines of `Key: value`; a list of rows becomes {"rows": [...]}. Raises ValueError.

    Fiuu answers in text, in JSON, and where several payments are told in a table of tabs or in values joined by a
    vertical bar; its public texts show them all.
    """
    text = content.decode().strip()
    if text.startswith(("{", "[")):
        data = strict_json.loads(text)
        return data if isinstance(data, dict) else {"rows": data}
    if text and "\t" in text.splitlines()[0]:
        return {"rows": _table(text)}
    found = [_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    if not found or None in found:
        raise ValueError("neither JSON nor lines of names and values")
    values: dict[str, object] = {line[1]: line[2].strip() for line in found if line}
    if len(values) != len(found):
        raise ValueError("a name occurs twice")
    joined = {name: str(value).split("|") for name, value in values.items()}
    lengths = {len(value) for value in joined.values()}
    if len(lengths) == 1 and lengths != {1}:
        names = list(joined)
        return {"rows": [dict(zip(names, row, strict=True)) for row in zip(*joined.values(), strict=True)]}
    return values


def _table(text: str) -> list[dict[str, str]]:
    names, *rows = [line.split("\t") for line in text.splitlines()]
    if any(len(row) != len(names) for row in rows):
        raise ValueError("a row has another number of columns")
    return [dict(zip(names, row, strict=True)) for row in rows]


def rows_of(data: Mapping[str, object]) -> list[dict[str, str]]:
    """The rows of an answer that lists payments or refunds, as text; one that is no list is its own only row."""
    rows = data.get("rows", [data])
    if not isinstance(rows, list):
        return []
    return [{name: text_in(value) for name, value in row.items()} for row in rows if isinstance(row, dict)]


def text_in(value: object) -> str:
    """Text or a whole number as text; nothing for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def error_in(data: Mapping[str, object]) -> str:
    """The code of an answer that is a refusal, else nothing."""
    return text_in(data.get("ErrorCode")) or text_in(data.get("error_code"))


def queried_report(row: Mapping[str, str]) -> Report:
    """What a verified answer to a query says. Raises GatewayUnavailable where it names no usable amount."""
    try:
        money = money_of(row["Amount"], row["Currency"])
    except (KeyError, ValueError) as error:
        raise GatewayUnavailable("fiuu query: the answer names no usable amount", code="amount") from error
    code, channel = row.get("ErrorCode", ""), row.get("Channel", "")
    status = codes.queried_status(row["StatCode"], row.get("StatName", ""), code, channel)
    moved = status in (ReportStatus.PAID, ReportStatus.AUTHORIZED)
    return Report(
        reference=row["OrderID"],
        status=status,
        money=money,
        gateway_transaction_id=row["TranID"] if moved else "",
        code=code or row["StatCode"],
        message=row.get("ErrorDesc", "") or codes.look_up(code, channel).text if code else row.get("StatName", ""),
        raw=masked(row),
    )


_REFUND_STATUS: Final = {
    "pending": ReportStatus.PENDING,
    "processing": ReportStatus.PENDING,
    "success": ReportStatus.PAID,
    "rejected": ReportStatus.FAILED,
    "22": ReportStatus.PENDING,
    "00": ReportStatus.PAID,
    "11": ReportStatus.FAILED,
}


def refund_report(row: Mapping[str, str], *, reference: str, money: Money | None) -> Report:
    """What an answer says of a refund, in the words of the refund itself or of its query."""
    status = _REFUND_STATUS.get(row.get("Status", "").lower(), ReportStatus.UNKNOWN)
    if status is ReportStatus.PAID and not row.get("RefundID"):
        status = ReportStatus.UNKNOWN
    return Report(
        about=ReportAbout.REFUND,
        reference=reference,
        status=status,
        money=money,
        gateway_transaction_id=row.get("RefundID", ""),
        code=row.get("Status", ""),
        message=row.get("reason", ""),
        raw=masked(row),
    )


_STORED: Final = frozenset(
    {*SIGNED, "RefundType", "MerchantID", "RefID", "RefundID", "TxnID", "Amount", "Status", "reason", "LastUpdate"}
    | {"StatCode", "StatName", "TranID", "Domain", "OrderID", "Currency", "Channel", "ErrorCode", "ErrorDesc"}
    | {"error_code", "error_desc", "StatDate", "channel", "tcctype", "waittime", "cash_waittime", "langcode"}
)  # fmt: skip


def masked(data: Mapping[str, object]) -> dict[str, object]:
    """Only what is listed is kept: no hash, no key, nothing about the payer."""
    return {name: value for name, value in data.items() if name in _STORED}
