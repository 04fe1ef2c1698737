"""What a fake provider must be able to do. The next gateway is one file with one of these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from gateways.sandbox.courier import Courier
from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import IPN_FAULTS, MONEY_FAULTS, Fault, Faults
from gateways.sandbox.state import Merchant, Payment, Transaction, World
from gateways.sandbox.timetable import Timetable
from gateways.sandbox.web import Response, Route


class Outcome(StrEnum):
    """What a payer, or the control API for them, can do with a payment."""

    PAY = "pay"
    DECLINE = "decline"
    INSUFFICIENT = "insufficient"
    EXPIRE = "expire"


@dataclass(slots=True, kw_only=True)
class Settings:
    """How the sandbox behaves without faults. `autopay` pays every new payment at once."""

    public_url: str
    autopay: bool = False
    link_minutes: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What all providers share."""

    world: World
    faults: Faults
    courier: Courier
    settings: Settings

    def take_money(self, payment: Payment, *, number: int | None = None) -> Transaction:
        """The payer's money moves, at the payment's `changed_ms`: its amount, or what a fault makes of that."""
        amount, struck = payment.amount, self.faults.take("pay", payment.order, MONEY_FAULTS)
        if Fault.WRONG_AMOUNT in struck:
            amount = struck[Fault.WRONG_AMOUNT].amount or max(payment.amount - 1000, 1)
            self.world.record("fault", provider=payment.provider, order=payment.order, fault=Fault.WRONG_AMOUNT)
        moved = Transaction(number=number or self.world.next_number(), amount=amount, at_ms=payment.changed_ms)
        payment.transactions.append(moved)
        return moved


class Provider(ABC):
    """One provider's side."""

    name: ClassVar[str]
    impossible: ClassVar[frozenset[Fault]] = frozenset()
    """Faults that this provider cannot have, such as a wrong currency where there is only one."""

    key_names: ClassVar[tuple[str, ...]]
    """What a merchant's keys are called here, in the order in which the command line takes them."""

    timetable: ClassVar[Timetable]
    """When it brings a message again that was not taken, with the document that says so."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @abstractmethod
    def routes(self) -> list[Route]:
        """Its API and its pay page."""

    @abstractmethod
    def merchants(self) -> list[Merchant]:
        """Merchants it knows from the start."""

    @abstractmethod
    def settle(self, payment: Payment, outcome: Outcome, *, again: bool = False, code: int | None = None) -> None:
        """Let the payment end so, and tell the merchant. `again` pays what has ended already: a second real payment,
        or late money. Raises BadRequest (409) where a payment has ended and `again` is not set."""

    @abstractmethod
    def notification(self, payment: Payment, kind: str) -> Parcel:
        """Its message about a payment as it is now: genuine, forged, tampered or processing."""

    @abstractmethod
    def custom_notification(self, fields: Mapping[str, object]) -> Parcel:
        """A message with these fields, truly signed. Raises BadRequest."""

    @abstractmethod
    def error(self, code: int) -> Response:
        """Its answer when it refuses with this code."""

    @abstractmethod
    def tamper(self, response: Response) -> Response:
        """An answer of its own, changed on the way."""

    def announce(self, payment: Payment) -> None:
        """Send the notification of a payment's result, as well or as badly as the faults in force want it."""
        parcels, after_seconds = self.parcels(payment)
        if parcels:
            self.sandbox.courier.send(parcels, after_seconds=after_seconds)

    def parcels(self, payment: Payment) -> tuple[list[Parcel], float]:
        """What to send for a payment's result and after how many seconds."""
        struck = self.sandbox.faults.take("ipn", payment.order, IPN_FAULTS)
        for fault in struck:
            self.sandbox.world.record("fault", provider=self.name, order=payment.order, fault=fault, operation="ipn")
        if Fault.LOST_IPN in struck or not payment.notify_url:
            return [], 0.0
        true = self.notification(payment, "tampered" if Fault.TAMPER in struck else "genuine")
        parcels = [true]
        if Fault.FORGED in struck:
            parcels.insert(0, self.notification(payment, "forged"))
        if Fault.DUPLICATE in struck:
            parcels += [true] * struck[Fault.DUPLICATE].copies
        if Fault.OUT_OF_ORDER in struck:
            parcels.append(self.notification(payment, "processing"))
        return parcels, struck[Fault.LATE].seconds if Fault.LATE in struck else 0.0
