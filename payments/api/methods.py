"""Payment methods: what a customer can choose from."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import AmountIn, CurrencyIn, amount_text
from config.core.money import Money
from payments.api import docs
from payments.api.opening import DEFAULT_CURRENCY, method_of
from payments.models import PaymentMethod
from payments.services import offers

TAG = "Payment methods"


class MethodOut(serializers.Serializer[Any]):
    """A way to pay. Limits are of the currency that was asked for, else of the first one it takes."""

    id = serializers.IntegerField()
    code = serializers.CharField()
    name = serializers.CharField()
    type = serializers.ChoiceField(choices=PaymentMethod.Kind.choices, source="kind")
    description = serializers.CharField(allow_blank=True)
    is_active = serializers.BooleanField()
    min_amount = serializers.SerializerMethodField()
    max_amount = serializers.SerializerMethodField()
    currency = serializers.SerializerMethodField()
    currencies = serializers.SerializerMethodField()
    is_available = serializers.SerializerMethodField()
    unavailable_reason = serializers.SerializerMethodField()

    def get_is_available(self, method: PaymentMethod) -> bool:
        """Whether a payment by it would be sent just now; false while its gateway is down."""
        return not self._reason(method)

    def get_unavailable_reason(self, method: PaymentMethod) -> str | None:
        """Why not: `gateway_down`."""
        return self._reason(method) or None

    def _reason(self, method: PaymentMethod) -> str:
        reasons: dict[int, str] = self.context.get("reasons", {})
        return reasons.get(method.pk, "")

    def get_min_amount(self, method: PaymentMethod) -> str | None:
        """The least it takes."""
        return self._limit(method, 0)

    def get_max_amount(self, method: PaymentMethod) -> str | None:
        """The most it takes."""
        return self._limit(method, 1)

    def get_currency(self, method: PaymentMethod) -> str | None:
        """Of the limits shown."""
        wanted: str | None = self.context.get("currency")
        return wanted if wanted in method.limits else next(iter(sorted(method.limits)), None)

    def get_currencies(self, method: PaymentMethod) -> list[str]:
        """All it takes."""
        return sorted(method.limits)

    def _limit(self, method: PaymentMethod, end: int) -> str | None:
        currency = self.get_currency(method)
        return amount_text(method.limits[currency][end], currency) if currency else None


class MethodFilters(docs.Filters):
    """What a customer is about to pay."""

    amount = AmountIn(required=False, help_text="Only methods that take this amount.")
    currency = CurrencyIn(
        required=False, help_text=f"Of the amount ({DEFAULT_CURRENCY} unless told), and to narrow by."
    )


EXAMPLE = {
    "id": 1,
    "code": "momo",
    "name": "MoMo wallet",
    "type": "ONLINE",
    "description": "",
    "is_active": True,
    "min_amount": "1000",
    "max_amount": "50000000",
    "currency": "VND",
    "currencies": ["VND"],
    "is_available": True,
    "unavailable_reason": None,
}


def offered(request: Request) -> list[dict[str, Any]]:
    """The methods a customer can use now, narrowed by what is to be paid, in their order."""
    wanted = MethodFilters.read(request.GET)
    currency: str | None = wanted.get("currency")
    money = Money.parse(wanted["amount"], currency or DEFAULT_CURRENCY) if "amount" in wanted else None
    found = offers.offers(at=clock.now(), money=money, currency=currency)
    context = {"currency": currency, "reasons": {offer.method.pk: offer.reason for offer in found}}
    return list(MethodOut([offer.method for offer in found], many=True, context=context).data)


def shown(method: PaymentMethod) -> dict[str, Any]:
    """One method, active or not."""
    reasons = {offer.method.pk: offer.reason for offer in offers.rated([method], at=clock.now())}
    return dict(MethodOut(method, context={"reasons": reasons}).data)


class MethodList(APIView):
    """All methods."""

    authentication_classes = []
    permission_classes = [auth.Public]

    @docs.operation(
        tag=TAG,
        summary="List payment methods",
        about="Names and descriptions by `Accept-Language` (vi, en).",
        answer=docs.page_of(MethodOut),
        query=[MethodFilters],
        name="payment_methods_list",
    )
    def get(self, request: Request) -> Response:
        """The methods."""
        return Response({"data": offered(request), "next_cursor": None, "has_more": False})


class MethodDetail(APIView):
    """One method."""

    authentication_classes = []
    permission_classes = [auth.Public]

    @docs.operation(
        tag=TAG,
        summary="Show a payment method",
        about="Also one that is switched off.",
        answer=MethodOut,
        examples=[docs.answered("A wallet", EXAMPLE)],
        name="payment_methods_show",
    )
    def get(self, request: Request, code: str) -> Response:
        """The method."""
        return Response(shown(method_of(code)))
