"""What some gateways can do besides: an adapter implements what its provider can, and no door offers the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

from gateways.channels import ChannelState
from gateways.notifications import HttpMessage
from gateways.reports import CardAnswer, CloseReport, DisputeReport, Report
from gateways.requests import (
    CaptureRequest,
    CardRequest,
    CheckoutRequest,
    CloseRequest,
    Evidence,
    PayoutRequest,
    RefundRequest,
)
from gateways.settlement.lines import SettlementFile


@runtime_checkable
class Refunds(Protocol):
    """A provider that can send money back."""

    def refund(self, request: RefundRequest) -> Report:
        """Ask for a refund. Report.about is REFUND. Raises GatewayUnavailable (unknown) or GatewayRejected."""
        ...

    def query_refund(self, request: RefundRequest) -> Report:
        """Ask about a refund. NOT_FOUND when the gateway surely has none by that reference."""
        ...


@runtime_checkable
class Payouts(Protocol):
    """A provider that sends our money to somebody's bank account or wallet."""

    def create_payout(self, request: PayoutRequest) -> Report:
        """Send it. Report.about is PAYOUT; PAID is when it arrived. Raises GatewayUnavailable (unknown: ask before it
        is sent again, and send it again by the same reference) or GatewayRejected (a definite no).
        """
        ...

    def query_payout(self, request: PayoutRequest) -> Report:
        """Ask about a payout; one that was PAID may still come back as FAILED. NOT_FOUND when the gateway surely has
        none by that reference. Raises GatewayUnavailable.
        """
        ...


@runtime_checkable
class Captures(Protocol):
    """A provider that can authorise first."""

    def capture(self, request: CaptureRequest) -> Report:
        """Take authorised money. Raises GatewayUnavailable or GatewayRejected."""
        ...

    def cancel_authorization(self, request: CaptureRequest) -> Report:
        """Give authorised money free. Raises GatewayUnavailable or GatewayRejected."""
        ...


@runtime_checkable
class Closes(Protocol):
    """A provider that can close a payment which was opened and not paid."""

    def close(self, request: CloseRequest) -> CloseReport:
        """Close it, so that nobody can pay it any more. One that is over or was paid stays as it is, and is told.

        Raises GatewayRejected where it can still be paid and the provider does not close it, GatewayUnavailable:
        unknown, may be sent again under another `operation_id`.
        """
        ...


@runtime_checkable
class Confirms(Protocol):
    """A provider whose notifications prove too little: what they tell is asked for again before it is believed."""

    def confirm(self, report: Report) -> Report | DisputeReport:
        """The provider's own word on what a message told; the report itself where nothing needs asking.

        What looked like a refusal may turn out to be a dispute. Raises GatewayUnavailable: then the message waits and
        is tried again.
        """
        ...


@runtime_checkable
class Echoes(Protocol):
    """A provider that wants its notification sent back to it, besides the answer."""

    def echo(self, message: HttpMessage) -> None:
        """Send it back, after it was committed. Raises GatewayUnavailable."""
        ...


@runtime_checkable
class Cards(Protocol):
    """A provider that charges a card by a token, which its own form made of the number."""

    card_channel: ClassVar[str]
    """The channel by which such a payment is opened."""

    def confirm_card(self, request: CardRequest) -> CardAnswer:
        """Pay with a token. Raises GatewayRejected: `by_payer` is a refused card, and `raw["decline"]` what its holder
        may know; GatewayUnavailable: unknown."""
        ...

    def look_at_card(self, request: CardRequest) -> CardAnswer:
        """What the payment is waiting for; the token plays no part. Raises GatewayUnavailable."""
        ...

    def test_token(self, number: str) -> str | None:
        """The token that stands for a test card's number, "" for any other; None where no number may be taken at all:
        anywhere but at a sandbox of ours."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A provider whose script opens its way to pay on a page of the shop's own."""

    def embedded_checkout(self, request: CheckoutRequest) -> Mapping[str, str]:
        """What the script wants of one attempt; for the customer only. Raises GatewayRejected."""
        ...

    def has_channel(self, code: str) -> bool:
        """Whether this is one of the ways to pay that the script knows."""
        ...


@runtime_checkable
class Disputes(Protocol):
    """A provider at which a dispute is answered by calls. Elsewhere it is answered by e-mail or in its portal."""

    def query_dispute(self, dispute_id: str) -> DisputeReport:
        """Ask about a dispute. Raises GatewayUnavailable or GatewayRejected."""
        ...

    def submit_evidence(self, dispute_id: str, evidence: Evidence) -> DisputeReport:
        """Contest a dispute, once and for all. Raises GatewayUnavailable or GatewayRejected."""
        ...

    def accept_dispute(self, dispute_id: str) -> DisputeReport:
        """Give a dispute up: the loss is ours. Raises GatewayUnavailable or GatewayRejected."""
        ...


@runtime_checkable
class TellsChannels(Protocol):
    """An adapter whose gateway tells which channels are up."""

    def channel_status(self, *, at: datetime) -> tuple[ChannelState, ...]:
        """Ask once, without trying again. Raises GatewayUnavailable."""
        ...


@runtime_checkable
class SettlementFiles(Protocol):
    """A provider whose settlement files we can read."""

    def read_settlement(self, content: bytes, *, name: str) -> SettlementFile:
        """The lines of a file. Raises SettlementUnreadable naming row and column. Reading it twice gives the same."""
        ...


@runtime_checkable
class SettlementApi(Protocol):
    """A provider that tells settlements by calls."""

    def settlements(self, *, since: datetime, until: datetime) -> Iterator[SettlementFile]:
        """Each payout of that span with its lines, oldest first. Raises GatewayUnavailable."""
        ...
