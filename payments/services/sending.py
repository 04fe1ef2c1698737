"""An attempt that was begun is sent to its gateway, outside any transaction, and what the gateway answered is committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction

from config.core import audit, context, faultpoints, outbox, writes
from config.core.errors import DomainError
from config.core.reads import Read
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import Checkout
from gateways.requests import CheckoutRequest
from payments import events, links
from payments.errors import GatewayRefused, GatewayTimeout, GatewayTrouble
from payments.models import Attempt, AttemptEvent, EmailMessageLog, Payment
from payments.routing import Way
from payments.services import accounts, attempts, emails, locks
from payments.states import PAYABLE, UNDECIDED, AttemptStatus, PaymentStatus

UNREACHABLE: Final = "The payment provider cannot be reached; try again or use another method."
CHECKOUT_FIELDS: Final = (
    "pay_url", "qr_text", "deeplink", "request", "response", "gateway_transaction_id", "status", "next_query_at",
    "updated_at",
)  # fmt: skip
"""What a gateway's answer to a checkout fills in."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A payment that can be paid, and the attempt to pay it by. `is_replay`: it was there before this call.

    `ways` are the accounts that come next, should this attempt's say no. `client_secret` is the gateway's, for a card
    form in the payer's browser; it is known in this call only, as nobody keeps it. `may_wait`: nobody waits for the
    answer, so that what was never sent and has no other way is left as it is, to be sent later.
    """

    payment: Payment
    attempt: Attempt
    is_replay: bool
    ways: tuple[Way, ...] = ()
    client_secret: str = field(default="", repr=False)
    may_wait: bool = False

    @property
    def pay_url(self) -> str:
        """Where the customer pays: at the gateway, or on our own page while the background still asks it for its own."""
        is_prepared = self.attempt.is_to_be_sent or (self.attempt.sends and self.attempt.status == AttemptStatus.SENT)
        return self.attempt.pay_url or (links.pay_page(self.payment) if is_prepared else "")


def finish(attempt: Attempt, *, at: datetime) -> None:
    """Note what a crash kept from being noted, where nobody can be asked: cash has no other side that knows more."""
    if attempt.status in UNDECIDED:
        send(Opened(attempt.payment, attempt, is_replay=False), at=at)


def send(opened: Opened, *, at: datetime) -> Opened:
    """Call the gateway; after a definite no, call the next account of the route in an attempt of its own."""
    for _ in range(settings.ROUTE_TRIES - 1):
        try:
            return _call(opened, at=at)
        except (GatewayRefused, GatewayTrouble) as error:
            following = _fall_back(opened, at=at) if opened.ways and _may_go_elsewhere(error) else None
            if following is None:
                raise
            opened = following
    return _call(opened, at=at)


def _may_go_elsewhere(error: DomainError) -> bool:
    """Only when surely nothing happened at the gateway, and the no was not the payer's own."""
    cause = error.__cause__
    if isinstance(cause, GatewayRejected):
        return not cause.by_payer
    return isinstance(cause, GatewayUnavailable) and cause.never_sent


@transaction.atomic(durable=True)
def _fall_back(opened: Opened, *, at: datetime) -> Opened | None:
    """The next attempt, at the next account; None when this payment's story has gone on without us."""
    payment = locks.payment(opened.payment.id)
    last = payment.attempts.order_by("number").last()
    is_ours = last is not None and last.id == opened.attempt.id and last.status == AttemptStatus.FAILED
    may_go_on = payment.status in PAYABLE and payment.status != PaymentStatus.PROCESSING
    if not is_ours or not may_go_on or opened.attempt.number >= settings.MAX_ATTEMPTS_PER_PAYMENT:
        return None
    way, *others = opened.ways
    reason = f"after a definite no of {opened.attempt.account.code}"
    sends = 1 if opened.may_wait else 0
    attempt = attempts.begin(payment, way, number=opened.attempt.number + 1, at=at, reason=reason, sends=sends)
    outbox.publish(events.transaction_created(payment, attempt, at=at))
    audit.record(
        actor="system", action="payment.rerouted", object_type="payment", object_id=payment.id, reason=reason,
        after={"account": way.account.code},
    )  # fmt: skip
    payment.save(update_fields=["events_count"])
    faultpoints.reach("checkout.rerouted")
    return Opened(payment, attempt, is_replay=False, ways=tuple(others), may_wait=opened.may_wait)


def _call(opened: Opened, *, at: datetime) -> Opened:
    """Call the gateway, outside any transaction, and commit what it answered."""
    payment, attempt = opened.payment, opened.attempt
    facts = {"payment_id": payment.id, "transaction_id": attempt.id}
    faultpoints.reach("checkout.intent_committed")
    try:
        checkout = accounts.of(attempt.account).create_checkout(request_of(payment, attempt, at=at))
    except GatewayRejected as error:
        _note_refusal(attempt, code=error.code or "gateway_refused", message=str(error), at=at)
        raise GatewayRefused(
            "The payment provider refused this payment; another method may work.", facts=facts
        ) from error
    except GatewayUnavailable as error:
        if error.never_sent:
            if opened.may_wait and not opened.ways:
                raise GatewayTrouble(UNREACHABLE, facts=facts) from error
            _note_refusal(attempt, code="gateway_unreachable", message=str(error), at=at)
            raise GatewayTrouble(UNREACHABLE, facts=facts) from error
        _note_unknown(attempt, at=at)
        raise GatewayTimeout("The payment provider did not answer in time; we are asking it.", facts=facts) from error
    faultpoints.reach("checkout.gateway_answered")
    return _note_checkout(opened, checkout, at=at)


def request_of(payment: Payment, attempt: Attempt, *, at: datetime) -> CheckoutRequest:
    """What a gateway needs to know of an attempt to open it."""
    order = payment.order
    return CheckoutRequest(
        reference=attempt.gateway_reference,
        money=attempt.amount,
        description=order.description or f"Order {order.order_id}",
        return_url=links.gateway_return(attempt.account),
        notify_url=links.gateway_notify(attempt.account),
        locale=payment.locale,
        created_at=at,
        expires_at=attempt.expires_at,
        channel=attempt.used_channel,
        buyer_name=order.buyer_name,
        buyer_email=order.buyer_email,
        buyer_phone=order.buyer_phone,
        buyer_ip=context.get().ip or "",
    )


_PAYMENT: Final = Read(lambda payment_id: Payment.objects.select_for_update().filter(id=payment_id))
_ATTEMPT: Final = Read(lambda attempt_id: Attempt.objects.filter(id=attempt_id))


@transaction.atomic(durable=True)
def _note_checkout(opened: Opened, checkout: Checkout, *, at: datetime) -> Opened:
    payment, attempt = _PAYMENT.one(opened.payment.id), _ATTEMPT.one(opened.attempt.id)
    payment.order, payment.method = opened.payment.order, opened.attempt.method
    attempt.method, attempt.account = opened.attempt.method, opened.attempt.account
    attempt.pay_url, attempt.qr_text, attempt.deeplink = checkout.pay_url, checkout.qr_text, checkout.deeplink
    attempt.request, attempt.response = dict(checkout.request), dict(checkout.response)
    if checkout.gateway_transaction_id and not attempt.gateway_transaction_id:
        attempt.gateway_transaction_id = checkout.gateway_transaction_id
    gateway = accounts.of(attempt.account)
    with writes.together():
        if attempt.status in UNDECIDED:  # an IPN may have outrun the gateway's own answer
            was = attempt.status
            attempt.move_to(AttemptStatus.REQUIRES_ACTION if gateway.asks_payer else AttemptStatus.PENDING, at=at)
            attempt.next_query_at = attempts.next_ask(attempt.queries, at=at) if gateway.notifies else None
            attempts.note(attempt, was, source=AttemptEvent.Source.API, at=at)
            if attempt.number > 1:  # the customer pays here now, and not by a page that they left
                attempts.close_all(payment.attempts.filter(number__lt=attempt.number), at=at)
        writes.update(attempt, *CHECKOUT_FIELDS)
        faultpoints.reach("checkout.answer_written")
        if payment.status == PaymentStatus.PENDING:
            payment.move_to(PaymentStatus.AWAITING_PAYMENT, at=at)
            writes.update(payment, "status", "updated_at")
            faultpoints.reach("checkout.status_written")
        if not gateway.notifies:
            kind = EmailMessageLog.Kind.TRANSFER_DETAILS if gateway.asks_payer else EmailMessageLog.Kind.ORDER_CREATED
            emails.queue(payment, kind, at=at)
    return Opened(payment, attempt, is_replay=False, client_secret=checkout.client_secret)


@transaction.atomic(durable=True)
def _note_refusal(attempt: Attempt, *, code: str, message: str, at: datetime) -> None:
    """The gateway has nothing: this attempt is over, the payment may be tried otherwise."""
    payment = locks.payment(attempt.payment_id)
    fresh = Attempt.objects.get(id=attempt.id)
    if fresh.status in UNDECIDED:
        fail(payment, fresh, code=code, message=message, at=at)


def fail(payment: Payment, attempt: Attempt, *, code: str, message: str, at: datetime) -> None:
    """End an undecided attempt of a locked payment, of which the gateway surely has nothing. Joins a transaction."""
    was = attempt.status
    attempt.move_to(AttemptStatus.FAILED, at=at)
    attempt.failure_code, attempt.failure_message = code[:60], message[:250]
    attempt.save()
    attempts.note(attempt, was, source=AttemptEvent.Source.API, at=at, reason=message)
    outbox.publish(events.transaction_failed(payment, attempt, at=at))
    if payment.status == PaymentStatus.PENDING:
        payment.move_to(PaymentStatus.AWAITING_PAYMENT, at=at)
    payment.save(update_fields=["status", "updated_at", "events_count"])


@transaction.atomic(durable=True)
def _note_unknown(attempt: Attempt, *, at: datetime) -> None:
    """No usable answer: the attempt is unknown and its first question is due in 30 seconds."""
    locks.payment(attempt.payment_id)
    fresh = Attempt.objects.get(id=attempt.id)
    if fresh.status != AttemptStatus.SENT:
        return
    fresh.move_to(AttemptStatus.UNKNOWN, at=at)
    fresh.next_query_at = attempts.next_ask(0, at=at)
    fresh.save()
    attempts.note(fresh, AttemptStatus.SENT, source=AttemptEvent.Source.API, at=at, reason="no answer")
