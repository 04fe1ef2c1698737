"""Money cases, for reading: they are decided in the admin, by two people."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth
from config.core.pagination import CursorList
from payments.api import docs
from payments.api.shapes import TextOrNull
from payments.errors import CaseNotFound
from payments.models import MoneyCase
from payments.states import CaseStatus

TAG = "Money cases"


class CaseOut(serializers.Serializer[Any]):
    """Unexpected money, or a question about money."""

    case_id = serializers.CharField(source="id")
    kind = serializers.ChoiceField(choices=MoneyCase.Kind.choices)
    status = serializers.ChoiceField(choices=CaseStatus.choices)
    payment_id = TextOrNull()
    transaction_id = TextOrNull(source="attempt_id")
    refund_id = TextOrNull()
    amount = serializers.CharField(source="money")
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    detail = TextOrNull()
    suggestion = TextOrNull()
    decision = TextOrNull()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class CaseFilters(docs.Filters):
    """What a list of cases can be narrowed by."""

    kind = serializers.ChoiceField(choices=MoneyCase.Kind.choices, required=False)
    status = serializers.ChoiceField(choices=CaseStatus.choices, required=False)
    payment_id = serializers.CharField(max_length=40, required=False)


class NewestCases(CursorList):
    """By the time they were opened."""

    time_field = "opened_at"


class CaseList(APIView):
    """All cases."""

    permission_classes = [auth.scopes("cases:read")]

    @docs.operation(
        tag=TAG,
        summary="List money cases",
        about="Newest first.",
        answer=docs.page_of(CaseOut),
        query=[CaseFilters, *docs.PAGE],
        name="money_cases_list",
    )
    def get(self, request: Request) -> Response:
        """A page of cases."""
        rows = MoneyCase.objects.filter(**CaseFilters.read(request.GET))
        return NewestCases().answer(rows, request, lambda page: CaseOut(page, many=True).data)


class CaseDetail(APIView):
    """One case."""

    permission_classes = [auth.scopes("cases:read")]

    @docs.operation(
        tag=TAG,
        summary="Show a money case",
        answer=CaseOut,
        examples=[
            docs.answered(
                "Paid twice",
                {
                    "case_id": "case_06dq0t7m2p9xe2n1f0s8v5k3qc",
                    "kind": "double_payment",
                    "status": "open",
                    "payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8",
                    "transaction_id": "att_06dq0qg5wnvbd9w5t2dvhm71m9",
                    "refund_id": None,
                    "amount": "960000",
                    "amount_minor": 960000,
                    "currency": "VND",
                    "detail": None,
                    "suggestion": "refund",
                    "decision": None,
                    "opened_at": "2026-11-21T04:05:00Z",
                    "closed_at": None,
                },
            )
        ],
        name="money_cases_show",
    )
    def get(self, request: Request, case_id: str) -> Response:
        """The case."""
        case = MoneyCase.objects.filter(id=case_id).first()
        if case is None:
            raise CaseNotFound("There is no such case.")
        return Response(CaseOut(case).data)
