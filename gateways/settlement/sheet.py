"""Rows of cells out of a CSV or XLSX file that somebody else made: nothing in it is run, fetched or expanded."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from gateways.settlement.lines import SettlementUnreadable

MAX_BYTES: Final = 20 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 200 * 1024 * 1024
MAX_ROWS: Final = 200_000
MAX_COLUMNS: Final = 200
DELIMITERS: Final = (",", ";", "\t", "|")
FORMULA: Final = object()
"""Stands for a cell that holds a formula: its value is what some other program last thought."""
EXCEL_TEXT: Final = re.compile(r'="(.*)"')

Cell = str | int | float | bool | date | datetime | object | None
Row = tuple[int, list[Cell]]


def sheets(content: bytes, *, name: str) -> Iterator[list[Row]]:
    """Each way to read the file as rows: a CSV once per delimiter, a workbook's visible sheets. Rows count from 1.

    Raises SettlementUnreadable.
    """
    if len(content) > MAX_BYTES:
        raise SettlementUnreadable(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MB.")
    if content.startswith(b"PK\x03\x04"):
        yield from _workbook(content, name=name)
    elif content.startswith(b"\xd0\xcf\x11\xe0"):
        raise SettlementUnreadable(f"{name} is an old Excel file (.xls): save it as .xlsx or CSV.")
    else:
        text = _text(content, name=name)
        problem: SettlementUnreadable | None = None
        readable = 0
        for delimiter in DELIMITERS:
            try:
                rows = _csv(text, delimiter, name=name)
            except SettlementUnreadable as error:
                problem = error
            else:
                readable += 1
                yield rows
        if problem is not None and not readable:
            raise problem


def _text(content: bytes, *, name: str) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise SettlementUnreadable(f"{name} is not UTF-8 text: save it as CSV UTF-8 or .xlsx.") from None
    if "\0" in text:
        raise SettlementUnreadable(f"{name} is not a text file.")
    return text


def _csv(text: str, delimiter: str, *, name: str) -> list[Row]:
    rows: list[Row] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if number > MAX_ROWS:
                raise SettlementUnreadable(f"{name} has more than {MAX_ROWS} rows.")
            rows.append((number, [_unwrapped(cell) for cell in cells]))
    except csv.Error as error:
        raise SettlementUnreadable(f"{name} is no readable CSV: {error}", row=len(rows) + 1) from None
    return rows


def _unwrapped(cell: str) -> str:
    """Excel's way to keep a number as text, ="0123", is that text."""
    found = EXCEL_TEXT.fullmatch(cell.strip())
    return found[1] if found else cell


def _workbook(content: bytes, *, name: str) -> Iterator[list[Row]]:
    _check_archive(content, name=name)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
    except (InvalidFileException, KeyError, ValueError, TypeError, OSError, SyntaxError) as error:
        raise SettlementUnreadable(f"{name} is no readable workbook.") from error
    try:
        for sheet in book.worksheets:
            if sheet.sheet_state == "visible":
                yield _sheet(sheet, name=name)
    finally:
        book.close()


def _sheet(sheet: Any, *, name: str) -> list[Row]:  # openpyxl's sheet for reading, which its types tell from no other
    rows: list[Row] = []
    sheet.reset_dimensions()  # the written size of a sheet is often wrong, or a bomb
    try:
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            if number > MAX_ROWS:
                raise SettlementUnreadable(f"{name} has more than {MAX_ROWS} rows.")
            if len(cells) > MAX_COLUMNS:
                raise SettlementUnreadable(f"{name} has more than {MAX_COLUMNS} columns.", row=number)
            rows.append((number, [FORMULA if cell.data_type == "f" else cell.value for cell in cells]))
    except (KeyError, ValueError, TypeError, OSError, SyntaxError) as error:
        raise SettlementUnreadable(f"{name} is no readable workbook.", row=len(rows) + 1) from error
    return rows


def _check_archive(content: bytes, *, name: str) -> None:
    """Refuse a bomb, and XML that declares entities, before anything parses it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > 1000 or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
                raise SettlementUnreadable(f"{name} unpacks to too much.")
            for member in members:
                if member.filename.endswith((".xml", ".rels")):
                    with archive.open(member) as part:
                        _check_xml(part.read(MAX_UNPACKED_BYTES), name=name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise SettlementUnreadable(f"{name} is no readable workbook.") from error


def _check_xml(text: bytes, *, name: str) -> None:
    if text.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in text[:4] or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise SettlementUnreadable(f"{name} is no workbook of a known spreadsheet program.")
