"""One payment with everything that happened to it, drawn panel by panel."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from config.core import masking
from config.core.admin.cells import NOTHING, Cell, Tone, chip, clipped, identifier, link, listing, money, to, when
from config.core.admin.panels import Facts, Panel, Table, columns, num
from ledger.admin import t_accounts
from payments.admin import timeline, words
from payments.models import Payment


def of(obj: Payment, *, can_see_books: bool) -> Sequence[Panel]:
    """Facts, attempts, money, timeline; the T-accounts for those who may see the books."""
    story = timeline.read(obj)
    drawn: list[Panel] = [t_accounts.of_journals(story.journals)] if can_see_books else []
    return (
        _facts(obj),
        _times(obj),
        _attempts(story),
        _captures(obj),
        *drawn,
        _refunds(story),
        _disputes(story),
        _cases(story),
        timeline.drawing(story),
        _messages(story),
        _emails(story),
        _webhooks(story),
    )


def masked_customer(customer: str) -> Cell:
    """A customer by the ends of their id: enough to tell two apart."""
    return customer if len(customer) <= 8 else f"{customer[:4]}…{customer[-3:]}"


def _facts(obj: Payment) -> Facts:
    return Facts(
        _("Payment"),
        (
            (_("Order"), to("payments_order", obj.order_id, obj.order.order_id)),
            (_("Customer"), masked_customer(obj.customer)),
            (_("Buyer"), masking.text(obj.order.buyer_email) or NOTHING),
            (_("Method"), to("payments_paymentmethod", obj.method_id, obj.method.name)),
            (_("Gateway"), f"{obj.method.account.gateway} · {obj.method.account.code}"),
            (_("Asked for by"), obj.client),
            (_("Why it failed"), obj.failure_code or NOTHING),
        ),
    )


def _times(obj: Payment) -> Facts:
    return Facts(
        _("Times"),
        (
            (_("Made"), when(obj.created_at, seconds=True)),
            (_("Pay until"), when(obj.expires_at, seconds=True)),
            (_("Paid"), when(obj.succeeded_at, seconds=True)),
            (_("Ended"), when(obj.ended_at, seconds=True)),
            (_("Paid late"), chip(_("late"), Tone.WARN) if obj.is_late else NOTHING),
            (_("Events announced"), str(obj.events_count)),
            (_("Audit"), link(listing("core_auditentry", q=obj.pk), _("audit trail"))),
        ),
    )


def _attempts(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_attempt", a.pk, f"#{a.number}"),
            a.account.code,
            identifier(a.gateway_reference),
            identifier(a.gateway_transaction_id),
            money(a.amount),
            words.state(a, words.ATTEMPT),
            a.failure_message or a.failure_code or NOTHING,
            when(a.created_at, seconds=True),
        )
        for a in story.attempts
    ]
    heads = columns(
        _("No."),
        _("Account"),
        _("Transaction code"),
        _("Gateway number"),
        num(_("Amount")),
        _("State"),
        _("Why"),
        _("Made"),
    )
    return Table(_("Attempts"), heads, rows, _("The customer has not tried yet."))


def _captures(obj: Payment) -> Table:
    rows = [
        (
            c.account.code,
            identifier(c.gateway_transaction_id),
            money(c.money),
            words.state(c, words.CAPTURE, field="disposition"),
            when(c.occurred_at, seconds=True),
            link(listing("ledger_journalentry", q=c.journal_reference), _("journal")),
        )
        for c in obj.captures.select_related("account").order_by("created_at")
    ]
    heads = columns(_("Account"), _("Gateway number"), num(_("Amount")), _("What for"), _("Taken"), _("Booked"))
    return Table(_("Money that came"), heads, rows, _("No money has come."))


def _refunds(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_refund", r.pk),
            money(r.amount),
            r.get_route_display(),
            words.state(r, words.REFUND),
            r.reason or NOTHING,
            r.requested_by,
            when(r.created_at),
        )
        for r in story.refunds
    ]
    heads = columns(_("Refund"), num(_("Amount")), _("Way"), _("State"), _("Reason"), _("Asked by"), _("When"))
    return Table(_("Refunds"), heads, rows, _("Nothing was refunded."))


def _disputes(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_dispute", d.pk),
            money(d.amount),
            d.get_reason_class_display(),
            words.state(d, words.DISPUTE),
            when(d.respond_by),
            d.get_liability_display(),
            when(d.opened_at),
        )
        for d in story.disputes
    ]
    heads = columns(
        _("Dispute"), num(_("Amount")), _("Reason"), _("State"), _("Answer until"), _("Borne by"), _("Opened")
    )
    return Table(_("Disputes"), heads, rows, _("Nobody disputes this payment."))


def _cases(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_moneycase", c.pk),
            c.get_kind_display(),
            money(c.money),
            words.state(c, words.CASE),
            c.get_decision_display() or NOTHING,
            when(c.opened_at),
        )
        for c in story.cases
    ]
    heads = columns(_("Case"), _("Kind"), num(_("Amount")), _("State"), _("Decision"), _("Opened"))
    return Table(_("Money cases"), heads, rows, _("No question was open about this payment."))


def _messages(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_notification", n.pk),
            when(n.received_at, seconds=True),
            n.gateway,
            words.state(n, words.NOTIFICATION),
            str(n.deliveries),
            n.error or NOTHING,
        )
        for n in story.notifications
    ]
    heads = columns(_("Message"), _("Received"), _("Gateway"), _("State"), num(_("Deliveries")), _("Error"))
    return Table(_("Gateway messages"), heads, rows, _("The gateway has sent nothing."))


def _emails(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_emailmessagelog", e.pk, e.get_kind_display()),
            words.state(e, words.EMAIL),
            str(e.tries),
            when(e.created_at),
            when(e.sent_at),
        )
        for e in story.emails
    ]
    heads = columns(_("E-mail"), _("State"), num(_("Tries")), _("Promised"), _("Sent"))
    return Table(_("E-mails"), heads, rows, _("No e-mail was promised."))


def _webhooks(story: timeline.Story) -> Table:
    rows = [
        (
            to("payments_webhookdelivery", w.pk, w.event_type),
            clipped(w.url),
            words.state(w, words.WEBHOOK),
            str(w.tries),
            str(w.status_code or NOTHING),
            when(w.sent_at),
        )
        for w in story.webhooks
    ]
    heads = columns(_("Webhook"), _("Address"), _("State"), num(_("Tries")), num(_("Answer")), _("Sent"))
    return Table(_("Webhooks out"), heads, rows, _("Nobody was told over HTTP."))
