"""Filters of our lists: a choice, a span of days, a span of amounts. Each names the column of an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib.admin import ListFilter, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin.cells import read_money
from config.core.money import MoneyError


class ChoiceFilter(SimpleListFilter):
    """One of a few words, drawn as a select. Subclasses say `title`, `parameter_name`, `column` and `options`."""

    template = "admin/filters/choice.html"
    column: ClassVar[str] = ""
    options: ClassVar[Sequence[tuple[str, str | Promise]]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The choices."""
        return list(self.options)

    def has_output(self) -> bool:
        """Drawn even when there is nothing to choose yet."""
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that have the chosen word."""
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        """For the template."""
        yield {"value": "", "label": "", "selected": not self.value()}
        for value, label in self.lookup_choices:
            yield {"value": value, "label": label, "selected": str(self.value() or "") == str(value)}


def choice(title: str | Promise, parameter: str, column: str, options: Sequence[tuple[str, Any]]) -> type[ChoiceFilter]:
    """A choice filter of a model field with choices."""
    return type(
        f"{parameter.title()}Filter",
        (ChoiceFilter,),
        {"title": title, "parameter_name": parameter, "column": column, "options": tuple(options)},
    )


class RecentFilter(ChoiceFilter):
    """How far back, counted from now. Subclasses say `column`."""

    parameter_name = "hours"
    options = (("1", _("1 hour")), ("24", _("24 hours")), ("168", _("7 days")))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows since then; what is none of the choices is ignored."""
        hours = self.value()
        if hours not in {value for value, _label in self.options}:
            return queryset
        return queryset.filter(**{f"{self.column}__gte": clock.now() - timedelta(hours=int(str(hours)))})


def recent(title: str | Promise, column: str) -> type[RecentFilter]:
    """A filter by age."""
    return type("Recent", (RecentFilter,), {"title": title, "column": column})


class SpanFilter(ListFilter):
    """From and to, both included and both optional. Subclasses read one end and make the conditions."""

    parameter_name: ClassVar[str]
    column: ClassVar[str]

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                value = params.pop(name)
                self.used_parameters[name] = (value[-1] if isinstance(value, list) else value).strip()

    def expected_parameters(self) -> list[str | None]:
        """Both ends."""
        return [f"{self.parameter_name}_from", f"{self.parameter_name}_to"]

    def has_output(self) -> bool:
        """Always drawn."""
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:
        """For the template."""
        first, last = self.expected_parameters()
        for name in (first, last):
            yield {"name": name, "value": self.used_parameters.get(str(name), "")}

    def end(self, which: str) -> str:
        """What was typed."""
        return str(self.used_parameters.get(f"{self.parameter_name}_{which}", ""))


class DaysFilter(SpanFilter):
    """Business days, read as whole days in the business's time zone."""

    template = "admin/filters/days.html"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows of these days; what is no day is ignored."""
        first, last = _day(self.end("from")), _day(self.end("to"))
        if first:
            queryset = queryset.filter(**{f"{self.column}__gte": self.bound(first)})
        if last:
            queryset = queryset.filter(**{f"{self.column}__lt": self.bound(last + timedelta(days=1))})
        return queryset

    def bound(self, day: date) -> Any:
        """The start of a day as the column has it."""
        return start_of(day)


class DatesFilter(DaysFilter):
    """Days of a date column."""

    def bound(self, day: date) -> Any:
        """The day itself."""
        return day


def days(title: str | Promise, column: str, *, is_date: bool = False) -> type[DaysFilter]:
    """A filter by day; its parameters are day_from and day_to."""
    base = DatesFilter if is_date else DaysFilter
    return type("DayFilter", (base,), {"title": title, "parameter_name": "day", "column": column})


class AmountFilter(SpanFilter):
    """Amounts in major units of the currency of the house; another currency's rows are compared by their digits."""

    template = "admin/filters/amounts.html"
    currency: ClassVar[str] = "VND"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows within; what is no amount is ignored."""
        for which, lookup in (("from", "gte"), ("to", "lte")):
            bound = _minor(self.end(which), self.currency)
            if bound is not None:
                queryset = queryset.filter(**{f"{self.column}__{lookup}": bound})
        return queryset


def amounts(title: str | Promise, column: str) -> type[AmountFilter]:
    """A filter by amount; its parameters are amount_from and amount_to."""
    return type("AmountFilter", (AmountFilter,), {"title": title, "parameter_name": "amount", "column": column})


def start_of(day: date) -> datetime:
    """Midnight at the start of a business day."""
    return datetime.combine(day, time.min, tzinfo=timezone.get_default_timezone())


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def _minor(text: str, currency: str) -> int | None:
    try:
        return read_money(text, currency).minor if text else None
    except MoneyError:
        return None
