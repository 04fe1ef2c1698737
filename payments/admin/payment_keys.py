"""Which payments a typed number names."""

from __future__ import annotations

from typing import Any, Final

from payments.models import Attempt, Capture, GatewayAccount, Order, Payment

MAX_FOUND: Final = 200
"""So many payments a typed number may name; the rest is for a finer search."""


def keys_of(term: str) -> list[Any]:
    """The payments that an id, order, transaction code or gateway number names."""
    # One question of six parts, each with an index of its own. The account comes first in the gateway numbers' indexes,
    # so it is asked for beside them; there are few accounts.
    accounts = GatewayAccount.objects.values("pk")
    by_payment = Payment.objects.filter(pk=term).values_list("pk")
    others = (
        Payment.objects.filter(order__in=Order.objects.filter(order_id=term)).values_list("pk"),
        Attempt.objects.filter(pk=term).values_list("payment_id"),
        Attempt.objects.filter(gateway_reference=term).values_list("payment_id"),
        Attempt.objects.filter(account__in=accounts, gateway_transaction_id=term).values_list("payment_id"),
        Capture.objects.filter(account__in=accounts, gateway_transaction_id=term).values_list("payment_id"),
    )
    return [key for (key,) in by_payment.union(*others)[:MAX_FOUND] if key]
