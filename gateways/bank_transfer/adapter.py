"""Bank transfer by VietQR: the payer sends money to our bank account, and the bank's statement says that it came.

There is no provider and no network: we show a QR and an account, and believe finance and the statement
(payments/services/transfers.py). Sources: gateways/bank_transfer/vietqr.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from gateways.bank_transfer import formats, vietqr
from gateways.bank_transfer import reference as transfer_reference
from gateways.base import Gateway
from gateways.errors import GatewayRejected, ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage, HttpReply
from gateways.reports import Checkout, Report, ReportStatus
from gateways.requests import CheckoutRequest, QueryRequest
from gateways.settlement.columns import ColumnMap

REFERENCE: Final = "{reference}"
DETAILS: Final = "transfer"
"""The key in a checkout's response under which the customer's instructions are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankTransfer(Gateway):
    """One bank account of ours.

    `bank` is the short name that the ledger's account carries (vcb: bank:vcb), `bank_bin` the bank's six digits at
    NAPAS. `template` is the text of the transfer around {reference}. `statement_columns` is a ColumnMap as JSON for
    this account's statements; empty is the built-in map of its bank, or the generic one.
    """

    code: ClassVar[str] = "bank_transfer"
    notifies: ClassVar[bool] = False
    calls_to_open: ClassVar[bool] = False
    has_short_references: ClassVar[bool] = True

    bank: str
    bank_bin: str
    account_number: str
    account_name: str
    bank_name: str
    template: str = REFERENCE
    statement_columns: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse settings that no transfer can reach us by. Raises ValueError naming the field."""
        rules = {
            "bank": r"[a-z0-9_-]{1,20}",
            "bank_bin": r"\d{6}",
            "account_number": r"[A-Za-z0-9]{1,19}",
            "account_name": r".{1,70}",
            "bank_name": r".{1,70}",
        }
        for name, rule in rules.items():
            if not re.fullmatch(rule, getattr(self, name), re.ASCII):
                raise ValueError(f"{name} is odd; it must be like {rule}")
        text = self.template.replace(REFERENCE, "2" * transfer_reference.LENGTH)
        if self.template.count(REFERENCE) != 1 or not re.fullmatch(r"[A-Za-z0-9 -]{1,25}", text, re.ASCII):
            raise ValueError("template must hold {reference} once, and letters, digits, spaces: 25 characters in all")
        if not re.search(r"(?<![A-Za-z0-9])\{reference\}(?![A-Za-z0-9])", self.template):
            raise ValueError("template must leave a space around {reference}")
        try:
            self.columns("")
        except ValueError as error:
            raise ValueError(f"statement_columns: {error}") from error

    def columns(self, bank: str) -> ColumnMap:
        """How to read a statement: a named bank's built-in map, else this account's own. Raises ValueError."""
        if bank:
            try:
                return formats.FORMATS[bank.lower()]
            except KeyError:
                names = ", ".join(sorted(formats.FORMATS))
                raise ValueError(f"there are no columns for {bank!r}; there are {names}") from None
        if self.statement_columns:
            return ColumnMap.from_settings(self.statement_columns)
        return formats.FORMATS.get(self.bank, formats.GENERIC)

    def reference(self, number: int, at: datetime) -> str:
        """Ten unmistakable characters and a check character, which the payer writes into the transfer."""
        return transfer_reference.make(number)

    def create_checkout(self, request: CheckoutRequest) -> Checkout:
        """The QR and what it says in words. Raises GatewayRejected for anything but whole đồng."""
        if request.money.currency != "VND" or not 0 < request.money.minor < 10**vietqr.MAX_AMOUNT_DIGITS:
            raise GatewayRejected("a bank transfer is of đồng", code="currency")
        text = self.template.replace(REFERENCE, request.reference)
        details = {
            "bank_name": self.bank_name,
            "account_number": self.account_number,
            "account_name": self.account_name,
            "amount": str(request.money),
            "text": text,
        }
        qr = vietqr.payload(
            bank_bin=self.bank_bin, account_number=self.account_number, amount_minor=request.money.minor, text=text
        )
        return Checkout(qr_text=qr, response={DETAILS: details})

    def read_notification(self, message: HttpMessage) -> tuple[Report, ...]:
        """Nobody reports a transfer over HTTP. Raises ReportInvalid, always."""
        raise ReportInvalid("bank_transfer: there are no notifications of transfers")

    def read_return(self, message: HttpMessage) -> Report:
        """There is no page to return from. Raises ReportInvalid, always."""
        raise ReportInvalid("bank_transfer: there is no return page")

    def acknowledge(self, outcome: Acknowledgement, message: HttpMessage | None = None) -> HttpReply:
        """Whoever calls here is mistaken."""
        return HttpReply(404)

    def query(self, request: QueryRequest) -> Report:
        """Still waiting, until finance or a statement says that it came."""
        return Report(reference=request.reference, status=ReportStatus.PENDING)
