"""Xendit's amounts, moments, ids and texts: how we write them, how we read them, and which of them are kept.

Source: Xendit's API reference. Nothing here touches the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from config.core.money import Money, MoneyError
from gateways.errors import GatewayRejected

WHOLE_CURRENCIES: Final = ("IDR", "VND")
"""Currencies that Xendit takes without decimals, whatever ISO 4217 says of them."""

_AMOUNT: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_STORED: Final = frozenset(
    [
        "amount",
        "capture_id",
        "category",
        "channel_code",
        "country",
        "created",
        "created_at",
        "currency",
        "due_date",
        "estimated_arrival_time",
        "error_code",
        "event",
        "expires_at",
        "expiry_date",
        "external_id",
        "failure_code",
        "fees",
        "id",
        "invoice_duration",
        "invoice_id",
        "invoice_url",
        "locale",
        "paid_amount",
        "paid_at",
        "payment_channel",
        "payment_id",
        "payment_link_url",
        "payment_method",
        "payment_methods",
        "payment_request_id",
        "payment_session_id",
        "reason",
        "reference_id",
        "request_amount",
        "should_send_email",
        "status",
        "status_reason",
        "updated",
        "updated_at",
        "user_id",
    ]
)


# --- Writing ---------------------------------------------------------------------------------------------------------
def to_json(value: object) -> str:
    """JSON in which a Decimal is a number with exactly its digits: neither a float nor an exponent comes near money."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(name))}: {to_json(one)}" for name, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(to_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def major_units(money: Money) -> Decimal:
    """The amount as Xendit counts. Raises GatewayRejected for decimals that it does not take."""
    amount = money.decimal
    if money.currency in WHOLE_CURRENCIES:
        if amount != amount.to_integral_value():
            raise GatewayRejected(f"Xendit takes whole {money.currency} only", code="amount_precision")
        return amount.quantize(Decimal(1))
    return amount


def free_text(text: str, *, limit: int) -> str:
    """Text on one line, without half characters, within a length."""
    return _CONTROLS.sub(" ", text.encode(errors="replace").decode()).strip()[:limit]


def phone_in(text: str) -> str:
    """A telephone number as Xendit wants it (E.164), "" for what is none."""
    number = re.sub(r"[ .()-]", "", text)
    return number if _E164.fullmatch(number) else ""


# --- Reading ----------------------------------------------------------------------------------------------------------
def amount_in(value: object, currency: str) -> Money | None:
    """An amount in major units, a JSON number or its text; None for what is no amount of that currency."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        return None
    try:
        money = Money.parse(value, currency)
    except MoneyError:
        return None
    return money if money.minor >= 0 else None


def time_in(value: object) -> datetime | None:
    """An ISO 8601 moment with its zone; None for anything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def text_in(value: object) -> str:
    """The text, or nothing where there is none."""
    return value if isinstance(value, str) else ""


def id_in(value: object) -> str:
    """An id that can be put into an address; "" for anything else."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def masked(data: Mapping[str, Any]) -> dict[str, object]:
    """Only what is listed is kept, as plain JSON: nothing about the payer, no account number, no card."""
    return {name: _plain(value) for name, value in data.items() if name in _STORED}


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
