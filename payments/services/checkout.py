"""A customer wants to pay: the debt is committed, then the gateway is called, then its answer is committed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from config.core import audit, context, faultpoints, metrics, outbox, writes
from config.core.idempotency import IdempotencyInFlight, IdempotencyMismatch
from config.core.money import Money
from config.core.reads import Read
from payments import events
from payments.errors import (
    AlreadyPaid,
    AmountMismatch,
    AttemptUndecided,
    GatewayTrouble,
    NotPayable,
    OrderNotFound,
    PaymentExpired,
    PaymentNotFound,
    ReturnUrlRefused,
    TooManyAttempts,
)
from payments.models import Attempt, AttemptEvent, Order, Payment, PaymentMethod
from payments.order_draft import OrderDraft
from payments.routing import Way
from payments.services import (
    accounts,
    attempts,
    background,
    locks,
    order_directory,
    orders,
    otp,
    routes,
    webhook_endpoints,
)
from payments.services.routes import Plan
from payments.services.sending import UNREACHABLE, Opened, send
from payments.states import PAYABLE, UNDECIDED, AttemptStatus, PaymentStatus

SHOWABLE: Final = (AttemptStatus.REQUIRES_ACTION, AttemptStatus.PENDING)


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
    draft: OrderDraft | None = None
    amount: Money | None = None
    idempotency_key: str | None = None
    fingerprint: str = ""
    return_url: str = ""
    notify_url: str = ""
    locale: str = "vi"
    channel: str = ""


def create_payment(*, wish: NewPayment, at: datetime) -> Opened:
    """Open a payment of an order, or find the one that is open, and get its pay URL, unless the background gets it.

    Raises OrderNotFound, AmountMismatch, MethodUnusable, AlreadyPaid, NotPayable, AttemptUndecided, TooManyAttempts,
    idempotency errors; OtpRequired, GatewayTrouble, GatewayTimeout and GatewayRefused after the payment was committed, so
    the same request may be sent again.
    """
    _check_return_url(wish.return_url)
    if wish.notify_url:
        webhook_endpoints.check_url(wish.notify_url, field="notify_url")
    plan = Plan() if wish.channel else routes.plan(wish.method, at=at)
    try:
        opened = _open(wish=wish, plan=plan, at=at)
    except OrderNotFound:
        if not order_directory.learn(wish.order_id):
            raise
        opened = _open(wish=wish, plan=plan, at=at)
    if opened.attempt.status == AttemptStatus.QUEUED and not opened.attempt.is_to_be_sent:
        raise otp.required(opened.payment)
    return _sent(opened, at=at)


def _sent(opened: Opened, *, at: datetime) -> Opened:
    """Call the gateway, unless it was called before or the background does so."""
    return opened if opened.is_replay or opened.attempt.is_to_be_sent else send(opened, at=at)


def pay_again(*, payment_id: str, method: PaymentMethod | None, actor: str, at: datetime) -> Opened:
    """The live pay URL of a payment, or a new attempt where the old one ended or another method is wanted.

    Raises AlreadyPaid, PaymentExpired, NotPayable, OtpRequired, AttemptUndecided, TooManyAttempts and the gateway's errors.
    """
    if method is None:
        method = _method_of(payment_id)
    plan = routes.plan(method, at=at)
    opened = _reopen(payment_id=payment_id, method=method, plan=plan, actor=actor, at=at)
    return _sent(opened, at=at)


_OWN: Final = Read(
    lambda order: Payment.objects.filter(
        order=order, status__in=(*PAYABLE, PaymentStatus.AUTHORIZED, PaymentStatus.SUCCEEDED)
    ).order_by("id")
)
"""What an order has been paid by, or can be."""


@transaction.atomic(durable=True)
def _open(*, wish: NewPayment, plan: Plan, at: datetime) -> Opened:
    order = orders.record(wish.draft) if wish.draft else orders.locked(wish.order_id, customer=wish.customer)
    if wish.amount is not None and wish.amount != order.amount:
        raise AmountMismatch("The amount is not what the order costs.", field="amount")
    known = _by_key(wish)
    payment = known or _OWN.first(order.pk)
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
        is_later = not must_wait and background.is_wanted(way, wish.method)
        attempt = attempts.begin(
            payment, way, number=1, at=at, is_queued=must_wait or is_later, next_send_at=at if is_later else None
        )
        faultpoints.reach("checkout.attempt_written")
        if not must_wait:
            outbox.publish(events.transaction_created(payment, attempt, at=at))
    faultpoints.reach("checkout.event_written")
    background.kick_after_commit(attempt)
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
    if last.method_id == method.id and not channel and attempts.is_prepared(last, at=at):
        return Opened(payment, last, is_replay=True)
    if last.status in UNDECIDED:
        if last.status == AttemptStatus.SENT and at - last.updated_at < attempts.IN_FLIGHT:
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
    is_later = background.is_wanted(way, method)
    attempt = attempts.begin(
        payment, way, number=last.number + 1, at=at, is_queued=is_later, next_send_at=at if is_later else None
    )
    background.kick_after_commit(attempt)
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

    One that waited, for a one-time code or for the background, was never sent, and another goes in its place. Any other
    attempt stays open: its link or account is out of our hands until a gateway that can has closed it, and what is paid
    by it is money.
    """
    was = attempt.status
    is_cash = was == AttemptStatus.PENDING and not accounts.of(attempt.account).asks_payer
    if was != AttemptStatus.QUEUED and not is_cash:
        return
    reason = "another method chosen" if is_cash or attempt.is_to_be_sent else "the one-time code was confirmed"
    attempt.move_to(AttemptStatus.CANCELLED, at=at)
    attempt.save(update_fields=["status", "updated_at", "ended_at", "next_query_at", "next_send_at"])
    attempts.note(attempt, was, source=AttemptEvent.Source.API, at=at, actor=actor, reason=reason)


def _check_return_url(url: str) -> None:
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or (parts.hostname or "") not in settings.RETURN_HOSTS:
        raise ReturnUrlRefused("We do not send customers to this address.", field="return_url")
