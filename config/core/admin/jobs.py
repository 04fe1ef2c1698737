"""The last run of each scheduled job."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin.cells import NOTHING, Cell, Tone, age, chip, clipped, when
from config.core.admin.panels import Facts, Panel
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import JobRun


@admin.register(JobRun)
class JobAdmin(ReadOnlyAdmin):
    """The job list and one job."""

    keyset = ("name",)
    list_display = ("name", "state", "started", "took", "handled", "success", "wrong")
    empty_list = _("No job has run yet. Is the worker running?")

    @admin.display(description=_("last run"))
    def started(self, obj: JobRun) -> Cell:
        return age(obj.started_at, at=clock.now())

    @admin.display(description=_("took"))
    def took(self, obj: JobRun) -> Cell:
        return NOTHING if obj.duration_ms is None else f"{obj.duration_ms} ms"

    @admin.display(description=_("last success"))
    def success(self, obj: JobRun) -> Cell:
        return age(obj.last_success_at, at=clock.now())

    @admin.display(description=_("state"))
    def state(self, obj: JobRun) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("error"))
    def wrong(self, obj: JobRun) -> Cell:
        return clipped(obj.error, 60)

    def status_of(self, obj: JobRun) -> Cell:
        """How the last run ended."""
        if obj.finished_at is None or obj.finished_at < obj.started_at:
            return chip(_("running"), Tone.BUSY)
        if obj.error:
            return chip(_("failed"), Tone.BAD, obj.error[:200])
        return chip(_("done"), Tone.GOOD)

    def panels(self, request: HttpRequest, obj: JobRun) -> Sequence[Panel]:
        """All of it."""
        return (
            Facts(
                _("Last run"),
                (
                    (_("Started"), when(obj.started_at, seconds=True)),
                    (_("Finished"), when(obj.finished_at, seconds=True)),
                    (_("Took"), self.took(obj)),
                    (_("Rows handled"), str(obj.handled)),
                    (_("Last success"), when(obj.last_success_at, seconds=True)),
                    (_("Error"), obj.error or NOTHING),
                ),
            ),
        )
