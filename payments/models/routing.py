"""Rules that choose the merchant account a payment goes to."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from config.core.money import Money
from payments.models.catalogue import GatewayAccount, PaymentMethod
from payments.models.order import Shop


class RoutingRule(models.Model):
    """Payments of this kind go to this account. Rules are tried by position; an empty condition fits everything.

    Rules of one position stand for one another: they share by weight, or the cheapest goes first where none has one.
    """

    position = models.PositiveSmallIntegerField(_("position"))
    is_active = models.BooleanField(_("active"), default=True)
    method = models.ForeignKey(
        PaymentMethod, null=True, blank=True, on_delete=models.PROTECT, verbose_name=_("payment method")
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    min_minor = models.BigIntegerField(_("smallest amount"), null=True, blank=True)
    max_minor = models.BigIntegerField(_("largest amount"), null=True, blank=True)
    shop = models.ForeignKey(Shop, null=True, blank=True, on_delete=models.PROTECT, verbose_name=_("shop"))
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, verbose_name=_("gateway account"))
    channel = models.CharField(_("channel"), max_length=60, blank=True)  # else the method's
    weight = models.PositiveSmallIntegerField(_("weight"), default=0)
    min_success_percent = models.PositiveSmallIntegerField(_("least success rate"), null=True, blank=True)
    cost_basis_points = models.PositiveSmallIntegerField(_("cost in basis points"), default=0)
    cost_fixed_minor = models.BigIntegerField(_("fixed cost"), default=0)
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_to = models.DateTimeField(_("valid to"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=250, blank=True)

    class Meta:
        verbose_name = _("routing rule")
        verbose_name_plural = _("routing rules")
        ordering = ["position", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(min_minor__isnull=True, max_minor__isnull=True) | ~Q(currency=""),
                name="amounts_of_a_rule_have_a_currency",
            ),
            models.CheckConstraint(
                condition=Q(min_minor__isnull=True) | Q(max_minor__isnull=True) | Q(min_minor__lte=F("max_minor")),
                name="a_rule_fits_some_amount",
            ),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True) | Q(valid_to__isnull=True) | Q(valid_from__lt=F("valid_to")),
                name="a_rule_is_valid_for_some_time",
            ),
            models.CheckConstraint(
                condition=Q(min_success_percent__isnull=True) | Q(min_success_percent__lte=100),
                name="a_success_rate_is_a_share",
            ),
            models.CheckConstraint(condition=Q(cost_fixed_minor__gte=0), name="a_rule_costs_something_or_nothing"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.account_id}"

    def cost_of(self, money: Money) -> Money:
        """What this way is said to cost for an amount, in its currency."""
        share = Decimal(money.minor * self.cost_basis_points) / 10_000
        return Money(int(share.to_integral_value(ROUND_HALF_EVEN)) + self.cost_fixed_minor, money.currency)

    def is_valid(self, at: datetime) -> bool:
        """Whether its time has come and is not over."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)
