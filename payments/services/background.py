"""Payments that are opened at their gateway in the background: the request commits a queued attempt and calls nobody.

What the reference systems do with a batch over pending invoices (ACCEPTANCE D23 to D25, DESIGN.md 5). A worker is told
at once and beat finds what it missed. Each attempt is marked as sent and committed before its gateway is called, so
that a crash leaves it queued, or as one whose outcome is asked for: nothing is ever sent twice.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import connection, transaction

from config.core import deadletters, faultpoints, outbox
from config.core.clock import Backoff
from config.core.errors import Conflict, DomainError
from config.core.models import DeadLetter
from gateways.errors import GatewayError
from payments import events, kick
from payments.errors import GatewayTrouble, MethodUnusable
from payments.models import Attempt, AttemptEvent, GatewayAccount, Payment, PaymentMethod
from payments.routing import Way
from payments.services import accounts, attempts, breakers, locks, routes, sending
from payments.services.routes import Plan
from payments.services.sending import Opened
from payments.states import PAYABLE, AttemptStatus, PaymentStatus

SOURCE: Final = "queued_payment"
TOPIC: Final = "transaction.created"
"""What was announced of the attempt and came to nothing: its dead-letter topic is there."""
TASK: Final = "payments.open_queued_payment"
TRIES: Final = Backoff(max_tries=3, base=timedelta(seconds=15), cap=timedelta(minutes=5))
"""How often an attempt that never reached its gateway is sent: the second time within 30 s, the third within 60 s more."""
WORK_SECONDS: Final = 20.0
"""A sweep that is at work for so long leaves the rest to the next one."""

log = structlog.get_logger(__name__)


def is_wanted(way: Way, method: PaymentMethod) -> bool:
    """Whether a payment by this way is opened in the background: as its account says, where its gateway can."""
    mode = way.account.invoice_mode or settings.INVOICE_MODE
    if mode != GatewayAccount.InvoiceMode.BATCH:
        return False
    return accounts.of(way.account).can_open_later(way.channel or method.channel)


def kick_after_commit(attempt: Attempt) -> None:
    """Tell a worker once the caller's transaction is committed, if the attempt is one for the background."""
    if attempt.is_to_be_sent:
        transaction.on_commit(lambda: kick.worker(TASK, attempt.id), robust=True)


def open_due(*, at: datetime, limit: int = 50) -> int:
    """Send queued attempts that are due, oldest first, one by one outside any transaction; returns how many.

    Several may run at once: each passes over what another one has under lock or has sent already.
    """
    assert not connection.in_atomic_block, "no network inside a transaction"
    due = list(Attempt.objects.due_for_sending(at=at).values_list("id", flat=True)[:limit])
    sent, until = 0, time.monotonic() + WORK_SECONDS
    with breakers.patient(WORK_SECONDS):
        for attempt_id in due:
            if time.monotonic() > until:
                break
            sent += open_one(attempt_id=attempt_id, at=at)
    return sent


def open_one(*, attempt_id: str, at: datetime) -> bool:
    """Send one queued attempt, if it is due and nobody else does; True when its gateway was called."""
    row = Attempt.objects.select_related("method__account").filter(id=attempt_id).first()
    if row is None or not row.is_to_be_sent:
        return False
    opened = _claim(row, routes.plan(row.method, at=at), at=at)
    if opened is None:
        return False
    try:
        sending.send(opened, at=at)
    except GatewayTrouble as error:
        _put_off(str(error.facts["transaction_id"]), str(error.__cause__ or error), at=at)
    except DomainError as error:
        log.info("queued_payment_not_opened", attempt=attempt_id, error=error.code)
    except GatewayError:
        log.exception("queued_payment_not_opened", attempt=attempt_id)
    return True


@transaction.atomic(durable=True)
def _claim(row: Attempt, plan: Plan, *, at: datetime) -> Opened | None:
    """Mark an attempt as sent, under its payment's lock; None where it is not to be sent, or somebody else is at it."""
    rows = Payment.objects.select_for_update(of=("self",), skip_locked=True).select_related("order", "method__account")
    payment = rows.filter(id=row.payment_id).first()
    if payment is None:
        return None
    attempt = Attempt.objects.select_related("account", "method__account").get(id=row.id)
    is_due = attempt.is_to_be_sent and attempt.next_send_at is not None and attempt.next_send_at <= at
    if not is_due or payment.expires_at <= at:
        return None  # what is over time is ended by its own sweep
    if not _can_be_paid(payment):
        _give_way(attempt, at=at)
        return None
    attempt.move_to(AttemptStatus.SENT, at=at)
    attempt.sends += 1
    attempt.next_query_at = at + attempts.ASK_AFTER[0]
    attempt.save(update_fields=["status", "updated_at", "next_send_at", "sends", "next_query_at"])
    attempts.note(attempt, AttemptStatus.QUEUED, source=AttemptEvent.Source.BEAT, at=at)
    faultpoints.reach("queued.claimed")
    return Opened(payment, attempt, is_replay=False, ways=_others(attempt, payment, plan, at=at), may_wait=True)


def _can_be_paid(payment: Payment) -> bool:
    """Whether a further attempt of it may be paid: not beside one that its gateway is deciding."""
    return payment.status in PAYABLE and payment.status != PaymentStatus.PROCESSING


def _give_way(attempt: Attempt, *, at: datetime) -> None:
    """End an attempt whose payment was paid, or is being decided, by another one."""
    attempt.move_to(AttemptStatus.CANCELLED, at=at)
    attempt.save(update_fields=["status", "updated_at", "ended_at", "next_send_at", "next_query_at"])
    reason = "the payment no longer waits for it"
    attempts.note(attempt, AttemptStatus.QUEUED, source=AttemptEvent.Source.BEAT, at=at, reason=reason)


def _others(attempt: Attempt, payment: Payment, plan: Plan, *, at: datetime) -> tuple[Way, ...]:
    """The rest of the route: accounts that this payment was not tried by, as many as one go may try."""
    try:
        found = routes.choose(plan, method=attempt.method, order=payment.order, money=payment.amount, at=at).ways
    except MethodUnusable:
        return ()
    tried = set(payment.attempts.values_list("account_id", flat=True))
    most = min(settings.ROUTE_TRIES - 1, settings.MAX_ATTEMPTS_PER_PAYMENT - attempt.number)
    return tuple(way for way in found if way.account.pk not in tried)[: max(0, most)]


@transaction.atomic(durable=True)
def _put_off(attempt_id: str, error: str, *, at: datetime) -> None:
    """What never left us is sent again later; the last try ends it, with a dead letter for staff."""
    payment = locks.payment(Attempt.objects.values_list("payment_id", flat=True).get(id=attempt_id))
    attempt = Attempt.objects.select_related("account", "method").get(id=attempt_id)
    if attempt.status != AttemptStatus.SENT:
        return
    if payment.status in PAYABLE and not TRIES.is_spent(attempt.sends):
        attempt.move_to(AttemptStatus.QUEUED, at=at)
        attempt.next_send_at, attempt.next_query_at = at + TRIES.delay(attempt.sends), None
        attempt.save(update_fields=["status", "updated_at", "next_send_at", "next_query_at"])
        attempts.note(attempt, AttemptStatus.SENT, source=AttemptEvent.Source.BEAT, at=at, reason=error)
        faultpoints.reach("queued.put_off")
        return
    sending.fail(payment, attempt, code="gateway_unreachable", message=error, at=at)
    if payment.status in PAYABLE:
        _bury(attempt, error)
    faultpoints.reach("queued.given_up")


def _bury(attempt: Attempt, error: str) -> None:
    log.error("queued_payment_given_up", attempt=attempt.id, gateway=attempt.account.gateway, error=error)
    deadletters.bury(
        source=SOURCE,
        topic=TOPIC,
        key=attempt.payment_id,
        reference=attempt.id,
        payload={"payment": attempt.payment_id, "attempt": attempt.id, "account": attempt.account.code},
        headers={},
        error=error,
        attempts=attempt.sends,
    )


def requeue(letter: DeadLetter, at: datetime) -> None:
    """Open the payment again, by a new attempt: what requeuing its dead letter means.

    Raises Conflict where it can no longer be paid, or the customer has gone on by another attempt.
    """
    payment_id = Attempt.objects.values_list("payment_id", flat=True).get(id=letter.reference)
    payment = locks.payment(payment_id)
    last = payment.attempts.select_related("account", "method").order_by("number").last()
    assert last is not None, "a payment has an attempt from its first commit"
    if not _can_be_paid(payment) or payment.expires_at <= at:
        raise Conflict("This payment can no longer be paid.")
    if last.id != letter.reference:
        raise Conflict("The customer has tried to pay otherwise since.")
    if last.number >= settings.MAX_ATTEMPTS_PER_PAYMENT:
        raise Conflict("This payment has used up its attempts.")
    if not last.account.is_enabled or not last.method.is_active:
        raise Conflict("This way to pay is no longer offered.")
    way = Way(last.account, last.channel)
    number, reason = last.number + 1, f"dead letter {letter.pk} was requeued"
    attempt = attempts.begin(payment, way, number=number, at=at, reason=reason, is_queued=True, next_send_at=at)
    outbox.publish(events.transaction_created(payment, attempt, at=at))
    payment.save(update_fields=["events_count"])
    kick_after_commit(attempt)
    faultpoints.reach("queued.requeued")
