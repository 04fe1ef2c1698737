"""Webhook endpoints: who is told of events, whether it arrives, and their secrets exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import filters, links
from config.core.admin.cells import (
    NOTHING,
    Cell,
    Tone,
    chip,
    clipped,
    identifier,
    link,
    listing,
    number,
    page,
    to,
    when,
)
from config.core.admin.deeds import Deed, DeedForm, Doing, Done, NoQuestionForm, ReasonForm
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, num
from config.core.admin.readonly import ReadOnlyAdmin
from payments.admin import words
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.models.webhook import EVERYTHING
from payments.services import webhook_endpoints, webhooks

K, S = WebhookEndpoint.Kind, WebhookDelivery.Status
TYPES: Final = [(EVERYTHING, _("all events")), *((one, one) for one in webhook_endpoints.EVENT_TYPES)]
NEWEST: Final = 20


class EndpointForm(DeedForm):
    """Whom to tell of what."""

    url = forms.CharField(
        label=_("Address"), max_length=1000, help_text=_("An https address that can be reached from the internet.")
    )
    event_types = forms.MultipleChoiceField(label=_("Events"), choices=TYPES, widget=forms.CheckboxSelectMultiple)
    description = forms.CharField(label=_("Description"), max_length=200, required=False)


class ChangeForm(EndpointForm):
    """What may be changed; the house's own endpoints have no address of theirs."""

    reason = ReasonForm.base_fields["reason"]

    def prepare(self) -> None:
        """Begin with what is there."""
        endpoint: WebhookEndpoint = self.obj
        self.initial = {name: getattr(endpoint, name) for name in ("url", "event_types", "description")}
        if endpoint.kind != K.SUBSCRIPTION:
            del self.fields["url"]


class RotationForm(ReasonForm):
    """How long the secret before counts, and why."""

    hours = forms.TypedChoiceField(
        label=_("The old secret counts for"),
        choices=[(hours, _("%(n)s hours") % {"n": hours}) for hours in (24, 72, 168, 0)],
        coerce=int,
        initial=24,
    )
    field_order = ("hours", "reason")


# --- Deeds -----------------------------------------------------------------------------------------------------------
def _secret_page(doing: Doing, endpoint: WebhookEndpoint, secret: str) -> HttpResponseBase:
    site: Any = admin.site
    context = {
        **site.each_context(doing.request),
        "title": _("Webhook secret"),
        "key": {"name": _address(endpoint)},
        "secret": secret,
        "url": page("payments_webhookendpoint", endpoint.pk),
    }
    # Answered at once and never stored in the open, so a reload cannot show it again.
    return TemplateResponse(doing.request, "admin/new_key.html", context, headers={"Cache-Control": "no-store"})


def _create(doing: Doing) -> Done:
    data = doing.data
    endpoint, secret = webhook_endpoints.create(
        url=data["url"],
        event_types=data["event_types"],
        description=data["description"],
        actor=doing.actor,
        at=doing.at,
    )
    return _secret_page(doing, endpoint, secret)


def _change(doing: Doing) -> Done:
    webhook_endpoints.change(
        endpoint_id=doing.obj.pk,
        url=doing.data.get("url"),
        event_types=doing.data["event_types"],
        description=doing.data["description"],
        actor=doing.actor,
        reason=doing.reason,
    )
    return _t("Saved. What waits already goes where it was made for.")


def _rotate(doing: Doing) -> Done:
    endpoint, secret = webhook_endpoints.rotate(
        endpoint_id=doing.obj.pk,
        overlap=timedelta(hours=doing.data["hours"]),
        actor=doing.actor,
        reason=doing.reason,
        at=doing.at,
    )
    return _secret_page(doing, endpoint, secret)


def _test(doing: Doing) -> Done:
    row = webhooks.send_test(endpoint_id=doing.obj.pk, actor=doing.actor, at=doing.at)
    return HttpResponseRedirect(page("payments_webhookdelivery", row.pk))


def _disable(doing: Doing) -> Done:
    webhook_endpoints.switch(endpoint_id=doing.obj.pk, is_enabled=False, actor=doing.actor, reason=doing.reason)
    return _t("It is told nothing more. What waited was given up.")


def _enable(doing: Doing) -> Done:
    webhook_endpoints.switch(endpoint_id=doing.obj.pk, is_enabled=True, actor=doing.actor, reason=doing.reason)
    return _t("It is told of what happens from now on.")


def _delete(doing: Doing) -> Done:
    webhook_endpoints.delete(endpoint_id=doing.obj.pk, actor=doing.actor, reason=doing.reason, at=doing.at)
    return HttpResponseRedirect(listing("payments_webhookendpoint"))


def _is_there(obj: Any) -> bool:
    return obj.deleted_at is None


def _is_on(obj: Any) -> bool:
    return _is_there(obj) and bool(obj.is_enabled)


def _is_off(obj: Any) -> bool:
    return _is_there(obj) and not obj.is_enabled


def _is_own(obj: Any) -> bool:
    return _is_there(obj) and obj.kind == K.SUBSCRIPTION


def _can_be_tested(obj: Any) -> bool:
    return _is_on(obj) and obj.kind == K.SUBSCRIPTION


# --- What is shown ---------------------------------------------------------------------------------------------------
def _address(obj: WebhookEndpoint) -> str:
    if obj.kind == K.ORDER_SERVICE:
        return settings.URL_ORDER_SERVICE or _t("order service, not configured")
    if obj.kind == K.NOTIFY_URL:
        return _t("notify_url of %(client)s") % {"client": obj.client}
    return obj.url


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """The endpoint list and one endpoint, without its secrets."""

    list_display = ("address", "sort", "events", "state", "about", "made")
    list_filter = (filters.choice(_("kind"), "kind", "kind", K.choices),)
    search_fields = ("id",)
    search_help_text = _("id, address or client")
    empty_list = _("Nobody has subscribed to events yet.")
    intro = _(
        "Who is told of events over HTTP. Those of the order service and of notify_url appear when they are first needed."
    )
    deeds = (
        Deed(name="new", label=_("New endpoint"), permission="payments.add_webhookendpoint", run=_create, form=EndpointForm, icon="add", is_main=True, is_of_list=True, explain=_("The secret is shown once, on the next page. Copy it there.")),
        Deed(name="test", label=_("Send a test event"), permission="payments.act_on_webhook", run=_test, form=NoQuestionForm, icon="send", is_main=True, is_offered=_can_be_tested, explain=_("An event that means nothing. Its page shows whether it arrived.")),
        Deed(name="edit", label=_("Change"), permission="payments.change_webhookendpoint", run=_change, form=ChangeForm, icon="edit", is_offered=_is_there),
        Deed(name="rotate", label=_("Exchange secret"), permission="payments.act_on_webhook", run=_rotate, form=RotationForm, icon="key", is_offered=_is_there, explain=_("The new secret is shown once, on the next page. Until the old one ends, messages carry both signatures.")),
        Deed(name="disable", label=_("Disable"), permission="payments.act_on_webhook", run=_disable, icon="notifications_off", is_grave=True, is_offered=_is_on, explain=_("What waits is given up, and events in between are not told later.")),
        Deed(name="enable", label=_("Enable"), permission="payments.act_on_webhook", run=_enable, icon="notifications_active", is_main=True, is_offered=_is_off),
        Deed(name="remove", label=_("Delete"), permission="payments.change_webhookendpoint", run=_delete, icon="delete", is_grave=True, is_offered=_is_own, explain=_("What waits is given up; what was sent can still be read.")),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        """Without the secrets."""
        rows: QuerySet[WebhookEndpoint] = super().get_queryset(request)
        return rows.defer("secret", "previous_secret")

    def found(self, term: str) -> Sequence[Any]:
        """By id, address or client."""
        rows = WebhookEndpoint.objects
        return list(
            (rows.filter(pk=term) | rows.filter(url=term) | rows.filter(client=term)).values_list("pk", flat=True)
        )

    @admin.display(description=_("address"))
    def address(self, obj: WebhookEndpoint) -> Cell:
        return clipped(_address(obj), 48)

    @admin.display(description=_("kind"))
    def sort(self, obj: WebhookEndpoint) -> Cell:
        return obj.get_kind_display()

    @admin.display(description=_("events"))
    def events(self, obj: WebhookEndpoint) -> Cell:
        return clipped(self._events(obj), 36)

    @admin.display(description=_("state"))
    def state(self, obj: WebhookEndpoint) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("description"))
    def about(self, obj: WebhookEndpoint) -> Cell:
        return clipped(obj.description, 40)

    @admin.display(description=_("made"))
    def made(self, obj: WebhookEndpoint) -> Cell:
        return when(obj.created_at)

    def name_of(self, obj: WebhookEndpoint) -> Cell:
        """Whom it tells."""
        return clipped(_address(obj), 80)

    def status_of(self, obj: WebhookEndpoint) -> Cell:
        """Whether it is told."""
        if obj.deleted_at is not None:
            return chip(_("deleted"))
        return chip(_("enabled"), Tone.GOOD) if obj.is_enabled else chip(_("disabled"), Tone.BAD, obj.disabled_reason)

    def headline(self, request: HttpRequest, obj: WebhookEndpoint) -> Sequence[Figure]:
        """How its last 24 hours went."""
        since = clock.now() - timedelta(hours=24)
        rows = WebhookDelivery.objects.filter(endpoint=obj, created_at__gte=since).order_by()
        counts = dict(rows.values_list("status").annotate(Count("pk")))
        return (
            Figure(_("Arrived, 24 hours"), number(counts.get(S.SENT, 0))),
            Figure(_("Waiting"), number(counts.get(S.QUEUED, 0) + counts.get(S.FAILED, 0))),
            Figure(_("Given up"), number(counts.get(S.GIVEN_UP, 0))),
        )

    def panels(self, request: HttpRequest, obj: WebhookEndpoint) -> Sequence[Panel]:
        """What it hears, how its secret stands, and what was sent last."""
        is_rotating = obj.previous_until is not None and obj.previous_until > clock.now()
        return (
            Facts(
                _("Endpoint"),
                (
                    (_("Address"), identifier(_address(obj))),
                    (_("Kind"), obj.get_kind_display()),
                    (_("Events"), self._events(obj)),
                    (_("Description"), obj.description or NOTHING),
                    (_("Why it is disabled"), obj.disabled_reason or NOTHING),
                ),
            ),
            Facts(
                _("Life"),
                (
                    (_("Id"), identifier(obj.pk)),
                    (_("Made"), when(obj.created_at)),
                    (_("By"), obj.created_by),
                    (_("Old secret counts until"), when(obj.previous_until) if is_rotating else NOTHING),
                    (_("All deliveries"), link(listing("payments_webhookdelivery", q=obj.pk), _("webhook deliveries"))),
                    (_("Audit trail"), link(listing("core_auditentry", q=obj.pk), _("audit trail"))),
                ),
            ),
            self._newest(obj),
        )

    def _newest(self, obj: WebhookEndpoint) -> Table:
        newest = WebhookDelivery.objects.filter(endpoint=obj).defer("body").order_by("-created_at", "-id")[:NEWEST]
        rows = [
            (
                to("payments_webhookdelivery", row.pk, row.event_type),
                words.state(row, words.WEBHOOK),
                str(row.tries),
                str(row.status_code or NOTHING),
                when(row.created_at),
                row.error or NOTHING,
            )
            for row in newest
        ]
        heads = columns(_("Event"), _("State"), num(_("Tries")), num(_("Answer")), _("Made"), _("Error"))
        return Table(_("Newest deliveries"), heads, rows, _("Nothing was sent to it yet."))

    def _events(self, obj: WebhookEndpoint) -> str:
        return _t("all events") if EVERYTHING in obj.event_types else ", ".join(obj.event_types)


links.register("webhook_endpoint", "payments_webhookendpoint")
