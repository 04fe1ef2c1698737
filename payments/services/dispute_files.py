"""Settlement files as a door for disputes: each line about one counts once, however often a file is read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from django.db import DatabaseError, transaction

from config.core import audit
from config.core.errors import DomainError
from gateways import registry
from gateways.abilities import SettlementApi, SettlementFiles
from gateways.errors import GatewayUnavailable
from gateways.settlement.lines import LineKind, SettlementLine, SettlementUnreadable
from payments.errors import SettlementRefused
from payments.models import Dispute, GatewayAccount
from payments.services import accounts, dispute_lines
from payments.services.dispute_index import ABOUT_DISPUTES, DisputeIndex, Found, cause_of, fee_cause_of, name_of
from payments.services.dispute_lines import Verdict
from payments.services.hearing import Outcome
from payments.states import DisputeStatus

log = structlog.get_logger(__name__)

ACTS: Final = frozenset(set(Verdict) - {Verdict.KNOWN, Verdict.NO_AMOUNT})
"""Verdicts by which something happens."""
WAITS: Final = frozenset({Verdict.UNKNOWN_PAYMENT, Verdict.DIFFERS, Verdict.CHANGED, Verdict.NO_AMOUNT})
"""Verdicts that leave something for a person to do."""


@dataclass(slots=True)
class Planned:
    """One line about a dispute, what it would do, and after the import what it did."""

    line: SettlementLine
    verdict: Verdict
    payment_id: str | None = None
    outcome: Outcome | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFile:
    """A settlement file that was read. `others` are its lines that are not about disputes, by kind; nothing is done
    with them. The hash names the file in the audit trail.
    """

    account: GatewayAccount
    name: str
    sha256: str
    lines: tuple[Planned, ...] = ()
    others: dict[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Lines about disputes by what they would do."""
        return dict(Counter(one.verdict.value for one in self.lines))

    @property
    def outcomes(self) -> dict[str, int]:
        """Lines by what they did; "error" for those that failed."""
        found = [one.outcome.value if one.outcome else "error" for one in self.lines if one.outcome or one.error]
        return dict(Counter(found))


def gateways_with_files() -> list[str]:
    """Codes of the gateways whose settlement files can be read."""
    return sorted(code for code, adapter in registry.GATEWAYS.items() if issubclass(adapter, SettlementFiles))


def gateways_to_ask() -> list[str]:
    """Codes of the gateways that tell their settlements by calls."""
    return sorted(code for code, adapter in registry.GATEWAYS.items() if issubclass(adapter, SettlementApi))


def read(*, content: bytes, name: str, account: GatewayAccount) -> DisputeFile:
    """Read a settlement file and say what its lines about disputes would do; nothing is changed.

    Raises SettlementRefused naming row and column.
    """
    adapter = accounts.of(account)
    if not isinstance(adapter, SettlementFiles):
        raise SettlementRefused(f"No settlement file of {account.gateway} can be read.", field="account")
    try:
        lines = adapter.read_settlement(content, name=name).lines
    except SettlementUnreadable as error:
        raise SettlementRefused(_where(error), field="file") from error
    except ValueError as error:  # the account's own map of columns
        raise SettlementRefused(str(error), field="account") from error
    return _planned(lines, account, name=name, sha256=hashlib.sha256(content).hexdigest())


def ask(*, account: GatewayAccount, since: datetime, until: datetime) -> DisputeFile:
    """Ask a gateway for its settlements of a span instead; the same, with nothing to upload. Raises SettlementRefused."""
    adapter = accounts.of(account)
    if not isinstance(adapter, SettlementApi):
        raise SettlementRefused(f"{account.gateway} tells no settlements by calls.", field="account")
    try:
        lines = [line for file in adapter.settlements(since=since, until=until) for line in file.lines]
    except (GatewayUnavailable, SettlementUnreadable) as error:
        raise SettlementRefused(f"The gateway gave no settlements: {error}", field="account") from error
    return _planned(lines, account, name=f"{account.code} {since.isoformat()} to {until.isoformat()}", sha256="")


def apply(
    *, file: DisputeFile, actor: str, at: datetime, on_line: Callable[[int, int], None] | None = None
) -> DisputeFile:
    """Carry out what the lines would do, each in a commit of its own; returns the file with their outcomes.

    What happens is decided anew under each payment's lock. A line that fails says why, and the others go on.
    """
    due = [one for one in file.lines if one.verdict in ACTS]
    for done, one in enumerate(due, start=1):
        try:
            one.outcome = dispute_lines.apply_settlement_line(line=one.line, account=file.account, at=at, actor=actor)
        except (DomainError, DatabaseError) as error:
            log.warning("dispute_line_failed", row=one.line.row, error=str(error))
            one.error = str(error) if isinstance(error, DomainError) else f"not booked: {type(error).__name__}"
        if on_line:
            on_line(done, len(due))
    _remember(file, actor=actor)
    return file


@transaction.atomic(durable=True)
def _remember(file: DisputeFile, *, actor: str) -> None:
    audit.record(
        actor=actor,
        action="disputes.file_read",
        object_type="gateway_account",
        object_id=file.account.id,
        after={"file": file.name[:100], "sha256": file.sha256, "planned": file.counts, "done": file.outcomes},
    )


def _where(error: SettlementUnreadable) -> str:
    """The refusal with its row and column, which some adapters tell beside the sentence."""
    said = str(error)
    if not error.row or said.startswith("Row "):
        return said
    return f"Row {error.row}, column {error.column}: {said}." if error.column else f"Row {error.row}: {said}."


def _planned(lines: Iterable[SettlementLine], account: GatewayAccount, *, name: str, sha256: str) -> DisputeFile:
    kept: list[SettlementLine] = []
    others: Counter[str] = Counter()
    for line in lines:
        if line.kind in ABOUT_DISPUTES:
            kept.append(line)
        else:
            others[line.kind.value] += 1
    return DisputeFile(
        account=account, name=name, sha256=sha256, lines=tuple(_plan(kept, account)), others=dict(others)
    )


def _plan(lines: Sequence[SettlementLine], account: GatewayAccount) -> list[Planned]:
    """What each line would do once those above it have."""
    index = DisputeIndex.of(lines, account)
    planned = []
    for line in lines:
        cause, found = cause_of(line, account), index.find(line)
        verdict = dispute_lines.judge(line, found, is_read=cause in index.read)
        payment_id = found.dispute.payment_id if found.dispute else None
        planned.append(Planned(line, verdict, payment_id or found.payment_id))
        if verdict is not Verdict.NO_AMOUNT:
            index.read.add(cause)
        if verdict in (Verdict.OPENS, Verdict.UNKNOWN_PAYMENT, Verdict.WINS, Verdict.ADDS):
            _foresee(line, found, index)
    return planned


def _foresee(line: SettlementLine, found: Found, index: DisputeIndex) -> None:
    """The dispute as it will be after this line, for those below; in memory only."""
    dispute = found.dispute
    if dispute is None:
        dispute = Dispute(
            account=index.account, gateway_dispute_id=name_of(line), payment_id=found.payment_id,
            capture_id=found.capture_id, amount_minor=abs(line.gross.minor), currency=line.gross.currency,
        )  # fmt: skip
        index.add(dispute)
    dispute.payment_id = dispute.payment_id or found.payment_id
    fee = dispute_lines.fee_after(line, found)
    if fee is not None:
        index.read.add(fee_cause_of(line, index.account))
        dispute.fee_minor, dispute.fee_currency = fee.minor, fee.currency
    dispute.withdrawn_minor = dispute.withdrawn_minor or dispute.amount_minor
    dispute.heard_until = max((one for one in (dispute.heard_until, line.occurred_at) if one), default=None)
    if line.kind is LineKind.DISPUTE_REVERSAL:
        dispute.status = DisputeStatus.WON
