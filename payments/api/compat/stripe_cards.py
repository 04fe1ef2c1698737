"""The card system's path that looks at a card, and the card that its other paths take."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import clock
from config.core.api import StrictSerializer
from config.core.idempotency import read_key
from payments import cards
from payments.api import access, docs
from payments.cards import Brand, Card, Reason

TAG: Final = "Stripe's paths"
CARD: Final = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2030", "cvc": "123"}


class CardIn(StrictSerializer):
    """A card as it was typed. It is looked at in memory, and kept nowhere."""

    number = serializers.CharField(max_length=60, trim_whitespace=False, help_text="May be written in groups.")
    exp_month = serializers.CharField(max_length=4)
    exp_year = serializers.CharField(max_length=6, help_text="Two or four digits.")
    cvc = serializers.CharField(max_length=10, required=False, allow_blank=True, trim_whitespace=False)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)


def card_of(body: dict[str, Any]) -> Card:
    """The card of a body that CardIn has read."""
    return Card(number=body["number"], exp_month=body["exp_month"], exp_year=body["exp_year"], cvc=body.get("cvc", ""))


class ValidateCardIn(StrictSerializer):
    """The card to look at."""

    card = CardIn()


class VerdictOut(serializers.Serializer[Any]):
    """What its digits say; no bank was asked."""

    valid = serializers.BooleanField(source="is_valid")
    brand = serializers.ChoiceField(choices=[(brand.value, brand.value) for brand in Brand])
    last4 = serializers.CharField(allow_blank=True)
    reasons = serializers.ListField(
        child=serializers.ChoiceField(choices=[(reason.value, reason.value) for reason in Reason])
    )


class ValidateCard(APIView):
    """Looks at a card's digits."""

    permission_classes = [access.own_or("payments:write")]
    throttle_scope = "cards"

    @docs.operation(
        tag=TAG,
        summary="Look at a card's digits",
        about=(
            "Check digit, brand, length, expiry and the length of the security code, in memory: the number is neither "
            "stored nor logged, and no bank is asked. Better still, let Stripe's own form take it."
        ),
        body=ValidateCardIn,
        answer=VerdictOut,
        examples=[
            docs.sent("A test card", {"card": CARD}),
            docs.answered("Good", {"valid": True, "brand": "visa", "last4": "4242", "reasons": []}),
            docs.answered(
                "Expired, and mistyped",
                {"valid": False, "brand": "visa", "last4": "4241", "reasons": ["number_check_digit", "expired"]},
            ),
        ],
        is_keyed=True,
        name="stripe_validate_card",
    )
    def post(self, request: Request) -> Response:
        """The verdict."""
        read_key(request, required=False)  # nothing is made, so a repeated request is simply answered again
        reader = ValidateCardIn(data=request.data)
        reader.is_valid(raise_exception=True)
        return Response(VerdictOut(cards.validate(card_of(reader.validated_data["card"]), at=clock.now())).data)
