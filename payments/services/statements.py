"""Bank statements: each line that came in for a payment of ours becomes a fact once, however often a file is read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import structlog
from django.db import transaction

from config.core import audit
from config.core.errors import DomainError
from gateways.bank_transfer.adapter import BankTransfer
from gateways.bank_transfer.reference import find_reference, find_references
from gateways.settlement.lines import SettlementLine, SettlementUnreadable
from gateways.settlement.table import read_table
from payments.errors import StatementUnreadable
from payments.models import Attempt, AttemptEvent, Capture, GatewayAccount, MoneyCase, Payment
from payments.services import accounts, captures, reports, transfers
from payments.services.hearing import Heard, Outcome
from payments.services.transfers import Transfer

log = structlog.get_logger(__name__)

CURRENCY: Final = "VND"
CHUNK: Final = 1000
"""So many references or numbers are looked up in one question."""


class Verdict(StrEnum):
    """What a line of a statement would do."""

    PAYS = "pays"
    HELD = "held"  # it is ours, and its payment cannot take it: suspense and a case
    UNKNOWN_REFERENCE = "unknown_reference"  # it names a reference that nobody has: suspense and a case
    NO_REFERENCE = "no_reference"  # nothing says that it is a customer's: left alone unless wished otherwise
    KNOWN = "known"  # booked before
    DIFFERS = "differs"  # booked before with another amount: nothing happens, a person looks
    MONEY_OUT = "money_out"  # not a payment to us


BOOKED: Final = frozenset({Verdict.PAYS, Verdict.HELD, Verdict.UNKNOWN_REFERENCE})


@dataclass(slots=True)
class Planned:
    """One line, what it would do, and after the import what it did."""

    line: SettlementLine
    transfer: Transfer
    verdict: Verdict
    reference: str = ""
    payment: Payment | None = None
    problem: MoneyCase.Kind | None = None
    outcome: Outcome | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement that was read. Its hash names it in the audit trail."""

    account: GatewayAccount
    name: str
    sha256: str
    lines: tuple[Planned, ...] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """Lines by what they would do."""
        return dict(Counter(one.verdict.value for one in self.lines))

    @property
    def outcomes(self) -> dict[str, int]:
        """Lines by what they did; "error" for those that could not be booked."""
        found = [one.outcome.value if one.outcome else "error" for one in self.lines if one.outcome or one.error]
        return dict(Counter(found))


def read(*, content: bytes, name: str, account: GatewayAccount, bank: str = "") -> Statement:
    """Read a statement and say what each line would do; nothing is changed.

    `bank` picks a built-in map of columns, "" is the account's own. Raises StatementUnreadable.
    """
    adapter = accounts.of(account)
    assert isinstance(adapter, BankTransfer), "only bank accounts of ours have statements"
    try:
        lines = read_table(content, name=name, columns=adapter.columns(bank), currency=CURRENCY).lines
    except (SettlementUnreadable, ValueError) as error:
        raise StatementUnreadable(str(error), field="bank" if isinstance(error, ValueError) else "file") from error
    found = _plan(lines, account)
    return Statement(account=account, name=name, sha256=hashlib.sha256(content).hexdigest(), lines=tuple(found))


def book(
    *,
    statement: Statement,
    actor: str,
    at: datetime,
    hold_rest: bool = False,
    on_line: Callable[[int, int], None] | None = None,
) -> Statement:
    """Carry out what the lines would do, each in a commit of its own; returns the statement with their outcomes.

    What happens is decided anew under each payment's lock. With `hold_rest` lines without a reference go to suspense
    with a case. A line that cannot be booked says why, and the others go on.
    """
    wanted = BOOKED | {Verdict.NO_REFERENCE} if hold_rest else BOOKED
    due = [one for one in statement.lines if one.verdict in wanted]
    for done, one in enumerate(due, start=1):
        heard = Heard(
            account=statement.account,
            source=AttemptEvent.Source.FILE,
            at=at,
            actor=actor,
            note=f"{statement.name[:80]}, row {one.line.row}: {one.transfer.text}",
        )
        try:
            transfers.check(one.transfer, at=at)
            report = transfers.report_of(one.transfer, statement.account, one.reference)
            one.outcome = reports.apply_report(report=report, heard=heard)
        except DomainError as error:
            log.warning("statement_line_refused", row=one.line.row, error=str(error))
            one.error = str(error)
        if on_line:
            on_line(done, len(due))
    _remember(statement, actor=actor)
    return statement


@transaction.atomic(durable=True)
def _remember(statement: Statement, *, actor: str) -> None:
    audit.record(
        actor=actor,
        action="statement.imported",
        object_type="gateway_account",
        object_id=statement.account.id,
        after={"file": statement.name[:100], "sha256": statement.sha256, **statement.outcomes},
    )


def _plan(lines: Sequence[SettlementLine], account: GatewayAccount) -> list[Planned]:
    planned = [Planned(line, transfer, Verdict.MONEY_OUT) for line, transfer in _transfers(lines)]
    credits = [one for one in planned if one.line.gross.minor > 0]
    texts = {id(one): find_references(one.transfer.text) for one in credits}
    known = _captures(account, [transfers.key_of(account, one.transfer.number) for one in credits])
    attempts = _attempts(account, {reference for references in texts.values() for reference in references})
    taken: set[str] = set()
    for one in credits:
        capture = known.get(transfers.key_of(account, one.transfer.number))
        if capture is not None:
            is_same = capture.money == one.transfer.money
            one.verdict, one.payment = Verdict.KNOWN if is_same else Verdict.DIFFERS, capture.payment
            continue
        _judge(one, [attempts[reference] for reference in texts[id(one)] if reference in attempts], taken)
    return planned


def _judge(one: Planned, attempts: Sequence[Attempt], taken: set[str]) -> None:
    """What a credit would do that we do not know yet. `taken` are payments that a line above it pays."""
    payments = {attempt.payment_id for attempt in attempts}
    if len(payments) != 1:  # two payments in one transfer are for a person
        one.reference = "" if attempts else find_reference(one.transfer.text)
        one.verdict = Verdict.UNKNOWN_REFERENCE if attempts or one.reference else Verdict.NO_REFERENCE
        one.problem = MoneyCase.Kind.UNKNOWN_ORDER
        return
    one.reference, one.payment = attempts[0].gateway_reference, attempts[0].payment
    one.problem = captures.problem_with(one.transfer.money, one.payment)
    if one.payment.id in taken:
        one.problem = MoneyCase.Kind.DOUBLE_PAYMENT
    one.verdict = Verdict.HELD if one.problem else Verdict.PAYS
    if one.verdict is Verdict.PAYS:
        taken.add(one.payment.id)


def _transfers(lines: Sequence[SettlementLine]) -> Iterable[tuple[SettlementLine, Transfer]]:
    """Each line with a number that is the same whenever the file is read.

    A bank that gives no number, or one number to several credits, has them counted within the file: true twins stay two.
    """
    seen: Counter[str] = Counter()
    for line in lines:
        number = line.gateway_transaction_id[:60] or _fingerprint(line)
        if line.gross.minor > 0:
            seen[number] += 1
        nth = seen[number]
        yield (
            line,
            Transfer(
                number=f"{number}#{nth}" if nth > 1 else number,
                money=line.gross,
                occurred_at=line.occurred_at,
                text=" ".join(part for part in (line.reference, line.description) if part),
            ),
        )


def _fingerprint(line: SettlementLine) -> str:
    text = f"{line.occurred_at}|{line.gross.minor}|{line.reference}|{line.description}"
    return f"fp-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _captures(account: GatewayAccount, keys: Sequence[str]) -> Mapping[str, Capture]:
    found: dict[str, Capture] = {}
    for start in range(0, len(keys), CHUNK):
        rows = Capture.objects.filter(account=account, gateway_transaction_id__in=keys[start : start + CHUNK])
        found |= {row.gateway_transaction_id: row for row in rows.select_related("payment__order")}
    return found


def _attempts(account: GatewayAccount, references: Iterable[str]) -> Mapping[str, Attempt]:
    wanted = sorted(references)
    found: dict[str, Attempt] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = Attempt.objects.filter(account=account, gateway_reference__in=wanted[start : start + CHUNK])
        found |= {row.gateway_reference: row for row in rows.select_related("payment__order")}
    return found
