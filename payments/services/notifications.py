"""Hearing a gateway: keep the raw message, verify it, apply it, answer in the gateway's own words."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import DatabaseError, connection, transaction

from config.core import audit, clock, crypto, deadletters, faultpoints, ids, metrics
from config.core.models import DeadLetter
from gateways.abilities import Confirms, Echoes
from gateways.base import Gateway
from gateways.errors import GatewayUnavailable, ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import DisputeReport, Report, ReportAbout
from payments.errors import NotificationPurged
from payments.models import AttemptEvent, Notification
from payments.services import accounts, breakers, disputes, refund_steps, reports
from payments.services.accounts import Connected
from payments.services.hearing import Heard, Outcome
from payments.states import NotificationStatus

log = structlog.get_logger(__name__)

SOURCE: Final = "notification"
"""The source of the dead letters of messages that could not be applied."""
MAX_TRIES: Final = 3
RETRY_AFTER: Final = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
SWEEP_PATIENCE_SECONDS: Final = 20.0
"""So long a sweep waits for its turns where a message must be asked about and its gateway wants a distance."""
_KEPT_HEADERS: Final = ("content-type", "content-length", "user-agent", "x-request-id")
_DONE: Final = (NotificationStatus.PROCESSED, NotificationStatus.IGNORED)

_ACKNOWLEDGEMENTS: Final = {
    Outcome.APPLIED: Acknowledgement.ACCEPTED,
    Outcome.HELD: Acknowledgement.ACCEPTED,
    Outcome.WRONG_AMOUNT: Acknowledgement.WRONG_AMOUNT,
    Outcome.UNKNOWN_ORDER: Acknowledgement.UNKNOWN_ORDER,
    Outcome.NOTED: Acknowledgement.ACCEPTED,
    Outcome.ALREADY_APPLIED: Acknowledgement.DUPLICATE,
    Outcome.NOTHING_NEW: Acknowledgement.DUPLICATE,
    Outcome.ORPHAN: Acknowledgement.UNKNOWN_ORDER,
}


@dataclass(frozen=True, slots=True)
class Kept:
    """The row of a message, and whether the same bytes came before."""

    id: str
    status: str
    is_new: bool

    @property
    def waits_with_another_proof(self) -> bool:
        """Whether the bytes came before and wait with the proof of then: what this delivery proves is not theirs."""
        return not self.is_new and self.status != NotificationStatus.REJECTED


def receive_notification(*, account_code: str, message: HttpMessage, remote_ip: str | None, at: datetime) -> HttpReply:
    """Take one message of a gateway. The answer says what the gateway needs to know, never what went wrong inside.

    Raises MethodNotFound for an account we do not have. What fails on our side is answered as an error, so that the
    gateway sends it again, and is swept up by process_waiting() whether it does or not.
    """
    connected = accounts.by_code(account_code)
    gateway = connected.gateway
    try:
        kept = _keep(connected, message, remote_ip=remote_ip, at=at)
        faultpoints.reach("ipn.kept")
        if kept.status in _DONE:
            _count(gateway.code, "duplicate", at)
            return gateway.acknowledge(Acknowledgement.DUPLICATE, message)
        if kept.waits_with_another_proof and not _proves(gateway, message):
            _count(gateway.code, "bad_signature", at)
            return gateway.acknowledge(Acknowledgement.BAD_SIGNATURE, message)
        acknowledgement = _process(kept.id, connected, message, source=AttemptEvent.Source.WEBHOOK, at=at)
    except (DatabaseError, GatewayUnavailable):
        log.exception("notification_failed", gateway=gateway.code)
        _count(gateway.code, "error", at)
        return gateway.acknowledge(Acknowledgement.ERROR, message)
    faultpoints.reach("ipn.applied")
    if isinstance(gateway, Echoes) and acknowledgement is not Acknowledgement.BAD_SIGNATURE:
        _echo(gateway, message)
    return gateway.acknowledge(acknowledgement, message)


def _proves(gateway: Gateway, message: HttpMessage) -> bool:
    try:
        gateway.read_notification(message)
    except ReportInvalid:
        return False
    return True


def _echo(gateway: Echoes, message: HttpMessage) -> None:
    """Send a message back to its gateway; what fails is made up for by the gateway's next delivery."""
    try:
        gateway.echo(message)
    except GatewayUnavailable as error:
        log.warning("echo_failed", error=str(error))


def process_waiting(*, at: datetime, limit: int = 200) -> int:
    """Apply messages that were kept and not finished: a crash in between, or an error on our side. Returns how many."""
    due = Notification.objects.filter(
        status__in=[NotificationStatus.RECEIVED, NotificationStatus.VERIFIED, NotificationStatus.RETRYING],
        next_try_at__lte=at,
    ).order_by("next_try_at")[:limit]
    with breakers.patient(SWEEP_PATIENCE_SECONDS):
        return sum(_retry(notification, at=at) for notification in due)


def requeue(letter: DeadLetter, at: datetime) -> None:
    """Give a message its tries back: what requeuing its dead letter means. Joins the decision's transaction."""
    Notification.objects.filter(id=letter.reference, status=NotificationStatus.DEAD).update(
        status=NotificationStatus.RETRYING, tries=0, next_try_at=at
    )


@transaction.atomic(durable=True)
def reopen(*, notification_id: str, actor: str, reason: str, at: datetime) -> Notification:
    """Prepare a message for a replay by staff: it will be verified and applied once more. Raises NotificationPurged."""
    notification = Notification.objects.select_for_update().get(id=notification_id)
    if notification.purged_at is not None:
        raise NotificationPurged("This message was emptied because of its age: nothing is left to replay.")
    audit.record(
        actor=actor,
        action="notification.replayed",
        object_type="notification",
        object_id=notification.id,
        reason=reason,
    )
    notification.tries = 0
    notification.next_try_at = at
    notification.save(update_fields=["tries", "next_try_at"])
    return notification


def replay(*, notification_id: str, actor: str, reason: str, at: datetime) -> Acknowledgement:
    """Verify and apply a kept message again, as if it had just come. What was applied is not applied twice."""
    notification = reopen(notification_id=notification_id, actor=actor, reason=reason, at=at)
    if notification.account is None:
        return Acknowledgement.ERROR
    connected = accounts.by_code(notification.account.code)
    return _process(notification.id, connected, stored_message(notification), source=AttemptEvent.Source.STAFF, at=at)


def stored_message(notification: Notification) -> HttpMessage:
    """The message as it came."""
    return HttpMessage(
        method=notification.method,
        path=notification.path,
        query=notification.query,
        headers={**notification.headers, **json.loads(notification.proof or "{}")},
        body=notification.body.encode("latin-1"),
        received_at=notification.received_at,
    )


def _keep(connected: Connected, message: HttpMessage, *, remote_ip: str | None, at: datetime) -> Kept:
    """Insert the raw message, or count one more delivery of the same bytes. One statement, committed at once.

    The proof is kept as it came first, and anew only where the first was refused: a forger must not be able to spoil
    the proof of a message that waits for its next try.
    """
    account = connected.account
    digest = hashlib.sha256(b"\n".join([message.query.encode(), message.body])).hexdigest()
    identifier = ids.notification_id()
    body = crypto.encrypt(message.body.decode("latin-1"), context=f"payments_notification.body:{identifier}")
    query = crypto.encrypt(message.query, context=f"payments_notification.query:{identifier}") if message.query else ""
    headers = {name: message.headers[name][:200] for name in _KEPT_HEADERS if name in message.headers}
    proof = _proof_of(connected.gateway, message, identifier)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO payments_notification (id, gateway, account_id, dedupe_key, method, path, query, headers, proof,
                body, remote_ip, status, outcome, error, deliveries, tries, received_at, next_try_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'received', '', '', 1, 0, %s, %s)
            ON CONFLICT (gateway, account_id, dedupe_key) DO UPDATE SET deliveries = payments_notification.deliveries + 1
            RETURNING id, status, xmax = 0
            """,
            [
                identifier, account.gateway, account.id, digest, message.method[:8], message.path[:500], query,
                json.dumps(headers), proof, body, remote_ip, at, at + RETRY_AFTER[0],
            ],
        )  # fmt: skip
        row = cursor.fetchone()
    if proof and row[1] == NotificationStatus.REJECTED:
        _keep_new_proof(row[0], connected.gateway, message, at=at)
    return Kept(id=row[0], status=row[1], is_new=row[2])


def _proof_of(gateway: Gateway, message: HttpMessage, identifier: str) -> str:
    """The proving headers, encrypted for one row; "" where the proof is in the message itself."""
    proof = {name: message.headers[name][:1000] for name in gateway.proof_headers if name in message.headers}
    context = f"payments_notification.proof:{identifier}"
    return crypto.encrypt(json.dumps(proof), context=context) if proof else ""


def _keep_new_proof(notification_id: str, gateway: Gateway, message: HttpMessage, *, at: datetime) -> None:
    """A refused message came again: its signature is made anew each time, and so is its age."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_notification SET proof = %s, received_at = %s WHERE id = %s AND status = 'rejected'",
            [_proof_of(gateway, message, notification_id), at, notification_id],
        )


def _process(
    notification_id: str, connected: Connected, message: HttpMessage, *, source: AttemptEvent.Source, at: datetime
) -> Acknowledgement:
    gateway = connected.gateway
    try:
        told = gateway.read_notification(message)
    except ReportInvalid as error:
        _reject(notification_id, str(error), at=at)
        _count(gateway.code, "bad_signature", at)
        log.warning("notification_rejected", gateway=gateway.code, notification=notification_id, error=str(error))
        return Acknowledgement.BAD_SIGNATURE
    faultpoints.reach("ipn.verified")
    acknowledgement = Acknowledgement.ACCEPTED
    heard = Heard(account=connected.account, source=source, at=at, notification_id=notification_id)
    for report in told:
        if isinstance(report, Report) and report.about is ReportAbout.PAYOUT:
            _leave_payout(notification_id, report, gateway, at=at)
            continue
        outcome = _apply(report, gateway, heard)
        acknowledgement = _ACKNOWLEDGEMENTS[outcome]
        log.info(f"{gateway.code}_callback", outcome=outcome.value, gateway_ref=report.reference)
        _count(gateway.code, "orphan" if outcome is Outcome.ORPHAN else "ok", at)
    if not told:
        _ignore(notification_id, at=at)
        _count(gateway.code, "ok", at)
    return acknowledgement


def _apply(report: Report | DisputeReport, gateway: Gateway, heard: Heard) -> Outcome:
    """Believe one report, after asking for it again where the message alone proves too little."""
    if isinstance(report, Report) and isinstance(gateway, Confirms):
        report = gateway.confirm(report)
    if isinstance(report, DisputeReport):
        return disputes.apply_dispute_report(report=report, heard=heard)
    if report.about is ReportAbout.REFUND:
        return refund_steps.apply_refund_report(report=report, heard=heard)
    outcome = reports.apply_report(report=report, heard=heard)
    for other in report.others:
        reports.apply_report(report=other, heard=heard)
    return outcome


def _leave_payout(notification_id: str, report: Report, gateway: Gateway, *, at: datetime) -> None:
    """A payout's end is kept and changes nothing: no service of ours sends payouts yet, so none is waiting for it."""
    _ignore(notification_id, at=at, outcome="payout")
    log.info("payout_told", gateway=gateway.code, gateway_ref=report.reference, status=report.status.value)
    _count(gateway.code, "ok", at)


def _ignore(notification_id: str, *, at: datetime, outcome: str = "not_for_us") -> None:
    """An authentic message that does not concern payments, refunds or disputes."""
    Notification.objects.filter(id=notification_id).exclude(status__in=_DONE).update(
        status=NotificationStatus.IGNORED, outcome=outcome, next_try_at=None, processed_at=at
    )


def _count(gateway: str, outcome: str, at: datetime) -> None:
    metrics.notification_received(gateway=gateway, outcome=outcome, seconds=(clock.now() - at).total_seconds())


def _reject(notification_id: str, error: str, *, at: datetime) -> None:
    """A message that proves nothing is kept and counted; nothing else changes."""
    Notification.objects.filter(id=notification_id).exclude(status__in=_DONE).update(
        status=NotificationStatus.REJECTED,
        outcome="bad_signature",
        error=error[:500],
        next_try_at=None,
        processed_at=at,
    )


def _retry(notification: Notification, *, at: datetime) -> int:
    assert notification.account is not None, "only messages to an account of ours are kept"
    connected = accounts.by_code(notification.account.code)
    message = stored_message(notification)
    try:
        _process(notification.id, connected, message, source=AttemptEvent.Source.WEBHOOK, at=at)
    except (DatabaseError, GatewayUnavailable) as error:
        log.exception("notification_failed", notification=notification.id)
        code = error.code if isinstance(error, GatewayUnavailable) else ""
        _put_off(notification, str(error), is_held_back=code in breakers.HELD_BACK, at=at)
        return 0
    return 1


@transaction.atomic(durable=True)
def _put_off(notification: Notification, error: str, *, is_held_back: bool, at: datetime) -> None:
    """Try again later; after the last try a dead letter holds it. What we held back ourselves was no try."""
    was_tried = not is_held_back or notification.received_at < at - breakers.NO_TRY_FOR
    tries = notification.tries + was_tried
    is_last = tries >= MAX_TRIES
    Notification.objects.filter(id=notification.id).update(
        tries=tries,
        status=NotificationStatus.DEAD if is_last else NotificationStatus.RETRYING,
        error=error[:500],
        next_try_at=None if is_last else at + RETRY_AFTER[tries],
    )
    if is_last:
        deadletters.bury(
            source=SOURCE,
            topic=f"ipn.{notification.gateway}",
            key=notification.dedupe_key,
            reference=notification.id,
            payload={"notification": notification.id},
            headers={},
            error=error,
            attempts=tries,
        )
