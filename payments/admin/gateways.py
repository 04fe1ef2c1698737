"""Gateways: merchant accounts, how they do, and their breakers. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import links as pages
from config.core.admin.cells import (
    NOTHING,
    Cell,
    Text,
    Tone,
    age,
    chip,
    identifier,
    link,
    listing,
    meter,
    number,
    to,
    yes_no,
)
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.breaker import Snapshot, State
from gateways import registry
from payments import links
from payments.admin import gateway_deeds
from payments.models import BreakerOverride, GatewayAccount, Notification, PaymentMethod
from payments.services import breakers, gateway_health
from payments.states import NotificationStatus

GENUINE: Final = (NotificationStatus.PROCESSED, NotificationStatus.IGNORED)
"""Messages whose signature held: a forged one says nothing about whether the gateway reaches us."""
STATES: Final = {
    State.CLOSED: (_("closed"), Tone.GOOD, _("Calls go through.")),
    State.HALF_OPEN: (_("half open"), Tone.WARN, _("One call at a time goes through, to see whether it is back.")),
    State.OPEN: (_("open"), Tone.BAD, _("Nothing is sent: it failed too often.")),
}


def _snapshot(obj: GatewayAccount) -> Snapshot:
    """Asked for once per row, for all of its cells."""
    found: Snapshot | None = obj.__dict__.get("snapshot")
    if found is None:
        found = obj.__dict__["snapshot"] = breakers.look({obj.gateway})[obj.gateway]
    return found


def _breaker_chip(found: Snapshot) -> Cell:
    word, tone, title = STATES[found.effective]
    return (
        chip(_t("held %(state)s") % {"state": word}, Tone.WARN, _t("By staff."))
        if found.forced
        else chip(word, tone, title)
    )


def _held_words(obj: GatewayAccount) -> Text:
    held = BreakerOverride.objects.filter(gateway=obj.gateway).first()
    if held is None:
        return ""
    told = {"who": held.set_by.partition(":")[2], "until": timezone.localtime(held.until).strftime("%d/%m %H:%M")}
    return _t("by %(who)s until %(until)s") % told + f": {held.reason}"


def _rate_words(obj: GatewayAccount) -> Text:
    percent = gateway_health.percent(obj.code, at=clock.now(), over=gateway_health.SHORT)
    return "" if percent is None else _t("%(percent)s %% in the last 15 minutes") % {"percent": percent}


def _call_words(obj: GatewayAccount) -> Text:
    found = _snapshot(obj)
    calls = found.ok + found.failed
    return (
        _t("%(calls)s calls in 15 minutes, %(failed)s failed") % {"calls": calls, "failed": found.failed}
        if calls
        else ""
    )


def _last_call(obj: GatewayAccount) -> Cell:
    found = _snapshot(obj)
    last = max(found.ok_at or 0.0, found.failed_at or 0.0)
    return age(datetime.fromtimestamp(last, UTC), at=clock.now()) if last else NOTHING


def _last_call_words(obj: GatewayAccount) -> Text:
    found = _snapshot(obj)
    if not found.ok_at and not found.failed_at:
        return ""
    return _t("answered") if (found.ok_at or 0.0) >= (found.failed_at or 0.0) else _t("failed")


def _mode_words(obj: GatewayAccount) -> Cell:
    """When payments are opened at the gateway, and who says so."""
    if obj.gateway not in registry.GATEWAYS or not registry.GATEWAYS[obj.gateway].calls_to_open:
        return NOTHING
    mode = GatewayAccount.InvoiceMode(obj.invoice_mode or settings.INVOICE_MODE)
    return (
        mode.label
        if obj.invoice_mode
        else _t("%(mode)s, as DISABLE_CREATE_INVOICE_DIRECTLY says") % {"mode": mode.label}
    )


def _reach_chip(obj: GatewayAccount) -> Cell:
    """Whether its notifications can arrive, as far as our address tells; no look-up, so that a list stays fast."""
    if obj.gateway not in registry.GATEWAYS or not registry.GATEWAYS[obj.gateway].notifies:
        return NOTHING
    url = links.gateway_notify(obj)
    if not links.is_private(url, look_up=False):
        return chip(_t("public"), Tone.GOOD, url)
    if links.is_at_a_sandbox(obj):
        return chip(_t("this machine"), Tone.CALM, url)
    return chip(_t("not public"), Tone.BAD, _t("Nobody outside reaches %(url)s; set PUBLIC_URL.") % {"url": url})


@admin.register(GatewayAccount)
class GatewayAccountAdmin(ReadOnlyAdmin):
    """The account list and one account."""

    keyset = ("code",)
    list_display = ("code", "gateway", "mode", "state", "breaker", "success", "p95", "heard", "reachable")
    search_fields = ("code",)
    search_help_text = _("code")
    empty_list = _("No merchant account is configured.")
    deeds = gateway_deeds.DEEDS

    def get_queryset(self, request: HttpRequest) -> QuerySet[GatewayAccount]:
        """With the last genuine message of each, from its index."""
        heard = Notification.objects.filter(account=OuterRef("pk"), status__in=GENUINE).order_by("-received_at")
        rows: QuerySet[GatewayAccount] = super().get_queryset(request)
        return rows.annotate(heard_at=Subquery(heard.values("received_at")[:1]))

    def found(self, term: str) -> Sequence[Any]:
        """By code or id."""
        return [term, *GatewayAccount.objects.filter(code=term).values_list("pk", flat=True)]

    @admin.display(description=_("state"))
    def state(self, obj: GatewayAccount) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("breaker"))
    def breaker(self, obj: GatewayAccount) -> Cell:
        return _breaker_chip(_snapshot(obj))

    @admin.display(description=_("paid, 24 h"))
    def success(self, obj: GatewayAccount) -> Cell:
        return meter(gateway_health.percent(obj.code, at=clock.now()))

    @admin.display(description=_("95 % answer within"))
    def p95(self, obj: GatewayAccount) -> Cell:
        seconds = _snapshot(obj).percentile(0.95)
        return NOTHING if seconds is None else _t("%(n)s ms") % {"n": number(round(1000 * seconds))}

    @admin.display(description=_("last message"))
    def heard(self, obj: GatewayAccount) -> Cell:
        return age(getattr(obj, "heard_at", None), at=clock.now())

    @admin.display(description=_("reaches us"))
    def reachable(self, obj: GatewayAccount) -> Cell:
        return _reach_chip(obj)

    def name_of(self, obj: GatewayAccount) -> Cell:
        """Its code."""
        return obj.code

    def status_of(self, obj: GatewayAccount) -> Cell:
        """Whether it takes new payments."""
        return (
            chip(_("enabled"), Tone.GOOD)
            if obj.is_enabled
            else chip(_("disabled"), Tone.BAD, _("Money may still come."))
        )

    def headline(self, request: HttpRequest, obj: GatewayAccount) -> Sequence[Figure]:
        """Gateway, mode, last message."""
        return (
            Figure(_("Gateway"), obj.gateway),
            Figure(_("Mode"), obj.get_mode_display()),
            Figure(_("Breaker"), self.breaker(obj), _held_words(obj)),
            Figure(_("Paid, 24 hours"), self.success(obj), _rate_words(obj)),
            Figure(_("95 % answer within"), self.p95(obj), _call_words(obj)),
            Figure(_("Last call"), _last_call(obj), _last_call_words(obj)),
            Figure(_("Last message"), self.heard(obj)),
        )

    def panels(self, request: HttpRequest, obj: GatewayAccount) -> Sequence[Panel]:
        """Settings, and which secrets are there."""
        secrets = [
            (part.name, chip(_("set"), Tone.GOOD) if obj.secrets.get(part.name) else chip(_("not set")))
            for part in registry.setting_fields(obj.gateway)
            if part.secret
        ]
        rows = [
            (to("payments_paymentmethod", m.pk, m.code), m.name, yes_no(m.is_active))
            for m in PaymentMethod.objects.filter(account=obj)
        ]
        return (
            Facts(
                _("Settings"),
                (
                    (_("Fields"), fields_of(obj.settings)),
                    (_("Payments are opened"), _mode_words(obj)),
                    (_("Id"), identifier(obj.pk)),
                ),
            ),
            Facts(_("Secrets"), secrets or [(_("None"), NOTHING)]),
            Table(_("Methods"), columns(_("Method"), _("Name"), _("Offered")), rows, _("No method uses this account.")),
            Facts(
                _("Where"),
                (
                    (_("Gateway calls"), identifier(links.gateway_notify(obj))),
                    (_("Reaches us"), _reach_chip(obj)),
                    (_("Messages"), link(listing("payments_notification", gateway=obj.gateway), _("gateway messages"))),
                    (_("Ledger"), link(listing("ledger_account", q=obj.code), _("ledger accounts"))),
                ),
                is_wide=True,
            ),
        )


pages.register("gateway_account", "payments_gatewayaccount")
