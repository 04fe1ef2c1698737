"""`/v1/admin/transactions`: the tries at gateways under the columns of the MoMo system (ACCEPTANCE A40, A53)."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth
from config.core.pagination import CursorList
from payments.api import docs
from payments.api.compat import words
from payments.api.compat.reports import NUMBERED, READERS, TAG, answer
from payments.api.shapes import TextOrNull
from payments.models import Attempt


class TransactionOut(serializers.Serializer[Any]):
    """A row of the reference system's `transactions`."""

    id = serializers.CharField()
    transaction_code = serializers.CharField(source="gateway_reference")
    order_id = serializers.CharField(source="payment.order.order_id")
    payment_id = serializers.CharField()
    payment_method_id = serializers.IntegerField(source="method_id")
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    type = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    gateway_transaction_id = TextOrNull()
    notes = TextOrNull(source="failure_message")
    created_at = serializers.DateTimeField()
    processed_at = serializers.DateTimeField(source="ended_at", allow_null=True)

    def get_type(self, attempt: Attempt) -> str:
        """PAYMENT: refunds have a list of their own."""
        return "PAYMENT"

    def get_status(self, attempt: Attempt) -> str:
        """PENDING, AWAITING_PAYMENT, SUCCESS or FAILED."""
        return words.OF_ATTEMPT[attempt.status]


class TransactionFilters(docs.Filters):
    """What transactions can be narrowed by."""

    status = serializers.ChoiceField(choices=words.WORDS, required=False)
    order_id = serializers.CharField(max_length=100, required=False)
    transaction_code = serializers.CharField(max_length=100, required=False)
    gateway_transaction_id = serializers.CharField(max_length=100, required=False)
    payment_method_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    created_from = serializers.DateTimeField(required=False)
    created_to = serializers.DateTimeField(required=False)


TRANSACTION_LOOKUPS: Final = {
    "order_id": "payment__order__order_id",
    "transaction_code": "gateway_reference",
    "gateway_transaction_id": "gateway_transaction_id",
    "payment_method_id": "method_id",
    "created_from": "created_at__gte",
    "created_to": "created_at__lt",
}


class Transactions(APIView):
    """All tries at gateways."""

    authentication_classes = READERS
    permission_classes = [auth.scopes("reports:read")]

    @docs.operation(
        tag=TAG,
        summary="List transactions",
        about="Newest first.",
        answer=docs.page_of(TransactionOut),
        query=[TransactionFilters, *NUMBERED, *docs.PAGE],
        name="reference_admin_transactions",
    )
    def get(self, request: Request) -> Response:
        """A page of transactions."""
        wanted = TransactionFilters.read(request.GET)
        rows = Attempt.objects.select_related("payment__order").defer("request", "response")
        if word := wanted.pop("status", None):
            rows = rows.filter(status__in=words.attempts_that_are(word))
        rows = rows.filter(**{TRANSACTION_LOOKUPS[name]: wanted[name] for name in wanted})
        return answer(CursorList(), rows, request, TransactionOut, ("-created_at", "-pk"))
