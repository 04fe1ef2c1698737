"""What truly happened at the fake providers: payments, transactions, refunds, payouts and a log of every event."""

from __future__ import annotations

import dataclasses
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final


class Stage(StrEnum):
    """Where a payment or refund truly is."""

    WAITING = "waiting"
    AUTHORIZED = "authorized"
    PAID = "paid"
    DECLINED = "declined"
    INSUFFICIENT = "insufficient"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    PENDING = "pending"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """A merchant account that the sandbox knows, with the keys its provider wants."""

    provider: str
    code: str
    keys: dict[str, str]


@dataclass(slots=True, kw_only=True)
class Transaction:
    """Money that moved, with the provider's own number. Amounts are in minor units."""

    number: int
    amount: int
    at_ms: int


@dataclass(slots=True, kw_only=True)
class Payment:
    """One order at a provider. `fields` are the provider's own; more than one transaction means paid more than once."""

    provider: str
    merchant: str
    order: str
    amount: int
    currency: str
    token: str
    created_ms: int
    expires_ms: int
    description: str
    return_url: str
    notify_url: str
    language: str
    stage: Stage = Stage.WAITING
    code: int = 0
    changed_ms: int = 0
    transactions: list[Transaction] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Refund:
    """Money going back from one transaction."""

    provider: str
    merchant: str
    order: str  # the refund's own id
    payment: str
    request: str
    transaction: int
    amount: int
    number: int
    created_ms: int
    stage: Stage
    code: int
    done_after_ms: int = 0
    fields: dict[str, Any] = field(default_factory=dict)  # the provider's own


@dataclass(slots=True, kw_only=True)
class Payout:
    """The merchant's money on its way to somebody's account. `status` and `failure` are the provider's own words."""

    provider: str
    merchant: str
    order: str  # the merchant's reference, which need not be unique
    key: str  # the idempotency key, which is
    amount: int
    currency: str
    channel: str
    account_number: str
    account_holder: str
    description: str
    number: int
    created_ms: int
    changed_ms: int
    status: str
    failure: str = ""


_KINDS: Final = {"payment": Payment, "refund": Refund, "payout": Payout, "merchant": Merchant}
Thing = Payment | Refund | Payout | Merchant


class World:
    """All of it, behind one lock. With a file every change is appended there as a line of JSON, and read on start."""

    def __init__(self, file: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.merchants: dict[tuple[str, str], Merchant] = {}
        self.payments: dict[tuple[str, str, str], Payment] = {}
        self.refunds: dict[tuple[str, str, str], Refund] = {}
        self.payouts: dict[tuple[str, str, str], Payout] = {}
        self.requests: dict[tuple[str, str, str], str] = {}
        self.log: list[dict[str, object]] = []
        self._tokens: dict[str, Payment] = {}
        self._of_order: dict[str, dict[tuple[str, str], Payment]] = {}
        self._paid: dict[tuple[str, str, int], Payment] = {}
        self._refunds_of: dict[tuple[str, str, str], list[Refund]] = {}
        # Hundredths of a second since 1970: later runs of the sandbox do not repeat numbers of earlier ones.
        self._number = int(time.time() * 100)
        self._file = None
        if file is not None:
            if file.exists():
                self._load(file)
            self._file = file.open("a", encoding="utf-8")

    def next_number(self) -> int:
        """A transaction number that the provider has not used before."""
        with self.lock:
            self._number += 1
            return self._number

    def record(self, event: str, *, provider: str, order: str = "", **facts: object) -> None:
        """Write down what happened."""
        entry: dict[str, object] = {"at_ms": now_ms(), "event": event, "provider": provider, "order": order, **facts}
        with self.lock:
            self.log.append(entry)
            self._append("log", entry)

    def keep(self, thing: Thing) -> None:
        """Remember a thing as it is now."""
        with self.lock:
            self._place(thing)
            if self._file is not None:
                kind = next(name for name, cls in _KINDS.items() if isinstance(thing, cls))
                self._append(kind, dataclasses.asdict(thing))

    def first_time(self, provider: str, merchant: str, operation: str, request: str) -> bool:
        """Claim a request id for a merchant; False if it was used before."""
        key = (provider, merchant, request)
        with self.lock:
            if key in self.requests:
                return False
            self.requests[key] = operation
            self._append("request", {"key": key, "operation": operation})
            return True

    def payment_by_token(self, token: str) -> Payment | None:
        """The payment of a pay page."""
        return self._tokens.get(token)

    def payments_of_order(self, order: str) -> list[Payment]:
        """Payments by this order id, over all providers and merchants."""
        with self.lock:
            return list(self._of_order.get(order, {}).values())

    def payment_of_order(self, provider: str, order: str) -> Payment | None:
        """A provider's payment by its order id, whichever merchant's."""
        return next((one for one in self.payments_of_order(order) if one.provider == provider), None)

    def payment_of_transaction(self, provider: str, merchant: str, number: int) -> Payment | None:
        """The payment in which this transaction moved money."""
        return self._paid.get((provider, merchant, number))

    def refunds_of(self, payment: Payment) -> list[Refund]:
        """The refunds of a payment, oldest first."""
        with self.lock:
            return list(self._refunds_of.get((payment.provider, payment.merchant, payment.order), ()))

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _place(self, thing: Thing) -> None:
        if isinstance(thing, Merchant):
            self.merchants[thing.provider, thing.code] = thing
        elif isinstance(thing, Payout):
            self.payouts[thing.provider, thing.merchant, thing.key] = thing
        elif isinstance(thing, Payment):
            self.payments[thing.provider, thing.merchant, thing.order] = thing
            self._tokens[thing.token] = thing
            self._of_order.setdefault(thing.order, {})[thing.provider, thing.merchant] = thing
            for transaction in thing.transactions:
                self._paid[thing.provider, thing.merchant, transaction.number] = thing
        else:
            self.refunds[thing.provider, thing.merchant, thing.order] = thing
            siblings = self._refunds_of.setdefault((thing.provider, thing.merchant, thing.payment), [])
            siblings[:] = [one for one in siblings if one.order != thing.order] + [thing]

    def _append(self, kind: str, data: object) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"kind": kind, "data": data}, ensure_ascii=False) + "\n")
            self._file.flush()

    def _load(self, file: Path) -> None:
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the last line of a process that was killed
            kind, data = entry["kind"], entry["data"]
            if kind == "log":
                self.log.append(data)
            elif kind == "request":
                self.requests[tuple(data["key"])] = data["operation"]
            else:
                self._place(_revive(kind, data))
        numbers = [one.number for payment in self.payments.values() for one in payment.transactions]
        numbers += [refund.number for refund in self.refunds.values()]
        numbers += [payout.number for payout in self.payouts.values()]
        self._number = max([self._number, *numbers])


def _revive(kind: str, data: dict[str, Any]) -> Thing:
    if kind == "merchant":
        return Merchant(**data)
    if kind == "payout":
        return Payout(**data)
    data["stage"] = Stage(data["stage"])
    if kind == "refund":
        return Refund(**data)
    data["transactions"] = [Transaction(**one) for one in data["transactions"]]
    return Payment(**data)


_offset_ms = 0
"""How far the providers pretend to be from now: demo data of the past is made with it."""


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000 + _offset_ms


def pretend(at_ms: int | None) -> None:
    """Let the providers believe that it is another moment; None brings them back to now."""
    global _offset_ms
    _offset_ms = 0 if at_ms is None else at_ms - time.time_ns() // 1_000_000


def new_token() -> str:
    """What makes a pay page's address hard to guess."""
    return secrets.token_urlsafe(18)
