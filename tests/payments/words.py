"""Short words for the services' tests: open a payment, hear a notification, read the books."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from django.utils import timezone

from gateways.notifications import HttpMessage, HttpReply
from ledger.models import JournalEntry, Posting
from payments.models import Order, PaymentMethod
from payments.services import checkout, notifications
from payments.services.checkout import NewPayment
from payments.services.sending import Opened

MINUTE: Final = timedelta(minutes=1)


@pytest.fixture
def at() -> datetime:
    """The moment a test begins."""
    return timezone.now()


@pytest.fixture
def pay(momo_method: PaymentMethod) -> Callable[..., Opened]:
    """Open a payment of an order by MoMo, as a system caller: `pay(order, at=..., idempotency_key=...)`."""

    def opened(order: Order, *, at: datetime | None = None, method: PaymentMethod | None = None, **wish: Any) -> Opened:
        return checkout.create_payment(
            wish=NewPayment(
                order_id=order.order_id,
                method=method or momo_method,
                client="tests",
                actor="system:tests",
                **wish,
            ),
            at=at or timezone.now(),
        )

    return opened


@pytest.fixture
def hear() -> Callable[..., HttpReply]:
    """Hear one notification of MoMo's, raw bytes in, MoMo's reply out."""

    def heard(body: bytes, *, at: datetime | None = None, account: str = "momo") -> HttpReply:
        message = HttpMessage(
            method="POST", path="/v1/transaction/callback", headers={"content-type": "application/json"}, body=body
        )
        return notifications.receive_notification(
            account_code=account, message=message, remote_ip="127.0.0.1", at=at or timezone.now()
        )

    return heard


Book = dict[str, int]


@pytest.fixture
def books() -> Callable[[], dict[str, Book]]:
    """Every journal by its key, as account -> amount, debit above zero."""

    def read() -> dict[str, Book]:
        found: dict[str, Book] = {}
        for journal in JournalEntry.objects.order_by("id"):
            book = found.setdefault(journal.reference, {})
            for line in Posting.objects.filter(journal=journal).select_related("account"):
                book[line.account.code] = book.get(line.account.code, 0) + line.amount_minor
        return found

    return read


@pytest.fixture
def balances(books: Callable[[], dict[str, Book]]) -> Callable[[], Book]:
    """What every account holds, those with nothing left out."""

    def read() -> Book:
        total: Book = {}
        for book in books().values():
            for account, amount in book.items():
                total[account] = total.get(account, 0) + amount
        assert sum(total.values()) == 0
        return {account: amount for account, amount in sorted(total.items()) if amount}

    return read


@pytest.fixture
def faults(momo: Any) -> Iterator[Any]:
    """The gateway's misbehaviour, lifted afterwards."""
    yield momo.fault
    momo.running.app.sandbox.faults.clear()
