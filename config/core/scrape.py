"""What a scrape answers: our counters, gauges asked just now, and the names that the reference systems export.

The reference names (ACCEPTANCE E35) are worked out of ours when somebody looks; counting everything twice would cost
each request instead. Imports no Django.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

from config.core import metrics
from config.core.metrics import Gauge
from config.core.money import exponent
from config.core.remembered import remembered

CACHE_SECONDS: Final = 10.0
PAGE_SIZE_BYTES: Final = 4096
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

GAUGES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "reckoner_build_info": ("What runs here; always 1.", ("version", "commit")),
    "reckoner_payments_in_status": ("Payments in a status that is not an end.", ("status",)),
    "reckoner_payment_oldest_unknown_age_seconds": ("Age of the oldest attempt without an answer.", ("gateway",)),
    "reckoner_payments_queued": ("Payments that wait to be opened in the background.", ("gateway",)),
    "reckoner_payment_oldest_queued_age_seconds": ("Age of the oldest of them.", ("gateway",)),
    "reckoner_payment_anomalies_open": ("Money cases that wait for a person.", ("kind",)),
    "reckoner_gateway_circuit_state": ("0 closed, 1 half open, 2 open.", ("gateway",)),
    "reckoner_gateway_answered_ratio": ("Calls of the last 15 minutes that got a usable answer.", ("gateway",)),
    "reckoner_gateway_success_ratio": ("Paid of the attempts of the last 15 minutes that ended.", ("gateway",)),
    "reckoner_gateway_secret_expiry_timestamp_seconds": ("When a gateway's secret ends.", ("gateway",)),
    "reckoner_ipn_oldest_unprocessed_age_seconds": ("Age of the oldest notification not handled.", ()),
    "reckoner_ipn_backlog": ("Notifications not handled.", ()),
    "reckoner_ledger_imbalance_minor_units": ("Sum of all balances; anything but 0 is an alarm.", ("currency",)),
    "reckoner_ledger_suspense_minor_units": ("Money whose owner is not known yet.", ("currency",)),
    "reckoner_ledger_invariant_check_timestamp_seconds": ("When the ledger was last proven.", ()),
    "reckoner_ledger_invariant_violations": ("What the last proof found.", ("invariant",)),
    "reckoner_outbox_unpublished": ("Events not yet confirmed by the broker.", ()),
    "reckoner_outbox_oldest_unpublished_age_seconds": ("Age of the oldest of them.", ()),
    "reckoner_consumer_lag_messages": ("Messages of others not yet read.", ("topic",)),
    "reckoner_failed_events_open": ("Dead letters that wait for a person.", ("source",)),
    "reckoner_webhook_oldest_pending_age_seconds": ("Age of the oldest webhook not delivered.", ()),
    "reckoner_refund_oldest_pending_age_seconds": ("Age of the oldest refund without an end.", ()),
    "reckoner_disputes_open": ("Disputes without an outcome.", ("status",)),
    "reckoner_disputes_due_48h": ("Disputes that wait for evidence and are due within 48 hours, or overdue.", ()),
    "reckoner_settlement_blocked_shops": ("Shops whose money is held.", ()),
    "reckoner_payout_oldest_pending_age_seconds": ("Age of the oldest payout without an end.", ()),
    "reckoner_reconcile_last_success_timestamp_seconds": ("Last good reconciliation.", ("gateway",)),
    "reckoner_reconcile_mismatches_open": ("Exceptions that wait for a person.", ("gateway", "kind")),
    "reckoner_reconcile_unmatched_amount_minor_units": ("Money in them.", ("gateway", "currency")),
    "reckoner_job_last_success_timestamp_seconds": ("Last good run of a scheduled job.", ("job_name",)),
    "reckoner_retention_last_run_timestamp_seconds": ("When a retention policy's last run ended.", ("policy",)),
    "reckoner_celery_queue_length": ("Tasks that wait for a worker.", ("queue",)),
    "reckoner_approvals_pending": ("Deeds that wait for a second person.", ("kind",)),
    "reckoner_audit_chain_broken": ("1 if the sealed trail does not verify.", ()),
    "reckoner_db_connections_in_use": ("Connections of ours to PostgreSQL.", ()),
    "gateway_circuit_breaker_state": ("1 for the state a gateway's breaker is in.", ("gateway", "state")),
    "fiuu_circuit_breaker_state": ("0 closed, 1 half open or open.", ()),
    "db_connections_active": ("Connections of ours to PostgreSQL.", ()),
    "memory_usage_bytes": ("Resident memory of the process that answered.", ()),
    "active_users": ("Customers who began a payment in the last 24 hours.", ()),
    "payment_success_rate": ("Succeeded among ended payments, by method.", ("method",)),
    "top_payment_methods": ("Succeeded payments, by method.", ("method",)),
}
ALIASES: Final = {
    "reckoner_http_requests": "http_requests",
    "reckoner_http_request_duration_seconds": "http_request_duration_seconds",
    "reckoner_payment_time_to_success_seconds": "payment_duration_seconds",
    "reckoner_auth_failures": "failed_auth",
}
"""Our family -> the reference systems' name for it (Prometheus adds _total to counters)."""
ENDS: Final = ("succeeded", "failed", "expired", "cancelled")

log = structlog.get_logger(__name__)


def page(*, multiprocess_dir: str = "") -> bytes:
    """All metrics in Prometheus's text format; of all processes if they share a folder."""
    registry = REGISTRY
    if multiprocess_dir:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=multiprocess_dir)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    counted = list(registry.collect())
    scraped = CollectorRegistry()
    scraped.register(_Ready([*counted, *_reference(counted), *_families(_gauges() + _worked_out(counted))]))
    return generate_latest(scraped)


def forget() -> None:
    """Ask the sources again at the next scrape: for tests."""
    _gauges.forget()


class _Ready:
    """What was collected already, as a collector."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


@remembered(CACHE_SECONDS)
def _gauges() -> list[Gauge]:
    found: list[Gauge] = [Gauge("memory_usage_bytes", _resident_bytes())]
    for source in metrics.gauge_sources:
        try:
            found.extend(source())
        except Exception as error:  # one app's broken query must not blind all others
            log.warning("gauges_failed", source=source.__module__, error_type=type(error).__name__)
    return found


def _families(gauges: list[Gauge]) -> Iterator[Metric]:
    """Every gauge of the table; those without labels are 0 when nobody said otherwise."""
    by_name: dict[str, list[Gauge]] = defaultdict(list)
    for gauge in gauges:
        by_name[gauge.name].append(gauge)
    for name, (text, labels) in GAUGES.items():
        family = GaugeMetricFamily(name, text, labels=labels)
        for gauge in by_name.pop(name, [] if labels else [Gauge(name, 0)]):
            family.add_metric(gauge.labels, gauge.value)
        yield family
    if by_name:
        log.warning("gauges_unknown", count=len(by_name), kind=sorted(by_name)[0])


def _reference(counted: list[Metric]) -> Iterator[Metric]:
    for family in counted:
        if alias := ALIASES.get(family.name):
            copy = Metric(alias, family.documentation, family.type)
            copy.samples = [
                sample._replace(name=alias + sample.name.removeprefix(family.name))
                for sample in family.samples
                if not sample.name.endswith("_created")
            ]
            yield copy
        if family.name == "reckoner_payments_amount_minor_units":
            copy = Metric("revenue", "Money captured, in major units.", "counter")
            copy.samples = [
                Sample("revenue_total", labels, float(value) / 10 ** exponent(labels["currency"]))
                for name, labels, value, *_ in family.samples
                if name.endswith("_total")
            ]
            yield copy


def _worked_out(counted: list[Metric]) -> list[Gauge]:
    ended: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for family in counted:
        if family.name == "payments":
            for name, labels, value, *_ in family.samples:
                if name == "payments_total" and labels["status"] in ENDS:
                    ended[labels["method"]][labels["status"]] += value
    return [
        gauge
        for method, by_status in ended.items()
        for gauge in (
            Gauge("payment_success_rate", by_status["succeeded"] / sum(by_status.values()), (method,)),
            Gauge("top_payment_methods", by_status["succeeded"], (method,)),
        )
        if sum(by_status.values())
    ]


def _resident_bytes() -> float:
    statm = Path("/proc/self/statm")  # Linux; elsewhere the gauge says 0
    return int(statm.read_text().split()[1]) * PAGE_SIZE_BYTES if statm.exists() else 0
