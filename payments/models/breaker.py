"""What staff decided about a gateway's circuit breaker, against what it would decide by itself."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class BreakerOverride(models.Model):
    """A gateway's breaker held open or closed until a moment, by a person with a reason. At most one per gateway."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")

    gateway = models.CharField(_("gateway"), max_length=30, primary_key=True)
    state = models.CharField(_("state"), max_length=6, choices=State.choices)
    reason = models.CharField(_("reason"), max_length=250)
    set_by = models.CharField(_("set by"), max_length=160)
    set_at = models.DateTimeField(_("set at"))
    until = models.DateTimeField(_("until"))

    class Meta:
        default_permissions = ()  # it has no page of its own
        verbose_name = _("forced breaker")
        verbose_name_plural = _("forced breakers")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(until__gt=F("set_at")), name="a_forced_breaker_ends"),
        ]

    def __str__(self) -> str:
        return self.gateway
