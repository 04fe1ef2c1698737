"""What staff may do with a dispute. Every deed is one call of a service; where money is decided, two people agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core.admin import approvals as approvals_page
from config.core.admin.cells import page, read_money
from config.core.admin.deeds import Deed, DeedForm, Doing, Done, NoQuestionForm, ReasonForm
from config.core.admin.panels import Panel
from config.core.models import Approval
from config.core.money import EXPONENTS, Money, MoneyError
from ledger.admin import t_accounts
from payments import postings
from payments.admin import dispute_files
from payments.models import AttemptEvent, Dispute, DisputeEvidence, GatewayAccount
from payments.services import dispute_answers, dispute_booking, dispute_by_hand, dispute_decisions, evidence
from payments.services.dispute_decisions import Decision

STAFF: Final = AttemptEvent.Source.STAFF
ACT: Final = "payments.act_on_dispute"


class EvidenceForm(DeedForm):
    """One document."""

    file = forms.FileField(
        label=_("Document"),
        help_text=_("PDF, PNG or JPEG, 5 MB at most. It is kept encrypted."),
        widget=forms.FileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg"}),
    )
    purpose = forms.ChoiceField(label=_("What it shows"), choices=DisputeEvidence.Purpose.choices)

    def clean_file(self) -> Any:
        """A large file is refused before it is read."""
        file = self.cleaned_data["file"]
        if file.size > evidence.MAX_BYTES:
            raise ValidationError(_("A file is 5 MB at most."))
        return file


class ContestForm(DeedForm):
    """What we say, and which documents go with it."""

    text = forms.CharField(
        label=_("What happened"),
        max_length=dispute_answers.MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 8, "autofocus": True}),
        help_text=_(
            "In plain words, for the customer's bank: what was bought, when it was delivered, what was agreed."
        ),
    )
    documents = forms.MultipleChoiceField(
        label=_("Documents"), required=False, widget=forms.CheckboxSelectMultiple, help_text=_("Add them before.")
    )

    def prepare(self) -> None:
        """All documents, chosen."""
        kept = self.obj.evidence.order_by("added_at", "id").only("id", "name", "purpose")
        field: Any = self.fields["documents"]
        field.choices = [(one.pk, f"{one.name} · {one.get_purpose_display()}") for one in kept]
        self.initial = {"documents": [key for key, _label in field.choices], "text": self.obj.answer_text}


class EndForm(ReasonForm):
    """How it ended."""

    end = forms.ChoiceField(
        label=_("The gateway wrote that it is"),
        choices=((Decision.WON, _("won: the money comes back")), (Decision.LOST, _("lost: the money is gone"))),
        widget=forms.RadioSelect,
    )
    field_order = ("end", "reason")


class AttachForm(ReasonForm):
    """Whose money it is."""

    payment_id = forms.CharField(label=_("Payment"), max_length=40, help_text=_("Its id: pay_…"))
    field_order = ("payment_id", "reason")


class OpenForm(ReasonForm):
    """What a gateway's e-mail or portal says."""

    account = forms.ModelChoiceField(label=_("Merchant account"), queryset=GatewayAccount.objects.none())
    gateway_dispute_id = forms.CharField(
        label=_("Gateway's number of the dispute"), max_length=100, help_text=_("The same number counts once.")
    )
    payment_id = forms.CharField(
        label=_("Payment"), max_length=40, required=False, help_text=_("Its id: pay_… Leave it empty if nobody knows.")
    )
    amount = forms.CharField(label=_("Disputed amount"), max_length=30)
    currency = forms.ChoiceField(label=_("Currency"), choices=[(code, code) for code in EXPONENTS], initial="VND")
    fee = forms.CharField(label=_("Gateway's fee"), max_length=30, required=False)
    why = forms.ChoiceField(label=_("What the customer says"), choices=Dispute.Reason.choices)
    is_inquiry = forms.BooleanField(label=_("Only an inquiry: no money is taken"), required=False)
    is_withdrawn = forms.BooleanField(
        label=_("The gateway has taken the money"), required=False, initial=True, help_text=_("Booked at once.")
    )
    respond_by = forms.DateTimeField(
        label=_("Answer until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    field_order = (
        "account", "gateway_dispute_id", "payment_id", "amount", "currency", "fee", "why", "respond_by", "is_inquiry",
        "is_withdrawn", "reason",
    )  # fmt: skip

    def prepare(self) -> None:
        """Every account: a dispute may come long after one was switched off."""
        account: Any = self.fields["account"]
        account.queryset = GatewayAccount.objects.order_by("code")
        self.fields["reason"].widget.attrs.pop("autofocus", None)  # it stands last

    def clean(self) -> dict[str, Any]:
        """Amounts as Money."""
        data: dict[str, Any] = super().clean() or {}
        for name in ("amount", "fee"):
            text = str(data.get(name) or "").strip()
            try:
                data[name] = read_money(text, data.get("currency") or "VND") if text else None
            except MoneyError as error:
                self.add_error(name, ValidationError(error.message))
        if isinstance(data.get("amount"), Money) and data["amount"].minor <= 0:
            self.add_error("amount", _("Say how much."))
        return data


def _add_evidence(doing: Doing) -> Done:
    file = doing.data["file"]
    evidence.add(
        dispute_id=doing.obj.pk,
        name=file.name,
        content=file.read(),
        purpose=DisputeEvidence.Purpose(doing.data["purpose"]),
        source=STAFF,
        actor=doing.actor,
        at=doing.at,
    )
    return _t("The document is kept.")


def _contest(doing: Doing) -> Done:
    dispute = dispute_answers.submit(
        dispute_id=doing.obj.pk,
        text=doing.data["text"],
        evidence_ids=doing.data["documents"],
        source=STAFF,
        actor=doing.actor,
        at=doing.at,
    )
    if dispute.answer_state == Dispute.AnswerState.REFUSED:
        return _t("The gateway refused the answer: %(error)s") % {"error": dispute.answer_failure}
    if dispute.answer_state == Dispute.AnswerState.UNKNOWN:
        return _t("The gateway did not say whether it has the answer; it is asked.")
    return _t("The dispute is contested.")


def _accept(doing: Doing) -> Done:
    dispute = dispute_decisions.accept(
        dispute_id=doing.obj.pk, reason=doing.reason, maker=doing.user, actor=doing.actor, source=STAFF, at=doing.at
    )
    if dispute.answer != Dispute.Answer.ACCEPT:
        return _t("Proposed. Somebody else has to approve it.")
    return _t("The dispute is given up.")


def _end(doing: Doing) -> Done:
    return _propose(doing, Decision(doing.data["end"]))


def _platform(doing: Doing) -> Done:
    return _propose(doing, Decision.PLATFORM)


def _propose(doing: Doing, decision: Decision) -> Done:
    dispute_decisions.propose(
        dispute_id=doing.obj.pk, decision=decision, reason=doing.reason, maker=doing.user, at=doing.at
    )
    return _t("Proposed. Somebody else has to approve it.")


def _ask(doing: Doing) -> Done:
    dispute = dispute_answers.refresh(dispute_id=doing.obj.pk, actor=doing.actor, at=doing.at)
    return _t("The gateway was asked. The dispute is %(status)s.") % {"status": dispute.get_status_display()}


def _attach(doing: Doing) -> Done:
    dispute_by_hand.attach(
        dispute_id=doing.obj.pk,
        payment_id=doing.data["payment_id"].strip(),
        actor=doing.actor,
        reason=doing.reason,
        at=doing.at,
    )
    return _t("The dispute is this payment's now.")


def _open(doing: Doing) -> Done:
    data = doing.data
    wish = dispute_by_hand.NewDispute(
        account=data["account"],
        gateway_dispute_id=data["gateway_dispute_id"],
        money=data["amount"],
        payment_id=data["payment_id"].strip(),
        fee=data["fee"],
        reason=data["why"],
        is_inquiry=data["is_inquiry"],
        is_withdrawn=data["is_withdrawn"],
        respond_by=data["respond_by"],
    )
    dispute = dispute_by_hand.open_by_hand(wish=wish, actor=doing.actor, why=doing.reason, at=doing.at)
    return HttpResponseRedirect(page("payments_dispute", dispute.pk))


def preview_lost(dispute: Dispute, data: Mapping[str, Any]) -> Sequence[Panel]:
    """The journal that losing would book."""
    return (t_accounts.of_lines(dispute_booking.draft_lost(dispute), _("What will be booked")),)


def _preview_end(dispute: Dispute, data: Mapping[str, Any]) -> Sequence[Panel]:
    if data["end"] == Decision.LOST:
        return preview_lost(dispute, data)
    lines = postings.dispute_won(dispute_booking.source_of(dispute), dispute.withdrawn)
    return (t_accounts.of_lines(lines, _("What will be booked")),)


def waiting(dispute: Dispute) -> Approval | None:
    """The request about a dispute that waits for a second person."""
    return Approval.objects.filter(object_type="dispute", object_id=dispute.pk, status=Approval.Status.PENDING).first()


def _may(decision: Decision) -> Callable[[Dispute], bool]:
    return lambda dispute: decision in dispute_decisions.allowed(dispute) and waiting(dispute) is None


def _can_be_contested(dispute: Dispute) -> bool:
    return dispute.waits_for_us and dispute.answer_state in ("", Dispute.AnswerState.REFUSED)


def _is_of_nobody(dispute: Dispute) -> bool:
    return dispute.payment_id is None and not dispute.booked


def _decide(run: Callable[[Doing], Done]) -> Callable[[Doing], Done]:
    """Decide the request about a dispute, from the dispute's page."""

    def decided(doing: Doing) -> Done:
        approval = waiting(doing.obj)
        assert approval is not None, "offered only while a request waits"
        return run(replace(doing, obj=approval))

    return decided


def _waits(dispute: Dispute) -> bool:
    return waiting(dispute) is not None


DEEDS: Final = (
    Deed(name="evidence", label=_("Add a document"), permission=ACT, run=_add_evidence, form=EvidenceForm, icon="upload_file", is_offered=lambda dispute: dispute.waits_for_us),
    Deed(name="contest", label=_("Contest"), permission=ACT, run=_contest, form=ContestForm, icon="gavel", is_main=True, is_offered=_can_be_contested, explain=_("The text and the documents go to the gateway, once and for all. Where it has no way to send them from here, this says that you have sent them by e-mail or in its portal.")),
    Deed(name="accept", label=_("Give up"), permission=ACT, run=_accept, icon="flag", is_grave=True, preview=preview_lost, is_offered=_may(Decision.ACCEPT), explain=_("The money stays with the customer and the shops answer for it. Above the limit of refunds somebody else has to approve.")),
    Deed(name="end", label=_("Record its end"), permission=ACT, run=_end, form=EndForm, icon="flag_circle", preview=_preview_end, is_offered=_may(Decision.WON), explain=_("For gateways that tell by e-mail or in their portal. Another person approves; then it is booked at once.")),
    Deed(name="platform", label=_("Platform is liable"), permission=ACT, run=_platform, icon="shield", is_offered=_may(Decision.PLATFORM), explain=_("Shops do not answer for this dispute: what is lost is the platform's. Another person approves.")),
    Deed(name="attach", label=_("Name its payment"), permission=ACT, run=_attach, form=AttachForm, icon="link", is_offered=_is_of_nobody),
    Deed(name="ask", label=_("Ask the gateway"), permission=ACT, run=_ask, form=NoQuestionForm, icon="sync", is_offered=dispute_answers.can_be_called),
    replace(approvals_page.APPROVE, run=_decide(approvals_page.approve), is_offered=_waits),
    replace(approvals_page.REJECT, run=_decide(approvals_page.reject), is_offered=_waits),
    dispute_files.READ,
    Deed(name="open", label=_("Open a dispute"), permission=ACT, run=_open, form=OpenForm, icon="add", is_of_list=True, is_main=True, explain=_("For disputes that a gateway tells by e-mail or in its portal. Those it tells by message open by themselves.")),
)  # fmt: skip
