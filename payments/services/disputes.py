"""Disputes: a customer's bank takes money back and asks us why it should not. One door for whoever tells of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import connection, transaction
from django.db.models import Q

from config.core import faultpoints, ids, outbox
from config.core.money import Money
from gateways.reports import DisputeReport
from gateways.reports import DisputeStatus as Told
from payments import dispute_reasons, events
from payments.models import Attempt, AttemptEvent, Capture, Dispute, GatewayAccount, MoneyCase, Payment
from payments.services import cases, dispute_booking, dispute_schedule, locks
from payments.services.dispute_history import note
from payments.services.hearing import Heard, Outcome, settle_notification
from payments.states import DISPUTE_TRANSITIONS, LOST_DISPUTES, OPEN_DISPUTES, UNANSWERED, DisputeStatus

log = structlog.get_logger(__name__)
S = DisputeStatus
FROM_FILE: Final = "file:"
"""How the number of a dispute begins that a settlement file told of without its own."""
CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""News is older than other news only beyond this: a gateway's clock is not ours."""


@transaction.atomic(durable=True)
def apply_dispute_report(*, report: DisputeReport, heard: Heard) -> Outcome:
    """Believe a gateway about one dispute, once; its state, journals, case and event share one commit.

    Messages may come twice and out of order. Never raises for what a gateway may truly say: a dispute of a payment that
    we do not know is kept and booked, and a person is asked. ORPHAN only where no amount is told and none is known.
    """
    outcome, payment = believe(report, heard)
    faultpoints.reach("dispute.believed")
    if heard.notification_id:
        settle_notification(heard, outcome, payment)
    return outcome


def believe(report: DisputeReport, heard: Heard) -> tuple[Outcome, Payment | None]:
    """What apply_dispute_report does, in the commit of a caller: what it changed, and the payment it is about."""
    assert connection.in_atomic_block, "a dispute is believed in one commit"
    found = _lock(report, heard)
    if found is None:
        return Outcome.ORPHAN, None
    dispute, payment, is_new = found.dispute, found.payment, found.is_new
    # The answer to a question of ours is how things stand now, whatever moment of the dispute it names.
    is_answer = heard.source == AttemptEvent.Source.POLL
    told_at = heard.at if is_answer else report.occurred_at or heard.at
    is_older = dispute.heard_until is not None and told_at < dispute.heard_until - CLOCKS_DIFFER
    before = (dispute.status, dispute.withdrawn_minor, dispute.fee_minor, dispute.is_inquiry, dispute.respond_by)
    if is_new:
        note(dispute, "opened", was="", source=heard.source, actor=heard.who, at=heard.at, reason=dispute.reason)
    was_inquiry = dispute.is_inquiry
    _learn(dispute, report, is_older=is_older)
    outcome = _move(dispute, report, heard, told_at, is_new=is_new, is_older=is_older)
    is_fee_of_line = heard.source == AttemptEvent.Source.FILE  # what one line changed, however old it is
    if report.fee is not None and (not is_older or dispute.fee is None or is_fee_of_line):
        dispute_booking.book_fee(dispute, report.fee, at=told_at, actor=heard.who)
    is_taken = _is_taken(dispute, report)
    if is_taken:
        dispute.is_inquiry = False  # whatever it was called: a question costs nothing
    dispute_booking.settle(dispute, payment, is_taken=is_taken, at=told_at, actor=heard.who)
    if payment is not None:
        is_first = is_new or found.is_attached or (was_inquiry and not dispute.is_inquiry)
        was = "" if found.is_attached else before[0]  # while its payment was not known, nobody was told anything
        tell(dispute, payment, was=was, is_first=is_first, at=heard.at)
    if is_new and _is_nobodys(dispute):
        _ask_whose(dispute, heard)
        outcome = Outcome.HELD
    _confirm_answer(dispute, heard)
    dispute_schedule.plan(dispute, at=heard.at, actor=heard.who)
    dispute.heard_until = max(told_at, dispute.heard_until or told_at)
    dispute_booking.save(dispute, payment, at=heard.at)
    after = (dispute.status, dispute.withdrawn_minor, dispute.fee_minor, dispute.is_inquiry, dispute.respond_by)
    if before[1] != after[1]:
        note(dispute, "money_withdrawn", source=heard.source, actor=heard.who, at=heard.at)
    if outcome is Outcome.NOTHING_NEW and (is_new or before != after):
        outcome = Outcome.NOTED
    return outcome, payment


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A dispute and its payment under lock. `is_attached`: its payment was not known before."""

    dispute: Dispute
    payment: Payment | None
    is_new: bool = False
    is_attached: bool = False


def _lock(report: DisputeReport, heard: Heard) -> Found | None:
    """The dispute and its payment under lock, the dispute made if it is new; None where it has no amount."""
    known = Dispute.objects.filter(account=heard.account, gateway_dispute_id=report.dispute_id)
    payment_id, capture = place(
        reference=report.reference, gateway_transaction_id=report.gateway_transaction_id, account=heard.account
    )
    payment_id = known.values_list("payment_id", flat=True).first() or payment_id
    payment = locks.payment(payment_id) if payment_id else None
    dispute_id, is_new = known.values_list("id", flat=True).first(), False
    if dispute_id is None:
        dispute_id = _told_by_a_file(capture, report, heard)
    if dispute_id is None:
        money = report.money or (capture.money if capture else None)
        if money is None or not money:
            return None
        made = _begin(report, heard, money, payment, capture)
        Dispute.objects.bulk_create([made], ignore_conflicts=True)
        dispute_id = known.values_list("id", flat=True).get()
        is_new = dispute_id == made.id
    dispute = locks.dispute(dispute_id)
    if dispute.payment_id is None:
        if payment is None or dispute.booked:
            return Found(dispute=dispute, payment=None, is_new=is_new)
        dispute.payment, dispute.capture = payment, capture  # it came to light since
        cases.answer_dispute_questions(dispute, kind=MoneyCase.Kind.DISPUTE_UNKNOWN, at=heard.at, actor=heard.who)
        return Found(dispute=dispute, payment=payment, is_attached=True)
    if dispute.capture is None and capture is not None and capture.payment_id == dispute.payment_id:
        dispute.capture = capture
    return Found(dispute=dispute, payment=dispute.payment, is_new=is_new)


def _told_by_a_file(capture: Capture | None, report: DisputeReport, heard: Heard) -> str | None:
    """A dispute of the same money that a file told of without its number gets that number now."""
    if report.dispute_id.startswith(FROM_FILE):
        return None
    money = [one for one in (report.gateway_transaction_id, report.reference) if one]
    said = Q(gateway_dispute_id__in=[f"{FROM_FILE}{one}"[:100] for one in money])
    if capture is not None:
        said |= Q(capture=capture, gateway_dispute_id__startswith=FROM_FILE)
    nameless = Dispute.objects.filter(said, account=heard.account).order_by("-created_at")
    dispute_id: str | None = nameless.values_list("id", flat=True).first()
    if dispute_id is not None:
        dispute = locks.dispute(dispute_id)
        dispute.gateway_dispute_id = report.dispute_id[:100]
        dispute.save(update_fields=["gateway_dispute_id"])
        note(dispute, "number_told", source=heard.source, actor=heard.who, at=heard.at, reason=report.dispute_id)
    return dispute_id


def place(*, reference: str, gateway_transaction_id: str, account: GatewayAccount) -> tuple[str | None, Capture | None]:
    """The payment and the capture that a gateway means, by the money's number or the attempt's."""
    captures = Capture.objects.select_related("account")
    capture = None
    if gateway_transaction_id:
        capture = captures.filter(account=account, gateway_transaction_id=gateway_transaction_id).first()
    if capture is not None:
        return capture.payment_id, capture
    attempt = None
    if reference:
        attempt = Attempt.objects.filter(account=account, gateway_reference=reference).first()
    if attempt is None and gateway_transaction_id:
        named = Attempt.objects.filter(account=account, gateway_transaction_id=gateway_transaction_id)
        attempt = named.first()
    if attempt is None:
        return None, None
    return attempt.payment_id, captures.filter(attempt=attempt).order_by("created_at").first()


def _begin(
    report: DisputeReport, heard: Heard, money: Money, payment: Payment | None, capture: Capture | None
) -> Dispute:
    return Dispute(
        id=ids.dispute_id(),
        account=heard.account,
        gateway_dispute_id=report.dispute_id[:100],
        payment=payment,
        capture=capture,
        amount_minor=money.minor,
        currency=money.currency,
        reason=report.reason[:100],
        reason_class=dispute_reasons.class_of(report.reason),
        is_inquiry=report.is_inquiry and not report.withdrawn,
        respond_by=report.respond_by,
        raw=dict(report.raw),
        opened_at=report.occurred_at or heard.at,
        created_at=heard.at,
        updated_at=heard.at,
    )


def _learn(dispute: Dispute, report: DisputeReport, *, is_older: bool) -> None:
    """What a report says of a dispute besides its state. Older news only fills what is empty."""
    if report.withdrawn or (not report.is_inquiry and not is_older):
        dispute.is_inquiry = False  # never back: an inquiry that became a dispute stays one
    if report.respond_by is not None and (not is_older or dispute.respond_by is None):
        dispute.respond_by = report.respond_by
    if report.reason and (not is_older or not dispute.reason):
        dispute.reason, dispute.reason_class = report.reason[:100], dispute_reasons.class_of(report.reason)
    same_currency = report.money is not None and report.money.currency == dispute.currency
    if report.money and same_currency and not is_older and not dispute.withdrawn_minor:
        dispute.amount_minor = report.money.minor
    if not is_older:
        dispute.raw = dict(report.raw)


def _move(
    dispute: Dispute, report: DisputeReport, heard: Heard, told_at: datetime, *, is_new: bool, is_older: bool
) -> Outcome:
    status = _meant(dispute, report, told_at, is_new=is_new)
    if status == dispute.status:
        return Outcome.NOTHING_NEW
    if not dispute.is_open:
        return _turned(dispute, status, heard)
    is_back = dispute.status == S.UNDER_REVIEW and status == S.NEEDS_RESPONSE
    no_newer = dispute.heard_until is not None and told_at <= dispute.heard_until
    if (is_older and status in OPEN_DISPUTES) or (is_back and no_newer):
        return Outcome.NOTHING_NEW
    assert status in DISPUTE_TRANSITIONS[dispute.status], "an open dispute may go anywhere a gateway says"
    was = dispute.status
    dispute.move_to(status, at=heard.at)
    if is_back:  # the bank wants to know more: it may be answered once more
        dispute.answer, dispute.answer_state, dispute.steps = "", "", 0
    note(dispute, str(status), was=was, source=heard.source, actor=heard.who, at=heard.at)
    return Outcome.NOTED


def _meant(dispute: Dispute, report: DisputeReport, told_at: datetime, *, is_new: bool) -> DisputeStatus:
    """What a gateway's word means for us: a loss is given up, not answered in time, or lost after an answer."""
    if report.status is not Told.LOST:
        return _STATUS[report.status]
    if dispute.status in LOST_DISPUTES:
        return DisputeStatus(dispute.status)
    was_heard = dispute.answer_state not in ("", Dispute.AnswerState.REFUSED)
    if dispute.answer == Dispute.Answer.ACCEPT and was_heard:
        return S.ACCEPTED
    is_unanswered = not is_new and not was_heard and dispute.status in UNANSWERED
    is_over = dispute.respond_by is not None and dispute.respond_by <= told_at
    return S.EXPIRED if is_unanswered and is_over else S.LOST


_STATUS: Final = {
    Told.NEEDS_RESPONSE: S.NEEDS_RESPONSE,
    Told.UNDER_REVIEW: S.UNDER_REVIEW,
    Told.WON: S.WON,
}


def _turned(dispute: Dispute, status: DisputeStatus, heard: Heard) -> Outcome:
    """News about an ended dispute: late ones change nothing; another end is money that a person has to look at."""
    if status in OPEN_DISPUTES:
        return Outcome.NOTHING_NEW
    opened = cases.open_question(
        kind=MoneyCase.Kind.DISPUTE_CHANGED,
        money=dispute.amount,
        payment=dispute.payment,
        dispute=dispute,
        detail=f"This dispute ended as {dispute.status}; the gateway now says {status}.",
        at=heard.at,
        actor=heard.who,
    )
    return Outcome.NOTED if opened else Outcome.NOTHING_NEW


def _is_taken(dispute: Dispute, report: DisputeReport) -> bool:
    """Whether the gateway took the money, now or before; one that does not say takes it when it opens a dispute.

    A dispute first heard of when it is won and has cost a fee was taken and came back.
    """
    if report.withdrawn is None:
        return not dispute.is_inquiry
    return report.withdrawn or bool(dispute.status == S.WON and dispute.fee)


def tell(dispute: Dispute, payment: Payment, *, was: str, is_first: bool, at: datetime) -> None:
    """Announce that a payment is disputed, and how that ended. `was` is the state that was told last, "" for none."""
    if is_first:
        outbox.publish(events.payment_disputed(payment, dispute, status="OPENED", at=at))
    if dispute.status != was and not dispute.is_open:
        word = "WON" if dispute.status == S.WON else "LOST"
        outbox.publish(events.payment_disputed(payment, dispute, status=word, at=at))


def _is_nobodys(dispute: Dispute) -> bool:
    """Whether it counts against no payment though money is at stake: unknown, held, of another currency, or too much."""
    if dispute.status == S.WON:
        return False
    return dispute.payment_id is None or (not dispute.is_inquiry and not dispute.disputed_minor)


def _ask_whose(dispute: Dispute, heard: Heard) -> None:
    cases.open_question(
        kind=MoneyCase.Kind.DISPUTE_UNKNOWN,
        money=dispute.amount,
        payment=dispute.payment,
        dispute=dispute,
        detail=f"{heard.account.code} disputes money that no paid order of ours took ({dispute.gateway_dispute_id}).",
        at=heard.at,
        actor=heard.who,
    )


def _confirm_answer(dispute: Dispute, heard: Heard) -> None:
    """The gateway's state shows that it has our answer; at an end, the question why it is silent answers itself."""
    if not dispute.is_open:
        cases.answer_dispute_questions(dispute, kind=MoneyCase.Kind.DISPUTE_SILENT, at=heard.at, actor=heard.who)
    has_it = not dispute.waits_for_us
    if dispute.answer_state in (Dispute.AnswerState.SENDING, Dispute.AnswerState.UNKNOWN) and has_it:
        dispute.answer_state, dispute.steps = Dispute.AnswerState.GIVEN, 0
        note(dispute, "answer_confirmed", source=heard.source, actor=heard.who, at=heard.at)
