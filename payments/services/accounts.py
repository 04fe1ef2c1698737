"""Merchant accounts and the adapters built from them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from gateways import channels, registry
from gateways.base import Gateway
from payments.errors import MethodNotFound
from payments.models import Capture, GatewayAccount, PaymentMethod, RoutingRule

CACHE_SECONDS: Final = 5.0
"""How long a process may go on with an account's old settings: short enough for a key rotation, long enough for IPNs."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A merchant account and the adapter that speaks for it."""

    account: GatewayAccount
    gateway: Gateway


_cache: dict[str, tuple[float, Connected]] = {}
_methods: dict[str, tuple[float, PaymentMethod]] = {}
_rules: list[tuple[float, list[RoutingRule]]] = []


def by_code(code: str) -> Connected:
    """The account of a code, enabled or not: money may still come for a disabled one. Raises MethodNotFound."""
    cached = _cache.get(code)
    if cached and cached[0] > time.monotonic():
        return cached[1]
    account = GatewayAccount.objects.filter(code=code).first()
    if account is None:
        raise MethodNotFound(f"There is no gateway account {code!r}.", field="account")
    found = Connected(account, adapter_of(account))
    _cache[code] = (time.monotonic() + CACHE_SECONDS, found)
    return found


def of(account: GatewayAccount) -> Gateway:
    """The adapter of an account, from the cache where it can be."""
    return by_code(account.code).gateway


def can_refund(capture: Capture) -> bool:
    """Whether the gateway that took this money can send it back.

    By the channel that it was truly paid by, where the gateway told one that its catalogue lists: a page may offer many.
    """
    channel = capture.attempt.used_channel if capture.attempt else ""
    if capture.channel and channels.find(capture.account.gateway, capture.channel):
        channel = capture.channel
    return of(capture.account).can_refund(channel)


def method(code: str) -> PaymentMethod | None:
    """The payment method of a code with its account, as it was a few seconds ago; None where there is none."""
    cached = _methods.get(code)
    if cached and cached[0] > time.monotonic():
        return cached[1]
    found = PaymentMethod.objects.select_related("account").filter(code=code).first()
    if found is not None:
        _methods[code] = (time.monotonic() + CACHE_SECONDS, found)
    return found


def rules() -> list[RoutingRule]:
    """All routing rules with their accounts, as they were a few seconds ago, by position."""
    if not _rules or _rules[0][0] <= time.monotonic():
        _rules[:] = [(time.monotonic() + CACHE_SECONDS, list(RoutingRule.objects.select_related("account")))]
    return _rules[0][1]


def adapter_of(account: GatewayAccount) -> Gateway:
    """Build the adapter of an account from its settings and secrets. Raises what registry.build raises."""
    fields: dict[str, object] = {**account.settings, **account.secrets}
    return registry.build(account.gateway, fields)


def forget() -> None:
    """Drop what this process remembers of accounts, methods and rules, after one was changed."""
    _rules.clear()
    _cache.clear()
    _methods.clear()


def ensure_first_accounts(configured: Mapping[str, Mapping[str, object]] | None = None) -> list[GatewayAccount]:
    """Make or refresh the first account of each gateway from settings.GATEWAYS. Its code is the gateway's.

    An account whose secrets are not configured, or which has none and nothing of what it needs, is left out. COD needs
    nothing and is always there.
    """
    made = []
    for code, fields in (configured if configured is not None else settings.GATEWAYS).items():
        adapter = registry.GATEWAYS[code]
        secrets = {name: value for name, value in fields.items() if name in adapter.secret_fields}
        needed = [part.name for part in registry.setting_fields(code) if part.required]
        if not any(secrets.values() if adapter.secret_fields else [not needed, *map(fields.get, needed)]):
            continue
        account = GatewayAccount.objects.filter(code=code).first() or GatewayAccount(code=code)
        account.gateway = code
        account.mode = GatewayAccount.Mode.LIVE if settings.ENVIRONMENT == "production" else GatewayAccount.Mode.TEST
        account.settings = {name: value for name, value in fields.items() if name not in adapter.secret_fields}
        account.secrets = secrets
        account.save()
        made.append(account)
    forget()
    return made
