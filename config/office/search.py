"""The search box: any id or reference, whole, leads to its page. Exact look-ups only, each by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import Cell, page, short
from config.core.models import ApiKey, Approval, DeadLetter, OutboxEvent
from ledger.models import Account, JournalEntry
from payments.admin.payment_keys import keys_of
from payments.models import (
    Attempt,
    Capture,
    Dispute,
    EmailMessageLog,
    GatewayAccount,
    MoneyCase,
    Notification,
    Order,
    Payment,
    Refund,
    Shop,
    ShopOrder,
    WebhookDelivery,
    WebhookEndpoint,
)

MAX_LENGTH: Final = 200
MAX_FOUND: Final = 50

PREFIXES: Final[dict[str, type[Any]]] = {
    "pay": Payment, "att": Attempt, "cap": Capture, "re": Refund, "dp": Dispute, "case": MoneyCase, "ntf": Notification,
    "eml": EmailMessageLog, "ord": Order, "gwa": GatewayAccount, "dl": DeadLetter, "apr": Approval, "key": ApiKey,
    "whe": WebhookEndpoint, "whd": WebhookDelivery,
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
    yield from _elsewhere(term, may_see)
    if may_see(Payment):
        yield from (_hit(Payment, pk) for pk in keys_of(term))


def _elsewhere(term: str, may_see: Callable[[type[Any]], bool]) -> Iterator[Hit]:
    """What else has a number of its own, in one question of as many parts."""
    accounts = GatewayAccount.objects.values("pk")
    parts = [
        _keys(model, found)
        for model, found in (
            (Order, Order.objects.filter(order_id=term)),
            (Order, Order.objects.filter(pk__in=ShopOrder.objects.filter(shop_order_id=term).values("order_id"))),
            (Refund, Refund.objects.filter(gateway_reference=term)),
            (Dispute, Dispute.objects.filter(account__in=accounts, gateway_dispute_id=term)),
            (Shop, Shop.objects.filter(pk=term)),
            (JournalEntry, JournalEntry.objects.filter(reference=term)),
            (Account, Account.objects.filter(code=term)),
            (Capture, Capture.objects.filter(account__in=accounts, gateway_transaction_id=term, payment=None)),
        )
        if may_see(model)
    ]
    if not parts:
        return
    models = {model._meta.label: model for model in (Order, Refund, Dispute, Shop, JournalEntry, Account, Capture)}
    for label, key in parts[0].union(*parts[1:])[:MAX_FOUND]:
        yield _hit(models[label], key, term)


def _keys(model: type[Any], found: QuerySet[Any]) -> QuerySet[Any, tuple[str, str]]:
    """The kind and key of each row, as text, so that all kinds fit one list."""
    label = Value(model._meta.label, output_field=TextField())
    return found.order_by().values_list(label, Cast("pk", TextField()))


def _hit(model: type[Any], key: Any, name: str = "") -> Hit:
    meta = model._meta
    return Hit(meta.verbose_name, page(f"{meta.app_label}_{meta.model_name}", key), name or short(str(key)))
