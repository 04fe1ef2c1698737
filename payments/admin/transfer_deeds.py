"""Deeds about bank transfers: confirming one, importing a statement, naming the payment of money that nobody named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any, Final

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import NOTHING, Text, Tone, chip, clipped, money, read_money, to, when
from config.core.admin.deeds import Deed, DeedForm, Doing, Done
from config.core.admin.panels import Panel, Table, columns, num
from config.core.money import Money, MoneyError
from gateways.bank_transfer import formats
from payments.admin.kept_files import SHOWN, KeptFileForm
from payments.models import GatewayAccount, MoneyCase, Payment
from payments.services import naming, statements, transfers
from payments.services.hearing import Outcome
from payments.services.statements import Planned, Verdict
from payments.services.transfers import Transfer
from payments.states import CaseStatus

OWN: Final = "own"
"""The choice of an account's own columns."""

VERDICTS: Final[dict[Verdict, tuple[Text, Tone]]] = {
    Verdict.PAYS: (_("pays"), Tone.GOOD),
    Verdict.HELD: (_("held with a case"), Tone.WARN),
    Verdict.UNKNOWN_REFERENCE: (_("unknown reference, held with a case"), Tone.WARN),
    Verdict.NO_REFERENCE: (_("no reference"), Tone.CALM),
    Verdict.KNOWN: (_("known already"), Tone.CALM),
    Verdict.DIFFERS: (_("known with another amount"), Tone.BAD),
    Verdict.MONEY_OUT: (_("money out"), Tone.CALM),
}
OUTCOMES: Final[dict[Outcome, Text]] = {
    Outcome.APPLIED: _("The transfer is booked and the payment is paid."),
    Outcome.ALREADY_APPLIED: _("This transfer was booked before; nothing was changed."),
}


# --- One transfer ----------------------------------------------------------------------------------------------------
class TransferForm(DeedForm):
    """What the bank's statement says of one transfer."""

    bank_reference = forms.CharField(
        label=_("Bank's number"), max_length=70, help_text=_("As the statement has it: the same one counts once.")
    )
    amount = forms.CharField(label=_("Amount that came"), max_length=30)
    value_date = forms.DateField(label=_("Value date"), widget=forms.DateInput(attrs={"type": "date"}))
    text = forms.CharField(label=_("Text of the transfer"), max_length=250, required=False)

    def clean_amount(self) -> Money:
        """Exactly what was typed: another sum than is owed is held."""
        try:
            return read_money(self.cleaned_data["amount"], self.obj.currency)
        except MoneyError as error:
            raise forms.ValidationError(error.message) from error


def _confirm(doing: Doing) -> Done:
    day = doing.data["value_date"]
    transfer = Transfer(
        number=doing.data["bank_reference"],
        money=doing.data["amount"],
        occurred_at=timezone.make_aware(datetime.combine(day, time())),
        text=doing.data["text"],
    )
    outcome = transfers.confirm(payment_id=doing.obj.pk, transfer=transfer, actor=doing.actor, at=doing.at)
    return str(OUTCOMES.get(outcome, _("The money is held, and a case was opened.")))


def _is_by_transfer(payment: Payment) -> bool:
    """Also after its end, and when it is paid: money is a fact, and a second transfer is one too."""
    return bool(payment.attempts.filter(account__gateway=transfers.GATEWAY).exists())


CONFIRM: Final = Deed(
    name="confirm-transfer", label=_("Confirm transfer"), permission="payments.act_on_payment", run=_confirm, form=TransferForm,
    icon="account_balance", is_main=True, is_offered=_is_by_transfer,
    explain=_("Books that the money is on our bank account. It pays the payment if it is exactly what is owed; otherwise it is held in suspense and a case opens."),
)  # fmt: skip


# --- A statement -----------------------------------------------------------------------------------------------------
class StatementForm(KeptFileForm):
    """A file, its account, its columns."""

    account = forms.ModelChoiceField(label=_("Bank account"), queryset=GatewayAccount.objects.none(), empty_label=None)
    bank = forms.ChoiceField(label=_("Columns"))
    file = forms.FileField(label=_("Statement"), help_text=_("CSV (UTF-8) or XLSX, up to 5 MB."))
    hold_rest = forms.BooleanField(
        label=_("Hold money without a reference too"),
        required=False,
        help_text=_("Lines in which no reference stands go to suspense with a case. Left out, they are not booked."),
    )
    field_order = ("account", "bank", "file", "hold_rest", "kept")
    shelf = "statement"
    missing = _("Choose the statement's file.")

    def prepare(self) -> None:
        """The accounts and maps there are."""
        super().prepare()
        account, bank = self.fields["account"], self.fields["bank"]
        assert isinstance(account, forms.ModelChoiceField) and isinstance(bank, forms.ChoiceField), "as declared above"
        account.queryset = GatewayAccount.objects.filter(gateway=transfers.GATEWAY).order_by("code")
        bank.choices = [
            (OWN, _("as set for the account")),
            *((name, name.upper()) for name in sorted(formats.FORMATS)),
        ]


def _read(data: Mapping[str, Any]) -> statements.Statement:
    bank = "" if data["bank"] == OWN else data["bank"]
    return statements.read(content=data["content"], name=data["name"], account=data["account"], bank=bank)


def _preview(obj: Any, data: Mapping[str, Any]) -> Sequence[Panel]:
    statement = _read(data)
    lines = [one for one in statement.lines if one.verdict is not Verdict.MONEY_OUT]
    heads = columns(
        num(_("Row")), _("Day"), _("Bank's number"), num(_("Amount")), _("What it would do"), _("Payment"), _("Text")
    )
    told = ", ".join(f"{VERDICTS[Verdict(word)][0]}: {count}" for word, count in sorted(statement.counts.items()))
    title = _t("What the lines would do (%(told)s)") % {"told": told or "0"}
    return (Table(title, heads, [_row(one) for one in lines[:SHOWN]], _("No money came in by this statement.")),)


def _row(one: Planned) -> tuple[Any, ...]:
    word, tone = VERDICTS[one.verdict]
    if one.problem and one.verdict is Verdict.HELD:
        word = f"{word}: {one.problem.label}"
    return (
        str(one.line.row),
        when(one.transfer.occurred_at),
        clipped(one.transfer.number, 24),
        money(one.transfer.money),
        chip(word, tone),
        to("payments_payment", one.payment.id) if one.payment else NOTHING,
        clipped(one.transfer.text, 60),
    )


def _import(doing: Doing) -> Done:
    found = statements.book(
        statement=_read(doing.data), actor=doing.actor, at=doing.at, hold_rest=doing.data["hold_rest"]
    ).outcomes
    paid, failed = found.pop(Outcome.APPLIED.value, 0), found.pop("error", 0)
    found.pop(Outcome.ALREADY_APPLIED.value, 0)
    return _t("Payments paid: %(paid)s. Held with a case: %(held)s. Could not be booked: %(failed)s.") % {
        "paid": paid,
        "held": sum(found.values()),
        "failed": failed,
    }


IMPORT: Final = Deed(
    name="import-statement", label=_("Import bank statement"), permission="payments.act_on_payment", run=_import, form=StatementForm,
    icon="upload_file", is_of_list=True, preview=_preview,
    explain=_("Finds our references in the transfers' texts and books each line once, however often a file is imported. Look at the preview first."),
)  # fmt: skip


# --- Money that nobody named -----------------------------------------------------------------------------------------
class NameForm(DeedForm):
    """Which payment the money is for."""

    payment = forms.CharField(label=_("Payment"), max_length=40, help_text=_("Its id, such as pay_…"))
    reason = forms.CharField(label=_("How you know"), max_length=250, widget=forms.Textarea(attrs={"rows": 2}))


def _name(doing: Doing) -> Done:
    naming.name_payment(
        case_id=doing.obj.pk,
        payment_id=doing.data["payment"].strip(),
        reason=doing.reason,
        actor=doing.actor,
        at=doing.at,
    )
    return _t("The money is this payment's now. Propose what to do with it.")


def _is_nameless(case: MoneyCase) -> bool:
    is_transfer = case.capture is not None and case.capture.account.gateway == transfers.GATEWAY
    return is_transfer and case.payment_id is None and case.status == CaseStatus.OPEN


NAME: Final = Deed(
    name="name-payment", label=_("Name the payment"), permission="payments.resolve_case", run=_name, form=NameForm,
    icon="link", is_offered=_is_nameless,
    explain=_("For a transfer without our reference: says which payment it is for. The money stays in suspense until two people apply it."),
)  # fmt: skip
