"""Changing what can be paid with: merchant accounts and methods, by staff, with a reason and a trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from config.core import audit
from config.core.errors import InvalidInput
from gateways import registry
from payments.models import GatewayAccount, PaymentMethod
from payments.services import accounts, routes

METHOD_FIELDS = (
    "name_vi",
    "name_en",
    "description_vi",
    "description_en",
    "limits",
    "is_active",
    "position",
    "lifetime",
)


@transaction.atomic(durable=True)
def begin_account(*, code: str, gateway: str, mode: str, actor: str) -> GatewayAccount:
    """A further merchant account, disabled and without settings. Raises InvalidInput."""
    if gateway not in registry.GATEWAYS:
        raise InvalidInput(f"We have no adapter for {gateway!r}.", field="gateway")
    account = GatewayAccount(code=code, gateway=gateway, mode=mode, is_enabled=False)
    try:
        account.full_clean(exclude=["secrets", "settings"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(" ".join(messages), field=field) from error
    account.save()
    audit.record(
        actor=actor,
        action="gateway_account.begun",
        object_type="gateway_account",
        object_id=account.pk,
        after={"code": code, "gateway": gateway, "mode": mode},
    )
    return account


@transaction.atomic(durable=True)
def begin_method(*, code: str, account: GatewayAccount, kind: str, channel: str, actor: str) -> PaymentMethod:
    """A further payment method, not offered yet and without names. Raises InvalidInput."""
    if account.mode != routes.required_mode():
        raise InvalidInput("This account is for another mode, test or live.", field="account")
    method = PaymentMethod(
        code=code, account=account, kind=kind, channel=channel, is_active=False, name_vi=code, name_en=code
    )
    try:
        method.full_clean(exclude=["limits"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(" ".join(messages), field=field) from error
    method.save()
    audit.record(
        actor=actor,
        action="payment_method.begun",
        object_type="payment_method",
        object_id=str(method.pk),
        after={"code": code, "account": account.code, "kind": kind, "channel": channel},
    )
    return method


@transaction.atomic(durable=True)
def save_account(
    *,
    account: GatewayAccount,
    settings: Mapping[str, object],
    secrets: Mapping[str, str],
    is_enabled: bool,
    actor: str,
    reason: str,
    invoice_mode: str | None = None,
) -> GatewayAccount:
    """Make or change a merchant account; what is left out of the secrets, and an invoice mode of None, stay.

    Raises InvalidInput when they cannot work.
    """
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    adapter = registry.GATEWAYS.get(account.gateway)
    if adapter is None:
        raise InvalidInput(f"We have no adapter for {account.gateway!r}.", field="gateway")
    before = {
        "settings": dict(account.settings),
        "is_enabled": account.is_enabled,
        "invoice_mode": account.invoice_mode,
    }
    account.settings = {name: value for name, value in settings.items() if name not in adapter.secret_fields}
    account.secrets = {**account.secrets, **{name: value for name, value in secrets.items() if value}}
    account.is_enabled = is_enabled
    account.invoice_mode = account.invoice_mode if invoice_mode is None else invoice_mode
    if is_enabled and account.mode != routes.required_mode():
        raise InvalidInput("Live and test accounts cannot be mixed: this one is of the other mode.", field="is_enabled")
    try:
        account.full_clean(exclude=["secrets"])
        accounts.adapter_of(account)
    except (ValidationError, registry.GatewaySettingsError) as error:
        raise InvalidInput(f"The gateway cannot work with this: {error}") from error
    account.save()
    audit.record(
        actor=actor,
        action="gateway_account.saved",
        object_type="gateway_account",
        object_id=account.pk,
        reason=reason,
        before=before,
        after={
            "settings": dict(account.settings),
            "is_enabled": is_enabled,
            "invoice_mode": account.invoice_mode,
            "secrets_changed": sorted(name for name, value in secrets.items() if value),
        },
    )
    transaction.on_commit(accounts.forget)
    return account


@transaction.atomic(durable=True)
def save_method(*, method: PaymentMethod, values: Mapping[str, Any], actor: str, reason: str) -> PaymentMethod:
    """Make or change a payment method. Raises InvalidInput."""
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    before = None if method.pk is None else {name: _plain(getattr(method, name)) for name in METHOD_FIELDS}
    for name in METHOD_FIELDS:
        if name in values:
            setattr(method, name, values[name])
    try:
        method.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(" ".join(messages), field=field) from error
    method.save()
    audit.record(
        actor=actor,
        action="payment_method.saved",
        object_type="payment_method",
        object_id=str(method.pk),
        reason=reason,
        before=before,
        after={name: _plain(getattr(method, name)) for name in METHOD_FIELDS},
    )
    return method


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, str, dict)) else str(value)
