"""How long each rule keeps its rows: the default, or what staff decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from config.core import audit
from config.core.errors import InvalidInput
from config.core.models import User
from config.core.retention import registry
from config.core.retention.models import RetentionPolicy
from config.core.retention.registry import Rule


class RetentionTooShort(InvalidInput):
    """The rule's rows are needed for longer."""

    code, status = "retention_too_short", 422


def standing() -> Mapping[str, int | None]:
    """The days of every rule now, by name; None takes nothing away."""
    decided = dict(RetentionPolicy.objects.values_list("name", "days"))
    return {rule.name: _days(rule, decided) for rule in registry.rules()}


def _days(rule: Rule, decided: Mapping[str, int | None]) -> int | None:
    """A least that grew since somebody decided still holds."""
    days = decided.get(rule.name, rule.days)
    return None if days is None else max(days, rule.least_days)


@transaction.atomic(durable=True)
def change(*, name: str, days: int | None, actor: User, reason: str, at: datetime) -> RetentionPolicy:
    """Keep a rule's rows for so many days, or for ever. Raises UnknownPolicy, RetentionTooShort, InvalidInput."""
    rule = registry.rule(name)
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    if days is not None and days < rule.least_days:
        raise RetentionTooShort(f"These are kept for {rule.least_days} days at least.", field="days")
    before = _days(
        rule, dict(RetentionPolicy.objects.select_for_update().filter(name=name).values_list("name", "days"))
    )
    policy, _made = RetentionPolicy.objects.update_or_create(
        name=name,
        defaults={
            "days": days,
            "least_days": rule.least_days,
            "changed_by": actor,
            "changed_at": at,
            "reason": reason,
        },
    )
    _record(name, before, days, actor=actor, reason=reason)
    return policy


@transaction.atomic(durable=True)
def reset(*, name: str, actor: User, reason: str) -> None:
    """Let a rule stand as it came. Raises UnknownPolicy, and InvalidInput without a reason or where nobody changed it."""
    rule = registry.rule(name)
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    policy = RetentionPolicy.objects.select_for_update().filter(name=name).first()
    if policy is None:
        raise InvalidInput("This policy stands as it came.")
    before = _days(rule, {name: policy.days})
    policy.delete()
    _record(name, before, rule.days, actor=actor, reason=reason)


def _record(name: str, before: int | None, after: int | None, *, actor: User, reason: str) -> None:
    audit.record(
        actor=f"user:{actor.email}",
        action="retention.changed",
        object_type="retention_policy",
        object_id=name,
        reason=reason,
        before={"days": before},
        after={"days": after},
    )
