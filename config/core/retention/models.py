"""What staff decided about retention, and what each run took away."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class RetentionPolicy(models.Model):
    """A rule whose days staff changed. Without days it takes nothing away; a rule without a row stands as it came."""

    name = models.CharField(_("policy"), primary_key=True, max_length=60)
    days = models.PositiveIntegerField(_("days"), null=True)
    least_days = models.PositiveIntegerField(_("least days"))  # the rule's, when this was decided
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(_("changed"))
    reason = models.CharField(_("reason"), max_length=250)

    class Meta:
        verbose_name = _("retention policy")
        verbose_name_plural = _("retention policies")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(days__isnull=True) | Q(days__gte=F("least_days")), name="nothing_goes_before_its_least_days"
            ),
            models.CheckConstraint(condition=Q(least_days__gte=1), name="everything_is_kept_for_a_day"),
        ]

    def __str__(self) -> str:
        return self.name


class RetentionRun(models.Model):
    """One policy's part of one run. `removed` grows in the commit of each batch, so that it is true after a crash."""

    class Outcome(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        CUT_SHORT = "cut_short", _("goes on next time")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")

    policy = models.CharField(_("policy"), max_length=60)
    actor = models.CharField(_("started by"), max_length=160)
    days = models.PositiveIntegerField(_("days"))
    cutoff = models.DateTimeField(_("older than"))
    removed = models.PositiveBigIntegerField(_("rows"), default=0)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    error = models.CharField(_("error"), max_length=500, blank=True)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("retention run")
        verbose_name_plural = _("retention runs")
        indexes: ClassVar = [
            models.Index(fields=["-started_at", "-id"], name="retention_run_newest"),
            models.Index(fields=["policy", "-started_at"], name="retention_run_of_policy"),
        ]

    def __str__(self) -> str:
        return f"{self.policy} {self.started_at:%Y-%m-%d}"
