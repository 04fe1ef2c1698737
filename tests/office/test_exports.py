"""Files that spreadsheets open well and that cannot run anything there (RELIABILITY T30)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from config.core.admin import exports
from config.core.models import AuditEntry
from payments.models import Refund
from tests.office.conftest import Day

EVIL = '=HYPERLINK("http://evil.example","look")'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_text_that_begins_like_a_formula_is_defused_in_both_kinds(start: str) -> None:
    text = f"{start}1+1"

    line = "".join(exports.csv_lines(["a"], [[text]])).split("\r\n", 1)[1]
    assert next(csv.reader(io.StringIO(line)))[0] == f"'{text}"
    sheet = load_workbook(io.BytesIO(exports.xlsx(["a"], [[text]]))).active
    assert sheet["A2"].data_type in ("s", "inlineStr")
    assert sheet["A2"].value.replace("_x000D_", "\r").startswith("'")


def test_numbers_stay_numbers_and_vietnamese_stays_vietnamese() -> None:
    rows = [["Cửa hàng Hoa Sen", Decimal("-960000"), None]]

    text = "".join(exports.csv_lines(["Tên", "Số tiền", "x"], rows))
    assert text == "\ufeffTên,Số tiền,x\r\nCửa hàng Hoa Sen,-960000,\r\n"
    sheet = load_workbook(io.BytesIO(exports.xlsx(["Tên"], rows))).active
    assert (sheet["A2"].value, sheet["B2"].value) == ("Cửa hàng Hoa Sen", -960000)


def test_a_refunds_evil_reason_leaves_the_house_harmless(login: Callable[..., Client], day: Day) -> None:
    Refund.objects.update(reason=EVIL)
    client = login("accountant")

    answer = client.get(reverse("admin:payments_refund_export", args=["csv"]))
    rows = list(csv.reader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))

    assert rows[1][6] == f"'{EVIL}"
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith('attachment; filename="refunds-')
    sheet = load_workbook(io.BytesIO(client.get(reverse("admin:payments_refund_export", args=["xlsx"])).content)).active
    assert (sheet["G2"].value, sheet["G2"].data_type) == (f"'{EVIL}", "s")


def test_an_export_has_the_rows_of_its_filter_and_is_kept_in_the_trail(login: Callable[..., Client], day: Day) -> None:
    answer = login("accountant").get(reverse("admin:payments_payment_export", args=["csv"]), {"status": "succeeded"})

    rows = list(csv.reader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
    assert [row[0] for row in rows[1:]] == [day.paid.pk]
    assert rows[1][5] == "100000"
    entry = AuditEntry.objects.get(action="payments.exported")
    assert entry.after == {"kind": "csv", "query": "status=succeeded"}


def test_another_kind_of_file_is_not_there(boss: Client) -> None:
    assert boss.get(reverse("admin:payments_payment_export", args=["pdf"])).status_code == 404


def test_the_trial_balance_is_a_file_too(boss: Client, day: Day) -> None:
    answer = boss.get(reverse("admin:ledger_trial_balance_file", args=["csv"]))

    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))[1:]
    assert sum(int(row[3]) for row in rows) == sum(int(row[4]) for row in rows) == 101_234
