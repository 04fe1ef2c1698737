"""What we know of the disputes and the money that a settlement file's lines name, looked up for many lines at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from config.core.models import InboxClaim
from gateways.settlement.lines import LineKind, SettlementLine
from payments.models import Attempt, Capture, Dispute, GatewayAccount
from payments.services import disputes

CHUNK: Final = 1000
"""So many numbers are looked up in one question."""


def name_of(line: SettlementLine) -> str:
    """What a dispute is called that a line opens: the gateway's number, or one of ours until it tells its own."""
    said = line.gateway_transaction_id or line.reference or f"#{_digest(line)}"
    return (line.dispute_id or f"{disputes.FROM_FILE}{said}")[:100]


def cause_of(line: SettlementLine, account: GatewayAccount) -> str:
    """The name by which a line counts once, in whichever file and row it stands."""
    return f"dispute_line:{account.id}:{_digest(line)}"


def fee_cause_of(line: SettlementLine, account: GatewayAccount) -> str:
    """The name by which it is kept that a file told the fee of a dispute, not a message.

    A message tells what a dispute costs in the end; only a fee that a file told may be lessened by a file.
    """
    return f"dispute_fee:{account.id}:{name_of(line)}"


def _digest(line: SettlementLine) -> str:
    said = (
        line.kind, line.dispute_id, line.gateway_transaction_id, line.reference, line.gross.minor, line.gross.currency,
        line.fee.minor, line.fee.currency, line.occurred_at and line.occurred_at.timestamp(),
    )  # fmt: skip
    nameless = "" if line.dispute_id or line.gateway_transaction_id or line.reference else line.description
    return hashlib.sha256(repr((said, nameless)).encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a line is about. `is_same`: the dispute is of the same sum, or of a currency that cannot be compared.
    `is_fee_of_file`: its fee was told by a file.
    """

    payment_id: str | None = None
    capture_id: str | None = None
    dispute: Dispute | None = None
    is_same: bool = True
    is_fee_of_file: bool = False

    @property
    def is_placed(self) -> bool:
        """Whether the money is a payment's."""
        return self.payment_id is not None


@dataclass(slots=True, kw_only=True)
class DisputeIndex:
    """Disputes and money of one account, as far as some lines name them."""

    account: GatewayAccount
    by_money: dict[str, tuple[str | None, str]] = field(default_factory=dict)  # gateway's number -> payment, capture
    by_try: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # attempt's number or reference -> the same
    by_number: dict[str, Dispute] = field(default_factory=dict)
    by_capture: dict[str, list[Dispute]] = field(default_factory=dict)
    by_payment: dict[str, list[Dispute]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)  # causes that have counted

    @classmethod
    def of(cls, lines: Sequence[SettlementLine], account: GatewayAccount, *, is_plan: bool = True) -> DisputeIndex:
        """Look up what these lines name. A plan wants to know too which of them counted before."""
        made = cls(account=account)
        made._place(lines)
        made._load({name_of(line) for line in lines} | {line.dispute_id for line in lines if line.dispute_id})
        wanted = {fee_cause_of(line, account) for line in lines if line.fee.minor < 0}
        if is_plan:
            wanted |= {cause_of(line, account) for line in lines}
        for causes in _chunks(wanted):
            made.read.update(InboxClaim.objects.filter(cause__in=causes).values_list("cause", flat=True))
        return made

    def find(self, line: SettlementLine) -> Found:
        """The payment, the money and the dispute that a line is about, as far as they are known."""
        payment_id, capture_id = self.by_money.get(line.gateway_transaction_id) or (None, None)
        if capture_id is None:
            payment_id, capture_id = (
                self.by_try.get(line.reference) or self.by_try.get(line.gateway_transaction_id) or (None, None)
            )
        dispute, is_same = self._dispute(line, payment_id, capture_id)
        return Found(
            payment_id=payment_id,
            capture_id=capture_id,
            dispute=dispute,
            is_same=is_same,
            is_fee_of_file=fee_cause_of(line, self.account) in self.read,
        )

    def add(self, dispute: Dispute) -> None:
        """One more dispute that lines below may be about."""
        self.by_number[dispute.gateway_dispute_id] = dispute
        if dispute.capture_id:
            self.by_capture.setdefault(dispute.capture_id, []).append(dispute)
        elif dispute.payment_id:
            self.by_payment.setdefault(dispute.payment_id, []).append(dispute)

    def _dispute(
        self, line: SettlementLine, payment_id: str | None, capture_id: str | None
    ) -> tuple[Dispute | None, bool]:
        """By its number, else the one of the same sum: an open one before an ended one, the newest first."""
        if line.dispute_id and line.dispute_id in self.by_number:
            return self.by_number[line.dispute_id], _is_sum(line, self.by_number[line.dispute_id])
        about = [*self.by_capture.get(capture_id or "", ()), *self.by_payment.get(payment_id or "", ())]
        named = self.by_number.get(name_of(line))
        about += [named] if named is not None and named not in about else []
        if line.dispute_id:  # it tells its number: one that has another is another dispute
            about = [one for one in about if one.gateway_dispute_id.startswith(disputes.FROM_FILE)]
        if not about:
            return None, True
        _, found = max(enumerate(about), key=lambda one: (_is_sum(line, one[1]), one[1].is_open, one[0]))
        return found, _is_sum(line, found)

    def _place(self, lines: Sequence[SettlementLine]) -> None:
        """The same as disputes.place, for many."""
        numbers = {line.gateway_transaction_id for line in lines} - {""}
        for chunk in _chunks(numbers):
            money = Capture.objects.filter(account=self.account, gateway_transaction_id__in=chunk)
            for number, payment, capture in money.values_list("gateway_transaction_id", "payment_id", "id"):
                self.by_money[number] = (payment, capture)
        rest = [line for line in lines if line.gateway_transaction_id not in self.by_money]
        tries: dict[str, tuple[str, str]] = {}
        for heading, wanted in (
            ("gateway_transaction_id", {line.gateway_transaction_id for line in rest} - {""}),
            ("gateway_reference", {line.reference for line in rest} - {""}),
        ):
            for chunk in _chunks(wanted):
                rows = Attempt.objects.filter(account=self.account, **{f"{heading}__in": chunk})
                for said, attempt, payment in rows.values_list(heading, "id", "payment_id"):
                    tries[said] = (attempt, payment)
        first: dict[str, str] = {}
        for chunk in _chunks({attempt for attempt, _ in tries.values()}):
            of_tries = Capture.objects.filter(attempt_id__in=chunk).order_by("-created_at")
            first.update(dict(of_tries.values_list("attempt_id", "id")))
        self.by_try = {said: (payment, first.get(attempt)) for said, (attempt, payment) in tries.items()}

    def _load(self, names: set[str]) -> None:
        places = [*self.by_money.values(), *self.by_try.values()]
        mine = Dispute.objects.filter(account=self.account)
        found: dict[str, Dispute] = {}
        for heading, wanted in (
            ("gateway_dispute_id", names),
            ("capture_id", {capture for _, capture in places if capture}),
            ("payment_id", {payment for payment, _ in places if payment}),
        ):
            for chunk in _chunks(wanted):
                found |= {one.id: one for one in mine.filter(**{f"{heading}__in": chunk})}
        for one in sorted(found.values(), key=lambda one: (one.created_at, one.id)):
            self.add(one)


def _is_sum(line: SettlementLine, dispute: Dispute) -> bool:
    """Whether a line moves what is disputed; its fee alone moves nothing of it."""
    other_currency = line.gross.currency != dispute.currency
    return other_currency or not line.gross or abs(line.gross.minor) == dispute.amount_minor


def _chunks(wanted: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(wanted)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


ABOUT_DISPUTES: Final = frozenset({LineKind.DISPUTE, LineKind.DISPUTE_REVERSAL})
"""Lines of a settlement file that are about disputes."""
