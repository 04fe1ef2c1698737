"""Xendit's balance: the Transactions report and GET /transactions tell the same lines, exact and whole."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from config.core.money import Money
from gateways.abilities import Refunds, SettlementApi, SettlementFiles
from gateways.errors import GatewayUnavailable
from gateways.sandbox.xendit.simulator import INVENTED
from gateways.settlement.lines import LineKind, SettlementFile, SettlementUnreadable
from gateways.xendit import settlement as xendit_settlement
from tests.gateways.drivers.xendit import XenditDriver

ROW = {
    "Status": "SUCCESS", "Type": "PAYMENT", "Channel": "EWALLET", "Channel Name": "OVO", "Account Number": "", "Currency": "IDR",
    "Amount": "100000", "Total Fee": "1500", "Total VAT": "165", "Net Amount": "98335", "Reference": "06dq0qg5wnvbd9w5t2dvhm71m9",
    "Transaction ID": "txn_1", "Invoice ID": "6748105a77f16ebe0cc583a7", "Batch ID": "", "Product ID": "py-1",
    "Payment Date": "", "Timestamp - Created": "2026-11-20T06:40:26.353Z", "Timestamp - Updated": "2026-11-22T01:00:00.000Z",
    "Estimated Settlement Time": "", "Actual Settlement Time": "2026-11-22T01:00:00.000Z", "Timezone": "UTC", "Description": "",
    "Channel Reference": "", "Settlement Status": "SETTLED",
}  # fmt: skip


def report(*rows: dict[str, str], **changes: str) -> bytes:
    """A Transactions report of these rows, or of one with these changes."""
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, list(ROW))
    writer.writeheader()
    writer.writerows([{**ROW, **one} for one in rows or ({},)] if not changes else [{**ROW, **changes}])
    return sheet.getvalue().encode()


def read(content: bytes) -> SettlementFile:
    return xendit_settlement.read(content, name="transactions.csv")


@pytest.fixture
def moved(xendit: XenditDriver) -> dict[str, Any]:
    """A settled payment of 960,000 VND with a refund of 60,000, and one that is not settled yet."""
    gateway = xendit.gateway
    assert isinstance(gateway, Refunds)
    request, _, paid = xendit.paid()
    waiting, _, _ = xendit.paid()
    xendit.control("POST", f"/xendit/settled/{request.reference}")
    refund = xendit.refund_of(request, paid, 60_000)
    gateway.refund(refund)
    assert gateway.query_refund(refund).money == refund.money
    return {"paid": paid, "refund": refund, "waiting": waiting}


def test_the_report_and_the_call_tell_the_same_lines(xendit: XenditDriver, moved: dict[str, Any]) -> None:
    gateway = xendit.gateway
    assert isinstance(gateway, SettlementFiles) and isinstance(gateway, SettlementApi)
    content = requests.get(f"{xendit.sandbox.url}/control/xendit/settlement", timeout=5).content
    now = datetime.now(UTC)

    from_report = {one.reference: one for one in gateway.read_settlement(content, name="t.csv").lines}
    from_calls = {
        one.reference: one
        for file in gateway.settlements(since=now - timedelta(hours=1), until=now + timedelta(hours=1))
        for one in file.lines
    }

    mine = (moved["paid"].reference, moved["refund"].reference)
    for lines in (from_report, from_calls):
        payment, refund = (lines[one] for one in mine)
        assert (payment.kind, payment.gross, payment.fee, payment.net) == (
            LineKind.PAYMENT, Money(960_000, "VND"), Money(15_984, "VND"), Money(944_016, "VND"),
        )  # fmt: skip
        assert payment.gateway_transaction_id == moved["paid"].gateway_transaction_id
        assert (refund.kind, refund.gross, refund.fee, refund.net) == (
            LineKind.REFUND, Money(-60_000, "VND"), Money(0, "VND"), Money(-60_000, "VND"),
        )  # fmt: skip
        assert moved["waiting"].reference not in lines
    same = ("kind", "gross", "fee", "net", "reference", "occurred_at", "settled_on")
    for reference in mine:
        assert [getattr(from_report[reference], name) for name in same] == [
            getattr(from_calls[reference], name) for name in same
        ]


def test_the_call_pages_to_the_end_and_numbers_each_day_and_currency(
    xendit: XenditDriver, moved: dict[str, Any]
) -> None:
    assert isinstance(xendit.gateway, SettlementApi)
    span = {"since": datetime.now(UTC) - timedelta(hours=1), "until": datetime.now(UTC) + timedelta(hours=1)}
    whole = list(xendit.gateway.settlements(**span))
    reports = xendit.sandbox.app.providers["xendit"].reports
    reports.page_size = 1

    try:
        paged = list(xendit.gateway.settlements(**span))
    finally:
        reports.page_size = 50

    assert [(one.number, len(one.lines)) for one in paged] == [(one.number, len(one.lines)) for one in whole]
    assert all(one.number == f"{one.settled_on}-{one.lines[0].gross.currency}" for one in whole)


def test_a_call_that_stays_without_answer_raises(xendit: XenditDriver) -> None:
    assert isinstance(xendit.gateway, SettlementApi)
    xendit.fault("error_500", scope="operation", operation="transactions")

    with pytest.raises(GatewayUnavailable):
        list(xendit.gateway.settlements(since=datetime.now(UTC), until=datetime.now(UTC)))


def test_a_line_of_the_report_is_read_exactly() -> None:
    file = read(report())
    (line,) = file.lines

    assert (line.row, line.kind, line.reference) == (2, LineKind.PAYMENT, ROW["Reference"])
    assert (line.gross, line.fee, line.net) == (
        Money(10_000_000, "IDR"), Money(166_500, "IDR"), Money(9_833_500, "IDR"),
    )  # fmt: skip
    assert line.gateway_transaction_id == ROW["Invoice ID"]
    assert (str(line.settled_on), file.number, file.total) == ("2026-11-22", "", None)
    assert read(report()) == file


@pytest.mark.parametrize(
    ("changes", "kind", "minor"),
    [
        ({"Type": "REFUND", "Amount": "-5000", "Total Fee": "", "Total VAT": "", "Net Amount": "-5000"}, "refund", -500_000),
        ({"Type": "REFUND", "Amount": "5,000", "Total Fee": "0", "Total VAT": "0", "Net Amount": "5,000"}, "refund", -500_000),
        ({"Type": "CHARGEBACK", "Amount": "-1", "Total Fee": "0", "Total VAT": "0", "Net Amount": "-1"}, "dispute", -100),
        ({"Type": "WITHDRAWAL", "Amount": "-9", "Total Fee": "0", "Total VAT": "0", "Net Amount": "-9"}, "payout", -900),
        ({"Type": "ADJUSTMENT_ADD", "Amount": "7", "Total Fee": "0", "Total VAT": "0", "Net Amount": "7"}, "adjustment", 700),
        ({"Type": "ADJUSTMENT_DEDUCT", "Amount": "7", "Total Fee": "0", "Total VAT": "0", "Net Amount": "7"}, "adjustment", -700),
        ({"Type": "RESERVES_HOLD", "Amount": "7", "Total Fee": "0", "Total VAT": "0", "Net Amount": "7"}, "reserve", -700),
        ({"Type": "SOMETHING_NEW", "Amount": "-7", "Total Fee": "0", "Total VAT": "0", "Net Amount": "-7"}, "adjustment", -700),
        ({"Type": "PAYMENT", "Currency": "PHP", "Amount": "12.5", "Total Fee": "0.25", "Total VAT": "0", "Net Amount": "12.25"}, "payment", 1_250),
    ],
)  # fmt: skip
def test_signs_are_as_our_balance_feels_them(changes: dict[str, str], kind: str, minor: int) -> None:
    (line,) = read(report(**changes)).lines

    assert (line.kind.value, line.gross.minor) == (kind, minor)
    assert line.gross - line.fee == line.net


def test_money_out_with_a_fee_costs_both() -> None:
    (line,) = read(
        report(Type="DISBURSEMENT", Amount="-1000", **{"Total Fee": "25", "Total VAT": "3", "Net Amount": "-1028"})
    ).lines

    assert (line.gross.minor, line.fee.minor, line.net.minor) == (-100_000, 2_800, -102_800)


@pytest.mark.parametrize("changes", [
    {"Status": "PENDING"}, {"Status": "FAILED"}, {"Status": "VOIDED"}, {"Status": "REVERSED"},
    {"Settlement Status": "PENDING"}, {"Settlement Status": ""},
])  # fmt: skip
def test_what_has_not_reached_the_balance_is_no_line(changes: dict[str, str]) -> None:
    assert read(report(**changes)).lines == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Amount": "1e5"}, "Row 2: Amount is no amount of IDR"),
        ({"Amount": "100000.5"}, "do not agree"),
        ({"Amount": "100000.555"}, "Row 2: Amount is no amount of IDR"),
        ({"Currency": "XXX"}, "no amount of XXX"),
        ({"Net Amount": "98336"}, "do not agree"),
        ({"Status": "DONE"}, "unknown status 'DONE'"),
    ],
)
def test_what_is_not_surely_understood_is_refused_by_row(changes: dict[str, str], said: str) -> None:
    with pytest.raises(SettlementUnreadable, match=said):
        read(report({}, changes) if "Row" not in said else report(**changes))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", report().replace(b"Net Amount", b"Net")])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(SettlementUnreadable):
        read(content)


def test_the_columns_are_found_whatever_their_order_case_and_spaces() -> None:
    rows = list(csv.reader(io.StringIO(report().decode())))
    sheet = io.StringIO()
    csv.writer(sheet, delimiter=";").writerows(
        [[cell.upper() + " " for cell in reversed(rows[0])], [*reversed(rows[1])]]
    )

    assert read(sheet.getvalue().encode()).lines[0].net == read(report()).lines[0].net


def test_the_sandbox_knows_both_accounts_apart(xendit: XenditDriver, moved: dict[str, Any]) -> None:
    address = f"{xendit.sandbox.url}/control/xendit/settlement?merchant={INVENTED[1][0]}"

    assert moved["paid"].reference.encode() not in requests.get(address, timeout=5).content
