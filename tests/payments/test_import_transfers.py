"""`manage.py import_transfers`: the exit code and the printed line say what a statement did."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from gateways.bank_transfer.reference import make
from payments.models import Capture, GatewayAccount, PaymentMethod
from payments.services import catalogue
from payments.services.sending import Opened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reference(pay: Callable[..., Opened], order: Callable[..., Any], bank_method: PaymentMethod) -> str:
    """What the transfer of a payment of 350,000 should say."""
    return pay(order(amount_minor=350_000), method=bank_method).attempt.gateway_reference


@pytest.fixture
def statement(tmp_path: Path) -> Callable[..., str]:
    """A file with these credits: `statement(("FT1", "350000", "text"))`."""

    def write(*credits: tuple[str, str, str]) -> str:
        today = timezone.localdate().strftime("%d/%m/%Y")
        rows = ["Date;Bank reference;Credit;Description", *(f"{today};{';'.join(row)}" for row in credits)]
        path = tmp_path / "statement.csv"
        path.write_text("\n".join(rows))
        return str(path)

    return write


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("import_transfers", "--bank", "generic", *arguments, stdout=out, stderr=StringIO())
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_all_clear_is_0_and_a_second_time_changes_nothing(reference: str, statement: Callable[..., str]) -> None:
    path = statement(("FT1", "350000", f"thanh toan {reference}"))

    first, again = run(path), run(path)

    assert first[0] == again[0] == 0
    assert "pays pay_" in first[1] and first[1].rstrip().endswith("Done: applied 1, pays 1")
    assert again[1].strip() == "Done: known 1"
    assert Capture.objects.count() == 1


def test_a_dry_run_says_what_would_happen(reference: str, statement: Callable[..., str]) -> None:
    code, said = run(statement(("FT1", "350000", reference)), "--dry-run")

    assert (code, said.rstrip().endswith("Would do: pays 1")) == (0, True)
    assert not Capture.objects.exists()


def test_lines_that_need_a_person_are_3_and_the_json_says_which(reference: str, statement: Callable[..., str]) -> None:
    code, said = run(statement(("FT1", "1000", reference), ("FT2", "5", f"x {make(1)}")), "--json")

    told = json.loads(said)
    assert code == 3
    assert told["booked"] == {"wrong_amount": 1, "unknown_order": 1}
    assert [line["verdict"] for line in told["lines"]] == ["held", "unknown_reference"]
    assert told["lines"][0]["problem"] == "amount_mismatch"


def test_a_line_that_cannot_be_booked_is_6(reference: str, statement: Callable[..., str]) -> None:
    path = statement(("FT1", "350000", reference))
    Path(path).write_text(Path(path).read_text().replace(timezone.localdate().strftime("%d/%m/%Y"), "01/01/2019"))

    code, said = run(path)

    assert (code, "value date" in said) == (6, True)
    assert not Capture.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bank", "hsbc"], "there are no columns for 'hsbc'"),
        (["--account", "other"], "Name the bank account with --account; there are: bank_transfer"),
    ],
)
def test_what_is_refused_is_4(
    bank_account: GatewayAccount, statement: Callable[..., str], arguments: list[str], words: str
) -> None:
    with pytest.raises(CommandError) as caught:
        run(statement(), *arguments)

    assert (caught.value.returncode, words in str(caught.value)) == (4, True)


def test_a_file_that_is_not_there_is_4(bank_account: GatewayAccount) -> None:
    with pytest.raises(CommandError) as caught:
        run("/nowhere/statement.csv")

    assert caught.value.returncode == 4


def test_with_two_bank_accounts_one_must_be_named(bank_account: GatewayAccount, statement: Callable[..., str]) -> None:
    catalogue.begin_account(code="tcb", gateway="bank_transfer", mode="test", actor="user:a@example.com")

    with pytest.raises(CommandError, match="there are: bank_transfer, tcb"):
        run(statement())
    assert run(statement(), "--account", "bank_transfer")[0] == 0
