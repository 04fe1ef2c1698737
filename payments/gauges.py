"""What a scrape asks of payments: what waits, for how long, and money whose owner is not known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min
from django.utils import timezone

from config.core.breaker import State
from config.core.metrics import Gauge
from ledger import chart, selectors
from payments.models import Attempt, Dispute, GatewayAccount, MoneyCase, Notification, Payment, Refund, WebhookDelivery
from payments.services import breakers, dispute_schedule, routes
from payments.states import OPEN_DISPUTES, PAYABLE, AttemptStatus, NotificationStatus, PaymentStatus, RefundStatus

CURRENCY = "VND"
CIRCUIT = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


def read() -> Iterator[Gauge]:
    """Every query on a partial or leading index, so that a scrape costs the same at any size."""
    now = timezone.now()
    waiting = Payment.objects.filter(status__in=(*PAYABLE, PaymentStatus.AUTHORIZED))
    for status, count in waiting.order_by().values_list("status").annotate(Count("pk")):
        yield Gauge("reckoner_payments_in_status", count, (status,))
    unknown = Attempt.objects.filter(status=AttemptStatus.UNKNOWN, next_query_at__isnull=False)
    for gateway, since in unknown.order_by().values_list("account__gateway").annotate(Min("created_at")):
        yield Gauge("reckoner_payment_oldest_unknown_age_seconds", (now - since).total_seconds(), (gateway,))
    queued = Attempt.objects.filter(next_send_at__isnull=False).order_by().values_list("account__gateway")
    for gateway, count, since in queued.annotate(Count("pk"), Min("created_at")):
        yield Gauge("reckoner_payments_queued", count, (gateway,))
        yield Gauge("reckoner_payment_oldest_queued_age_seconds", (now - since).total_seconds(), (gateway,))
    for kind, count in MoneyCase.objects.unresolved().order_by().values_list("kind").annotate(Count("pk")):
        yield Gauge("reckoner_payment_anomalies_open", count, (kind,))
    yield from _breakers()
    waiting_status = [NotificationStatus.RECEIVED, NotificationStatus.VERIFIED, NotificationStatus.RETRYING]
    backlog = Notification.objects.filter(status__in=waiting_status)
    facts = backlog.aggregate(count=Count("pk"), oldest=Min("received_at"))
    yield Gauge("reckoner_ipn_backlog", facts["count"])
    age = (now - facts["oldest"]).total_seconds() if facts["oldest"] else 0.0
    yield Gauge("reckoner_ipn_oldest_unprocessed_age_seconds", age)
    sending = Refund.objects.filter(
        status__in=[RefundStatus.SUBMITTED, RefundStatus.PENDING, RefundStatus.UNKNOWN, RefundStatus.NEEDS_OPERATOR]
    )
    oldest = sending.aggregate(oldest=Min("created_at"))["oldest"]
    yield Gauge("reckoner_refund_oldest_pending_age_seconds", (now - oldest).total_seconds() if oldest else 0.0)
    yield from _disputes(now)
    told = WebhookDelivery.objects.filter(status__in=[WebhookDelivery.Status.QUEUED, WebhookDelivery.Status.FAILED])
    waits = told.aggregate(oldest=Min("created_at"))["oldest"]
    yield Gauge("reckoner_webhook_oldest_pending_age_seconds", (now - waits).total_seconds() if waits else 0.0)
    since = now - timedelta(hours=24)
    customers = Payment.objects.filter(created_at__gte=since).aggregate(count=Count("customer", distinct=True))["count"]
    yield Gauge("active_users", customers)
    suspense = selectors.balance(chart.suspense_over(), CURRENCY).minor
    yield Gauge("reckoner_ledger_suspense_minor_units", suspense, (CURRENCY,))


def _disputes(now: datetime) -> Iterator[Gauge]:
    """How many are open, and how many wait for us with less than two days left (or none)."""
    counts = dict(Dispute.objects.open().order_by().values_list("status").annotate(Count("pk")))
    for status in OPEN_DISPUTES:
        yield Gauge("reckoner_disputes_open", counts.get(status, 0), (status,))
    yield Gauge("reckoner_disputes_due_48h", Dispute.objects.unanswered(due_before=now + dispute_schedule.NEAR).count())


def _breakers() -> Iterator[Gauge]:
    """How gateways do, and each one's breaker, by our name and by those of the reference systems (ACCEPTANCE E35, K24)."""
    accounts = dict(GatewayAccount.objects.values_list("code", "gateway"))
    gateways = set(accounts.values())
    ended: dict[str, list[int]] = {gateway: [0, 0] for gateway in gateways}
    for code, (count, paid) in routes.success(at=timezone.now()).items():
        ended[accounts[code]][0] += count
        ended[accounts[code]][1] += paid
    for gateway, (count, paid) in ended.items():
        if count:
            yield Gauge("reckoner_gateway_success_ratio", paid / count, (gateway,))
    for gateway, found in breakers.look(gateways).items():
        now = found.effective
        yield Gauge("reckoner_gateway_circuit_state", CIRCUIT[now], (gateway,))
        for state in State:
            yield Gauge("gateway_circuit_breaker_state", int(state is now), (gateway, state.value))
        if gateway == "fiuu":
            yield Gauge("fiuu_circuit_breaker_state", int(now is not State.CLOSED))
        if found.success is not None:
            yield Gauge("reckoner_gateway_answered_ratio", found.success, (gateway,))
