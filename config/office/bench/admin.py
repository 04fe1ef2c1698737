"""The case `admin`: what a page of the back office costs when there are very many rows."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.core.admin.keyset import AFTER
from config.core.models import User
from config.office.bench import ground
from config.office.bench.result import Check, Figure, Result, percentile
from config.office.bench.run import Run, settle
from payments.models import Order, Payment

ROWS: Final = 1_000_000
SPAN_SECONDS: Final = 400 * 86_400.0
FAST_MS: Final = 50.0
SLOW_MS: Final = 200.0
PAGES_PER_ROUND: Final = 6
WORD: Final = "ad000001"


@dataclass(frozen=True, slots=True)
class PageTimes:
    """One kind of page: how long it took each time, and how many queries it made."""

    name: str
    milliseconds: list[float]
    queries: int


def measure(run: Run) -> Result:
    """First pages, filters, searches and pages in the depth of every list."""
    rows = run.size.rows or ROWS
    result = Result(case="admin", about=f"pages of the back office with {rows:,} payments")
    run.on_step(f"loading {rows:,} payments", 0, 1)
    _load(rows)
    settle()
    client = _signed_in()
    pages, refused = [], []
    wanted = list(_addresses(rows))
    for number, (name, url) in enumerate(wanted):
        run.on_step(name, number, len(wanted))
        statuses, page = _visit(client, name, url, times=max(run.size.rounds * PAGES_PER_ROUND, 2))
        pages.append(page)
        refused += [name for status in statuses if status != HTTPStatus.OK]
    result.figures = [_figure(page) for page in pages]
    result.checks = [
        Check(f"every page answered 200{': ' + ', '.join(sorted(set(refused))) if refused else ''}", not refused),
        Check(f"{rows} payments in the table", Payment.objects.count() == rows),
    ]
    return result


def _load(rows: int) -> None:
    ground.orders(word=WORD, count=rows, span_seconds=SPAN_SECONDS)
    method = ground.method()
    ground.run("payments.sql", word=WORD, method=method.pk, account=method.account_id)
    ground.run("history.sql", word=WORD, account=method.account_id)
    ground.tidy()


def _signed_in() -> Client:
    user = User.objects.create_superuser("bench@localhost.example", None)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    return client


def _addresses(rows: int) -> Iterator[tuple[str, str]]:
    """The first page of every list that is registered; more of those that have all the rows."""
    for model in sorted(admin.site._registry, key=lambda one: one._meta.label_lower):
        meta = model._meta
        yield f"{meta.label_lower}: first page", reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    payments = reverse("admin:payments_payment_changelist")
    one = Payment.objects.select_related("order").get(order__order_id=f"{WORD}-{rows // 2 + 1}")
    deep = Payment.objects.order_by("created_at", "id")[rows // 100 :].first() or one
    yield "payments: in the depth", f"{payments}?{AFTER}={_cursor(deep)}"
    yield "payments: status succeeded", f"{payments}?status=succeeded"
    yield "payments: status failed", f"{payments}?status=failed"
    yield "payments: by gateway", f"{payments}?gateway=momo"
    yield "payments: one day", f"{payments}?day_from={deep.created_at:%Y-%m-%d}&day_to={deep.created_at:%Y-%m-%d}"
    yield "payments: amount between", f"{payments}?amount_from=500000&amount_to=501000"
    yield "payments: amount that nobody paid", f"{payments}?amount_from=7&amount_to=8"
    yield "payments: refunded", f"{payments}?note=refunded"
    yield "payments: paid late", f"{payments}?note=late"
    yield "payments: search by order", f"{payments}?q={one.order.order_id}"
    yield "payments: search by id", f"{payments}?q={one.id}"
    yield "payments: search for nothing", f"{payments}?q=no-such-thing"
    yield "one payment", reverse("admin:payments_payment_change", args=[one.id])
    order: Order = one.order
    yield "one order", reverse("admin:payments_order_change", args=[order.pk])
    yield "first page of the office", reverse("admin:index")


def _cursor(payment: Payment) -> str:
    key = json.dumps([payment.created_at.isoformat(), payment.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _visit(client: Client, name: str, url: str, *, times: int) -> tuple[list[int], PageTimes]:
    with CaptureQueriesContext(connection) as queries:
        statuses: list[int] = [client.get(url).status_code]  # the first one warms up
    count = len(queries)  # now: the next request empties the log
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        answer: Any = client.get(url)
        taken.append(1000 * (time.perf_counter() - began))
        statuses.append(answer.status_code)
    return statuses, PageTimes(name, taken, count)


def _figure(page: PageTimes) -> Figure:
    return Figure(
        name=f"{page.name} ({page.queries} queries), p95",
        median=percentile(page.milliseconds, 0.95),
        low=min(page.milliseconds),
        high=max(page.milliseconds),
        unit="ms",
        floor=SLOW_MS,
        goal=FAST_MS,
        smaller_is_better=True,
    )
