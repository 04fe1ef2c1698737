"""By what the payment list is narrowed."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.core.admin.filters import ChoiceFilter
from payments.models import Attempt, GatewayAccount, MoneyCase, PaymentMethod


class MethodFilter(ChoiceFilter):
    """A payment method."""

    title, parameter_name, column = _("method"), "method", "method_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All methods, the inactive too: their payments are still there."""
        return [(str(method.pk), method.name) for method in PaymentMethod.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What is no number names no method."""
        value = self.value()
        return queryset.filter(method_id=int(value)) if value and value.isascii() and value.isdigit() else queryset


class GatewayFilter(ChoiceFilter):
    """A gateway: its methods' payments, by the index of the method."""

    title, parameter_name = _("gateway"), "gateway"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The gateways we have accounts at."""
        return [
            (code, code)
            for code in GatewayAccount.objects.order_by("gateway").values_list("gateway", flat=True).distinct()
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the methods of the gateway's accounts."""
        if not self.value():
            return queryset
        methods = list(PaymentMethod.objects.filter(account__gateway=self.value()).values_list("pk", flat=True))
        return queryset.filter(method_id__in=methods)


class NoteworthyFilter(ChoiceFilter):
    """What needs a look."""

    title, parameter_name = _("noteworthy"), "note"
    options = (
        ("case", _("open case")),
        ("late", _("paid late")),
        ("refunded", _("refunded")),
        ("disputed", _("disputed")),
        ("unknown", _("outcome unknown")),
    )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Each by an index of few rows."""
        if self.value() == "case":
            return queryset.filter(pk__in=MoneyCase.objects.unresolved().exclude(payment=None).values("payment_id"))
        if self.value() == "late":
            return queryset.filter(is_late=True)
        if self.value() == "refunded":
            return queryset.filter(refunded_minor__gt=0)
        if self.value() == "disputed":
            return queryset.filter(disputed_minor__gt=0)
        if self.value() == "unknown":
            return queryset.filter(pk__in=Attempt.objects.filter(status="unknown").values("payment_id"))
        return queryset
