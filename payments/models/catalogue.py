"""What can be paid with: merchant accounts at gateways, and the methods a customer chooses from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.fields import EncryptedJSONField
from config.core.money import EXPONENTS, Money


class GatewayAccount(models.Model):
    """One merchant account at one gateway. Its code names the ledger's clearing account."""

    class Mode(models.TextChoices):
        TEST = "test", _("test")
        LIVE = "live", _("live")

    class InvoiceMode(models.TextChoices):
        """When a payment is opened at the gateway; empty: as DISABLE_CREATE_INVOICE_DIRECTLY says (ACCEPTANCE K25)."""

        REALTIME = "realtime", _("at once, while the customer waits")
        BATCH = "batch", _("in the background")

    id = models.CharField(primary_key=True, max_length=40, default=ids.gateway_account_id)
    code = models.SlugField(_("code"), max_length=40, unique=True)
    gateway = models.CharField(_("gateway"), max_length=30)
    mode = models.CharField(_("mode"), max_length=4, choices=Mode.choices, default=Mode.TEST)
    settings = models.JSONField(_("settings"), default=dict, blank=True)
    secrets = EncryptedJSONField(_("secrets"), default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    invoice_mode = models.CharField(
        _("payments are opened"), max_length=8, choices=InvoiceMode.choices, blank=True, default="", db_default=""
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("gateway account")
        verbose_name_plural = _("gateway accounts")

    def __str__(self) -> str:
        return self.code


def _check_limits(value: Any) -> None:
    if not isinstance(value, Mapping) or not value:
        raise ValidationError(_('Write limits per currency: {"VND": [1000, 50000000]}.'))
    for currency, bounds in value.items():
        well_formed = isinstance(bounds, list) and len(bounds) == 2 and all(type(b) is int and b >= 0 for b in bounds)
        if currency not in EXPONENTS or not well_formed or bounds[0] > bounds[1]:
            raise ValidationError(_("The limits of %(currency)s are odd."), params={"currency": currency})


class PaymentMethod(models.Model):
    """A way to pay, as the customer sees it. Limits are minor units per currency, both ends included."""

    class Kind(models.TextChoices):
        ONLINE = "ONLINE", _("online")
        OFFLINE = "OFFLINE", _("offline")

    code = models.SlugField(_("code"), max_length=40, unique=True)
    name_vi = models.CharField(_("name (Vietnamese)"), max_length=100)
    name_en = models.CharField(_("name (English)"), max_length=100)
    description_vi = models.CharField(_("description (Vietnamese)"), max_length=250, blank=True)
    description_en = models.CharField(_("description (English)"), max_length=250, blank=True)
    kind = models.CharField(_("kind"), max_length=7, choices=Kind.choices, default=Kind.ONLINE)
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, verbose_name=_("gateway account"))
    channel = models.CharField(_("channel"), max_length=60, blank=True)
    limits = models.JSONField(_("limits"), default=dict, validators=[_check_limits])
    is_active = models.BooleanField(_("active"), default=True)
    lifetime = models.DurationField(_("time to pay"), null=True, blank=True)  # else ORDER_DURATION
    position = models.PositiveSmallIntegerField(_("order"), default=100)

    class Meta:
        verbose_name = _("payment method")
        verbose_name_plural = _("payment methods")
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.code

    @property
    def name(self) -> str:
        """The name in the language of the moment."""
        return self.name_vi if (get_language() or "vi").startswith("vi") else self.name_en

    @property
    def description(self) -> str:
        """The description in the language of the moment."""
        return self.description_vi if (get_language() or "vi").startswith("vi") else self.description_en

    def takes(self, money: Money) -> bool:
        """Whether an amount is within this method's limits."""
        bounds = self.limits.get(money.currency)
        return self.is_active and bool(bounds) and bounds[0] <= money.minor <= bounds[1]
