"""Key rotation: every encrypted value of every model comes under the newest key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db import models, transaction

from config.core import crypto
from config.core.fields import BlindIndexField, EncryptedField, Sealed

BATCH: Final = 500


@dataclass(slots=True)
class Rotation:
    """What became of one table."""

    table: str
    rows: int = 0  # looked at
    reencrypted: int = 0  # values brought, or to be brought, under the newest key


def encrypted_models() -> list[type[models.Model]]:
    """Every model of ours with an encrypted column, by table."""
    found = [model for model in apps.get_models() if model._meta.managed and _encrypted_fields(model)]
    return sorted(found, key=lambda model: model._meta.db_table)


def rotate(
    *, dry_run: bool = False, on_batch: Callable[[Rotation], None] = lambda rotation: None
) -> Iterator[Rotation]:
    """Bring all values under the newest key, table by table; a stopped run is started again. Coordinates.

    Each batch is its own transaction with its rows locked, so nobody's change is overwritten. Raises CannotDecrypt at a
    value that no key of the ring opens.
    """
    for model in encrypted_models():
        rotation = Rotation(model._meta.db_table)
        last: Any = None
        while (last := _batch(model, after=last, dry_run=dry_run, rotation=rotation)) is not None:
            on_batch(rotation)
        yield rotation


@transaction.atomic(durable=True)
def _batch(model: type[models.Model], *, after: Any, dry_run: bool, rotation: Rotation) -> Any:
    """Rotate the rows after a primary key; the last one's, or None when there are no more."""
    names = [field.attname for field in _encrypted_fields(model)]
    rows = model._base_manager.order_by("pk").only("pk", *names, *(field.source for field in _indexes(model)))
    if after is not None:
        rows = rows.filter(pk__gt=after)
    last = None
    for row in rows.select_for_update(of=("self",))[:BATCH]:
        last = row.pk
        rotation.rows += 1
        changes = _changes(row)
        rotation.reencrypted += sum(isinstance(value, Sealed) for value in changes.values())
        if changes and not dry_run:
            model._base_manager.filter(pk=row.pk).update(**changes)
    return last


def _changes(row: models.Model) -> dict[str, object]:
    """New tokens of what is under an older key, and the blind indexes made of them."""
    changes: dict[str, object] = {}
    for field in _encrypted_fields(type(row)):
        sealed = row.__dict__[field.attname]
        if isinstance(sealed, Sealed) and crypto.key_id_of(sealed.token) != crypto.newest_key_id():
            plain = crypto.decrypt(sealed.token, context=field.context(row.pk))
            changes[field.attname] = Sealed(crypto.encrypt(plain, context=field.context(row.pk)))
    for index in _indexes(type(row)):
        if index.source in changes:
            changes[index.attname] = index.index_of(getattr(row, index.source))
    return changes


def _encrypted_fields(model: type[models.Model]) -> list[EncryptedField]:
    return [field for field in model._meta.local_concrete_fields if isinstance(field, EncryptedField)]


def _indexes(model: type[models.Model]) -> list[BlindIndexField]:
    return [field for field in model._meta.local_concrete_fields if isinstance(field, BlindIndexField)]
