"""What must never be wrong: stored secrets open, and the ledger balances."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _

from config.core import crypto, rotation
from config.core.crypto import CannotDecrypt
from config.core.fields import EncryptedField
from config.office.doctor.finding import Finding, ok, problem, warning
from ledger import selectors
from ledger import services as ledger

HORIZON_SECONDS: Final = 60.0
SAMPLE: Final = 3
"""Rows looked at from either end of each table: the oldest are under the oldest key."""


def keys_decrypt(at: datetime) -> Iterator[Finding]:
    """The oldest and newest encrypted values of every table."""
    part, shut = _("encryption keys"), []
    for model in rotation.encrypted_models():
        for order in ("pk", "-pk"):
            shut += [f"{model._meta.db_table} {row.pk}" for row in _sample(model, order) if not _opens(row)]
    if shut:
        words = _("%(count)d stored values do not open, the first is %(first)s.") % {
            "count": len(shut),
            "first": shut[0],
        }
        yield problem(
            part, words, _("Put the key they were stored under back into ENCRYPTION_KEYS, behind the newest.")
        )
        return
    told = {"newest": crypto.newest_key_id(), "count": len(settings.ENCRYPTION_KEYS)}
    yield ok(part, _("%(count)d key(s), the newest is %(newest)s") % told)


def _sample(model: type[models.Model], order: str) -> Iterator[models.Model]:
    yield from model._base_manager.order_by(order)[:SAMPLE]


def _opens(row: models.Model) -> bool:
    try:
        for field in row._meta.concrete_fields:
            if isinstance(field, EncryptedField):
                getattr(row, field.attname)
    except CannotDecrypt:
        return False
    return True


def ledger_balances(at: datetime) -> Iterator[Finding]:
    """Debits and credits, and how far behind the sums are; the whole proof is verify_ledger."""
    part, trial = _("ledger"), selectors.trial_balance()
    if not trial.is_balanced:
        wrong = ", ".join(sorted(currency for currency, (debit, credit) in trial.totals.items() if debit != credit))
        words = _("Debits and credits differ in %(currencies)s.") % {"currencies": wrong}
        yield problem(part, words, _("Stop payouts and run manage.py verify_ledger: it names the first bad journal."))
        return
    yield ok(part, _("debits equal credits in every currency"))
    age = ledger.horizon_age_seconds()
    if age > HORIZON_SECONDS:
        words = _("A transaction that is %(seconds)d seconds old holds up the folding of balances.") % {"seconds": age}
        yield warning(part, words, _("Find it in pg_stat_activity; balances stay right, and get slower."))
