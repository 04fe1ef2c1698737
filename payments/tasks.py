"""What beat runs for payments: each task calls one service, and running it twice is harmless."""

from __future__ import annotations

from functools import cache

from celery import shared_task
from confluent_kafka import Producer

from config.core import approvals, clock, jobs, kafka, relay
from config.core.retention import overdue, purge
from ledger import folding
from payments.services import (
    authorizations,
    background,
    closing,
    consuming,
    dispute_answers,
    emails,
    expiry,
    gateway_watch,
    notifications,
    refund_steps,
    webhook_fan_out,
    webhooks,
)


@shared_task(name="payments.watch_gateways")
@jobs.job("watch_gateways")
def watch_gateways() -> int:
    """Probe gateways that were away, and take up what waited for those that are back."""
    return gateway_watch.watch(at=clock.now())


@shared_task(name="payments.open_queued")
@jobs.job("open_payments")
def open_queued() -> int:
    """Open payments at their gateways whose request left that to the background."""
    return background.open_due(at=clock.now())


@shared_task(name=background.TASK)
def open_queued_payment(attempt_id: str) -> bool:
    """Open one of them at once: a request has just committed it."""
    return background.open_one(attempt_id=attempt_id, at=clock.now())


@shared_task(name="payments.ask_due")
@jobs.job("ask_due")
def ask_due() -> int:
    """Ask gateways about silent and unknown attempts."""
    return expiry.ask_due(at=clock.now())


@shared_task(name="payments.expire_overdue")
@jobs.job("expire_payments")
def expire_overdue() -> int:
    """End payments whose time is over, after asking their gateways, and give free what was not captured in time."""
    at = clock.now()
    return expiry.expire_overdue(at=at) + authorizations.release_overdue(at=at)


@shared_task(name="payments.close_due")
@jobs.job("close_due")
def close_due() -> int:
    """Close at their gateways what nobody shall pay any more."""
    return closing.close_due(at=clock.now())


@shared_task(name="payments.process_waiting")
@jobs.job("process_notifications")
def process_waiting() -> int:
    """Apply gateway messages that were kept and not finished."""
    return notifications.process_waiting(at=clock.now())


@shared_task(name="payments.advance_refunds")
@jobs.job("advance_refunds")
def advance_refunds() -> int:
    """Send refunds that are due and ask about those under way."""
    return refund_steps.advance_due(at=clock.now())


@shared_task(name="payments.ask_disputes")
@jobs.job("ask_disputes")
def ask_disputes() -> int:
    """Ask gateways about open disputes, and send again answers that never arrived."""
    return dispute_answers.advance_due(at=clock.now())


@shared_task(name="payments.send_emails")
@jobs.job("send_emails")
def send_emails() -> int:
    """Send e-mails that are due."""
    return emails.send_due(at=clock.now())


@shared_task(name="payments.fan_out_events")
@jobs.job("fan_out_events")
def fan_out_events() -> int:
    """Make the webhook deliveries of new events."""
    return webhook_fan_out.fan_out(at=clock.now())


@shared_task(name="payments.send_webhooks")
@jobs.job("send_webhooks")
def send_webhooks() -> int:
    """Send webhooks that are due."""
    return webhooks.send_due(at=clock.now())


@shared_task(name="payments.take_up_requeued")
@jobs.job("take_up_messages")
def take_up_requeued() -> int:
    """Handle consumed messages whose dead letters staff requeued."""
    return consuming.take_up_requeued(at=clock.now())


@shared_task(name="core.approvals")
@jobs.job("approvals")
def settle_approvals() -> int:
    """End requests nobody decided, and carry out what was approved and not finished."""
    at = clock.now()
    return approvals.expire_overdue(at=at) + approvals.execute_approved(at=at)


@shared_task(name="core.relay_events")
@jobs.job("relay_events_backstop")
def relay_events() -> int:
    """Carry the outbox to Kafka, should no relay process be at work; one that is goes on alone."""
    result = relay.drain(producer=_producer(), at=clock.now())
    if result.producer_is_broken:
        _producer.cache_clear()
    return result.published


@cache
def _producer() -> Producer:
    return kafka.producer()


@shared_task(name="core.purge_expired")
@jobs.job(overdue.JOB)
def purge_expired() -> int:
    """Take away what is older than its retention policy allows, unless somebody is at it by hand."""
    try:
        found = purge.purge(at=clock.now())
    except purge.PurgeUnderway:
        return 0
    purge.refuse_failures(found)
    return sum(one.rows for one in found)


@shared_task(name="ledger.fold")
@jobs.job("fold_ledger")
def fold_ledger() -> int:
    """Fold postings of busy accounts into their balances."""
    return folding.fold()
