"""Deliveries: claimed, sent outside any transaction, noted, tried again with growing pauses that have an end.

A row is claimed before it is sent: its next try moves a lease ahead, so that two senders never send one at the same
time. A crash between sending and noting sends it once more after the lease, under the same `webhook-id`.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog
from django.conf import settings
from django.db import connection, transaction

from config.core import audit, faultpoints, ids, jobs, metrics, outbound, outbox
from config.core.destinations import Rules
from config.core.errors import InvalidInput
from config.core.outbound import Answer, Limits
from payments import webhook_signing
from payments.errors import WebhookDeliveryNotFound, WebhookRefused
from payments.models import WebhookDelivery, WebhookEndpoint
from payments.services import webhook_endpoints

log = structlog.get_logger(__name__)

LOCK: Final = "payments.webhooks.send"
RETRY_AFTER: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""How long to wait after each failed try but the last: three days in all (Standard Webhooks, "Deliverability")."""
MAX_TRIES: Final = len(RETRY_AFTER) + 1
JITTER: Final = 0.1
LEASE: Final = timedelta(minutes=2)
WORK_SECONDS: Final = 20.0
"""One run claims nothing new after so long: with the longest call it stays well below the lease."""
LOOK_AGAIN_SECONDS: Final = 0.5
WIDE: Final = 4
"""Calls at once to a receiver that has just answered well; to all others one at a time."""
TEST: Final = "webhook.test"
GONE: Final = 410
PROBLEMS: Final = {
    "refused": "the address is not on the open internet",
    "unknown_name": "the name resolves to nothing",
    "unreachable": "nobody answers there",
    "tls": "TLS could not be agreed on",
    "timed_out": "no answer in time",
    "broken": "the connection broke",
}

S, K = WebhookDelivery.Status, WebhookEndpoint.Kind

# One row per receiver with something due, found by jumping from name to name in the index of what is pending.
LANES: Final = """
    WITH RECURSIVE lane AS (
        (SELECT receiver FROM payments_webhookdelivery WHERE status IN ('queued', 'failed') ORDER BY receiver LIMIT 1)
        UNION ALL
        SELECT (
            SELECT next.receiver FROM payments_webhookdelivery AS next
            WHERE next.status IN ('queued', 'failed') AND next.receiver > lane.receiver ORDER BY next.receiver LIMIT 1
        ) FROM lane WHERE lane.receiver IS NOT NULL
    )
    SELECT lane.receiver, EXISTS (
        SELECT FROM payments_webhookdelivery AS bad WHERE bad.receiver = lane.receiver AND bad.status = 'failed'
    ) AS is_failing
    FROM lane CROSS JOIN LATERAL (
        SELECT next_try_at FROM payments_webhookdelivery AS head
        WHERE head.receiver = lane.receiver AND head.status IN ('queued', 'failed') ORDER BY next_try_at LIMIT 1
    ) AS head
    WHERE head.next_try_at <= %s ORDER BY is_failing, head.next_try_at
"""


class Lane(NamedTuple):
    """A receiver with something due."""

    receiver: str
    is_failing: bool  # something for it failed and waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A claimed delivery, ready to go: a thread sends it and touches no database."""

    row: WebhookDelivery
    lane: Lane
    headers: dict[str, str]
    rules: Rules


def send_due(*, at: datetime) -> int:
    """Send what is due; returns how many arrived. One sender of the house works at a time, with several calls at once."""
    assert not connection.in_atomic_block, "no network inside a transaction"
    with jobs.only_one(LOCK) as is_ours:
        return work_off(at=at, calls=settings.WEBHOOK_CALLS_AT_ONCE) if is_ours else 0


def work_off(*, at: datetime, calls: int) -> int:
    """Send what is due by so many calls at once. Safe beside another that does the same: each row is claimed."""
    with ThreadPoolExecutor(max_workers=calls, thread_name_prefix="webhook") as pool:
        return _Run(at=at, calls=calls).go(pool)


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run: whose turn it is, what is under way, and who answered how."""

    at: datetime
    calls: int
    until: float = field(default_factory=lambda: time.monotonic() + WORK_SECONDS)
    lanes: list[Lane] = field(default_factory=list)
    looked_at: float = float("-inf")
    flying: dict[Future[Answer], Parcel] = field(default_factory=dict)
    busy: Counter[str] = field(default_factory=Counter)  # calls under way by receiver
    proven: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)  # failed in this run: the rest of theirs waits for the next
    sent: int = 0

    def go(self, pool: ThreadPoolExecutor) -> int:
        """Until nothing is due or time is up; then what is under way is heard out."""
        while True:
            while len(self.flying) < self.calls and (parcel := self._next()) is not None:
                self.busy[parcel.lane.receiver] += 1
                self.flying[pool.submit(_call, parcel)] = parcel
            if not self.flying:
                return self.sent
            done, _ = wait(self.flying, timeout=LOOK_AGAIN_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                parcel = self.flying.pop(future)
                self.busy[parcel.lane.receiver] -= 1
                self._land(parcel, future.result())

    def _next(self) -> Parcel | None:
        """The next delivery of somebody whose turn it is; None when there is none just now."""
        while time.monotonic() < self.until:
            for lane in [one for one in self.lanes if self._may(one)]:
                parcel = _claim(lane, at=self.at)
                if parcel is not None:
                    return parcel
                self.lanes.remove(lane)
            if time.monotonic() - self.looked_at < LOOK_AGAIN_SECONDS:
                return None
            self.looked_at, self.lanes = time.monotonic(), _lanes(self.at)
            if not any(self._may(one) for one in self.lanes):
                return None
        return None

    def _may(self, lane: Lane) -> bool:
        """One call at a time until it has answered well; those that are known to fail share half of the calls."""
        if lane.receiver in self.silent:
            return False
        if lane.is_failing and lane.receiver not in self.proven:
            failing = sum(parcel.lane.is_failing for parcel in self.flying.values())
            return not self.busy[lane.receiver] and failing < max(self.calls // 2, 1)
        return self.busy[lane.receiver] < (WIDE if lane.receiver in self.proven else 1)

    def _land(self, parcel: Parcel, answer: Answer) -> None:
        faultpoints.reach("webhook.sent")
        if answer.is_success:
            self.proven.add(parcel.lane.receiver)
            self.sent += 1
        else:
            self.silent.add(parcel.lane.receiver)
        _note(parcel.row, answer, at=self.at)
        faultpoints.reach("webhook.noted")


def _lanes(at: datetime) -> list[Lane]:
    with connection.cursor() as cursor:
        cursor.execute(LANES, (at,))
        return list(map(Lane._make, cursor.fetchall()))


@transaction.atomic(durable=True)
def _claim(lane: Lane, *, at: datetime) -> Parcel | None:
    """The next delivery of a receiver, with this try counted and a lease on it; None when there is none."""
    due = WebhookDelivery.objects.filter(
        receiver=lane.receiver, status__in=[S.QUEUED, S.FAILED], next_try_at__lte=at
    ).select_related("endpoint")
    row: WebhookDelivery | None = (
        due.select_for_update(of=("self",), skip_locked=True).order_by("next_try_at", "id").first()
    )
    if row is None:
        return None
    endpoint: WebhookEndpoint = row.endpoint
    row.tries += 1
    row.next_try_at, row.tried_at = at + LEASE, at
    row.save(update_fields=["tries", "next_try_at", "tried_at"])
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        **webhook_signing.headers(
            endpoint.secrets(at=at), message_id=row.event_id, timestamp=int(time.time()), body=bytes(row.body)
        ),
    }
    is_ours = endpoint.kind == K.ORDER_SERVICE
    if is_ours and settings.ORDER_SERVICE_TOKEN:
        headers["Authorization"] = f"Bearer {settings.ORDER_SERVICE_TOKEN}"
    faultpoints.reach("webhook.claimed")
    return Parcel(
        row=row, lane=lane, headers=headers, rules=Rules(is_ours=True) if is_ours else webhook_endpoints.rules()
    )


def _call(parcel: Parcel) -> Answer:
    """In a thread of the pool: no database here."""
    return outbound.post(
        parcel.row.url,
        bytes(parcel.row.body),
        headers=parcel.headers,
        rules=parcel.rules,
        limits=Limits(),
        ca_file=settings.WEBHOOK_CA_FILE,
    )


@transaction.atomic(durable=True)
def _note(row: WebhookDelivery, answer: Answer, *, at: datetime) -> None:
    """How a try went. A row that somebody else took up meanwhile has another count of tries and stays as it is."""
    changes: dict[str, Any] = {
        "status_code": answer.status,
        "duration_ms": round(answer.seconds * 1000),
        "error": "" if answer.is_success else _words(answer),
    }
    if answer.is_success:
        changes |= {"status": S.SENT, "sent_at": at, "next_try_at": None}
    elif row.tries >= MAX_TRIES or answer.status == GONE:
        changes |= {"status": S.GIVEN_UP, "next_try_at": None}
    else:
        pause = RETRY_AFTER[row.tries - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311  # jitter, not a secret
        changes |= {"status": S.FAILED, "next_try_at": at + pause}
    WebhookDelivery.objects.filter(id=row.id, tries=row.tries).exclude(status=S.SENT).update(**changes)
    if answer.status == GONE and row.endpoint.kind == K.SUBSCRIPTION:
        endpoint = WebhookEndpoint.objects.select_for_update().get(id=row.endpoint_id)
        webhook_endpoints.disable(endpoint, "the receiver answered 410: gone")
    outcome = str(changes["status"])
    metrics.webhook_delivered(outcome=outcome)
    say = log.info if answer.is_success else log.error if outcome == S.GIVEN_UP else log.warning
    say(
        f"webhook_{outcome}", delivery_id=row.id, event_id=row.event_id, type=row.event_type, attempt=row.tries,
        status_code=answer.status, problem=answer.problem, duration_ms=changes["duration_ms"],
    )  # fmt: skip


def _words(answer: Answer) -> str:
    if answer.problem:
        return PROBLEMS[answer.problem]
    leads_away = answer.status is not None and 300 <= answer.status < 400
    return f"HTTP {answer.status}" + (", and redirects are not followed" if leads_away else "")


# --- By hand ---------------------------------------------------------------------------------------------------------
@transaction.atomic(durable=True)
def retry(*, delivery_id: str, actor: str, reason: str, at: datetime) -> WebhookDelivery:
    """Send it again now, with all its tries, under the id it had. Raises InvalidInput, WebhookDeliveryNotFound, WebhookRefused."""
    if not reason.strip():
        raise InvalidInput("Say why.", field="reason")
    rows = WebhookDelivery.objects.select_for_update(of=("self",)).select_related("endpoint")
    row: WebhookDelivery | None = rows.filter(id=delivery_id).first()
    if row is None:
        raise WebhookDeliveryNotFound("There is no such delivery.")
    if row.status == S.QUEUED:
        raise WebhookRefused("This delivery is about to be sent.")
    if not row.endpoint.is_enabled:
        raise WebhookRefused("The endpoint is switched off.")
    before = str(row.status)
    row.status, row.tries, row.next_try_at, row.error = S.QUEUED, 0, at, ""
    row.save(update_fields=["status", "tries", "next_try_at", "error"])
    audit.record(
        actor=actor,
        action="webhook_delivery.retried",
        object_type="webhook_delivery",
        object_id=row.id,
        reason=reason,
        before={"status": before},
    )
    return row


@transaction.atomic(durable=True)
def send_test(*, endpoint_id: str, actor: str, at: datetime) -> WebhookDelivery:
    """Promise an event that means nothing, to see whether it arrives. Raises WebhookEndpointNotFound, WebhookRefused."""
    endpoint = webhook_endpoints.locked(endpoint_id)
    if endpoint.kind != K.SUBSCRIPTION:
        raise WebhookRefused("Only a subscription has an address of its own to test.")
    if not endpoint.is_enabled:
        raise WebhookRefused("The endpoint is switched off.")
    event_id = ids.event_id()
    body = outbox.envelope(
        event_id=event_id,
        type=TEST,
        version=1,
        occurred_at=f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
        sequence=1,
        trace_id="",
        data=json.dumps({"endpoint_id": endpoint.id, "message": "A test; nothing happened."}),
    )
    row = WebhookDelivery(
        endpoint=endpoint,
        event_id=event_id,
        event_type=TEST,
        receiver=endpoint.id,
        url=endpoint.url,
        body=body.encode(),
        next_try_at=at,
        created_at=at,
    )
    row.save(force_insert=True)
    audit.record(
        actor=actor, action="webhook_endpoint.tested", object_type="webhook_endpoint", object_id=endpoint.id,
        after={"delivery": row.id},
    )  # fmt: skip
    return row
