"""`manage.py import_disputes`: the exit code and the printed line say what a settlement file did."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payments.models import Capture, Dispute, GatewayAccount
from payments.services import accounts
from tests.payments.services.test_dispute_files import COLUMNS, HEAD, NEVER, row

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def number(momo_account: GatewayAccount, pay: Any, order: Any, momo: Any, hear: Any) -> str:
    """MoMo's number of 100,000 VND that were paid."""
    momo_account.settings = {**momo_account.settings, "settlement_columns": COLUMNS}
    momo_account.save()
    accounts.forget()
    hear(momo.paid_ipn(pay(order()).attempt))
    return Capture.objects.get().gateway_transaction_id


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """A settlement file with these rows."""

    def write(*rows: str) -> str:
        path = tmp_path / "momo.csv"
        path.write_text("\n".join([HEAD, *rows]))
        return str(path)

    return write


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("import_disputes", "--account", "momo", *arguments, stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_all_clear_is_0_and_a_second_time_changes_nothing(number: str, file: Callable[..., str]) -> None:
    path = file(row(number, 100_000, "Payment"), row(number, -100_000))

    first, again = run(path), run(path)

    assert first[0] == again[0] == 0
    assert "row 3: -100000 VND opens pay_" in first[1]
    assert first[1].rstrip().endswith("Done: not about disputes 1, noted 1, opens 1")
    assert again[1].strip() == "Done: known 1, not about disputes 1"
    assert Dispute.objects.count() == 1


def test_a_dry_run_says_what_would_happen(number: str, file: Callable[..., str]) -> None:
    code, said = run(file(row(number, -100_000)), "--dry-run")

    assert (code, said.rstrip().endswith("Would do: not about disputes 0, opens 1")) == (0, True)
    assert not Dispute.objects.exists()


def test_lines_that_need_a_person_are_3_and_the_json_says_which(number: str, file: Callable[..., str]) -> None:
    code, said = run(file(row(number, -100_000), row(4242, -5_000)), "--json")

    told = json.loads(said)
    assert (code, told["done"], told["others"]) == (3, {"noted": 1, "held": 1}, {})
    assert [(line["row"], line["verdict"], line["amount"]) for line in told["lines"]] == [
        (2, "opens", "-100000"), (3, "unknown_payment", "-5000"),
    ]  # fmt: skip


def test_a_line_that_cannot_be_booked_is_6(number: str, file: Callable[..., str]) -> None:
    code, said = run(file(row(7, -1_000, at=NEVER), row(number, -100_000)))

    assert (code, "-> This line is dated 2099-01-15" in said, Dispute.objects.count()) == (6, True, 1)


def test_standard_input_is_a_file_too(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "\n".join([HEAD, row(number, -100_000)]).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    assert run("-")[0] == 0
    assert Dispute.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/nowhere/momo.csv"], "cannot be read"),
        (["--account", "cod", "x.csv"], "there are: momo"),
        (["x.csv", "--since", "2026-11-20"], "Name a file, or --since"),
        (["--since", "2026-11-20"], "momo tells no settlements by calls"),
    ],
)
def test_what_is_refused_is_4(number: str, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(*arguments)

    assert (caught.value.returncode, words in str(caught.value)) == (4, True)


def test_a_file_with_one_odd_row_is_4_and_nothing_happened(number: str, file: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="Row 3, column Type") as caught:
        run(file(row(number, -100_000), row(number, -1, "Chargeback")))

    assert (caught.value.returncode, Dispute.objects.exists()) == (4, False)
