"""API keys: 32 random bytes shown once; we keep their SHA-256.

A plain hash is enough because there is nothing to guess: no dictionary holds 256 random bits.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from config.core import audit, context
from config.core.errors import InvalidInput
from config.core.models import ApiKey, User

PREFIXES: Final = ("sk_test_", "sk_live_")
SCOPES: Final = frozenset(
    {
        "payments:read", "payments:write", "refunds:read", "refunds:write", "disputes:read", "disputes:write",
        "invoices:read", "invoices:write", "shops:read", "shops:write", "settlements:read", "settlements:write",
        "payouts:read", "payouts:write", "ledger:read", "reconciliation:read", "reconciliation:write", "cases:read",
        "cod:write", "transfers:write", "events:read", "webhooks:read", "webhooks:write", "gateways:read", "reports:read", "metrics:read",
    }
)  # fmt: skip
"""Every scope there is: a key with a misspelt one would look as if it worked."""


@transaction.atomic(durable=True)
def create(
    *,
    name: str,
    scopes: Iterable[str],
    mode: Literal["test", "live"],
    created_by: User | None,
    allowed_ips: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret, which nobody can read again. Raises InvalidInput for unknown scopes or modes."""
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        raise InvalidInput(f"No such scope: {', '.join(unknown)}." if unknown else "Name a scope.", field="scopes")
    if f"sk_{mode}_" not in PREFIXES:
        raise InvalidInput("The mode is test or live.", field="mode")
    secret = f"sk_{mode}_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        name=name,
        prefix=secret[:12],
        hash=hash_of(secret),
        scopes=wanted,
        allowed_ips=list(allowed_ips),
        created_by=created_by,
        expires_at=expires_at,
    )
    audit.record(
        actor=f"user:{created_by.email}" if created_by else context.get().actor or "system",
        action="api_key.created",
        object_type="api_key",
        object_id=key.id,
        after={"name": name, "scopes": wanted, "mode": mode, "allowed_ips": key.allowed_ips, "expires_at": expires_at},
    )
    return key, secret


@transaction.atomic(durable=True)
def revoke(key: ApiKey, *, by: User, reason: str, at: datetime) -> bool:
    """End a key now; False if it had ended already. Its row stays: it made things."""
    if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=at):
        return False
    audit.record(
        actor=f"user:{by.email}", action="api_key.revoked", object_type="api_key", object_id=key.pk, reason=reason
    )
    return True


def find(secret: str, *, ip: str | None, at: datetime) -> ApiKey | None:
    """The key this secret belongs to, if it is alive and may be used from this address; else None.

    The day of the last use is kept, so that unused keys can be found; one write per key and day.
    """
    if secret.startswith("sk_test_") and settings.ENVIRONMENT == "production":
        return None
    key = ApiKey.objects.filter(hash=hash_of(secret), revoked_at=None).first()
    if key is None or (key.expires_at and key.expires_at <= at) or (key.allowed_ips and ip not in key.allowed_ips):
        return None
    today = at.astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE)).date()
    if key.last_used_on != today:
        ApiKey.objects.filter(pk=key.pk).update(last_used_on=today)
    return key


def hash_of(secret: str) -> str:
    """What we keep of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()
