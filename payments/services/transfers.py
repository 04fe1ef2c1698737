"""Bank transfers: finance, or a bank's statement, says that money came into an account of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from config.core import faultpoints
from config.core.errors import InvalidInput
from config.core.money import Money
from gateways.bank_transfer.adapter import BankTransfer
from gateways.reports import Report, ReportStatus
from payments.errors import NotPayable, PaymentNotFound, TransferKnown
from payments.models import Attempt, AttemptEvent, Capture, GatewayAccount, Payment
from payments.services import accounts, reports
from payments.services.hearing import Heard, Outcome

GATEWAY: Final = BankTransfer.code
OLDEST: Final = timedelta(days=366)
"""A transfer is not confirmed later: an older date is a slip of the hand."""
AHEAD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Money that a bank says it credited to us. `number` is the bank's own for it: the same one counts once."""

    number: str
    money: Money
    occurred_at: datetime | None
    text: str = ""


def confirm(
    *,
    payment_id: str,
    transfer: Transfer,
    actor: str,
    at: datetime,
    source: AttemptEvent.Source = AttemptEvent.Source.STAFF,
) -> Outcome:
    """A person saw the transfer of this payment on the account: it pays, or is held with a case where it does not fit.

    Raises PaymentNotFound, NotPayable for a payment that was never to be paid by transfer, InvalidInput for an odd
    number, amount or date, TransferKnown when this transfer was booked otherwise before.
    """
    attempt = attempt_of(payment_id)
    check(transfer, at=at)
    heard = Heard(account=attempt.account, source=source, at=at, actor=actor, note=transfer.text)
    faultpoints.reach("transfer.told")
    outcome = reports.apply_report(report=report_of(transfer, attempt.account, attempt.gateway_reference), heard=heard)
    faultpoints.reach("transfer.booked")
    if outcome is Outcome.ALREADY_APPLIED:
        _refuse_unless_same(transfer, attempt)
    return outcome


def attempt_of(payment_id: str) -> Attempt:
    """The newest attempt of a payment by transfer. Raises PaymentNotFound, NotPayable."""
    attempts = Attempt.objects.filter(payment_id=payment_id, account__gateway=GATEWAY).select_related("account")
    attempt: Attempt | None = attempts.order_by("-number").first()
    if attempt is None:
        if not Payment.objects.filter(id=payment_id).exists():
            raise PaymentNotFound("There is no such payment.")
        raise NotPayable("No bank transfer is waited for.", facts={"payment_id": payment_id})
    return attempt


def key_of(account: GatewayAccount, number: str) -> str:
    """What names a transfer for ever: our bank account's short name and the bank's number."""
    adapter = accounts.of(account)
    assert isinstance(adapter, BankTransfer), "only bank accounts of ours receive transfers"
    return f"{adapter.bank}:{' '.join(number.split()).upper()}"


def report_of(transfer: Transfer, account: GatewayAccount, reference: str) -> Report:
    """A transfer as the one door of all money takes it; `reference` "" is money of nobody we know."""
    return Report(
        reference=reference,
        status=ReportStatus.PAID,
        money=transfer.money,
        gateway_transaction_id=key_of(account, transfer.number),
        occurred_at=transfer.occurred_at,
    )


def check(transfer: Transfer, *, at: datetime) -> None:
    """Refuse what no bank can have said. Raises InvalidInput."""
    if not transfer.number.strip() or len(transfer.number) > 70 or not transfer.number.isprintable():
        raise InvalidInput("Give the bank's number of the transfer.", field="bank_reference")
    if transfer.money.minor <= 0:
        raise InvalidInput("The amount must be more than nothing.", field="amount")
    if transfer.occurred_at is None or not at - OLDEST <= transfer.occurred_at <= at + AHEAD:
        raise InvalidInput("The value date is too far away.", field="value_date")


def _refuse_unless_same(transfer: Transfer, attempt: Attempt) -> None:
    """We know this number: that is well if it is this payment's money, and a mistake to be shown if it is not."""
    known = Capture.objects.get(
        account=attempt.account, gateway_transaction_id=key_of(attempt.account, transfer.number)
    )
    if known.payment_id != attempt.payment_id or known.money != transfer.money:
        raise TransferKnown(
            "This transfer was booked before, otherwise.",
            field="bank_reference",
            facts={"payment_id": known.payment_id or "", "amount_minor": known.amount_minor},
        )
