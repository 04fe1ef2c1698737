"""Lists as files that spreadsheets open well and that cannot run anything there (RELIABILITY T30).

CSV begins with a byte order mark, so that Excel reads Vietnamese; a text that a spreadsheet would take for a formula
gets an apostrophe in front (OWASP ASVS V1.2.10). Numbers stay numbers. In XLSX such a text is also typed as text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from config.core import audit
from config.core.admin.cells import Text
from config.core.admin.deeds import attachment

KINDS: Final = ("csv", "xlsx")
MAX_ROWS: Final = 100_000
"""Where an export ends: more is a report's work, not a page's."""
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Value = str | int | Decimal | datetime | date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A list as a file: what may be asked by whom, its columns, and one row's values."""

    name: str
    permission: str
    columns: Sequence[Text]
    row: Callable[[Any], Sequence[Value]]


def serve(export: Export, kind: str, request: HttpRequest, rows: Callable[[], QuerySet[Any]]) -> HttpResponseBase:
    """The rows as a file, and a line in the audit trail that somebody took them. Raises PermissionDenied, Http404."""
    user: Any = request.user
    if not user.has_perm(export.permission):
        raise PermissionDenied
    if kind not in KINDS:
        raise Http404
    found = rows()
    with transaction.atomic():
        audit.record(
            actor=f"user:{user.email}",
            action=f"{export.name}.exported",
            object_type="export",
            object_id=export.name,
            after={"kind": kind, "query": request.GET.urlencode()[:500]},
        )
    values = (export.row(row) for row in found[:MAX_ROWS].iterator(chunk_size=1000))
    name = f"{export.name}-{timezone.localdate():%Y%m%d}.{kind}"
    if kind == "xlsx":
        return attachment(xlsx([str(c) for c in export.columns], values), name=name, content_type=_XLSX)
    return StreamingHttpResponse(
        csv_lines([str(c) for c in export.columns], values),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )


def file_of(kind: str, name: str, columns: Sequence[Text], rows: Iterable[Sequence[Value]]) -> HttpResponseBase:
    """A small table as a file, such as a trial balance. Raises Http404."""
    heads = [str(column) for column in columns]
    if kind == "xlsx":
        return attachment(xlsx(heads, rows), name=f"{name}.xlsx", content_type=_XLSX)
    if kind != "csv":
        raise Http404
    body = "".join(csv_lines(heads, rows)).encode()
    return attachment(body, name=f"{name}.csv", content_type="text/csv; charset=utf-8")


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    """The file line by line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write("\ufeff")
    writer.writerow([defused(column) for column in columns])
    for row in rows:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([_as_text(value) for value in row])
    yield buffer.getvalue()


def xlsx(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """The file whole: a zip cannot be streamed."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.freeze_panes = "A2"
    head = []
    for column in columns:
        cell = WriteOnlyCell(sheet, value=column)
        cell.font = Font(bold=True)
        head.append(cell)
    sheet.append(head)
    for row in rows:
        sheet.append([_as_cell(sheet, value) for value in row])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _as_text(value: Value) -> str | int | Decimal:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    return defused(value) if isinstance(value, str) else value


def _as_cell(sheet: Any, value: Value) -> Any:
    if isinstance(value, datetime):
        return timezone.localtime(value).replace(tzinfo=None)
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet)
    # openpyxl reads a text that begins with = as a formula unless it is told that it is none.
    cell.value = defused(_clean(value))
    cell.data_type = "s"
    return cell


def _clean(text: str) -> str:
    """Without the control characters that the file format cannot hold."""
    return "".join(character for character in text if character >= " " or character in "\t\r\n")
