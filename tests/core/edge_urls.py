"""A small API over the real plumbing: one view per thing that the edge promises."""

from __future__ import annotations

from typing import Any

from django.db import DataError, OperationalError, connection
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import api, auth, idempotency
from config.core.errors import Conflict, Unavailable
from config.core.models import DeadLetter
from config.core.money import Money
from config.core.pagination import CursorList

handler400, handler403 = "config.core.api.handler400", "config.core.api.handler403"
handler404, handler500 = "config.core.api.handler404", "config.core.api.handler500"


class Buyer(api.StrictSerializer):
    name = serializers.CharField(max_length=50)


class Body(api.StrictSerializer):
    amount = api.AmountIn()
    currency = api.CurrencyIn(default="VND")
    note = serializers.CharField(required=False, allow_blank=True, max_length=100)
    count = serializers.IntegerField(required=False)
    buyer = Buyer(required=False)


class Echo(APIView):
    permission_classes = [auth.Public]
    authentication_classes = []

    def post(self, request: Request) -> Response:
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(body.validated_data)
        money = Money.parse(values.pop("amount"), values.pop("currency"))
        return Response({**values, **api.money_out(money.minor, money.currency)})


class WhoAmI(APIView):
    permission_classes = [auth.AnyCaller]

    def get(self, request: Request) -> Response:
        caller = auth.caller_of(request)
        return Response(
            {"kind": caller.kind, "client": caller.client, "subject": caller.subject, "actor": caller.actor}
            | {"scopes": sorted(caller.scopes), "customer": caller.customer}
        )


class Closed(WhoAmI):
    permission_classes = [auth.Deny]


class Customers(WhoAmI):
    permission_classes = [auth.IsCustomer]


class Refunders(WhoAmI):
    permission_classes = [auth.scopes("refunds:write")]


class CustomersOrRefunders(WhoAmI):
    permission_classes = [auth.IsCustomer | auth.scopes("refunds:write")]


class Reports(WhoAmI):
    authentication_classes = [auth.BearerAuthentication, auth.SessionStaff]
    permission_classes = [auth.scopes("reports:read")]

    def post(self, request: Request) -> Response:
        return self.get(request)


class Guarded(WhoAmI):
    throttle_scope = "otp"
    throttle_fail_closed = True


class Raises(APIView):
    permission_classes = [auth.Public]
    authentication_classes = []

    def get(self, request: Request, what: str) -> Response:
        if what == "conflict":
            raise Conflict("It is paid already.", field="status", facts={"payment_id": "pay_1"})
        if what == "unavailable":
            raise Unavailable("The gateway does not answer.")
        if what == "lock":
            raise OperationalError("canceling statement due to lock timeout: secret detail")
        if what == "data":
            raise DataError("integer out of range: secret detail")
        if what == "sql":
            connection.cursor().execute("SELECT pg_sleep(0), 1 / 0")
        raise RuntimeError("a secret detail")


class Letters(APIView):
    permission_classes = [auth.Public]
    authentication_classes = []

    def get(self, request: Request) -> Response:
        return CursorList().answer(DeadLetter.objects.all(), request, lambda rows: [row.pk for row in rows])


class Keyed(APIView):
    permission_classes = [auth.Public]
    authentication_classes = []

    def post(self, request: Request) -> Response:
        return Response({"key": idempotency.read_key(request, required="needed" in request.GET)})


class Thing(APIView):
    permission_classes = [auth.Public]
    authentication_classes = []

    def get(self, request: Request, identifier: str) -> Response:
        return Response({"id": identifier, "q": api.query_text(request, "q", max_length=10)})


urlpatterns = [
    path("api/v1/echo", Echo.as_view()),
    path("v1/echo", Echo.as_view()),
    path("api/v1/me", WhoAmI.as_view()),
    path("api/v1/closed", Closed.as_view()),
    path("api/v1/customers", Customers.as_view()),
    path("api/v1/refunders", Refunders.as_view()),
    path("api/v1/either", CustomersOrRefunders.as_view()),
    path("api/v1/reports", Reports.as_view()),
    path("api/v1/guarded", Guarded.as_view()),
    path("api/v1/raises/<str:what>", Raises.as_view()),
    path("v1/raises/<str:what>", Raises.as_view()),
    path("api/v1/letters", Letters.as_view()),
    path("api/v1/keyed", Keyed.as_view()),
    path("api/v1/things/<own_id:identifier>", Thing.as_view()),
]
