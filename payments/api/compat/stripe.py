"""The card system's paths that pay, under /api/v1/stripe: thin translators over the same services as everything else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import AmountIn, CurrencyIn
from config.core.idempotency import REPLAYED, read_key
from payments.api import access, docs
from payments.api.compat.stripe_cards import CARD, TAG, CardIn, card_of
from payments.api.opening import DEFAULT_CURRENCY, OrderFieldsIn, refuse_what_only_services_say, wish_of
from payments.api.shapes import TextOrNull
from payments.errors import MethodNotFound, NotPayable, PaymentNotFound
from payments.models import Payment, PaymentMethod
from payments.services import card_payments
from payments.services.card_payments import CardPayment
from payments.states import PaymentStatus

ACCOUNT: Final = "stripe"
"""The account that these paths belong to: the first one at Stripe."""
ACTION, METHOD = "requires_action", "requires_payment_method"
STATUS: Final[Mapping[str, str]] = {
    PaymentStatus.PENDING: METHOD,
    PaymentStatus.AWAITING_PAYMENT: METHOD,
    PaymentStatus.PROCESSING: "processing",
    PaymentStatus.AUTHORIZED: "requires_capture",
    PaymentStatus.SUCCEEDED: "succeeded",
    PaymentStatus.FAILED: "canceled",
    PaymentStatus.EXPIRED: "canceled",
    PaymentStatus.CANCELLED: "canceled",
}
WORDS: Final = sorted({*STATUS.values(), ACTION, "requires_confirmation"})
"""Stripe's words, in which these paths speak (ACCEPTANCE K8)."""
KNOWN_ID: Final = re.compile(r"(?:pay|pi)_[A-Za-z0-9]{1,90}")
OWN_ID: Final = re.compile(r"pay_[0-9a-hjkmnp-tv-z]{26}")


class NewCardPaymentIn(OrderFieldsIn):
    """An order to be paid by card: by its token, or, at a sandbox that allows it, by a test card's number."""

    order_id = serializers.CharField(max_length=100)
    payment_id = serializers.CharField(
        max_length=100,
        required=False,
        help_text="A payment of ours to go on with; or an id of yours, which finds again the payment it made.",
    )
    amount = AmountIn(required=False, help_text="If sent, it must be what the order costs.")
    currency = CurrencyIn(required=False, default=DEFAULT_CURRENCY)
    description = serializers.CharField(max_length=250, required=False, allow_blank=True)
    card_token = serializers.CharField(max_length=200, required=False, help_text="What Stripe's form made: `pm_...`.")
    card = CardIn(required=False, help_text="Only with ALLOW_RAW_CARD_DATA, against a sandbox.")
    return_url = serializers.URLField(max_length=1000, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One card."""
        if ("card" in attrs) == ("card_token" in attrs):
            raise exceptions.ValidationError({"card_token": ["Send card_token, or a test card's number in card."]})
        return attrs


class CardPaymentOut(serializers.Serializer[Any]):
    """A payment by card, in Stripe's words."""

    payment_id = serializers.CharField(source="payment.id")
    order_id = serializers.CharField(source="payment.order.order_id")
    stripe_payment_intent_id = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    amount = serializers.CharField(source="payment.amount")
    amount_minor = serializers.IntegerField(source="payment.amount_minor")
    currency = serializers.SerializerMethodField()
    client_secret = TextOrNull(
        help_text="Stripe's, for its script in the payer's browser; null when nothing is left to do."
    )
    next_action = serializers.DictField(
        allow_null=True, help_text="Stripe's: `redirect_to_url.url` is where the cardholder proves who they are."
    )

    def get_stripe_payment_intent_id(self, found: CardPayment) -> str | None:
        """Stripe's number of the money."""
        return intent_of(found.attempt.gateway_transaction_id)

    def get_status(self, found: CardPayment) -> str:
        """Stripe's word: succeeded, processing, requires_action, requires_payment_method, requires_capture, canceled."""
        return status_of(found)

    def get_currency(self, found: CardPayment) -> str:
        """In lower case, as Stripe has it."""
        return str(found.payment.currency).lower()


def status_of(found: CardPayment) -> str:
    """A payment's status in Stripe's words: its own, where it was asked and the payment is still open."""
    known = STATUS[found.payment.status]
    return found.gateway_status if known == METHOD and found.gateway_status in WORDS else known


def intent_of(number: str) -> str | None:
    """The number, where it is a PaymentIntent's."""
    return number if number.startswith("pi_") else None


PAID: Final = {
    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
    "order_id": "ORD-1001",
    "stripe_payment_intent_id": "pi_3Sbx0000000000000001",
    "status": "succeeded",
    "amount": "99.99",
    "amount_minor": 9999,
    "currency": "usd",
    "client_secret": None,
    "next_action": None,
}
ASKED: Final = {
    **PAID,
    "status": ACTION,
    "client_secret": "pi_3Sbx0000000000000001_secret_...",
    "next_action": {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": "https://hooks.stripe.com/3d_secure_2/...", "return_url": "https://..."},
    },
}


class PayByCard(APIView):
    """Charges a card."""

    permission_classes = [access.own_or("payments:write")]
    throttle_scope = "cards"

    @docs.operation(
        tag=TAG,
        summary="Pay an order by card",
        about=(
            "Opens a payment of the order, or goes on with the open one, and charges the card. 402 when it is refused: "
            "send another. `requires_action`: the cardholder's bank wants to see them at `next_action`."
        ),
        body=NewCardPaymentIn,
        answer=CardPaymentOut,
        status=201,
        problems=docs.CARD_PROBLEMS,
        examples=[
            docs.sent(
                "By a token", {"order_id": "ORD-1001", "amount": 99.99, "currency": "usd", "card_token": "pm_card_visa"}
            ),
            docs.sent(
                "By a test card, at a sandbox",
                {
                    "order_id": "ORD-1001",
                    "amount": 99.99,
                    "currency": "usd",
                    "description": "Test payment",
                    "card": CARD,
                },
            ),
            docs.answered("Paid", PAID, status=201),
            docs.answered("The bank asks", ASKED, status=201),
        ],
        is_keyed=True,
        name="stripe_payment",
    )
    def post(self, request: Request) -> Response:
        """Charge it."""
        caller, key = auth.caller_of(request), read_key(request, required=False)
        reader = NewCardPaymentIn(data=request.data)
        reader.is_valid(raise_exception=True)
        body, at = dict(reader.validated_data), clock.now()
        refuse_what_only_services_say(caller, body)
        method = _method()
        named = body.pop("payment_id", "")
        if OWN_ID.fullmatch(named):
            _check_open(caller, named, body["order_id"])
            named = ""
        token = body.pop("card_token", "") or card_payments.token_of(card_of(body.pop("card")), method, at=at)
        if key:
            wish = wish_of(request, caller, {**body, "card_token": token}, key, method)
        else:  # an id of the caller's own stays the same when another card is tried
            wish = wish_of(request, caller, body, named, method)
        found = card_payments.pay(wish=wish, token=token, at=at)
        headers = {"Cache-Control": "no-store", **(REPLAYED if found.is_replay else {})}
        return Response(CardPaymentOut(found).data, status=201, headers=headers)


def _method() -> PaymentMethod:
    """The first active method at the account. Raises MethodNotFound."""
    rows = PaymentMethod.objects.select_related("account").filter(account__code=ACCOUNT, is_active=True)
    method: PaymentMethod | None = rows.order_by("position", "id").first()
    if method is None:
        raise MethodNotFound("No payment method by Stripe is set up.")
    return method


def _check_open(caller: auth.Caller, payment_id: str, order_id: str) -> None:
    """Raises PaymentNotFound unless it is the caller's and this order's, NotPayable where it has ended unpaid."""
    payment = access.payments_of(caller).filter(id=payment_id, order__order_id=order_id).first()
    if payment is None:
        raise PaymentNotFound("There is no such payment of this order.", field="payment_id")
    if payment.status in (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED):
        raise NotPayable("This payment has ended.", facts={"payment_id": payment_id, "status": str(payment.status)})


class ShowCardPayment(APIView):
    """One payment by card."""

    permission_classes = [access.own_or("payments:read")]

    @docs.operation(
        tag=TAG,
        summary="Show a payment by card",
        about="By our id or by Stripe's (`pi_...`). Stripe is asked about one that is still open.",
        answer=CardPaymentOut,
        examples=[docs.answered("Paid", PAID)],
        name="stripe_payment_show",
    )
    def get(self, request: Request, payment: str) -> Response:
        """The payment."""
        caller = auth.caller_of(request)
        found = card_payments.look(payment=payment_of(caller, payment), actor=caller.actor, at=clock.now())
        return Response(CardPaymentOut(found).data, headers={"Cache-Control": "no-store"})


def payment_of(caller: auth.Caller, identifier: str) -> Payment:
    """A payment at Stripe by our id or by Stripe's. Raises PaymentNotFound."""
    if not KNOWN_ID.fullmatch(identifier):
        return access.found(None)
    rows = access.payments_of(caller).filter(attempts__account__gateway="stripe")
    if intent_of(identifier):
        rows = rows.filter(attempts__gateway_transaction_id=identifier)
    else:
        rows = rows.filter(id=identifier)
    return access.found(rows.select_related("order", "method").distinct().first())
