"""The inbox: an outside cause (a consumed event, a notification, an approval) counts once, for as long as its mark is kept."""

from __future__ import annotations

from typing import Final

from django.db import connection

INSERT: Final = "INSERT INTO core_inboxclaim (cause, claimed_at) VALUES (%s, now()) ON CONFLICT (cause) DO NOTHING"


def claim(cause: str) -> bool:
    """True the first time only. Joins the caller's transaction and asserts that there is one.

    Of two transactions that claim at once the second waits for the first: it gets False if that commits, True if it is
    rolled back. `cause` names source and id, such as `kafka:evt_...` or `approval:apr_...`.
    """
    assert connection.in_atomic_block, "a cause is claimed in the transaction of the service it causes"
    assert cause, "a cause has a name"
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (cause,))
        return bool(cursor.rowcount == 1)
