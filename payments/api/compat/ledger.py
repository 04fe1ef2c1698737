"""`/v1/admin/ledger`: the books under the columns of the MoMo system (ACCEPTANCE A41, A56)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth
from config.core.api import CurrencyIn, amount_text
from config.core.pagination import KeyList
from ledger.models import Posting
from payments.api import docs
from payments.api.compat.reports import NUMBERED, READERS, TAG, answer
from payments.api.shapes import TextOrNull


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
        return answer(KeyList(), rows, request, LedgerEntryOut, ("-pk",))
