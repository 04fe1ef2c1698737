"""Money, or a question about money, that a person must decide."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.models import Approval
from config.core.money import Money
from payments import states
from payments.errors import IllegalTransition
from payments.models.dispute import Dispute
from payments.models.payment import Attempt, Capture, Payment
from payments.models.refund import Refund
from payments.states import CaseStatus


class MoneyCaseQuerySet(models.QuerySet["MoneyCase"]):
    """Questions about cases."""

    def unresolved(self) -> Self:
        """Those somebody still has to deal with."""
        return self.exclude(status=CaseStatus.CLOSED)


class MoneyCase(models.Model):
    """Unexpected money, or an outcome nobody can tell us: also the reference systems' payment_anomalies."""

    class Kind(models.TextChoices):
        LATE_PAYMENT = "late_payment", _("paid after the end")
        DOUBLE_PAYMENT = "double_payment", _("paid twice")
        AMOUNT_MISMATCH = "amount_mismatch", _("wrong amount")
        CURRENCY_MISMATCH = "currency_mismatch", _("wrong currency")
        UNKNOWN_ORDER = "unknown_order", _("no such order")
        PAID_CANCELLED = "paid_cancelled", _("paid after cancellation")
        CANCELLED_PAID = "cancelled_paid", _("order cancelled after payment")
        UNKNOWN_OUTCOME = "unknown_outcome", _("outcome unknown")
        REFUND_UNKNOWN = "refund_unknown", _("refund outcome unknown")
        REFUND_FAILED = "refund_failed", _("refund failed")
        DISPUTE_UNKNOWN = "dispute_unknown", _("dispute of an unknown payment")
        DISPUTE_REFUNDED = "dispute_refunded", _("refunded and disputed")
        DISPUTE_CHANGED = "dispute_changed", _("dispute turned after its end")
        DISPUTE_SILENT = "dispute_silent", _("dispute without an end")

    class Decision(models.TextChoices):
        APPLY = "apply", _("apply to the payment")
        REFUND = "refund", _("send back")
        HOLD = "hold", _("keep in suspense")
        DISMISS = "dismiss", _("nothing to do")

    id = models.CharField(primary_key=True, max_length=40, default=ids.case_id)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    status = models.CharField(max_length=10, choices=CaseStatus.choices, default=CaseStatus.OPEN)
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="cases")
    attempt = models.ForeignKey(Attempt, null=True, on_delete=models.PROTECT, related_name="cases")
    capture = models.ForeignKey(Capture, null=True, on_delete=models.PROTECT, related_name="cases")
    refund = models.ForeignKey(Refund, null=True, on_delete=models.PROTECT, related_name="cases")
    dispute = models.ForeignKey(Dispute, null=True, on_delete=models.PROTECT, related_name="cases")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    detail = models.CharField(max_length=500, blank=True)
    suggestion = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    reason = models.TextField(blank=True)
    approval = models.ForeignKey(Approval, null=True, on_delete=models.PROTECT, related_name="+")
    assigned_to = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects: ClassVar = MoneyCaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("money case")
        verbose_name_plural = _("money cases")
        permissions = [("resolve_case", "Can resolve money cases")]
        constraints = [
            models.UniqueConstraint(fields=["capture"], name="one_case_per_capture"),
            models.UniqueConstraint(
                fields=["attempt"],
                condition=Q(kind="unknown_outcome") & ~Q(status="closed"),
                name="one_open_question_per_attempt",
            ),
            models.UniqueConstraint(
                fields=["refund"],
                condition=Q(kind__in=["refund_unknown", "refund_failed"]) & ~Q(status="closed"),
                name="one_open_question_per_refund",
            ),
            models.UniqueConstraint(
                fields=["dispute", "kind"], condition=~Q(status="closed"), name="one_open_question_per_dispute_and_kind"
            ),
        ]
        indexes = [
            models.Index(fields=["-opened_at", "-id"], name="case_newest"),
            models.Index(fields=["kind"], name="case_open", condition=~Q(status="closed")),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def money(self) -> Money:
        """The amount in question."""
        return Money(self.amount_minor, self.currency)

    def move_to(self, status: CaseStatus, *, at: datetime) -> None:
        """Change the status, in memory; the caller holds the lock and saves. Raises IllegalTransition."""
        if status not in states.CASE_TRANSITIONS[self.status]:
            raise IllegalTransition.between("case", self.id, self.status, status)
        self.status = status
        if status == CaseStatus.CLOSED:
            self.closed_at = at
