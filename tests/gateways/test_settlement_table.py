"""Any table of money movements is read by a map of its columns, exactly, or refused with its row and column."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.money import Money
from gateways import registry
from gateways.abilities import SettlementFiles
from gateways.momo import settlement
from gateways.settlement.lines import LineKind, SettlementFile, SettlementUnreadable
from gateways.settlement.table import ColumnMap, read_table

SIMPLE: Mapping[str, object] = {
    "reference": "Order",
    "gateway_transaction_id": ["Transaction", "Mã giao dịch"],
    "gross": "Amount",
    "fee": "Fee",
    "net": "Net",
    "kind": "Type",
    "time": "Time",
    "optional": ["fee", "net"],
    "kinds": {"payment": ["Payment", "Thanh toán"], "refund": "Refund", "fee": "Monthly fee"},
}
HEADER = ["Order", "Transaction", "Amount", "Fee", "Net", "Type", "Time"]
ROW = ["R1", "T1", "100,000", "1,100", "98,900", "Payment", "2026-11-21 08:30:00"]


def as_csv(rows: list[list[Any]], *, delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def as_xlsx(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read(content: bytes, columns: Mapping[str, object] = SIMPLE, *, currency: str = "VND") -> SettlementFile:
    return read_table(content, name="day.csv", columns=ColumnMap.from_settings(columns), currency=currency)


def refused(content: bytes, columns: Mapping[str, object] = SIMPLE, *, currency: str = "VND") -> SettlementUnreadable:
    with pytest.raises(SettlementUnreadable) as caught:
        read(content, columns, currency=currency)
    return caught.value


def vnd(minor: int) -> Money:
    return Money(minor, "VND")


def test_a_row_becomes_a_line() -> None:
    (line,) = read(as_csv([HEADER, ROW])).lines

    assert (line.row, line.kind, line.reference, line.gateway_transaction_id) == (2, LineKind.PAYMENT, "R1", "T1")
    assert (line.gross, line.fee, line.net) == (vnd(100_000), vnd(1_100), vnd(98_900))
    assert line.occurred_at == datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
    assert line.raw["Amount"] == "100,000"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiter_and_encoding_are_found_out(delimiter: str, encoding: str) -> None:
    header = [*HEADER[:1], "MÃ  giao DỊCH ", *HEADER[2:]]

    content = as_csv([["Báo cáo, ngày; 21|11"], [], header, ROW], delimiter=delimiter, encoding=encoding)

    (line,) = read(content).lines
    assert (line.row, line.gateway_transaction_id, line.gross) == (4, "T1", vnd(100_000))


def test_a_workbook_is_read_from_its_numbers_and_dates() -> None:
    when = datetime(2026, 11, 21, 8, 30)  # noqa: DTZ001  # as a spreadsheet has it

    (line,) = read(as_xlsx([["Report"], HEADER, ["R1", 123456789012, 100000, 1100.0, None, "Thanh toán", when]])).lines

    assert (line.gateway_transaction_id, line.gross, line.net) == ("123456789012", vnd(100_000), vnd(98_900))
    assert line.occurred_at == datetime(2026, 11, 21, 1, 30, tzinfo=UTC)


kinds = st.sampled_from([LineKind.PAYMENT, LineKind.REFUND, LineKind.FEE])
amounts = st.integers(min_value=-(10**12), max_value=10**12)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20).filter(
    lambda text: not text.startswith('="')
)
movements = st.tuples(
    texts, texts, amounts, amounts, kinds, st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1))  # noqa: DTZ001 - the file's own zone
)  # fmt: skip
WORD = {LineKind.PAYMENT: "Payment", LineKind.REFUND: "Refund", LineKind.FEE: "Monthly fee"}


def written(minor: int, *, thousands: str, decimal: str, places: int) -> str:
    text = f"{abs(minor) / 10**places:,.{places}f}" if places else f"{abs(minor):,}"
    assert places == 0 or abs(minor) < 10**13, "floats are exact enough here"
    text = text.translate({ord(","): thousands, ord("."): decimal})
    return f"-{text}" if minor < 0 else text


@given(
    st.lists(movements, max_size=8),
    st.sampled_from([(",", "."), (".", ","), ("", "."), (" ", ",")]),
    st.sampled_from(["VND", "USD", "KWD"]),
)
def test_what_was_written_is_read(rows: list[Any], signs: tuple[str, str], currency: str) -> None:
    thousands, decimal = signs
    places = {"VND": 0, "USD": 2, "KWD": 3}[currency]

    def cell(minor: int) -> str:
        return written(minor, thousands=thousands, decimal=decimal, places=places)

    table = [HEADER] + [
        [ours, theirs, cell(gross), cell(fee), cell(gross - fee), WORD[kind], at.strftime("%Y-%m-%d %H:%M:%S")]
        for ours, theirs, gross, fee, kind, at in rows
    ]
    columns = {**SIMPLE, "thousands": thousands, "decimal": decimal, "zone": "UTC", "total_words": []}

    got = read(as_csv(table), columns, currency=currency)

    assert [
        (one.reference, one.gateway_transaction_id, one.gross.minor, one.fee.minor, one.kind) for one in got.lines
    ] == [row[:5] for row in rows]
    assert [one.occurred_at for one in got.lines] == [row[5].replace(microsecond=0, tzinfo=UTC) for row in rows]
    assert all(one.gross - one.fee == one.net for one in got.lines)
    assert got == read(as_csv(table), columns, currency=currency)


@given(st.lists(movements, max_size=5))
def test_a_workbook_says_the_same_as_a_csv(rows: list[Any]) -> None:
    table = [HEADER] + [
        [ours, theirs, str(gross), str(fee), None, WORD[kind], at.strftime("%Y-%m-%d %H:%M:%S")]
        for ours, theirs, gross, fee, kind, at in rows
    ]
    # A leading = would be a formula in the one and text in the other.
    table = [[f"x{cell}" if str(cell).startswith("=") else cell for cell in row] for row in table]

    assert read(as_xlsx(table)).lines == read(as_csv(table)).lines


@pytest.mark.parametrize(
    ("row", "where", "words"),
    [
        (["R1", "T1", "1.000,5", "", "", "Payment", ""], "Amount", "is no amount as this file writes them"),
        (["R1", "T1", "1,00", "", "", "Payment", ""], "Amount", "is no amount as this file writes them"),
        (["R1", "T1", "100.5", "", "", "Payment", ""], "Amount", "VND has 0 decimals"),
        (["R1", "T1", "1e5", "", "", "Payment", ""], "Amount", "is no amount"),
        (["R1", "T1", "", "", "", "Payment", ""], "Amount", "is empty"),
        (["R1", "T1", "9" * 19, "", "", "Payment", ""], "Amount", "is no amount"),
        (["R1", "T1", "100", "1", "98", "Payment", ""], "Net", "is not gross less fee"),
        (["R1", "T1", "100", "", "", "Cashback", ""], "Type", "is an unknown word: 'Cashback'"),
        (["R1", "T1", "100", "", "", "", ""], "Type", "is an unknown word"),
        (["R1", "T1", "100", "", "", "Payment", "21.11.2026"], "Time", "is no time as this file writes them"),
        (["", "", "100", "", "", "Payment", ""], "Transaction", "is empty"),
    ],
)
def test_what_is_not_understood_is_refused_with_row_and_column(row: list[str], where: str, words: str) -> None:
    error = refused(as_csv([HEADER, ROW, row]))

    assert (error.row, error.column) == (3, where)
    assert words in str(error)


def test_missing_columns_are_named() -> None:
    error = refused(as_csv([["Order", "Amount", "Time"], ["R1", "1", ""]]))

    assert str(error) == "day.csv has no header row with all its columns. Not found: Transaction or Mã giao dịch; Type."


def test_a_column_that_is_there_twice_is_refused() -> None:
    assert "Amount is there twice" in str(refused(as_csv([[*HEADER, "amount"], [*ROW, "5"]])))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0rest", "old Excel file"),
        ("Order,Montant payé".encode("latin-1"), "not UTF-8"),
        (b"Order\0,Amount", "not a text file"),
        (b"PK\x03\x04 but no archive", "no readable workbook"),
        (b"", "no header row"),
        (b"x" * (20 * 1024 * 1024 + 1), "larger than 20 MB"),
        (as_csv([HEADER]) + b'"R1,T1', "no readable CSV"),
        (as_csv([HEADER, [*ROW, "loose"]]), "more cells than the header"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_claims_is_refused(content: bytes, words: str) -> None:
    assert words in str(refused(content))


def test_a_formula_is_refused_where_its_value_would_matter() -> None:
    error = refused(as_xlsx([HEADER, ["R1", "T1", "=1+1", "", "", "Payment", ""]]))

    assert (error.row, error.column) == (2, "Amount")
    assert "formula" in str(error)


def test_an_id_that_a_spreadsheet_rounded_is_refused() -> None:
    error = refused(as_xlsx([HEADER, ["R1", 1.2345678901234567e19, 5, "", "", "Payment", ""]]))

    assert (error.column, "lost digits" in str(error)) == ("Transaction", True)


def repacked(content: bytes, *, member: str, text: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for one in old.infolist():
            new.writestr(one, text if one.filename == member else old.read(one))
    return out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><worksheet>&a;</worksheet>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><worksheet/>'.encode("utf-16"),
    ],
)
def test_a_workbook_that_declares_entities_is_refused(text: bytes) -> None:
    content = repacked(as_xlsx([HEADER, ROW]), member="xl/worksheets/sheet1.xml", text=text)

    assert "no workbook of a known spreadsheet program" in str(refused(content))


def test_a_workbook_that_unpacks_to_too_much_is_refused() -> None:
    content = repacked(as_xlsx([HEADER]), member="xl/worksheets/sheet1.xml", text=b" " * (201 * 1024 * 1024))

    assert len(content) < 1024 * 1024
    assert "unpacks to too much" in str(refused(content))


def test_a_bank_statement_has_credits_and_debits() -> None:
    columns = {
        "gateway_transaction_id": "Ref", "credit": "Ghi có", "debit": "Ghi nợ", "description": "Nội dung",
        "time": "Ngày", "clock": "Giờ", "thousands": ".", "decimal": ",",
    }  # fmt: skip
    rows = [
        ["Ngày", "Giờ", "Ref", "Ghi nợ", "Ghi có", "Nội dung"],
        ["21/11/2026", "09:05:00", "FT1", "", "1.250.000", "MBVCB.123 RK7 thanh toan"],
        ["21/11/2026", "10:00:00", "FT2", "-11.000", "0", "PHI DICH VU"],
        ["Tổng cộng", "", "", "11.000", "1.250.000", ""],
    ]

    first, second = read(as_csv(rows, delimiter=";"), columns).lines

    assert (first.kind, first.gross, first.description) == (
        LineKind.PAYMENT,
        vnd(1_250_000),
        "MBVCB.123 RK7 thanh toan",
    )
    assert first.occurred_at == datetime(2026, 11, 21, 2, 5, tzinfo=UTC)
    assert (second.kind, second.gross) == (LineKind.REFUND, vnd(-11_000))


def test_sums_that_disagree_with_the_lines_refuse_the_file() -> None:
    error = refused(as_csv([HEADER, ROW, ["Total", "", "99,999", "", "", "", ""]]))

    assert (error.row, error.column) == (3, "Amount")
    assert len(read(as_csv([HEADER, ROW, ["Tổng cộng:", "", "100,000", "1,100", "98,900", "", ""]])).lines) == 1


def test_unsigned_amounts_take_their_sign_from_the_kind() -> None:
    columns = {**SIMPLE, "signs": "by_kind"}
    rows = [HEADER, ["R1", "T1", "100", "2", "98", "Payment", ""], ["R2", "T2", "40", "", "40", "Refund", ""]]

    paid, back = read(as_csv(rows), columns).lines

    assert (paid.gross, paid.net, back.gross, back.net) == (vnd(100), vnd(98), vnd(-40), vnd(-40))
    assert refused(as_csv([HEADER, ["R2", "T2", "-40", "", "", "Refund", ""]]), columns).column == "Amount"


def test_statuses_that_do_not_count_are_left_out_and_unknown_ones_refused() -> None:
    columns = {**SIMPLE, "status": "Status", "statuses": ["Success"], "ignored_statuses": ["Failed"]}
    header = [*HEADER, "Status"]

    assert len(read(as_csv([header, [*ROW, "success"], [*ROW, "FAILED"]]), columns).lines) == 1
    assert refused(as_csv([header, [*ROW, "Reversed"]]), columns).column == "Status"


def test_amounts_in_minor_units_epochs_and_payout_numbers_are_understood() -> None:
    columns = {
        **SIMPLE,
        "factor": 100,
        "time_formats": "epoch_milliseconds",
        "settled_on": "Day",
        "date_formats": "%Y%m%d",
        "number": "Batch",
    }
    header, row = (
        [*HEADER, "Day", "Batch"],
        ["R1", "T1", "5331674", "", "", "Payment", "1763692200123", "20261122", "B-1"],
    )

    found = read(as_csv([header, row]), columns, currency="MYR")

    assert (found.number, found.lines[0].gross) == ("B-1", Money(5_331_674, "MYR"))
    assert found.lines[0].settled_on == date(2026, 11, 22)
    assert found.lines[0].occurred_at == datetime(2025, 11, 21, 2, 30, 0, 123_000, tzinfo=UTC)
    assert "several payouts" in str(refused(as_csv([header, row, [*row[:-1], "B-2"]]), columns, currency="MYR"))


def test_another_currency_is_refused() -> None:
    columns = {**SIMPLE, "currency": "Currency"}

    assert refused(as_csv([[*HEADER, "Currency"], [*ROW, "USD"]]), columns).column == "Currency"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"colour": "x"}, "unknown: colour"),
        ({}, "name either a gross column"),
        ({"gross": "A", "credit": "B", "reference": "R"}, "name either a gross column"),
        ({"gross": "A"}, "name a reference"),
        ({"gross": "A", "reference": "R", "decimal": ","}, "decimal must be"),
        ({"gross": "A", "reference": "R", "factor": 7}, "factor must be"),
        ({"gross": "A", "reference": "R", "factor": True}, "factor must be a whole number"),
        ({"gross": "A", "reference": "R", "kind": "K"}, "kind and kinds belong together"),
        ({"gross": "A", "reference": "R", "kind": "K", "kinds": {"tip": "x"}}, "kinds has unknown names: tip"),
        ({"gross": "A", "reference": "R", "signs": "by_kind"}, "by_kind needs a kind column"),
        ({"gross": "A", "reference": "R", "zone": "Hanoi"}, "zone must be"),
        ({"gross": "A", "reference": "R", "optional": "nett"}, "optional names no column: nett"),
        ({"gross": 5, "reference": "R"}, "gross must be text"),
    ],
)
def test_a_map_that_cannot_work_is_refused_by_field(settings: Mapping[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ColumnMap.from_settings(settings)


MOMO = {"partner_code": "MOMO", "access_key": "a", "secret_key": "s"}


def test_momo_reads_its_files_by_the_default_map_or_the_accounts_own() -> None:
    rows = [
        ["Mã đơn hàng", "Mã giao dịch", "Số tiền", "Phí", "Thực nhận", "Loại giao dịch", "Thời gian"],
        ["R1", "4088878653", "250,000", "2,750", "247,250", "Thanh toán", "21/11/2026 08:30:00"],
        ["F1", "4088878999", "-50,000", "", "-50,000", "Hoàn tiền", "21/11/2026 09:30:00"],
    ]
    plain, own = registry.build("momo", MOMO), registry.build("momo", {**MOMO, "settlement_columns": SIMPLE})
    assert isinstance(plain, SettlementFiles) and isinstance(own, SettlementFiles)

    paid, back = plain.read_settlement(as_xlsx(rows), name="m.xlsx").lines

    assert (paid.gateway_transaction_id, paid.net) == ("4088878653", vnd(247_250))
    assert (back.kind, back.gross) == (LineKind.REFUND, vnd(-50_000))
    assert len(own.read_settlement(as_csv([HEADER, ROW]), name="m.csv").lines) == 1
    assert settlement.columns_of({}) is settlement.DEFAULT_COLUMNS
