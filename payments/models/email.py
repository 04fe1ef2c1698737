"""E-mails we owe: a row in the commit of the fact, sent afterwards, one per fact."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.fields import EncryptedTextField
from payments.models.payment import Payment


class EmailMessageLog(models.Model):
    """One e-mail to one person about one fact."""

    class Kind(models.TextChoices):
        PAYMENT_SUCCEEDED = "payment_succeeded", _("payment received")
        ORDER_CREATED = "order_created", _("order placed, cash on delivery")
        TRANSFER_DETAILS = "transfer_details", _("how to pay by transfer")
        PAYMENT_FAILED = "payment_failed", _("payment failed")
        REFUND_SUCCEEDED = "refund_succeeded", _("refund sent")
        OTP = "otp", _("one-time code")

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed, will be tried again")
        DEAD = "dead", _("given up")

    id = models.CharField(primary_key=True, max_length=40, default=ids.email_id)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="emails")
    fact = models.CharField(max_length=120, unique=True)  # payment_succeeded:pay_..., with :2 for a re-send
    recipient = EncryptedTextField()
    locale = models.CharField(max_length=2)
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.QUEUED)
    subject = models.CharField(max_length=200, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)
    error = models.CharField(max_length=500, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)  # when its recipient and subject went

    class Meta:
        verbose_name = _("e-mail")
        verbose_name_plural = _("e-mails")
        permissions = [("resend_email", "Can re-send e-mails")]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="email_newest"),
            models.Index(fields=["next_try_at"], name="email_due", condition=Q(status__in=["queued", "failed"])),
            models.Index(fields=["created_at"], name="email_not_emptied", condition=Q(purged_at__isnull=True)),
        ]
