"""Disputes as settlement files tell them: money that was taken or came back, often without the dispute's own number."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from config.core.money import Money
from gateways.reports import DisputeReport
from gateways.reports import DisputeStatus as Told
from gateways.settlement import LineKind, SettlementLine
from payments.models import AttemptEvent, Dispute, GatewayAccount
from payments.services import disputes
from payments.services.reports import Heard, Outcome
from payments.states import DisputeStatus as S

_AS_TOLD: Final = {S.OPENED: Told.NEEDS_RESPONSE, S.NEEDS_RESPONSE: Told.NEEDS_RESPONSE, S.UNDER_REVIEW: Told.UNDER_REVIEW, S.WON: Told.WON}  # fmt: skip


def apply_settlement_line(*, line: SettlementLine, account: GatewayAccount, at: datetime) -> Outcome:
    """Believe one line about a dispute, once: the message that told it before, or tells it later, is the same dispute.

    The fee of such a line is the dispute's and is booked here, so nobody books it as a gateway's fee. Asserts that the
    line is about a dispute. Raises nothing for what a file may say.
    """
    assert line.kind in (LineKind.DISPUTE, LineKind.DISPUTE_REVERSAL), f"{line.kind} is not about a dispute"
    known = _known(line, account)
    came_back = line.kind is LineKind.DISPUTE_REVERSAL
    status = Told.WON if came_back else _AS_TOLD.get(S(known.status), Told.LOST) if known else Told.NEEDS_RESPONSE
    report = DisputeReport(
        dispute_id=known.gateway_dispute_id if known else _name(line),
        status=status,
        money=line.gross if line.gross.minor >= 0 else -line.gross,
        reference=line.reference,
        gateway_transaction_id=line.gateway_transaction_id,
        fee=_fee(line, known),
        reason=known.reason if known else line.description[:100],
        withdrawn=True,
        respond_by=known.respond_by if known else None,
        occurred_at=line.occurred_at,
        raw=known.raw if known else dict(line.raw),
    )
    return disputes.apply_dispute_report(
        report=report, heard=Heard(account=account, source=AttemptEvent.Source.FILE, at=at)
    )


def _known(line: SettlementLine, account: GatewayAccount) -> Dispute | None:
    """The dispute that a line is about: by the name it got from a line, else the newest of the same money."""
    mine = Dispute.objects.filter(account=account)
    named: Dispute | None = mine.filter(gateway_dispute_id=_name(line)).first()
    if named is not None:
        return named
    payment_id, capture = disputes.place(
        reference=line.reference, gateway_transaction_id=line.gateway_transaction_id, account=account
    )
    if capture is None and payment_id is None:
        return None
    about = mine.filter(capture=capture) if capture else mine.filter(payment_id=payment_id)
    same = about.filter(amount_minor=abs(line.gross.minor), currency=line.gross.currency)
    return same.order_by("-created_at").first() or about.order_by("-created_at").first()


def _name(line: SettlementLine) -> str:
    """What we call a dispute until its gateway tells its number."""
    return f"{disputes.FROM_FILE}{line.gateway_transaction_id or line.reference}"[:100]


def _fee(line: SettlementLine, known: Dispute | None) -> Money | None:
    """What the dispute has cost after this line; None where the line says nothing of it."""
    if not line.fee:
        return None
    if line.fee.minor > 0:
        return line.fee if known is None or known.fee is None else None  # a message told it before
    before = known.fee if known and known.fee and known.fee.currency == line.fee.currency else None
    return before + line.fee if before and before >= -line.fee else None
