"""Accounts with their balances, their statements, and the trial balance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import DecimalField, F, Func, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core.admin import exports, filters, links
from config.core.admin.cells import NOTHING, Cell, Tone, chip, day, link, listing, money, number, to, when
from config.core.admin.filters import ChoiceFilter
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, num
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.money import Money
from ledger import selectors
from ledger.admin import statement
from ledger.models import Account

KINDS: Final = {
    Account.Kind.ASSET: _("What we own or are owed; normally a debit balance."),
    Account.Kind.LIABILITY: _("What we owe; normally a credit balance."),
    Account.Kind.REVENUE: _("What we earn; normally a credit balance."),
    Account.Kind.EXPENSE: _("What we spend; normally a debit balance."),
    Account.Kind.POSITION: _("Bridges the currencies of an exchange."),
}
SHOP_FIRST_WORDS: Final = ("escrow", "clawback")
"""Accounts of shops that begin with what they are; all others of theirs begin with the shop."""
OWNERS: Final = (("gateway", _("gateway")), ("carrier", _("carrier")), ("bank", _("bank")), ("shop", _("shop")))


class OwnerFilter(ChoiceFilter):
    """Whose account: of the platform itself, or of somebody we name."""

    title, parameter_name = _("owner"), "owner"
    options = (("platform", _("platform")), *OWNERS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The platform's own have no owner."""
        if not self.value():
            return queryset
        return queryset.filter(owner_type="" if self.value() == "platform" else self.value())


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """The account list, an account's statement, and the trial balance."""

    keyset = ("code", "currency")
    list_display = ("code", "kind_chip", "owner", "currency", "opened", "balance_money")
    list_filter = (filters.choice(_("kind"), "kind", "kind", Account.Kind.choices), OwnerFilter)
    search_fields = ("code",)
    search_help_text = _("account code or owner id")
    empty_list = _("Accounts are opened by the first journal that needs them.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """With what is on each account now; PostgreSQL computes it for the rows of the page only."""
        rows: QuerySet[Account] = super().get_queryset(request)
        balance: Func = Func(
            F("pk"), function="ledger_balance_now", output_field=DecimalField(max_digits=30, decimal_places=0)
        )
        return rows.annotate(signed=balance)

    def found(self, term: str) -> QuerySet[Any]:
        """By code or owner."""
        named = Account.objects.filter(code=term) | Account.objects.filter(owner_id=term).exclude(owner_id="")
        return named.values("pk")

    @admin.display(description=_("kind"))
    def kind_chip(self, obj: Account) -> Cell:
        return chip(obj.get_kind_display(), Tone.CALM, KINDS[Account.Kind(obj.kind)])

    @admin.display(description=_("owner"))
    def owner(self, obj: Account) -> Cell:
        return _owner(obj)

    @admin.display(description=_("opened"))
    def opened(self, obj: Account) -> Cell:
        return when(obj.opened_at)

    @admin.display(description=_("balance"))
    def balance_money(self, obj: Account) -> Cell:
        signed: Decimal = obj.signed  # type: ignore[attr-defined]  # annotated
        return money(_normal(obj, int(signed)), dash_zero=True)

    def name_of(self, obj: Account) -> Cell:
        """Its code and currency."""
        return f"{obj.code} · {obj.currency}"

    def status_of(self, obj: Account) -> Cell:
        """Its kind."""
        return self.kind_chip(obj)

    def headline(self, request: HttpRequest, obj: Account) -> Sequence[Figure]:
        """The balance, and for a strict account what is reserved."""
        figures = [
            Figure(_("Balance now"), money(_normal(obj, statement.balance_now(obj))), KINDS[Account.Kind(obj.kind)])
        ]
        row = getattr(obj, "balance", None)
        if row is not None:
            held = Money(row.hold_debit + row.hold_credit, obj.currency)
            figures.append(Figure(_("Reserved"), money(held), _("held for payouts under way")))
        return figures

    def panels(self, request: HttpRequest, obj: Account) -> Sequence[Panel]:
        """The statement, and the account's facts."""
        mode = _("never below its limit") if obj.mode == Account.Mode.STRICT else _("insert-only")
        return (
            statement.panel(request, obj),
            Facts(
                _("Account"),
                (
                    (_("Owner"), _owner(obj)),
                    (_("Kind"), obj.get_kind_display()),
                    (_("Mode"), mode),
                    (_("Opened"), when(obj.opened_at)),
                    (_("Closed"), when(obj.closed_at)),
                ),
            ),
        )

    def get_urls(self) -> list[URLPattern]:
        """With the trial balance."""
        ours = [
            path("trial-balance/", self._wrapped(self.trial_balance_view), name="ledger_trial_balance"),
            path("trial-balance.<str:kind>", self._wrapped(self.trial_balance_file), name="ledger_trial_balance_file"),
        ]
        return [*ours, *super().get_urls()]

    def trial_balance_view(self, request: HttpRequest) -> HttpResponseBase:
        """Every account that is not zero, now or at the end of a business day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        as_of = _day(request.GET.get("as_of", ""))
        found = selectors.trial_balance(as_of)
        query = f"?as_of={as_of.isoformat()}" if as_of else ""
        files = [(k.upper(), reverse("admin:ledger_trial_balance_file", args=[k]) + query) for k in exports.KINDS]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Trial balance"),
            "is_fullwidth": "1",
            "as_of": as_of.isoformat() if as_of else "",
            "as_of_text": day(as_of) if as_of else _("now"),
            "is_balanced": found.is_balanced,
            "panels": _tables(found),
            "files": files if request.user.has_perm("payments.export_payment") else [],
        }
        return TemplateResponse(request, "admin/trial_balance.html", context)

    def trial_balance_file(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """The same as a file."""
        if not self.has_view_permission(request) or not request.user.has_perm("payments.export_payment"):
            raise PermissionDenied
        as_of = _day(request.GET.get("as_of", ""))
        rows = [
            (row.currency, row.code, str(Account.Kind(row.kind).label), row.debit.decimal, row.credit.decimal)
            for row in selectors.trial_balance(as_of).rows
        ]
        heads = (_("Currency"), _("Account"), _("Kind"), _("Debit"), _("Credit"))
        return exports.file_of(kind, f"trial-balance-{as_of.isoformat() if as_of else 'now'}", heads, rows)


def _tables(found: selectors.TrialBalance) -> list[Table]:
    """One table per currency, with its sums; the accounts of one kind that every shop has are one line."""
    known = {
        (code, currency): key
        for key, code, currency in Account.objects.exclude(owner_type="shop").values_list("pk", "code", "currency")
    }
    tables = []
    for currency, (debit, credit) in found.totals.items():
        ours = [row for row in found.rows if row.currency == currency]
        own = [row for row in ours if (row.code, currency) in known]
        rows: list[Sequence[Cell]] = [
            (
                to("ledger_account", known[row.code, currency], row.code),
                Account.Kind(row.kind).label,
                money(row.debit, dash_zero=True),
                money(row.credit, dash_zero=True),
            )
            for row in own
        ]
        rows += _shop_rows([row for row in ours if (row.code, currency) not in known], currency)
        heads = columns(_("Account"), _("Kind"), num(_("Debit")), num(_("Credit")))
        foot = (_("Total"), "", money(debit), money(credit))
        tables.append(Table(currency, heads, rows, "", foot=foot))
    return tables


def _shop_rows(rows: Sequence[selectors.TrialBalanceRow], currency: str) -> list[Sequence[Cell]]:
    """Shops' accounts by what they are: escrow:42 and escrow:43 are two of escrow, 42:available is one of available."""
    sums: dict[tuple[str, str], tuple[int, int, int]] = {}
    for row in rows:
        first, _colon, last = row.code.partition(":")
        word = first if first in SHOP_FIRST_WORDS else last
        count, debit, credit = sums.get((word, row.kind), (0, 0, 0))
        sums[word, row.kind] = (count + 1, debit + row.debit.minor, credit + row.credit.minor)
    return [
        (
            link(
                listing("ledger_account", owner="shop", kind=kind),
                _t("%(word)s · shops: %(n)s") % {"word": word, "n": number(count)},
            ),
            Account.Kind(kind).label,
            money(Money(debit, currency), dash_zero=True),
            money(Money(credit, currency), dash_zero=True),
        )
        for (word, kind), (count, debit, credit) in sorted(sums.items())
    ]


def _normal(account: Account, signed: int) -> Money:
    return Money(signed if account.is_debit_normal else -signed, account.currency)


def _owner(account: Account) -> Cell:
    if not account.owner_id:
        return chip(_("platform"))
    if account.owner_type == "shop":
        return links.to_object("shop", account.owner_id)
    return f"{account.owner_id}" or NOTHING


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None
