"""The one interface of all payment providers.

Frozen dataclasses go in (requests.py, notifications.py) and come out (reports.py). An adapter speaks HTTP and Money,
knows nothing of our database and changes nothing of ours. What it can do besides is in abilities.py, what can go wrong
in errors.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import ClassVar

from gateways.abilities import Cards, Refunds
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, DisputeReport, Report
from gateways.requests import CheckoutRequest, QueryRequest


class Gateway(ABC):
    """One payment provider. A frozen dataclass of its own settings; its fields are the keys of a GatewayAccount."""

    code: ClassVar[str]
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    """Settings that are stored encrypted and never shown."""
    notifies: ClassVar[bool] = True
    """Whether the provider reports payments by itself; False for money that a person confirms (COD, bank transfer)."""
    asks_payer: ClassVar[bool] = True
    """Whether the customer pays by what we show (a page, a QR, an account); False for cash at the door."""
    calls_to_open: ClassVar[bool] = True
    """Whether opening a payment calls the provider; False where we sign the pay address ourselves, or tell nobody."""
    has_short_references: ClassVar[bool] = False
    """Whether two references could be alike by chance: then a new one is looked up before it is given out."""
    refund_reference_lasts: ClassVar[timedelta | None] = None
    """How long a refund's reference keeps it from being paid twice when it is sent again; None: for ever."""
    proof_headers: ClassVar[tuple[str, ...]] = ()
    """Headers (lower case) that prove a notification: kept encrypted beside it, so that it can be verified again."""

    @abstractmethod
    def reference(self, number: int, at: datetime) -> str:
        """What the provider calls our attempt or refund: pure, within its limits, unique while `number` is.

        `number` is the 128-bit number inside our id.
        """

    @abstractmethod
    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Open a payment. Raises GatewayUnavailable (unknown) or GatewayRejected (a definite no)."""

    @abstractmethod
    def read_notification(self, message: HttpMessage) -> tuple[Report | DisputeReport, ...]:
        """What an IPN says; nothing (an authentic message that does not concern us) is an empty tuple.

        Raises ReportInvalid unless its signature holds and it is this account's.
        """

    @abstractmethod
    def read_return(self, message: HttpMessage) -> Report:
        """What a browser's return says; shown, never believed. Raises ReportInvalid."""

    @abstractmethod
    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """The provider's own words back; `message` is what we answer, for those who want it back."""

    @abstractmethod
    def query(self, request: QueryRequest) -> Report:
        """Ask about an attempt. Raises GatewayUnavailable; never guesses."""

    def can_open_later(self, channel: str) -> bool:
        """Whether a payment by this channel may be opened after the request that wants it was answered.

        Not where nothing is called that one could wait for, and not where the provider answers with a secret for the
        payer's browser, which nobody keeps.
        """
        return self.calls_to_open and not (isinstance(self, Cards) and channel == self.card_channel)

    def can_refund(self, channel: str) -> bool:
        """Whether money paid by this channel of a method can be sent back through the provider."""
        return isinstance(self, Refunds)
