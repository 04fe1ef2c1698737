"""Retention: every policy with its days and what is past its age, and what runs took away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, Text, Tone, chip, clipped, listing, number, to, when
from config.core.admin.deeds import Deed, Doing, Done, ReasonForm
from config.core.admin.panels import Facts, Panel, Table, columns, num
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import RetentionPolicy, RetentionRun
from config.core.retention import overdue, policies, registry
from config.core.retention.registry import Rule, UnknownPolicy

Outcome = RetentionRun.Outcome
OUTCOMES: Final[dict[str, tuple[Tone, Text]]] = {
    Outcome.RUNNING: (Tone.BUSY, _("At work.")),
    Outcome.DONE: (Tone.GOOD, _("Nothing that was due is left, but rows in use at that moment.")),
    Outcome.CUT_SHORT: (Tone.WARN, _("Its time was over; the next run goes on.")),
    Outcome.FAILED: (Tone.BAD, _("An error; what it had done until then is done.")),
    Outcome.INTERRUPTED: (Tone.WARN, _("The process ended; what it had done until then is done.")),
}


class DaysForm(ReasonForm):
    """How long."""

    days = forms.IntegerField(
        label=_("Days"), min_value=1, max_value=36_500, required=False,
        help_text=_("Older rows go at the next nightly run. Empty: they are kept for ever."),
    )  # fmt: skip
    field_order = ("days", "reason")

    def prepare(self) -> None:
        """Begin with what stands."""
        self.initial = {"days": policies.standing()[self.obj.pk]}


def _change(doing: Doing) -> Done:
    policies.change(name=doing.obj.pk, days=doing.data["days"], actor=doing.user, reason=doing.reason, at=doing.at)
    return _t("The policy is changed.")


def _reset(doing: Doing) -> Done:
    policies.reset(name=doing.obj.pk, actor=doing.user, reason=doing.reason)
    return _t("The policy stands as it came.")


def _is_changed(policy: RetentionPolicy) -> bool:
    return not policy._state.adding


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """What the list says of each policy."""

    days: Mapping[str, int | None]
    waiting: Mapping[str, int]
    last: Mapping[str, RetentionRun]
    removed: Mapping[str, int]


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(ReadOnlyAdmin):
    """All policies, whether staff changed them or not, and one of them."""

    keyset = ("name",)
    empty_list = _("Every policy stands as it came.")
    intro = _(
        "What is older than its days goes at night, a little at a time. The ledger, payments, refunds, disputes and the "
        "audit trail are never touched; only the named columns of a payment are emptied."
    )
    deeds = (
        Deed(name="days", label=_("Change days"), permission="core.change_retentionpolicy", run=_change, form=DaysForm, icon="edit_calendar", is_main=True, explain=_("What a run has taken away does not come back.")),
        Deed(name="reset", label=_("Back to the default"), permission="core.change_retentionpolicy", run=_reset, icon="undo", is_offered=_is_changed),
    )  # fmt: skip

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """A row for each rule that an app registered."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.context(request, None),
            "intro": self.intro,
            "panels": [_policies(_look(clock.now())), _changes(self.empty_list), _newest_runs()],
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/policies.html", context)

    def _object(self, request: HttpRequest, object_id: str) -> RetentionPolicy | None:
        """What staff decided, or a policy that stands as it came."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name = unquote(object_id)
        try:
            rule = registry.rule(name)
        except UnknownPolicy:
            return None
        found = RetentionPolicy.objects.filter(name=name).select_related("changed_by").first() if name else None
        return found or RetentionPolicy(name=name, days=rule.days, least_days=rule.least_days)

    def name_of(self, obj: RetentionPolicy) -> Cell:
        """The rule's title."""
        return registry.rule(obj.pk).title

    def status_of(self, obj: RetentionPolicy) -> Cell:
        """Whether somebody changed it."""
        return chip(_("changed"), Tone.WARN) if _is_changed(obj) else chip(_("default"))

    def panels(self, request: HttpRequest, obj: RetentionPolicy) -> Sequence[Panel]:
        """What goes when and why, who changed it, its runs."""
        rule, days = registry.rule(obj.pk), policies.standing()[obj.pk]
        decided: Sequence[tuple[Text, Cell]] = ()
        if _is_changed(obj):
            decided = (
                (_("Changed by"), obj.changed_by.email),
                (_("Changed"), when(obj.changed_at)),
                (_("Reason"), obj.reason),
            )
        waiting = overdue.counts(at=clock.now()).get(rule.name)
        return (
            Facts(
                _("Policy"),
                (
                    (_("Takes"), rule.takes),
                    (_("Why so long"), rule.why),
                    (_("Name"), rule.name),
                ),
                is_wide=True,
            ),
            Facts(
                _("Days"),
                (
                    (_("Now"), _days(days)),
                    (_("Default"), _days(rule.days)),
                    (_("At least"), _days(rule.least_days)),
                    (_("Past their age"), NOTHING if waiting is None else _capped(waiting)),
                    *decided,
                ),
            ),
            _runs_of(rule),
        )


@admin.register(RetentionRun)
class RetentionRunAdmin(ReadOnlyAdmin):
    """What runs took away."""

    keyset = ("-started_at", "-id")
    list_display = ("started", "of_policy", "state", "rows", "older_than", "actor", "wrong")
    list_display_links = ("started",)
    list_filter = (
        filters.choice(_("outcome"), "outcome", "outcome", Outcome.choices),
        filters.days(_("started"), "started_at"),
    )
    search_fields = ("policy",)
    search_help_text = _("name of a policy")
    empty_list = _("Nothing was due to go yet: the first run is at night.")

    def found(self, term: str) -> Sequence[Any]:
        """By policy."""
        return list(RetentionRun.objects.filter(policy=term).order_by("-started_at").values_list("pk", flat=True)[:500])

    @admin.display(description=_("started"))
    def started(self, obj: RetentionRun) -> Cell:
        return when(obj.started_at)

    @admin.display(description=_("policy"))
    def of_policy(self, obj: RetentionRun) -> Cell:
        return to("core_retentionpolicy", obj.policy, _title(obj.policy))

    @admin.display(description=_("outcome"))
    def state(self, obj: RetentionRun) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("rows"))
    def rows(self, obj: RetentionRun) -> Cell:
        return number(obj.removed)

    @admin.display(description=_("older than"))
    def older_than(self, obj: RetentionRun) -> Cell:
        return when(obj.cutoff)

    @admin.display(description=_("error"))
    def wrong(self, obj: RetentionRun) -> Cell:
        return clipped(obj.error, 60)

    def name_of(self, obj: RetentionRun) -> Cell:
        """Whose run."""
        return _title(obj.policy)

    def status_of(self, obj: RetentionRun) -> Cell:
        """How it ended."""
        tone, explained = OUTCOMES[obj.outcome]
        return chip(obj.get_outcome_display(), tone, explained)

    def panels(self, request: HttpRequest, obj: RetentionRun) -> Sequence[Panel]:
        """All of it."""
        return (
            Facts(
                _("Run"),
                (
                    (_("Policy"), self.of_policy(obj)),
                    (_("Rows"), self.rows(obj)),
                    (_("Days"), _days(obj.days)),
                    (_("Older than"), when(obj.cutoff, seconds=True)),
                    (_("Started by"), obj.actor),
                    (_("Started"), when(obj.started_at, seconds=True)),
                    (_("Finished"), when(obj.finished_at, seconds=True)),
                    (_("Error"), obj.error or NOTHING),
                ),
                is_wide=True,
            ),
        )


def _look(at: datetime) -> _Now:
    last: dict[str, RetentionRun] = {}
    for run in RetentionRun.objects.order_by("policy", "-started_at").distinct("policy"):
        last[run.policy] = run
    return _Now(days=policies.standing(), waiting=overdue.counts(at=at), last=last, removed=overdue.removed())


def _policies(now: _Now) -> Table:
    rows = []
    for rule in registry.rules():
        run = now.last.get(rule.name)
        waiting = now.waiting.get(rule.name)
        rows.append((
            to("core_retentionpolicy", rule.name, rule.title),
            _days(now.days[rule.name]),
            _days(rule.days),
            _days(rule.least_days),
            NOTHING if waiting is None else _capped(waiting),
            when(run.started_at) if run else NOTHING,
            chip(run.get_outcome_display(), *OUTCOMES[run.outcome]) if run else chip(_("never ran")),
            number(now.removed.get(rule.name, 0)),
        ))  # fmt: skip
    heads = columns(
        _("Policy"), num(_("Days")), num(_("Default")), num(_("At least")), num(_("Past their age")), _("Last run"),
        _("Outcome"), num(_("Gone so far")),
    )  # fmt: skip
    return Table(_("Policies"), heads, rows, _("Nothing is ever taken away."))


def _changes(empty: Text) -> Table:
    found = RetentionPolicy.objects.select_related("changed_by").order_by("-changed_at")
    rows = [
        (
            to("core_retentionpolicy", one.pk, _title(one.pk)),
            _days(one.days),
            one.changed_by.email,
            when(one.changed_at),
            clipped(one.reason, 80),
        )
        for one in found
    ]
    heads = columns(_("Policy"), num(_("Days")), _("Changed by"), _("Changed"), _("Reason"))
    return Table(_("Changed by staff"), heads, rows, empty)


def _newest_runs() -> Table:
    """The last runs that took something away."""
    found = RetentionRun.objects.filter(removed__gt=0).order_by("-started_at", "-id")[:5]
    rows = [
        (
            to("core_retentionrun", run.pk, when(run.started_at)),
            _title(run.policy),
            chip(run.get_outcome_display(), *OUTCOMES[run.outcome]),
            number(run.removed),
            run.actor,
        )
        for run in found
    ]
    heads = columns(_("Started"), _("Policy"), _("Outcome"), num(_("Rows")), _("Started by"))
    return Table(_("What went last"), heads, rows, _("Nothing went yet."), more=listing("core_retentionrun"))


def _runs_of(rule: Rule) -> Table:
    found = RetentionRun.objects.filter(policy=rule.name).order_by("-started_at")[:20]
    rows = [
        (
            to("core_retentionrun", run.pk, when(run.started_at)),
            chip(run.get_outcome_display(), *OUTCOMES[run.outcome]),
            number(run.removed),
            _days(run.days),
            run.actor,
        )
        for run in found
    ]
    heads = columns(_("Started"), _("Outcome"), num(_("Rows")), num(_("Days")), _("Started by"))
    return Table(_("Newest runs"), heads, rows, _("It has not run yet."))


def _title(name: str) -> Text:
    """A policy's title; runs outlive policies that are gone from the code."""
    try:
        return registry.rule(name).title
    except UnknownPolicy:
        return name


def _days(days: int | None) -> Cell:
    return chip(_("for ever")) if days is None else number(days)


def _capped(count: int) -> str:
    return number(count) if count <= overdue.MAX_COUNTED else f"{number(overdue.MAX_COUNTED)}+"


links.register("retention_policy", "core_retentionpolicy")
