"""The disputes queue: what a customer's bank takes back, until when we may answer, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin import approvals as approvals_page
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, Tone, chip, identifier, link, money, number, short, span, to, when
from config.core.admin.deeds import attachment
from config.core.admin.exports import Export
from config.core.admin.filters import ChoiceFilter
from config.core.admin.panels import Drawing, Facts, Figure, Panel, Table, columns, num
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import AuditEntry
from config.core.money import Money
from ledger.admin import t_accounts
from ledger.models import JournalEntry
from payments.admin import dispute_deeds, timeline, words
from payments.models import Dispute, DisputeEvidence, GatewayAccount
from payments.services import dispute_booking, dispute_schedule, evidence
from payments.states import LOST_DISPUTES, OPEN_DISPUTES, UNANSWERED, DisputeStatus

YEAR: Final = timedelta(days=365)
SEES_EVIDENCE: Final = "payments.view_disputeevidence"

approvals_page.name_deed("dispute.decide", _("Decide a dispute"))


class StateFilter(ChoiceFilter):
    """Without an outcome, or a state."""

    title, parameter_name = _("state"), "status"
    options = (("open", _("not ended")), *DisputeStatus.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the index of states."""
        if self.value() == "open":
            return queryset.filter(status__in=OPEN_DISPUTES)
        return queryset.filter(status=self.value()) if self.value() else queryset


class DueFilter(ChoiceFilter):
    """How soon we must answer."""

    title, parameter_name = _("answer due"), "due"
    options = (("soon", _("within 48 hours")), ("over", _("overdue")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the index of those that wait for us."""
        before = {"soon": clock.now() + dispute_schedule.NEAR, "over": clock.now()}.get(self.value() or "")
        return queryset.filter(status__in=UNANSWERED, respond_by__lte=before) if before else queryset


def due(dispute: Dispute, *, at: datetime) -> Cell:
    """The time left to answer, louder the less it is."""
    if not dispute.waits_for_us or dispute.respond_by is None:
        return NOTHING
    left = dispute.respond_by - at
    if left <= timedelta():
        return chip(_t("%(time)s overdue") % {"time": span(-left)}, Tone.BAD, _("Nobody answered in time."))
    shown = _t("in %(time)s") % {"time": span(left)}
    return chip(
        shown,
        Tone.BAD if left < dispute_schedule.NEAR else Tone.WARN if left < 2 * dispute_schedule.NEAR else Tone.CALM,
    )


def win_rate(*, at: datetime) -> str:
    """How disputes ended in the last year, in one sentence; "" before any has."""
    ended = Dispute.objects.filter(status__in=(*LOST_DISPUTES, DisputeStatus.WON), is_inquiry=False)
    found = ended.filter(created_at__gte=at - YEAR).aggregate(
        all=Count("pk"), won=Count("pk", filter=Q(status=DisputeStatus.WON))
    )
    if not found["all"]:
        return ""
    percent = round(100 * found["won"] / found["all"])
    return _t("Won in the last 12 months: %(won)s of %(all)s that ended (%(percent)d %%).") % {
        "won": number(found["won"]), "all": number(found["all"]), "percent": percent,
    }  # fmt: skip


def _row(dispute: Dispute) -> tuple[Any, ...]:
    return (
        dispute.pk, dispute.account.code, dispute.gateway_dispute_id, dispute.payment_id, dispute.currency,
        dispute.amount.decimal, dispute.withdrawn.decimal, dispute.get_reason_class_display(), dispute.reason,
        dispute.get_status_display(), dispute.respond_by, dispute.created_at, dispute.closed_at,
    )  # fmt: skip


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """The queue and one dispute."""

    list_display = (
        "dispute_id", "of_payment", "account_code", "amount_money", "why", "due_in", "documents_count", "state",
        "opened",
    )  # fmt: skip
    list_filter = (
        StateFilter,
        DueFilter,
        filters.choice(_("reason"), "reason", "reason_class", Dispute.Reason.choices),
        filters.days(_("opened"), "created_at"),
        filters.amounts(_("amount"), "amount_minor"),
    )
    list_select_related = ("account",)
    search_fields = ("id",)
    search_help_text = _("dispute, payment or the gateway's number")
    empty_list = _("Nobody disputes a payment.")
    deeds = dispute_deeds.DEEDS
    export = Export(
        name="disputes",
        permission="payments.export_payment",
        columns=(
            _("Dispute"), _("Account"), _("Gateway number"), _("Payment"), _("Currency"), _("Amount"), _("Withdrawn"),
            _("Reason"), _("Gateway's word"), _("Status"), _("Answer until"), _("Opened"), _("Ended"),
        ),
        row=_row,
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispute]:
        """With the number of documents, counted for the rows of the page only."""
        rows: QuerySet[Dispute] = super().get_queryset(request)
        return rows.annotate(documents=Count("evidence"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """With the share of those that were won."""
        return super().changelist_view(request, {"intro": win_rate(at=clock.now()), **(extra_context or {})})

    def found(self, term: str) -> Sequence[Any]:
        """By id, payment or the gateway's number."""
        rows = Dispute.objects
        accounts = list(GatewayAccount.objects.values_list("pk", flat=True))
        keys = {term} | set(rows.filter(payment_id=term).values_list("pk", flat=True)[:200])
        return list(keys | set(rows.filter(account__in=accounts, gateway_dispute_id=term).values_list("pk", flat=True)))

    @admin.display(description=_("dispute"))
    def dispute_id(self, obj: Dispute) -> Cell:
        return short(obj.pk)

    @admin.display(description=_("payment"))
    def of_payment(self, obj: Dispute) -> Cell:
        return to("payments_payment", obj.payment_id) if obj.payment_id else chip(_("unknown"), Tone.WARN)

    @admin.display(description=_("account"))
    def account_code(self, obj: Dispute) -> Cell:
        return obj.account.code

    @admin.display(description=_("amount"))
    def amount_money(self, obj: Dispute) -> Cell:
        return money(obj.amount)

    @admin.display(description=_("reason"))
    def why(self, obj: Dispute) -> Cell:
        return format_html('<span title="{}">{}</span>', obj.reason, obj.get_reason_class_display())

    @admin.display(description=_("due"))
    def due_in(self, obj: Dispute) -> Cell:
        return due(obj, at=clock.now())

    @admin.display(description=_("documents"))
    def documents_count(self, obj: Dispute) -> Cell:
        count: int = obj.documents  # type: ignore[attr-defined]  # annotated
        return str(count) if count else NOTHING

    @admin.display(description=_("state"))
    def state(self, obj: Dispute) -> Cell:
        chips = [words.state(obj, words.DISPUTE)]
        if obj.is_inquiry:
            chips.append(chip(_("inquiry"), Tone.CALM, _("The bank only asks; no money was taken.")))
        return format_html("{} {}", chips[0], chips[1] if len(chips) > 1 else "")

    @admin.display(description=_("opened"))
    def opened(self, obj: Dispute) -> Cell:
        return when(obj.opened_at)

    def name_of(self, obj: Dispute) -> Cell:
        """Its id."""
        return identifier(obj.pk)

    def status_of(self, obj: Dispute) -> Cell:
        """Its state in words."""
        return self.state(obj)

    def headline(self, request: HttpRequest, obj: Dispute) -> Sequence[Figure]:
        """How much, what was taken, how long we have."""
        return (
            Figure(_("Disputed"), money(obj.amount)),
            Figure(_("Taken by the gateway"), money(Money(-obj.withdrawn_minor, obj.currency), dash_zero=True)),
            Figure(_("Fee"), money(-obj.fee, dash_zero=True) if obj.fee else NOTHING),
            Figure(_("Answer due"), due(obj, at=clock.now()), _until(obj)),
            Figure(_("Borne by"), obj.get_liability_display()),
        )

    def panels(self, request: HttpRequest, obj: Dispute) -> Sequence[Panel]:
        """Facts, our answer, documents, the books, claims on shops, the story."""
        journals = list(JournalEntry.objects.filter(subject=obj.pk).order_by("id"))
        panels: list[Panel] = [_facts(obj), _answer(obj), _documents(obj, request.user)]
        if request.user.has_perm("ledger.view_journalentry"):
            panels.append(t_accounts.of_journals(journals))
            if obj.is_open and not obj.is_inquiry:
                panels.append(t_accounts.of_lines(dispute_booking.draft_lost(obj), _("What losing it would book")))
        return (*panels, _claims(obj), _story(obj, journals))

    # --- Documents ---------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        """The documents beside the deeds."""
        name = self._name("document")
        return [path("<path:object_id>/document/<str:evidence_id>/", self._wrapped(self.document), name=name), *super().get_urls()]  # fmt: skip

    def document(self, request: HttpRequest, object_id: str, evidence_id: str) -> HttpResponseBase:
        """A document to keep; who took it is in the audit trail."""
        user: Any = request.user
        if not user.has_perm(SEES_EVIDENCE):
            raise PermissionDenied
        if not DisputeEvidence.objects.filter(pk=evidence_id, dispute_id=object_id).exists():
            raise Http404
        found = evidence.read(evidence_id=evidence_id, actor=f"user:{user.email}")
        return attachment(found.content, name=_ascii(found), content_type=found.content_type)


def _ascii(document: DisputeEvidence) -> str:
    """A name that fits a header."""
    return f"{document.pk}.{document.name.rpartition('.')[2]}"


def _until(obj: Dispute) -> Any:
    return when(obj.respond_by) if obj.respond_by and obj.waits_for_us else ""


def _facts(obj: Dispute) -> Facts:
    return Facts(
        _("Dispute"),
        (
            (_("Payment"), to("payments_payment", obj.payment_id) if obj.payment_id else _("nobody knows yet")),
            (_("Capture"), to("payments_capture", obj.capture_id) if obj.capture_id else NOTHING),
            (_("Account"), obj.account.code),
            (_("Gateway's number"), identifier(obj.gateway_dispute_id)),
            (_("Reason"), obj.get_reason_class_display()),
            (_("Gateway's word"), obj.reason or NOTHING),
            (_("Counts against its payment"), money(Money(obj.disputed_minor, obj.currency), dash_zero=True)),
            (_("Its end is booked as"), obj.get_booked_display() or NOTHING),
            (_("Opened"), when(obj.opened_at, seconds=True)),
            (_("Ended"), when(obj.closed_at, seconds=True)),
        ),
    )


def _answer(obj: Dispute) -> Facts:
    approval = dispute_deeds.waiting(obj)
    return Facts(
        _("Our answer"),
        (
            (_("Answer"), obj.get_answer_display() or NOTHING),
            (_("State"), obj.get_answer_state_display() or NOTHING),
            (_("By"), obj.answered_by or NOTHING),
            (_("When"), when(obj.answered_at, seconds=True)),
            (_("What we said"), format_html('<div style="white-space:pre-line">{}</div>', obj.answer_text) if obj.answer_text else NOTHING),
            (_("Why it failed"), obj.answer_failure or NOTHING),
            (_("Next question to the gateway"), when(obj.next_step_at)),
            (_("Waits for approval"), to("core_approval", approval.pk, approval.reason) if approval else NOTHING),
        ),
    )  # fmt: skip


def _documents(obj: Dispute, user: Any) -> Table:
    may_see = user.has_perm(SEES_EVIDENCE)
    rows = [
        (
            link(reverse("admin:payments_dispute_document", args=[obj.pk, one.pk]), one.name) if may_see else one.name,
            one.get_purpose_display(),
            _t("%(n)s KB") % {"n": number(-(-one.size // 1024))},
            chip(_("sent"), Tone.GOOD) if one.pk in obj.answer_evidence else NOTHING,
            one.added_by,
            when(one.added_at),
        )
        for one in obj.evidence.defer("content").order_by("added_at", "id")
    ]
    heads = columns(_("Document"), _("What it shows"), num(_("Size")), _("Answer"), _("Added by"), _("When"))
    return Table(_("Documents"), heads, rows, _("No document is kept for this dispute."))


def _claims(obj: Dispute) -> Table:
    rows = [
        (c.shop.name, c.shop_order.shop_order_id, money(Money(c.amount_minor, c.currency)), c.get_status_display(), when(c.created_at))
        for c in obj.clawbacks.select_related("shop", "shop_order").order_by("created_at", "id")
    ]  # fmt: skip
    heads = columns(_("Shop"), _("Shop order"), num(_("Amount")), _("State"), _("Made"))
    return Table(_("Claims on shops"), heads, rows, _("No shop answers for this dispute yet."))


def _story(obj: Dispute, journals: Sequence[JournalEntry]) -> Drawing:
    events = sorted(_events(obj, journals), key=lambda event: event.moment)
    return Drawing(_("Timeline"), "admin/timeline.html", events)


def _events(obj: Dispute, journals: Sequence[JournalEntry]) -> Iterator[timeline.Event]:
    for one in obj.history.order_by("id"):
        text = format_html(
            "{} {} <span class='o-quiet'>{}</span>",
            words.DISPUTE_EVENTS.get(one.what, ""),
            words.word(one.to_status, words.DISPUTE, DisputeStatus) if one.to_status != one.from_status else "",
            one.get_source_display(),
        )
        tone = words.DISPUTE[one.to_status][0]
        yield timeline.Event(one.at, _t("Dispute"), text, tone, one.actor, one.reason)
    for journal in journals:
        yield timeline.Event(
            journal.booked_at, _t("Ledger"), to("ledger_journalentry", journal.pk, t_accounts.title_of(journal)),
            Tone.BUSY, note=journal.reason,
        )  # fmt: skip
    decided = Q(action__startswith="approval.") | Q(action="dispute.evidence_read")
    for row in AuditEntry.objects.filter(decided, object_type="dispute", object_id=obj.pk).order_by("id")[:200]:
        yield timeline.Event(row.created_at, _t("Audit"), row.action.replace("_", " "), who=row.actor, note=row.reason)


links.register("dispute", "payments_dispute")
