"""The sidebar: what a person may see, in the order of finance's day."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

Entry = tuple[Any, str, str, str, str]
"""Title, icon, address name, query, permission."""

GROUPS: Final[tuple[tuple[Any, tuple[Entry, ...]], ...]] = (
    ("", ((_("Today"), "today", "index", "", ""),)),
    (
        _("Money in"),
        (
            (_("Payments"), "payments", "payments_payment_changelist", "", "payments.view_payment"),
            (_("Attempts"), "swap_horiz", "payments_attempt_changelist", "", "payments.view_attempt"),
            (_("Captures"), "download_done", "payments_capture_changelist", "", "payments.view_capture"),
            (_("Orders"), "receipt_long", "payments_order_changelist", "", "payments.view_order"),
            (_("Shops"), "storefront", "payments_shop_changelist", "", "payments.view_shop"),
        ),
    ),
    (
        _("Decisions"),
        (
            (_("Refunds"), "undo", "payments_refund_changelist", "", "payments.view_refund"),
            (_("Disputes"), "gavel", "payments_dispute_changelist", "?status=open", "payments.view_dispute"),
            (
                _("Money cases"),
                "help",
                "payments_moneycase_changelist",
                "?status=unresolved",
                "payments.view_moneycase",
            ),
            (_("Approvals"), "how_to_reg", "core_approval_changelist", "?status=pending", "core.view_approval"),
        ),
    ),
    (
        _("Settlement"),
        (
            (
                _("Settlements"),
                "handshake",
                "settlements_shopordersettlement_changelist",
                "",
                "settlements.view_shopordersettlement",
            ),
            (
                _("Payout batches"),
                "account_balance",
                "settlements_payoutbatch_changelist",
                "",
                "settlements.view_payoutbatch",
            ),
            (_("Payouts"), "send_money", "settlements_payout_changelist", "", "settlements.view_payout"),
            (_("Reconciliation"), "rule", "settlements_run_changelist", "", "settlements.view_run"),
            (_("Exceptions"), "report", "settlements_exception_changelist", "", "settlements.view_exception"),
        ),
    ),
    (
        _("Books"),
        (
            (_("Accounts"), "book_2", "ledger_account_changelist", "", "ledger.view_account"),
            (_("Journals"), "receipt", "ledger_journalentry_changelist", "", "ledger.view_journalentry"),
            (_("Trial balance"), "balance", "ledger_trial_balance", "", "ledger.view_account"),
        ),
    ),
    (
        _("Operations"),
        (
            (_("Gateway messages"), "inbox", "payments_notification_changelist", "", "payments.view_notification"),
            (_("E-mails"), "mail", "payments_emailmessagelog_changelist", "", "payments.view_emailmessagelog"),
            (_("Webhooks out"), "send", "payments_webhookdelivery_changelist", "", "payments.view_webhookdelivery"),
            (_("Dead letters"), "report", "core_deadletter_changelist", "?status=open", "core.view_deadletter"),
            (_("Events"), "outbox", "core_outboxevent_changelist", "", "core.view_outboxevent"),
            (_("Jobs"), "schedule", "core_jobrun_changelist", "", "core.view_jobrun"),
            (
                _("Retention"),
                "auto_delete",
                "core_retentionpolicy_changelist",
                "",
                "core.view_retentionpolicy",
            ),
        ),
    ),
    (
        _("Set-up"),
        (
            (
                _("Payment methods"),
                "credit_card",
                "payments_paymentmethod_changelist",
                "",
                "payments.view_paymentmethod",
            ),
            (_("Channel catalogue"), "apps", "payments_channel_catalogue", "", "payments.view_paymentmethod"),
            (_("Gateways"), "hub", "payments_gatewayaccount_changelist", "", "payments.view_gatewayaccount"),
            (_("Routing rules"), "alt_route", "payments_routingrule_changelist", "", "payments.view_routingrule"),
            (
                _("Webhook endpoints"),
                "webhook",
                "payments_webhookendpoint_changelist",
                "",
                "payments.view_webhookendpoint",
            ),
            (_("API keys"), "key", "core_apikey_changelist", "", "core.view_apikey"),
            (_("People"), "group", "core_user_changelist", "", "core.view_user"),
            (_("Audit trail"), "history", "core_auditentry_changelist", "", "core.view_auditentry"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups that have something for this person."""
    found = []
    for title, entries in GROUPS:
        items = [item for entry in entries if (item := _item(request, entry))]
        if items:
            found.append({"title": title, "separator": False, "items": items})
    return found


def _item(request: HttpRequest, entry: Entry) -> dict[str, Any] | None:
    title, icon, name, query, permission = entry
    if permission and not request.user.has_perm(permission):
        return None
    try:
        address = reverse(f"admin:{name}")
    except NoReverseMatch:  # a page that is not part of this installation
        return None
    is_list = name != "index" and not request.path.endswith(("/trial-balance/", "/channels/"))
    active = request.path == address or (is_list and request.path.startswith(address))
    return {"title": title, "icon": icon, "link": address + query, "active": active}


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """The links under a person's name."""
    other, name = ("en", "English") if (get_language() or "vi").startswith("vi") else ("vi", "Tiếng Việt")
    return [
        {"title": name, "link": reverse("admin:language", args=[other])},
        {"title": _("Change password"), "link": reverse("admin:password_change")},
    ]


def environment(request: HttpRequest) -> list[str] | None:
    """A mark on every page that is not production."""
    colours = {"development": "info", "test": "info", "staging": "warning"}
    colour = colours.get(settings.ENVIRONMENT)
    return [settings.ENVIRONMENT, colour] if colour else None
