"""What payments tells the floor and the gateways about itself once, at start."""

from __future__ import annotations

from django.db import connection

from config.core import approvals, deadletters, metrics
from gateways import http
from payments import gauges, retention
from payments.services import (
    background,
    breakers,
    cases,
    consuming,
    dispute_decisions,
    emails,
    forgetting,
    notifications,
    refund_approval,
    resolutions,
)


def register() -> None:
    """Called by PaymentsConfig.ready, once per process."""
    approvals.register_executor(
        refund_approval.ACTION,
        refund_approval.release,
        current=refund_approval.current_payload,
        on_refusal=refund_approval.give_up,
    )
    approvals.register_executor(
        cases.ACTION, resolutions.execute, current=resolutions.current_payload, on_refusal=resolutions.give_up
    )
    approvals.register_executor(
        dispute_decisions.ACTION, dispute_decisions.execute, current=dispute_decisions.current_payload
    )
    approvals.register_executor(forgetting.ACTION, forgetting.forget)
    deadletters.register_requeue(emails.SOURCE, emails.requeue)
    deadletters.register_requeue(consuming.SOURCE, consuming.requeue)
    deadletters.register_requeue(notifications.SOURCE, notifications.requeue)
    deadletters.register_requeue(background.SOURCE, background.requeue)
    metrics.register_gauges(gauges.read)
    retention.register()
    http.before_request = _assert_no_transaction
    breakers.policy()  # an odd setting stops the start
    http.admit = breakers.admit
    http.on_call = breakers.note


def _assert_no_transaction() -> None:
    """A lock held while a gateway thinks is how one slow provider stops a whole shop."""
    assert not connection.in_atomic_block, "a gateway was called inside a database transaction: commit the intent first"
