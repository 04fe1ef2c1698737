"""A customer asks to be forgotten: one person asks, another agrees, and what tells who they were is emptied.

Money facts stay, under the marketplace's own id of the customer. What proves where money went stays too: evidence given
in disputes, and the bank details that refunds were sent to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from config.core import approvals, audit, inbox
from config.core.errors import InvalidInput
from config.core.models import Approval, User
from payments.errors import CustomerBusy, CustomerNotFound
from payments.models import Attempt, Dispute, EmailMessageLog, MoneyCase, Notification, Order, Payment, Refund
from payments.states import OPEN_DISPUTES, PAYABLE, CaseStatus, NotificationStatus, PaymentStatus

MESSAGE_BLANK: dict[str, object] = {"query": "", "headers": {}, "proof": "", "body": "", "remote_ip": None, "error": ""}
"""What goes of a gateway's message; its dedupe key stays, so the same bytes are still a duplicate."""
EMAIL_BLANK: dict[str, object] = {"recipient": "", "subject": "", "error": ""}
ATTEMPT_BLANK: dict[str, object] = {"request": {}, "response": {}}

ACTION: Final = "customer.forget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How many rows tell who a customer is."""

    orders: int
    emails: int
    messages: int
    attempts: int


def look(customer: str) -> Known:
    """What would be emptied; nothing is changed. Raises CustomerNotFound, CustomerBusy."""
    _refuse_unless_quiet(customer)
    return Known(
        orders=_orders(customer).count(),
        emails=_emails(customer).count(),
        messages=_messages(customer).count(),
        attempts=_attempts(customer).count(),
    )


@transaction.atomic(durable=True)
def ask(*, customer: str, actor: User, reason: str, at: datetime) -> Approval:
    """Ask that a customer is forgotten; another person decides. Raises CustomerNotFound, CustomerBusy, InvalidInput."""
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    _refuse_unless_quiet(customer)
    return approvals.request(
        action=ACTION,
        object_type="customer",
        object_id=customer,
        payload={"customer": customer},
        maker=actor,
        reason=reason,
        at=at,
    )


@transaction.atomic(durable=True)
def forget(approval: Approval, at: datetime) -> None:
    """Empty what two people agreed on: what config.core.approvals calls. Raises CustomerBusy if money moves again."""
    customer = approval.object_id
    if not inbox.claim(approvals.approval_cause(approval)):
        return
    _refuse_unless_quiet(customer)
    assert approval.checker is not None, "an approval was given by somebody"
    emptied = Known(
        orders=_orders(customer).update(buyer_name="", buyer_email="", buyer_phone=""),
        emails=_emails(customer).update(**EMAIL_BLANK, purged_at=at),
        messages=_messages(customer).update(**MESSAGE_BLANK, purged_at=at),
        attempts=_attempts(customer).update(**ATTEMPT_BLANK, purged_at=at),
    )
    audit.record(
        actor=f"user:{approval.checker.email}",
        action="customer.forgotten",
        object_type="customer",
        object_id=customer,
        reason=approval.reason,
        after=asdict(emptied),
    )


def _refuse_unless_quiet(customer: str) -> None:
    """Who still pays, or waits for money, has to be written to."""
    if not Order.objects.filter(customer=customer).exists():
        raise CustomerNotFound("We know no order of this customer.", field="customer")
    open_payment = Q(customer=customer, status__in=[*PAYABLE, PaymentStatus.AUTHORIZED])
    busy = (
        Payment.objects.filter(open_payment).exists()
        or Refund.objects.filter(payment__customer=customer, ended_at=None).exists()
        or Dispute.objects.filter(payment__customer=customer, status__in=OPEN_DISPUTES).exists()
        or EmailMessageLog.objects.filter(payment__customer=customer, next_try_at__isnull=False).exists()
        or MoneyCase.objects.filter(payment__customer=customer).exclude(status=CaseStatus.CLOSED).exists()
    )
    if busy:
        raise CustomerBusy("A payment, refund, dispute, money case or e-mail of this customer is still under way.")


def _orders(customer: str) -> QuerySet[Order]:
    return Order.objects.filter(customer=customer).exclude(buyer_name="", buyer_email="", buyer_phone="")


def _emails(customer: str) -> QuerySet[EmailMessageLog]:
    ended = [EmailMessageLog.Status.SENT, EmailMessageLog.Status.DEAD]
    return EmailMessageLog.objects.filter(payment__customer=customer, purged_at=None, status__in=ended)


def _messages(customer: str) -> QuerySet[Notification]:
    done = [NotificationStatus.PROCESSED, NotificationStatus.IGNORED]
    return Notification.objects.filter(payment__customer=customer, purged_at=None, status__in=done)


def _attempts(customer: str) -> QuerySet[Attempt]:
    return Attempt.objects.filter(payment__customer=customer, purged_at=None, ended_at__isnull=False)
