"""The deed by which finance reads a gateway's settlement file for what it says of disputes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import NOTHING, Text, Tone, chip, clipped, money, number, to, when
from config.core.admin.deeds import Deed, Doing, Done
from config.core.admin.panels import Panel, Table, columns, num
from gateways.settlement.lines import LineKind
from payments.admin.kept_files import SHOWN, KeptFileForm
from payments.errors import SettlementRefused
from payments.models import GatewayAccount
from payments.services import dispute_files
from payments.services.dispute_files import ACTS, DisputeFile, Planned
from payments.services.dispute_lines import Verdict
from payments.services.hearing import Outcome

MOST: Final = 500
"""So many lines are booked while somebody waits for a page."""
VERDICTS: Final[Mapping[Verdict, tuple[Text, Tone]]] = {
    Verdict.OPENS: (_("opens a dispute"), Tone.WARN),
    Verdict.UNKNOWN_PAYMENT: (_("opens a dispute of nobody's payment, with a case"), Tone.BAD),
    Verdict.WINS: (_("won: the money came back"), Tone.GOOD),
    Verdict.ADDS: (_("known: adds what was taken"), Tone.BUSY),
    Verdict.KNOWN: (_("known already"), Tone.CALM),
    Verdict.DIFFERS: (_("known with another sum: a case"), Tone.BAD),
    Verdict.CHANGED: (_("money after its end: a case"), Tone.BAD),
    Verdict.NO_AMOUNT: (_("no amount: left alone"), Tone.WARN),
}


class SettlementFileForm(KeptFileForm):
    """A file and the account it is of."""

    account = forms.ModelChoiceField(
        label=_("Merchant account"), queryset=GatewayAccount.objects.none(), empty_label=None
    )
    file = forms.FileField(
        label=_("Settlement file"), help_text=_("As the gateway gives it: CSV, XLSX or JSON, up to 5 MB.")
    )
    field_order = ("account", "file", "kept")
    shelf = "settlement"
    missing = _("Choose the settlement file.")

    def prepare(self) -> None:
        """Only accounts whose gateway's files can be read, switched off ones too: disputes come late."""
        super().prepare()
        able = GatewayAccount.objects.filter(gateway__in=dispute_files.gateways_with_files())
        field: Any = self.fields["account"]
        field.queryset = able.order_by("code")
        if not able.exists():
            field.help_text = _("There is no account whose gateway has settlement files.")


def _read(data: Mapping[str, Any]) -> DisputeFile:
    return dispute_files.read(content=data["content"], name=data["name"], account=data["account"])


def _preview(obj: Any, data: Mapping[str, Any]) -> Sequence[Panel]:
    file = _read(data)
    heads = columns(
        num(_("Row")), _("What it would do"), num(_("Amount")), num(_("Fee")), _("Payment"), _("When"),
        _("Gateway's number"), _("Line"),
    )  # fmt: skip
    told = ", ".join(f"{VERDICTS[Verdict(word)][0]}: {number(count)}" for word, count in sorted(file.counts.items()))
    others = number(sum(file.others.values()))
    title = _t("%(file)s: what its lines about disputes would do (%(told)s)") % {"file": file.name, "told": told or "0"}
    notes = [_t("%(others)s lines are not about disputes and are left alone.") % {"others": others}]
    if len(file.lines) > SHOWN:
        notes.append(_t("The first %(shown)s of %(all)s.") % {"shown": SHOWN, "all": number(len(file.lines))})
    empty = _t("No line of this file is about a dispute; %(others)s are about other things.") % {"others": others}
    whole = ". ".join([title, *notes]) if file.lines else file.name
    return (Table(whole, heads, [_row(one) for one in file.lines[:SHOWN]], empty),)


def _row(one: Planned) -> tuple[Any, ...]:
    line, (word, tone) = one.line, VERDICTS[one.verdict]
    said = line.dispute_id or line.gateway_transaction_id or line.reference
    return (
        str(line.row),
        chip(word, tone),
        money(line.gross),
        money(line.fee, dash_zero=True),
        to("payments_payment", one.payment_id) if one.payment_id else NOTHING,
        when(line.occurred_at),
        clipped(said, 28) if said else NOTHING,
        _("money taken") if line.kind is LineKind.DISPUTE else _("money returned"),
    )


def _import(doing: Doing) -> Done:
    file = _read(doing.data)
    if sum(one.verdict in ACTS for one in file.lines) > MOST:
        raise SettlementRefused(
            _t("More than %(most)s lines would do something: let operations run import_disputes.") % {"most": MOST},
            field="file",
        )
    dispute_files.apply(file=file, actor=doing.actor, at=doing.at)
    did = [one for one in file.lines if one.outcome not in (None, Outcome.NOTHING_NEW)]
    failed = [one for one in file.lines if one.error]
    counts = {verdict: sum(one.verdict is verdict for one in did) for verdict in Verdict}
    done = _t("Opened: %(opened)s. Won: %(won)s. Given to a person: %(asked)s. Failed: %(failed)s.") % {
        "opened": counts[Verdict.OPENS] + counts[Verdict.UNKNOWN_PAYMENT],
        "won": counts[Verdict.WINS],
        "asked": counts[Verdict.UNKNOWN_PAYMENT] + counts[Verdict.DIFFERS] + counts[Verdict.CHANGED],
        "failed": len(failed),
    }
    why = [_t("Row %(row)s: %(why)s") % {"row": one.line.row, "why": one.error} for one in failed[:3]]
    return " ".join([done, *why])


READ: Final = Deed(
    name="read-settlement", label=_("Read a settlement file"), permission="payments.act_on_dispute", run=_import, form=SettlementFileForm,
    icon="upload_file", is_of_list=True, preview=_preview,
    explain=_("Finds the lines in which a gateway took disputed money or gave it back, and opens or ends the disputes. Each line counts once, however often a file is read; all other lines are left alone. Look at the preview first."),
)  # fmt: skip
