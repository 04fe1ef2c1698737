"""`/v1/admin/statistics`: sums per day, gateway and status, and the cash flow (ACCEPTANCE A42, A14)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import amount_text, bad_parameter
from ledger import selectors
from payments.api import docs
from payments.api.compat import words
from payments.api.compat.reports import READERS, TAG
from payments.models import Payment

LONGEST_DAYS: Final = 366


class SumOut(serializers.Serializer[Any]):
    """Payments of one business day, gateway, currency and status."""

    day = serializers.DateField()
    gateway = serializers.CharField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=words.WORDS)
    count = serializers.IntegerField()
    amount = serializers.CharField()
    amount_minor = serializers.IntegerField()


class CashFlowOut(serializers.Serializer[Any]):
    """Money in and out of one gateway, carrier or bank account on one business day."""

    day = serializers.DateField()
    account_number = serializers.CharField(source="code")
    owner_type = serializers.CharField()
    owner_id = serializers.CharField()
    currency = serializers.CharField(source="cash_in.currency")
    cash_in = serializers.CharField()
    cash_out = serializers.CharField()
    net = serializers.CharField()


class StatisticsOut(serializers.Serializer[Any]):
    """Sums of the days asked for."""

    date_from = serializers.DateField()
    date_to = serializers.DateField()
    data = SumOut(many=True)  # type: ignore[assignment]  # a field; the metaclass takes it away
    cash_flow = CashFlowOut(many=True)


class StatisticsFilters(docs.Filters):
    """Which days and what of them."""

    date_from = serializers.DateField(required=False, help_text="Thirty days before `date_to` unless told.")
    date_to = serializers.DateField(required=False, help_text="Included; today unless told.")
    gateway = serializers.CharField(max_length=40, required=False)
    status = serializers.ChoiceField(choices=words.WORDS, required=False)


class Statistics(APIView):
    """Sums per day."""

    authentication_classes = READERS
    permission_classes = [auth.scopes("reports:read")]

    @docs.operation(
        tag=TAG,
        summary="Show statistics",
        about="Payments per business day, gateway and status, and the cash flow of every gateway, carrier and bank.",
        answer=StatisticsOut,
        query=[StatisticsFilters],
        name="reference_admin_statistics",
    )
    def get(self, request: Request) -> Response:
        """The sums."""
        wanted = StatisticsFilters.read(request.GET)
        first, last = _days(wanted, clock.now())
        flow = [row for row in selectors.cash_flow(first, last) if wanted.get("gateway", row.owner_id) == row.owner_id]
        answer = {"date_from": first, "date_to": last, "data": _sums(wanted, first, last), "cash_flow": flow}
        return Response(StatisticsOut(answer).data)


def _days(wanted: dict[str, Any], now: datetime) -> tuple[date, date]:
    last: date = wanted.get("date_to", clock.business_day(now))
    if not date(2000, 1, 1) <= last <= date(9000, 1, 1):
        raise bad_parameter("date_to", "A day of this millennium.")
    first: date = wanted.get("date_from", last - timedelta(days=30))
    if first > last or (last - first).days > LONGEST_DAYS:
        raise bad_parameter("date_from", "At most a year, from the earlier to the later day.")
    return first, last


def _sums(wanted: dict[str, Any], first: date, last: date) -> list[dict[str, Any]]:
    begin, _ = clock.day_bounds(first)
    _, end = clock.day_bounds(last)
    rows = Payment.objects.filter(created_at__gte=begin, created_at__lt=end)
    if "gateway" in wanted:
        rows = rows.filter(method__account__gateway=wanted["gateway"])
    grouped = (
        rows.annotate(day=TruncDate("created_at", tzinfo=clock.BUSINESS_ZONE))
        .values("day", "method__account__gateway", "currency", "status")
        .annotate(count=Count("id"), amount_minor=Sum("amount_minor"))
    )
    sums: dict[tuple[Any, ...], list[int]] = {}
    for row in grouped:
        word = words.OF_PAYMENT[row["status"]]
        if wanted.get("status", word) == word:
            total = sums.setdefault((row["day"], row["method__account__gateway"], row["currency"], word), [0, 0])
            total[0] += row["count"]
            total[1] += int(row["amount_minor"])
    return [
        {
            "day": day,
            "gateway": gateway,
            "currency": currency,
            "status": word,
            "count": count,
            "amount": amount_text(minor, currency),
            "amount_minor": minor,
        }
        for (day, gateway, currency, word), (count, minor) in sorted(sums.items())
    ]
