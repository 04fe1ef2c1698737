"""Four eyes: one person asks for a deed, another decides, and both saw the same payload.

The owner of a deed calls `request()` in the transaction that makes its row wait. `approve()` and `reject()` commit the
decision on their own; then the owner's executor is called, after that commit, and runs a service with
`cause=approval_cause(approval)`, which claims it, so that doing it twice is harmless. A crash between the two leaves an
approved row that `execute_approved()` finds. Owners register their executors from AppConfig.ready.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from config.core import audit, deadletters, faultpoints
from config.core.errors import Conflict, DomainError, Forbidden, InvalidInput, NotFound
from config.core.models import Approval, DeadLetter, User
from config.core.money import Money

LIFETIME: Final = timedelta(hours=72)
MAX_EXECUTIONS: Final = 5
SOURCE: Final = "approval"
"""The source of the dead letters of deeds that were approved and cannot be done."""
_CANONICAL: Final = DjangoJSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

log = structlog.get_logger(__name__)


class SelfApprovalRefused(Forbidden):
    """Nobody decides what they asked for, superusers included."""

    code, status = "self_approval_refused", 403


class ApprovalNotPermitted(Forbidden):
    """The person may not decide approvals."""

    code, status = "approval_not_permitted", 403


class ApprovalExpired(Conflict):
    """Nobody decided in time: ask again."""

    code, status = "approval_expired", 409


class ApprovalChanged(Conflict):
    """What was asked for is not what is there now: the approval is void."""

    code, status = "approval_changed", 409


class ApprovalDecided(Conflict):
    """Somebody decided already."""

    code, status = "approval_decided", 409


class ApprovalPending(Conflict):
    """The same deed waits for a decision already, with another payload."""

    code, status = "approval_pending", 409


Execute = Callable[[Approval, datetime], None]
"""Does the approved deed; called outside any transaction, perhaps more than once. Raises DomainError if it cannot."""
Current = Callable[[Approval], Mapping[str, object]]
"""What the payload would be if it were asked for now."""
Settle = Callable[[Approval, datetime], None]
"""Tells the owner, in the transaction that decides it, that the deed will not be done (rejected, expired, void)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What the owner of an action registered."""

    execute: Execute
    current: Current | None
    on_refusal: Settle | None


_deeds: Final[dict[str, Deed]] = {}


def register_executor(
    action: str, execute: Execute, *, current: Current | None = None, on_refusal: Settle | None = None
) -> None:
    """Say who does the deeds of an action, what their payload would be now, and who hears that one is not done."""
    assert action not in _deeds, f"two executors of {action}"
    _deeds[action] = Deed(execute=execute, current=current, on_refusal=on_refusal)


def payload_hash(payload: Mapping[str, object]) -> str:
    """SHA-256 of the payload as canonical JSON: sorted keys, no spaces, UTF-8."""
    return hashlib.sha256(_CANONICAL.encode(payload).encode()).hexdigest()


def matches(approval: Approval, payload: Mapping[str, object]) -> bool:
    """Whether this is exactly what was asked for."""
    return approval.payload_hash == payload_hash(payload)


def approval_cause(approval: Approval) -> str:
    """What the owner's service claims in `core.inbox`."""
    return f"approval:{approval.pk}"


def request(
    *,
    action: str,
    object_type: str,
    object_id: str,
    payload: Mapping[str, object],
    maker: User | None,
    maker_name: str = "",
    reason: str,
    amount: Money | None = None,
    at: datetime,
    lifetime: timedelta = LIFETIME,
) -> Approval:
    """Ask for a deed; asking again for the same one gives the request that waits. Joins the caller's transaction.

    `maker` is None where a service asked: `maker_name` says which. Raises ApprovalPending when the deed waits with
    another payload, InvalidInput without a reason or a maker.
    """
    assert connection.in_atomic_block, "an approval is asked for in the transaction that makes the thing wait"
    name = maker_name or (maker.email if maker else "")
    if not reason.strip() or not name:
        raise InvalidInput("An approval needs a reason and somebody who asks.", field="reason")
    asked = Approval(
        action=action,
        object_type=object_type,
        object_id=object_id,
        payload=payload,
        payload_hash=payload_hash(payload),
        amount_minor=None if amount is None else amount.minor,
        currency="" if amount is None else amount.currency,
        maker=maker,
        maker_name=name,
        reason=reason,
        expires_at=at + lifetime,
    )
    Approval.objects.bulk_create([asked], ignore_conflicts=True)
    waiting = Approval.objects.get(
        action=action, object_type=object_type, object_id=object_id, status=Approval.Status.PENDING
    )
    if waiting.pk != asked.pk:
        if waiting.payload_hash != asked.payload_hash:
            raise ApprovalPending("This waits for a decision already; decide that first.")
        return waiting
    _record(waiting, f"user:{maker.email}" if maker else name, "requested", reason)
    faultpoints.reach("approval.requested")
    return waiting


def approve(*, approval_id: str, checker: User, reason: str = "", at: datetime) -> Approval:
    """Commit the yes, then have the deed done. Coordinates: must not be called inside a transaction.

    Raises NotFound, ApprovalDecided, SelfApprovalRefused, ApprovalNotPermitted, ApprovalExpired and ApprovalChanged;
    the last two leave the row expired or void. When the deed itself fails, the approval stands, its error is on the
    row, and it is tried again by `execute_approved()`.
    """
    approval, refusal = _approve(approval_id, checker, reason, at)
    if refusal is not None:
        raise refusal
    faultpoints.reach("approval.committed")
    return execute(approval_id=approval.pk, at=at)


@transaction.atomic(durable=True)
def reject(*, approval_id: str, checker: User, reason: str, at: datetime) -> Approval:
    """Commit the no. Raises as `approve()`, and InvalidInput without a reason."""
    if not reason.strip():
        raise InvalidInput("Say why it is rejected.", field="reason")
    approval = _take(approval_id, checker)
    _decide(approval, Approval.Status.REJECTED, checker=checker, reason=reason, at=at)
    return approval


def expire_overdue(*, at: datetime) -> int:
    """End the requests nobody decided in time; how many. Each in its own transaction, skipping locked rows."""
    overdue = Approval.objects.filter(status=Approval.Status.PENDING, expires_at__lte=at).order_by("expires_at")
    return sum(_expire(approval_id, at) for approval_id in list(overdue.values_list("pk", flat=True)[:1000]))


def execute_approved(*, at: datetime, limit: int = 100) -> int:
    """Do what was approved and is not done yet (a crash, or a deed that failed); how many were done."""
    waiting = Approval.objects.filter(
        status=Approval.Status.APPROVED, executed_at=None, execution_attempts__lt=MAX_EXECUTIONS
    )
    found = list(waiting.order_by("decided_at").values_list("pk", flat=True)[:limit])
    return sum(execute(approval_id=approval_id, at=at).executed_at is not None for approval_id in found)


def execute(*, approval_id: str, at: datetime) -> Approval:
    """Have one approved deed done; a failure is kept on the row and after five tries becomes a dead letter.

    Calls the owner outside any transaction: the owner's service opens its own and claims `approval_cause()`.
    """
    with transaction.atomic(durable=True):  # fails at once inside another transaction
        approval = Approval.objects.get(pk=approval_id)
    if approval.status != Approval.Status.APPROVED or approval.executed_at is not None:
        return approval
    deed = _deeds.get(approval.action)
    try:
        if deed is None:
            raise Conflict(f"Nobody does {approval.action}.")
        deed.execute(approval, at)
    except DomainError as error:
        _note_failure(approval_id, error)
    else:
        faultpoints.reach("approval.executed")
        Approval.objects.filter(pk=approval_id).update(executed_at=at, execution_error="")
    approval.refresh_from_db()
    return approval


def retry(letter: DeadLetter, at: datetime) -> None:
    """Give an approved deed its tries back: what requeuing a dead letter of ours means."""
    Approval.objects.filter(pk=letter.reference, executed_at=None).update(execution_attempts=0)


@transaction.atomic(durable=True)
def _approve(approval_id: str, checker: User, reason: str, at: datetime) -> tuple[Approval, DomainError | None]:
    """The yes; or a refusal whose mark on the row must be committed before it is raised."""
    approval = _take(approval_id, checker)
    if approval.expires_at <= at:
        _decide(approval, Approval.Status.EXPIRED, checker=None, reason="nobody decided in time", at=at)
        return approval, ApprovalExpired("Nobody decided in time. Please ask again.")
    deed = _deeds.get(approval.action)
    now = approval.payload if deed is None or deed.current is None else deed.current(approval)
    if not matches(approval, now) or not matches(approval, approval.payload):
        _decide(approval, Approval.Status.VOID, checker=None, reason="changed after it was asked for", at=at)
        return approval, ApprovalChanged("This was changed after it was asked for. Please ask again.")
    _decide(approval, Approval.Status.APPROVED, checker=checker, reason=reason, at=at)
    faultpoints.reach("approval.decided")
    return approval, None


def _take(approval_id: str, checker: User) -> Approval:
    approval = Approval.objects.select_for_update().filter(pk=approval_id).first()
    if approval is None:
        raise NotFound("There is no such approval.")
    if approval.maker_id == checker.pk:
        raise SelfApprovalRefused("You asked for this; somebody else has to decide.")
    if not checker.has_perm("core.decide_approval"):
        raise ApprovalNotPermitted("You may not decide approvals.")
    if approval.status != Approval.Status.PENDING:
        raise ApprovalDecided(f"This approval is {approval.get_status_display()} already.")
    return approval


def _decide(approval: Approval, status: Approval.Status, *, checker: User | None, reason: str, at: datetime) -> None:
    approval.status, approval.checker, approval.decision_reason, approval.decided_at = status, checker, reason, at
    approval.save(update_fields=["status", "checker", "decision_reason", "decided_at"])
    _record(approval, f"user:{checker.email}" if checker else "system", status.value, reason)
    deed = _deeds.get(approval.action)
    if status is not Approval.Status.APPROVED and deed is not None and deed.on_refusal is not None:
        deed.on_refusal(approval, at)


@transaction.atomic(durable=True)
def _expire(approval_id: str, at: datetime) -> bool:
    approval = (
        Approval.objects.select_for_update(skip_locked=True)
        .filter(pk=approval_id, status=Approval.Status.PENDING)
        .first()
    )
    if approval is None:
        return False
    _decide(approval, Approval.Status.EXPIRED, checker=None, reason="nobody decided in time", at=at)
    return True


@transaction.atomic(durable=True)
def _note_failure(approval_id: str, error: DomainError) -> None:
    approval = Approval.objects.select_for_update().get(pk=approval_id)
    approval.execution_attempts += 1
    approval.execution_error = f"{error.code}: {error.message}"
    approval.save(update_fields=["execution_attempts", "execution_error"])
    log.warning("approved deed failed", approval=approval.pk, action=approval.action, error_code=error.code)
    if approval.execution_attempts >= MAX_EXECUTIONS:
        deadletters.bury(
            source=SOURCE,
            topic=f"approval.{approval.action}",
            key=approval.object_id,
            reference=approval.pk,
            payload=approval.payload,
            headers={},
            error=approval.execution_error,
            attempts=approval.execution_attempts,
        )


def _record(approval: Approval, actor: str, word: str, reason: str) -> None:
    audit.record(
        actor=actor,
        action=f"approval.{word}",
        object_type=approval.object_type,
        object_id=approval.object_id,
        reason=reason,
        after={"approval": approval.pk, "action": approval.action, "payload_hash": approval.payload_hash},
    )
