"""What staff may do with a merchant account and its gateway's breaker. Secrets go in and never come out."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.http import HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import page
from config.core.admin.deeds import Deed, DeedForm, Doing, Done, ReasonForm
from config.core.breaker import State
from config.core.errors import Unavailable
from gateways import registry
from payments.models import BreakerOverride, GatewayAccount
from payments.services import breakers, catalogue, gateway_watch
from payments.services.gateway_watch import Verdict

HOURS: Final = (1, 2, 4, 8, 24, 72, 168)
WORDS: Final = {
    Verdict.FINE: _("It answers, and accepts our signature."),
    Verdict.NOT_NEEDED: _("This needs no provider: there is nobody to ask."),
    Verdict.ODD: _("It answered oddly; compare keys and mode."),
    Verdict.REFUSED: _("It refuses us; correct the keys."),
    Verdict.SILENT: _("It does not answer."),
    Verdict.UNUSABLE: _("Its settings are unusable."),
}


class AccountForm(ReasonForm):
    """An account's settings, one field each as its adapter names them; secrets are empty and stay when left so."""

    is_enabled = forms.BooleanField(label=_("Enabled"), required=False)
    invoice_mode = forms.ChoiceField(
        label=_("Payments are opened"),
        required=False,
        choices=[("", _("as DISABLE_CREATE_INVOICE_DIRECTLY says")), *GatewayAccount.InvoiceMode.choices],
        help_text=_(
            "In the background the customer's request calls nobody: our pay page goes on once the gateway answered."
        ),
    )

    def prepare(self) -> None:
        """The fields of the gateway."""
        account: GatewayAccount = self.obj
        self.initial = {"is_enabled": account.is_enabled, "invoice_mode": account.invoice_mode}
        if not registry.GATEWAYS[account.gateway].calls_to_open:
            del self.fields["invoice_mode"]
        self.parts = registry.setting_fields(account.gateway)
        for part in self.parts:
            if part.secret:
                has_one = bool(account.secrets.get(part.name))
                self.fields[f"s_{part.name}"] = forms.CharField(
                    label=part.name,
                    required=part.required and not has_one,
                    widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
                    help_text=_t("Secret; leave it empty to keep the present one.")
                    if has_one
                    else _t("Secret; it cannot be read again."),
                )
            elif part.is_mapping:
                self.fields[f"s_{part.name}"] = forms.CharField(
                    label=part.name,
                    required=part.required,
                    widget=forms.Textarea(attrs={"rows": 6}),
                    initial=_as_json(account.settings.get(part.name)),
                    help_text=_t("A JSON object."),
                )
            else:
                self.fields[f"s_{part.name}"] = forms.CharField(
                    label=part.name, required=part.required, initial=account.settings.get(part.name, part.default)
                )
        self.order_fields([*(f"s_{part.name}" for part in self.parts), "invoice_mode", "is_enabled", "reason"])


class NewAccountForm(DeedForm):
    """A further account at a gateway."""

    code = forms.SlugField(
        label=_("Code"), max_length=40, help_text=_("Names its ledger account and its addresses; it never changes.")
    )
    gateway = forms.ChoiceField(label=_("Gateway"), choices=[(code, code) for code in sorted(registry.GATEWAYS)])
    mode = forms.ChoiceField(label=_("Mode"), choices=GatewayAccount.Mode.choices)


class HoldForm(ReasonForm):
    """For how long, and why."""

    hours = forms.TypedChoiceField(
        label=_("For"), choices=[(hours, _("%(n)s hours") % {"n": hours}) for hours in HOURS], coerce=int, initial=1
    )
    field_order = ("hours", "reason")


def _as_json(value: object) -> str:
    """A mapping as it may be edited; it is kept as it was typed, and the registry reads both."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2) if value else ""


def _save_account(doing: Doing) -> Done:
    account = GatewayAccount.objects.get(pk=doing.obj.pk)
    parts = registry.setting_fields(account.gateway)
    given = {part.name: doing.data[f"s_{part.name}"] for part in parts}
    secret_names = {part.name for part in parts if part.secret}
    catalogue.save_account(
        account=account,
        settings={name: value for name, value in given.items() if name not in secret_names and value != ""},
        secrets={name: value for name, value in given.items() if name in secret_names},
        is_enabled=doing.data["is_enabled"],
        invoice_mode=doing.data.get("invoice_mode"),
        actor=doing.actor,
        reason=doing.reason,
    )
    return _t("Saved. Other processes use it within seconds.")


def _new_account(doing: Doing) -> Done:
    account = catalogue.begin_account(
        code=doing.data["code"], gateway=doing.data["gateway"], mode=doing.data["mode"], actor=doing.actor
    )
    return HttpResponseRedirect(f"{page('payments_gatewayaccount', account.pk).removesuffix('change/')}do/edit/")


def _test(doing: Doing) -> Done:
    answer = gateway_watch.test_call(doing.obj, actor=doing.actor, reason=doing.reason, at=doing.at)
    words = " ".join(filter(None, [str(WORDS[answer.verdict]), answer.text, f"({answer.seconds:.2f} s)"]))
    if answer.verdict not in (Verdict.FINE, Verdict.NOT_NEEDED):
        raise Unavailable(words)  # told beside the form: nothing is well
    return words


def _hold(doing: Doing, state: State) -> Done:
    until = doing.at + timedelta(hours=doing.data["hours"])
    breakers.force(
        gateway=doing.obj.gateway, state=state, until=until, actor=doing.actor, reason=doing.reason, at=doing.at
    )
    return _t("Held until %(until)s.") % {"until": timezone.localtime(until).strftime("%d/%m/%Y %H:%M")}


def _hold_open(doing: Doing) -> Done:
    return _hold(doing, State.OPEN)


def _hold_closed(doing: Doing) -> Done:
    return _hold(doing, State.CLOSED)


def _release(doing: Doing) -> Done:
    breakers.release(gateway=doing.obj.gateway, actor=doing.actor, reason=doing.reason)
    return _t("Released: it decides by itself again.")


def _is_held(obj: Any) -> bool:
    return BreakerOverride.objects.filter(gateway=obj.gateway).exists()


DEEDS: Final = (
    Deed(name="new", label=_("New account"), permission="payments.add_gatewayaccount", run=_new_account, form=NewAccountForm, icon="add", is_main=True, is_of_list=True, explain=_("It begins disabled; its settings are asked for on the next page.")),
    Deed(name="edit", label=_("Change settings"), permission="payments.change_gatewayaccount", run=_save_account, form=AccountForm, icon="edit", explain=_("The adapter is built from these before they are saved, so that odd settings are refused here.")),
    Deed(name="test", label=_("Test call"), permission="payments.change_gatewayaccount", run=_test, icon="network_check", is_main=True, explain=_("Asks the gateway about a payment that nobody made. It costs nothing and changes nothing.")),
    Deed(name="hold-open", label=_("Hold breaker open"), permission="payments.change_gatewayaccount", run=_hold_open, form=HoldForm, icon="power_off", is_grave=True, explain=_("Nothing is sent to this gateway, by none of its accounts: payments by it are refused or go another way, refunds and questions wait.")),
    Deed(name="hold-closed", label=_("Hold breaker closed"), permission="payments.change_gatewayaccount", run=_hold_closed, form=HoldForm, icon="power", explain=_("Everything is sent to this gateway, however it does, and waits for its time-outs.")),
    Deed(name="release", label=_("Release breaker"), permission="payments.change_gatewayaccount", run=_release, icon="restart_alt", is_offered=_is_held, explain=_("The breaker decides by itself again.")),
)  # fmt: skip
