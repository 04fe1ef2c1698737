"""Cash on delivery: what the carrier, or ops for it, has to say."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import AmountIn, CurrencyIn, StrictSerializer
from config.core.idempotency import read_key
from config.core.money import Money
from payments.api import access, docs
from payments.api.opening import DEFAULT_CURRENCY
from payments.api.payments import PaymentOut
from payments.services import cod
from payments.services.hearing import Outcome

COLLECTED, FAILED = "collected", "failed"
NEEDED: Final = ("carrier", "reference", "amount")


class CodResultIn(StrictSerializer):
    """What became of a parcel's cash."""

    result = serializers.ChoiceField(choices=[COLLECTED, FAILED])
    carrier = serializers.RegexField(
        r"^[A-Za-z0-9_-]+\Z", max_length=40, required=False, help_text="Names the carrier's account in the ledger."
    )
    reference = serializers.CharField(max_length=50, required=False, help_text="The carrier's own, one per collection.")
    amount = AmountIn(required=False, help_text="Exactly what is owed.")
    currency = CurrencyIn(required=False, default=DEFAULT_CURRENCY)
    reason = serializers.CharField(max_length=250, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Collected cash has a carrier, a reference and an amount."""
        missing = [name for name in NEEDED if attrs["result"] == COLLECTED and name not in attrs]
        if missing:
            raise exceptions.ValidationError(
                {name: [exceptions.ErrorDetail("This is required.", code="required")] for name in missing}
            )
        return attrs


class CodResultOut(serializers.Serializer[Any]):
    """What the news changed, and the payment after it."""

    outcome = serializers.ChoiceField(choices=[(outcome.value, outcome.value) for outcome in Outcome])
    payment = PaymentOut()


class CodResult(APIView):
    """The door for carriers."""

    permission_classes = [auth.scopes("cod:write")]

    @docs.operation(
        tag="Cash on delivery",
        summary="Report what became of the cash",
        about="Once per carrier and its reference: told again, it changes nothing.",
        body=CodResultIn,
        answer=CodResultOut,
        examples=[
            docs.sent("Collected", {"result": COLLECTED, "carrier": "ghn", "reference": "GHN-77", "amount": "350000"}),
            docs.sent("Refused at the door", {"result": FAILED, "reason": "nobody at home, third try"}),
        ],
        is_keyed=True,
        name="payments_cod",
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Take the news."""
        caller = auth.caller_of(request)
        read_key(request, required=False)
        reader = CodResultIn(data=request.data)
        reader.is_valid(raise_exception=True)
        body, at = reader.validated_data, clock.now()
        if body["result"] == COLLECTED:
            outcome = cod.collected(
                payment_id=payment_id,
                carrier=body["carrier"],
                carrier_reference=body["reference"],
                money=Money.parse(body["amount"], body["currency"]),
                actor=caller.actor,
                at=at,
            )
        else:
            outcome = cod.failed(payment_id=payment_id, reason=body["reason"], actor=caller.actor, at=at)
        payment = access.payment_of(caller, payment_id)
        return Response(CodResultOut({"outcome": outcome.value, "payment": payment}).data)
