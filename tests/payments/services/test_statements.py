"""Bank statements: each line that is ours becomes a fact once, however often its file is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from config.core.models import AuditEntry
from gateways.bank_transfer.reference import make
from ledger.models import JournalEntry
from payments.errors import StatementUnreadable
from payments.models import AttemptEvent, Capture, GatewayAccount, MoneyCase, Payment, PaymentMethod
from payments.services import statements
from payments.services.sending import Opened
from payments.services.statements import Statement, Verdict
from payments.states import PaymentStatus

pytestmark = pytest.mark.django_db(transaction=True)
ME = "user:finance@example.com"
HEADER = ["Date", "Bank reference", "Debit", "Credit", "Description"]


@pytest.fixture
def bought(pay: Callable[..., Opened], order: Callable[..., Any], bank_method: PaymentMethod) -> Callable[..., Opened]:
    """A payment that waits for its transfer: `bought(350_000)`."""
    return lambda minor=350_000: pay(order(amount_minor=minor), method=bank_method)


def sheet(*rows: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([["Sao kê tài khoản 0123456789"], HEADER, *rows])
    return text.getvalue().encode()


def row(number: str, credit: str, text: str, *, debit: str = "") -> list[str]:
    return [timezone.localdate().strftime("%d/%m/%Y"), number, debit, credit, text]


def read(content: bytes, account: GatewayAccount) -> Statement:
    return statements.read(content=content, name="vcb.csv", account=account, bank="generic")


def book(content: bytes, account: GatewayAccount, at: datetime, **options: Any) -> Statement:
    return statements.book(statement=read(content, account), actor=ME, at=at, **options)


def verdicts(statement: Statement) -> list[Verdict]:
    return [one.verdict for one in statement.lines]


def test_a_statement_pays_what_it_names_and_holds_what_does_not_fit(
    bought: Callable[..., Opened], bank_account: GatewayAccount, at: datetime, balances: Callable[[], Any]
) -> None:
    right, wrong = bought(), bought()
    content = sheet(
        row("FT1", "350,000", f"MBVCB.123456.{right.attempt.gateway_reference.lower()}.CT tu 0071 NGUYEN VAN A"),
        row("FT2", "340,000", f"{wrong.attempt.gateway_reference[:5]} {wrong.attempt.gateway_reference[5:]} tra no"),
        row("FT3", "99,000", f"TT {make(12345)}"),
        row("FT4", "5,000,000", "MOMO TT DOI SOAT 20112026"),
        row("FT5", "", "PHI DICH VU", debit="11,000"),
    )

    plan = read(content, bank_account)

    assert verdicts(plan) == [
        Verdict.PAYS, Verdict.HELD, Verdict.UNKNOWN_REFERENCE, Verdict.NO_REFERENCE, Verdict.MONEY_OUT,
    ]  # fmt: skip
    assert [one.payment.id if one.payment else "" for one in plan.lines[:3]] == [right.payment.id, wrong.payment.id, ""]
    assert plan.lines[1].problem is MoneyCase.Kind.AMOUNT_MISMATCH
    assert (Capture.objects.count(), JournalEntry.objects.count()) == (0, 0)

    done = book(content, bank_account, at)

    assert done.outcomes == {"applied": 1, "wrong_amount": 1, "unknown_order": 1}
    assert Payment.objects.get(id=right.payment.id).status == PaymentStatus.SUCCEEDED
    assert balances()["bank:vcb"] == 350_000 + 340_000 + 99_000
    assert balances()["suspense:over"] == -(340_000 + 99_000)
    assert {case.detail.partition(":")[0] for case in MoneyCase.objects.all()} == {"vcb.csv, row 4", "vcb.csv, row 5"}
    assert AttemptEvent.objects.filter(source=AttemptEvent.Source.FILE, actor=ME).count() == 2


def test_a_file_read_again_changes_nothing(
    bought: Callable[..., Opened], bank_account: GatewayAccount, at: datetime
) -> None:
    reference = bought().attempt.gateway_reference
    content = sheet(row("FT1", "350,000", reference), row("FT2", "1,000", f"x {make(9)}"))
    book(content, bank_account, at)
    books = JournalEntry.objects.count()

    again = book(content, bank_account, at)

    assert verdicts(again) == [Verdict.KNOWN, Verdict.KNOWN]
    assert again.outcomes == {}
    assert (JournalEntry.objects.count(), Capture.objects.count(), MoneyCase.objects.count()) == (books, 2, 1)


def test_two_lines_for_one_payment_are_a_payment_and_a_case(
    bought: Callable[..., Opened], bank_account: GatewayAccount, at: datetime
) -> None:
    reference = bought().attempt.gateway_reference
    content = sheet(row("FT1", "350,000", reference), row("FT2", "350,000", reference))

    assert verdicts(read(content, bank_account)) == [Verdict.PAYS, Verdict.HELD]
    assert book(content, bank_account, at).outcomes == {"applied": 1, "held": 1}
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.DOUBLE_PAYMENT


@pytest.mark.parametrize("number", ["", "FT1"])
def test_true_twins_stay_two_and_stay_the_same_two(
    bought: Callable[..., Opened], bank_account: GatewayAccount, at: datetime, number: str
) -> None:
    reference = bought().attempt.gateway_reference
    content = sheet(*[row(number, "350,000", reference)] * 2)
    book(content, bank_account, at)

    assert Capture.objects.count() == 2
    assert verdicts(read(content, bank_account)) == [Verdict.KNOWN, Verdict.KNOWN]


def test_a_number_that_comes_back_with_another_amount_is_shown(
    bought: Callable[..., Opened], bank_account: GatewayAccount, at: datetime
) -> None:
    reference = bought().attempt.gateway_reference
    book(sheet(row("FT1", "350,000", reference)), bank_account, at)

    again = book(sheet(row("FT1", "351,000", reference)), bank_account, at)

    assert (verdicts(again), again.outcomes) == ([Verdict.DIFFERS], {})
    assert Capture.objects.get().amount_minor == 350_000


def test_two_payments_named_by_one_transfer_are_for_a_person(
    bought: Callable[..., Opened], bank_account: GatewayAccount, at: datetime
) -> None:
    one, other = bought().attempt.gateway_reference, bought().attempt.gateway_reference

    done = book(sheet(row("FT1", "700,000", f"{one} va {other}")), bank_account, at)

    assert done.outcomes == {"unknown_order": 1}
    case = MoneyCase.objects.get()
    assert (case.payment, one in case.detail, other in case.detail) == (None, True, True)


def test_money_without_a_reference_is_left_alone_unless_wished(
    bank_method: PaymentMethod, bank_account: GatewayAccount, at: datetime, balances: Callable[[], Any]
) -> None:
    content = sheet(row("FT1", "77,000", "chuyen tien"))

    assert book(content, bank_account, at).outcomes == {}
    assert balances() == {}
    assert book(content, bank_account, at, hold_rest=True).outcomes == {"unknown_order": 1}
    assert balances() == {"bank:vcb": 77_000, "suspense:over": -77_000}
    assert book(content, bank_account, at, hold_rest=True).outcomes == {}


def test_a_line_that_cannot_be_booked_says_so_and_the_others_go_on(
    bought: Callable[..., Opened], bank_account: GatewayAccount, at: datetime
) -> None:
    bad, good = row("FT1", "350,000", bought().attempt.gateway_reference), bought()
    bad[0] = "01/01/2019"

    done = book(sheet(bad, row("FT2", "350,000", good.attempt.gateway_reference)), bank_account, at)

    assert done.outcomes == {"error": 1, "applied": 1}
    assert "value date" in done.lines[0].error


def test_an_import_is_in_the_audit_trail(
    bought: Callable[..., Opened], bank_account: GatewayAccount, at: datetime
) -> None:
    done = book(sheet(row("FT1", "350,000", bought().attempt.gateway_reference)), bank_account, at)

    entry = AuditEntry.objects.get(action="statement.imported")
    assert (entry.actor, entry.object_id) == (ME, bank_account.id)
    assert entry.after == {"file": "vcb.csv", "sha256": done.sha256, "applied": 1}


@pytest.mark.parametrize(
    ("content", "bank", "words"),
    [
        (b"nothing,here", "generic", "no header row"),
        (sheet(row("FT1", "1.2.3", "x")), "generic", "Row 3, column Credit"),
        (sheet(), "hsbc", "there are no columns for 'hsbc'"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    bank_account: GatewayAccount, content: bytes, bank: str, words: str
) -> None:
    with pytest.raises(StatementUnreadable) as caught:
        statements.read(content=content, name="vcb.csv", account=bank_account, bank=bank)

    assert words in caught.value.message
    assert not Capture.objects.exists()


def test_a_thousand_lines_are_planned_with_few_questions(
    bought: Callable[..., Opened], bank_account: GatewayAccount, django_assert_max_num_queries: Any
) -> None:
    reference = bought().attempt.gateway_reference
    rows = [row(f"FT{number}", "1,000", f"x {make(number)}") for number in range(900)]
    content = sheet(*rows, row("FT", "350,000", reference))

    with django_assert_max_num_queries(8):
        plan = read(content, bank_account)

    assert plan.counts == {"unknown_reference": 900, "pays": 1}
