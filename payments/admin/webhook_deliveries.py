"""Webhook deliveries: what was sent to whom, how it went, and once more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import masking
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, clipped, identifier, number, to, when
from config.core.admin.deeds import Deed, Doing, Done
from config.core.admin.panels import Facts, Panel, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from payments.admin import words
from payments.models import WebhookDelivery
from payments.services import webhook_endpoints, webhooks

S = WebhookDelivery.Status
FOUND: Final = 500


def _again(doing: Doing) -> Done:
    webhooks.retry(delivery_id=doing.obj.pk, actor=doing.actor, reason=doing.reason, at=doing.at)
    return _t("The webhook will be sent again.")


def _can_go_again(obj: Any) -> bool:
    return bool(obj.status != S.QUEUED and obj.endpoint.is_enabled)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """The delivery list and one delivery."""

    list_display = ("made", "event", "of_payment", "address", "state", "tried", "answer", "took", "wrong")
    list_display_links = ("made",)
    list_select_related = ("endpoint",)
    list_filter = (
        filters.choice(_("state"), "status", "status", S.choices),
        filters.choice(_("event"), "event_type", "event_type", [(one, one) for one in webhook_endpoints.EVENT_TYPES]),
        filters.days(_("made"), "created_at"),
    )
    search_fields = ("id",)
    search_help_text = _("delivery, event, payment or endpoint id")
    empty_list = _("No webhook was sent yet.")
    deeds = (
        Deed(
            name="again",
            label=_("Send again"),
            permission="payments.act_on_webhook",
            run=_again,
            icon="replay",
            is_main=True,
            is_offered=_can_go_again,
            explain=_("The same message under the same id, with all its tries."),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        """With its endpoint, without the endpoint's secrets."""
        rows: QuerySet[WebhookDelivery] = super().get_queryset(request)
        return rows.select_related("endpoint").defer("body", "endpoint__secret", "endpoint__previous_secret")

    def found(self, term: str) -> Sequence[Any]:
        """By id, event, payment or endpoint."""
        rows = WebhookDelivery.objects
        named = list(
            rows.filter(Q(pk=term) | Q(event_id=term) | Q(payment_id=term)).values_list("pk", flat=True)[:FOUND]
        )
        newest = rows.filter(endpoint_id=term).order_by("-created_at", "-id")
        return named or list(newest.values_list("pk", flat=True)[:FOUND])

    @admin.display(description=_("made"))
    def made(self, obj: WebhookDelivery) -> Cell:
        return when(obj.created_at)

    @admin.display(description=_("event"))
    def event(self, obj: WebhookDelivery) -> Cell:
        return obj.event_type

    @admin.display(description=_("Tries"))
    def tried(self, obj: WebhookDelivery) -> Cell:
        return str(obj.tries)

    @admin.display(description=_("Answer"))
    def answer(self, obj: WebhookDelivery) -> Cell:
        return str(obj.status_code or NOTHING)

    @admin.display(description=_("payment"))
    def of_payment(self, obj: WebhookDelivery) -> Cell:
        return to("payments_payment", obj.payment_id) if obj.payment_id else NOTHING

    @admin.display(description=_("address"))
    def address(self, obj: WebhookDelivery) -> Cell:
        return clipped(obj.url, 40)

    @admin.display(description=_("state"))
    def state(self, obj: WebhookDelivery) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("took"))
    def took(self, obj: WebhookDelivery) -> Cell:
        return NOTHING if obj.duration_ms is None else _t("%(n)s ms") % {"n": number(obj.duration_ms)}

    @admin.display(description=_("error"))
    def wrong(self, obj: WebhookDelivery) -> Cell:
        return clipped(obj.error, 40)

    def name_of(self, obj: WebhookDelivery) -> Cell:
        """What it tells."""
        return obj.event_type

    def status_of(self, obj: WebhookDelivery) -> Cell:
        """Its state in words."""
        return words.state(obj, words.WEBHOOK)

    def panels(self, request: HttpRequest, obj: WebhookDelivery) -> Sequence[Panel]:
        """To whom, how it went, and what it says."""
        return (
            Facts(
                _("Webhook"),
                (
                    (_("Event"), identifier(obj.event_id)),
                    (_("Payment"), self.of_payment(obj)),
                    (_("Endpoint"), to("payments_webhookendpoint", obj.endpoint_id)),
                    (_("Address"), identifier(obj.url)),
                ),
            ),
            Facts(
                _("Sending"),
                (
                    (_("Made"), when(obj.created_at)),
                    (_("Last try"), when(obj.tried_at, seconds=True)),
                    (_("Sent"), when(obj.sent_at, seconds=True)),
                    (_("Tries"), f"{obj.tries} / {webhooks.MAX_TRIES}"),
                    (_("Next try"), when(obj.next_try_at, seconds=True)),
                    (_("Answer"), self.answer(obj)),
                    (_("Took"), self.took(obj)),
                    (_("Error"), obj.error or NOTHING),
                ),
            ),
            Facts(
                _("What it says"),
                ((_("Message"), fields_of(masking.mapping(json.loads(bytes(obj.body))))),),
                is_wide=True,
            ),
        )


links.register("webhook_delivery", "payments_webhookdelivery")
