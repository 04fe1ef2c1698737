"""Fiuu's list of what an account has switched on, and what of it is up just now: how it is asked for and read.

Source: Fiuu's API specification 13.39, "channel status API". Its clock is read as Malaysian, which is not confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateways.channels import ChannelState
from gateways.errors import GatewayUnavailable
from gateways.fiuu import messages, signing

PATH: Final = "/RMS/API/chkstat/channel_status.php"
OPERATION: Final = "channel_status"
_UP: Final[Mapping[object, bool]] = {1: True, "1": True, 0: False, "0": False}
_FAILED: Final = (False, 0, "0", "false")


def question(merchant: str, verify_key: str, at: datetime) -> dict[str, str]:
    """The signed fields of the question."""
    stamp = f"{at.astimezone(messages.MALAYSIA):%Y%m%d%H%M%S}"
    return {"merchantID": merchant, "datetime": stamp, "skey": signing.channel_status(stamp, merchant, verify_key)}


def read(data: Mapping[str, object]) -> tuple[ChannelState, ...]:
    """The channels of an answer, in its order. Raises GatewayUnavailable for an answer that lists none of them.

    Nobody signs it: it is shown to people and refuses no payment.
    """
    rows = data.get("result")
    if data.get("status") in _FAILED or not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        code = messages.error_in(data)
        raise GatewayUnavailable(
            f"fiuu {OPERATION}: an answer without the list {code}".rstrip(), code=code or "no_list"
        )
    return tuple(_state(row) for row in rows)


def _state(row: Mapping[str, Any]) -> ChannelState:
    """One channel. A state outside the document's two is neither up nor down."""
    told, currencies = row.get("status"), row.get("currency")
    ways = row.get("channel_map")
    maps = [ways.get(way) for way in ("hosted", "seamless", "direct")] if isinstance(ways, dict) else []
    codes = [one.get("request") for one in maps if isinstance(one, dict)]
    return ChannelState(
        title=_text(row.get("title")),
        is_up=_UP.get(told) if isinstance(told, int | str) and not isinstance(told, bool) else None,
        currencies=tuple(_text(one) for one in currencies) if isinstance(currencies, list) else (),
        codes=tuple(dict.fromkeys(_text(one) for one in codes if _text(one))),
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
