"""The audit trail: who did what to which thing, and why, in the commit of the deed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from config.core import context, writes

# Raw, because every capture and refund writes one: the ORM costs ten times as much here.
INSERT: Final = """
    INSERT INTO core_auditentry
        (actor, action, object_type, object_id, reason, before, after, request_id, trace_id, ip, created_at)
    VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s, %s::inet, now())
"""
_ENCODER: Final = DjangoJSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def record(
    *,
    actor: str,
    action: str,
    object_type: str,
    object_id: str,
    reason: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Keep one deed for ever (RELIABILITY I12). Joins the caller's transaction and asserts that there is one.

    `actor` is user:email, key:name, customer:hash, gateway:code or system. Request id, trace id and address come from
    the context. Secrets and personal data do not belong into `before` and `after`.
    """
    assert connection.in_atomic_block, "an audit entry is written in the transaction of the deed"
    here = context.get()
    values = (
        actor,
        action,
        object_type,
        object_id,
        reason,
        None if before is None else _ENCODER.encode(before),
        None if after is None else _ENCODER.encode(after),
        here.request_id,
        here.trace_id,
        here.ip,
    )
    writes.write("core_auditentry", INSERT, values)
