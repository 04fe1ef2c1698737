"""What happened to a dispute, one line after the other, and its place in the audit trail."""

from __future__ import annotations

from datetime import datetime

from config.core import audit, context
from payments.models import AttemptEvent, Dispute, DisputeEvent


def note(
    dispute: Dispute,
    what: str,
    *,
    was: str | None = None,
    source: AttemptEvent.Source,
    actor: str,
    at: datetime,
    reason: str = "",
) -> None:
    """Write one line of history and of the audit trail. Joins the commit of what it tells."""
    DisputeEvent.objects.create(
        dispute=dispute,
        what=what[:40],
        from_status=dispute.status if was is None else was,
        to_status=dispute.status,
        source=source,
        actor=actor,
        reason=reason[:250],
        request_id=context.get().request_id,
        at=at,
    )
    audit.record(
        actor=actor,
        action=f"dispute.{what}",
        object_type="dispute",
        object_id=dispute.id,
        reason=reason,
        after={"status": str(dispute.status), "withdrawn_minor": dispute.withdrawn_minor, "booked": dispute.booked},
    )
