"""Every payment provider by its code, and how one is built from stored settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_origin, get_type_hints

from config.core import strict_json
from gateways.bank_transfer.adapter import BankTransfer
from gateways.base import Gateway
from gateways.cod import CashOnDelivery
from gateways.errors import GatewayError
from gateways.fiuu.adapter import Fiuu
from gateways.momo.adapter import MoMo
from gateways.stripe.adapter import Stripe
from gateways.vnpay.adapter import VNPay
from gateways.xendit.adapter import Xendit
from gateways.zalopay.adapter import ZaloPay

GATEWAYS: Final[Mapping[str, type[Gateway]]] = {
    gateway.code: gateway for gateway in (MoMo, VNPay, Fiuu, Xendit, Stripe, BankTransfer, CashOnDelivery, ZaloPay)
}


class GatewaySettingsError(GatewayError):
    """Settings that no adapter can be built from. The message names the fields and never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingField:
    """One setting of an adapter, for forms and checks. `default` is None where the setting is required."""

    name: str
    required: bool
    secret: bool
    default: object = None
    is_mapping: bool = False
    """A JSON object, such as which column of a file means what."""


def setting_fields(code: str) -> tuple[SettingField, ...]:
    """What an account of this gateway is made of, in the adapter's order. Raises GatewaySettingsError."""
    gateway = _class_of(code)
    types = get_type_hints(gateway)
    return tuple(
        SettingField(
            name=one.name,
            required=one.default is one.default_factory is dataclasses.MISSING,
            secret=one.name in gateway.secret_fields,
            default=None if one.default is dataclasses.MISSING else one.default,
            is_mapping=get_origin(types[one.name]) is Mapping,
        )
        for one in dataclasses.fields(gateway)  # type: ignore[arg-type]  # every adapter is a dataclass; a test says so
    )


def build(code: str, settings: Mapping[str, object]) -> Gateway:
    """The adapter of one account. Raises GatewaySettingsError naming unknown, missing or unusable fields.

    Numbers, lists and mappings may be given as text, as environment variables hold them ("30", "momo.vn,example.vn",
    '{"gross": "Amount"}').
    """
    gateway = _class_of(code)
    fields = setting_fields(code)
    known = {one.name for one in fields}
    unknown = sorted(set(settings) - known)
    missing = sorted(one.name for one in fields if one.required and settings.get(one.name) in (None, ""))
    if unknown or missing:
        problems = [f"unknown: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {', '.join(missing)}"] * bool(
            missing
        )
        raise GatewaySettingsError(f"{code} settings: {'; '.join(problems)}")
    types = get_type_hints(gateway)
    values = {name: _as(types[name], value, where=f"{code} settings: {name}") for name, value in settings.items()}
    try:
        return gateway(**values)
    except ValueError as error:
        raise GatewaySettingsError(f"{code} settings: {error}") from error


def _class_of(code: str) -> type[Gateway]:
    try:
        return GATEWAYS[code]
    except KeyError:
        raise GatewaySettingsError(f"no gateway {code!r}; there are {', '.join(sorted(GATEWAYS))}") from None


def _as(kind: object, value: object, *, where: str) -> object:
    """A stored value as the field's type. Raises GatewaySettingsError."""
    if get_origin(kind) is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if isinstance(items, list | tuple) and all(isinstance(item, str) for item in items):
            return tuple(item.strip() for item in items if item.strip())
    elif get_origin(kind) is Mapping:
        return _mapping(value, where=where)
    elif kind is float and isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError as error:
            raise GatewaySettingsError(f"{where} is no number") from error
    elif kind is bool and str(value).lower() in ("true", "false", "1", "0"):
        return str(value).lower() in ("true", "1")
    elif kind is str and isinstance(value, str):
        return value
    raise GatewaySettingsError(f"{where} has an unusable value")


def _mapping(value: object, *, where: str) -> dict[str, object]:
    if isinstance(value, str):
        try:
            value = strict_json.read_object(value.encode()) if value.strip() else {}
        except strict_json.InvalidJson as error:
            raise GatewaySettingsError(f"{where} is no JSON object") from error
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise GatewaySettingsError(f"{where} is no JSON object")
    return dict(value)
