"""Refunds: asked for by a caller or by a decided case; then approved, booked and sent (the refund_* modules)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from config.core import audit, faultpoints, ids
from config.core.idempotency import IdempotencyMismatch
from config.core.models import User
from config.core.money import Money
from payments import refund_split
from payments.errors import PaymentDisputed, PaymentNotFound, RefundRefused, RefundTooMuch
from payments.models import Capture, Payment, Refund, RefundLine
from payments.refund_split import Part, Wanted
from payments.services import accounts, locks, orders, refund_approval, refund_booking, refund_steps, refundable
from payments.states import DisputeStatus, RefundStatus

R = RefundStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRefund:
    """What a caller asks for: an amount, lines, or neither for all that is left. `maker` None means a service."""

    payment_id: str
    amount: Money | None = None
    lines: Sequence[Wanted] = field(default_factory=tuple)
    reason: str = ""
    actor: str = ""
    maker: User | None = None
    client: str = ""
    idempotency_key: str | None = None
    fingerprint: str = ""
    shipping_bearer: Refund.ShippingBearer = Refund.ShippingBearer.PLATFORM
    route: Refund.Route | None = None
    bank_details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requested:
    """A refund, and whether an earlier request with the same key made it."""

    refund: Refund
    is_replay: bool


def request_refund(*, wish: NewRefund, at: datetime) -> Requested:
    """Promise money back. Small refunds by the gateway leave at once; others wait for a second person.

    Raises PaymentNotFound, RefundRefused (unpaid, no way back), PaymentDisputed, RefundTooMuch, IdempotencyMismatch.
    What the gateway does is in the refund's status, never raised.
    """
    requested = _request(wish=wish, at=at)
    if not requested.is_replay and requested.refund.status == R.APPROVED:
        return Requested(refund_steps.send(refund_id=requested.refund.id, at=at), is_replay=False)
    return requested


@transaction.atomic(durable=True)
def _request(*, wish: NewRefund, at: datetime) -> Requested:
    payment = locks.payment(wish.payment_id)
    if wish.idempotency_key:
        known = Refund.objects.filter(client=wish.client, idempotency_key=wish.idempotency_key).first()
        if known and known.fingerprint != wish.fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key was used for another request.")
        if known:
            return Requested(known, is_replay=True)
    capture = _refundable_capture(payment)
    parts = _parts(payment, wish.amount, wish.lines)
    faultpoints.reach("refund.asked")
    route = wish.route or _route(capture)
    if route == Refund.Route.GATEWAY and not accounts.can_refund(capture):
        raise RefundRefused(
            "What was paid this way cannot go back through its gateway: send it by bank transfer.",
            field="route",
            facts={"channel": capture.channel, "route": str(Refund.Route.BANK)},
        )
    refund = _begin(payment, capture, parts, wish, route=route, at=at)
    if refund_approval.is_needed(refund.amount, route):
        refund_approval.ask(refund, maker=wish.maker, at=at)
    else:
        refund.move_to(R.APPROVED, at=at)
        refund_booking.book(refund, actor=wish.actor, at=at)
    refund.save()
    faultpoints.reach("refund.written")
    return Requested(refund, is_replay=False)


def draft_lines(wish: NewRefund) -> list[RefundLine]:
    """The lines that a request would make now, unsaved: what a preview shows. Raises what request_refund raises."""
    payment = Payment.objects.select_related("order").filter(id=wish.payment_id).first()
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    _refundable_capture(payment)
    return [
        RefundLine(
            shop_order=part.unit.shop_order,
            kind=part.unit.kind,
            list_minor=part.cash + part.site,
            cash_minor=part.cash,
            site_minor=part.site,
        )
        for part in _parts(payment, wish.amount, wish.lines)
    ]


def book_the_rest(*, payment_id: str, reason: str, actor: str, at: datetime) -> Refund:
    """Book a refund of all that is left of a payment, decided by two people elsewhere. Joins that commit."""
    payment = locks.payment(payment_id)
    capture = _refundable_capture(payment)
    wish = NewRefund(payment_id=payment_id, reason=reason, actor=actor)
    refund = _begin(payment, capture, _parts(payment, None, ()), wish, route=_route(capture), at=at)
    refund.move_to(R.APPROVED, at=at)
    refund_booking.book(refund, actor=actor, at=at)
    refund.save()
    return refund


def begin_of_held_money(*, capture: Capture, reason: str, actor: str, at: datetime) -> Refund:
    """A refund of money in suspense, approved with its case. Joins that commit; the caller books it.

    Raises PaymentDisputed when the payer's bank has taken, or asked for, that money.
    """
    if capture.disputes.filter(is_inquiry=False).exclude(status=DisputeStatus.WON).exists():
        raise PaymentDisputed("This money is disputed; a refund now could pay twice.")
    identifier = ids.refund_id()
    route = _route(capture)
    refund = Refund(
        id=identifier,
        payment=None,
        capture=capture,
        is_of_held_money=True,
        amount_minor=capture.amount_minor,
        currency=capture.currency,
        route=route,
        reason=reason[:250],
        requested_by=actor,
        gateway_reference=_reference(capture, identifier, at),
        next_step_at=at if route == Refund.Route.GATEWAY else None,
        created_at=at,
        updated_at=at,
    )
    refund.move_to(R.APPROVED, at=at)
    refund.save(force_insert=True)
    audit.record(actor=actor, action="refund.requested", object_type="refund", object_id=refund.id, reason=reason)
    return refund


def _refundable_capture(payment: Payment) -> Capture:
    capture = (
        payment.captures.filter(disposition=Capture.Disposition.APPLIED).select_related("account", "attempt").first()
    )
    refundable.refuse_while_disputed(payment)
    if capture is None or not payment.refundable:
        raise RefundRefused("Nothing of this payment is left to refund.", facts={"status": str(payment.status)})
    return capture


def _parts(payment: Payment, amount: Money | None, lines: Sequence[Wanted]) -> list[Part]:
    if amount is not None and (amount.currency != payment.currency or amount.minor <= 0):
        raise RefundTooMuch("A refund is a positive amount in the payment's currency.", field="amount")
    available = refund_split.units(
        shop_orders=orders.parts_of(payment.order), paid=payment.amount, refunded=refundable.refunded_of(payment)
    )
    if lines:
        parts = refund_split.by_lines(lines, available)
        cash = sum(part.cash for part in parts)
        if amount is not None and amount.minor != cash:
            raise RefundTooMuch(
                "The amount is not the cash of these lines.", field="amount", facts={"cash_of_lines": cash}
            )
    elif amount is None or amount == payment.refundable:
        parts = refund_split.everything(available)
    else:
        parts = refund_split.by_amount(amount, available)
    if not 0 < sum(part.cash for part in parts) <= payment.refundable.minor:
        raise RefundTooMuch(
            "More than is left to refund.", field="amount", facts={"refundable": str(payment.refundable)}
        )
    return parts


def _begin(
    payment: Payment, capture: Capture, parts: Sequence[Part], wish: NewRefund, *, route: Refund.Route, at: datetime
) -> Refund:
    identifier = ids.refund_id()
    cash = sum(part.cash for part in parts)
    refund = Refund(
        id=identifier,
        payment=payment,
        capture=capture,
        amount_minor=cash,
        currency=payment.currency,
        route=route,
        reason=wish.reason[:250],
        shipping_bearer=wish.shipping_bearer,
        bank_details=dict(wish.bank_details),
        requested_by=wish.actor,
        gateway_reference=_reference(capture, identifier, at),
        client=wish.client,
        idempotency_key=wish.idempotency_key or None,
        fingerprint=wish.fingerprint,
        created_at=at,
        updated_at=at,
    )
    refund.save(force_insert=True)
    RefundLine.objects.bulk_create(
        RefundLine(
            refund=refund,
            shop_order=part.unit.shop_order,
            kind=part.unit.kind,
            list_minor=part.cash + part.site,
            cash_minor=part.cash,
            site_minor=part.site,
        )
        for part in parts
    )
    payment.refunding_minor += cash
    payment.updated_at = at
    payment.save(update_fields=["refunding_minor", "updated_at"])
    audit.record(
        actor=wish.actor, action="refund.requested", object_type="refund", object_id=refund.id, reason=wish.reason,
        after={"payment": payment.id, "amount_minor": cash, "currency": payment.currency},
    )  # fmt: skip
    return refund


def _route(capture: Capture) -> Refund.Route:
    """By the gateway where it can send back what came by that channel, else by bank transfer."""
    return Refund.Route.GATEWAY if accounts.can_refund(capture) else Refund.Route.BANK


def _reference(capture: Capture, refund_id: str, at: datetime) -> str:
    return accounts.of(capture.account).reference(ids.number_of(refund_id), at)
