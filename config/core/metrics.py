"""What we count, and the only functions that count it.

Labels come from closed sets (gateway, method, outcome ...), never ids, so that the number of series stays bounded.
Counters and histograms are added up over all processes through PROMETHEUS_MULTIPROC_DIR (the process doors set and
empty it). Gauges are asked for when somebody scrapes (`config.core.scrape`): apps register a source of theirs. Imports
no Django, so that gateways may count too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter, Histogram

FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)
WIDE: Final = FAST + SLOW[2:]


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"reckoner_{name}", text, labels)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = FAST) -> Histogram:
    return Histogram(f"reckoner_{name}_seconds", text, labels, buckets=buckets)


@dataclass(frozen=True, slots=True)
class Gauge:
    """One value of now. `name` and the number of labels are in the table of config.core.scrape."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


GaugeSource = Callable[[], Iterable[Gauge]]
gauge_sources: Final[list[GaugeSource]] = []


def register_gauges(source: GaugeSource) -> None:
    """Ask this function at each scrape, at most once in ten seconds: cheap, indexed queries only.

    Called from AppConfig.ready. A source that fails loses its own gauges and nobody else's.
    """
    if source not in gauge_sources:
        gauge_sources.append(source)


# --- The API ---------------------------------------------------------------------------------------------------------
_requests = _counter("http_requests", "HTTP requests answered, by route.", "surface", "route", "method", "status_class")
_request_seconds = _histogram("http_request_duration", "Time to answer an HTTP request.", "surface", "route")
_rate_limited = _counter("rate_limited", "Requests refused because the client came too often.", "client_class")
_auth_failures = _counter("auth_failures", "Refused credentials, by reason.", "surface", "reason")
_denied = _counter("authz_denied", "Known callers without the right to do it.", "route")
_replays = _counter("idempotency_replays", "Repeated requests answered with the first one's object.")
_key_conflicts = _counter("idempotency_conflicts", "Idempotency keys refused.", "reason")
_errors = Counter("error", "Requests that ended in an unexpected error.", ["surface"])


def request_answered(*, surface: str, route: str, method: str, status: int, seconds: float) -> None:
    """One HTTP answer. `surface` is api, compat, admin, webhook, health or page; `route` a URL pattern."""
    _requests.labels(surface, route, method, f"{status // 100}xx").inc()
    _request_seconds.labels(surface, route).observe(seconds)
    if status == 403:
        _denied.labels(route).inc()
    elif status >= 500 and status != 503:
        _errors.labels(surface).inc()


def rate_limited(*, client_class: str) -> None:
    """A 429 to a customer, system, key, staff or anonymous client."""
    _rate_limited.labels(client_class).inc()


def auth_failed(*, surface: str, reason: str) -> None:
    """Refused credentials: api with the reasons of config.core.auth, admin with password, otp or locked."""
    _auth_failures.labels(surface, reason).inc()


def idempotent_replay() -> None:
    """A repeated request got the object of the first."""
    _replays.inc()


def idempotency_conflict(*, reason: str) -> None:
    """A key was refused: mismatch, in_flight, missing or malformed."""
    _key_conflicts.labels(reason).inc()


# --- Payments --------------------------------------------------------------------------------------------------------
_created = _counter("payments_created", "Payments begun.", "gateway", "method")
_by_status = Counter("payments", "Payments by method and the status they reached.", ["method", "status"])
_transitions = _counter("payments_transitions", "Changes of payment status.", "gateway", "from_status", "to_status")
_amount = _counter("payments_amount_minor_units", "Money captured, in minor units.", "gateway", "currency")
_to_success = _histogram("payment_time_to_success", "From the order to its money.", "gateway", buckets=SLOW)
_expired = _counter("payments_expired", "Payments that ran out of time.")
_late = _counter("payments_late_success", "Money that came after the end of its payment.", "gateway")
_closes = _counter(
    "gateway_closes", "Payments to be closed at their gateway, by what came of it.", "gateway", "outcome"
)
_otp = _counter("otp", "One-time codes by what became of them.", "channel", "outcome")
_anomalies = _counter("payment_anomalies", "Money cases opened.", "gateway", "kind")
_resolved = _counter("unknown_resolved", "Unknown outcomes that became known.", "gateway", "result")
_resolution = _histogram("unknown_resolution", "How long an outcome stayed unknown.", buckets=SLOW)


def payment_created(gateway: str, method: str) -> None:
    """A payment was begun."""
    _created.labels(gateway, method).inc()
    _by_status.labels(method, "created").inc()


def payment_moved(*, gateway: str, method: str, from_status: str, to_status: str) -> None:
    """A payment changed its status."""
    _transitions.labels(gateway, from_status, to_status).inc()
    _by_status.labels(method, to_status).inc()
    if to_status == "expired":
        _expired.inc()


def payment_captured(*, gateway: str, currency: str, amount_minor: int, seconds: float) -> None:
    """Money was taken, so many seconds after the payment was begun."""
    _amount.labels(gateway, currency).inc(amount_minor)
    _to_success.labels(gateway).observe(max(seconds, 0.0))


def otp(*, channel: str, outcome: str) -> None:
    """A one-time code was issued or withheld, or a try of one passed, was wrong, or found none that can be used."""
    _otp.labels(channel, outcome).inc()


def gateway_closed(*, gateway: str, outcome: str) -> None:
    """A payment that nobody shall pay any more: closed, over, paid, stays, refused, unknown, or given_up at the end."""
    _closes.labels(gateway, outcome).inc()


def late_success(*, gateway: str) -> None:
    """Money came after its payment had ended."""
    _late.labels(gateway).inc()


def money_case_opened(*, gateway: str, kind: str) -> None:
    """Unexpected money, or an unknown outcome that stays so, waits for a person."""
    _anomalies.labels(gateway, kind).inc()


def unknown_resolved(*, gateway: str, result: str, seconds: float) -> None:
    """An unknown attempt spoke after so many seconds."""
    _resolved.labels(gateway, result).inc()
    _resolution.observe(max(seconds, 0.0))


# --- Gateways and their notifications --------------------------------------------------------------------------------
_calls = _counter("gateway_requests", "Calls to gateways.", "gateway", "operation", "outcome")
_call_seconds = _histogram("gateway_request_duration", "Time of a call to a gateway.", "gateway", "operation")
_retries = _counter("gateway_retries", "Repeated calls to gateways.", "gateway")
_circuit = _counter("gateway_circuit_transitions", "Changes of a gateway's breaker.", "gateway", "to_state")
_ipn = _counter("ipn_received", "Notifications by what came of them.", "gateway", "outcome")
_ipn_seconds = _histogram("ipn_processing", "Time to handle a notification.", "gateway")
_ipn_delay = _histogram("ipn_delay", "From the gateway's own time to our receipt.", "gateway", buckets=SLOW)


def gateway_called(*, gateway: str, operation: str, outcome: str, seconds: float) -> None:
    """One call, or one try of it, to a gateway."""
    _calls.labels(gateway, operation, outcome).inc()
    _call_seconds.labels(gateway, operation).observe(seconds)


def gateway_retried(*, gateway: str) -> None:
    """A safe call was repeated."""
    _retries.labels(gateway).inc()


def circuit_moved(*, gateway: str, to_state: str) -> None:
    """A breaker went to closed, half_open or open."""
    _circuit.labels(gateway, to_state).inc()


def notification_received(*, gateway: str, outcome: str, seconds: float) -> None:
    """A notification was handled: ok, duplicate, bad_signature, orphan, anomaly or error."""
    _ipn.labels(gateway, outcome).inc()
    _ipn_seconds.labels(gateway).observe(seconds)


def notification_delay(*, gateway: str, seconds: float) -> None:
    """How old a notification was when it came, by the gateway's clock."""
    _ipn_delay.labels(gateway).observe(max(seconds, 0.0))


# --- Ledger ----------------------------------------------------------------------------------------------------------
_journals = _counter("ledger_journals", "Journal entries posted.", "kind")
_entries = _counter("ledger_entries", "Postings written.")
_post_seconds = _histogram("ledger_post", "Time of one posting call.")


def journal_posted(*, kind: str, lines: int, seconds: float) -> None:
    """A journal entry of so many lines; `kind` is the part of its reference before the colon."""
    _journals.labels(kind).inc()
    _entries.inc(lines)
    _post_seconds.observe(seconds)


# --- Events ----------------------------------------------------------------------------------------------------------
_published = _counter("outbox_published", "Events the broker has confirmed.", "topic")
_publish_failures = _counter("outbox_publish_failures", "Events the broker refused.", "topic", "reason")
_publish_delay = _histogram("outbox_publish_delay", "From the commit to the broker's confirmation.", buckets=WIDE)
_consumed = _counter("events_consumed", "Events of others, by what came of them.", "topic", "outcome")
_dead = _counter("failed_events", "Things given up after their tries.", "source")
_requeued = _counter("failed_events_replayed", "Dead letters a person sent again.", "source")
_deliveries = _counter("webhook_deliveries", "Calls to subscribers of our webhooks.", "outcome")


def events_published(*, topic: str, delays_seconds: Sequence[float]) -> None:
    """The broker has a batch of events, each so long after its commit."""
    _published.labels(topic).inc(len(delays_seconds))
    for delay in delays_seconds:
        _publish_delay.observe(max(delay, 0.0))


def event_publish_failed(*, topic: str, reason: str) -> None:
    """The broker did not take an event; `reason` is its error's name."""
    _publish_failures.labels(topic, reason).inc()


def event_consumed(*, topic: str, outcome: str) -> None:
    """An event of others was applied, already_applied, ignored, retried or dead."""
    _consumed.labels(topic, outcome).inc()


def dead_letter_opened(*, source: str) -> None:
    """Something was given up."""
    _dead.labels(source).inc()


def dead_letter_requeued(*, source: str) -> None:
    """A person sent it again."""
    _requeued.labels(source).inc()


def webhook_delivered(*, outcome: str) -> None:
    """A subscriber was called: ok, refused, timed_out, broken or blocked."""
    _deliveries.labels(outcome).inc()


# --- Refunds, settlements, payouts, reconciliation -------------------------------------------------------------------
_refunds = _counter("refunds", "Refunds by outcome.", "gateway", "outcome")
_refund_amount = _counter("refund_amount_minor_units", "Money given back, in minor units.", "currency")
_settlement_runs = _counter("settlement_runs", "Settlement runs.", "outcome")
_settlement_seconds = _histogram("settlement_run_duration", "Time of a settlement run.", buckets=SLOW)
_settlement_lines = _counter("settlement_lines", "Shop orders settled.")
_payouts = _counter("payouts", "Payouts by outcome.", "outcome")
_payout_amount = _counter("payout_amount_minor_units", "Money paid to shops, in minor units.", "currency")
_reconcile_runs = _counter("reconcile_runs", "Reconciliation runs.", "gateway", "outcome")
_reconcile_rows = _counter("reconcile_rows", "Statement lines by what became of them.", "gateway", "class")
_reconcile_seconds = _histogram("reconcile_duration", "Time of a reconciliation run.", buckets=SLOW)


def refund_ended(*, gateway: str, outcome: str, currency: str, amount_minor: int) -> None:
    """A refund succeeded, failed or was rejected; only succeeded ones add to the amount."""
    _refunds.labels(gateway, outcome).inc()
    if outcome == "succeeded":
        _refund_amount.labels(currency).inc(amount_minor)


def settlement_run(*, outcome: str, lines: int, seconds: float) -> None:
    """A settlement run ended."""
    _settlement_runs.labels(outcome).inc()
    _settlement_lines.inc(lines)
    _settlement_seconds.observe(seconds)


def payout_ended(*, outcome: str, currency: str, amount_minor: int) -> None:
    """A payout was paid, failed, returned or cancelled; only paid ones add to the amount."""
    _payouts.labels(outcome).inc()
    if outcome == "paid":
        _payout_amount.labels(currency).inc(amount_minor)


def reconcile_run(*, gateway: str, outcome: str, rows: dict[str, int], seconds: float) -> None:
    """A reconciliation run ended; `rows` counts its lines by class."""
    _reconcile_runs.labels(gateway, outcome).inc()
    for name, count in rows.items():
        _reconcile_rows.labels(gateway, name).inc(count)
    _reconcile_seconds.observe(seconds)


# --- Jobs and people -------------------------------------------------------------------------------------------------
_jobs = _counter("job_runs", "Runs of scheduled jobs.", "job_name", "outcome")
_task_seconds = _histogram("celery_task_duration", "Time of a background task.", "task", "outcome", buckets=WIDE)
_retention = _counter("retention_rows", "Rows that retention deleted or emptied.", "policy")
_approval_wait = _histogram("approval_wait", "From asking to deciding.", buckets=SLOW)
_approval_denied = _counter("approval_denied", "Decisions that were not allowed.", "reason")
_audit = _counter("audit_events", "Audit rows written.", "kind")
_mail = _counter("mail_sent", "E-mails by template and outcome.", "template", "outcome")
_render = _histogram("invoice_render", "Time to make a PDF.", buckets=(*FAST, 30.0, 60.0))


def retained(*, policy: str, rows: int) -> None:
    """Retention deleted or emptied rows that were too old."""
    _retention.labels(policy).inc(rows)


def job_ran(*, job_name: str, outcome: str, seconds: float) -> None:
    """A scheduled job ended."""
    _jobs.labels(job_name, outcome).inc()
    _task_seconds.labels(job_name, outcome).observe(seconds)


def approval_decided(*, seconds: float) -> None:
    """A person decided, so long after the question."""
    _approval_wait.observe(max(seconds, 0.0))


def approval_refused(*, reason: str) -> None:
    """Somebody tried to decide who may not: own_request, no_permission, stale, expired or no_second_factor."""
    _approval_denied.labels(reason).inc()


def audited(*, kind: str) -> None:
    """An audit row; `kind` is the part of its action before the dot."""
    _audit.labels(kind).inc()


def mail_sent(*, template: str, outcome: str) -> None:
    """An e-mail was sent, failed or given up."""
    _mail.labels(template, outcome).inc()


def invoice_rendered(*, seconds: float) -> None:
    """A PDF was made."""
    _render.observe(seconds)
