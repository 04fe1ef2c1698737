"""A customer wants to pay: the debt is committed, then the gateway is called, then its answer is committed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from config.core import audit, context, faultpoints, metrics, outbox, writes
from config.core.errors import DomainError
from config.core.idempotency import IdempotencyInFlight, IdempotencyMismatch
from config.core.money import Money
from gateways.base import Checkout, CheckoutRequest, GatewayRejected, GatewayUnavailable
from payments import events, links
from payments.errors import (
    AlreadyPaid,
    AmountMismatch,
    AttemptUndecided,
    GatewayRefused,
    GatewayTimeout,
    GatewayTrouble,
    NotPayable,
    OrderNotFound,
    PaymentExpired,
    PaymentNotFound,
    ReturnUrlRefused,
    TooManyAttempts,
)
from payments.models import Attempt, AttemptEvent, EmailMessageLog, Order, Payment, PaymentMethod
from payments.routing import Way
from payments.services import accounts, attempts, emails, locks, order_directory, orders, otp, routes
from payments.services.routes import Plan
from payments.states import PAYABLE, UNDECIDED, AttemptStatus, PaymentStatus

IN_FLIGHT: Final = timedelta(seconds=30)
"""So long a call to a gateway may still be under way; after it the attempt counts as unknown."""
UNREACHABLE: Final = "The payment provider cannot be reached; try again or use another method."
SHOWABLE: Final = (AttemptStatus.REQUIRES_ACTION, AttemptStatus.PENDING)
CHECKOUT_FIELDS: Final = (
    "pay_url", "qr_text", "deeplink", "request", "response", "gateway_transaction_id", "status", "next_query_at",
    "updated_at",
)  # fmt: skip
"""What a gateway's answer to a checkout fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayment:
    """What a caller asks for. `customer` None means a system caller, who may pay for anybody's order.

    `channel`: it must be this one of the method's own account; no routing rule plays a part.
    """

    order_id: str
    method: PaymentMethod
    client: str
    actor: str
    customer: str | None = None
    draft: orders.OrderDraft | None = None
    amount: Money | None = None
    idempotency_key: str | None = None
    fingerprint: str = ""
    return_url: str = ""
    notify_url: str = ""
    locale: str = "vi"
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A payment that can be paid, and the attempt to pay it by. `is_replay`: it was there before this call.

    `ways` are the accounts that come next, should this attempt's say no. `client_secret` is the gateway's, for a card
    form in the payer's browser; it is known in this call only, as nobody keeps it.
    """

    payment: Payment
    attempt: Attempt
    is_replay: bool
    ways: tuple[Way, ...] = ()
    client_secret: str = field(default="", repr=False)


def create_payment(*, wish: NewPayment, at: datetime) -> Opened:
    """Open a payment of an order, or find the one that is open, and get its pay URL.

    Raises OrderNotFound, AmountMismatch, MethodUnusable, AlreadyPaid, NotPayable, AttemptUndecided, TooManyAttempts,
    idempotency errors; OtpRequired, GatewayTrouble, GatewayTimeout and GatewayRefused after the payment was committed, so
    the same request may be sent again.
    """
    _check_return_url(wish.return_url)
    plan = Plan() if wish.channel else routes.plan(wish.method, at=at)
    try:
        opened = _open(wish=wish, plan=plan, at=at)
    except OrderNotFound:
        if not order_directory.learn(wish.order_id):
            raise
        opened = _open(wish=wish, plan=plan, at=at)
    if opened.attempt.status == AttemptStatus.QUEUED:
        raise otp.required(opened.payment)
    return opened if opened.is_replay else _send(opened, at=at)


def pay_again(*, payment_id: str, method: PaymentMethod | None, actor: str, at: datetime) -> Opened:
    """The live pay URL of a payment, or a new attempt where the old one ended or another method is wanted.

    Raises AlreadyPaid, PaymentExpired, NotPayable, OtpRequired, AttemptUndecided, TooManyAttempts and the gateway's errors.
    """
    if method is None:
        method = _method_of(payment_id)
    plan = routes.plan(method, at=at)
    opened = _reopen(payment_id=payment_id, method=method, plan=plan, actor=actor, at=at)
    return opened if opened.is_replay else _send(opened, at=at)


@transaction.atomic(durable=True)
def _open(*, wish: NewPayment, plan: Plan, at: datetime) -> Opened:
    order = orders.record(wish.draft) if wish.draft else orders.locked(wish.order_id, customer=wish.customer)
    if wish.amount is not None and wish.amount != order.amount:
        raise AmountMismatch("The amount is not what the order costs.", field="amount")
    known = _by_key(wish)
    payment = known or order.payments.filter(status__in=(*PAYABLE, PaymentStatus.AUTHORIZED, "succeeded")).first()
    if payment is None:
        return _first_attempt(order, wish, plan, at=at)
    payment = locks.payment(payment.id)
    if known is None:
        _refuse_unless_payable(payment, at=at)
    elif payment.status not in PAYABLE:
        last = payment.attempts.order_by("number").last()
        assert last is not None, "a payment has an attempt from its first commit"
        return Opened(payment, last, is_replay=True)
    return _current_or_next(payment, wish.method, plan, actor=wish.actor, channel=wish.channel, at=at)


@transaction.atomic(durable=True)
def _reopen(*, payment_id: str, method: PaymentMethod, plan: Plan, actor: str, at: datetime) -> Opened:
    payment = locks.payment(payment_id)
    _refuse_unless_payable(payment, at=at)
    return _current_or_next(payment, method, plan, actor=actor, at=at)


def _method_of(payment_id: str) -> PaymentMethod:
    """The method a payment goes by so far. Raises PaymentNotFound."""
    payment: Payment | None = Payment.objects.select_related("method__account").filter(id=payment_id).first()
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    method: PaymentMethod = payment.method
    return method


def _by_key(wish: NewPayment) -> Payment | None:
    """The payment that this idempotency key made. Raises IdempotencyMismatch when it came with another request."""
    if not wish.idempotency_key:
        return None
    payment: Payment | None = Payment.objects.filter(client=wish.client, idempotency_key=wish.idempotency_key).first()
    if payment and payment.fingerprint != wish.fingerprint:
        raise IdempotencyMismatch("This Idempotency-Key was used for another request.")
    return payment


def _refuse_unless_payable(payment: Payment, *, at: datetime) -> None:
    if payment.status in (PaymentStatus.SUCCEEDED, PaymentStatus.AUTHORIZED):
        raise AlreadyPaid("This order is paid.", facts={"payment_id": payment.id})
    if payment.status == PaymentStatus.EXPIRED or (payment.status in PAYABLE and payment.expires_at <= at):
        raise PaymentExpired("The time to pay is over.", facts={"payment_id": payment.id})
    if payment.status not in PAYABLE:
        raise NotPayable("This payment has ended.", facts={"payment_id": payment.id, "status": str(payment.status)})


def _first_attempt(order: Order, wish: NewPayment, plan: Plan, *, at: datetime) -> Opened:
    if order.status == Order.Status.CANCELLED:
        raise NotPayable("This order was cancelled.", field="order_id")
    choice = routes.choose(plan, method=wish.method, order=order, money=order.amount, at=at)
    way, *others = _by(wish.channel, choice.ways)
    must_wait = otp.is_needed(order.amount)
    payment = Payment(
        order=order,
        method=wish.method,
        customer=order.customer,
        amount_minor=order.amount_minor,
        currency=order.currency,
        status=PaymentStatus.PENDING,
        client=wish.client,
        idempotency_key=wish.idempotency_key or None,
        fingerprint=wish.fingerprint,
        return_url=wish.return_url,
        notify_url=wish.notify_url,
        locale=wish.locale,
        traceparent=context.get().traceparent[:55],
        expires_at=at + (wish.method.lifetime or settings.ORDER_DURATION),
        created_at=at,
        updated_at=at,
        events_count=0 if must_wait else 1,  # the event below, counted in the insert already
    )
    with writes.together():
        writes.insert(payment)
        faultpoints.reach("checkout.payment_written")
        payment.events_count = 0
        audit.record(actor=wish.actor, action="payment.created", object_type="payment", object_id=payment.id)
        attempt = attempts.begin(payment, way, number=1, at=at, is_queued=must_wait)
        faultpoints.reach("checkout.attempt_written")
        if not must_wait:
            outbox.publish(events.transaction_created(payment, attempt, at=at))
    faultpoints.reach("checkout.event_written")
    metrics.payment_created(gateway=way.account.gateway, method=wish.method.code)
    return Opened(payment, attempt, is_replay=False, ways=tuple(others))


def _current_or_next(
    payment: Payment, method: PaymentMethod, plan: Plan, *, actor: str, at: datetime, channel: str = ""
) -> Opened:
    """The attempt that is under way by this method, or the next one. Never a second beside an undecided one."""
    last = payment.attempts.order_by("number").last()
    assert last is not None, "a payment has an attempt from its first commit"
    if payment.status == PaymentStatus.PROCESSING:
        raise AttemptUndecided("The payment provider is checking this payment; a second one could be paid twice.")
    if last.status in UNDECIDED:
        if last.status == AttemptStatus.SENT and at - last.created_at < IN_FLIGHT:
            raise IdempotencyInFlight("The same payment is being started right now.")
        raise AttemptUndecided("The last attempt's outcome is not known yet; try again in a minute.")
    is_same = last.method_id == method.id and last.status in SHOWABLE
    if is_same and _is_shown(payment, last, method, plan, channel, at=at):
        return Opened(payment, last, is_replay=True)
    if last.number >= settings.MAX_ATTEMPTS_PER_PAYMENT:
        raise TooManyAttempts("This payment has used up its attempts.")
    if not otp.is_confirmed(payment):
        raise otp.required(payment)
    way, *others = _by(channel, _ways(payment, method, plan, at=at))
    if routes.is_down(plan, way):  # a further attempt would only be used up
        raise GatewayTrouble(UNREACHABLE, facts={"payment_id": payment.id, "transaction_id": last.id})
    _leave_behind(last, actor=actor, at=at)
    payment.method = method
    if method.lifetime:
        payment.expires_at = max(payment.expires_at, at + method.lifetime)
    attempt = attempts.begin(payment, way, number=last.number + 1, at=at)
    outbox.publish(events.transaction_created(payment, attempt, at=at))
    audit.record(actor=actor, action="payment.attempted", object_type="payment", object_id=payment.id)
    payment.save(update_fields=["method", "expires_at", "events_count"])
    return Opened(payment, attempt, is_replay=False, ways=tuple(others))


def _is_shown(
    payment: Payment, last: Attempt, method: PaymentMethod, plan: Plan, channel: str, *, at: datetime
) -> bool:
    """Whether the customer has where to pay by an open attempt: a page, a code, or a card form of the shop's own."""
    has_form = bool(last.gateway_transaction_id)
    if channel:
        return has_form and last.used_channel == channel
    if last.pay_url or last.qr_text or not accounts.of(last.account).notifies:
        return True
    return has_form and any(way.channel == last.used_channel for way in _ways(payment, method, plan, at=at))


def _by(channel: str, ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """The ways, or the first of them by the one channel that is wanted."""
    return (dataclasses.replace(ways[0], channel=channel),) if channel else ways


def _ways(payment: Payment, method: PaymentMethod, plan: Plan, *, at: datetime) -> tuple[Way, ...]:
    """The route of a further attempt: accounts that refused to open this payment come last."""
    found = routes.choose(plan, method=method, order=payment.order, money=payment.amount, at=at).ways
    if len(found) == 1:
        return found
    refused = payment.attempts.filter(status=AttemptStatus.FAILED, pay_url="", qr_text="", gateway_transaction_id="")
    return routes.after_refusals(found, set(refused.values_list("account_id", flat=True)))


def _leave_behind(attempt: Attempt, *, actor: str, at: datetime) -> None:
    """Cancel a cash attempt that the customer turned away from: no carrier shall collect what is paid otherwise.

    One that waited for a one-time code was never sent, and another goes in its place. Any other attempt stays open
    instead: its link or account is out of our hands, and what is paid by it is money.
    """
    was = attempt.status
    is_cash = was == AttemptStatus.PENDING and not accounts.of(attempt.account).asks_payer
    if was != AttemptStatus.QUEUED and not is_cash:
        return
    attempt.move_to(AttemptStatus.CANCELLED, at=at)
    attempt.save(update_fields=["status", "updated_at", "ended_at", "next_query_at"])
    attempts.note(
        attempt,
        was,
        source=AttemptEvent.Source.API,
        at=at,
        actor=actor,
        reason="another method chosen" if is_cash else "the one-time code was confirmed",
    )


def finish(attempt: Attempt, *, at: datetime) -> None:
    """Note what a crash kept from being noted, where nobody can be asked: cash has no other side that knows more."""
    if attempt.status in UNDECIDED:
        _send(Opened(attempt.payment, attempt, is_replay=False), at=at)


def _send(opened: Opened, *, at: datetime) -> Opened:
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
    attempt = attempts.begin(payment, way, number=opened.attempt.number + 1, at=at, reason=reason)
    outbox.publish(events.transaction_created(payment, attempt, at=at))
    audit.record(
        actor="system", action="payment.rerouted", object_type="payment", object_id=payment.id, reason=reason,
        after={"account": way.account.code},
    )  # fmt: skip
    payment.save(update_fields=["events_count"])
    faultpoints.reach("checkout.rerouted")
    return Opened(payment, attempt, is_replay=False, ways=tuple(others))


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


@transaction.atomic(durable=True)
def _note_checkout(opened: Opened, checkout: Checkout, *, at: datetime) -> Opened:
    payment = Payment.objects.select_for_update().get(id=opened.payment.id)
    payment.order, payment.method = opened.payment.order, opened.attempt.method
    attempt = Attempt.objects.get(id=opened.attempt.id)
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
    if fresh.status not in UNDECIDED:
        return
    was = fresh.status
    fresh.move_to(AttemptStatus.FAILED, at=at)
    fresh.failure_code, fresh.failure_message = code[:60], message[:250]
    fresh.save()
    attempts.note(fresh, was, source=AttemptEvent.Source.API, at=at, reason=message)
    outbox.publish(events.transaction_failed(payment, fresh, at=at))
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


def _check_return_url(url: str) -> None:
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or (parts.hostname or "") not in settings.RETURN_HOSTS:
        raise ReturnUrlRefused("We do not send customers to this address.", field="return_url")
