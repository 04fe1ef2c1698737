"""Payments: opened, listed, shown."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth
from config.core.pagination import CursorList
from payments.api import access, docs
from payments.api.opening import EXAMPLE as OPENED
from payments.api.opening import NewPaymentIn, OpenedOut, open_payment
from payments.api.shapes import AmountText, TextOrNull
from payments.models import Attempt
from payments.states import OPEN_ATTEMPTS, AttemptStatus, PaymentStatus

TAG = "Payments"


class AttemptOut(serializers.Serializer[Any]):
    """One try at a gateway: the transaction of the reference systems."""

    transaction_id = serializers.CharField(source="id")
    transaction_code = serializers.CharField(source="gateway_reference", help_text="What the gateway calls it.")
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=AttemptStatus.choices)
    payment_method = serializers.CharField(source="method.code")
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    gateway_transaction_id = TextOrNull()
    payment_url = serializers.SerializerMethodField()
    qr_code = serializers.SerializerMethodField()
    deeplink = serializers.SerializerMethodField()
    failure_code = TextOrNull()
    failure_message = TextOrNull()
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_payment_url(self, attempt: Attempt) -> str | None:
        """Where the customer pays; null when there is nothing to open or the try has ended."""
        return _while_open(attempt, attempt.pay_url)

    def get_qr_code(self, attempt: Attempt) -> str | None:
        """What a QR code for the customer's phone says."""
        return _while_open(attempt, attempt.qr_text)

    def get_deeplink(self, attempt: Attempt) -> str | None:
        """Opens the gateway's app."""
        return _while_open(attempt, attempt.deeplink)


def _while_open(attempt: Attempt, text: str) -> str | None:
    return text or None if attempt.status in OPEN_ATTEMPTS else None


class LatestTry(AttemptOut):
    """The last of a payment's tries, as `access.with_tries` fetched them."""

    def get_attribute(self, instance: Any) -> Attempt | None:
        """The row."""
        return instance.tries[-1] if instance.tries else None


class PaymentOut(serializers.Serializer[Any]):
    """A payment. Status is its life; captured, refunding, refunded and disputed are amounts beside it."""

    payment_id = serializers.CharField(source="id")
    order_id = serializers.CharField(source="order.order_id")
    customer_id = serializers.CharField(source="customer")
    payment_method = serializers.CharField(source="method.code")
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    captured = AmountText("captured_minor")
    refunding = AmountText("refunding_minor")
    refunded = AmountText("refunded_minor")
    disputed = AmountText("disputed_minor")
    refund_state = serializers.ChoiceField(choices=["none", "partial", "full"])
    failure_code = TextOrNull()
    is_late = serializers.BooleanField(help_text="Paid after its end had been announced.")
    transaction = LatestTry(allow_null=True, help_text="The latest try.")
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    succeeded_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class PaymentFilters(docs.Filters):
    """What a list of payments can be narrowed by."""

    status = serializers.ChoiceField(choices=PaymentStatus.choices, required=False)
    order_id = serializers.CharField(max_length=100, required=False)
    payment_method = serializers.CharField(max_length=40, required=False)
    customer_id = serializers.CharField(max_length=120, required=False)
    created_from = serializers.DateTimeField(required=False, help_text="This moment included.")
    created_to = serializers.DateTimeField(required=False, help_text="This moment not included.")


LOOKUPS = {
    "status": "status",
    "order_id": "order__order_id",
    "payment_method": "method__code",
    "customer_id": "customer",
    "created_from": "created_at__gte",
    "created_to": "created_at__lt",
}
PAYMENT_EXAMPLE = {
    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
    "order_id": "ORD-1001",
    "customer_id": "customer-1",
    "payment_method": "momo",
    "status": "succeeded",
    "amount": "960000",
    "amount_minor": 960000,
    "currency": "VND",
    "captured": "960000",
    "refunding": "0",
    "refunded": "0",
    "disputed": "0",
    "refund_state": "none",
    "failure_code": None,
    "is_late": False,
    "transaction": None,
    "expires_at": "2026-11-21T05:30:00Z",
    "created_at": "2026-11-21T04:00:00Z",
    "updated_at": "2026-11-21T04:01:10Z",
    "succeeded_at": "2026-11-21T04:01:10Z",
    "ended_at": "2026-11-21T04:01:10Z",
}


class PaymentList(APIView):
    """All payments a caller may see; and the door by which payments come to be."""

    def get_permissions(self) -> list[Any]:
        """Reading and writing are two scopes."""
        return [access.own_or("payments:write" if self.request.method == "POST" else "payments:read")()]

    @docs.operation(
        tag=TAG,
        summary="List payments",
        about="Newest first. A customer sees their own, a service with `payments:read` all.",
        answer=docs.page_of(PaymentOut),
        query=[PaymentFilters, *docs.PAGE],
        name="payments_list",
    )
    def get(self, request: Request) -> Response:
        """A page of payments."""
        wanted = PaymentFilters.read(request.GET)
        rows = access.payments_of(auth.caller_of(request)).filter(**{LOOKUPS[name]: wanted[name] for name in wanted})
        return CursorList().answer(access.with_tries(rows), request, lambda page: PaymentOut(page, many=True).data)

    @docs.operation(
        tag=TAG,
        summary="Open a payment",
        about=(
            "Opens a payment of an order, or answers the one that is open. A customer may pay an order of their own "
            "that we know or that the order service tells; a service with `payments:write` may tell the order itself."
        ),
        body=NewPaymentIn,
        answer=OpenedOut,
        status=201,
        problems=docs.CARD_PROBLEMS,
        examples=[
            docs.sent("A known order", {"order_id": "ORD-1001", "payment_method": "momo", "amount": "960000"}),
            docs.answered("A pay URL", OPENED, status=201),
        ],
        is_keyed=True,
        name="payments_create",
    )
    def post(self, request: Request) -> Response:
        """Open a payment."""
        return open_payment(request, NewPaymentIn, OpenedOut)


class ProcessPayment(APIView):
    """The same door under the name that it has in a reference system."""

    permission_classes = [access.own_or("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Open a payment (as `POST /api/v1/payments`)",
        body=NewPaymentIn,
        answer=OpenedOut,
        status=201,
        problems=docs.CARD_PROBLEMS,
        examples=[
            docs.sent(
                "A known order",
                {"order_id": "ORD-1001", "payment_method": "momo", "amount": 960000, "currency": "VND"},
            ),
            docs.answered("A pay URL", OPENED, status=201),
        ],
        is_keyed=True,
        name="payments_process",
    )
    def post(self, request: Request) -> Response:
        """Open a payment."""
        return open_payment(request, NewPaymentIn, OpenedOut)


class PaymentDetail(APIView):
    """One payment."""

    permission_classes = [access.own_or("payments:read")]

    @docs.operation(
        tag=TAG,
        summary="Show a payment",
        answer=PaymentOut,
        examples=[docs.answered("A paid payment", PAYMENT_EXAMPLE)],
        name="payments_show",
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """The payment."""
        return Response(PaymentOut(access.payment_of(auth.caller_of(request), payment_id)).data)
