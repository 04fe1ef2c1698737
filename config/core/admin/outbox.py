"""Events we promised to tell, and whether they were told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import outbox
from config.core.admin import links
from config.core.admin.cells import NOTHING, Cell, Tone, chip, clipped, identifier, listing, when
from config.core.admin.cells import link as to_page
from config.core.admin.deeds import Deed, Doing, Done
from config.core.admin.filters import ChoiceFilter
from config.core.admin.panels import Facts, Figure, Panel, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import OutboxEvent


class ToldFilter(ChoiceFilter):
    """Waiting, told or given up."""

    title, parameter_name = _("state"), "state"
    options = (("waiting", _("waiting")), ("told", _("told")), ("parked", _("given up")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the marks of the relay."""
        if self.value() == "waiting":
            return queryset.filter(published_at=None, parked_at=None)
        if self.value() == "told":
            return queryset.filter(published_at__isnull=False)
        return queryset.filter(parked_at__isnull=False) if self.value() == "parked" else queryset


def _tell_again(doing: Doing) -> Done:
    outbox.replay(which=Q(event_id=doing.obj.event_id), actor=doing.user, reason=doing.reason)
    return _t("It will be told again, under the same event id.")


@admin.register(OutboxEvent)
class OutboxAdmin(ReadOnlyAdmin):
    """The event list and one event."""

    keyset = ("-position",)
    list_display = ("position", "type", "about", "key", "sequence", "promised", "state", "attempts", "wrong")
    list_filter = (ToldFilter,)
    search_fields = ("event_id",)
    search_help_text = _("event id, order or object id")
    empty_list = _("No event was promised yet.")
    deeds = (
        Deed(name="tell-again", label=_("Tell again"), permission="core.change_outboxevent", run=_tell_again, icon="replay", is_offered=lambda event: event.published_at is not None, explain=_("Consumers who handled it know its id and ignore it.")),
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By event id or key."""
        keys = list(OutboxEvent.objects.filter(event_id=term).values_list("pk", flat=True))
        keys += OutboxEvent.objects.filter(key=term).order_by("-position").values_list("pk", flat=True)[:500]
        for kind in ("payment", "order", "refund"):
            rows = OutboxEvent.objects.filter(aggregate_type=kind, aggregate_id=term)
            keys += rows.values_list("pk", flat=True)[:200]
        return keys

    @admin.display(description=_("about"))
    def about(self, obj: OutboxEvent) -> Cell:
        return links.to_object(obj.aggregate_type, obj.aggregate_id)

    @admin.display(description=_("promised"))
    def promised(self, obj: OutboxEvent) -> Cell:
        return when(obj.created_at)

    @admin.display(description=_("state"))
    def state(self, obj: OutboxEvent) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("error"))
    def wrong(self, obj: OutboxEvent) -> Cell:
        return clipped(obj.error, 40)

    def name_of(self, obj: OutboxEvent) -> Cell:
        """Its type."""
        return obj.type

    def status_of(self, obj: OutboxEvent) -> Cell:
        """Whether it was told."""
        if obj.published_at:
            return chip(_("told"), Tone.GOOD, _("Kafka has it."))
        if obj.parked_at:
            return chip(_("given up"), Tone.BAD, _("A dead letter holds it."))
        return chip(_("waiting"), Tone.BUSY, _("The relay will carry it."))

    def headline(self, request: HttpRequest, obj: OutboxEvent) -> Sequence[Figure]:
        """Promised, told, where."""
        place = NOTHING if obj.offset is None else f"{obj.partition} / {obj.offset}"
        return (
            Figure(_("Promised"), when(obj.created_at)),
            Figure(_("Told"), when(obj.published_at)),
            Figure(_("Partition / offset"), place),
            Figure(_("Tries"), str(obj.attempts)),
        )

    def panels(self, request: HttpRequest, obj: OutboxEvent) -> Sequence[Panel]:
        """The envelope and the content."""
        letters = to_page(listing("core_deadletter", q=obj.event_id), _("dead letter")) if obj.parked_at else NOTHING
        return (
            Facts(
                _("Event"),
                (
                    (_("Id"), identifier(obj.event_id)),
                    (_("About"), self.about(obj)),
                    (_("Key"), obj.key),
                    (_("Sequence"), str(obj.sequence)),
                    (_("Version"), str(obj.version)),
                    (_("Happened"), when(obj.occurred_at, seconds=True)),
                    (_("Request"), obj.request_id or NOTHING),
                    (_("Trace"), obj.trace_id or NOTHING),
                    (_("Error"), obj.error or NOTHING),
                    (_("Dead letter"), letters),
                ),
            ),
            Facts(_("Content"), ((_("Data"), fields_of(obj.data)),)),
        )


links.register("outbox_event", "core_outboxevent")
