"""The search box: any id or reference, whole, leads to its page. Exact look-ups only, each by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import Cell, page, short
from config.core.models import ApiKey, Approval, DeadLetter, OutboxEvent
from ledger.models import Account, JournalEntry
from payments.admin.payments import keys_of
from payments.models import (
    Attempt,
    Capture,
    EmailMessageLog,
    GatewayAccount,
    MoneyCase,
    Notification,
    Order,
    Payment,
    Refund,
    Shop,
    ShopOrder,
)

MAX_LENGTH: Final = 200
MAX_FOUND: Final = 50

PREFIXES: Final[dict[str, type[Any]]] = {
    "pay": Payment, "att": Attempt, "cap": Capture, "re": Refund, "case": MoneyCase, "ntf": Notification,
    "eml": EmailMessageLog, "ord": Order, "gwa": GatewayAccount, "dl": DeadLetter, "apr": Approval, "key": ApiKey,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that a term names."""

    kind: Any
    url: str
    name: Cell


def find_view(request: HttpRequest) -> HttpResponseBase:
    """One hit: its page at once. Several or none: a short list."""
    term = request.GET.get("q", "").strip()
    hits = find(term, request.user)
    if len(hits) == 1:
        return HttpResponseRedirect(hits[0].url)
    context = {**admin.site.each_context(request), "title": _("Find"), "find_query": term, "hits": hits}
    return TemplateResponse(request, "admin/find.html", context)


def find(term: str, user: Any) -> list[Hit]:
    """What a term names, as far as this person may see it."""
    if not term or len(term) > MAX_LENGTH or "\x00" in term:
        return []
    seen: dict[str, Hit] = {}
    for hit in _hits(term, lambda model: bool(user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"))):
        seen.setdefault(hit.url, hit)
        if len(seen) >= MAX_FOUND:
            break
    return list(seen.values())


def _hits(term: str, may_see: Callable[[type[Any]], bool]) -> Iterator[Hit]:
    named = PREFIXES.get(term.partition("_")[0])
    if named is not None and may_see(named) and named._default_manager.filter(pk=term).exists():
        yield _hit(named, term)
        return
    if term.startswith("evt_") and may_see(OutboxEvent):
        yield from (
            _hit(OutboxEvent, pk) for pk in OutboxEvent.objects.filter(event_id=term).values_list("pk", flat=True)
        )
        return
    if may_see(Order):
        orders = set(Order.objects.filter(order_id=term).values_list("pk", flat=True))
        orders |= set(ShopOrder.objects.filter(shop_order_id=term).values_list("order_id", flat=True))
        yield from (_hit(Order, pk, term) for pk in orders)
    if may_see(Payment):
        yield from (_hit(Payment, pk) for pk in keys_of(term))
    for model, field in ((Refund, "gateway_reference"), (Shop, "pk"), (JournalEntry, "reference"), (Account, "code")):
        if may_see(model):
            rows = model._default_manager.filter(**{field: term}).values_list("pk", flat=True)[:MAX_FOUND]
            yield from (_hit(model, pk, term) for pk in rows)
    if may_see(Capture):
        accounts = list(GatewayAccount.objects.values_list("pk", flat=True))
        found = Capture.objects.filter(account__in=accounts, gateway_transaction_id=term, payment=None)
        yield from (_hit(Capture, pk, term) for pk in found.values_list("pk", flat=True))


def _hit(model: type[Any], key: Any, name: str = "") -> Hit:
    meta = model._meta
    return Hit(meta.verbose_name, page(f"{meta.app_label}_{meta.model_name}", key), name or short(str(key)))
