"""Watching over gateways without traffic: a harmless question tells whether one that was away is back.

What waited for it is then taken up at once, instead of by a schedule that its silence has stretched.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog
from django.db import transaction

from config.core import audit, breaker, ids, jobs
from config.core.breaker import RedisAway, State
from config.core.crypto import CannotDecrypt
from config.core.money import Money
from gateways import http
from gateways.errors import GatewayError, GatewayRejected, GatewayUnavailable, ReportInvalid
from gateways.reports import ReportStatus
from gateways.requests import QueryRequest
from payments.models import Attempt, GatewayAccount, PaymentMethod, Refund
from payments.services import accounts, breakers
from payments.states import UNDECIDED, AttemptStatus, RefundStatus

log = structlog.get_logger(__name__)

PROBE_SECONDS: Final = 5.0
"""So long a probe may take: it stands in the way of the next one."""
HUNDRED_THOUSAND: Final = 100_000
LOCK: Final = "gateway_watch"
TOO_FRESH: Final = timedelta(seconds=60)
"""What was sent so recently may still be on its way through the gateway: "no such payment" would say nothing yet."""
WAITING_REFUNDS: Final = (RefundStatus.APPROVED, RefundStatus.SUBMITTED, RefundStatus.UNKNOWN)


class Verdict(StrEnum):
    """What a harmless question showed."""

    FINE = "fine"  # it answered, and knows us
    NOT_NEEDED = "not_needed"  # there is nobody to ask
    ODD = "odd"  # it answered something else than "no such payment"
    REFUSED = "refused"  # it answered that it does not take us
    SILENT = "silent"  # no usable answer
    UNUSABLE = "unusable"  # no adapter can be built


@dataclass(frozen=True, slots=True)
class Answer:
    """What an account's gateway said to a question about a payment that nobody made. `text` holds no secret."""

    verdict: Verdict
    text: str
    seconds: float


def ask(account: GatewayAccount, *, at: datetime, limit_seconds: float | None = None) -> Answer:
    """Ask about a payment that nobody made: it costs nothing and changes nothing. Outside any transaction."""
    try:
        gateway = accounts.adapter_of(account)
    except (CannotDecrypt, GatewayError, ValueError) as error:
        return Answer(Verdict.UNUSABLE, str(error), 0.0)
    if not gateway.notifies:
        return Answer(Verdict.NOT_NEEDED, "", 0.0)
    question = QueryRequest(
        reference=gateway.reference(ids.uuid7_int(), at),
        money=Money(HUNDRED_THOUSAND, _currency(account)),
        created_at=at,
    )
    began = time.monotonic()
    try:
        with http.at_most(limit_seconds or float("inf")):
            report = gateway.query(question)
    except (GatewayRejected, ReportInvalid) as error:
        return Answer(Verdict.REFUSED, str(error), time.monotonic() - began)
    except GatewayUnavailable as error:
        return Answer(Verdict.SILENT, str(error), time.monotonic() - began)
    # Some gateways call what they do not know yet "pending": the payer may still come.
    is_fine = report.status in (ReportStatus.NOT_FOUND, ReportStatus.PENDING)
    verdict = Verdict.FINE if is_fine else Verdict.ODD
    return Answer(verdict, f"{report.code} {report.message}".strip(), time.monotonic() - began)


def test_call(account: GatewayAccount, *, actor: str, reason: str, at: datetime) -> Answer:
    """Staff asks whether an account works; the answer goes into the trail."""
    answer = ask(account, at=at, limit_seconds=2 * PROBE_SECONDS)
    with transaction.atomic(durable=True):
        audit.record(
            actor=actor,
            action="gateway_account.tested",
            object_type="gateway_account",
            object_id=account.pk,
            reason=reason,
            after={"verdict": answer.verdict.value, "answer": answer.text[:250]},
        )
    return answer


def watch(*, at: datetime) -> int:
    """Probe every gateway whose breaker is not closed, and take up what waited for those that came back.

    Returns how many were probed. One watch at a time: a gateway that hangs must not occupy all workers.
    """
    with jobs.only_one(LOCK) as is_ours:
        if not is_ours:
            return 0
        breakers.mirror_all(at=at)
        by_gateway = {one.gateway: one for one in GatewayAccount.objects.filter(is_enabled=True).order_by("-code")}
        sick = [
            name
            for name, found in breakers.look(by_gateway).items()
            if found.forced is None and found.state is not State.CLOSED
        ]
        for name in sick:
            answer = ask(by_gateway[name], at=at, limit_seconds=PROBE_SECONDS)
            log.info("gateway_probed", gateway=name, outcome=answer.verdict.value)
        for name in by_gateway:
            if _has_recovered(name):
                take_up(name, at=at)
    return len(sick)


def _has_recovered(gateway: str) -> bool:
    try:
        return breaker.take_recovery(gateway)
    except RedisAway:
        return False


def take_up(gateway: str, *, at: datetime) -> int:
    """Make everything due that waits for this gateway: attempts to be opened, unknown ones, refunds on their way."""
    since = at - TOO_FRESH
    waiting = Attempt.objects.filter(
        account__gateway=gateway, status__in=UNDECIDED, next_query_at__gt=at, updated_at__lt=since
    )
    found: int = waiting.update(next_query_at=at)
    refunds = Refund.objects.filter(
        capture__account__gateway=gateway,
        route=Refund.Route.GATEWAY,
        status__in=WAITING_REFUNDS,
        next_step_at__gt=at,
        updated_at__lt=since,
    )
    found += refunds.update(next_step_at=at)
    queued = Attempt.objects.filter(account__gateway=gateway, status=AttemptStatus.QUEUED, next_send_at__gt=at)
    found += queued.update(next_send_at=at)
    log.info("gateway_is_back", gateway=gateway, count=found)
    return found


def _currency(account: GatewayAccount) -> str:
    """One that the account's methods take."""
    limits = PaymentMethod.objects.filter(account=account).values_list("limits", flat=True)
    return next((currency for one in limits for currency in sorted(one)), "VND")
