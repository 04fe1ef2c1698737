"""Documents for a dispute: taken, checked by their first bytes, kept encrypted, shown to those who may."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final

from django.db import transaction

from config.core import audit
from payments.errors import DisputeRefused, EvidenceRefused
from payments.models import AttemptEvent, DisputeEvidence
from payments.services import locks
from payments.services.dispute_history import note

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_FILES: Final = 20
KINDS: Final = {
    b"%PDF-": ("application/pdf", "pdf"),
    b"\x89PNG\r\n\x1a\n": ("image/png", "png"),
    b"\xff\xd8\xff": ("image/jpeg", "jpg"),
}
"""How each kind we take begins; what a sender calls a file proves nothing."""
_UNSAFE: Final = re.compile(r"[^\w.\- ]+")


@transaction.atomic(durable=True)
def add(
    *,
    dispute_id: str,
    name: str,
    content: bytes,
    purpose: DisputeEvidence.Purpose,
    source: AttemptEvent.Source,
    actor: str,
    at: datetime,
) -> DisputeEvidence:
    """Keep a document for a dispute that waits for us. The same bytes again are the same document.

    Raises DisputeNotFound, DisputeRefused when it can no longer be answered, EvidenceRefused for another kind than PDF,
    PNG or JPEG, above 5 MB, empty, or one too many.
    """
    content_type, ending = kind_of(content)
    dispute = locks.dispute(dispute_id)
    if not dispute.waits_for_us:
        raise DisputeRefused("This dispute does not wait for evidence.", facts={"status": str(dispute.status)})
    digest = hashlib.sha256(content).hexdigest()
    kept: DisputeEvidence | None = dispute.evidence.filter(sha256=digest).first()
    if kept is not None:
        return kept
    if dispute.evidence.count() >= MAX_FILES:
        raise EvidenceRefused(f"A dispute takes {MAX_FILES} documents.", field="file")
    made: DisputeEvidence = DisputeEvidence.objects.create(
        dispute=dispute,
        purpose=purpose,
        name=_safe(name, ending),
        content_type=content_type,
        size=len(content),
        sha256=digest,
        content=content,
        added_by=actor,
        added_at=at,
    )
    note(dispute, "evidence_added", source=source, actor=actor, at=at, reason=f"{purpose.value}: {made.name}")
    return made


def kind_of(content: bytes) -> tuple[str, str]:
    """The media type and ending of a document by its first bytes. Raises EvidenceRefused."""
    if not content:
        raise EvidenceRefused("The file is empty.", field="file")
    if len(content) > MAX_BYTES:
        raise EvidenceRefused("A file is 5 MB at most.", field="file")
    for beginning, kind in KINDS.items():
        if content.startswith(beginning):
            return kind
    raise EvidenceRefused("Evidence is a PDF, PNG or JPEG file.", field="file")


@transaction.atomic(durable=True)
def read(*, evidence_id: str, actor: str) -> DisputeEvidence:
    """A document with its content, for a person; who opened it is kept. Raises DisputeRefused where there is none."""
    found: DisputeEvidence | None = DisputeEvidence.objects.filter(id=evidence_id).first()
    if found is None:
        raise DisputeRefused("There is no such document.")
    audit.record(
        actor=actor, action="dispute.evidence_read", object_type="dispute", object_id=found.dispute_id,
        after={"evidence": found.id},
    )  # fmt: skip
    return found


def _safe(name: str, ending: str) -> str:
    """A file name that is only a name, with the ending of what it is."""
    stem = _UNSAFE.sub("_", name.rpartition("/")[2].rpartition("\\")[2]).strip(" .") or "document"
    stem = stem.rpartition(".")[0] or stem
    return f"{stem[:100]}.{ending}"
