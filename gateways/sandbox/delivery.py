"""A message to a merchant: what is sent, and what has become of it so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateways.sandbox.timetable import Timetable


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One notification, ready to go. `kind` says in the log what it truly is (genuine, forged, ...)."""

    provider: str
    order: str
    url: str
    body: bytes
    timetable: Timetable
    kind: str = "genuine"
    method: str = "POST"  # with GET everything is in the url
    headers: Mapping[str, str] = field(default_factory=dict)
    is_taken: Callable[[int, bytes], bool] = lambda status, body: 200 <= status < 300
    """Whether an answer (HTTP status, body) ends the provider's tries."""
    sign: Callable[[bytes], Mapping[str, str]] | None = None  # headers that are made anew for every try
    body_again: bytes = b""  # what later tries carry, where that differs


class DeliveryState(StrEnum):
    """Where a message is."""

    SENDING = "sending"
    WAITING = "waiting"
    TAKEN = "taken"
    GIVEN_UP = "given_up"


@dataclass(slots=True, kw_only=True)
class Delivery:
    """A parcel on its way. `tried` of at most `tries`; `due` is the moment (monotonic seconds) of the next one."""

    number: int
    parcel: Parcel
    tries: int
    tried: int = 0
    state: DeliveryState = DeliveryState.SENDING
    status: int = 0
    error: str = ""
    due: float = 0.0

    def body(self) -> bytes:
        """What the present try carries."""
        return self.parcel.body_again if self.tried > 1 and self.parcel.body_again else self.parcel.body
