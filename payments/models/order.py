"""Our snapshot of the order service's order: what is owed, to which shops, and who bears which discount."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.fields import EncryptedTextField
from config.core.money import Money


class Shop(models.Model):
    """A seller on the marketplace, under the marketplace's own id."""

    id = models.CharField(primary_key=True, max_length=64)
    name = models.CharField(_("name"), max_length=200)
    email = models.EmailField(_("e-mail"), blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("shop")
        verbose_name_plural = _("shops")

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """One order as the order service told it. `customer` is the `sub` of the customer's token."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        CANCELLED = "cancelled", _("cancelled")

    class Source(models.TextChoices):
        EVENT = "event", _("event")
        SYSTEM = "system", _("system call")
        FETCHED = "fetched", _("fetched")

    id = models.CharField(primary_key=True, max_length=40, default=ids.order_row_id)
    order_id = models.CharField(_("order"), max_length=100, unique=True)
    customer = models.CharField(_("customer"), max_length=120)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    source = models.CharField(max_length=8, choices=Source.choices)
    description = models.CharField(max_length=250, blank=True)
    locale = models.CharField(max_length=2, default="vi")
    buyer_name = EncryptedTextField(blank=True, default="")
    buyer_email = EncryptedTextField(blank=True, default="")
    buyer_phone = EncryptedTextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        permissions = [("forget_customer", "Can ask that a customer is forgotten")]
        constraints = [models.CheckConstraint(condition=Q(amount_minor__gt=0), name="an_order_costs_something")]
        indexes = [
            models.Index(fields=["customer", "-created_at"], name="order_of_customer"),
            models.Index(fields=["-created_at", "-id"], name="order_newest"),
        ]

    def __str__(self) -> str:
        return self.order_id

    @property
    def amount(self) -> Money:
        """What the customer owes."""
        return Money(self.amount_minor, self.currency)


class ShopOrder(models.Model):
    """One shop's part of an order. All amounts are minor units of the order's currency."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        CANCELLED = "cancelled", _("cancelled")
        DELIVERED = "delivered", _("delivered")
        RETURNED = "returned", _("returned")

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="shop_orders")
    shop = models.ForeignKey(Shop, on_delete=models.PROTECT)
    shop_order_id = models.CharField(max_length=100, unique=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    order_subtotal_minor = models.BigIntegerField()
    shop_funded_product_discount_minor = models.BigIntegerField(default=0)
    site_funded_product_discount_minor = models.BigIntegerField(default=0)
    shop_voucher_discount_minor = models.BigIntegerField(default=0)
    shipping_fee_minor = models.BigIntegerField(default=0)
    is_owed = models.BooleanField(default=True)  # False: cancelled before anybody paid, no part of the order's amount
    is_shipping_invoiced = models.BooleanField(default=False)  # the carrier's invoice has taken the shipping money

    class Meta:
        verbose_name = _("shop order")
        verbose_name_plural = _("shop orders")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    order_subtotal_minor__gte=0,
                    shop_funded_product_discount_minor__gte=0,
                    site_funded_product_discount_minor__gte=0,
                    shop_voucher_discount_minor__gte=0,
                    shipping_fee_minor__gte=0,
                ),
                name="shop_order_amounts_are_not_negative",
            )
        ]

    def __str__(self) -> str:
        return self.shop_order_id

    @property
    def goods_minor(self) -> int:
        """The shop's claim on the goods: what goes to its escrow (LEDGER.md 6, Captured)."""
        return self.order_subtotal_minor - self.shop_funded_product_discount_minor - self.shop_voucher_discount_minor

    @property
    def list_minor(self) -> int:
        """Goods and shipping in list value: the gross a refund is measured against."""
        return self.goods_minor + self.shipping_fee_minor


class OrderPlatformCost(models.Model):
    """What the platform pays towards one order."""

    order = models.OneToOneField(Order, primary_key=True, on_delete=models.PROTECT, related_name="platform_cost")
    site_order_voucher_discount_minor = models.BigIntegerField(default=0)
    site_promotion_discount_minor = models.BigIntegerField(default=0)
    site_shipping_discount_minor = models.BigIntegerField(default=0)
    total_site_funded_product_discount_minor = models.BigIntegerField(default=0)  # a stored sum, never an addend

    class Meta:
        verbose_name = _("platform cost")
        verbose_name_plural = _("platform costs")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    site_order_voucher_discount_minor__gte=0,
                    site_promotion_discount_minor__gte=0,
                    site_shipping_discount_minor__gte=0,
                ),
                name="platform_costs_are_not_negative",
            )
        ]

    @property
    def order_level_minor(self) -> int:
        """Voucher, promotion and shipping discount, which belong to no single shop order."""
        return (
            self.site_order_voucher_discount_minor
            + self.site_promotion_discount_minor
            + self.site_shipping_discount_minor
        )
