"""Where a customer of Fiuu pays: the address of its hosted page, and the fields of its script for our own page.

Source: Fiuu's API specification 13.39, sections 2a and 2b. Nothing is called: the customer's browser goes there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from gateways import channels
from gateways.requests import CheckoutRequest

MAX_ADDRESS: Final = 2000
"""Browsers and our own column take so many characters."""
MAX_DESCRIPTION: Final = 600
"""Of the description as it stands in an address: an accented letter takes up to nine characters there."""
SCRIPT: Final = "/RMS/API/seamless/{version}/js/MOLPay_seamless.deco.js"


def address(base: str, merchant: str, request: CheckoutRequest, *, signed: Mapping[str, str], authorize: bool) -> str:
    """The hosted page of one attempt, straight to its channel where the catalogue knows the channel's page.

    The buyer stays "guest", as the document allows: an address is stored, logged and shared, a name does not belong
    there. The page asks the buyer for what the channel needs.
    """
    channel = channels.find("fiuu", request.channel) if request.channel else None
    page = channel.page if channel else ""
    query = {
        **signed,
        "bill_name": "guest",
        "bill_email": "",
        "bill_mobile": "",
        "bill_desc": short(request.description or request.reference),
        "country": request.country or "MY",
        "langcode": "en",
        "returnurl": request.return_url,
        "callbackurl": request.notify_url,
        **_waiting(request),
    }
    if request.channel and not page:
        query["channel"] = request.channel
    if authorize:
        query["tcctype"] = "AUTH"
    return f"{base}/RMS/pay/{quote(merchant)}/{page}?{urlencode(query)}"


def _waiting(request: CheckoutRequest) -> dict[str, str]:
    """How long the page stays open (seconds) and a cash slip is good (hours, at least one)."""
    left = max((request.expires_at - request.created_at).total_seconds(), 60)
    return {"waittime": str(int(left)), "cash_waittime": str(max(math.ceil(left / 3600), 1))}


def seamless_fields(merchant: str, request: CheckoutRequest, *, amount: str, vcode: str) -> dict[str, str]:
    """What Fiuu's script wants of one attempt. These go to the customer who is the buyer, and are not stored."""
    return {
        "mpsmerchantid": merchant,
        "mpschannel": request.channel,
        "mpsamount": amount,
        "mpsorderid": request.reference,
        "mpsbill_name": request.buyer_name[:128] or "guest",
        "mpsbill_email": request.buyer_email[:128],
        "mpsbill_mobile": request.buyer_phone[:32],
        "mpsbill_desc": short(request.description or request.reference),
        "mpscountry": request.country or "MY",
        "mpscurrency": request.money.currency,
        "mpslangcode": "en",
        "mpsvcode": vcode,
        "mpsreturnurl": request.return_url,
        "mpsnotifyurl": request.notify_url,
        "mpscallbackurl": request.notify_url,
    }


def short(text: str) -> str:
    """One line that takes no more room in an address than we have for it."""
    line = " ".join(text.encode(errors="replace").decode().split())[:200]
    while len(quote(line)) > MAX_DESCRIPTION:
        line = line[:-1]
    return line
