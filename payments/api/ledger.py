"""The books, for reading: accounts with their balances, statements, journals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, F, Func, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock
from config.core.api import CurrencyIn, amount_text, bad_parameter
from config.core.errors import NotFound
from config.core.pagination import CursorList, KeyList
from ledger import selectors
from ledger.accounts import ref_of
from ledger.models import Account, JournalEntry, Posting
from payments.api import docs
from payments.api.opening import DEFAULT_CURRENCY
from payments.api.shapes import TextOrNull

TAG = "Ledger"
LONGEST = timedelta(days=366)


class AccountOut(serializers.Serializer[Any]):
    """One account of the books in one currency, its balance on its normal side."""

    code = serializers.CharField()
    currency = serializers.CharField()
    kind = serializers.ChoiceField(choices=Account.Kind.choices)
    owner_type = TextOrNull()
    owner_id = TextOrNull()
    balance = serializers.SerializerMethodField()
    balance_minor = serializers.SerializerMethodField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)

    def get_balance(self, account: Any) -> str:
        """Decimal text of major units; below zero when it stands on the other side."""
        return amount_text(self.get_balance_minor(account), account.currency)

    def get_balance_minor(self, account: Any) -> int:
        """The same in minor units."""
        signed = int(account.signed)
        return signed if account.is_debit_normal else -signed


class LineOut(serializers.Serializer[Any]):
    """One line of a journal."""

    account = serializers.CharField(source="account.code")
    currency = serializers.CharField()
    debit = serializers.CharField()
    credit = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text="Signed: a debit is above zero.")


class JournalOut(serializers.Serializer[Any]):
    """One posted business fact; its lines sum to zero."""

    id = serializers.IntegerField()
    reference = serializers.CharField()
    event = serializers.CharField()
    subject = TextOrNull()
    order_id = TextOrNull(source="order_ref")
    effective_on = serializers.DateField()
    booked_at = serializers.DateTimeField()
    reverses = serializers.IntegerField(source="reverses_id", allow_null=True)
    actor = serializers.CharField()
    reason = TextOrNull()
    lines = LineOut(many=True, source="rows")


class StatementLineOut(serializers.Serializer[Any]):
    """One movement of an account."""

    journal_id = serializers.IntegerField()
    reference = serializers.CharField(source="journal.reference")
    event = serializers.CharField(source="journal.event")
    subject = TextOrNull(source="journal.subject")
    debit = serializers.CharField()
    credit = serializers.CharField()
    effective_on = serializers.DateField()
    booked_at = serializers.DateTimeField()


class StatementOut(serializers.Serializer[Any]):
    """An account's movements between two moments of booking, with the balance before and after."""

    code = serializers.CharField()
    currency = serializers.CharField()
    booked_from = serializers.DateTimeField()
    booked_to = serializers.DateTimeField()
    opening_balance = serializers.CharField()
    closing_balance = serializers.CharField()
    data = StatementLineOut(many=True)  # type: ignore[assignment]  # a field; the metaclass takes it away
    next_cursor = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()


class AccountFilters(docs.Filters):
    """What a list of accounts can be narrowed by."""

    currency = CurrencyIn(required=False)
    kind = serializers.ChoiceField(choices=Account.Kind.choices, required=False)
    owner_type = serializers.CharField(max_length=40, required=False)
    owner_id = serializers.CharField(max_length=100, required=False)


class JournalFilters(docs.Filters):
    """What a list of journals can be narrowed by."""

    reference = serializers.CharField(max_length=200, required=False)
    subject = serializers.CharField(max_length=100, required=False)
    order_id = serializers.CharField(max_length=100, required=False)


class StatementFilters(docs.CurrencyFilter):
    """Which movements."""

    booked_from = serializers.DateTimeField(required=False, help_text="This moment included; a month ago unless told.")
    booked_to = serializers.DateTimeField(required=False, help_text="This moment not included; now unless told.")


class OldestLines(CursorList):
    """In the order of booking."""

    time_field = "booked_at"
    newest_first = False


def _with_balance(rows: QuerySet[Account]) -> QuerySet[Account]:
    return rows.annotate(signed=Func(F("id"), function="ledger_balance_now", output_field=BigIntegerField()))


def _account(code: str, currency: str) -> Account:
    account = _with_balance(Account.objects.filter(code=code, currency=currency)).first()
    if account is None:
        raise NotFound("There is no such account.")
    return account


def shown(journals: Sequence[JournalEntry]) -> list[dict[str, Any]]:
    """Journals with their lines, as JournalOut has them, in one more query."""
    rows: dict[int, list[Posting]] = {journal.pk: [] for journal in journals}
    for line in Posting.objects.of(*rows):
        rows[line.journal_id].append(line)
    for journal in journals:
        journal.rows = rows[journal.pk]  # type: ignore[attr-defined]  # carried to JournalOut, which reads it
    return list(JournalOut(journals, many=True).data)


class AccountList(APIView):
    """All accounts."""

    permission_classes = [auth.scopes("ledger:read")]

    @docs.operation(
        tag=TAG,
        summary="List accounts",
        about="The last opened first, each with its balance now.",
        answer=docs.page_of(AccountOut),
        query=[AccountFilters, *docs.PAGE],
        name="ledger_accounts_list",
    )
    def get(self, request: Request) -> Response:
        """A page of accounts."""
        rows = _with_balance(Account.objects.filter(**AccountFilters.read(request.GET)))
        return KeyList().answer(rows, request, lambda page: AccountOut(page, many=True).data)


class AccountDetail(APIView):
    """One account."""

    permission_classes = [auth.scopes("ledger:read")]

    @docs.operation(
        tag=TAG,
        summary="Show an account",
        about=f"By its code and currency ({DEFAULT_CURRENCY} unless told).",
        answer=AccountOut,
        query=[docs.CurrencyFilter],
        examples=[
            docs.answered(
                "A gateway's clearing account",
                {
                    "code": "gw:momo:clearing",
                    "currency": "VND",
                    "kind": "A",
                    "owner_type": "gateway",
                    "owner_id": "momo",
                    "balance": "960000",
                    "balance_minor": 960000,
                    "opened_at": "2026-11-21T04:01:10Z",
                    "closed_at": None,
                },
            )
        ],
        name="ledger_accounts_show",
    )
    def get(self, request: Request, code: str) -> Response:
        """The account."""
        currency = docs.CurrencyFilter.read(request.GET).get("currency", DEFAULT_CURRENCY)
        return Response(AccountOut(_account(code, currency)).data)


class AccountStatement(APIView):
    """One account's movements."""

    permission_classes = [auth.scopes("ledger:read")]

    @docs.operation(
        tag=TAG,
        summary="Show an account's statement",
        about="Movements in the order of booking; the balances are of the whole span, whatever the page.",
        answer=StatementOut,
        query=[StatementFilters, *docs.PAGE],
        name="ledger_accounts_statement",
    )
    def get(self, request: Request, code: str) -> Response:
        """The statement."""
        wanted = StatementFilters.read(request.GET)
        account = _account(code, wanted.get("currency", DEFAULT_CURRENCY))
        first, last = _span(wanted, clock.now())
        pages = OldestLines()
        lines = Posting.objects.filter(account=account, booked_at__gte=first, booked_at__lt=last)
        page = pages.paginate_queryset(lines.select_related("journal"), request)
        instant = timedelta(microseconds=1)  # a balance at a moment includes that moment
        whose = ref_of(account)
        answer = {
            "code": account.code,
            "currency": account.currency,
            "booked_from": first,
            "booked_to": last,
            "opening_balance": str(selectors.balance_at(whose, account.currency, first - instant)),
            "closing_balance": str(selectors.balance_at(whose, account.currency, last - instant)),
            "data": page,
            "next_cursor": pages.next_cursor,
            "has_more": pages.next_cursor is not None,
        }
        return Response(StatementOut(answer).data)


def _span(wanted: dict[str, Any], now: datetime) -> tuple[datetime, datetime]:
    last: datetime = wanted.get("booked_to", now)
    first: datetime = wanted.get("booked_from", min(last, now) - timedelta(days=31))
    if first > last or last - first > LONGEST:
        raise bad_parameter("booked_from", "At most a year, from the earlier to the later moment.")
    return first, last


class JournalList(APIView):
    """All journals."""

    permission_classes = [auth.scopes("ledger:read")]

    @docs.operation(
        tag=TAG,
        summary="List journals",
        about="Newest first, with their lines.",
        answer=docs.page_of(JournalOut),
        query=[JournalFilters, *docs.PAGE],
        name="ledger_journals_list",
    )
    def get(self, request: Request) -> Response:
        """A page of journals."""
        wanted = JournalFilters.read(request.GET)
        if "order_id" in wanted:
            wanted["order_ref"] = wanted.pop("order_id")
        return KeyList().answer(JournalEntry.objects.filter(**wanted), request, shown)


class JournalDetail(APIView):
    """One journal."""

    permission_classes = [auth.scopes("ledger:read")]

    @docs.operation(tag=TAG, summary="Show a journal", answer=JournalOut, name="ledger_journals_show")
    def get(self, request: Request, journal_id: int) -> Response:
        """The journal."""
        journal = JournalEntry.objects.filter(pk=journal_id).first()
        if journal is None:
            raise NotFound("There is no such journal.")
        return Response(shown([journal])[0])
