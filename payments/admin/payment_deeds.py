"""What staff may do with a payment. Every deed is one call of a service."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import audit
from config.core.admin.cells import page, read_money
from config.core.admin.deeds import Deed, DeedForm, Doing, Done, NoQuestionForm, ReasonForm
from config.core.money import Money, MoneyError
from payments import links
from payments.admin import refund_form, transfer_deeds
from payments.models import EmailMessageLog, Payment
from payments.services import accounts, authorizations, cod, emails, expiry
from payments.states import PAYABLE, PaymentStatus


class CollectedForm(DeedForm):
    """The carrier's word that it has the cash."""

    carrier = forms.SlugField(
        label=_("Carrier"), max_length=40, help_text=_("Its short name, such as ghn or viettelpost.")
    )
    carrier_reference = forms.CharField(
        label=_("Carrier's reference"),
        max_length=60,
        help_text=_("The parcel or remittance number: the same one counts once."),
    )
    amount = forms.CharField(label=_("Cash collected"), max_length=30)

    def clean_amount(self) -> Money:
        """Exactly what was typed; the service compares it with what is owed."""
        try:
            return read_money(self.cleaned_data["amount"], self.obj.currency)
        except MoneyError as error:
            raise forms.ValidationError(error.message) from error


class ResendForm(ReasonForm):
    """Which letter again."""

    kind = forms.ChoiceField(label=_("E-mail"), choices=EmailMessageLog.Kind.choices)


def _refresh(doing: Doing) -> Done:
    payment = expiry.refresh(payment_id=doing.obj.pk, actor=doing.actor, at=doing.at)
    with transaction.atomic():
        audit.record(actor=doing.actor, action="payment.refreshed", object_type="payment", object_id=payment.pk)
    return _t("The gateway was asked. The payment is %(status)s.") % {"status": payment.get_status_display()}


def _cancel(doing: Doing) -> Done:
    authorizations.cancel(payment_id=doing.obj.pk, actor=doing.actor, reason=doing.reason, at=doing.at)
    return _t("The payment is cancelled.")


def _capture(doing: Doing) -> Done:
    payment = authorizations.capture(payment_id=doing.obj.pk, actor=doing.actor, at=doing.at)
    return _t("The payment is %(status)s.") % {"status": payment.get_status_display()}


def _resend(doing: Doing) -> Done:
    emails.resend(
        payment_id=doing.obj.pk,
        kind=EmailMessageLog.Kind(doing.data["kind"]),
        actor=doing.actor,
        reason=doing.reason,
        at=doing.at,
    )
    return _t("The e-mail will be sent again.")


def _collected(doing: Doing) -> Done:
    cod.collected(
        payment_id=doing.obj.pk,
        carrier=doing.data["carrier"],
        carrier_reference=doing.data["carrier_reference"],
        money=doing.data["amount"],
        actor=doing.actor,
        at=doing.at,
    )
    return _t("The cash is booked as collected.")


def _not_collected(doing: Doing) -> Done:
    cod.failed(payment_id=doing.obj.pk, reason=doing.reason, actor=doing.actor, at=doing.at)
    return _t("Noted: the cash was not collected.")


def _show_link(doing: Doing) -> Done:
    """The customer's page. Who took the link is kept: it shows the order to whoever has it."""
    with transaction.atomic():
        audit.record(actor=doing.actor, action="payment.link_shown", object_type="payment", object_id=doing.obj.pk)
    site: Any = refund_form.site()
    context = {
        **site.each_context(doing.request),
        "title": _("Pay link"),
        "address": links.pay_page(doing.obj),
        "back": page("payments_payment", doing.obj.pk),
    }
    return TemplateResponse(doing.request, "admin/pay_link.html", context, headers={"Cache-Control": "no-store"})


def _is_payable(payment: Payment) -> bool:
    return payment.status in PAYABLE


def _can_cancel(payment: Payment) -> bool:
    return payment.status in (*PAYABLE, PaymentStatus.AUTHORIZED)


def _waits_for_cash(payment: Payment) -> bool:
    return payment.method.account.gateway == "cod" and payment.status == PaymentStatus.AWAITING_PAYMENT


def _can_be_asked(payment: Payment) -> bool:
    return accounts.of(payment.method.account).notifies and payment.status != PaymentStatus.SUCCEEDED


DEEDS = (
    Deed(name="refresh", label=_("Ask the gateway"), permission="payments.act_on_payment", run=_refresh, form=NoQuestionForm, icon="sync", is_offered=_can_be_asked, explain=_("Every attempt that may have news is asked about, and the answer is believed like any other report.")),
    Deed(name="collected", label=_("Cash collected"), permission="payments.act_on_payment", run=_collected, form=CollectedForm, icon="payments", is_main=True, is_offered=_waits_for_cash, explain=_("Books that the carrier has the customer's cash and owes it to us.")),
    Deed(name="not-collected", label=_("Cash not collected"), permission="payments.act_on_payment", run=_not_collected, icon="money_off", is_offered=_waits_for_cash),
    transfer_deeds.CONFIRM,
    Deed(name="capture", label=_("Take the money"), permission="payments.act_on_payment", run=_capture, form=NoQuestionForm, icon="download_done", is_offered=lambda payment: payment.status == PaymentStatus.AUTHORIZED, explain=_("Takes all of what the gateway has reserved.")),
    refund_form.DEED,
    transfer_deeds.IMPORT,
    Deed(name="pay-link", label=_("Pay link"), permission="payments.act_on_payment", run=_show_link, form=NoQuestionForm, icon="link", is_offered=_is_payable, explain=_("Shows the customer's own page. Whoever has the link can see and pay this payment; that you took it is kept in the audit trail.")),
    Deed(name="resend", label=_("Send e-mail again"), permission="payments.resend_email", run=_resend, form=ResendForm, icon="forward_to_inbox"),
    Deed(name="cancel", label=_("Cancel"), permission="payments.act_on_payment", run=_cancel, icon="cancel", is_grave=True, is_offered=_can_cancel, explain=_("The gateway is asked first. Money that comes afterwards is held and opens a case.")),
)  # fmt: skip
