"""What may go of payments when it is old, and what is kept for ever (config.core.retention)."""

from __future__ import annotations

from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from config.core.models import DeadLetter
from config.core.retention import registry
from config.core.retention.registry import Rule
from payments.models import Attempt, EmailMessageLog, Notification, OtpChallenge, Payment, Refund, WebhookDelivery
from payments.services import cancellations, emails, notifications
from payments.services.forgetting import ATTEMPT_BLANK, EMAIL_BLANK, MESSAGE_BLANK
from payments.states import PAYABLE, NotificationStatus, PaymentStatus

N, S = NotificationStatus, EmailMessageLog.Status


def register() -> None:
    """Called at start, once per process."""
    registry.register(*RULES)
    registry.keep(
        "money facts are kept for ever",
        "payments.Capture", "payments.RefundLine", "payments.ClawBack", "payments.MoneyCase", "payments.Dispute",
        "payments.DisputeLine", "payments.DisputeEvent", "payments.Order", "payments.ShopOrder",
        "payments.OrderPlatformCost",
    )  # fmt: skip
    registry.keep("the history of an attempt is append-only: the database refuses", "payments.AttemptEvent")
    registry.keep(
        "evidence proves what we answered: the database refuses to change or delete it", "payments.DisputeEvidence"
    )
    registry.keep(
        "set-up that payments point to", "payments.GatewayAccount", "payments.PaymentMethod", "payments.Shop",
        "payments.RoutingRule",
    )  # fmt: skip
    registry.keep("whom we told, and with whose secret: a deleted one is only marked", "payments.WebhookEndpoint")
    registry.keep("one row a gateway: it does not grow", "payments.BreakerOverride")


def _finished_messages() -> QuerySet[Notification]:
    """Applied or ignored ones, and those given up for which nobody waits."""
    done = Q(status__in=[N.PROCESSED, N.IGNORED]) | Q(~_open_letter(notifications.SOURCE), status=N.DEAD)
    return Notification.objects.filter(done, purged_at=None)


def _open_letter(source: str) -> Exists:
    return Exists(DeadLetter.objects.filter(source=source, reference=OuterRef("pk"), status=DeadLetter.Status.OPEN))


RULES: Final = (
    Rule(
        name="idempotency_keys",
        title=_("Idempotency keys of payments"),
        takes=_("Keys and fingerprints of requests: emptied. The payments stay."),
        why=_("A key lets a caller repeat a request; after this time it would make a new payment."),
        rows=lambda: Payment.objects.filter(idempotency_key__isnull=False).exclude(
            status__in=[*PAYABLE, PaymentStatus.AUTHORIZED]
        ),
        age="created_at",
        days=90,
        least_days=7,
        blank={"idempotency_key": None, "fingerprint": ""},
    ),
    Rule(
        name="refund_idempotency_keys",
        title=_("Idempotency keys of refunds"),
        takes=_("Keys and fingerprints of requests: emptied. The refunds stay."),
        why=_("As for payments. Keys by which a cancelled part is refunded once are ours, and stay."),
        rows=lambda: Refund.objects.filter(idempotency_key__isnull=False, ended_at__isnull=False).exclude(
            client=cancellations.CLIENT
        ),
        age="created_at",
        days=90,
        least_days=30,
        blank={"idempotency_key": None, "fingerprint": ""},
    ),
    Rule(
        name="gateway_messages",
        title=_("Gateway messages"),
        takes=_(
            "Body, headers and address of messages that were dealt with: emptied. Each row and its fingerprint stay."
        ),
        why=_(
            "The raw bytes prove what a gateway said, for disputes and reconciliation. By the fingerprint the same "
            "message is still recognised when it comes again."
        ),
        rows=_finished_messages,
        age="received_at",
        days=400,
        least_days=180,
        blank=MESSAGE_BLANK,
        stamp="purged_at",
    ),
    Rule(
        name="refused_messages",
        title=_("Refused gateway messages"),
        takes=_("Messages that proved nothing: the rows are deleted."),
        why=_("They changed nothing; if one comes again, it is verified and refused again."),
        rows=lambda: Notification.objects.filter(status=N.REJECTED),
        age="received_at",
        days=90,
        least_days=14,
    ),
    Rule(
        name="emails",
        title=_("E-mails"),
        takes=_("Recipient and subject of letters that were sent or given up: emptied. What was sent when stays."),
        why=_("Long enough to answer where a receipt went; its text is never kept."),
        rows=lambda: EmailMessageLog.objects.filter(
            ~_open_letter(emails.SOURCE), purged_at=None, status__in=[S.SENT, S.DEAD]
        ),
        age="created_at",
        days=180,
        least_days=30,
        blank=EMAIL_BLANK,
        stamp="purged_at",
    ),
    Rule(
        name="one_time_codes",
        title=_("One-time codes"),
        takes=_("Codes of payments that can no longer be paid: the rows are deleted."),
        why=_("That a code was sent and given stays in the audit trail."),
        rows=lambda: OtpChallenge.objects.exclude(payment__status__in=PAYABLE),
        age="expires_at",
        days=90,
        least_days=7,
    ),
    Rule(
        name="attempt_details",
        title=_("What we sent to gateways, and what came back"),
        takes=_("Request and response of ended attempts, masked as they are: emptied. The attempts stay."),
        why=_("Disputes of cards may come after a year; after that the numbers of the attempt suffice."),
        rows=lambda: Attempt.objects.filter(purged_at=None, ended_at__isnull=False),
        age="ended_at",
        days=400,
        least_days=180,
        blank=ATTEMPT_BLANK,
        stamp="purged_at",
    ),
    Rule(
        name="webhook_deliveries",
        title=_("Webhooks sent"),
        takes=_("Webhooks that arrived or were given up: the rows are deleted. The events stay."),
        why=_("Long enough to show a receiver what it was told, and to send it again."),
        rows=lambda: WebhookDelivery.objects.filter(
            status__in=[WebhookDelivery.Status.SENT, WebhookDelivery.Status.GIVEN_UP]
        ),
        age="created_at",
        days=90,
        least_days=14,
    ),
)
