"""Changing which account payments go to: routing rules, by staff, with a reason and a trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from config.core import audit
from config.core.errors import InvalidInput
from gateways import registry
from payments.models import GatewayAccount, RoutingRule
from payments.services import accounts, routes

FIELDS: Final = (
    "position", "is_active", "method_id", "currency", "min_minor", "max_minor", "shop_id", "account_id", "channel", "weight",
    "min_success_percent", "cost_basis_points", "cost_fixed_minor", "valid_from", "valid_to", "note",
)  # fmt: skip


@transaction.atomic(durable=True)
def save(*, rule: RoutingRule, values: Mapping[str, Any], actor: str, reason: str) -> RoutingRule:
    """Make or change a rule. Raises InvalidInput where it could never be used, or should not."""
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    before = None if rule.pk is None else _facts(rule)
    for name, value in values.items():
        assert name in FIELDS, f"a rule has no {name}"
        setattr(rule, name, value)
    _check(rule)
    rule.save()
    _record("saved", rule, actor=actor, reason=reason, before=before, after=_facts(rule))
    return rule


@transaction.atomic(durable=True)
def remove(*, rule: RoutingRule, actor: str, reason: str) -> None:
    """Take a rule away; the trail keeps what it said. Raises InvalidInput."""
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    _record("removed", rule, actor=actor, reason=reason, before=_facts(rule), after=None)
    rule.delete()


def _check(rule: RoutingRule) -> None:
    try:
        rule.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(" ".join(messages), field="" if field == "__all__" else field) from error
    if rule.account.mode != routes.required_mode():
        raise InvalidInput("This account is for another mode, test or live.", field="account")
    if rule.method is None:
        return
    if rule.method.account.mode != rule.account.mode:
        raise InvalidInput("The method's own account is of another mode, test or live.", field="account")
    if _kind(rule.method.account) != _kind(rule.account):
        raise InvalidInput("Gateways, bank transfers and cash cannot stand in for each other.", field="account")


def _kind(account: GatewayAccount) -> tuple[bool, bool]:
    """A gateway that tells us itself, a transfer that the payer makes, or cash: they promise a customer other things."""
    adapter = registry.GATEWAYS[account.gateway]
    return adapter.notifies, adapter.asks_payer


def _record(
    deed: str,
    rule: RoutingRule,
    *,
    actor: str,
    reason: str,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
) -> None:
    audit.record(
        actor=actor,
        action=f"routing_rule.{deed}",
        object_type="routing_rule",
        object_id=str(rule.pk),
        reason=reason,
        before=before,
        after=after,
    )
    transaction.on_commit(accounts.forget)


def _facts(rule: RoutingRule) -> dict[str, object]:
    values = {name: getattr(rule, name) for name in FIELDS}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
