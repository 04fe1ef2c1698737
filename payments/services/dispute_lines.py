"""Disputes as settlement files tell them: money that was taken or came back, often without the dispute's own number."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import transaction

from config.core import inbox
from config.core.money import Money
from gateways.reports import DisputeReport
from gateways.reports import DisputeStatus as Told
from gateways.settlement.lines import LineKind, SettlementLine
from payments.errors import DisputeRefused
from payments.models import AttemptEvent, Dispute, GatewayAccount, MoneyCase
from payments.services import cases, disputes, locks
from payments.services.dispute_index import ABOUT_DISPUTES, DisputeIndex, Found, cause_of, fee_cause_of, name_of
from payments.services.hearing import Heard, Outcome
from payments.states import LOST_DISPUTES
from payments.states import DisputeStatus as S

AHEAD: Final = timedelta(days=1)
"""Days of two zones differ by so much."""


class Verdict(StrEnum):
    """What a line about a dispute would do."""

    OPENS = "opens"
    UNKNOWN_PAYMENT = "unknown_payment"  # opens, counts against no payment, and a case asks whose it is
    WINS = "wins"  # the money came back
    ADDS = "adds"  # known; that the money was taken, its fee or its payment is news
    KNOWN = "known"
    DIFFERS = "differs"  # known with another sum: nothing is booked, a case asks
    CHANGED = "changed"  # money moves after the dispute's end: nothing is booked, a case asks
    NO_AMOUNT = "no_amount"  # a line of nothing about a dispute that nobody knows: left alone


_AS_TOLD: Final = {S.OPENED: Told.NEEDS_RESPONSE, S.NEEDS_RESPONSE: Told.NEEDS_RESPONSE, S.UNDER_REVIEW: Told.UNDER_REVIEW, S.WON: Told.WON}  # fmt: skip


@transaction.atomic(durable=True)
def apply_settlement_line(*, line: SettlementLine, account: GatewayAccount, at: datetime, actor: str = "") -> Outcome:
    """Believe one line about a dispute, once: the message that told it before, or tells it later, is the same dispute.

    The fee of such a line is the dispute's and is booked here, so nobody books it as a gateway's fee. `actor` "" is the
    gateway. Asserts that the line is about a dispute. Raises DisputeRefused for a line of a later day than today: all
    that its gateway says of the dispute until then would count as old news.
    """
    assert line.kind in ABOUT_DISPUTES, f"{line.kind} is not about a dispute"
    if line.occurred_at is not None and line.occurred_at > at + AHEAD:
        raise DisputeRefused(f"This line is dated {line.occurred_at:%Y-%m-%d}, which has not come yet.")
    heard = Heard(account=account, source=AttemptEvent.Source.FILE, at=at, actor=actor)
    is_read = not inbox.claim(cause_of(line, account))  # who reads the same line meanwhile waits here
    payment_id, _capture = disputes.place(
        reference=line.reference, gateway_transaction_id=line.gateway_transaction_id, account=account
    )
    if payment_id is not None:
        locks.payment(payment_id)  # a message about the same money waits, or is known when we look
    found = DisputeIndex.of([line], account, is_plan=False).find(line)
    verdict = judge(line, found, is_read=is_read)
    if verdict is Verdict.KNOWN:
        return Outcome.NOTHING_NEW
    if verdict is Verdict.NO_AMOUNT:
        transaction.set_rollback(True)  # it did not count: it may, once its dispute is known
        return Outcome.ORPHAN
    if verdict in (Verdict.DIFFERS, Verdict.CHANGED):
        return _ask(line, found, verdict, heard)
    report = _report(line, found, is_read=is_read)
    if report.fee is not None and line.fee.minor > 0:
        inbox.claim(fee_cause_of(line, account))
    return disputes.believe(report, heard)[0]


def judge(line: SettlementLine, found: Found, *, is_read: bool) -> Verdict:
    """What a line would do, by what is known of its dispute. `is_read`: the same line has counted before."""
    known, came_back = found.dispute, line.kind is LineKind.DISPUTE_REVERSAL
    if known is None:
        return _judge_new(line, found)
    if known.payment_id is None and found.is_placed and not known.booked:
        return Verdict.ADDS
    if is_read:
        return Verdict.KNOWN
    if not found.is_same:
        return Verdict.DIFFERS
    is_news = fee_after(line, found) is not None or not known.withdrawn_minor
    if came_back and known.is_open:
        return Verdict.WINS
    if (came_back and known.status in LOST_DISPUTES) or (not came_back and _is_taken_again(line, known)):
        return Verdict.CHANGED
    return Verdict.ADDS if is_news else Verdict.KNOWN


def _judge_new(line: SettlementLine, found: Found) -> Verdict:
    if not line.gross:
        return Verdict.NO_AMOUNT
    if line.kind is LineKind.DISPUTE_REVERSAL:
        return Verdict.WINS
    return Verdict.OPENS if found.is_placed else Verdict.UNKNOWN_PAYMENT


def _is_taken_again(line: SettlementLine, known: Dispute) -> bool:
    """Whether the money goes once more after it came back."""
    if known.status != S.WON or line.occurred_at is None or known.heard_until is None:
        return False
    return line.occurred_at > known.heard_until + disputes.CLOCKS_DIFFER


def _report(line: SettlementLine, found: Found, *, is_read: bool) -> DisputeReport:
    known = found.dispute
    came_back = line.kind is LineKind.DISPUTE_REVERSAL
    status = Told.WON if came_back else _AS_TOLD.get(S(known.status), Told.LOST) if known else Told.NEEDS_RESPONSE
    return DisputeReport(
        dispute_id=(known.gateway_dispute_id if known and not line.dispute_id else name_of(line)),
        status=status,
        money=line.gross if line.gross.minor >= 0 else -line.gross,
        reference=line.reference,
        gateway_transaction_id=line.gateway_transaction_id,
        fee=None if is_read else fee_after(line, found),
        reason=known.reason if known else line.description[:100],
        withdrawn=True,
        respond_by=known.respond_by if known else None,
        occurred_at=line.occurred_at,
        raw=known.raw if known else dict(line.raw),
    )


def _ask(line: SettlementLine, found: Found, verdict: Verdict, heard: Heard) -> Outcome:
    """Money that fits no dispute as we know it: a person compares, nothing is booked."""
    known = found.dispute
    assert known is not None, "only a known dispute can differ"
    moved = "gives back" if line.kind is LineKind.DISPUTE_REVERSAL else "takes"
    money = line.gross if line.gross.minor >= 0 else -line.gross
    why = "It is another sum" if verdict is Verdict.DIFFERS else "It has ended"
    cases.open_question(
        kind=MoneyCase.Kind.DISPUTE_CHANGED,
        money=money,
        payment=known.payment,
        dispute=known,
        detail=f"A settlement file {moved} {money} {money.currency}; we know this dispute as {known.amount} "
        f"{known.currency}, {known.status}. {why}, so nothing is booked.",
        at=heard.at,
        actor=heard.who,
    )
    return Outcome.HELD


def fee_after(line: SettlementLine, found: Found) -> Money | None:
    """What the dispute has cost after this line; None where the line says nothing new of it."""
    known = found.dispute
    if not line.fee:
        return None
    if line.fee.minor > 0:
        return line.fee if known is None or known.fee is None else None  # a message told it before
    before = known.fee if known and known.fee and known.fee.currency == line.fee.currency else None
    is_ours = found.is_fee_of_file and before is not None
    return before + line.fee if is_ours and before and before >= -line.fee else None
