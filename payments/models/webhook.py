"""Webhooks out: who wants to be told, and every telling as it was sent."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.fields import EncryptedTextField
from payments.models.payment import Payment

EVERYTHING = "*"
"""Stands for every type of event among an endpoint's."""


class WebhookEndpoint(models.Model):
    """Somebody who is told of events, and the secrets that prove it is us.

    Besides those that somebody subscribed there are endpoints the house makes by itself: one for the order service, and
    one for each client whose payments name a `notify_url`, which holds that client's secret.
    """

    class Kind(models.TextChoices):
        SUBSCRIPTION = "subscription", _("subscription")
        NOTIFY_URL = "notify_url", _("notify_url of payments")
        ORDER_SERVICE = "order_service", _("order service")

    id = models.CharField(primary_key=True, max_length=40, default=ids.webhook_endpoint_id)
    kind = models.CharField(max_length=13, choices=Kind.choices, default=Kind.SUBSCRIPTION)
    client = models.CharField(max_length=120, blank=True)  # whose payments, where it is for their notify_url
    url = models.CharField(max_length=1000, blank=True)  # none where each payment brings its own
    description = models.CharField(max_length=200, blank=True)
    event_types = ArrayField(models.CharField(max_length=80))
    secret = EncryptedTextField()
    previous_secret = EncryptedTextField(blank=True)  # signs too, until previous_until
    previous_until = models.DateTimeField(null=True)
    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=250, blank=True)
    created_by = models.CharField(max_length=160)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        permissions = [("act_on_webhook", "Can test, re-send, rotate, disable and enable")]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "client"], condition=~Q(kind="subscription"), name="one_own_endpoint_per_client"
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="webhook_endpoint_newest")]

    def secrets(self, *, at: datetime) -> list[str]:
        """What signs now, newest first."""
        is_rotating = self.previous_until is not None and self.previous_until > at
        return [self.secret, *([self.previous_secret] if is_rotating and self.previous_secret else [])]

    def wants(self, event_type: str) -> bool:
        """Whether it is told of this type."""
        return EVERYTHING in self.event_types or event_type in self.event_types


class WebhookDelivery(models.Model):
    """One event for one receiver: what is sent, and how it went. Made once, sent at least once."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed, will be tried again")
        GIVEN_UP = "given_up", _("given up")

    id = models.CharField(primary_key=True, max_length=40, default=ids.webhook_delivery_id)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    event_id = models.CharField(max_length=40)
    event_type = models.CharField(max_length=80)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="webhooks")
    receiver = models.CharField(max_length=300)  # whose turn it takes: an endpoint, or the host of a notify_url
    url = models.CharField(max_length=1400)
    body = models.BinaryField()  # as it is signed and sent
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)  # of the last answer
    error = models.CharField(max_length=200, blank=True)
    duration_ms = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event_id"], name="one_delivery_per_endpoint_and_event"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="webhook_newest"),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_of_endpoint"),
            models.Index(fields=["-created_at", "-id"], name="webhook_given_up", condition=Q(status="given_up")),
            models.Index(
                fields=["receiver", "next_try_at"], name="webhook_pending", condition=Q(status__in=["queued", "failed"])
            ),
            models.Index(fields=["receiver"], name="webhook_failing", condition=Q(status="failed")),
            models.Index(
                fields=["created_at"], name="webhook_oldest_pending", condition=Q(status__in=["queued", "failed"])
            ),
        ]
