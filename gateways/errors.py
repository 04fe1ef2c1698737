"""What can go wrong between a gateway and us: three errors say all that a caller must know."""

from __future__ import annotations

from collections.abc import Mapping


class GatewayError(Exception):
    """The root of what can go wrong between a gateway and us. Never shown to a customer as it is."""

    def __init__(self, message: str, *, code: str = "", raw: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.raw = dict(raw or {})


class GatewayUnavailable(GatewayError):
    """No usable answer: the outcome is unknown and must be asked for later, never guessed.

    `never_sent` is True only where no byte of the request can have reached the gateway (refused connection, DNS):
    then, and only then, the same request may be sent again.
    """

    def __init__(
        self, message: str, *, code: str = "", raw: Mapping[str, object] | None = None, never_sent: bool = False
    ) -> None:
        super().__init__(message, code=code, raw=raw)
        self.never_sent = never_sent


class GatewayRejected(GatewayError):
    """A definite no: nothing happened at the gateway, and nothing will.

    `retry_after_seconds` is above zero where the gateway says that a *new* request may succeed later. `by_payer`: the
    payer, their bank or their card said no, so that asking elsewhere at once would only bother them again.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        raw: Mapping[str, object] | None = None,
        retry_after_seconds: int = 0,
        by_payer: bool = False,
    ) -> None:
        super().__init__(message, code=code, raw=raw)
        self.retry_after_seconds = retry_after_seconds
        self.by_payer = by_payer


class ReportInvalid(GatewayError):
    """A message that proves nothing: bad signature, unreadable, another merchant's. We learned nothing."""
