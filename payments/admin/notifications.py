"""Gateway messages: everything that came in, genuine or not. The raw bytes are shown to few, and that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import audit
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, clipped, identifier, page, short, to, when
from config.core.admin.deeds import Deed, Doing, Done
from config.core.admin.filters import ChoiceFilter
from config.core.admin.panels import Facts, Figure, Panel, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from payments.admin import words
from payments.models import Attempt, GatewayAccount, Notification
from payments.services import notifications
from payments.states import NotificationStatus


def _replay(doing: Doing) -> Done:
    answer = notifications.replay(notification_id=doing.obj.pk, actor=doing.actor, reason=doing.reason, at=doing.at)
    return _t("Replayed; we would have answered: %(answer)s.") % {"answer": answer.value}


def _show_raw(doing: Doing) -> Done:
    """The bytes as they came. That somebody looked is committed before they see them."""
    row = Notification.objects.get(pk=doing.obj.pk)
    with transaction.atomic():
        audit.record(
            actor=doing.actor,
            action="notification.raw_viewed",
            object_type="notification",
            object_id=row.pk,
            reason=doing.reason,
        )
    site: Any = admin.site
    context = {
        **site.each_context(doing.request),
        "title": _("Raw message"),
        "row": row,
        "back": page("payments_notification", row.pk),
    }
    return TemplateResponse(doing.request, "admin/raw_message.html", context, headers={"Cache-Control": "no-store"})


def _has_content(message: Notification) -> bool:
    return message.purged_at is None


class GatewayFilter(ChoiceFilter):
    """Whose message."""

    title, parameter_name, column = _("gateway"), "gateway", "gateway"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The gateways we have accounts at."""
        codes = GatewayAccount.objects.order_by("gateway").values_list("gateway", flat=True).distinct()
        return [(code, code) for code in codes]


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """The message list and one message."""

    keyset = ("-received_at", "-id")
    list_display = ("received", "gateway", "about", "state", "outcome", "deliveries", "tries", "wrong", "remote_ip")
    list_display_links = ("received",)
    list_filter = (
        filters.choice(_("state"), "status", "status", NotificationStatus.choices),
        GatewayFilter,
        filters.days(_("received"), "received_at"),
    )
    search_fields = ("id",)
    search_help_text = _("message, payment, attempt or transaction code")
    empty_list = _("No gateway has sent anything yet.")
    deeds = (
        Deed(name="replay", label=_("Replay"), permission="payments.replay_notification", run=_replay, icon="replay", is_main=True, is_offered=_has_content, explain=_("Verifies and applies the message again, as if it had just come. What was applied is not applied twice.")),
        Deed(name="raw", label=_("Show raw message"), permission="payments.view_raw_notification", run=_show_raw, icon="data_object", is_offered=_has_content, explain=_("The message may hold personal data. That you looked, and why, is kept in the audit trail.")),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """Without the encrypted parts."""
        rows: QuerySet[Notification] = super().get_queryset(request)
        return rows.defer("body", "query")

    def found(self, term: str) -> Sequence[Any]:
        """By id, or by what it is about."""
        attempts = list(Attempt.objects.filter(gateway_reference=term).values_list("pk", flat=True))
        keys = {term}
        keys |= set(Notification.objects.filter(payment_id=term).values_list("pk", flat=True)[:500])
        keys |= set(Notification.objects.filter(attempt_id__in=[term, *attempts]).values_list("pk", flat=True)[:500])
        return list(keys)

    @admin.display(description=_("received"))
    def received(self, obj: Notification) -> Cell:
        return when(obj.received_at, seconds=True)

    @admin.display(description=_("payment"))
    def about(self, obj: Notification) -> Cell:
        return to("payments_payment", obj.payment_id) if obj.payment_id else NOTHING

    @admin.display(description=_("state"))
    def state(self, obj: Notification) -> Cell:
        return words.state(obj, words.NOTIFICATION)

    @admin.display(description=_("error"))
    def wrong(self, obj: Notification) -> Cell:
        return clipped(obj.error, 40)

    def name_of(self, obj: Notification) -> Cell:
        """Its id."""
        return identifier(obj.pk)

    def status_of(self, obj: Notification) -> Cell:
        """Its state in words."""
        return words.state(obj, words.NOTIFICATION)

    def headline(self, request: HttpRequest, obj: Notification) -> Sequence[Figure]:
        """When, how often, what came of it."""
        return (
            Figure(_("Received"), when(obj.received_at, seconds=True)),
            Figure(_("Deliveries"), str(obj.deliveries), _("the same bytes")),
            Figure(_("Outcome"), obj.outcome or NOTHING),
        )

    def panels(self, request: HttpRequest, obj: Notification) -> Sequence[Panel]:
        """Where it came from and what it did; never its content."""
        return (
            Facts(
                _("Message"),
                (
                    (_("Gateway"), obj.gateway),
                    (
                        _("Account"),
                        to("payments_gatewayaccount", obj.account_id, obj.account.code) if obj.account else NOTHING,
                    ),
                    (_("Address"), f"{obj.method} {obj.path}"),
                    (_("From"), obj.remote_ip or NOTHING),
                    (_("Headers"), fields_of(obj.headers)),
                    (_("Fingerprint"), short(obj.dedupe_key[:16])),
                    (_("Emptied by retention"), when(obj.purged_at)),
                ),
            ),
            Facts(
                _("What came of it"),
                (
                    (_("Payment"), self.about(obj)),
                    (_("Attempt"), to("payments_attempt", obj.attempt_id) if obj.attempt_id else NOTHING),
                    (_("Error"), obj.error or NOTHING),
                    (_("Tries"), str(obj.tries)),
                    (_("Next try"), when(obj.next_try_at)),
                    (_("Done"), when(obj.processed_at, seconds=True)),
                ),
            ),
        )


links.register("notification", "payments_notification")
