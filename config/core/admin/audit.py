"""The audit trail: who did what to which thing, and why. Read only, for ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, clipped, when
from config.core.admin.exports import Export
from config.core.admin.panels import Facts, Panel, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import AuditEntry

TYPES: Final = ("payment", "refund", "case", "order", "shop_order", "attempt", "notification", "email", "approval", "dead_letter", "api_key", "user", "gateway_account", "payment_method", "export", "settlement", "payout", "payout_batch")  # fmt: skip
"""Which things have a trail; the index begins with the type."""


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    """The trail and one entry."""

    list_display = ("at", "actor", "action", "thing", "why", "ip", "request_id")
    list_display_links = ("at",)
    list_filter = (filters.days(_("day"), "created_at"),)
    search_fields = ("object_id",)
    search_help_text = _("id of the thing")
    empty_list = _("Nothing was done yet.")
    export = Export(
        name="audit",
        permission="core.view_auditentry",
        columns=(_("When"), _("Actor"), _("Action"), _("Type"), _("Id"), _("Reason"), _("Address"), _("Request")),
        row=lambda e: (e.created_at, e.actor, e.action, e.object_type, e.object_id, e.reason, e.ip, e.request_id),
    )

    def found(self, term: str) -> Sequence[Any]:
        """By the id of the thing."""
        rows = AuditEntry.objects.filter(object_type__in=TYPES, object_id=term)
        return list(rows.order_by("-id").values_list("pk", flat=True)[:2000])

    @admin.display(description=_("when"))
    def at(self, obj: AuditEntry) -> Cell:
        return when(obj.created_at, seconds=True)

    @admin.display(description=_("thing"))
    def thing(self, obj: AuditEntry) -> Cell:
        return links.to_object(obj.object_type, obj.object_id)

    @admin.display(description=_("reason"))
    def why(self, obj: AuditEntry) -> Cell:
        return clipped(obj.reason, 60)

    def name_of(self, obj: AuditEntry) -> Cell:
        """What was done."""
        return obj.action

    def panels(self, request: HttpRequest, obj: AuditEntry) -> Sequence[Panel]:
        """Who, what, why; before and after."""
        return (
            Facts(
                _("Deed"),
                (
                    (_("When"), when(obj.created_at, seconds=True)),
                    (_("Actor"), obj.actor),
                    (_("Thing"), self.thing(obj)),
                    (_("Reason"), obj.reason or NOTHING),
                    (_("Address"), obj.ip or NOTHING),
                    (_("Request"), obj.request_id or NOTHING),
                    (_("Trace"), obj.trace_id or NOTHING),
                ),
            ),
            Facts(_("Change"), ((_("Before"), fields_of(obj.before)), (_("After"), fields_of(obj.after)))),
        )
