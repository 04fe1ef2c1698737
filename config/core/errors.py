"""Errors a caller can act on. `code` is part of the API and never changes; `status` is always stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class DomainError(Exception):
    """The root. A subclass states its code and HTTP status; an instance says in a sentence what is wrong.

    `field` names the input at fault as a JSON pointer's last part, `facts` are safe to show to the caller.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, field: str = "", facts: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.facts = dict(facts or {})


class NotFound(DomainError):
    """There is no such thing, or it is not the caller's: the two look the same from outside."""

    code, status = "not_found", 404


class Forbidden(DomainError):
    """The caller is known, and may not."""

    code, status = "forbidden", 403


class InvalidInput(DomainError):
    """The request cannot be understood or breaks a rule about its own fields."""

    code, status = "invalid_input", 422


class Conflict(DomainError):
    """The thing is not in a state that allows this."""

    code, status = "conflict", 409


class Unavailable(DomainError):
    """Something we depend on does not answer; the same request may work later."""

    code, status, retryable = "temporarily_unavailable", 503, True
