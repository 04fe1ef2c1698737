"""Fiuu's settlement report: what truly moved, read exactly, from both forms and by the call."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests

from config.core.money import Money
from gateways.abilities import SettlementApi, SettlementFiles
from gateways.errors import GatewayUnavailable
from gateways.fiuu import settlement as fiuu_settlement
from gateways.fiuu.adapter import Fiuu
from gateways.fiuu.messages import MALAYSIA
from gateways.sandbox.fiuu.simulator import INVENTED
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import Merchant
from gateways.settlement.lines import LineKind, SettlementLine, SettlementUnreadable
from tests.gateways.driver import Inbox
from tests.gateways.drivers.fiuu import FiuuDriver

MERCHANT = "SB_settled"
KEYS = {"verify_key": "a" * 32, "secret_key": "b" * 32}
HEADER = {
    "RecordIdentifier": "H", "SettlementCurrency": "MYR", "SettlementNetAmount": "9722",
    "BatchReferenceNumber": "20170817-613", "SettlementDate": "20170817", "NumberOfTransactions": 1,
}  # fmt: skip
PAID = {  # the arithmetic of the document's own sample
    "RecordIdentifier": "D", "MerchantId": MERCHANT, "OrderId": "01m7z5t73jfbc8aped471eq1vz", "Channel": "credit",
    "AcquirerReference": "30365812", "TransactionGrossAmount": "009900", "TransactionCommissionAmount": "178",
    "TransactionGST": "010", "SettlementNetAmountInProcessingCurrency": "9722", "TransactionNetAmount": "9732",
    "TransactionCurrency": "MYR", "TransactionDate": "20170815", "TransactionTime": "235959", "Status": "SETTLED",
    "SettlementNetAmount": "000", "Forex": None,
}  # fmt: skip
REFUNDED = {
    **PAID, "RecordIdentifier": "R", "RefundID": "77001", "MerchantRefID": "01m7z5t73jfbc8aped471eq1w0",
    "TransactionGrossAmount": "-500", "SettlementNetAmountInProcessingCurrency": "-520", "Status": "REFUND",
}  # fmt: skip


@pytest.fixture
def fiuu(sandbox: RunningSandbox, inbox: Inbox) -> FiuuDriver:
    """A merchant of this test's own, so that the day's report holds its money only."""
    merchant = f"SB_{uuid.uuid4().hex[:12]}"
    sandbox.app.sandbox.world.keep(Merchant(provider="fiuu", code=merchant, keys=dict(KEYS)))

    class OwnMerchant(FiuuDriver):
        def settings(self) -> dict[str, object]:
            return self.account(merchant, KEYS["verify_key"], KEYS["secret_key"])

    return OwnMerchant(sandbox, inbox)


def adapter(driver: FiuuDriver, **changes: object) -> Fiuu:
    built = driver.build(**changes)
    assert isinstance(built, Fiuu) and isinstance(built, SettlementFiles) and isinstance(built, SettlementApi)
    return built


def lines_of(*rows: dict[str, Any]) -> tuple[SettlementLine, ...]:
    return fiuu_settlement.read(json.dumps([HEADER, *rows]).encode(), name="x", merchant=MERCHANT).lines


def test_what_truly_moved_is_in_both_forms_and_in_the_call(fiuu: FiuuDriver) -> None:
    gateway = adapter(fiuu)
    request, _, paid = fiuu.paid(money=Money(9_900, "MYR"))
    other, _, taken_back = fiuu.paid(money=Money(5_000, "MYR"))
    refund = fiuu.refund_of(request, paid, 500)
    moved = gateway.refund(refund)
    fiuu.control("POST", f"/fiuu/{other.reference}/chargeback")
    fiuu.sandbox.drain()
    base = f"{fiuu.sandbox.url}/control/fiuu/settlement?merchant={gateway.merchant_id}&format="

    told = [
        gateway.read_settlement(requests.get(base + form, timeout=5).content, name=form) for form in ("json", "csv")
    ]
    now = datetime.now(UTC)
    (fetched,) = gateway.settlements(since=now - timedelta(days=2), until=now)

    for file in (*told, fetched):
        by_kind = {line.kind: line for line in file.lines}
        payment, dispute, back = (by_kind[kind] for kind in (LineKind.PAYMENT, LineKind.DISPUTE, LineKind.REFUND))
        assert (payment.kind, payment.reference, payment.gateway_transaction_id) == (
            LineKind.PAYMENT, request.reference, paid.gateway_transaction_id
        )  # fmt: skip
        assert (payment.gross, payment.fee, payment.net) == (
            Money(9_900, "MYR"),
            Money(178, "MYR"),
            Money(9_722, "MYR"),
        )
        assert (back.kind, back.reference, back.gateway_transaction_id) == (
            LineKind.REFUND, refund.reference, moved.gateway_transaction_id
        )  # fmt: skip
        assert (back.gross, back.net) == (Money(-500, "MYR"), Money(-500, "MYR"))
        assert (dispute.kind, dispute.reference, dispute.gross) == (
            LineKind.DISPUTE,
            other.reference,
            Money(-5_000, "MYR"),
        )
        assert dispute.gateway_transaction_id == taken_back.gateway_transaction_id
        assert file.settled_on == now.astimezone(MALAYSIA).date()
        assert file.total == Money(9_722 - 500 - 5_000, "MYR")
        assert [line.description for line in file.lines] == ["", "", ""]
        assert payment.occurred_at == paid.occurred_at


def test_the_samples_arithmetic_and_the_texts_are_both_understood_and_others_flagged() -> None:
    by_text = {**PAID, "SettlementNetAmountInProcessingCurrency": "9712"}
    neither = {**PAID, "SettlementNetAmountInProcessingCurrency": "9000"}

    lines = lines_of(PAID, by_text, neither)

    assert [line.fee for line in lines] == [Money(178, "MYR"), Money(188, "MYR"), Money(900, "MYR")]
    assert [line.description for line in lines] == ["", "", fiuu_settlement.ODD]
    assert all(line.gross - line.fee == line.net for line in lines)


def test_times_are_malaysian_and_amounts_hundredths_of_every_currency() -> None:
    dong = {**PAID, "TransactionCurrency": "VND", "TransactionGrossAmount": "5000000", "TransactionCommissionAmount": "0", "TransactionGST": "0", "SettlementNetAmountInProcessingCurrency": "5000000"}  # fmt: skip

    first, second = lines_of(PAID, dong)

    assert first.occurred_at == datetime(2017, 8, 15, 15, 59, 59, tzinfo=UTC)
    assert first.settled_on == date(2017, 8, 17)
    assert (first.raw["TransactionGrossAmount"], first.raw["Forex"]) == ("009900", "")
    assert second.gross == Money(50_000, "VND")


def test_a_refund_costs_what_its_net_lacks_and_a_sign_that_was_left_out_changes_nothing() -> None:
    unsigned = {**REFUNDED, "TransactionGrossAmount": "500", "SettlementNetAmountInProcessingCurrency": "520"}

    for line in lines_of(REFUNDED, unsigned):
        assert (line.kind, line.reference, line.gateway_transaction_id) == (
            LineKind.REFUND, "01m7z5t73jfbc8aped471eq1w0", "77001"
        )  # fmt: skip
        assert (line.gross, line.fee, line.net) == (Money(-500, "MYR"), Money(20, "MYR"), Money(-520, "MYR"))


def test_the_original_of_a_payment_that_was_refunded_first_is_a_payment() -> None:
    original, back = lines_of({**PAID, "RecordIdentifier": "G"}, {**REFUNDED, "TransactionGrossAmount": "-9900", "SettlementNetAmountInProcessingCurrency": "-9900"})  # fmt: skip

    assert (original.kind, back.kind) == (LineKind.PAYMENT, LineKind.REFUND)
    assert original.gross + back.gross == Money(0, "MYR")


def test_rows_are_found_wherever_they_stand() -> None:
    nested = json.dumps({"header": HEADER, "data": {"D": [PAID], "R": [REFUNDED]}}).encode()

    file = fiuu_settlement.read(nested, name="x", merchant=MERCHANT)

    assert (file.number, file.total, len(file.lines)) == ("20170817-613", Money(9_722, "MYR"), 2)


def test_csv_without_headings_is_read_by_position() -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    for row in (HEADER, PAID, REFUNDED):
        writer.writerow([row.get(name) or "" for name in fiuu_settlement.COLUMNS[str(row["RecordIdentifier"])]])

    file = fiuu_settlement.read(out.getvalue().encode(), name="x", merchant=MERCHANT)

    assert [line.net for line in file.lines] == [Money(9_722, "MYR"), Money(-520, "MYR")]


@pytest.mark.parametrize(
    ("rows", "row", "column"),
    [
        ([PAID], 0, ""), ([HEADER, HEADER], 0, ""), ([HEADER, {**PAID, "RecordIdentifier": "X"}], 2, "RecordIdentifier"),
        ([HEADER, {**PAID, "TransactionGrossAmount": "99.00"}], 2, "TransactionGrossAmount"),
        ([HEADER, {**PAID, "TransactionCurrency": "XYZ"}], 2, "TransactionCurrency"),
        ([HEADER, {**PAID, "TransactionCurrency": "VND"}], 2, "SettlementNetAmountInProcessingCurrency"),
        ([HEADER, {**PAID, "TransactionDate": "2017-08-15"}], 2, "TransactionTime"),
        ([HEADER, {**PAID, "MerchantId": INVENTED[0][0]}], 2, "MerchantId"),
        ([HEADER, PAID, {"RecordIdentifier": "F", "FilterTransactionsTotalPages": 3}], 3, ""),
    ],
)  # fmt: skip
def test_what_is_odd_is_named_by_row_and_column(rows: list[dict[str, Any]], row: int, column: str) -> None:
    with pytest.raises(SettlementUnreadable) as caught:
        fiuu_settlement.read(json.dumps(rows).encode(), name="x", merchant=MERCHANT)

    assert (caught.value.row, caught.value.column) == (row, column)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"<html>", b"{", b'{"success": false, "token": "invalid token"}', b"D,1,2"]
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(SettlementUnreadable):
        fiuu_settlement.read(content, name="x", merchant=MERCHANT)


def test_the_key_of_the_token_is_a_setting(fiuu: FiuuDriver) -> None:
    now = datetime.now(UTC)
    fiuu.paid(money=Money(9_900, "MYR"))

    with pytest.raises(GatewayUnavailable, match="invalid token"):
        list(adapter(fiuu, settlement_token_key="verify").settlements(since=now, until=now))
    assert len(list(adapter(fiuu).settlements(since=now, until=now))) == 1
