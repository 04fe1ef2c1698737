"""Model fields that are encrypted in the database and plain on the instance.

The token is bound to `table.column:primary key`, so a row needs its id before it is saved (ours are made in Python),
and a value that somebody moves to another row does not open. A value is opened when it is first read, so a list that
does not show it never decrypts it. `values()` and `values_list()` give a `Sealed`, which shows nothing.

What is not the row's own save is refused with a TypeError: `update(field="plain")`, `bulk_update`, a filter by plain
text. To look something up, keep a BlindIndexField beside it. What is empty has nothing to hide and is stored empty.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from config.core import crypto

_ENCODER: Final = DjangoJSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class Sealed:
    """A token as it stands in the database; it never shows itself."""

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token

    def __repr__(self) -> str:
        return "<encrypted>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)


class EncryptedAttribute(DeferredAttribute):
    """Opens the value of a row when it is first read, and keeps it opened on that instance."""

    field: EncryptedField

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is not None and isinstance(value, Sealed):
            value = self.field.open(value, instance)
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedField(models.Field):  # type: ignore[type-arg]  # not generic at run time
    """The common part; a subclass says how its value becomes bytes and comes back. None stays NULL."""

    descriptor_class = EncryptedAttribute
    empty: Callable[[], Any] = str

    def get_internal_type(self) -> str:
        return "TextField"

    def to_bytes(self, value: Any) -> bytes:
        """The value as it is encrypted."""
        raise NotImplementedError

    def from_bytes(self, body: bytes) -> Any:
        """The value of decrypted bytes."""
        raise NotImplementedError

    def context(self, primary_key: object) -> str:
        """Where a value of this field belongs."""
        if primary_key is None:
            raise TypeError(f"{self} is bound to its row: the row needs its id before it is saved.")
        return f"{self.model._meta.db_table}.{self.column}:{primary_key}"

    def open(self, sealed: Sealed, instance: models.Model) -> Any:
        """The plain value of a row's token. Raises CannotDecrypt when it is damaged or another row's."""
        return self.from_bytes(crypto.decrypt(sealed.token, context=self.context(instance.pk)))

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        """Only the instance knows its row, so opening waits until the value is read there."""
        if value is None:
            return None
        return Sealed(value) if value else self.empty()

    def pre_save(self, instance: models.Model, add: bool) -> Any:
        """The token to be stored; one that was never opened is checked and stays as it is."""
        value = instance.__dict__[self.attname]
        if isinstance(value, Sealed):
            self.open(value, instance)  # a copy under another id fails here, not when somebody needs it
            return value
        if value is None or value == self.empty():
            return value
        return Sealed(crypto.encrypt(self.to_bytes(value), context=self.context(instance.pk)))

    def get_prep_value(self, value: Any) -> str | None:
        """A token for SQL. Raises TypeError for anything plain."""
        if value is None:
            return None
        if isinstance(value, Sealed):
            return value.token
        if value == self.empty():
            return ""
        raise TypeError(f"{self} takes part in no query: save the row, or look it up by a blind index.")


class EncryptedTextField(EncryptedField):
    """Text, such as a name or an account number."""

    def to_bytes(self, value: Any) -> bytes:
        return str(value).encode()

    def from_bytes(self, body: bytes) -> str:
        return body.decode()

    def to_python(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str | Sealed) else str(value)


class EncryptedJSONField(EncryptedField):
    """Anything JSON can say, such as a gateway's credentials."""

    empty = dict

    def to_bytes(self, value: Any) -> bytes:
        return _ENCODER.encode(value).encode()

    def from_bytes(self, body: bytes) -> Any:
        return json.loads(body)


class EncryptedBytesField(EncryptedField):
    """Raw bytes, such as the body of a notification."""

    empty = bytes

    def to_bytes(self, value: Any) -> bytes:
        return bytes(value)

    def from_bytes(self, body: bytes) -> bytes:
        return body


def as_it_is(value: str) -> str:
    """The normal form of a text that has none."""
    return value


class BlindIndexField(models.CharField):  # type: ignore[type-arg]  # not generic at run time
    """What an encrypted text field beside it is looked up by; filled on every save, empty when there is no value.

    `normalise` makes spellings of one thing equal before hashing. Look up with
    `filter(email_index__in=crypto.blind_indexes(normalise(value), purpose=...))`.
    """

    def __init__(
        self, *, source: str, purpose: str, normalise: Callable[[str], str] = as_it_is, **options: Any
    ) -> None:
        self.source, self.purpose, self.normalise = source, purpose, normalise
        super().__init__(**{"max_length": 64, "blank": True, "editable": False, "db_index": True, **options})

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "source": self.source, "purpose": self.purpose}

    def index_of(self, plain: str | None) -> str:
        """The index of a plain value under the newest key; empty for none."""
        return crypto.blind_index(self.normalise(plain), purpose=self.purpose) if plain else ""

    def pre_save(self, instance: models.Model, add: bool) -> str:
        value = self.index_of(getattr(instance, self.source))
        setattr(instance, self.attname, value)
        return value
