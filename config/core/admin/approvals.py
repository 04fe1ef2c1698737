"""The approvals queue: what waits for a second person, and what became of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import approvals, clock
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, Text, Tone, age, chip, clipped, money, short, when
from config.core.admin.deeds import Deed, Doing, Done, ReasonForm
from config.core.admin.panels import Facts, Figure, Panel, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import Approval
from config.core.money import Money

S = Approval.Status
STATES: Final[dict[str, tuple[Tone, Text]]] = {
    S.PENDING: (Tone.WARN, _("Somebody other than who asked has to decide.")),
    S.APPROVED: (Tone.GOOD, _("A second person agreed.")),
    S.REJECTED: (Tone.BAD, _("A second person refused.")),
    S.EXPIRED: (Tone.CALM, _("Nobody decided in time.")),
    S.VOID: (Tone.CALM, _("What was asked for changed before it was decided.")),
}
DEEDS: Final[dict[str, Text]] = {
    "refund.release": _("Release a refund"),
    "money_case.resolve": _("Resolve a money case"),
}
"""What can be asked for, in words; settlements adds its own by `name_deed`."""


def name_deed(action: str, name: Text) -> None:
    """Say what an action is called."""
    DEEDS[action] = name


class ApproveForm(ReasonForm):
    """A yes; a remark is welcome."""

    reason = forms.CharField(
        label=_("Remark"), max_length=250, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


def approve(doing: Doing) -> Done:
    """Say yes; the deed is done at once."""
    approval = approvals.approve(
        approval_id=_approval_of(doing.obj), checker=doing.user, reason=doing.reason, at=doing.at
    )
    if approval.executed_at is None:
        return _t("Approved, but it could not be done yet: %(error)s It is tried again.") % {
            "error": approval.execution_error
        }
    return _t("Approved and done.")


def reject(doing: Doing) -> Done:
    """Say no."""
    approvals.reject(approval_id=_approval_of(doing.obj), checker=doing.user, reason=doing.reason, at=doing.at)
    return _t("Rejected.")


def _approval_of(obj: Any) -> str:
    """The id of an approval, or of the one that a refund or a case waits for."""
    return str(obj.pk if isinstance(obj, Approval) else obj.approval_id)


def _is_pending(obj: Any) -> bool:
    approval = obj if isinstance(obj, Approval) else obj.approval
    return approval is not None and approval.status == S.PENDING


APPROVE: Final = Deed(
    name="approve", label=_("Approve"), permission="core.decide_approval", run=approve, form=ApproveForm, icon="check",
    is_main=True, is_offered=_is_pending, explain=_("You confirm what was asked for, exactly as it stands below. It is done at once. Nobody approves what they asked for."),
)  # fmt: skip
REJECT: Final = Deed(
    name="reject", label=_("Reject"), permission="core.decide_approval", run=reject, icon="close", is_grave=True,
    is_offered=_is_pending,
)  # fmt: skip


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """The queue and one request."""

    list_display = ("asked", "deed_name", "thing", "amount_money", "maker_name", "why", "state", "waits")
    list_display_links = ("asked",)
    list_filter = (filters.choice(_("state"), "status", "status", S.choices),)
    list_select_related = ("checker",)
    search_fields = ("id",)
    search_help_text = _("id of the approval or of its refund or case")
    empty_list = _("Nothing waits for a second person.")
    deeds = (APPROVE, REJECT)

    def found(self, term: str) -> Sequence[Any]:
        """By its own id or its object's."""
        by_object = Approval.objects.filter(object_id=term).values_list("pk", flat=True)[:200]
        return [term, *by_object]

    @admin.display(description=_("asked"))
    def asked(self, obj: Approval) -> Cell:
        return when(obj.created_at)

    @admin.display(description=_("deed"))
    def deed_name(self, obj: Approval) -> Cell:
        return str(DEEDS.get(obj.action, obj.action))

    @admin.display(description=_("of"))
    def thing(self, obj: Approval) -> Cell:
        return links.to_object(obj.object_type, obj.object_id)

    @admin.display(description=_("amount"))
    def amount_money(self, obj: Approval) -> Cell:
        return _amount(obj)

    @admin.display(description=_("reason"))
    def why(self, obj: Approval) -> Cell:
        return clipped(obj.reason, 40)

    @admin.display(description=_("state"))
    def state(self, obj: Approval) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("waits"))
    def waits(self, obj: Approval) -> Cell:
        return age(obj.created_at, at=clock.now()) if _is_pending(obj) else NOTHING

    def name_of(self, obj: Approval) -> Cell:
        """What is asked for."""
        return self.deed_name(obj)

    def status_of(self, obj: Approval) -> Cell:
        """Its state in words."""
        tone, words = STATES[obj.status]
        return chip(obj.get_status_display(), tone, words)

    def headline(self, request: HttpRequest, obj: Approval) -> Sequence[Figure]:
        """How much, who asked, until when."""
        return (
            Figure(_("Amount"), _amount(obj)),
            Figure(_("Asked by"), obj.maker_name),
            Figure(_("Asked"), when(obj.created_at)),
            Figure(_("Decide until"), when(obj.expires_at)),
        )

    def panels(self, request: HttpRequest, obj: Approval) -> Sequence[Panel]:
        """What both people see, and the decision."""
        return (
            Facts(
                _("What is asked for"),
                (
                    (_("Of"), self.thing(obj)),
                    (_("Reason"), obj.reason),
                    (_("Exactly"), fields_of(_masked(obj.payload))),
                    (_("Fingerprint"), short(obj.payload_hash[:16])),
                ),
            ),
            Facts(
                _("Decision"),
                (
                    (_("State"), self.status_of(obj)),
                    (_("By"), obj.checker.email if obj.checker else NOTHING),
                    (_("When"), when(obj.decided_at)),
                    (_("Remark"), obj.decision_reason or NOTHING),
                    (_("Done"), when(obj.executed_at)),
                    (_("Tries"), str(obj.execution_attempts)),
                    (_("Error"), obj.execution_error or NOTHING),
                ),
            ),
        )


def _masked(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload without the middle of bank account numbers: the checker compares their ends on the refund."""
    bank = payload.get("bank_details")
    if not bank:
        return payload
    shown = {name: f"…{str(value)[-4:]}" if name == "account_number" else value for name, value in bank.items()}
    return {**payload, "bank_details": shown}


def _amount(obj: Approval) -> Cell:
    return NOTHING if obj.amount_minor is None else money(Money(obj.amount_minor, obj.currency))


links.register("approval", "core_approval")
