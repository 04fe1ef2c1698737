"""Disputes that staff read in a gateway's e-mail or portal, and payments that staff find for unknown ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from config.core import audit
from config.core.money import Money
from gateways.reports import DisputeReport
from gateways.reports import DisputeStatus as Told
from payments.errors import DisputeRefused
from payments.models import AttemptEvent, Capture, Dispute, GatewayAccount, MoneyCase
from payments.services import cases, dispute_booking, disputes, locks
from payments.services.dispute_history import note
from payments.services.hearing import Heard


@transaction.atomic(durable=True)
def attach(*, dispute_id: str, payment_id: str, actor: str, reason: str, at: datetime) -> Dispute:
    """Staff found the payment that an unknown dispute is about. Raises DisputeRefused, PaymentNotFound."""
    payment = locks.payment(payment_id)
    dispute = locks.dispute(dispute_id)
    capture = payment.captures.select_related("account").filter(account=dispute.account).order_by("created_at").first()
    if dispute.payment_id or dispute.booked:
        raise DisputeRefused("This dispute is about a payment already, or was booked as unexplained.")
    if capture is None:
        raise DisputeRefused("This account took no money for that payment.", field="payment_id")
    dispute.payment, dispute.capture = payment, capture
    note(dispute, "attached", source=AttemptEvent.Source.STAFF, actor=actor, at=at, reason=reason)
    dispute_booking.settle(dispute, payment, is_taken=bool(dispute.withdrawn_minor), at=at, actor=actor)
    disputes.tell(dispute, payment, was="", is_first=True, at=at)
    cases.answer_dispute_questions(dispute, kind=MoneyCase.Kind.DISPUTE_UNKNOWN, at=at, actor=actor)
    dispute_booking.save(dispute, payment, at=at)
    return dispute


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDispute:
    """A dispute that staff read in a gateway's e-mail or portal. `payment_id` "" where nobody knows it."""

    account: GatewayAccount
    gateway_dispute_id: str
    money: Money
    payment_id: str = ""
    fee: Money | None = None
    reason: str = ""
    is_inquiry: bool = False
    is_withdrawn: bool = True
    respond_by: datetime | None = None


def open_by_hand(*, wish: NewDispute, actor: str, why: str, at: datetime) -> Dispute:
    """Open a dispute that no message told of. The same gateway number again finds the first one.

    Raises DisputeRefused without a number or for a payment that this account took no money for.
    """
    number = wish.gateway_dispute_id.strip()
    if not number:
        raise DisputeRefused("Name the gateway's number of the dispute.", field="gateway_dispute_id")
    capture = None
    if wish.payment_id:
        taken = Capture.objects.filter(payment_id=wish.payment_id, account=wish.account)
        capture = taken.order_by("created_at").first()
        if capture is None:
            raise DisputeRefused("This account took no money for that payment.", field="payment_id")
    report = DisputeReport(
        dispute_id=number,
        status=Told.NEEDS_RESPONSE,
        money=wish.money,
        gateway_transaction_id=capture.gateway_transaction_id if capture else "",
        fee=wish.fee,
        reason=wish.reason,
        is_inquiry=wish.is_inquiry,
        withdrawn=wish.is_withdrawn and not wish.is_inquiry,
        respond_by=wish.respond_by,
        occurred_at=at,
    )
    heard = Heard(account=wish.account, source=AttemptEvent.Source.STAFF, at=at, actor=actor)
    disputes.apply_dispute_report(report=report, heard=heard)
    dispute: Dispute = Dispute.objects.get(account=wish.account, gateway_dispute_id=number)
    with transaction.atomic(durable=True):
        audit.record(
            actor=actor, action="dispute.opened_by_hand", object_type="dispute", object_id=dispute.id, reason=why
        )
    return dispute
