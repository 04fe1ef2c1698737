"""Roles: which group may do what (BACK_OFFICE 5.4). One table; groups are made from it and follow it.

Migrations call `ensure()`, which is safe to repeat; `manage.py ensure_roles` does the same after an update. A deed
checks its permission and its policy (another person, an amount): a role alone lets nobody approve their own work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.management import create_contenttypes

APPS: Final = ("core", "payments", "ledger", "settlements")
"""Whose permissions roles are made of."""

_ORDERS: Final = (
    "payments.view_payment", "payments.view_attempt", "payments.view_capture", "payments.view_refund", "payments.view_order",
    "payments.view_shop", "payments.view_emailmessagelog", "payments.view_paymentmethod", "payments.view_dispute",
    "payments.view_webhookdelivery",
)  # fmt: skip
_MONEY: Final = (
    *_ORDERS, "payments.view_moneycase", "payments.view_notification", "payments.view_gatewayaccount",
    "payments.view_routingrule", "core.view_approval", "ledger.view_account", "ledger.view_journalentry",
)  # fmt: skip
_PIPES: Final = (
    "core.view_deadletter", "core.change_deadletter", "core.view_outboxevent", "core.change_outboxevent",
    "core.view_jobrun", "core.view_retentionpolicy", "core.change_retentionpolicy", "core.view_retentionrun",
)  # fmt: skip

VIEW_EVERYTHING: Final = "view everything"
"""Stands for the view permission of every model of ours."""

ROLES: Final[dict[str, tuple[str, ...]]] = {
    "finance_viewer": _MONEY,
    "finance_operator": (
        *_MONEY, "payments.act_on_payment", "payments.request_refund", "payments.retry_refund", "payments.resolve_case",
        "payments.resend_email", "payments.export_payment", "payments.act_on_dispute", "payments.view_disputeevidence",
        "payments.forget_customer",
    ),
    "finance_approver": (*_MONEY, "payments.view_disputeevidence", "core.decide_approval", "payments.export_payment"),
    "treasury": (
        *_MONEY, "payments.retry_refund", "payments.export_payment", "payments.act_on_dispute",
        "payments.view_disputeevidence", "payments.add_routingrule", "payments.change_routingrule",
    ),
    "accountant": (*_MONEY, "payments.export_payment"),
    "support": (*_ORDERS, "payments.request_refund", "payments.resend_email"),
    "ops": (
        *_ORDERS, *_PIPES, "payments.view_notification", "payments.replay_notification", "payments.view_raw_notification",
        "payments.view_gatewayaccount", "payments.change_gatewayaccount", "payments.add_gatewayaccount",
        "payments.change_paymentmethod", "payments.add_paymentmethod", "payments.view_routingrule",
        "payments.add_routingrule", "payments.change_routingrule", "payments.forget_customer", "payments.view_webhookendpoint",
        "payments.add_webhookendpoint", "payments.change_webhookendpoint", "payments.act_on_webhook",
    ),
    "auditor": (VIEW_EVERYTHING,),
    "api_admin": ("core.view_apikey", "core.add_apikey", "core.change_apikey"),
}  # fmt: skip


def make(apps: Any, schema_editor: object) -> None:
    """What a migration runs after models or roles changed. Django makes permissions only after all migrations."""
    for app in apps.get_app_configs():
        if app.label not in APPS:
            continue
        app.models_module = True
        create_contenttypes(app, apps=apps, verbosity=0)
        create_permissions(app, apps=apps, verbosity=0)
        app.models_module = None
    ensure(apps.get_model("auth", "Group"), apps.get_model("auth", "Permission"))


def ensure(group_model: Any, permission_model: Any) -> None:
    """Make every role's group and give it exactly its permissions; those of apps that are not there yet are left out.

    Models come as arguments, since migrations have their own.
    """
    known = _known(permission_model)
    for role, names in ROLES.items():
        group, _made = group_model.objects.get_or_create(name=role)
        group.permissions.set(_of(names, known))


def _known(permission_model: Any) -> dict[str, Any]:
    rows = permission_model.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}": row for row in rows}


def _of(names: Iterable[str], known: dict[str, Any]) -> list[Any]:
    wanted = set(names)
    if VIEW_EVERYTHING in wanted:
        wanted |= {name for name in known if name.partition(".")[2].startswith("view_") and "raw" not in name}
    return [row for name, row in known.items() if name in wanted]
