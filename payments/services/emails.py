"""E-mails: queued in the commit of the fact, sent afterwards, one per fact."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from payments.models import EmailMessageLog, Payment


def queue(payment: Payment, kind: EmailMessageLog.Kind, *, at: datetime, suffix: str = "") -> None:
    """Promise one e-mail about a fact; the same fact promises it once. Joins the caller's transaction."""
    assert connection.in_atomic_block, "an e-mail is promised in the commit of its fact"
    recipient = payment.order.buyer_email
    if not recipient:
        return
    EmailMessageLog.objects.bulk_create(
        [
            EmailMessageLog(
                kind=kind,
                payment=payment,
                fact=f"{kind}:{payment.id}{suffix}",
                recipient=recipient,
                locale=payment.locale,
                next_try_at=at,
                created_at=at,
            )
        ],
        ignore_conflicts=True,
    )
