"""Cash on delivery: money that a carrier collects and a person (or the carrier's event) confirms. No network at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from config.core import ids
from gateways.base import Gateway
from gateways.errors import ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, Report, ReportStatus
from gateways.requests import CheckoutRequest, QueryRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CashOnDelivery(Gateway):
    """A provider that never speaks: nothing to open, nothing to hear, and asked it only says "not yet"."""

    code: ClassVar[str] = "cod"
    notifies: ClassVar[bool] = False
    calls_to_open: ClassVar[bool] = False
    asks_payer: ClassVar[bool] = False

    def reference(self, number: int, at: datetime) -> str:
        """26 characters, to be printed on the parcel if need be."""
        return ids.crockford(number)

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """Nothing to open: the customer pays at the door."""
        return Checkout()

    def read_notification(self, message: HttpMessage) -> tuple[Report, ...]:
        """Nobody can report cash over HTTP. Raises ReportInvalid, always."""
        raise ReportInvalid("cod: there are no notifications of cash")

    def read_return(self, message: HttpMessage) -> Report:
        """There is no page to return from. Raises ReportInvalid, always."""
        raise ReportInvalid("cod: there is no return page")

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """Whoever calls here is mistaken."""
        return HttpReply(404)

    def query(self, request: QueryRequest) -> Report:
        """Still waiting, until a person or the carrier confirms."""
        return Report(reference=request.reference, status=ReportStatus.PENDING)
