"""The journals of a dispute (LEDGER.md 6) and what of it counts against its payment. Joins the commits of others."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from config.core import faultpoints
from config.core.money import Money
from ledger import chart, selectors
from ledger import services as ledger
from ledger.lines import Line
from payments import postings, refund_split
from payments.errors import DisputeRefused
from payments.models import Capture, ClawBack, Dispute, DisputeLine, MoneyCase, Payment, RefundLine
from payments.refund_split import Part
from payments.services import cases, orders, refundable
from payments.services.captures import money_source
from payments.states import LOST_DISPUTES, DisputeStatus


def settle(dispute: Dispute, payment: Payment | None, *, is_taken: bool, at: datetime, actor: str) -> None:
    """Book whatever is true of a dispute and not booked yet; the caller saves both rows.

    `is_taken`: the gateway has taken the money, now or at some time before. Money that came back before we heard that
    it was gone is booked both ways, so that each line of the gateway's statement finds its journal.
    """
    assert connection.in_atomic_block, "a dispute is booked in the commit of its state"
    _count(dispute, payment, at=at, actor=actor)
    if is_taken and not dispute.withdrawn_minor:
        dispute.withdrawn_minor = dispute.amount_minor
        _post(dispute, "opened", postings.dispute_opened(source_of(dispute), dispute.withdrawn, dispute.fee), at, actor)
    if not dispute.withdrawn_minor or dispute.booked:
        return
    if dispute.status == DisputeStatus.WON:
        dispute.booked = Dispute.Booked.WON
        _post(dispute, "won", postings.dispute_won(source_of(dispute), dispute.withdrawn), at, actor)
    elif dispute.status in LOST_DISPUTES:
        _book_lost(dispute, payment, at=at, actor=actor)
    faultpoints.reach("dispute.booked")


def book_fee(dispute: Dispute, fee: Money, *, at: datetime, actor: str) -> None:
    """The gateway told what it charges, or that it charges less now: book the difference to what is booked."""
    known = dispute.fee
    if known is not None and known.currency != fee.currency:
        return  # a person compares this with the statement; two currencies have no difference
    change = fee - known if known is not None else fee
    dispute.fee_minor, dispute.fee_currency = fee.minor, fee.currency
    if not change or not dispute.withdrawn_minor:
        return  # before the money is taken, the fee is booked together with it
    dispute.fee_changes += 1
    _post(dispute, f"fee:{dispute.fee_changes}", postings.dispute_fee(source_of(dispute), change), at, actor)


def book_platform_liable(dispute: Dispute, *, at: datetime, actor: str, reason: str) -> None:
    """Two people decided that the platform bears it: shops are left alone, or freed where nothing is allocated yet.

    Raises DisputeRefused when a shop's money was taken for it already.
    """
    dispute.liability = Dispute.Liability.PLATFORM
    if dispute.booked != Dispute.Booked.CLAWED_BACK:
        return
    if dispute.clawbacks.exclude(status=ClawBack.Status.OPEN).exists():
        raise DisputeRefused("A shop has paid for this dispute already; give it back by a settlement line.")
    journal = selectors.journals_of(subject=dispute.id).get(reference=f"{dispute.id}:lost")
    ledger.reverse(
        reference=f"{dispute.id}:lost:reversed", journal_id=journal.id, occurred_at=at, actor=actor, reason=reason
    )
    dispute.clawbacks.update(status=ClawBack.Status.REVERSED, ended_at=at)
    dispute.booked = Dispute.Booked.LOSS
    _post(dispute, "platform", postings.dispute_borne(chart.loss_chargeback(), dispute.withdrawn), at, actor)


def save(dispute: Dispute, payment: Payment | None, *, at: datetime) -> None:
    """Write both rows; the caller holds their locks."""
    dispute.updated_at = at
    dispute.save()
    if payment is not None:
        payment.updated_at = at
        payment.save(update_fields=["disputed_minor", "events_count", "updated_at"])


def draft_lost(dispute: Dispute) -> list[Line]:
    """The journal that losing a dispute would book now: what a preview shows."""
    payment = dispute.payment
    if payment is None or not dispute.disputed_minor:
        return postings.dispute_borne(chart.suspense_short(), dispute.amount)
    if dispute.liability == Dispute.Liability.PLATFORM:
        return postings.dispute_borne(chart.loss_chargeback(), dispute.amount)
    lines = _lines(dispute, payment)
    return postings.dispute_lost(lines, rest=_rest(dispute.amount, lines))


def _count(dispute: Dispute, payment: Payment | None, *, at: datetime, actor: str) -> None:
    """What of the dispute counts against its payment: nothing of an inquiry, of what came back, of unapplied money."""
    if payment is None:
        return
    capture = dispute.capture
    counts = (
        dispute.status != DisputeStatus.WON
        and not dispute.is_inquiry
        and capture is not None
        and capture.disposition == Capture.Disposition.APPLIED
        and dispute.currency == payment.currency
    )
    others = payment.disputed_minor - dispute.disputed_minor
    wanted = min(dispute.amount_minor, payment.captured_minor - others) if counts else 0
    is_more = wanted > dispute.disputed_minor
    payment.disputed_minor = others + wanted
    dispute.disputed_minor = wanted
    gone = payment.refunded_minor + payment.refunding_minor + payment.disputed_minor
    if is_more and gone > payment.captured_minor:
        over = Money(gone - payment.captured_minor, payment.currency)
        cases.open_question(
            kind=MoneyCase.Kind.DISPUTE_REFUNDED,
            money=over,
            payment=payment,
            dispute=dispute,
            detail=f"{over} {over.currency} of this payment is both refunded, or being refunded, and disputed.",
            at=at,
            actor=actor,
        )


def _book_lost(dispute: Dispute, payment: Payment | None, *, at: datetime, actor: str) -> None:
    if payment is None or not dispute.disputed_minor:
        dispute.booked = Dispute.Booked.SHORT
        lines = postings.dispute_borne(chart.suspense_short(), dispute.withdrawn)
        _post(dispute, "lost", lines, at, actor)
        return
    taken = _lines(dispute, payment)
    DisputeLine.objects.bulk_create(taken)
    if dispute.liability == Dispute.Liability.PLATFORM:
        dispute.booked = Dispute.Booked.LOSS
        _post(dispute, "lost", postings.dispute_borne(chart.loss_chargeback(), dispute.withdrawn), at, actor)
        return
    dispute.booked = Dispute.Booked.CLAWED_BACK
    _post(dispute, "lost", postings.dispute_lost(taken, rest=_rest(dispute.withdrawn, taken)), at, actor)
    ClawBack.objects.bulk_create(
        ClawBack(
            dispute=dispute,
            shop_id=line.shop_order.shop_id,
            shop_order=line.shop_order,
            amount_minor=line.list_minor,
            currency=dispute.currency,
            created_at=at,
        )
        for line in taken
        if line.list_minor and line.kind == RefundLine.Kind.GOODS
    )


def _lines(dispute: Dispute, payment: Payment) -> list[DisputeLine]:
    """What of the order the disputed cash stands for, as far as refunds and other disputes have left it (unsaved)."""
    available = refund_split.units(
        shop_orders=orders.parts_of(payment.order), paid=payment.amount, refunded=refundable.refunded_of(payment)
    )
    left = sum(unit.cash_left for unit in available)
    cash = min(dispute.disputed_minor, left)
    parts: list[Part] = []
    if cash:
        is_all = cash == left
        amount = Money(cash, dispute.currency)
        parts = refund_split.everything(available) if is_all else refund_split.by_amount(amount, available)
    return [
        DisputeLine(
            dispute=dispute,
            shop_order=part.unit.shop_order,
            kind=part.unit.kind,
            list_minor=part.cash + part.site,
            cash_minor=part.cash,
            site_minor=part.site,
        )
        for part in parts
    ]


def _rest(money: Money, lines: list[DisputeLine]) -> Money:
    return money - Money(sum(line.cash_minor for line in lines), money.currency)


def source_of(dispute: Dispute) -> chart.AccountRef:
    """The account that the disputed money was taken from."""
    return money_source(dispute.capture) if dispute.capture else chart.gateway_clearing(dispute.account.code)


def _post(dispute: Dispute, fact: str, lines: list[Line], at: datetime, actor: str) -> None:
    ledger.post(
        reference=f"{dispute.id}:{fact}",
        event=f"dispute_{fact.partition(':')[0]}",
        lines=lines,
        occurred_at=at,
        subject=dispute.id,
        order_ref=dispute.payment.order.order_id if dispute.payment else "",
        actor=actor,
        reason=dispute.reason,
    )
