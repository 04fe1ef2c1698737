"""Which rows may go, and which are kept for ever. Every model is in one of the two lists; a test walks them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from django.db.models import Model, QuerySet
from django.utils.functional import Promise

from config.core.errors import NotFound

Text = str | Promise
Rows = Callable[[], QuerySet[Any]]


class UnknownPolicy(NotFound):
    """No app has registered a rule of this name."""

    code, status = "retention_policy_unknown", 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What goes when it is older than so many days.

    `rows` are all that may go whatever their age; `age` is the column that tells it, first in an index whose condition
    `rows` repeats. Columns in `blank` are emptied and `stamp` gets the moment; without `blank` the rows are deleted.
    `days` is the default: None keeps them until staff decide otherwise. Nobody can go below `least_days`.
    """

    name: str
    title: Text
    takes: Text
    why: Text
    rows: Rows
    age: str
    days: int | None
    least_days: int
    blank: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    stamp: str = ""

    @property
    def model(self) -> type[Model]:
        """Whose rows."""
        return self.rows().model

    def due(self, *, cutoff: datetime) -> QuerySet[Any]:
        """The rows that are older than a moment: one of exactly that age stays."""
        return self.rows().filter(**{f"{self.age}__lt": cutoff})


_rules: Final[dict[str, Rule]] = {}
_kept: Final[dict[str, str]] = {}


def register(*rules: Rule) -> None:
    """Add an app's rules. Called from its AppConfig.ready."""
    for rule in rules:
        assert rule.name not in _rules, f"two rules {rule.name}"
        assert 0 < rule.least_days <= (rule.days or rule.least_days), f"{rule.name}: its default is below its least"
        _rules[rule.name] = rule


def keep(because: str, *labels: str) -> None:
    """Say which models ("payments.Payment") are never deleted from, and why. Called from AppConfig.ready."""
    for label in labels:
        assert label not in _kept, f"{label} is kept twice"
        _kept[label] = because


def rules() -> list[Rule]:
    """All rules, by name."""
    return sorted(_rules.values(), key=lambda rule: rule.name)


def rule(name: str) -> Rule:
    """One rule. Raises UnknownPolicy."""
    if name not in _rules:
        raise UnknownPolicy(f"There is no retention policy {name!r}.")
    return _rules[name]


def kept() -> Mapping[str, str]:
    """Which models are kept for ever, and why."""
    return MappingProxyType(_kept)


def cutoff(days: int, *, at: datetime) -> datetime:
    """What is older than this goes."""
    return at - timedelta(days=days)
