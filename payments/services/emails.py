"""E-mails: queued in the commit of the fact, sent afterwards, one per fact.

A row is claimed before it is sent: its next try moves a lease ahead, so that two workers never send one letter at the
same time. A crash between sending and noting it sends it once more after the lease (at least once); both copies carry
the same Message-ID, so that mail programs show one.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from email.utils import parseaddr
from smtplib import SMTPException
from typing import Final

import structlog
from anymail.exceptions import AnymailError
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import BadHeaderError, EmailMultiAlternatives
from django.core.validators import validate_email
from django.db import connection, transaction

from config.core import audit, deadletters, faultpoints, masking, writes
from config.core.errors import Conflict, InvalidInput
from config.core.models import DeadLetter
from payments import letters
from payments.errors import EmailRefused, PaymentNotFound
from payments.models import EmailMessageLog, OtpChallenge, Payment
from payments.states import PAYABLE, PaymentStatus

log = structlog.get_logger(__name__)

SOURCE: Final = "email"
MAX_TRIES: Final = 5
RETRY_AFTER: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=5))
"""How long to wait after each failed try but the last: about six hours in all."""
LEASE: Final = timedelta(minutes=10)
WORK_SECONDS: Final = 240.0
"""One run claims nothing new after so long: it stays well below the lease."""

K, S = EmailMessageLog.Kind, EmailMessageLog.Status
_COPY: Final = re.compile(r":(\d+)$")
_TRUE_WHILE: Final = {
    K.PAYMENT_SUCCEEDED: (PaymentStatus.SUCCEEDED,),
    K.ORDER_CREATED: (PaymentStatus.AWAITING_PAYMENT, PaymentStatus.PENDING, PaymentStatus.SUCCEEDED),
    K.TRANSFER_DETAILS: (PaymentStatus.AWAITING_PAYMENT, PaymentStatus.PENDING),
    K.PAYMENT_FAILED: (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED),
    K.REFUND_SUCCEEDED: (PaymentStatus.SUCCEEDED,),
    K.OTP: PAYABLE,
}
"""A letter that events have overtaken is not sent: nobody reads "failed" after the late money came."""


def queue(payment: Payment, kind: EmailMessageLog.Kind, *, at: datetime, suffix: str = "") -> None:
    """Promise one e-mail about a fact; the same fact promises it once. Joins the caller's transaction."""
    assert connection.in_atomic_block, "an e-mail is promised in the commit of its fact"
    if not payment.order.buyer_email:
        return
    writes.insert(_row(payment, kind, fact=f"{kind}:{payment.id}{suffix}", at=at), once=True)


@transaction.atomic(durable=True)
def resend(*, payment_id: str, kind: EmailMessageLog.Kind, actor: str, reason: str, at: datetime) -> EmailMessageLog:
    """Promise one more e-mail about a fact that was told before, as a fact of its own (":2", ":3", ...).

    Raises InvalidInput without a reason, PaymentNotFound, EmailRefused when it would not be true or has no recipient.
    """
    if not reason.strip():
        raise InvalidInput("Say why the e-mail is sent again.", field="reason")
    if kind == K.OTP:
        raise EmailRefused("A one-time code is not sent twice; whoever pays asks for a new one.")
    payment = Payment.objects.select_for_update(of=("self",)).select_related("order").filter(id=payment_id).first()
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    if not payment.order.buyer_email:
        raise EmailRefused("The order has no e-mail address.")
    if payment.status not in _TRUE_WHILE[kind]:
        raise EmailRefused("This e-mail would not be true.", facts={"status": str(payment.status)})
    facts = list(
        EmailMessageLog.objects.filter(payment=payment, kind=kind).order_by("created_at").values_list("fact", flat=True)
    )
    if kind == K.REFUND_SUCCEEDED and not facts:
        raise EmailRefused("Nothing was refunded.")
    base = _COPY.sub("", facts[-1]) if facts else f"{kind}:{payment.id}"
    copies = [int(found[1]) if (found := _COPY.search(fact)) else 1 for fact in facts if _COPY.sub("", fact) == base]
    row = _row(payment, kind, fact=f"{base}:{max(copies, default=1) + 1}", at=at)
    row.save(force_insert=True)
    audit.record(
        actor=actor,
        action="email.resent",
        object_type="payment",
        object_id=payment.id,
        reason=reason,
        after={"email": row.id, "kind": str(kind)},
    )
    return row


def send_due(*, at: datetime, limit: int = 100) -> int:
    """Send what is due, letter by letter, outside any transaction; returns how many were sent.

    A letter that cannot be sent waits longer each time and becomes a dead letter after five tries.
    """
    assert not connection.in_atomic_block, "no network inside a transaction"
    sent, until = 0, time.monotonic() + WORK_SECONDS
    for _ in range(limit):
        if time.monotonic() > until:
            break
        row = _claim(at)
        if row is None:
            break
        faultpoints.reach("email.claimed")
        sent += _send(row, at=at)
        faultpoints.reach("email.noted")
    return sent


def requeue(letter: DeadLetter, at: datetime) -> None:
    """Give an e-mail its tries back: what requeuing its dead letter means. Raises Conflict if it is not dead."""
    count = EmailMessageLog.objects.filter(id=letter.reference, status=S.DEAD).update(
        status=S.QUEUED, tries=0, next_try_at=at, error=""
    )
    if count != 1:
        raise Conflict("This e-mail is not given up.")


def _row(payment: Payment, kind: EmailMessageLog.Kind, *, fact: str, at: datetime) -> EmailMessageLog:
    return EmailMessageLog(
        kind=kind,
        payment=payment,
        fact=fact,
        recipient=payment.order.buyer_email,
        locale=payment.locale,
        next_try_at=at,
        created_at=at,
    )


@transaction.atomic(durable=True)
def _claim(at: datetime) -> EmailMessageLog | None:
    """The next letter that is due, with this try counted and a lease on it; None when there is none."""
    due = EmailMessageLog.objects.filter(status__in=[S.QUEUED, S.FAILED], next_try_at__lte=at)
    row: EmailMessageLog | None = (
        due.select_for_update(of=("self",), skip_locked=True)
        .select_related("payment__order", "payment__method")
        .order_by("next_try_at", "id")
        .first()
    )
    if row is not None:
        row.tries += 1
        row.next_try_at = at + LEASE
        row.save(update_fields=["tries", "next_try_at"])
    return row


def _send(row: EmailMessageLog, *, at: datetime) -> bool:
    if not _is_true(row, at=at):
        _finish(row, status=S.DEAD, error="overtaken: it would no longer be true")
        return False
    try:
        validate_email(row.recipient)
        letter = letters.write(row)
        message = _message(row, letter)
        message.send()
    except letters.Overtaken:
        _finish(row, status=S.DEAD, error="overtaken: it would no longer be true")
        return False
    except (ValidationError, BadHeaderError) as error:
        _give_up(row, f"{type(error).__name__}: this cannot be sent to anybody")
        return False
    except (AnymailError, SMTPException, OSError) as error:
        _put_off(row, masking.text(f"{type(error).__name__}: {error}", limit=400), at=at)
        return False
    faultpoints.reach("email.sent")
    status = getattr(message, "anymail_status", None)
    provider_id = str(getattr(status, "message_id", "") or "")
    _finish(row, status=S.SENT, subject=letter.subject, provider_id=provider_id[:200], sent_at=at)
    log.info("email_sent", email_id=row.id, kind=row.kind, payment_id=row.payment_id)
    return True


def _is_true(row: EmailMessageLog, *, at: datetime) -> bool:
    if row.kind == K.OTP and not letters.challenge_of(row).is_usable(at=at):
        return False
    return row.payment.status in _TRUE_WHILE[K(row.kind)]


def _message(row: EmailMessageLog, letter: letters.Letter) -> EmailMultiAlternatives:
    host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    message = EmailMultiAlternatives(
        subject=letter.subject,
        body=letter.text,
        to=[row.recipient],
        headers={"Message-ID": f"<{row.id}@{host}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(letter.html, "text/html")
    return message


def _finish(row: EmailMessageLog, *, status: EmailMessageLog.Status, error: str = "", **changes: object) -> None:
    """Note how it ended. A code that it told goes with it: from now on only its hash is kept."""
    if row.kind == K.OTP:
        OtpChallenge.objects.filter(id=letters.challenge_of(row).id).update(sealed_code="")
    EmailMessageLog.objects.filter(id=row.id).update(status=status, next_try_at=None, error=error[:500], **changes)


def _put_off(row: EmailMessageLog, error: str, *, at: datetime) -> None:
    """Try again later; the last try ends in a dead letter."""
    log.warning("email_failed", email_id=row.id, kind=row.kind, attempt=row.tries, error=error)
    if row.tries >= MAX_TRIES:
        _give_up(row, error)
        return
    EmailMessageLog.objects.filter(id=row.id).update(
        status=S.FAILED, error=error[:500], next_try_at=at + RETRY_AFTER[row.tries - 1]
    )


@transaction.atomic(durable=True)
def _give_up(row: EmailMessageLog, error: str) -> None:
    _finish(row, status=S.DEAD, error=error)
    log.error("email_given_up", email_id=row.id, kind=row.kind, attempt=row.tries, error=error)
    deadletters.bury(
        source=SOURCE,
        topic=f"email.{row.kind}",
        key=row.payment_id,
        reference=row.id,
        payload={"email": row.id, "fact": row.fact},
        headers={},
        error=error,
        attempts=row.tries,
    )
