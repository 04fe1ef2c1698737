"""Disputes as settlement files tell them."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from config.core.money import Money
from gateways.reports import DisputeReport, DisputeStatus
from gateways.settlement.lines import LineKind, SettlementLine
from payments.models import AttemptEvent, Capture, Dispute, GatewayAccount, MoneyCase
from payments.services import dispute_lines, disputes
from payments.services.hearing import Heard, Outcome

pytestmark = pytest.mark.django_db


@pytest.fixture
def capture(pay: Any, order: Any, momo: Any, hear: Any) -> Capture:
    """100,000 VND that MoMo took."""
    hear(momo.paid_ipn(pay(order()).attempt))
    return Capture.objects.get()


def line(
    capture: Capture | None, kind: LineKind = LineKind.DISPUTE, *, fee: int = 0, number: str = ""
) -> SettlementLine:
    sign = 1 if kind is LineKind.DISPUTE_REVERSAL else -1
    gross, charged = Money(sign * 100_000, "VND"), Money(fee, "VND")
    return SettlementLine(
        row=7, kind=kind, gross=gross, fee=charged, net=gross - charged,
        gateway_transaction_id=capture.gateway_transaction_id if capture else number,
    )  # fmt: skip


def message(capture: Capture, status: DisputeStatus, *, at: datetime) -> Outcome:
    report = DisputeReport(
        dispute_id="du_7", status=status, money=capture.money, gateway_transaction_id=capture.gateway_transaction_id,
        withdrawn=True, fee=Money(15_000, "VND"), occurred_at=at,
    )  # fmt: skip
    heard = Heard(account=capture.account, source=AttemptEvent.Source.WEBHOOK, at=at)
    return disputes.apply_dispute_report(report=report, heard=heard)


def read(one: SettlementLine, account: GatewayAccount, at: datetime) -> Outcome:
    return dispute_lines.apply_settlement_line(line=one, account=account, at=at)


def test_a_line_opens_a_dispute_once_and_its_return_ends_it(capture: Capture, at: datetime, balances: Any) -> None:
    before = balances()
    assert read(line(capture, fee=15_000), capture.account, at) is Outcome.NOTED
    assert read(line(capture, fee=15_000), capture.account, at) is Outcome.NOTHING_NEW
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.withdrawn_minor, dispute.fee_minor) == ("needs_response", 100_000, 15_000)
    read(line(capture, LineKind.DISPUTE_REVERSAL, fee=-15_000), capture.account, at + timedelta(days=9))

    dispute.refresh_from_db()
    assert (dispute.status, balances()) == ("won", before)


def test_a_file_before_and_after_the_message_tells_the_same_dispute(capture: Capture, at: datetime, books: Any) -> None:
    read(line(capture, fee=15_000), capture.account, at)
    message(capture, DisputeStatus.UNDER_REVIEW, at=at + timedelta(hours=1))
    read(line(capture, fee=15_000), capture.account, at + timedelta(days=1))

    dispute = Dispute.objects.get()
    assert (dispute.gateway_dispute_id, dispute.status) == ("du_7", "under_review")
    assert [key for key in books() if key.startswith("dp_")] == [f"{dispute.id}:opened"]
    message(capture, DisputeStatus.LOST, at=at + timedelta(days=2))
    assert read(line(capture, fee=15_000), capture.account, at + timedelta(days=3)) is Outcome.NOTHING_NEW


def test_a_line_of_nobodys_money_is_booked_once_and_asked_about(
    momo_account: GatewayAccount, at: datetime, balances: Any
) -> None:
    for _ in range(2):
        read(line(None, number="424242"), momo_account, at)

    assert balances() == {"chargeback:disputed": 100_000, "gw:momo:clearing": -100_000}
    assert MoneyCase.objects.get().kind == "dispute_unknown"


def test_a_fee_without_money_waits_until_its_dispute_is_known(capture: Capture, at: datetime) -> None:
    fee = dataclasses.replace(line(capture, fee=15_000), gross=Money(0, "VND"), net=Money(-15_000, "VND"))
    assert read(fee, capture.account, at) is Outcome.ORPHAN
    assert not Dispute.objects.exists()

    read(line(capture), capture.account, at)

    assert read(fee, capture.account, at) is Outcome.NOTED
    assert Dispute.objects.get().fee_minor == 15_000
