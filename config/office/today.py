"""The Today page: what finance looks at each morning (BACK_OFFICE 5.1). Every number links to the list it counts.

All of it is read at once, from indexes, and kept for half a minute; the sums of past days do not change and are kept
longer. A person sees the tiles of what they may see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

import structlog
from django.core.cache import cache
from django.db.models import Count, F, Min, Q, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from config.core import clock
from config.core.admin.cells import Cell, Text, Tone, listing, meter, money, money_text, number, page, span
from config.core.admin.filters import start_of
from config.core.admin.panels import Column, Table, columns, num
from config.core.models import Approval, DeadLetter, OutboxEvent
from config.core.money import Money
from config.office import chart
from ledger import chart as accounts
from ledger import selectors
from ledger.models import Account
from payments.models import Attempt, Capture, Dispute, GatewayAccount, MoneyCase, Refund
from payments.services.dispute_schedule import NEAR
from payments.states import AttemptStatus, RefundStatus

log = structlog.get_logger(__name__)

KEPT_SECONDS: Final = 30
PAST_KEPT_SECONDS: Final = 900
DAYS: Final = 30
CURRENCY: Final = "VND"
"""The currency of tiles and chart; the lists show all."""
MAX_COUNTED: Final = 10_000
OLD: Final = timedelta(days=3)
LAG: Final = timedelta(minutes=1)

_ENDED_UNPAID: Final = (AttemptStatus.FAILED, AttemptStatus.EXPIRED, AttemptStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class DaySum:
    """What came on one business day."""

    day: date
    count: int
    minor: int


@dataclass(frozen=True, slots=True)
class GatewayRate:
    """How the attempts at one account went in the last 24 hours."""

    code: str
    total: int
    paid: int
    unpaid: int
    unknown: int

    @property
    def percent(self) -> int | None:
        """Paid of those that have ended."""
        ended = self.paid + self.unpaid
        return round(100 * self.paid / ended) if ended else None


@dataclass(frozen=True, slots=True)
class CaseAge:
    """Open cases of one kind."""

    kind: str
    count: int
    minor: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the page shows, without words or links."""

    days: tuple[DaySum, ...]
    rates: tuple[GatewayRate, ...]
    cases: tuple[CaseAge, ...]
    suspense_over: Money
    suspense_short: Money
    refund_payable: Money
    refunds: dict[str, tuple[int, int]]
    disputes: tuple[int, int]
    disputes_due: int
    approvals: int
    unknown: int
    dead: int
    waiting: int
    oldest_waiting: datetime | None
    is_balanced: bool


@dataclass(frozen=True, slots=True)
class Tile:
    """One number with what it means."""

    label: Text
    value: Cell
    url: str
    tone: Tone
    permission: str
    note: Text = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What the template draws."""

    tiles: list[Tile] = field(default_factory=list)
    bars: chart.Bars | None = None
    panels: list[Table] = field(default_factory=list)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What unfold calls for the index."""
    at = clock.now()
    numbers: Numbers = _kept("office:today", KEPT_SECONDS, lambda: read(at=at))
    return {**context, "today": view(numbers, request.user, at=at), "is_fullwidth": "1"}


def read(*, at: datetime) -> Numbers:
    """All numbers, in a fixed number of bounded queries."""
    refunds = Refund.objects.filter(
        status__in=[RefundStatus.PENDING_APPROVAL, RefundStatus.NEEDS_OPERATOR, RefundStatus.APPROVED]
    )
    found = refunds.order_by().values("status", "route").annotate(n=Count("pk"), total=Sum("amount_minor"))
    waiting = OutboxEvent.objects.filter(published_at=None, parked_at=None)
    held = selectors.balances(
        [accounts.suspense_over(), accounts.suspense_short(), accounts.refund_payable()], CURRENCY
    )
    return Numbers(
        days=_days(at),
        rates=_rates(at),
        cases=_cases(),
        suspense_over=held[accounts.suspense_over().code],
        suspense_short=held[accounts.suspense_short().code],
        refund_payable=held[accounts.refund_payable().code],
        refunds={f"{row['status']}:{row['route']}": (row["n"], int(row["total"])) for row in found},
        disputes=_open_disputes(),
        disputes_due=Dispute.objects.unanswered(due_before=at + NEAR).count(),
        approvals=Approval.objects.filter(status=Approval.Status.PENDING).count(),
        unknown=Attempt.objects.filter(status=AttemptStatus.UNKNOWN).count(),
        dead=DeadLetter.objects.filter(status=DeadLetter.Status.OPEN).count(),
        waiting=waiting.order_by("position")[:MAX_COUNTED].count(),
        oldest_waiting=waiting.order_by("position").values_list("created_at", flat=True).first(),
        is_balanced=selectors.trial_balance().is_balanced,
    )


def view(numbers: Numbers, user: Any, *, at: datetime) -> Page:
    """The numbers in words, as far as this person may see them."""
    tiles = [tile for tile in _tiles(numbers, at) if user.has_perm(tile.permission)]
    panels = []
    if user.has_perm("payments.view_attempt"):
        panels.append(_rate_table(numbers.rates))
    if user.has_perm("payments.view_moneycase"):
        panels.append(_case_table(numbers.cases, at))
    bars = chart.bars(numbers.days, CURRENCY) if user.has_perm("payments.view_capture") else None
    return Page(tiles, bars, panels)


def _tiles(n: Numbers, at: datetime) -> list[Tile]:
    days = {day.day: day for day in n.days}
    today = timezone.localdate(at)
    cases = sum(case.count for case in n.cases)
    is_old = any(at - case.oldest > OLD for case in n.cases)
    to_approve = [v for k, v in n.refunds.items() if k.startswith(RefundStatus.PENDING_APPROVAL)]
    by_hand = [v for k, v in n.refunds.items() if k.startswith(RefundStatus.NEEDS_OPERATOR)]
    by_bank = n.refunds.get(f"{RefundStatus.APPROVED}:{Refund.Route.BANK}", (0, 0))
    lag = at - n.oldest_waiting if n.oldest_waiting else timedelta()
    return [
        _volume(_("Paid today"), days[today]),
        _volume(_("Paid yesterday"), days[today - timedelta(days=1)]),
        Tile(_("Open money cases"), number(cases), listing("payments_moneycase", status="unresolved"), Tone.BAD if is_old else _tone(cases), "payments.view_moneycase", _("older than 3 days") if is_old else ""),
        Tile(_("In suspense"), money(n.suspense_over), _account(accounts.suspense_over().code), _tone(n.suspense_over.minor), "ledger.view_account", _("%(amount)s short") % {"amount": money_text(n.suspense_short)} if n.suspense_short else ""),
        Tile(_("Refunds to approve"), number(sum(c for c, _m in to_approve)), listing("payments_refund", status=RefundStatus.PENDING_APPROVAL), _tone(len(to_approve)), "payments.view_refund", _sum(to_approve)),
        Tile(_("Refunds to send by bank"), number(by_bank[0]), listing("payments_refund", status=RefundStatus.APPROVED, route=Refund.Route.BANK), _tone(by_bank[0]), "payments.view_refund", _sum([by_bank] if by_bank[0] else [])),
        Tile(_("Refunds that need a hand"), number(sum(c for c, _m in by_hand)), listing("payments_refund", status=RefundStatus.NEEDS_OPERATOR), _tone(len(by_hand), Tone.BAD), "payments.view_refund", _sum(by_hand)),
        Tile(_("Disputes due in 48 hours"), number(n.disputes_due), listing("payments_dispute", due="soon"), _tone(n.disputes_due, Tone.BAD), "payments.view_dispute", _("%(n)s open, %(amount)s") % {"n": number(n.disputes[0]), "amount": money_text(Money(n.disputes[1], CURRENCY))} if n.disputes[0] else ""),
        Tile(_("Approvals waiting"), number(n.approvals), listing("core_approval", status="pending"), _tone(n.approvals), "core.view_approval"),
        Tile(_("Attempts of unknown outcome"), number(n.unknown), listing("payments_attempt", status="unknown"), _tone(n.unknown), "payments.view_attempt"),
        Tile(_("Dead letters"), number(n.dead), listing("core_deadletter", status="open"), _tone(n.dead, Tone.BAD), "core.view_deadletter"),
        Tile(_("Events not told yet"), _capped(n.waiting), listing("core_outboxevent", state="waiting"), Tone.BAD if lag > LAG else Tone.GOOD, "core.view_outboxevent", _("oldest %(age)s") % {"age": span(lag)} if n.waiting else ""),
        Tile(_("Trial balance"), _("in balance") if n.is_balanced else _("NOT in balance"), _trial_balance(), Tone.GOOD if n.is_balanced else Tone.BAD, "ledger.view_account"),
    ]  # fmt: skip


def _volume(label: str, day: DaySum) -> Tile:
    url = listing("payments_capture", state=Capture.Disposition.APPLIED, day_from=day.day, day_to=day.day)
    note = _("%(n)s payments") % {"n": number(day.count)}
    return Tile(label, money(Money(day.minor, CURRENCY)), url, Tone.CALM, "payments.view_capture", note)


def _rate_table(rates: Iterable[GatewayRate]) -> Table:
    rows: list[list[Cell]] = [
        [
            rate.code,
            meter(rate.percent),
            _linked(rate.total, rate.code),
            _linked(rate.paid, rate.code, AttemptStatus.SUCCEEDED),
            number(rate.unpaid),
            _linked(rate.unknown, rate.code, AttemptStatus.UNKNOWN),
        ]
        for rate in rates
    ]
    heads = columns(
        _("Account"),
        _("Paid of those that ended"),
        num(_("Attempts")),
        num(_("Paid")),
        num(_("Unpaid")),
        num(_("Unknown")),
    )
    return Table(
        _("Success by gateway, last 24 hours"), heads, rows, _("Nobody has tried to pay in the last 24 hours.")
    )


def _linked(count: int, code: str, status: str = "") -> Cell:
    query = {"account": code, "hours": 24, **({"status": status} if status else {})}
    return chart.counted(count, listing("payments_attempt", **query))


def _case_table(cases: Iterable[CaseAge], at: datetime) -> Table:
    rows: list[list[Cell]] = [
        [
            MoneyCase.Kind(case.kind).label,
            chart.counted(case.count, listing("payments_moneycase", status="unresolved", kind=case.kind)),
            money(Money(case.minor, CURRENCY)),
            span(at - case.oldest),
        ]
        for case in cases
    ]
    heads: list[Column] = columns(_("Kind"), num(_("Cases")), num(_("Amount")), num(_("Oldest")))
    return Table(_("Open money cases"), heads, rows, _("No money is unexplained and no question is open."))


def _days(at: datetime) -> tuple[DaySum, ...]:
    """The last 30 business days. Past ones are over: their sums are kept a day."""
    today = timezone.localdate(at)
    wanted = [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    past: dict[date, DaySum] = _kept(f"office:days:{today}", PAST_KEPT_SECONDS, lambda: _sums(wanted[:-1]))
    return (*(past[day] for day in wanted[:-1]), _sums([today])[today])


def _sums(days: list[date]) -> dict[date, DaySum]:
    found = {}
    for day in days:  # one index range a day
        rows = Capture.objects.filter(
            created_at__gte=start_of(day),
            created_at__lt=start_of(day + timedelta(days=1)),
            disposition=Capture.Disposition.APPLIED,
            currency=CURRENCY,
        )
        row = rows.aggregate(n=Count("pk"), total=Sum("amount_minor"))
        found[day] = DaySum(day, row["n"], int(row["total"] or 0))
    return found


def _rates(at: datetime) -> tuple[GatewayRate, ...]:
    codes = dict(GatewayAccount.objects.values_list("pk", "code"))
    rows = (
        Attempt.objects.filter(created_at__gte=at - timedelta(hours=24))
        .order_by()
        .values("account_id")
        .annotate(
            total=Count("pk"),
            paid=Count("pk", filter=Q(status=AttemptStatus.SUCCEEDED)),
            unpaid=Count("pk", filter=Q(status__in=_ENDED_UNPAID)),
            unknown=Count("pk", filter=Q(status=AttemptStatus.UNKNOWN)),
        )
    )
    rates = [
        GatewayRate(codes[row["account_id"]], row["total"], row["paid"], row["unpaid"], row["unknown"]) for row in rows
    ]
    return tuple(sorted(rates, key=lambda rate: -rate.total))


def _open_disputes() -> tuple[int, int]:
    """How many have no outcome, and their sum in the currency of the tiles."""
    row = Dispute.objects.open().aggregate(n=Count("pk"), total=Sum("amount_minor", filter=Q(currency=CURRENCY)))
    return row["n"], int(row["total"] or 0)


def _cases() -> tuple[CaseAge, ...]:
    rows = (
        MoneyCase.objects.unresolved()
        .order_by()
        .values("kind")
        .annotate(
            n=Count("pk"), total=Sum(F("amount_minor"), filter=Q(currency=CURRENCY), default=0), oldest=Min("opened_at")
        )
    )
    found = [CaseAge(row["kind"], row["n"], int(row["total"]), row["oldest"]) for row in rows]
    return tuple(sorted(found, key=lambda case: case.oldest))


def _kept(key: str, seconds: int, make: Callable[[], Any]) -> Any:
    """From the cache, else made and kept; without Redis the page is slower, not away."""
    try:
        found = cache.get(key)
    except RedisError:
        log.warning("cache_unavailable", key=key)
        return make()
    if found is None:
        found = make()
        try:
            cache.set(key, found, seconds)
        except RedisError:
            log.warning("cache_unavailable", key=key)
    return found


def _account(code: str) -> str:
    key = Account.objects.filter(code=code, currency=CURRENCY).values_list("pk", flat=True).first()
    return page("ledger_account", key) if key else listing("ledger_account", q=code)


def _trial_balance() -> str:
    return f"{listing('ledger_account')}trial-balance/"


def _tone(count: int, tone: Tone = Tone.WARN) -> Tone:
    return tone if count else Tone.GOOD


def _sum(found: Iterable[tuple[int, int]]) -> str:
    total = sum(minor for _count, minor in found)
    return money_text(Money(total, CURRENCY)) if total else ""


def _capped(count: int) -> str:
    return _("more than %(count)s") % {"count": number(MAX_COUNTED)} if count >= MAX_COUNTED else number(count)
