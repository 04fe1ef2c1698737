"""Saying which payment held money is for, where the payer forgot to."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from config.core import audit
from config.core.errors import InvalidInput
from payments.errors import CaseRefused
from payments.models import AttemptEvent, MoneyCase
from payments.services import attempts, locks, transfers
from payments.states import ATTEMPT_TRANSITIONS, AttemptStatus, CaseStatus


@transaction.atomic(durable=True)
def name_payment(*, case_id: str, payment_id: str, reason: str, actor: str, at: datetime) -> MoneyCase:
    """A person knows whose transfer this is. It stays in suspense; applying it is proposed and approved as ever.

    Raises CaseNotFound, CaseRefused unless the case is open and its money nobody's, PaymentNotFound, NotPayable for a
    payment that was never to be paid into that account, InvalidInput without a reason.
    """
    if not reason.strip():
        raise InvalidInput("Say how you know.", field="reason")
    attempt = transfers.attempt_of(payment_id)
    payment = locks.payment(payment_id)
    case = locks.case(case_id)
    capture = case.capture
    if case.status != CaseStatus.OPEN or capture is None or case.payment is not None:
        raise CaseRefused("This case is not about money that nobody named.")
    if capture.account_id != attempt.account_id:
        raise CaseRefused("The money came into another account than this payment's.", field="payment")
    attempt.refresh_from_db(fields=["status", "gateway_transaction_id"])
    capture.payment, capture.attempt = payment, attempt
    capture.save(update_fields=["payment", "attempt"])
    case.payment, case.attempt = payment, attempt
    case.save(update_fields=["payment", "attempt"])
    if AttemptStatus.SUCCEEDED in ATTEMPT_TRANSITIONS[attempt.status]:
        was = attempt.status
        attempt.move_to(AttemptStatus.SUCCEEDED, at=at)
        attempt.gateway_transaction_id = capture.gateway_transaction_id
        attempt.save(update_fields=["status", "updated_at", "ended_at", "next_query_at", "gateway_transaction_id"])
        attempts.note(attempt, was, source=AttemptEvent.Source.STAFF, at=at, actor=actor, reason=reason)
    audit.record(
        actor=actor, action="case.payment_named", object_type="case", object_id=case.id, reason=reason,
        after={"payment": payment.id},
    )  # fmt: skip
    return case
