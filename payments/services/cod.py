"""Cash on delivery: the carrier, or ops for it, says that the cash was collected or refused."""

from __future__ import annotations

from datetime import datetime

from config.core import faultpoints
from config.core.money import Money
from gateways.reports import Report, ReportStatus
from payments.errors import AmountMismatch, NotPayable, PaymentNotFound
from payments.models import Attempt, AttemptEvent
from payments.services import reports
from payments.services.hearing import Heard, Outcome
from payments.states import AttemptStatus


def collected(
    *, payment_id: str, carrier: str, carrier_reference: str, money: Money, actor: str, at: datetime
) -> Outcome:
    """The carrier took the cash: the order is paid and the carrier owes us. Once per carrier and its reference.

    Raises PaymentNotFound, NotPayable for a payment that is no COD, AmountMismatch for a wrong amount: a person
    typed it, so it is refused rather than held.
    """
    attempt = _attempt(payment_id)
    if money != attempt.amount:
        raise AmountMismatch("The carrier must collect exactly what is owed.", field="amount")
    report = Report(
        reference=attempt.gateway_reference,
        status=ReportStatus.PAID,
        money=money,
        gateway_transaction_id=f"{carrier}:{carrier_reference}",
        occurred_at=at,
    )
    faultpoints.reach("cod.told")
    outcome = reports.apply_report(report=report, heard=_heard(attempt, actor, at))
    faultpoints.reach("cod.booked")
    return outcome


def failed(*, payment_id: str, reason: str, actor: str, at: datetime) -> Outcome:
    """The customer did not take the parcel: the attempt failed, the payment waits for another or its end."""
    attempt = _attempt(payment_id)
    report = Report(
        reference=attempt.gateway_reference,
        status=ReportStatus.FAILED,
        code="cod_refused",
        message=reason,
        occurred_at=at,
    )
    return reports.apply_report(report=report, heard=_heard(attempt, actor, at))


def _attempt(payment_id: str) -> Attempt:
    attempt: Attempt | None = (
        Attempt.objects.filter(payment_id=payment_id).select_related("account").order_by("-number").first()
    )
    if attempt is None:
        raise PaymentNotFound("There is no such payment.")
    if attempt.account.gateway != "cod" or attempt.status not in (AttemptStatus.PENDING, AttemptStatus.SUCCEEDED):
        raise NotPayable("No cash is waited for.", facts={"status": str(attempt.status)})
    return attempt


def _heard(attempt: Attempt, actor: str, at: datetime) -> Heard:
    return Heard(account=attempt.account, source=AttemptEvent.Source.STAFF, at=at, actor=actor)
