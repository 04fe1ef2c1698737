"""Bank transfers: finance's systems say that one came."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from django.utils import timezone
from rest_framework import serializers
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
from payments.models import AttemptEvent
from payments.services import transfers
from payments.services.hearing import Outcome
from payments.services.transfers import Transfer


class TransferIn(StrictSerializer):
    """What the bank's statement says."""

    bank_reference = serializers.CharField(
        max_length=70, help_text="The bank's number of the transfer; it counts once."
    )
    amount = AmountIn(help_text="What came. Another sum than is owed is held and opens a case.")
    currency = CurrencyIn(required=False, default=DEFAULT_CURRENCY)
    value_date = serializers.DateField(help_text="The day on which the bank credited it.")
    text = serializers.CharField(max_length=250, required=False, allow_blank=True, default="")


class TransferOut(serializers.Serializer[Any]):
    """What the news changed, and the payment after it."""

    outcome = serializers.ChoiceField(choices=[(outcome.value, outcome.value) for outcome in Outcome])
    payment = PaymentOut()


class ConfirmTransfer(APIView):
    """The door for what reads the bank account."""

    permission_classes = [auth.scopes("transfers:write")]

    @docs.operation(
        tag="Bank transfers",
        summary="Confirm a bank transfer",
        about="Once per bank account and its number: told again, it changes nothing.",
        body=TransferIn,
        answer=TransferOut,
        examples=[
            docs.sent("Came", {"bank_reference": "FT26325123456", "amount": "350000", "value_date": "2026-11-21"}),
        ],
        is_keyed=True,
        name="payments_transfer",
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Take the news."""
        caller = auth.caller_of(request)
        read_key(request, required=False)
        reader = TransferIn(data=request.data)
        reader.is_valid(raise_exception=True)
        body = reader.validated_data
        transfer = Transfer(
            number=body["bank_reference"],
            money=Money.parse(body["amount"], body["currency"]),
            occurred_at=timezone.make_aware(datetime.combine(body["value_date"], time())),
            text=body["text"],
        )
        outcome = transfers.confirm(
            payment_id=payment_id, transfer=transfer, actor=caller.actor, at=clock.now(), source=AttemptEvent.Source.API
        )
        payment = access.payment_of(caller, payment_id)
        return Response(TransferOut({"outcome": outcome.value, "payment": payment}).data)
