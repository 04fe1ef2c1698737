"""`/v1/admin/*`: the read-only reports of the MoMo system (ACCEPTANCE A40-A42), for staff and BI tools."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import CurrencyIn, amount_text, bad_parameter
from config.core.pagination import CursorList, KeyList, read_limit
from ledger import selectors
from ledger.models import Posting
from payments.api import docs
from payments.api.compat import words
from payments.api.shapes import TextOrNull
from payments.models import Attempt, Payment

TAG = "Reference paths"
DEEPEST: Final = 10_000
"""So many rows can be skipped by page number; further down a cursor is the way."""
LONGEST_DAYS: Final = 366
READERS: Final = [auth.SessionStaff, auth.BearerAuthentication]


# --- Transactions ----------------------------------------------------------------------------------------------------
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
NUMBERED: Final = (
    OpenApiParameter(
        "page", {"type": "integer", "minimum": 1}, description="Instead of a cursor, down to ten thousand rows."
    ),
    OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 100}, description="As `limit`."),
)


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
        return _answer(CursorList(), rows, request, TransactionOut, ("-created_at", "-pk"))


def _answer(
    pages: CursorList,
    rows: QuerySet[Any],
    request: Request,
    shape: type[serializers.BaseSerializer[Any]],
    order: tuple[str, ...],
) -> Response:
    """A page by its number or after a cursor."""
    text: str | None = request.GET.get("page")
    if text is None:
        return pages.answer(rows, request, lambda page: shape(page, many=True).data)
    size = read_limit(request)
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= DEEPEST // size + 1):
        raise bad_parameter("page", f"From 1, and no more than {DEEPEST} rows down: then go on with a cursor.")
    start = (int(text) - 1) * size
    page = list(rows.order_by(*order)[start : start + size + 1])
    return Response({"data": shape(page[:size], many=True).data, "next_cursor": None, "has_more": len(page) > size})


# --- Ledger ----------------------------------------------------------------------------------------------------------
class LedgerEntryOut(serializers.Serializer[Any]):
    """A row of the reference system's `ledger_entries`."""

    id = serializers.CharField(help_text="Of the line.")
    ledger_id = serializers.IntegerField(source="account_id")
    account_number = serializers.CharField(source="account.code")
    transaction_id = TextOrNull(source="journal.subject", help_text="What was booked: a payment, refund or case.")
    journal_id = serializers.IntegerField()
    amount = serializers.SerializerMethodField()
    currency = serializers.CharField()
    type = serializers.SerializerMethodField()
    description = serializers.CharField(source="journal.event")
    created_at = serializers.DateTimeField(source="booked_at")

    def get_amount(self, line: Posting) -> str:
        """Never below zero: the type says which side."""
        return amount_text(abs(line.amount_minor), line.currency)

    def get_type(self, line: Posting) -> str:
        """DEBIT or CREDIT."""
        return "DEBIT" if line.amount_minor > 0 else "CREDIT"


class LedgerFilters(docs.Filters):
    """What lines can be narrowed by."""

    account_number = serializers.CharField(max_length=200, required=False)
    transaction_id = serializers.CharField(max_length=100, required=False)
    currency = CurrencyIn(required=False)
    type = serializers.ChoiceField(choices=["DEBIT", "CREDIT"], required=False)


class Ledger(APIView):
    """All lines of the books."""

    authentication_classes = READERS
    permission_classes = [auth.scopes("reports:read")]

    @docs.operation(
        tag=TAG,
        summary="List ledger entries",
        about="Newest first.",
        answer=docs.page_of(LedgerEntryOut),
        query=[LedgerFilters, *NUMBERED, *docs.PAGE],
        name="reference_admin_ledger",
    )
    def get(self, request: Request) -> Response:
        """A page of lines."""
        wanted = LedgerFilters.read(request.GET)
        rows = Posting.objects.select_related("account", "journal")
        if "account_number" in wanted:
            rows = rows.filter(account__code=wanted["account_number"])
        if "transaction_id" in wanted:
            rows = rows.filter(journal__subject=wanted["transaction_id"])
        if "currency" in wanted:
            rows = rows.filter(currency=wanted["currency"])
        if "type" in wanted:
            rows = rows.filter(amount_minor__gt=0) if wanted["type"] == "DEBIT" else rows.filter(amount_minor__lt=0)
        return _answer(KeyList(), rows, request, LedgerEntryOut, ("-pk",))


# --- Statistics ------------------------------------------------------------------------------------------------------
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
        first, last = _days(wanted, timezone.now())
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
