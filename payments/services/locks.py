"""Rows under lock, everywhere in one order, so that nothing can deadlock: order, payment, refund, dispute, case, ledger.

A payment's one-time codes have no lock of their own: whoever holds the payment holds them.
"""

from __future__ import annotations

from typing import Final

from config.core.reads import Read
from payments.errors import CaseNotFound, DisputeNotFound, PaymentNotFound, RefundNotFound
from payments.models import Dispute, MoneyCase, Payment, Refund

_PAYMENT: Final = Read(
    lambda payment_id: (
        Payment.objects.select_for_update(of=("self",)).select_related("order", "method__account").filter(id=payment_id)
    )
)


def payment(payment_id: str) -> Payment:
    """The payment, with its order and method at hand. Raises PaymentNotFound."""
    found = _PAYMENT.first(payment_id)
    if found is None:
        raise PaymentNotFound("There is no such payment.")
    return found


def refund(refund_id: str) -> Refund:
    """The refund, with its capture at hand. Raises RefundNotFound."""
    rows = Refund.objects.select_for_update(of=("self",))
    rows = rows.select_related("capture__account", "capture__attempt", "payment__order")
    found: Refund | None = rows.filter(id=refund_id).first()
    if found is None:
        raise RefundNotFound("There is no such refund.")
    return found


def refund_and_payment(refund_id: str) -> tuple[Refund, Payment | None]:
    """The refund and its payment, the payment locked first; None for a refund of held money. Raises RefundNotFound."""
    payment_id = Refund.objects.filter(id=refund_id).values_list("payment_id", flat=True).first()
    owner = payment(payment_id) if payment_id else None
    found = refund(refund_id)
    found.payment = owner
    return found, owner


def dispute(dispute_id: str) -> Dispute:
    """The dispute, its payment locked before it, with its capture and account at hand. Raises DisputeNotFound."""
    payment_id = Dispute.objects.filter(id=dispute_id).values_list("payment_id", flat=True).first()
    owner = payment(payment_id) if payment_id else None
    rows = Dispute.objects.select_for_update(of=("self",)).select_related("account", "capture__account")
    found: Dispute | None = rows.filter(id=dispute_id).first()
    if found is None:
        raise DisputeNotFound("There is no such dispute.")
    if found.payment_id and owner is None:  # it was told between the two questions: rare, and then out of order
        owner = payment(found.payment_id)
    found.payment = owner
    return found


def case(case_id: str) -> MoneyCase:
    """The money case, its payment locked before it, with what it is about at hand. Raises CaseNotFound."""
    payment_id = MoneyCase.objects.filter(id=case_id).values_list("payment_id", flat=True).first()
    owner = payment(payment_id) if payment_id else None
    rows = MoneyCase.objects.select_for_update(of=("self",))
    rows = rows.select_related("payment__order", "capture__account", "approval")
    found: MoneyCase | None = rows.filter(id=case_id).first()
    if found is None:
        raise CaseNotFound("There is no such case.")
    found.payment = owner
    return found
