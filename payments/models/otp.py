"""One-time codes: proof that the person who pays reads the e-mails of the order's buyer."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.fields import EncryptedTextField
from config.core.money import Money
from payments.models.payment import Payment

MAX_TRIES: Final = 5
"""So many codes may be tried against one challenge, the right one included."""


class OtpChallenge(models.Model):
    """One code, sent once, for one payment of one amount to one set of shops.

    The code itself is never here in the clear: `code_hash` is an HMAC under a key of the ring, and `sealed_code` holds it
    encrypted until its letter has left, then nothing.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")
        SMS = "sms", _("SMS")

    class Status(models.TextChoices):
        LIVE = "live", _("can be used")
        PASSED = "passed", _("confirmed")
        FAILED = "failed", _("tried too often")
        REPLACED = "replaced", _("replaced by a newer one")
        EXPIRED = "expired", _("expired")

    id = models.CharField(primary_key=True, max_length=40, default=ids.otp_id)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="otp_challenges")
    channel = models.CharField(max_length=5, choices=Channel.choices)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    payee = models.CharField(max_length=64)  # SHA-256 of who gets the money
    code_hash = models.CharField(max_length=64)
    sealed_code = EncryptedTextField(blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.LIVE)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("one-time code")
        verbose_name_plural = _("one-time codes")
        indexes = [models.Index(fields=["expires_at"], name="otp_by_age")]
        constraints = [
            models.UniqueConstraint(
                fields=["payment", "channel"], condition=Q(status="live"), name="one_live_code_per_payment_and_channel"
            ),
            models.CheckConstraint(condition=Q(tries__lte=MAX_TRIES), name="a_code_is_tried_five_times_at_most"),
            models.CheckConstraint(
                condition=Q(status="live", ended_at=None) | (~Q(status="live") & Q(ended_at__isnull=False)),
                name="a_code_that_is_not_live_has_ended",
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        """What its holder agrees to pay."""
        return Money(self.amount_minor, self.currency)

    @property
    def tries_left(self) -> int:
        """How often it may still be tried."""
        return MAX_TRIES - self.tries if self.status == self.Status.LIVE else 0

    def is_usable(self, *, at: datetime) -> bool:
        """Whether it may be tried at this moment."""
        return self.status == self.Status.LIVE and at < self.expires_at

    def end(self, status: Status, *, at: datetime) -> None:
        """Close it, in memory; the caller holds the lock and saves. A closed one keeps no code."""
        assert self.status == self.Status.LIVE, f"{self.id} has ended already"
        self.status, self.ended_at, self.sealed_code = status, at, ""
