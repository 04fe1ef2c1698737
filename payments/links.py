"""Addresses we give away: our pay page, and where gateways send browsers and notifications."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from config.core import crypto
from payments.models import GatewayAccount, Payment

_MAC_LENGTH: Final = 24
_PURPOSE: Final = "pay-link"


def client_secret(payment_id: str) -> str:
    """The secret that lets a browser see one payment: its id and a MAC, so nothing needs to be stored."""
    return _with_mac(payment_id, crypto.blind_index(payment_id, purpose=_PURPOSE))


def payment_of_secret(secret: str) -> str | None:
    """The payment id inside a client secret; None for a wrong one."""
    payment_id = f"pay_{secret[:-_MAC_LENGTH]}"
    macs = crypto.blind_indexes(payment_id, purpose=_PURPOSE) if secret.isascii() else []
    # Links that were mailed before a key was rotated stay good as long as its key is on the ring.
    is_ours = any(hmac.compare_digest(_with_mac(payment_id, mac), secret) for mac in macs)
    return payment_id if is_ours else None


def pay_page(payment: Payment) -> str:
    """Our hosted pay page of a payment."""
    return f"{settings.PUBLIC_URL}/pay/{client_secret(payment.id)}"


def gateway_return(account: GatewayAccount) -> str:
    """Where a gateway sends the customer's browser back to."""
    registered = settings.GATEWAY_ADDRESSES.get(account.code, {}).get("return")
    return registered or f"{settings.PUBLIC_URL}/pay/return/{account.code}"


def gateway_notify(account: GatewayAccount) -> str:
    """Where a gateway sends its notifications."""
    registered = settings.GATEWAY_ADDRESSES.get(account.code, {}).get("notify")
    return (
        registered or f"{settings.NOTIFY_URL or settings.PUBLIC_URL}/api/v1/webhooks/{account.gateway}/{account.code}"
    )


def is_private(url: str, *, look_up: bool = True) -> bool:
    """Whether nobody outside can call this address: a loopback, private or single-word host.

    `look_up`: ask the DNS too, which may take its time.
    """
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        pass
    if "." not in host or host.endswith((".local", ".internal", ".localhost", ".test", ".example", ".invalid")):
        return True
    try:
        found = socket.getaddrinfo(host, None) if look_up else []
    except OSError:
        return False  # our DNS does not know it; that says nothing about the gateway's
    return bool(found) and all(not ipaddress.ip_address(entry[4][0]).is_global for entry in found)


def is_at_a_sandbox(account: GatewayAccount) -> bool:
    """Whether the account's gateway is called at an address of this machine or network, as only a fake one is."""
    own = (gateway_notify(account), gateway_return(account))
    called = [
        value for value in account.settings.values()
        if isinstance(value, str) and value.startswith(("http://", "https://")) and value not in own
    ]  # fmt: skip
    return any(is_private(address, look_up=False) for address in called)


def _with_mac(payment_id: str, mac: str) -> str:
    return f"{payment_id.removeprefix('pay_')}{mac[:_MAC_LENGTH]}"
