"""A booked refund's way out: sent to the gateway, asked about while its outcome is unknown, and its end booked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction

from config.core import audit, faultpoints, metrics, outbox
from config.core.errors import DomainError
from gateways.abilities import Refunds
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import Report, ReportAbout, ReportStatus
from gateways.requests import RefundRequest
from ledger import chart, selectors
from ledger import services as ledger
from payments import events, postings
from payments.errors import RefundRefused
from payments.models import AttemptEvent, ClawBack, EmailMessageLog, MoneyCase, Payment, Refund
from payments.services import accounts, breakers, cases, emails, locks
from payments.services.captures import money_source
from payments.services.hearing import Heard, Outcome
from payments.states import REFUND_TRANSITIONS, RefundStatus

log = structlog.get_logger(__name__)
R = RefundStatus
ASK_AFTER: Final = tuple(
    timedelta(seconds=s) for s in (60, 120, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 86400, 86400)
)
"""When a refund without a definite end is asked about; then a person must."""
SWEEP_PATIENCE_SECONDS: Final = 20.0
"""So long a sweep waits for its turns at gateways that want a distance between calls."""
HELD_BACK: Final = timedelta(seconds=30)
"""When a refund that our own breaker or spacing held back is tried again."""


def send(*, refund_id: str, at: datetime) -> Refund:
    """Send an approved refund to its gateway. The intent is committed first; its reference is the idempotency key."""
    refund = _submit(refund_id, at=at)
    if refund is None:
        return Refund.objects.get(id=refund_id)
    _call(refund, _send, at=at)
    return Refund.objects.get(id=refund_id)


def ask(*, refund_id: str, at: datetime) -> Refund:
    """Ask the gateway what became of a refund; one it surely never got is sent again under the same reference."""
    refund = Refund.objects.select_related("capture__account", "capture__attempt", "payment__order").get(id=refund_id)
    if refund.status in (R.SUBMITTED, R.UNKNOWN, R.PENDING, R.NEEDS_OPERATOR):
        _call(refund, _ask, at=at)
    return Refund.objects.get(id=refund_id)


def advance_due(*, at: datetime, limit: int = 200) -> int:
    """Take every refund one step further whose step is due, row by row; returns how many were taken."""
    since = at - breakers.NO_TRY_FOR
    rows = Refund.objects.due(at=at).exclude(capture__account__gateway__in=breakers.down(), created_at__gte=since)
    due = list(rows.values_list("id", "status")[:limit])
    with breakers.patient(SWEEP_PATIENCE_SECONDS):
        for refund_id, status in due:
            try:
                send(refund_id=refund_id, at=at) if status == R.APPROVED else ask(refund_id=refund_id, at=at)
            except DomainError:
                log.exception("refund_step_failed", refund=refund_id)
    return len(due)


def _send(gateway: Refunds, request: RefundRequest) -> Report:
    return gateway.refund(request)


def _ask(gateway: Refunds, request: RefundRequest) -> Report:
    """A question that was refused, or never left us, tells nothing of the refund that went before it."""
    try:
        return gateway.query_refund(request)
    except GatewayRejected as error:
        raise GatewayUnavailable(f"the question was refused: {error}", code=error.code) from error


def _call(refund: Refund, call: Callable[[Refunds, RefundRequest], Report], *, at: datetime) -> None:
    account = refund.capture.account
    gateway = accounts.of(account)
    faultpoints.reach("refund.intent_committed")
    assert isinstance(gateway, Refunds), "a refund goes by a gateway only where the gateway can"
    heard = Heard(account=account, source=AttemptEvent.Source.POLL, at=at, actor="system")
    try:
        report = call(gateway, _request(refund, at=at))
    except GatewayRejected as error:
        report = _made_up(refund, ReportStatus.FAILED, code=error.code, message=str(error))
    except GatewayUnavailable as error:
        if error.never_sent:
            is_held_back = error.code in breakers.HELD_BACK
            _put_off(refund.id, at=at, is_unsent=call is _send, is_held_back=is_held_back)
            return
        report = _made_up(refund, ReportStatus.UNKNOWN, code=error.code, message=str(error))
    faultpoints.reach("refund.gateway_answered")
    apply_refund_report(report=report, heard=heard)


def _made_up(refund: Refund, status: ReportStatus, *, code: str, message: str) -> Report:
    return Report(
        about=ReportAbout.REFUND, reference=refund.gateway_reference, status=status, code=code, message=message
    )


def _request(refund: Refund, *, at: datetime) -> RefundRequest:
    capture = refund.capture
    attempt = capture.attempt
    return RefundRequest(
        reference=refund.gateway_reference,
        payment_reference=attempt.gateway_reference if attempt else "",
        gateway_transaction_id=capture.gateway_transaction_id,
        money=refund.amount,
        captured=capture.money,
        description=refund.reason,
        locale=refund.payment.locale if refund.payment else "vi",
        requested_at=refund.created_at,
        paid_at=attempt.created_at if attempt else capture.occurred_at,
        gateway_refund_id=refund.gateway_refund_id,
        requested_by=refund.requested_by,
        at=at,
        has_twin=_has_twin(refund),
    )


def _has_twin(refund: Refund) -> bool:
    """Whether the gateway may know of another refund of the same money with the same sum."""
    others = Refund.objects.filter(capture_id=refund.capture_id, amount_minor=refund.amount_minor).exclude(id=refund.id)
    return others.exclude(status__in=(R.REQUESTED, R.PENDING_APPROVAL, R.REJECTED, R.CANCELLED)).exists()


@transaction.atomic(durable=True)
def _submit(refund_id: str, *, at: datetime) -> Refund | None:
    """Commit the intent to send; None when somebody else has or it is no longer to be sent."""
    refund = locks.refund(refund_id)
    if refund.status != R.APPROVED or refund.route != Refund.Route.GATEWAY:
        return None
    refund.move_to(R.SUBMITTED, at=at)
    refund.next_step_at = at + ASK_AFTER[0]
    refund.save(update_fields=["status", "updated_at", "next_step_at"])
    return refund


@transaction.atomic(durable=True)
def _put_off(refund_id: str, *, at: datetime, is_unsent: bool, is_held_back: bool) -> None:
    """No byte left us: what it was, a refund or a question, may be sent again later. What we held back was no try.

    `is_unsent`: it was the refund itself, so it is still to be sent; after a question nobody knows.
    """
    refund = locks.refund(refund_id)
    if is_unsent and refund.status == R.SUBMITTED:
        refund.move_to(R.APPROVED, at=at)
    if is_held_back and refund.created_at >= at - breakers.NO_TRY_FOR:
        refund.next_step_at = at + HELD_BACK
        refund.save(update_fields=["status", "updated_at", "next_step_at"])
        return
    _schedule(refund, at=at)
    account = refund.capture.account
    _ask_a_person_when_over(refund, Heard(account=account, source=AttemptEvent.Source.POLL, at=at, actor="system"))
    refund.save()


@transaction.atomic(durable=True)
def apply_refund_report(*, report: Report, heard: Heard) -> Outcome:
    """Believe a gateway about one refund, once. A refund that nobody can tell us about ends with a person."""
    found = Refund.objects.filter(capture__account=heard.account, gateway_reference=report.reference)
    refund_id = found.values_list("id", flat=True).first()
    if refund_id is None:
        return Outcome.ORPHAN
    refund, payment = locks.refund_and_payment(refund_id)
    status = _STATUS.get(report.status)
    if report.status is ReportStatus.NOT_FOUND:
        return _send_again(refund, heard)
    if status is None or status not in REFUND_TRANSITIONS[refund.status]:
        _schedule(refund, at=heard.at)
        _ask_a_person_when_over(refund, heard)
        refund.save()
        return Outcome.ALREADY_APPLIED if status == refund.status else Outcome.NOTHING_NEW
    was = refund.status
    refund.move_to(status, at=heard.at)
    refund.gateway_refund_id = report.gateway_transaction_id or refund.gateway_refund_id
    refund.failure_code, refund.failure_message = report.code[:60], report.message[:250]
    if status == R.SUCCEEDED:
        refund.failure_code = refund.failure_message = ""
        book_sent(refund, payment, source=money_source(refund.capture), actor=heard.who, at=heard.at)
    elif status == R.FAILED:
        _book_failed(refund, payment, was_sent=was == R.SUCCEEDED, heard=heard)
    else:
        _schedule(refund, at=heard.at)
        _ask_a_person_when_over(refund, heard)
    refund.save()
    return Outcome.NOTED if status != R.SUCCEEDED else Outcome.APPLIED


_STATUS: Final = {
    ReportStatus.PAID: R.SUCCEEDED,
    ReportStatus.FAILED: R.FAILED,
    ReportStatus.CANCELLED: R.FAILED,
    ReportStatus.PENDING: R.PENDING,
    ReportStatus.PROCESSING: R.PENDING,
    ReportStatus.UNKNOWN: R.UNKNOWN,
}


def may_pay_twice(refund: Refund, *, at: datetime) -> bool:
    """Whether sending a refund of unknown outcome again could pay it a second time: its gateway no longer knows, or
    never knew, our reference of the first.
    """
    lasts = accounts.of(refund.capture.account).refund_reference_lasts
    is_unknown = refund.route == Refund.Route.GATEWAY and refund.status in (R.UNKNOWN, R.NEEDS_OPERATOR)
    return is_unknown and lasts is not None and at - refund.created_at >= lasts


@transaction.atomic(durable=True)
def retry(*, refund_id: str, actor: str, reason: str, at: datetime, is_surely_not_there: bool = False) -> None:
    """Staff gives a refund that needs a person its tries back; the next sweep sends it under the same reference.

    `is_surely_not_there`: somebody looked at the gateway. Raises RefundRefused without that where it may pay twice.
    """
    refund = locks.refund(refund_id)
    is_risky = may_pay_twice(refund, at=at)
    if is_risky and not is_surely_not_there:
        raise RefundRefused(
            "This gateway may pay a second time: look in its portal, and confirm that the refund is not there.",
            field="is_surely_not_there",
        )
    if refund.status != R.APPROVED:
        refund.move_to(R.APPROVED, at=at)
    refund.steps, refund.next_step_at = 0, at
    refund.save()
    audit.record(
        actor=actor, action="refund.retried", object_type="refund", object_id=refund.id, reason=reason,
        after={"surely_not_there": True} if is_risky else None,
    )  # fmt: skip


@transaction.atomic(durable=True)
def settle_by_bank(*, refund_id: str, bank: str, bank_reference: str, actor: str, at: datetime) -> Refund:
    """Staff sent an approved refund by bank transfer. Raises RefundRefused when it is not waiting for that."""
    refund, payment = locks.refund_and_payment(refund_id)
    if refund.route != Refund.Route.BANK or refund.status != R.APPROVED:
        raise RefundRefused("This refund does not wait for a bank transfer.")
    if not bank_reference.strip() or not bank.strip():
        raise RefundRefused("Name the bank and its reference of the transfer.", field="bank_reference")
    refund.bank_reference = bank_reference
    refund.move_to(R.SUBMITTED, at=at)
    refund.move_to(R.SUCCEEDED, at=at)
    book_sent(refund, payment, source=chart.bank(bank), actor=actor, at=at)
    refund.save()
    return refund


def book_sent(refund: Refund, payment: Payment | None, *, source: chart.AccountRef, actor: str, at: datetime) -> None:
    """Book that the money left us, tell it, and thank nobody twice. Joins the commit of the state."""
    ledger.post(
        reference=f"{refund.id}:executed",
        event="refund_executed",
        lines=postings.refund_executed(source, refund.amount),
        occurred_at=at,
        subject=refund.id,
        order_ref=payment.order.order_id if payment else "",
        actor=actor,
    )
    faultpoints.reach("refund.executed_posted")
    if payment:
        payment.refunding_minor -= refund.amount_minor
        payment.refunded_minor += refund.amount_minor
        payment.updated_at = at
        outbox.publish(events.payment_refunded(payment, refund, at=at))
        payment.save(update_fields=["refunding_minor", "refunded_minor", "updated_at", "events_count"])
        emails.queue(payment, EmailMessageLog.Kind.REFUND_SUCCEEDED, at=at, suffix=f":{refund.id}")
    faultpoints.reach("refund.told")
    cases.answer_refund_questions(refund, at=at, actor=actor)
    audit.record(actor=actor, action="refund.succeeded", object_type="refund", object_id=refund.id)
    metrics.refund_ended(
        gateway=refund.capture.account.gateway, outcome="succeeded", currency=refund.currency,
        amount_minor=refund.amount_minor,
    )  # fmt: skip


def _book_failed(refund: Refund, payment: Payment | None, *, was_sent: bool, heard: Heard) -> None:
    """The money stays with us: every journal of the refund is reversed, and a person decides what the customer gets."""
    for journal in selectors.journals_of(subject=refund.id).filter(reverses=None):
        ledger.reverse(
            reference=f"{refund.id}:failed:{journal.id}",
            journal_id=journal.id,
            occurred_at=heard.at,
            actor=heard.who,
            reason=refund.failure_code or "refund failed",
        )
    refund.clawbacks.filter(status=ClawBack.Status.OPEN).update(status=ClawBack.Status.REVERSED, ended_at=heard.at)
    if payment and was_sent:
        payment.refunded_minor -= refund.amount_minor
    elif payment:
        payment.refunding_minor -= refund.amount_minor
    if payment:
        payment.updated_at = heard.at
        payment.save(update_fields=["refunding_minor", "refunded_minor", "updated_at"])
    cases.open_question(
        kind=MoneyCase.Kind.REFUND_FAILED,
        money=refund.amount,
        payment=payment,
        refund=refund,
        detail=f"{refund.failure_code} {refund.failure_message}",
        at=heard.at,
        actor=heard.who,
    )
    audit.record(
        actor=heard.who,
        action="refund.failed",
        object_type="refund",
        object_id=refund.id,
        reason=refund.failure_message,
    )
    metrics.refund_ended(
        gateway=heard.account.gateway, outcome="failed", currency=refund.currency, amount_minor=refund.amount_minor
    )


def _send_again(refund: Refund, heard: Heard) -> Outcome:
    """The gateway surely has nothing by this reference: back to approved, and sent once more under the same one."""
    if R.APPROVED not in REFUND_TRANSITIONS[refund.status] or refund.status == R.NEEDS_OPERATOR:
        return Outcome.NOTHING_NEW
    refund.move_to(R.APPROVED, at=heard.at)
    _schedule(refund, at=heard.at)
    _ask_a_person_when_over(refund, heard)
    refund.save()
    return Outcome.NOTED


def _schedule(refund: Refund, *, at: datetime) -> None:
    refund.next_step_at = at + ASK_AFTER[refund.steps] if refund.steps < len(ASK_AFTER) else None
    refund.steps += 1
    refund.updated_at = at


def _ask_a_person_when_over(refund: Refund, heard: Heard) -> None:
    if refund.next_step_at is not None or R.NEEDS_OPERATOR not in REFUND_TRANSITIONS[refund.status]:
        return
    refund.move_to(R.NEEDS_OPERATOR, at=heard.at)
    cases.open_question(
        kind=MoneyCase.Kind.REFUND_UNKNOWN,
        money=refund.amount,
        payment=refund.payment,
        refund=refund,
        detail="The gateway never told what became of this refund.",
        at=heard.at,
        actor=heard.who,
    )
