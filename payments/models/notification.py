"""The inbox: every message a gateway (or somebody who pretends to be one) sent, as it came."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.fields import EncryptedTextField
from payments import states
from payments.errors import IllegalTransition
from payments.models.catalogue import GatewayAccount
from payments.models.payment import Attempt, Payment
from payments.states import NotificationStatus


class Notification(models.Model):
    """One message, kept before it is understood. A verified one counts once per dedupe key."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.notification_id)
    gateway = models.CharField(max_length=30)
    account = models.ForeignKey(GatewayAccount, null=True, on_delete=models.PROTECT, db_index=False)
    dedupe_key = models.CharField(max_length=100)  # the gateway's event id, else sha256 of the raw body
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=500)
    query = EncryptedTextField(blank=True, default="")
    headers = models.JSONField(default=dict)  # the harmless ones
    proof = EncryptedTextField(blank=True, default="")  # JSON of the headers that prove it (Gateway.proof_headers)
    body = EncryptedTextField(blank=True, default="")  # latin-1, so that any bytes come back as they were
    remote_ip = models.GenericIPAddressField(null=True)
    status = models.CharField(max_length=10, choices=NotificationStatus.choices, default=NotificationStatus.RECEIVED)
    outcome = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=500, blank=True)
    attempt = models.ForeignKey(Attempt, null=True, on_delete=models.PROTECT, related_name="notifications")
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="notifications")
    deliveries = models.PositiveIntegerField(default=1)  # the same bytes, so often
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)  # when retention emptied it; its dedupe key stays, and tells duplicates

    class Meta:
        verbose_name = _("gateway message")
        verbose_name_plural = _("gateway messages")
        permissions = [
            ("view_raw_notification", "Can see raw gateway messages"),
            ("replay_notification", "Can replay gateway messages"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["gateway", "account", "dedupe_key"], name="one_row_per_message"),
        ]
        indexes = [
            models.Index(fields=["-received_at", "-id"], name="notification_newest"),
            models.Index(fields=["status", "-received_at"], name="notification_by_status"),
            models.Index(fields=["received_at"], name="notification_not_emptied", condition=Q(purged_at__isnull=True)),
            models.Index(  # when a gateway was last heard
                fields=["account", "-received_at"],
                name="notification_heard",
                condition=Q(status__in=["processed", "ignored"]),
            ),
            models.Index(
                fields=["next_try_at"],
                name="notification_due",
                condition=Q(status__in=["received", "verified", "retrying"]),
            ),
        ]

    def __str__(self) -> str:
        return self.id

    def move_to(self, status: NotificationStatus, *, at: datetime) -> None:
        """Change the status, in memory. Raises IllegalTransition."""
        if status not in states.NOTIFICATION_TRANSITIONS[self.status]:
            raise IllegalTransition.between("gateway message", self.id, self.status, status)
        self.status = status
        if status in (NotificationStatus.PROCESSED, NotificationStatus.IGNORED, NotificationStatus.REJECTED):
            self.processed_at = at
            self.next_try_at = None
