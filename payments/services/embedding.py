"""Paying on the shop's own page: what a gateway's script there must know of an attempt."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime

from gateways.abilities import Embeds
from gateways.errors import GatewayRejected
from payments.errors import GatewayRefused, MethodUnusable
from payments.models import GatewayAccount, PaymentMethod
from payments.services import accounts, checkout, sending
from payments.services.checkout import NewPayment
from payments.services.sending import Opened


def open_embedded(*, wish: NewPayment, channel: str, at: datetime) -> tuple[Opened, Mapping[str, str]]:
    """Open a payment as anywhere else, and what the gateway's script wants of it; `channel` "" is the method's own.

    Raises MethodUnusable for a gateway without such a script, and what create_payment raises.
    """
    _script_of(wish.method.account)
    opened = checkout.create_payment(wish=wish, at=at)
    gateway = _script_of(opened.attempt.account)  # a routing rule may have chosen another account
    request = sending.request_of(opened.payment, opened.attempt, at=at)
    try:
        fields = gateway.embedded_checkout(dataclasses.replace(request, channel=channel or request.channel))
    except GatewayRejected as error:
        raise GatewayRefused("The payment provider refused this payment; another method may work.") from error
    return opened, fields


def _script_of(account: GatewayAccount) -> Embeds:
    gateway = accounts.of(account)
    if not isinstance(gateway, Embeds):
        raise MethodUnusable("This payment method has no script for a page of the shop.", field="payment_method")
    return gateway


def method_with_channel(code: str) -> PaymentMethod | None:
    """The first active method whose customers choose among a gateway's channels, if this is one of them."""
    rows = PaymentMethod.objects.select_related("account").filter(is_active=True, account__is_enabled=True, channel="")
    for method in rows:
        gateway = accounts.of(method.account)
        if isinstance(gateway, Embeds) and gateway.has_channel(code):
            return method
    return None
