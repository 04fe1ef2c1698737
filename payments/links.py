"""Addresses we give away: our pay page, and where gateways send browsers and notifications."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from django.conf import settings

from config.core import crypto
from payments.models import GatewayAccount, Payment

_MAC_LENGTH: Final = 24


def client_secret(payment_id: str) -> str:
    """The secret that lets a browser see one payment: its id and a MAC, so nothing needs to be stored."""
    mac = hmac.new(crypto.derive("pay-link"), payment_id.encode(), hashlib.sha256).hexdigest()
    return f"{payment_id.removeprefix('pay_')}{mac[:_MAC_LENGTH]}"


def payment_of_secret(secret: str) -> str | None:
    """The payment id inside a client secret; None for a wrong one."""
    payment_id = f"pay_{secret[:-_MAC_LENGTH]}"
    if not secret.isascii() or not hmac.compare_digest(client_secret(payment_id), secret):
        return None
    return payment_id


def pay_page(payment: Payment) -> str:
    """Our hosted pay page of a payment."""
    return f"{settings.PUBLIC_URL}/pay/{client_secret(payment.id)}"


def gateway_return(account: GatewayAccount) -> str:
    """Where a gateway sends the customer's browser back to."""
    if account.code == "momo" and settings.MOMO_REDIRECT_URL:
        return str(settings.MOMO_REDIRECT_URL)
    return f"{settings.PUBLIC_URL}/pay/return/{account.code}"


def gateway_notify(account: GatewayAccount) -> str:
    """Where a gateway sends its notifications."""
    if account.code == "momo" and settings.MOMO_IPN_URL:
        return str(settings.MOMO_IPN_URL)
    return f"{settings.PUBLIC_URL}/api/v1/webhooks/{account.gateway}/{account.code}"
