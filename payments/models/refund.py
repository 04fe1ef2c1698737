"""Money on its way back to a customer, and the claims on shops that follow from it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.fields import EncryptedJSONField
from config.core.models import Approval
from config.core.money import Money
from payments import states
from payments.errors import IllegalTransition
from payments.models.order import Shop, ShopOrder
from payments.models.payment import Capture, Payment
from payments.states import RefundStatus


class RefundQuerySet(models.QuerySet["Refund"]):
    """Questions about refunds that more than one service asks."""

    def due(self, *, at: datetime) -> Self:
        """Those whose next step (send or ask) is due."""
        return self.filter(next_step_at__lte=at).order_by("next_step_at")


class Refund(models.Model):
    """One promise to send money back: of a payment, or of money that we hold in suspense (`is_of_held_money`)."""

    class Route(models.TextChoices):
        GATEWAY = "gateway", _("gateway")
        BANK = "bank", _("bank transfer")

    class ShippingBearer(models.TextChoices):
        PLATFORM = "platform", _("platform")
        SHOP = "shop", _("shop")

    id = models.CharField(primary_key=True, max_length=40, default=ids.refund_id)
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="refunds")
    capture = models.ForeignKey(Capture, on_delete=models.PROTECT, related_name="refunds")
    is_of_held_money = models.BooleanField(default=False)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=20, choices=RefundStatus.choices, default=RefundStatus.REQUESTED)
    route = models.CharField(max_length=8, choices=Route.choices)
    reason = models.CharField(max_length=250, blank=True)
    shipping_bearer = models.CharField(max_length=8, choices=ShippingBearer.choices, default=ShippingBearer.PLATFORM)
    bank_details = EncryptedJSONField(default=dict, blank=True)  # {bank, account_number, account_name}
    bank_reference = models.CharField(max_length=100, blank=True)
    requested_by = models.CharField(max_length=160)
    approval = models.ForeignKey(Approval, null=True, on_delete=models.PROTECT, related_name="+")
    gateway_reference = models.CharField(max_length=100, blank=True)
    gateway_refund_id = models.CharField(max_length=100, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.CharField(max_length=250, blank=True)
    client = models.CharField(max_length=120, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - unique where given
    fingerprint = models.CharField(max_length=64, blank=True)
    steps = models.PositiveSmallIntegerField(default=0)  # times sent or asked
    next_step_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar = RefundQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        permissions = [("request_refund", "Can request refunds"), ("retry_refund", "Can retry or settle refunds")]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_refund_is_of_something"),
            models.CheckConstraint(
                condition=Q(is_of_held_money=True) | Q(payment__isnull=False),
                name="a_refund_is_of_a_payment_or_held_money",
            ),
            models.UniqueConstraint(fields=["client", "idempotency_key"], name="one_refund_per_idempotency_key"),
            models.UniqueConstraint(
                fields=["gateway_reference"],
                condition=~Q(gateway_reference=""),
                name="one_refund_per_gateway_reference",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="refund_newest"),
            models.Index(fields=["status", "-created_at", "-id"], name="refund_by_status"),
            models.Index(fields=["created_at"], name="refund_with_key", condition=Q(idempotency_key__isnull=False)),
            models.Index(fields=["next_step_at"], name="refund_due", condition=Q(next_step_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        """Cash to the customer."""
        return Money(self.amount_minor, self.currency)

    def move_to(self, status: RefundStatus, *, at: datetime) -> None:
        """Change the status, in memory; the caller holds the lock and saves. Raises IllegalTransition."""
        if status not in states.REFUND_TRANSITIONS[self.status]:
            raise IllegalTransition.between("refund", self.id, self.status, status)
        self.status = status
        self.updated_at = at
        if status in (RefundStatus.SUCCEEDED, RefundStatus.FAILED, RefundStatus.REJECTED, RefundStatus.CANCELLED):
            self.ended_at = at
            self.next_step_at = None


class RefundLine(models.Model):
    """What a refund returns, in list value, and how cash and the site's share add up to it (LEDGER.md 6)."""

    class Kind(models.TextChoices):
        GOODS = "goods", _("goods")
        SHIPPING = "shipping", _("shipping")

    id = models.BigAutoField(primary_key=True)
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="lines")
    shop_order = models.ForeignKey(ShopOrder, on_delete=models.PROTECT, related_name="refund_lines")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    list_minor = models.BigIntegerField()
    cash_minor = models.BigIntegerField()
    site_minor = models.BigIntegerField()

    class Meta:
        verbose_name = _("refund line")
        verbose_name_plural = _("refund lines")
        constraints = [
            models.CheckConstraint(
                condition=Q(list_minor=models.F("cash_minor") + models.F("site_minor")),
                name="cash_and_site_make_list_value",
            ),
            models.CheckConstraint(
                condition=Q(list_minor__gte=0, cash_minor__gte=0, site_minor__gte=0),
                name="refund_lines_are_not_negative",
            ),
        ]


class ClawBack(models.Model):
    """A shop's part of a refund or of a lost dispute, booked against it and not yet allocated by settlements."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        ALLOCATED = "allocated", _("allocated")
        REVERSED = "reversed", _("reversed")

    id = models.CharField(primary_key=True, max_length=40, default=ids.clawback_id)
    refund = models.ForeignKey(Refund, null=True, on_delete=models.PROTECT, related_name="clawbacks")
    dispute = models.ForeignKey("payments.Dispute", null=True, on_delete=models.PROTECT, related_name="clawbacks")
    shop = models.ForeignKey(Shop, on_delete=models.PROTECT)
    shop_order = models.ForeignKey(ShopOrder, on_delete=models.PROTECT)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("claw-back")
        verbose_name_plural = _("claw-backs")
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_clawback_is_of_something"),
            models.CheckConstraint(
                condition=Q(refund__isnull=True) ^ Q(dispute__isnull=True),
                name="a_clawback_is_of_a_refund_or_a_dispute",
            ),
        ]
        indexes = [models.Index(fields=["shop"], name="clawback_open", condition=Q(status="open"))]
